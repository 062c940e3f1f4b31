"""A metric over age or weight, a line with bars for each regimen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nksim.output.charts.style import HEIGHT, WIDTH, finished, legend, lettered, library, number_axis, palette, short
from nksim.output.provenance import Provenance
from nksim.sweep import UNITS, Swept


def swept_curve(swept: Sequence[Swept], provenance: Provenance) -> Any:
    """Median and 5–95 % of a metric at each value of the span, in the same virtual patients."""
    alt = library()
    names = lettered([s.label for s in swept])
    over, first = swept[0].span, swept[0]
    # Bars of one age or weight stand side by side.
    step = (over.values[1] - over.values[0]) / 2
    records: list[dict[str, Any]] = []
    for i, (name, s) in enumerate(zip(names, swept, strict=True)):
        beside = step * (i - (len(swept) - 1) / 2) / max(len(swept), 3)
        for at, v in zip(over.values, s.values, strict=True):
            if v.n:
                ends = {f"p{q:02.0f}": short(v.quantile(q / 100)) for q in (5, 50, 95)}
                records.append({"regimen": name, "at": at, "shown": at + beside, **ends})
    colours, dashes = palette(names)
    shown = legend(alt, names, symbolSize=300, symbolType="stroke")
    colour = alt.Color("regimen:N", scale=alt.Scale(domain=names, range=colours), legend=shown)
    unit = first.values[0].unit
    reach = [float(r[k]) for r in records for k in ("p05", "p95")]
    log = bool(reach) and min(reach) > 0 and max(reach) > 30 * min(reach)
    scale = alt.Scale(type="log" if log else "linear", nice=False, padding=8)
    axis = f"{first.metric}, {unit}{', log axis' if log else ''}"
    y = alt.Y("p05:Q", title=axis, axis=number_axis(alt), scale=scale)
    span = alt.Scale(domain=[over.low - step, over.high + step], nice=False)
    base = alt.Chart(alt.Data(values=records)).encode(
        x=alt.X("shown:Q", title=f"{over.measure}, {UNITS[over.measure]}", scale=span)
    )
    bars = base.mark_rule(strokeWidth=1.2, opacity=0.8).encode(y=y, y2="p95:Q", color=colour)
    dash = alt.StrokeDash("regimen:N", scale=alt.Scale(domain=names, range=dashes), legend=shown)
    line = base.mark_line(strokeWidth=2, point=True).encode(y="p50:Q", color=colour, strokeDash=dash)
    chart = alt.layer(bars, line).properties(width=WIDTH, height=HEIGHT)
    count = first.values[0].values.size
    note = f"{count} virtual patients at each {over.measure}, the same under every regimen: median and 5–95 % as bars"
    return finished(alt, chart, f"{first.metric} over {over.measure}", [note, first.note, provenance.line()])
