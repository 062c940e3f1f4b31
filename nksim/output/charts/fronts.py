"""A Pareto chart: regimens by two metrics, those that none beats joined by a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nksim.metrics import Values, measure
from nksim.output.charts.style import (
    HEIGHT,
    INK,
    WIDTH,
    finished,
    legend,
    lettered,
    library,
    number_axis,
    palette,
    short,
)
from nksim.output.provenance import Provenance
from nksim.pareto import Aim, front
from nksim.simulation import Simulation

_CORNERS = ((9, -9), (-9, 9), (-9, -9), (9, 9))


def pareto(simulations: Sequence[Simulation], aims: tuple[Aim, Aim], provenance: Provenance) -> Any:
    """Median of both metrics with 5–95 % bars; filled marks and the line are the front, open marks are beaten."""
    alt = library()
    names = lettered([s.label for s in simulations])
    both = [a.metric for a in aims]
    found = [measure(s, both) for s in simulations]
    points = [(m[both[0]].median, m[both[1]].median) for m in found]
    on = front(points, aims)
    records = [
        {
            "regimen": name,
            "letter": name.split("  ", maxsplit=1)[0],
            "x": short(x),
            "y": short(y),
            "front": best,
            "corner": j % len(_CORNERS),
            **{
                f"{k}{q}": short(m[both[i]].quantile(p))
                for i, k in enumerate("xy")
                for q, p in (("lo", 0.05), ("hi", 0.95))
            },
        }
        for j, (name, m, (x, y), best) in enumerate(zip(names, found, points, on, strict=True))
    ]
    colours, _ = palette(names)
    colour = alt.Color("regimen:N", scale=alt.Scale(domain=names, range=colours), legend=legend(alt, names))
    units = [found[0][m].unit for m in both]
    axes = {
        "x": alt.X("x:Q", title=f"{aims[0].words}, {units[0]}", scale=alt.Scale(zero=False), axis=number_axis(alt)),
        "y": alt.Y("y:Q", title=f"{aims[1].words}, {units[1]}", scale=alt.Scale(zero=False), axis=number_axis(alt)),
    }
    base = alt.Chart(alt.Data(values=records)).encode(**axes)
    line = base.transform_filter("datum.front").mark_line(color="#999999", strokeDash=[4, 3]).encode(order="x:Q")
    across = base.mark_rule(opacity=0.45).encode(x="xlo:Q", x2="xhi:Q", color=colour)
    upward = base.mark_rule(opacity=0.45).encode(y="ylo:Q", y2="yhi:Q", color=colour)
    fill = alt.condition("datum.front", colour, alt.value("white"))
    tips = ["regimen:N", "x:Q", "y:Q"]
    marks = base.mark_point(size=90, strokeWidth=2).encode(stroke=colour, fill=fill, tooltip=tips)
    # Letters of neighbours stand in different corners of their marks.
    texts = [
        base.transform_filter(f"datum.corner == {i}")
        .mark_text(dx=dx, dy=dy, fontWeight="bold", color=INK)
        .encode(text="letter:N")
        for i, (dx, dy) in enumerate(_CORNERS)
    ]
    chart = alt.layer(across, upward, line, marks, *texts).properties(width=WIDTH, height=HEIGHT)
    notes = ["Median and 5–95 % of the virtual patients; filled and joined: no other regimen is better in both"]
    return finished(alt, chart, f"{both[0]} against {both[1]}", [*notes, provenance.line()])


def _ends(found: dict[str, Values], both: Sequence[str]) -> dict[str, float]:
    """5 % and 95 % of both metrics, by the names of the axes."""
    (xlo, xhi), (ylo, yhi) = ((short(found[m].quantile(q)) for q in (0.05, 0.95)) for m in both)
    return {"xlo": xlo, "xhi": xhi, "ylo": ylo, "yhi": yhi}
