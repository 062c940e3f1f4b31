"""Calendars as strips: every dose of every regimen on one axis of days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nksim.output.charts.strips import marks
from nksim.output.charts.style import WIDTH, finished, legend, lettered, library, palette
from nksim.simulation import Simulation

_ROW = 17


def calendar_strips(simulations: Sequence[Simulation]) -> Any:
    """A row for each line of each regimen; open marks are assumed doses or days."""
    alt = library()
    names = lettered([s.label for s in simulations])
    records: list[dict[str, Any]] = []
    for s, name in zip(simulations, names, strict=True):
        head = f"{name.split('  ', maxsplit=1)[0]} " if len(names) > 1 else ""
        records += [{**m, "row": f"{head}{m['line']}"} for m in marks(s, name)]
    rows = list(dict.fromkeys(r["row"] for r in records))
    days = [r["time_d"] for r in records]
    colour = alt.Color("regimen:N", scale=alt.Scale(domain=names, range=palette(names)[0]), legend=legend(alt, names))
    span = alt.Scale(domain=[min(days) - 1, max(days) + 1], nice=False)
    chart = (
        alt.Chart(alt.Data(values=records))
        .mark_point(shape="square", size=60, strokeWidth=1.5, opacity=1)
        .encode(
            x=alt.X("time_d:Q", title="Day", scale=span, axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(domain=False, ticks=False)),
            stroke=colour,
            fill=alt.condition("datum.assumed", alt.value("white"), colour),
            tooltip=["row:N", "time_d:Q", "assumed:N"],
        )
        .properties(width=WIDTH - 60, height=_ROW * len(rows))
    )
    return finished(
        alt, chart, "Doses by day", ["Open marks: dose or day assumed by the protocol file, not registered"]
    )
