"""A metric over age or weight, a line and band for each regimen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nksim.output.charts.style import HEIGHT, WIDTH, finished, legend, lettered, library, palette, short
from nksim.output.provenance import Provenance
from nksim.sweep import UNITS, Swept


def swept_curve(swept: Sequence[Swept], provenance: Provenance) -> Any:
    """Median and 5–95 % of a metric at each value of the span, in the same virtual patients."""
    alt = library()
    names = lettered([s.label for s in swept])
    over, first = swept[0].span, swept[0]
    records = [
        {"regimen": name, "at": at, **{f"p{q:02.0f}": short(v.quantile(q / 100)) for q in (5, 50, 95)}}
        for name, s in zip(names, swept, strict=True)
        for at, v in zip(over.values, s.values, strict=True)
        if v.n
    ]  # fmt: skip
    colours, dashes = palette(names)
    shown = legend(alt, names, symbolSize=300, symbolType="stroke")
    colour = alt.Color("regimen:N", scale=alt.Scale(domain=names, range=colours), legend=shown)
    unit = first.values[0].unit
    y = alt.Y("p05:Q", title=f"{first.metric}, {unit}", axis=alt.Axis(format=".2~e" if unit == "cells" else "~g"))
    span = alt.Scale(domain=[over.low, over.high], nice=False)
    base = alt.Chart(alt.Data(values=records)).encode(
        x=alt.X("at:Q", title=f"{over.measure}, {UNITS[over.measure]}", scale=span)
    )
    band = base.mark_area(opacity=0.15).encode(y=y, y2="p95:Q", color=colour)
    dash = alt.StrokeDash("regimen:N", scale=alt.Scale(domain=names, range=dashes), legend=shown)
    line = base.mark_line(strokeWidth=2, point=True).encode(y="p50:Q", color=colour, strokeDash=dash)
    chart = alt.layer(band, line).properties(width=WIDTH, height=HEIGHT)
    count = first.values[0].values.size
    note = f"{count} virtual patients at each {over.measure}, the same under every regimen: median and 5–95 %"
    return finished(alt, chart, f"{first.metric} over {over.measure}", [note, provenance.line()])
