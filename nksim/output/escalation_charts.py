"""Charts of dose escalation: decision tables, operating characteristics, trial lengths and the Gantt of one trial."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nksim.output.charts.style import COLOURS, WIDTH, library
from nksim.output.provenance import Provenance
from nksim.trial.characteristics import QUANTILES
from nksim.trial.crm import Crm
from nksim.trial.decisions import MEANINGS
from nksim.trial.designs import AnyDesign, decision_table
from nksim.trial.pace import DAYS_PER_MONTH
from nksim.trial.paths import transitions
from nksim.trial.sample import DLT, Course
from nksim.trial.study import Result, Study
from nksim.trial.three_plus_three import ThreePlusThree

if TYPE_CHECKING:
    import altair as alt

# Okabe and Ito 2008: up, stay, down, excluded; the letters say the same without colour.
SHADES = {"E": "#56B4E9", "S": "#F0E442", "D": "#E69F00", "X": "#D55E00"}
GREY = "#BBBBBB"
_MOST_STATES = 48


def decisions(designs: Sequence[AnyDesign], most: int, provenance: Provenance) -> alt.VConcatChart:
    """The letter of every n and number of DLTs, one panel for each design with such a table."""
    vega = library()
    shown = [(d, t) for d in designs if (t := decision_table(d, most)) is not None]
    panels: list[Any] = [_states(vega, d, most) for d in designs if isinstance(d, Crm)]
    for design, found in shown:
        values = [{"n": n, "dlt": y, "letter": letter, "means": MEANINGS[letter]}
                  for n, row in enumerate(found.rows, 1) for y, letter in enumerate(row)]  # fmt: skip
        x = vega.X("n:O", title="Patients at the level", axis=vega.Axis(labelAngle=0))
        base = vega.Chart(vega.Data(values=values)).encode(x=x, y=vega.Y("dlt:O", title="DLTs", sort="descending"))
        colour = vega.Color("letter:N", legend=None, scale=vega.Scale(domain=list(SHADES), range=list(SHADES.values())))
        letters = base.mark_text(fontSize=10).encode(text="letter:N")
        title = vega.TitleParams(_short(design.title), fontSize=12, anchor="start")
        cells = base.mark_rect(stroke="white").encode(color=colour) + letters
        tall = max(map(len, found.rows))
        panels.append(cells.properties(width=vega.Step(24), height=17 * tall, title=title))
    legend = [" · ".join(f"{letter} {words}" for letter, words in MEANINGS.items())]
    if any(isinstance(design, ThreePlusThree) for design, _ in shown):
        legend.append("in 3+3: S three more patients, X too toxic, no further escalation")
    return _titled(vega, vega.vconcat(*panels, spacing=18), "Decision tables", [*legend, provenance.line()])


def _states(vega: Any, design: Crm, most: int) -> Any:
    """What CRM does in every state it can reach, as far as a page holds them: DLTs of patients at each level.

    CRM looks at all levels together, so that a row is the whole state; the level given next is coloured.
    """
    found = list(transitions(design, min(most, 2 * design.size)))
    while len(found) > _MOST_STATES:
        found = [t for t in found if t.patients < found[-1].patients]
    names = [f"level {i}" for i in range(1, design.levels + 1)]
    texts, goes = [], []
    for row, t in enumerate(found):
        seen = [f"{y}/{n}" if n else "–" for n, y in zip(t.n, t.y, strict=True)]
        texts += [{"row": row, "at": name, "text": text} for name, text in zip(names, seen, strict=True)]
        step = (t.goes_to or 0) - t.level
        letter = "X" if t.goes_to is None else "E" if step > 0 else "D" if step < 0 else "S"
        to = "stop" if t.goes_to is None else names[t.goes_to - 1]
        goes.append({"row": row, "at": to, "letter": letter, "means": f"next: {to}", "text": letter})
        texts.append({"row": row, "at": "patients", "text": str(t.patients)})
    order = ["patients", *names, "stop"]
    x = vega.X(
        "at:N", sort=order, title=None, scale=vega.Scale(domain=order), axis=vega.Axis(labelAngle=0, orient="top")
    )
    y = vega.Y("row:O", axis=None)
    colour = vega.Color("letter:N", legend=None, scale=vega.Scale(domain=list(SHADES), range=list(SHADES.values())))
    cells = vega.Chart(vega.Data(values=goes)).mark_rect().encode(x=x, y=y, color=colour)
    written = vega.Chart(vega.Data(values=texts)).mark_text(fontSize=10).encode(x=x, y=y, text="text:N")
    title = vega.TitleParams(_short(design.title), fontSize=12, anchor="start",
                             subtitle="DLTs/patients at each level after each cohort; coloured: the level given next",
                             subtitleFontSize=11, subtitleColor="#444444")  # fmt: skip
    return (cells + written).properties(width=vega.Step(70), height=15 * len(found), title=title)


def characteristics(studies: Sequence[Study], provenance: Provenance) -> alt.VConcatChart:
    """How often each level is chosen, with intervals, and how many patients it gets, design beside design."""
    vega = library()
    panels = [panel for study in studies for panel in _panels(vega, study)]
    first = studies[0].results[0].characteristics
    target, link = studies[0].target, studies[0].exposures
    how = f"{first.trials:,} simulated trials" if first.method == "simulated" else "every course with its probability"
    lines = [how + (f", target {target:g}" if target else "")]
    lines.append(f"user's assumption: {link.link}" if link else "the truth is assumed by the user")
    return _titled(vega, vega.vconcat(*panels, spacing=12), "Operating characteristics", [*lines, provenance.line()])


def _panels(vega: Any, study: Study) -> list[Any]:
    """Selection and patients of one set of levels."""
    names = [r.design.name for r in study.results]
    chosen, given = [], []
    for r in study.results:
        for level, e in enumerate(r.characteristics.selection):
            low, high = (e.value if end is None else end for end in (e.low, e.high))
            chosen.append({"level": _label(study, level), "design": r.design.name, "value": e.value, "low": low,
                           "high": high})  # fmt: skip
        for level, e in enumerate(r.characteristics.patients, 1):
            given.append({"level": _label(study, level), "design": r.design.name, "value": e.value})
    order = [_label(study, level) for level in range(len(study.truth) + 1)]
    colour = vega.Color("design:N", scale=vega.Scale(domain=names, range=_colours(len(names))), sort=names,
                       legend=vega.Legend(title=None, orient="top") if len(names) > 1 else None)  # fmt: skip
    return [_bars(vega, chosen, order, names, colour, "Chosen as MTD", "%", height=210),
            _bars(vega, given, order, names, colour, "Patients (mean)", "~g", height=130)]  # fmt: skip


def _bars(
    vega: Any, values: list[dict[str, Any]], order: list[str], names: list[str], colour: Any, title: str, form: str,
    *, height: int
) -> Any:  # fmt: skip
    x = vega.X("level:N", sort=order, scale=vega.Scale(domain=order), title=None,
               axis=vega.Axis(labelAngle=0, labelLimit=0, labelExpr="split(datum.label, '|')"))  # fmt: skip
    offset = vega.XOffset("design:N", sort=names, scale=vega.Scale(domain=names))
    y = vega.Y("value:Q", title=title, axis=vega.Axis(format=form))
    base = vega.Chart(vega.Data(values=values)).encode(x=x, xOffset=offset)
    bars = base.mark_bar().encode(y=y, color=colour)
    if not values or "low" not in values[0]:
        return bars.properties(width=WIDTH, height=height)
    rules = base.mark_rule(strokeWidth=1.2).encode(y=vega.Y("low:Q"), y2="high:Q")
    return (bars + rules).properties(width=WIDTH, height=height)


def lengths(study: Study, provenance: Provenance) -> alt.VConcatChart:
    """Median, quartiles and 5–95 % of the months to the last decision."""
    vega = library()
    values = []
    for r in study.results:
        if r.length:
            months = [d / DAYS_PER_MONTH for d in r.length.quantiles_d]
            values.append(
                {"design": r.design.name, **dict(zip(("p05", "p25", "p50", "p75", "p95"), months, strict=True))}
            )
    names = [v["design"] for v in values]
    base = vega.Chart(vega.Data(values=values)).encode(y=vega.Y("design:N", sort=names, title=None))
    x = vega.X("p05:Q", title="Months to the last decision", scale=vega.Scale(zero=True))
    chart = (base.mark_rule(strokeWidth=2, color="#0072B2").encode(x=x, x2="p95:Q")
             + base.mark_bar(height=16, color="#56B4E9").encode(x="p25:Q", x2="p75:Q")
             + base.mark_tick(thickness=3, height=22, color="#D55E00").encode(x="p50:Q"))  # fmt: skip
    spread = f"median, quartiles and {100 * QUANTILES[0]:g}–{100 * QUANTILES[-1]:g} % of simulated trials"
    sized = chart.properties(width=WIDTH, height=42 * len(names))
    return _titled(vega, vega.vconcat(sized), "Length of the trial", [spread, *_pace(study), provenance.line()])


def _pace(study: Study) -> list[str]:
    """What the user assumes about time, in one line."""
    p = study.run.pace
    if p is None:
        return []
    parts = [f"{p.per_month:g} candidates a month", f"DLT known {p.followed_d:g} d after the first cells"]
    parts += [f"{name} {days:g} d" for name, days in (("within a cohort", p.within_d), ("between cohorts", p.between_d),
                                                      ("entry to cells", p.lead_d)) if days]  # fmt: skip
    parts += [f"{name} {100 * x:g} %" for name, x in (("screening failures", p.screen_failure),
              ("product failures", p.product_failure), ("not evaluable", p.not_evaluable)) if x]  # fmt: skip
    if p.site or p.weekends:
        parts.append(f"closed: {', '.join(p.site.names if p.site else ['weekends'])}")
    return ["; ".join(parts) + " (the user's assumptions)"]


def gantt(study: Study, result: Result, provenance: Provenance) -> alt.VConcatChart:
    """One trial on dates: every patient from entry over the first infusion to the day on which the outcome is known."""
    vega = library()
    trial = result.sample
    assert trial is not None
    bars, marks = [], []
    for c in trial.courses:
        bars += _spans(c)
        if c.infused:
            marks.append({"patient": c.id, "on": c.infused.isoformat(), "what": "first cells"})
        if c.outcome == DLT:
            marks.append({"patient": c.id, "on": c.until.isoformat(), "what": "DLT"})
        elif c.outcome not in (DLT, "no DLT"):
            marks.append({"patient": c.id, "on": c.until.isoformat(), "what": c.outcome})
    patients = [c.id for c in trial.courses]
    levels = [f"level {i}" for i in range(1, len(study.truth) + 1)]
    kinds = ["awaiting cells", *levels]
    y = vega.Y("patient:N", sort=patients, scale=vega.Scale(domain=patients), title=None, axis=vega.Axis(ticks=False))
    colour = vega.Color("kind:N", sort=kinds, legend=vega.Legend(title=None, orient="top", columns=8),
                       scale=vega.Scale(domain=kinds, range=[GREY, *_colours(len(levels))]))  # fmt: skip
    parse = vega.DataFormat(parse={"from": "utc:'%Y-%m-%d'", "to": "utc:'%Y-%m-%d'"})
    spans = (vega.Chart(vega.Data(values=bars, format=parse)).mark_bar(height=9)
             .encode(x=vega.X("from:T", title=None, scale=vega.Scale(type="utc"), axis=vega.Axis(format="%b %Y")),
                     x2="to:T", y=y, color=colour))  # fmt: skip
    layers = [spans, *_marks(vega, marks, y)]
    words = f"MTD level {trial.mtd}" if trial.mtd else "no MTD"
    replaced = study.run.pace is None or study.run.pace.replace
    lost = "lost and replaced" if replaced else "lost; replaced only where the product failed"
    lines = [f"trial {trial.number} of the simulation, opened {trial.opens}, last decision {trial.ends}: {words}",
             f"bar: entry to the day on which the outcome is known; tick: first cells; × DLT; ○ {lost}",
             *_doses(study), *_pace(study), provenance.line()]  # fmt: skip
    chart = vega.layer(*layers).properties(width=WIDTH, height=max(60, 15 * len(patients)))
    return _titled(vega, vega.vconcat(chart), f"A sample trial by {result.design.name}", lines)


def _spans(c: Course) -> list[dict[str, str]]:
    """Waiting for the cells, then under observation; a bar of one day at least."""
    infused = c.infused or c.until
    found = [{"patient": c.id, "kind": "awaiting cells", "from": c.entered.isoformat(), "to": infused.isoformat()}]
    if c.infused:
        until = max(c.until, c.infused + dt.timedelta(days=1))
        found.append(
            {"patient": c.id, "kind": f"level {c.level}", "from": c.infused.isoformat(), "to": until.isoformat()}
        )
    return found


def _marks(vega: Any, marks: list[dict[str, str]], y: Any) -> list[Any]:
    """First cells as ticks, DLTs as crosses, lost patients as circles."""
    parse = vega.DataFormat(parse={"on": "utc:'%Y-%m-%d'"})
    x = vega.X("on:T", scale=vega.Scale(type="utc"))
    layers = []
    for chosen, mark in (
        (
            [m for m in marks if m["what"] == "first cells"],
            {"shape": "stroke", "angle": 90, "size": 80, "strokeWidth": 2},
        ),
        ([m for m in marks if m["what"] == "DLT"], {"shape": "cross", "angle": 45, "size": 90, "filled": True}),
        (
            [m for m in marks if m["what"] not in ("first cells", "DLT")],
            {"shape": "circle", "size": 60, "fill": "white"},
        ),
    ):
        if chosen:
            chart = vega.Chart(vega.Data(values=chosen, format=parse))
            layers.append(chart.mark_point(color="black", opacity=1, **mark).encode(x=x, y=y))
    return layers


def _doses(study: Study) -> list[str]:
    return [", ".join(f"level {i} {dose}" for i, dose in enumerate(study.doses, 1))] if study.doses else []


def _label(study: Study, level: int) -> str:
    """A level on the axis with its dose and its truth below."""
    if level == 0:
        return "none"
    dose = f"|{study.doses[level - 1].replace(' ', '|')}" if study.doses else ""
    whose = "by your link|" if study.exposures else "true "
    return f"level {level}{dose}|{whose}{100 * study.truth[level - 1]:.3g} %"


def _colours(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _short(title: str) -> str:
    return textwrap.shorten(title.split(";", maxsplit=1)[0], 90, placeholder=" …")


def _titled(vega: Any, chart: Any, title: str, lines: Sequence[str]) -> alt.VConcatChart:
    wrapped = [part for text in lines for part in textwrap.wrap(text, 112)]
    words = vega.TitleParams(title, subtitle=wrapped, anchor="start", fontSize=15, subtitleFontSize=11,
                             subtitleColor="#444444", offset=12)  # fmt: skip
    styled: alt.VConcatChart = (
        chart.properties(title=words, padding=12)
        .configure_view(stroke=None)
        .configure_axis(gridColor="#e5e5e5", labelFontSize=11, titleFontSize=12)
    )
    return styled
