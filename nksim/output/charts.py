"""Charts as Vega-Lite, one declaration for file, page and notebook; drawn without a browser or a network."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nksim.errors import UsageError, shorten
from nksim.output.provenance import Provenance
from nksim.simulation import Simulation

if TYPE_CHECKING:
    import altair as alt

# Okabe and Ito 2008: told apart by colour-blind readers; the dashes tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 2], [1, 3])
TITLES = {
    "nk_chimerism": "Donor fraction of NK cells in blood",
    "donor_nk": "Donor NK cells in blood, cells/µL",
    "host_nk": "Own NK cells in blood, cells/µL",
    "alc": "Lymphocytes in blood, cells/µL",
    "il15": "Interleukin-15, pg/mL",
}
FLOORS = {"nk_chimerism": 1e-4, "donor_nk": 1e-3, "host_nk": 0.1, "alc": 1.0, "il15": 1.0}
WIDTH, HEIGHT = 640, 320


def curve(simulations: Sequence[Simulation], output: str, provenance: Provenance) -> alt.VConcatChart:
    """Median and 5–95 % band of an output over time on a log axis, with a strip of the doses below.

    Raises `UsageError` NK710 for an output that cannot be drawn, NK711 where the chart library is not installed.
    """
    vega = library()
    if output not in TITLES:
        raise UsageError("NK710", f"no chart of {shorten(output)}", help=f"one of {', '.join(TITLES)}")
    if any(output not in s.output_names for s in simulations):
        raise UsageError(
            "NK710", f"{output} cannot be seen here: the NK donor is the graft's donor", help="chart donor_nk"
        )
    names = [s.label for s in simulations]
    # Several bands lie over one another: the legend shows the lines, in full colour and with their dashes.
    legend = vega.Legend(title=None, orient="top", columns=3, symbolSize=300, symbolType="stroke", symbolOpacity=1)
    colour = vega.Color(
        "regimen:N",
        scale=vega.Scale(domain=names, range=COLOURS[: len(names)]),
        legend=legend if len(names) > 1 else None,
    )
    # A day more on the left keeps the first dose clear of the axis.
    start, end = min(float(s.times_d[0]) for s in simulations) - 1, max(float(s.times_d[-1]) for s in simulations)
    span = vega.Scale(domain=[start, end], nice=False)
    chart = vega.vconcat(
        _bands(vega, simulations, output, span, colour, legend if len(names) > 1 else None),
        _strip(vega, simulations, span, colour),
        spacing=6,
    )
    title = vega.TitleParams(
        TITLES[output],
        subtitle=_subtitle(simulations, output, provenance),
        anchor="start",
        fontSize=15,
        subtitleFontSize=11,
        subtitleColor="#444444",
        offset=12,
    )
    styled: alt.VConcatChart = (
        chart.properties(title=title, padding=12)
        .configure_view(stroke=None)
        .configure_axis(grid=True, gridColor="#e5e5e5", labelFontSize=11, titleFontSize=12)
    )
    return styled


def library() -> Any:
    """The chart library; raises `UsageError` NK711 where it is not installed."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError:
        raise UsageError("NK711", "charts need the chart library", help="pip install 'nksim[charts]'") from None
    return altair


def _bands(alt: Any, simulations: Sequence[Simulation], output: str, span: Any, colour: Any, legend: Any) -> Any:
    """Band, median and the assay's limit; the band runs down to the foot of the axis, the median ends there."""
    floor, percent = FLOORS[output], output == "nk_chimerism"
    top = 1.0 if percent else max(float(s.bands(output, [0.95])[1].max()) for s in simulations) * 1.3
    records = [record for s in simulations for record in _quantiles(s, output, floor)]
    decades = [float(10.0**i) for i in range(-4, 7) if floor <= 10.0**i <= max(top, floor * 10)]
    axis = alt.Axis(format="~%" if percent else "~g", values=decades)
    scale = alt.Scale(type="log", domain=[floor, max(top, floor * 10)], nice=False)
    # The strip below carries the axis of days for both.
    days = alt.X("time_d:Q", scale=span, axis=alt.Axis(labels=False, ticks=False, title=None))
    base = alt.Chart(alt.Data(values=records)).encode(x=days)
    band = base.mark_area(opacity=0.18 if len(simulations) < 3 else 0.1, clip=True).encode(
        y=alt.Y("p05:Q", title=TITLES[output], scale=scale, axis=axis), y2="p95:Q", color=colour
    )
    names = [s.label for s in simulations]
    dashes = alt.Scale(domain=names, range=list(DASHES[: len(names)]))
    line = base.mark_line(strokeWidth=2, clip=True).encode(
        y=alt.Y("p50:Q", scale=scale), color=colour, strokeDash=alt.StrokeDash("regimen:N", scale=dashes, legend=legend)
    )
    layers = [band, line]
    if percent:
        layers += _limit(alt, simulations[0], scale)
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def _limit(alt: Any, s: Simulation, scale: Any) -> list[Any]:
    """The assay's limit of detection as a dashed line with its name."""
    data = alt.Data(
        values=[
            {
                "limit": s.settings.lod,
                "end": float(s.times_d[-1]),
                "text": f"limit of detection {100 * s.settings.lod:g} %",
            }
        ]
    )
    rule = alt.Chart(data).mark_rule(strokeDash=[4, 4], color="#555555").encode(y=alt.Y("limit:Q", scale=scale))
    text = alt.Chart(data).mark_text(align="right", dy=-6, color="#555555", fontSize=11)
    return [rule, text.encode(y=alt.Y("limit:Q", scale=scale), x=alt.X("end:Q"), text="text:N")]


def _quantiles(s: Simulation, output: str, floor: float) -> list[dict[str, Any]]:
    low, middle, high = s.bands(output, (0.05, 0.5, 0.95))[1]
    return [
        {
            "regimen": s.label,
            "time_d": float(t),
            "p05": max(float(a), floor),
            "p50": float(b) if b >= floor else None,
            "p95": max(float(c), floor),
        }
        for t, a, b, c in zip(s.times_d, low, middle, high, strict=True)
    ]


def _strip(alt: Any, simulations: Sequence[Simulation], span: Any, colour: Any) -> Any:
    """One tick for each dose, a row for each line."""
    several = len(simulations) > 1
    records, rows = [], []
    for s in simulations:
        for e in s.typical.doses:
            row = f"{s.label} {e.line}" if several else e.line
            rows.append(row)
            records.append(
                {
                    "regimen": s.label,
                    "line": row,
                    "time_d": e.occasion.start.from_anchor_d(s.typical.anchor_clock),
                }
            )
    order = list(dict.fromkeys(rows))
    y = alt.Y("line:N", sort=order, title=None, axis=alt.Axis(grid=False, domain=False, ticks=False))
    ticks = (
        alt.Chart(alt.Data(values=records))
        .mark_tick(thickness=2, height=11)
        .encode(x=alt.X("time_d:Q", title="Day", scale=span), y=y, color=colour)
    )
    return ticks.properties(width=WIDTH, height=16 * len(order))


def _subtitle(simulations: Sequence[Simulation], output: str, provenance: Provenance) -> list[str]:
    """What is drawn, what it rests on, and where it comes from: a chart that leaves the page still says so."""
    first = simulations[0]
    lines = [
        f"{len(first.population)} virtual patients: median and 5–95 %"
        + ("; the true fraction, log axis" if output == "nk_chimerism" else "; log axis")
    ]
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
    return [part for text in [*lines, provenance.line()] for part in textwrap.wrap(text, 112)]


def rendered(chart: alt.VConcatChart, suffix: str) -> bytes:
    """The chart as the bytes of an `svg` or `png` file."""
    import vl_convert

    if suffix == "svg":
        return _renumbered(str(vl_convert.vegalite_to_svg(chart.to_dict()))).encode()
    return bytes(vl_convert.vegalite_to_png(chart.to_dict(), scale=2))


def _renumbered(svg: str) -> str:
    """The SVG with ids counted from 1: the drawing library goes on counting from one chart to the next."""
    found = {name: f"clip-{i}" for i, name in enumerate(dict.fromkeys(re.findall(r'id="(clip\d+)"', svg)), 1)}
    return re.sub(r"\bclip\d+\b", lambda m: found.get(m[0], m[0]), svg)
