"""A tornado: how far each open fact and assumed parameter moves a metric, the widest on top."""

from __future__ import annotations

from typing import Any

from nksim.output.charts.style import COLOURS, INK, WIDTH, finished, library, short
from nksim.output.provenance import Provenance
from nksim.sensitivity import Sensitivity

_MOST, _ROW = 18, 19
_FACT, _MODEL = "fact: the sponsor can answer it", "parameter of the model"


def tornado(found: Sensitivity, provenance: Provenance) -> Any:
    """Bars from the metric at the lower to the metric at the upper end of each input, all else as used."""
    alt = library()
    shown = [
        i
        for n, i in enumerate(found.influences)
        if (n < _MOST and i.total >= 0.005) or (i.is_fact and i.metric_low != i.metric_high)
    ]
    records = [
        {
            "input": i.input.name,
            "kind": _FACT if i.is_fact else _MODEL,
            "low": short(i.metric_low),
            "high": short(i.metric_high),
            "end": short(max(i.metric_low, i.metric_high, found.base)),
            "share": f"{max(i.total, 0):.0%}",
            "tried": i.input.text,
        }
        for i in shown
    ]
    values = [float(str(r[k])) for r in records for k in ("low", "high")]
    scale = alt.Scale(
        type="log" if found.logarithm and min(values) > 0 else "linear", zero=False, nice=False, padding=30
    )
    order = [r["input"] for r in records]
    base = alt.Chart(alt.Data(values=records)).encode(y=alt.Y("input:N", sort=order, title=None))
    unit = "" if found.unit == "yes" else f", {found.unit}"
    x = alt.X("low:Q", scale=scale, title=f"{found.metric}{unit}", axis=alt.Axis(format="~g"))
    kind = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=[_FACT, _MODEL], range=[COLOURS[0], COLOURS[5]]),
        legend=alt.Legend(title=None, orient="top", labelLimit=0, columns=2),
    )
    bars = base.mark_bar(height=_ROW - 7, stroke=INK, strokeWidth=0.6).encode(
        x=x, x2="high:Q", color=kind, tooltip=["input:N", "tried:N", "low:Q", "high:Q", "share:N"]
    )
    shares = base.mark_text(align="left", dx=5, fontSize=11, color=INK).encode(x=alt.X("end:Q"), text="share:N")
    middle = alt.Chart(alt.Data(values=[{"low": short(found.base)}])).mark_rule(color=INK).encode(x="low:Q")
    chart = alt.layer(bars, shares, middle).properties(width=WIDTH - 60, height=_ROW * len(records))
    what = f"ln {found.metric}" if found.logarithm else found.metric
    notes = [
        f"{found.label}, the patient of median weight; line: as used. Bars: the metric with one input at either end",
        f"Percent: share of the spread of {what} in which the input has a part (Sobol, {found.runs} runs)",
    ]
    return finished(alt, chart, f"What moves {found.metric}", [*notes, provenance.line()])
