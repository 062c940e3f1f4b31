"""A forest plot: the paired ratio of every metric to the first regimen, with its interval."""

from __future__ import annotations

import math
from typing import Any

from nksim.comparison import Comparison
from nksim.output.charts.style import MUTED, WIDTH, decades, finished, legend, lettered, library, palette, short
from nksim.output.provenance import Provenance

_ROW = 13


def forest(comparison: Comparison, provenance: Provenance) -> Any:
    """Median of the paired ratios with its 95 % interval on a log axis, a row for each metric and regimen."""
    alt = library()
    names = lettered([s.label for s in comparison.simulations])
    records: list[dict[str, Any]] = []
    for name, found in zip(names[1:], comparison.differences, strict=True):
        for metric, d in found.items():
            middle, low, high = (short(x) for x in d.ratio)
            if math.isfinite(middle):
                ends = (low, high) if math.isfinite(low) else (middle, middle)
                records.append({"metric": metric, "regimen": name, "ratio": middle, "low": ends[0], "high": ends[1]})
    shown = [m for m in comparison.metrics[0] if any(r["metric"] == m for r in records)]
    left = [m for m in comparison.metrics[0] if m not in shown]
    colours, _ = palette(names)
    shapes = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "circle", "square"]
    order = names[1:]
    shared = legend(alt, order)
    look = {
        "color": alt.Color(
            "regimen:N",
            scale=alt.Scale(domain=order, range=colours[1:]),
            legend=shared,
        ),
        "y": alt.Y("metric:N", sort=shown, title=None, scale=alt.Scale(paddingInner=0.25)),
        "yOffset": alt.YOffset("regimen:N", sort=order),
    }
    base = alt.Chart(alt.Data(values=records)).encode(**look)
    low, high = _ends(records)
    # Over two decades and more only whole powers of ten have room for their labels.
    ticks = decades(low, high) if high / low > 100 else alt.Undefined
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(format="~g", values=ticks)
    x = alt.X("ratio:Q", scale=scale, title="ratio to A, log axis", axis=axis)
    shape = alt.Shape(
        "regimen:N",
        scale=alt.Scale(domain=order, range=[shapes[i % len(shapes)] for i in range(len(order))]),
        legend=shared,
    )
    marks = base.mark_point(filled=True, size=45, opacity=1).encode(x=x, shape=shape, tooltip=_tips(alt))
    bars = base.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    one = alt.Chart(alt.Data(values=[{"ratio": 1}])).mark_rule(strokeDash=[4, 4], color=MUTED).encode(x="ratio:Q")
    height = max(60, (_ROW * len(order) + 8) * len(shown))
    chart = alt.layer(one, bars, marks).properties(width=WIDTH - 60, height=height)
    pairs = len(comparison.simulations[0].population)
    notes = [
        f"{pairs} virtual patients, each under every regimen: median of the paired ratios to {names[0]}, 95 % interval"
    ]
    if left:
        notes.append(f"Without a ratio, because some value is 0 or yes or no: {', '.join(left)}")
    notes.append("Modelled, not measured; the interval says how well the runs pin the ratio down, not how true it is")
    return finished(alt, chart, "Ratios to the first regimen", [*notes, provenance.line()])


def _ends(records: list[dict[str, Any]]) -> tuple[float, float]:
    ends = [float(r[k]) for r in records for k in ("low", "high") if r[k] > 0] or [0.5, 2.0]
    return min([*ends, 0.8]) / 1.1, max([*ends, 1.25]) * 1.1


def _tips(alt: Any) -> list[Any]:
    return [alt.Tooltip(t) for t in ("metric:N", "regimen:N", "ratio:Q", "low:Q", "high:Q")]
