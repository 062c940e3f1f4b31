"""Curves over time: median and band of an output on a log axis, the doses below, observed points over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nksim.errors import UsageError, shorten
from nksim.observed import Observed
from nksim.output.charts.strips import SHAPES, is_assumed, strip
from nksim.output.charts.style import (
    HEIGHT,
    MUTED,
    WIDTH,
    decades,
    finished,
    inline,
    legend,
    lettered,
    library,
    palette,
    short,
)
from nksim.output.provenance import Provenance
from nksim.simulation import Simulation

if TYPE_CHECKING:
    import altair as alt

TITLES = {
    "nk_chimerism": "Donor fraction of NK cells in blood",
    "donor_nk": "Donor NK cells in blood, cells/µL",
    "host_nk": "Own NK cells in blood, cells/µL",
    "alc": "Lymphocytes in blood, cells/µL",
    "il15": "Interleukin-15, pg/mL",
    "cy": "Cyclophosphamide in plasma, mg/L",
    "f_ara_a": "F-ara-A in plasma, mg/L",
    "il2": "Interleukin-2 in plasma, IU/mL",
}
FLOORS = {
    "nk_chimerism": 1e-4,
    "donor_nk": 1e-3,
    "host_nk": 0.1,
    "alc": 1.0,
    "il15": 1.0,
    "cy": 1e-2,
    "f_ara_a": 1e-3,
    "il2": 1e-2,
}
_DRUGS = ("cy", "f_ara_a", "il2")


def curve(
    simulations: Sequence[Simulation], output: str, provenance: Provenance, observed: Sequence[Observed] = ()
) -> alt.VConcatChart:
    """Median and 5–95 % band of an output over time on a log axis, with a strip of the doses below.

    `observed` points of this output lie over it. Raises `UsageError` NK710 for an output that cannot be drawn, NK711
    where the chart library is not installed.
    """
    vega = library()
    if output not in TITLES:
        raise UsageError("NK710", f"no chart of {shorten(output)}", help=f"one of {', '.join(TITLES)}")
    if any(output not in s.output_names for s in simulations):
        raise UsageError(
            "NK710", f"{output} cannot be seen here: the NK donor is the graft's donor", help="chart donor_nk"
        )
    names = lettered([s.label for s in simulations])
    # Several bands lie over one another: the legend shows the lines, in full colour and with their dashes.
    shown = legend(vega, names, symbolSize=300, symbolType="stroke")
    colours, _ = palette(names)
    colour = vega.Color("regimen:N", scale=vega.Scale(domain=names, range=colours), legend=shown)
    # A day more on the left keeps the first dose clear of the axis.
    start, end = min(float(s.times_d[0]) for s in simulations) - 1, max(_last_day(s, output) for s in simulations)
    span = vega.Scale(domain=[start, end], nice=False)
    points = [o for o in observed if o.output == output and start <= o.day <= end]
    quiet = vega.Color("regimen:N", scale=vega.Scale(domain=names, range=colours), legend=None)
    chart = vega.vconcat(
        _bands(vega, simulations, names, output, span, colour, shown, points),
        strip(vega, simulations, names, span, quiet),
        spacing=6,
    ).resolve_scale(shape="independent")
    made: alt.VConcatChart = finished(vega, chart, TITLES[output], _subtitle(simulations, output, provenance, points))
    return made


def _last_day(s: Simulation, output: str) -> float:
    """The end of the run; for a drug the day after it has fallen below the axis in nearly everyone."""
    if output not in _DRUGS:
        return float(s.times_d[-1])
    there = np.flatnonzero(s.bands(output, [0.95])[1][0] >= FLOORS[output])
    return float(min(s.times_d[-1], s.times_d[there[-1]] + 1)) if there.size else float(s.times_d[0]) + 1


def _bands(
    alt: Any,
    simulations: Sequence[Simulation],
    names: Sequence[str],
    output: str,
    span: Any,
    colour: Any,
    shown: Any,
    points: Sequence[Observed],
) -> Any:
    """Band, median and the assay's limit; the band runs down to the foot of the axis, the median ends there."""
    floor, percent = FLOORS[output], output == "nk_chimerism"
    highest = max(float(s.bands(output, [0.95])[1].max()) for s in simulations)
    top = 1.0 if percent else max([highest, *(o.value for o in points)]) * 1.3
    scale = alt.Scale(type="log", domain=[floor, max(top, floor * 10)], nice=False)
    axis = alt.Axis(format="~%" if percent else "~g", values=decades(floor, max(top, floor * 10)))
    records = [record for s, name in zip(simulations, names, strict=True) for record in _quantiles(s, name, output)]
    # The strip below carries the axis of days for both.
    days = alt.X("time_d:Q", scale=span, axis=alt.Axis(labels=False, ticks=False, title=None))
    base = alt.Chart(inline(alt, records, "regimen")).encode(x=days)
    band = base.mark_area(opacity={1: 0.2, 2: 0.16, 3: 0.12}.get(len(simulations), 0.07), clip=True).encode(
        y=alt.Y("p05:Q", title=TITLES[output], scale=scale, axis=axis), y2="p95:Q", color=colour
    )
    dashes = alt.Scale(domain=list(names), range=palette(names)[1])
    line = base.mark_line(strokeWidth=2, clip=True).encode(
        y=alt.Y("p50:Q", scale=scale),
        color=colour,
        strokeDash=alt.StrokeDash("regimen:N", scale=dashes, legend=shown),
        tooltip=[
            alt.Tooltip(f"{k}:{'N' if k == 'regimen' else 'Q'}") for k in ("regimen", "time_d", "p05", "p50", "p95")
        ],
    )
    layers = [band, line]
    if percent:
        layers += _limit(alt, simulations[0], scale)
    if points:
        layers += _points(alt, points, scale, floor)
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def _points(alt: Any, points: Sequence[Observed], scale: Any, floor: float) -> list[Any]:
    """Observed values as black marks, a bar where the day is a range; below the axis they lie on its foot."""
    records = [
        {
            "day": o.day,
            "from": o.earliest,
            "until": o.latest,
            "value": max(o.value, floor),
            "who": o.who,
            "text": o.text,
        }
        for o in points
    ]
    groups = list(dict.fromkeys(o.who for o in points))
    kinds = [SHAPES[i % len(SHAPES)][0] for i in range(len(groups))]
    data = alt.Chart(alt.Data(values=records)).encode(y=alt.Y("value:Q", scale=scale))
    bars = data.transform_filter("datum.until > datum.from").mark_rule(color="black").encode(x="from:Q", x2="until:Q")
    shape = alt.Shape("who:N", scale=alt.Scale(domain=groups, range=kinds), legend=None)
    marks = data.mark_point(size=70, strokeWidth=1.8, stroke="black", fill="white", fillOpacity=0.7)
    return [bars, marks.encode(x="day:Q", shape=shape, tooltip=["says:N"])]


def _limit(alt: Any, s: Simulation, scale: Any) -> list[Any]:
    """The assay's limit of detection as a dashed line with its name."""
    text = f"limit of detection {100 * s.settings.lod:g} %"
    data = alt.Data(values=[{"limit": s.settings.lod, "end": float(s.times_d[-1]), "text": text}])
    rule = alt.Chart(data).mark_rule(strokeDash=[4, 4], color=MUTED).encode(y=alt.Y("limit:Q", scale=scale))
    name = alt.Chart(data).mark_text(align="right", dy=-6, color=MUTED, fontSize=11)
    return [rule, name.encode(y=alt.Y("limit:Q", scale=scale), x=alt.X("end:Q"), text="text:N")]


def _quantiles(s: Simulation, name: str, output: str) -> list[dict[str, Any]]:
    floor = FLOORS[output]
    low, middle, high = s.bands(output, (0.05, 0.5, 0.95))[1]
    last = _last_day(s, output)
    return [
        {
            "regimen": name,
            "time_d": float(t),
            "p05": short(max(a, floor)),
            "p50": short(b) if b >= floor else None,
            "p95": short(max(c, floor)),
        }
        for t, a, b, c in zip(s.times_d, low, middle, high, strict=True)
        if t <= last
    ]


def _subtitle(
    simulations: Sequence[Simulation], output: str, provenance: Provenance, points: Sequence[Observed]
) -> list[str]:
    """What is drawn, what it rests on, and where it comes from: a chart that leaves the page still says so."""
    first = simulations[0]
    lines = [
        f"{len(first.population)} virtual patients: median and 5–95 %"
        + ("; the true fraction, log axis" if output == "nk_chimerism" else "; log axis")
    ]
    if output in _DRUGS:
        lines.append(f"Read every {24 * first.settings.every_d:g} h: peaks in between are not drawn")
    if points:
        sources = {o.who: o.source for o in points}
        told = [f"{SHAPES[i % len(SHAPES)][1]} {who} ({source})" for i, (who, source) in enumerate(sources.items())]
        lines.append(f"Observed, black: {'; '.join(told)}")
    if any(is_assumed(e) for s in simulations for e in s.typical.doses):
        lines.append("Open marks below: dose or day assumed by the protocol file, not registered")
    for s in simulations:
        assumed = [path for path, _ in s.choice.assumed() if path.split(".")[1] in ("dose", "days", "before", "after")]
        answers = [f"{k} = {v}" for k, v in s.choice.settings]
        if assumed:
            lines.append(f"{s.label}, assumed: {', '.join(assumed)}")
        if answers:
            lines.append(f"{s.label}, set by the user: {'; '.join(answers)}")
    total = len(first.parameter_set.parameters(first.preset))
    assumed_count = len(first.parameter_set.assumed(first.preset))
    lines.append(f"Modelled, not measured: {assumed_count} of {total} model parameters are assumed")
    return [*lines, provenance.line()]
