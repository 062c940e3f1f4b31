"""Operating characteristics, trial lengths, a sample trial and exposures as text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nksim.output import decision_tables
from nksim.output.numbers import number
from nksim.output.provenance import Provenance
from nksim.output.text import table
from nksim.trial.characteristics import QUANTILES, Characteristics, Length
from nksim.trial.designs import AnyDesign
from nksim.trial.estimates import Estimate
from nksim.trial.exposure import Exposures
from nksim.trial.pace import DAYS_PER_MONTH
from nksim.trial.sample import Course, SampleTrial
from nksim.trial.study import Study

SCHEMA_VERSION = 1
COLUMNS = ("doses", "design", "method", "trials", "level", "dose", "quantity", "value", "low", "high")
AGES_Y = ((0.0, 18.0, "under 18 y"), (18.0, math.inf, "from 18 y"))
_WIDTH = 110


@dataclass(frozen=True)
class Grid:
    """A table before it is drawn; columns of `right` hold numbers."""

    header: list[str]
    rows: list[list[str]]
    right: frozenset[int]

    def text(self) -> str:
        """Aligned for the terminal."""
        return table(self.header, self.rows, right=self.right)


def as_text(head: str, studies: Sequence[Study], notes: Sequence[str], provenance: Provenance) -> str:
    """Everything about the studies for the terminal."""
    parts = [head]
    for study in studies:
        if len(studies) > 1 and study.doses:
            parts.append(f"Levels {', '.join(study.doses)}")
        if study.exposures:
            parts.append(exposures(study.exposures).text() + "\n" + _wrapped(marked(study.exposures)).strip())
        parts += [selection(study).text(), summary(study).text()]
        if study.results[0].length:
            parts.append(lengths(study).text())
        parts += [_sample(r.design.name, r.sample, study) for r in study.results[:1] if r.sample]
    parts.append("\n".join(_wrapped(r.design.title) for r in studies[0].results))
    parts += ["Assumed:\n" + "\n".join(_wrapped(n) for n in notes), provenance.line()]
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _percent(p: float, digits: int = 1) -> str:
    return f"{100 * p:.{digits}f} %"


def _range(e: Estimate, scale: float = 1.0, digits: int = 1) -> str:
    if e.low is None or e.high is None:
        return "exact"
    return f"{scale * e.low:.{digits}f}–{scale * e.high:.{digits}f}"


def selection(study: Study) -> Grid:
    """Level by level: the truth, and for each design how often it is chosen, its patients and DLTs."""
    head = ["", "", "none", *(str(i) for i in range(1, len(study.truth) + 1))]
    rows = [["dose", "", "", *study.doses]] if study.doses else []
    rows.append(
        [
            "P(DLT) by your link" if study.exposures else "true P(DLT)",
            "",
            "",
            *(f"{100 * p:.3g} %" for p in study.truth),
        ]
    )
    for result in study.results:
        c = result.characteristics
        digits = 1 if c.method == "simulated" else 2
        rows.append([result.design.name, "chosen as MTD", *(_percent(e.value, digits) for e in c.selection)])
        if c.method == "simulated":
            rows.append(["", "95 % interval", *(_range(e, 100) for e in c.selection)])
        rows.append(["", "patients", "", *(f"{e.value:.2f}" for e in c.patients)])
        rows.append(["", "DLTs", "", *(f"{e.value:.2f}" for e in c.toxicities)])
    return Grid(head, rows, frozenset(range(2, len(head))))


def summary(study: Study) -> Grid:
    """Patients, DLTs and overdoses of each design over the whole trial."""
    head = ["design", "method", "patients", "", "DLTs", "", "patients above target", ""]
    rows = []
    for result in study.results:
        c = result.characteristics
        method = f"{c.trials:,} trials" if c.method == "simulated" else f"exact, {c.trials:,} courses"
        above = ["–", ""] if c.overdosed is None else [_percent(c.overdosed.value), _range(c.overdosed, 100)]
        rows.append([result.design.name, method, f"{c.all_patients.value:.3f}", _range(c.all_patients, digits=2),
                     f"{c.all_toxicities.value:.3f}", _range(c.all_toxicities, digits=2), *above])  # fmt: skip
    return Grid(head, rows, frozenset({2, 4, 6}))


def lengths(study: Study) -> Grid:
    """How long trials last and whom they need, design by design."""
    head = ["design", "months to the last decision: 5 %", "median", "95 %", "mean", "entered", "screening failures",
            "product failures", "not evaluable"]  # fmt: skip
    rows = []
    for result in study.results:
        if result.length is None:
            continue
        x = result.length
        months = [x.quantiles_d[0], x.quantiles_d[2], x.quantiles_d[4], x.mean_d.value]
        counts = [x.enrolled, x.screen_failures, x.product_failures, x.left]
        rows.append([result.design.name, *(f"{d / DAYS_PER_MONTH:.1f}" for d in months),
                     *(f"{e.value:.1f}" for e in counts)])  # fmt: skip
    return Grid(head, rows, frozenset(range(1, len(head))))


SAMPLE_COLUMNS = ("patient", "cohort", "level", "dose", "entered", "first cells", "cells given", "known", "outcome")


def sample_rows(trial: SampleTrial, study: Study) -> list[list[str]]:
    """The patients of a sample trial, one row each."""
    rows = []
    for c in trial.courses:
        dose = study.doses[c.level - 1] if study.doses else ""
        infused = f"{c.infused:%a %Y-%m-%d}" if c.infused else "–"
        rows.append([c.id, str(c.cohort), str(c.level), dose, f"{c.entered:%a %Y-%m-%d}", infused,
                     _cells_given(c, trial), f"{c.until:%a %Y-%m-%d}", c.outcome])  # fmt: skip
    return rows


def sample_head(name: str, trial: SampleTrial) -> str:
    """What a sample trial is, in one line."""
    mtd = f"MTD level {trial.mtd}" if trial.mtd else "no MTD"
    return f"Sample trial {trial.number} of {name}, opened {trial.opens}, last decision {trial.ends}: {mtd}"


def _sample(name: str, trial: SampleTrial | None, study: Study) -> str:
    if trial is None:
        return ""
    return sample_head(name, trial) + "\n" + table(SAMPLE_COLUMNS, sample_rows(trial, study), right=frozenset({1, 2}))


def _cells_given(course: Course, trial: SampleTrial) -> str:
    """How many of the planned doses of cells a patient gets; a dash where the plan leaves their days open."""
    days = trial.cell_days
    return f"{course.cells_given(days)} of {len(days)}" if days else "–"


def exposures(found: Exposures) -> Grid:
    """What each level gives the virtual patients, and what the user's link makes of it."""
    unit = found.levels[0].unit
    head = ["level", "dose", f"{found.link.metric}, {unit}: median", "5 %", "95 %", "P(DLT)",
            *(f"{name}" for _, _, name in AGES_Y)]  # fmt: skip
    rows = []
    for i, level in enumerate(found.levels, 1):
        groups = [level.risk_between(low, high) for low, high, _ in AGES_Y]
        rows.append([str(i), level.dose, number(level.quantile(0.5)), number(level.quantile(0.05)),
                     number(level.quantile(0.95)), _percent(level.truth),
                     *("–" if g is None else _percent(g) for g in groups)])  # fmt: skip
    return Grid(head, rows, frozenset({2, 3, 4, 5, 6, 7}))


def marked(found: Exposures) -> str:
    """That the link is the user's own."""
    n = len(found.levels[0].risk)
    return f"USER'S ASSUMPTION, not data: {found.link}; exposures are those of a model in {n} virtual patients."


def records(studies: Sequence[Study]) -> Iterator[list[Any]]:
    """Rows of the CSV, one quantity of one level of one design each; level 0 is none, empty is the whole trial."""
    for number_, study in enumerate(studies, 1):
        for result in study.results:
            c = result.characteristics
            start = [number_, result.design.name, c.method, c.trials]
            for level, e in enumerate(c.selection):
                yield [*start, level, _dose(study, level), "selection", *_three(e)]
            for level, p in enumerate(c.truth, 1):
                name = "dlt_by_the_users_link" if study.exposures else "true_dlt"
                yield [*start, level, _dose(study, level), name, f"{p:.9g}", "", ""]
            for name, column in (("patients", c.patients), ("dlts", c.toxicities)):
                for level, e in enumerate(column, 1):
                    yield [*start, level, _dose(study, level), name, *_three(e)]
            whole = {"patients": c.all_patients, "dlts": c.all_toxicities, "above_target": c.overdosed}
            yield from ([*start, "", "", name, *_three(e)] for name, e in whole.items() if e is not None)
            if result.length:
                yield [*start, "", "", "length_d_mean", *_three(result.length.mean_d)]
                for q, days in zip(QUANTILES, result.length.quantiles_d, strict=True):
                    yield [*start, "", "", f"length_d_p{100 * q:02.0f}", f"{days:.9g}", "", ""]


def _dose(study: Study, level: int) -> str:
    return study.doses[level - 1] if study.doses and level else ""


def _three(e: Estimate) -> list[str]:
    return [f"{e.value:.9g}", *("" if x is None else f"{x:.9g}" for x in (e.low, e.high))]


def as_csv(studies: Sequence[Study]) -> str:
    """The characteristics as CSV (RFC 4180)."""
    return _csv(COLUMNS, records(studies))


def tables_csv(designs: Sequence[AnyDesign], most: int) -> str:
    """The decision tables as CSV (RFC 4180)."""
    return _csv(decision_tables.COLUMNS, (row for design in designs for row in decision_tables.rows(design, most)))


def _csv(columns: Sequence[str], rows: Iterator[list[Any]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def as_json(
    studies: Sequence[Study], designs: Sequence[AnyDesign], most: int, notes: Sequence[str], provenance: Provenance
) -> str:
    """Decision tables and every study; `selection` also at the top where there is one design and one set of doses."""
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": "escalation",
        "provenance": provenance.as_dict(),
        "assumptions": list(notes),
        "decision_tables": [decision_tables.plain(design, most) for design in designs],
        "studies": [_study(study) for study in studies],
    }
    if len(studies) == 1 and len(studies[0].results) == 1:
        content["selection"] = by_level(studies[0].results[0].characteristics)
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def by_level(c: Characteristics) -> dict[str, float]:
    """How often each level is chosen, by its number; `none` where there is no MTD."""
    return {("none" if level == 0 else str(level)): e.value for level, e in enumerate(c.selection)}


def _study(study: Study) -> dict[str, Any]:
    content: dict[str, Any] = {
        "doses": list(study.doses) if study.doses else None,
        "truth": list(study.truth),
        "target": study.target,
        "designs": [],
    }
    if study.exposures:
        x = study.exposures
        content["exposure"] = {
            "assumption_of_the_user": str(x.link), "metric": x.link.metric, "assumptions": list(x.assumptions),
            "levels": [{"dose": v.dose, "unit": v.unit, "median": v.quantile(0.5), "p05": v.quantile(0.05),
                        "p95": v.quantile(0.95), "p_dlt": v.truth,
                        "p_dlt_by_age": {name: v.risk_between(low, high) for low, high, name in AGES_Y}}
                       for v in x.levels]}  # fmt: skip
    for result in study.results:
        c = result.characteristics
        content["designs"].append({
            "design": result.design.name, "title": result.design.title, "method": c.method, "trials": c.trials,
            "selection": by_level(c), "selection_interval": _intervals(c.selection, 0),
            "patients": [e.value for e in c.patients], "dlts": [e.value for e in c.toxicities],
            "all_patients": _plain(c.all_patients), "all_dlts": _plain(c.all_toxicities),
            "above_target": _plain(c.overdosed), "length_d": _length(result.length),
            "sample": _courses(result.sample)})  # fmt: skip
    return content


def _intervals(estimates: Sequence[Estimate], first: int) -> dict[str, list[float | None]]:
    return {("none" if i == 0 else str(i)): [e.low, e.high] for i, e in enumerate(estimates, first)}


def _plain(e: Estimate | None) -> dict[str, float | None] | None:
    return None if e is None else {"value": e.value, "low": e.low, "high": e.high}


def _length(x: Length | None) -> dict[str, Any] | None:
    if x is None:
        return None
    quantiles = {f"p{100 * q:02.0f}": days for q, days in zip(QUANTILES, x.quantiles_d, strict=True)}
    return {"mean": _plain(x.mean_d), **quantiles, "entered": _plain(x.enrolled),
            "screen_failures": _plain(x.screen_failures), "product_failures": _plain(x.product_failures),
            "not_evaluable": _plain(x.left)}  # fmt: skip


def _courses(trial: SampleTrial | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    return {"number": trial.number, "opens": trial.opens.isoformat(), "ends": trial.ends.isoformat(), "mtd": trial.mtd,
            "patients": [{"id": c.id, "cohort": c.cohort, "level": c.level, "entered": c.entered.isoformat(),
                          "infused": c.infused.isoformat() if c.infused else None,
                          "cells_given": c.cells_given(trial.cell_days) if trial.cell_days else None,
                          "known": c.until.isoformat(), "outcome": c.outcome} for c in trial.courses]}  # fmt: skip
