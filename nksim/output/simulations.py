"""Simulations and comparisons as tables, CSV and JSON."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from nksim.attainment import attained, goal
from nksim.cutoffs import cutoffs
from nksim.infusions import per_infusion
from nksim.inquiry import Inquiry
from nksim.metrics import Values
from nksim.output import inquiries
from nksim.output.answers import Answer
from nksim.output.markup import shown, table_html
from nksim.output.numbers import WIDTH, number
from nksim.output.provenance import Provenance
from nksim.output.text import table
from nksim.simulation import Simulation

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SUMMARY_COLUMNS = ("regimen", "time_d", "output", "unit", "n", "mean", "p05", "p25", "p50", "p75", "p95")
UNITS = {
    "donor_nk": "cells/µL",
    "host_nk": "cells/µL",
    "nk_chimerism": "fraction",
    "nk_chimerism_assay": "fraction",
    "donor_nk_counted": "cells/µL",
    "car_copies": "copies/µg",
    "alc": "cells/µL",
    "il15": "pg/mL",
    "cy": "mg/L",
    "f_ara_a": "mg/L",
    "il2": "IU/mL",
}


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


def metrics_table(
    simulation: Simulation, metrics: dict[str, Values], provenance: Provenance, inquiry: Inquiry | None = None
) -> str:
    """The metrics of one regimen with their 5 to 95 % range, what else was asked, then what they rest on."""
    s = simulation
    head = f"{s.choice.protocol.title} ({s.choice.protocol.registration})\n{who(s)}"
    body = table(METRIC_COLUMNS, metric_rows(metrics), right=frozenset({1, 2, 3, 5}))
    more = map(str, inquiries.answers([s], inquiry or Inquiry(), [""]))
    parts = [
        head,
        body,
        *map(str, cutoffs_read([metrics], [""])),
        *map(str, infusions_read(s)),
        *more,
        reading([s]),
        resting([s]),
    ]
    return "\n\n".join([*parts, provenance.line()]) + "\n"


METRIC_COLUMNS = ("metric", "median", "5 %", "95 %", "unit", "n", "")


def metric_rows(metrics: dict[str, Values]) -> list[tuple[str, ...]]:
    """A row of text for each metric, under `METRIC_COLUMNS`."""
    return [
        (v.id, *middle_and_spread(v), "fraction of patients" if v.unit == "yes" else v.unit, str(v.n), remark(v))
        for v in metrics.values()
    ]


def metrics_html(simulation: Simulation, metrics: dict[str, Values], provenance: Provenance) -> str:
    """The same table for a notebook."""
    body = table_html(METRIC_COLUMNS, metric_rows(metrics), numbers=9)
    return shown(who(simulation), body, f"{reading([simulation])} {provenance.line()}")


def cutoffs_read(metrics: Sequence[dict[str, Values]], names: Sequence[str]) -> list[Answer]:
    """For each metric with published cut-offs, the fraction of patients on the far side of each."""
    rows = []
    for cut in (c for metric in metrics[0] for c in cutoffs(metric)):
        wanted = goal(f"{cut.metric} {cut.sign} {cut.value:g}")
        shares = [f"{attained(wanted, found[cut.metric]).probability:.1%}" for found in metrics]
        rows.append((f"{cut.metric} {cut.sign} {cut.value:g} {cut.unit}", *shares, f"{cut.source}, {cut.population}"))
    header = ("published cut-off reached by", *(names if len(names) > 1 else ["patients"]), "source")
    return [Answer(header, tuple(rows), 1, words=1)] if rows else []


def infusions_read(s: Simulation) -> list[Answer]:
    """Each infusion's own numbers, where there are several."""
    found = per_infusion(s)
    if len(found) < 2:
        return []
    rows = [(str(x.number), f"{x.day:g} to {x.until:g}", *(_middle(x.metrics[k]) for k in x.metrics)) for x in found]
    header = (
        "infusion",
        "days",
        "peak, cells/µL",
        "Cmax from 24 h, cells/µL",
        "Tmax, d after",
        "AUC, cells·d/µL",
        "trough, cells/µL",
    )
    return [Answer(header, tuple(rows), 2)]


def _middle(values: Values) -> str:
    return number(values.median) if values.n else f"– ({values.missing})"


def middle_and_spread(values: Values) -> list[str]:
    """Median, 5 % and 95 % over patients; of yes or no the fraction alone."""
    if values.unit == "yes":
        return [number(values.median), "", ""]
    return [number(q) for q in values.quantiles((0.5, 0.05, 0.95))]


def remark(values: Values) -> str:
    """A note on a metric, and why values are missing."""
    total = values.values.size
    gone = f"missing in {total - values.n}: {values.missing}" if values.n < total and values.missing else ""
    return "; ".join(filter(None, [values.note, gone]))


def who(s: Simulation) -> str:
    """Which patients a simulation has and which days it covers."""
    low, high = float(s.population.age_y.min()), float(s.population.age_y.max())
    return (
        f"{s.label} · {len(s.population)} virtual patients, {low:.0f} to {high:.0f} years, "
        f"{float(s.population.weight_kg.min()):.0f} to {float(s.population.weight_kg.max()):.0f} kg · "
        f"days {s.times_d[0]:g} to {s.times_d[-1]:g}"
    )


def reading(simulations: Sequence[Simulation]) -> str:
    """How the numbers are to be read."""
    assay = f"Persistence and detection are those of {simulations[0].settings.assay}. "
    known = simulations[0].parameter_set.uncertainty
    fitted = (
        f"{', '.join(known.names)} are fitted to what two trials printed (`nksim validate`); the model's other "
        "parameters are assumed or published, see below."
        if known
        else "The model is hand-set, not fitted to trials: see what is assumed below."
    )
    text = (
        assay if any(x.chimerism_visible for x in simulations) else ""
    ) + f"{fitted} For planning, not for treatment."
    return textwrap.fill(text, WIDTH)


def resting(simulations: Sequence[Simulation]) -> str:
    """What the results rest on, once for all regimens that share it."""
    lines: dict[str, list[str]] = {}
    for s in simulations:
        for text in s.assumptions:
            lines.setdefault(text, []).append(s.label)
    lines_shown = []
    for text, names in lines.items():
        whose = "" if len(names) == len(simulations) else f"{', '.join(names)}: "
        lines_shown.append(textwrap.fill(f"{whose}{text}", WIDTH, initial_indent="  ", subsequent_indent="    "))
    return "Assumed:\n" + "\n".join(lines_shown)
