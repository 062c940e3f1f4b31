"""Simulations and comparisons as tables, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from nksim.comparison import CONFIDENCE, Comparison, Difference
from nksim.metrics import Values
from nksim.output.provenance import Provenance
from nksim.output.text import table
from nksim.simulation import Simulation
from nksim.units import grouped

SCHEMA_VERSION = 1
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SUMMARY_COLUMNS = ("regimen", "time_d", "output", "unit", "n", "mean", "p05", "p25", "p50", "p75", "p95")
UNITS = {
    "donor_nk": "cells/µL",
    "host_nk": "cells/µL",
    "nk_chimerism": "fraction",
    "nk_chimerism_assay": "fraction",
    "alc": "cells/µL",
    "il15": "pg/mL",
    "cy": "mg/L",
    "f_ara_a": "mg/L",
    "il2": "IU/mL",
}
_WIDTH = 110


def number(value: float) -> str:
    """A modelled number at four significant digits, a dash where there is none.

    >>> number(5.8123), number(1234.5), number(2.9e8), number(0.000123), number(13.0)
    ('5.812', '1,234', '2.9E8', '1.23E-4', '13')
    """
    if not math.isfinite(value):
        return "–"
    if value and not 1e-3 <= abs(value) < 1e7:
        head, power = f"{value:.3E}".split("E")
        return f"{head.rstrip('0').rstrip('.')}E{int(power)}"
    return grouped(Decimal(f"{value:.4g}"))


def summary(simulations: Sequence[Simulation]) -> Iterator[list[Any]]:
    """Rows of `summary.csv`: mean and quantiles over patients of every output at every time."""
    for s in simulations:
        for name, unit in UNITS.items():
            if name not in s.output_names:
                continue
            means, bands = s.bands(name, QUANTILES)
            for i, time in enumerate(s.times_d):
                yield [
                    s.label,
                    _plain(time),
                    name,
                    unit,
                    len(s.population),
                    _plain(means[i]),
                    *map(_plain, bands[:, i]),
                ]


def _plain(value: float) -> str:
    return f"{float(value):.9g}"


def summary_csv(simulations: Sequence[Simulation]) -> str:
    """The summary as CSV (RFC 4180)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(SUMMARY_COLUMNS)
    writer.writerows(summary(simulations))
    return out.getvalue()


def metrics_table(simulation: Simulation, metrics: dict[str, Values], provenance: Provenance) -> str:
    """The metrics of one regimen with their 5 to 95 % range, then what they rest on."""
    s = simulation
    head = f"{s.choice.protocol.title} ({s.choice.protocol.registration})\n{_who(s)}"
    rows = [
        [
            v.id,
            number(v.median),
            *_spread(v),
            v.unit if v.unit != "yes" else "fraction of patients",
            str(v.n),
            _remark(v),
        ]
        for v in metrics.values()
    ]
    body = table(["metric", "median", "5 %", "95 %", "unit", "n", ""], rows, right=frozenset({1, 2, 3, 5}))
    return "\n\n".join([head, body, _reading([s]), _resting([s]), provenance.line()]) + "\n"


def _spread(values: Values) -> list[str]:
    if values.unit == "yes":
        return ["", ""]
    return [number(values.quantile(0.05)), number(values.quantile(0.95))]


def _remark(values: Values) -> str:
    total = values.values.size
    gone = f"missing in {total - values.n}: {values.missing}" if values.n < total and values.missing else ""
    return "; ".join(filter(None, [values.note, gone]))


def _who(s: Simulation) -> str:
    low, high = float(s.population.age_y.min()), float(s.population.age_y.max())
    return (
        f"{s.label} · {len(s.population)} virtual patients, {low:.0f} to {high:.0f} years, "
        f"{float(s.population.weight_kg.min()):.0f} to {float(s.population.weight_kg.max()):.0f} kg · "
        f"days {s.times_d[0]:g} to {s.times_d[-1]:g}"
    )


def _reading(simulations: Sequence[Simulation]) -> str:
    s = simulations[0].settings
    assay = (
        f"Persistence and detection are those of an assay of donor {s.lineage} cells in blood with a limit of "
        f"{100 * s.lod:g} %. "
    )
    text = (assay if any(x.chimerism_visible for x in simulations) else "") + (
        "The model is hand-set, not fitted to trials: see what is assumed below. For planning, not for treatment."
    )
    return textwrap.fill(text, _WIDTH)


def _resting(simulations: Sequence[Simulation]) -> str:
    """What the results rest on, once for all regimens that share it."""
    lines: dict[str, list[str]] = {}
    for s in simulations:
        for text in s.assumptions:
            lines.setdefault(text, []).append(s.label)
    shown = []
    for text, names in lines.items():
        whose = "" if len(names) == len(simulations) else f"{', '.join(names)}: "
        shown.append(textwrap.fill(f"{whose}{text}", _WIDTH, initial_indent="  ", subsequent_indent="    "))
    return "Assumed:\n" + "\n".join(shown)


def comparison_table(comparison: Comparison, provenance: Provenance) -> str:
    """Metrics of every regimen and the paired difference of each to the first, then logistics and assumptions."""
    sims = comparison.simulations
    first = sims[0].label
    names = [chr(ord("A") + i) for i in range(len(sims))]
    head = "\n".join(f"{names[i]}  {_who(s)}" for i, s in enumerate(sims))
    rows = []
    for metric, base in comparison.metrics[0].items():
        rows.append(
            [
                metric,
                base.unit if base.unit != "yes" else "fraction",
                names[0],
                number(base.median),
                *_range(base),
                "",
                "",
                "",
            ]
        )
        for i, found in enumerate(comparison.differences, 1):
            values, d = comparison.metrics[i][metric], found[metric]
            rows.append(["", "", names[i], number(values.median), *_range(values), *_difference(d)])
    header = [
        "metric",
        "unit",
        "",
        "median",
        "5 %",
        "95 %",
        f"{names[1]} − A" if len(sims) == 2 else "− A",
        "95 % interval",
        "higher in",
    ]
    body = table(header, rows, right=frozenset({3, 4, 5, 6}))
    explained = (
        f"Differences are paired by virtual patient against A ({first}): the median of the differences with a "
        f"{CONFIDENCE:.0%} distribution-free interval; for ever_detected the difference of the fractions. The "
        "intervals say how far the number of simulated patients pins the difference down, not how far the "
        "model is right."
    )
    return (
        "\n\n".join(
            [
                head,
                body,
                textwrap.fill(explained, _WIDTH),
                _logistics(comparison),
                _reading(sims),
                _resting(sims),
                provenance.line(),
            ]
        )
        + "\n"
    )


def _range(values: Values) -> list[str]:
    return _spread(values)


def _difference(d: Difference) -> list[str]:
    interval = f"{_signed(d.low)} to {_signed(d.high)}" if math.isfinite(d.low) else "–"
    return [_signed(d.estimate), interval, f"{d.higher} of {d.pairs}" if d.pairs else "no pair"]


def _signed(value: float) -> str:
    text = number(value)
    return f"+{text}" if value > 0 else text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text


def _logistics(comparison: Comparison) -> str:
    """Doses, infusion hours and days with a dose: the same for every patient of a regimen."""
    rows = []
    for i, s in enumerate(comparison.simulations):
        doses = s.typical.doses
        hours = sum(float(e.length.minutes) for e in doses if e.length) / 60
        days = {e.occasion.start.day for e in doses}
        lines = dict.fromkeys(e.line for e in doses)
        counts = ", ".join(f"{n} {sum(e.line == n for e in doses)}" for n in lines)
        rows.append([chr(ord("A") + i), s.label, counts, str(len(days)), f"{hours:g}"])
    return table(["", "regimen", "doses", "days with a dose", "infusion hours"], rows, right=frozenset({3, 4}))


def as_json(
    simulations: Sequence[Simulation],
    metrics: Sequence[dict[str, Values]],
    provenance: Provenance,
    comparison: Comparison | None = None,
) -> str:
    """Metrics (and differences) as JSON; a missing number is null and has its reason."""
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": "comparison" if comparison else "simulation",
        "provenance": provenance.as_dict(),
        "regimens": [_regimen(s, m) for s, m in zip(simulations, metrics, strict=True)],
    }
    if comparison:
        content["differences"] = [
            {
                "regimen": s.label,
                "to": simulations[0].label,
                "metrics": {
                    k: {
                        "estimate": _finite(d.estimate),
                        "low": _finite(d.low),
                        "high": _finite(d.high),
                        "higher": d.higher,
                        "pairs": d.pairs,
                    }
                    for k, d in found.items()
                },
            }
            for s, found in zip(simulations[1:], comparison.differences, strict=True)
        ]
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _regimen(s: Simulation, metrics: dict[str, Values]) -> dict[str, Any]:
    return {
        "regimen": s.label,
        "patients": len(s.population),
        "assay": {"lineage": s.settings.lineage, "limit_of_detection": s.settings.lod},
        "engine": s.engine,
        "assumptions": list(s.assumptions),
        "findings": [{"code": f.code, "message": f.message} for f in s.findings],
        "metrics": {
            k: {
                "unit": v.unit,
                "median": _finite(v.median),
                "p05": _finite(v.quantile(0.05)),
                "p95": _finite(v.quantile(0.95)),
                "n": v.n,
                "missing": v.missing if v.n < v.values.size else None,
                "note": v.note,
            }
            for k, v in metrics.items()
        },
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
