"""Calibrations and validations as tables and JSON."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence

from nksim.fit.calibration import Calibration
from nksim.fit.validation import Plan, Row
from nksim.output.numbers import WIDTH, number
from nksim.output.provenance import Provenance
from nksim.output.text import table as as_table

SECTIONS = {
    "calibration": "Trials that the calibration has seen (in sample)",
    "validation": "Trials that it has not seen (out of sample)",
    "preset": "Trials on which a product preset was set by hand (in sample)",
}


def calibration_table(found: Calibration) -> str:
    """Estimates with what the data added to the prior, their correlations, and each observation's likelihood."""
    rows = [
        [f.name, number(f.value), f"{f.shift:+.3f}", f"{f.sd:.3f}", f"{f.prior_sd:.3f}", f"{f.learned:.0%}"]
        for f in found.fitted
    ]
    names = [f.name for f in found.fitted]
    correlated = [[name, *(f"{x:+.2f}" for x in row)] for name, row in zip(names, found.correlation, strict=True)]
    seen = [[o.trial, o.arm, o.analyte, o.statistic, number(o.value), f"{x:.2f}"] for o, x in found.rows]
    right = frozenset(range(1, 9))
    return "\n\n".join(
        [
            as_table(["parameter", "estimate", "shift", "SD", "prior SD", "learned"], rows, right=right),
            as_table(["correlation", *names], correlated, right=right),
            as_table(
                ["trial", "arm", "analyte", "statistic", "value", "log likelihood"], seen, right=frozenset({4, 5})
            ),
            f"minus log posterior {found.start:.3f} at the start, {found.end:.3f} at the end; {found.runs} runs",
        ]
    )


def validation_table(rows: Sequence[Row], plan: Plan, assumed: Sequence[str], provenance: Provenance) -> str:
    """Observed against predicted, in and out of sample apart, with what was assumed about the trials."""
    parts = []
    for use, title in SECTIONS.items():
        own = [r for r in rows if r.use == use]
        if own:
            compared = [r for r in own if r.inside is not None]
            inside = sum(bool(r.inside) for r in compared)
            parts.append(f"{title}: {inside} of {len(compared)} printed values inside\n\n{_rows(own)}")
    notes = [_reading(plan), *(f"assumed: {text}" for text in assumed)]
    parts.append("\n".join(textwrap.fill(n, WIDTH, subsequent_indent="  ") for n in notes))
    return "\n\n".join([*parts, provenance.line()]) + "\n"


def _rows(rows: Sequence[Row]) -> str:
    header = ["trial", "arm", "day", "analyte", "statistic", "n", "observed", "5 %", "median", "95 %", "unit", "", ""]
    body = [
        [
            r.observation.trial,
            r.observation.arm,
            r.observation.day_text,
            r.observation.analyte,
            f"{r.statistic}{':' if r.observation.who else ''}{r.observation.who}",
            str(r.observation.n or ""),
            number(r.observed),
            *(_three(x) for x in (r.low, r.middle, r.high)),
            "" if math.isnan(r.low) else r.observation.unit,
            {True: "inside", False: "MISS", None: "–"}[r.inside],
            r.why,
        ]
        for r in rows
    ]
    return as_table(header, body, right=frozenset({5, 6, 7, 8, 9}))


def _three(value: float) -> str:
    return number(float(f"{value:.3g}")) if math.isfinite(value) else "–"


def _reading(plan: Plan) -> str:
    drawn = (
        f", {plan.draws} draws of the uncertain parameters," if plan.draws else ", the parameters at their estimates,"
    )
    return (
        f"The 90 % interval is that of the printed statistic of n patients over {plan.trials:,} simulated trials"
        f"{drawn} {plan.patients:,} virtual patients for each part of an arm. Counts and fractions carry an assumed "
        "error of a third."
    )


def validation_json(rows: Sequence[Row], plan: Plan, assumed: Sequence[str], provenance: Provenance) -> str:
    """The same as JSON."""
    found = [
        {
            "trial": r.observation.trial,
            "arm": r.observation.arm,
            "day": r.observation.day_text or None,
            "analyte": r.observation.analyte,
            "statistic": r.statistic,
            "patient": r.observation.who or None,
            "n": r.observation.n or None,
            "unit": r.observation.unit,
            "observed": _plain(r.observed),
            "predicted": {"p05": _plain(r.low), "p50": _plain(r.middle), "p95": _plain(r.high)},
            "inside": r.inside,
            "sample": {"calibration": "in", "validation": "out", "preset": "in"}[r.use],
            "remark": r.why or None,
            "source": r.observation.source,
        }
        for r in rows
    ]
    how = {"patients": plan.patients, "trials": plan.trials, "uncertainty": plan.draws}
    whole = {
        "schema_version": 1,
        "rows": found,
        "how": how,
        "assumed": list(assumed),
        "provenance": provenance.as_dict(),
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
