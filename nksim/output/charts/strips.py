"""The dosing strip under a curve: a mark for every dose, open where the dose or its day is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nksim.doses import origin_day
from nksim.output.charts.style import WIDTH
from nksim.schedule.expansion import Event
from nksim.simulation import Simulation

_ROW, _LANE = 16, 7
# The glyphs are those of WGL4, which the fonts of every drawing library have.
SHAPES = (
    ("square", "■"),
    ("diamond", "♦"),
    ("triangle-up", "▲"),
    ("circle", "●"),
    ("cross", "+"),
    ("triangle-down", "▼"),
)


def strip(alt: Any, simulations: Sequence[Simulation], names: Sequence[str], span: Any, colour: Any) -> Any:
    """A row for each line of one regimen; of several, a row for each regimen with a lane for each line."""
    records = [r for s, name in zip(simulations, names, strict=True) for r in marks(s, name)]
    lines = list(dict.fromkeys(r["line"] for r in records))
    x = alt.X("time_d:Q", title="Day", scale=span)
    plain = alt.Axis(grid=False, domain=False, ticks=False)
    fill = alt.condition("datum.assumed", alt.value("white"), colour)
    chart = alt.Chart(alt.Data(values=records))
    if len(simulations) == 1:
        y = alt.Y("line:N", sort=lines, title=None, axis=plain)
        return (
            chart.mark_point(shape="square", size=42, strokeWidth=1.5, clip=True)
            .encode(x=x, y=y, stroke=colour, fill=fill)
            .properties(width=WIDTH, height=_ROW * len(lines))
        )
    by_letter = alt.Axis(grid=False, domain=False, ticks=False, labelExpr="split(datum.label, '  ')[0]")
    kinds = [SHAPES[i % len(SHAPES)] for i in range(len(lines))]
    shape = alt.Shape("line:N", scale=alt.Scale(domain=lines, range=[name for name, _ in kinds]), legend=None)
    # A legend cannot draw marks whose fill depends on the dose: the axis title names them.
    key = " · ".join(f"{glyph} {line}" for line, (_, glyph) in zip(lines, kinds, strict=True))
    x = alt.X("time_d:Q", title=["Day", key], scale=span)
    return (
        chart.mark_point(size=26, strokeWidth=1, clip=True)
        .encode(
            x=x,
            y=alt.Y("regimen:N", sort=list(names), title=None, axis=by_letter),
            yOffset=alt.YOffset("line:N", sort=lines),
            stroke=colour,
            fill=fill,
            shape=shape,
        )
        .properties(width=WIDTH, height=(_LANE * len(lines) + 4) * len(names))
    )


def marks(s: Simulation, name: str) -> list[dict[str, Any]]:
    """Every dose with its day from the first cells and whether the file assumes its amount or day."""
    origin = origin_day(s.choice)
    return [
        {
            "regimen": name,
            "line": e.line,
            "time_d": e.occasion.start.from_anchor_d(s.typical.anchor_clock) - origin,
            "assumed": is_assumed(e),
        }
        for e in s.typical.doses
    ]


def is_assumed(event: Event) -> bool:
    """Whether the dose or its time is the file's assumption."""
    return any(n in ("dose", "days", "timing") and f.chosen.basis == "assumed" for n, f in event.facts)
