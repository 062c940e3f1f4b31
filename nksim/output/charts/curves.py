"""Curves over time: median and band of an output on a log axis, the doses below, observed points over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError, shorten
from nksim.observed import Observed
from nksim.output.charts.strips import SHAPES, is_assumed, strip
from nksim.output.charts.style import (
    HEIGHT,
    INK,
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

Floats = NDArray[np.float64]
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
MOST_BANDS, MOST_BARS = 3, 26


@dataclass(frozen=True, eq=False)
class _Read:
    """One regimen's output as it is drawn: its name, and 5 %, median and 95 % (t,) up to the last day drawn."""

    name: str
    times_d: Floats
    low: Floats
    middle: Floats
    high: Floats


def curve(
    simulations: Sequence[Simulation], output: str, provenance: Provenance, observed: Sequence[Observed] = ()
) -> alt.VConcatChart:
    """Median and 5–95 % of an output over time on a log axis, with a strip of the doses below.

    Up to three regimens have bands; more would hide one another and have bars, each at days of its own. `observed`
    points of this output lie over it. Raises `UsageError` NK710 for an output that cannot be drawn, NK711 where the
    chart library is not installed.
    """
    vega = library()
    if output not in TITLES:
        raise UsageError("NK710", f"no chart of {shorten(output)}", help=f"one of {', '.join(TITLES)}")
    if any(output not in s.output_names for s in simulations):
        raise UsageError(
            "NK710", f"{output} cannot be seen here: the NK donor is the graft's donor", help="chart donor_nk"
        )
    names = lettered([s.label for s in simulations])
    found = [_read(s, name, output) for s, name in zip(simulations, names, strict=True)]
    # Several bands lie over one another: the legend shows the lines, in full colour and with their dashes.
    shown = legend(vega, names, symbolSize=300, symbolType="stroke")
    colours, _ = palette(names)
    colour = vega.Color("regimen:N", scale=vega.Scale(domain=names, range=colours), legend=shown)
    # A day more on the left keeps the first dose clear of the axis.
    start, end = min(float(r.times_d[0]) for r in found) - 1, max(float(r.times_d[-1]) for r in found)
    span = vega.Scale(domain=[start, end], nice=False)
    points = [o for o in observed if o.output == output and start <= o.day <= end]
    quiet = vega.Color("regimen:N", scale=vega.Scale(domain=names, range=colours), legend=None)
    chart = vega.vconcat(
        _layers(vega, simulations[0], found, output, span, colour, shown, points),
        strip(vega, simulations, names, span, quiet),
        spacing=6,
    ).resolve_scale(shape="independent")
    made: alt.VConcatChart = finished(vega, chart, TITLES[output], _subtitle(simulations, output, provenance, points))
    return made


def _read(s: Simulation, name: str, output: str) -> _Read:
    """To the end of the run; a drug to the day after it has fallen below the axis in nearly everyone."""
    low, middle, high = s.quantiles(output, (0.05, 0.5, 0.95))
    count = s.times_d.size
    if output in _DRUGS:
        there = np.flatnonzero(high >= FLOORS[output])
        last = s.times_d[there[-1]] if there.size else s.times_d[0]
        count = int(np.searchsorted(s.times_d, last + 1, side="right"))
    return _Read(name, s.times_d[:count], low[:count], middle[:count], high[:count])


def _layers(
    alt: Any,
    first: Simulation,
    found: Sequence[_Read],
    output: str,
    span: Any,
    colour: Any,
    shown: Any,
    points: Sequence[Observed],
) -> Any:
    """Spread, medians, the assay's limit and observed points; a median ends at the foot of the axis."""
    floor, percent = FLOORS[output], output == "nk_chimerism"
    highest = max(float(r.high.max()) for r in found)
    top = 1.0 if percent else max([highest, *(o.value for o in points)]) * 1.3
    scale = alt.Scale(type="log", domain=[floor, max(top, floor * 10)], nice=False)
    axis = alt.Axis(format="~%" if percent else "~g", values=decades(floor, max(top, floor * 10)))
    # The strip below carries the axis of days for both.
    days = alt.X("time_d:Q", scale=span, axis=alt.Axis(labels=False, ticks=False, title=None))
    y = alt.Y("p05:Q", title=TITLES[output], scale=scale, axis=axis)
    records = [record for r in found for record in _quantiles(r, floor)]
    base = alt.Chart(inline(alt, records, "regimen")).encode(x=days)
    dashes = alt.Scale(domain=[r.name for r in found], range=palette([r.name for r in found])[1])
    line = base.mark_line(strokeWidth=2, clip=True).encode(
        y=alt.Y("p50:Q", scale=scale),
        color=colour,
        strokeDash=alt.StrokeDash("regimen:N", scale=dashes, legend=shown),
        tooltip=[
            alt.Tooltip(f"{k}:{'N' if k == 'regimen' else 'Q'}") for k in ("regimen", "time_d", "p05", "p50", "p95")
        ],
    )
    if len(found) <= MOST_BANDS:
        band = base.mark_area(opacity={1: 0.2, 2: 0.16, 3: 0.12}[len(found)], clip=True)
        layers = [band.encode(y=y, y2="p95:Q", color=colour), line]
        if len(found) > 1:
            # In grey the bands run together: their edges have the dashes of their regimens.
            edge = base.mark_line(strokeWidth=0.7, clip=True)
            dashed = alt.StrokeDash("regimen:N", scale=dashes, legend=None)
            layers += [
                edge.encode(y=alt.Y(f"{q}:Q", scale=scale), color=colour, strokeDash=dashed) for q in ("p05", "p95")
            ]
    else:
        layers = [*_bars(alt, found, days, y, colour, floor), line]
    if percent:
        layers += _limit(alt, first, scale)
    if points:
        layers += _points(alt, points, scale, floor)
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def _bars(alt: Any, found: Sequence[_Read], days: Any, y: Any, colour: Any, floor: float) -> list[Any]:
    """A bar from 5 % to 95 % every few days for each regimen in turn, with its letter: no two on one day."""
    start, end = min(r.times_d[0] for r in found), max(r.times_d[-1] for r in found)
    count = len(found) * max(2, MOST_BARS // len(found))
    records = []
    for i, day in enumerate(start + (np.arange(count) + 0.5) * (end - start) / count):
        r = found[i % len(found)]
        j = int(np.abs(r.times_d - day).argmin())
        if abs(r.times_d[j] - day) <= 1 and r.high[j] > floor:
            low, high = (short(max(v, floor)) for v in (r.low[j], r.high[j]))
            letter = r.name.split("  ", maxsplit=1)[0]
            records.append(
                {"regimen": r.name, "letter": letter, "time_d": float(r.times_d[j]), "p05": low, "p95": high}
            )
    base = alt.Chart(inline(alt, records, "regimen", "letter")).encode(x=days)
    bars = base.mark_rule(strokeWidth=1.2, opacity=0.8).encode(y=y, y2="p95:Q", color=colour)
    return [bars, base.mark_text(dy=-5, fontSize=8, color=INK).encode(y="p95:Q", text="letter:N")]


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
    return [bars, marks.encode(x="day:Q", shape=shape, tooltip=["text:N"])]


def _limit(alt: Any, s: Simulation, scale: Any) -> list[Any]:
    """The assay's limit of detection as a dashed line with its name."""
    text = f"limit of detection {100 * s.settings.lod:g} %"
    data = alt.Data(values=[{"limit": s.settings.lod, "end": float(s.times_d[-1]), "text": text}])
    rule = alt.Chart(data).mark_rule(strokeDash=[4, 4], color=MUTED).encode(y=alt.Y("limit:Q", scale=scale))
    name = alt.Chart(data).mark_text(align="right", dy=-6, color=MUTED, fontSize=11)
    return [rule, name.encode(y=alt.Y("limit:Q", scale=scale), x=alt.X("end:Q"), text="text:N")]


def _quantiles(r: _Read, floor: float) -> list[dict[str, Any]]:
    return [
        {
            "regimen": r.name,
            "time_d": float(t),
            "p05": short(max(a, floor)),
            "p50": short(b) if b >= floor else None,
            "p95": short(max(c, floor)),
        }
        for t, a, b, c in zip(r.times_d, r.low, r.middle, r.high, strict=True)
    ]


def _subtitle(
    simulations: Sequence[Simulation], output: str, provenance: Provenance, points: Sequence[Observed]
) -> list[str]:
    """What is drawn, what it rests on, and where it comes from: a chart that leaves the page still says so."""
    first = simulations[0]
    spread = "5–95 %" if len(simulations) <= MOST_BANDS else "5–95 % as bars, each where its letter stands"
    lines = [
        f"{len(first.population)} virtual patients: median and {spread}"
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
