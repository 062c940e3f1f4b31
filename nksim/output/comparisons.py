"""A comparison as tables for the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from nksim.comparison import CONFIDENCE, Comparison, Difference
from nksim.inquiry import Inquiry
from nksim.logistics import Use, logistics
from nksim.metrics import Values
from nksim.output import inquiries
from nksim.output.charts.style import letters
from nksim.output.markup import shown, table_html
from nksim.output.numbers import WIDTH, interval, number, signed_number
from nksim.output.provenance import Provenance
from nksim.output.simulations import cutoffs_read, middle_and_spread, reading, resting, who
from nksim.output.text import in_words, table
from nksim.schedule_difference import schedule_differences
from nksim.simulation import Simulation


def comparison_table(comparison: Comparison, provenance: Provenance, inquiry: Inquiry | None = None) -> str:
    """Metrics of every regimen with its difference to the first, what else was asked, and what it rests on."""
    sims = comparison.simulations
    names = letters(len(sims))
    parts = [
        "\n".join(f"{names[i]}  {who(s)}" for i, s in enumerate(sims)),
        _metrics(comparison, names),
        textwrap.fill(explained(sims[0].label), WIDTH),
        _against_first(comparison, names),
        textwrap.fill(NEEDED, WIDTH),
        *([] if "f_ara_a_auc" not in comparison.metrics[0] else map(str, cutoffs_read(comparison.metrics, names))),
        *map(str, inquiries.answers(sims, inquiry or Inquiry(), names)),
        _logistics(sims, names),
        _schedules(sims, names),
        reading(sims),
        resting(sims),
        provenance.line(),
    ]
    return "\n\n".join(parts) + "\n"


def _metrics(comparison: Comparison, names: Sequence[str]) -> str:
    rows = []
    for metric, base in comparison.metrics[0].items():
        unit = base.unit if base.unit != "yes" else "fraction"
        rows.append([metric, unit, names[0], *middle_and_spread(base), "", "", ""])
        for i, found in enumerate(comparison.differences, 1):
            values, d = comparison.metrics[i][metric], found[metric]
            rows.append(["", "", names[i], *middle_and_spread(values), *_difference(d)])
    change = f"{names[1]} − A" if len(names) == 2 else "− A"
    header = ["metric", "unit", "", "median", "5 %", "95 %", change, "95 % interval", "higher in"]
    body = table(header, rows, right=frozenset({3, 4, 5, 6}))
    return "\n".join([body, *missing(comparison.metrics, names)])


def missing(metrics: Sequence[dict[str, Values]], names: Sequence[str]) -> list[str]:
    """A sentence for every metric that some patients do not have."""
    return [
        f"{name} {v.id}: missing in {v.values.size - v.n}: {v.missing}"
        for name, found in zip(names, metrics, strict=True)
        for v in found.values()
        if v.n < v.values.size and v.missing
    ]


def _difference(d: Difference) -> list[str]:
    return [signed_number(d.estimate), interval(d.low, d.high), f"{d.higher} of {d.pairs}" if d.pairs else "no pair"]


def explained(first: str) -> str:
    """How the differences are made and what their intervals mean."""
    return (
        f"Differences are paired by virtual patient against A ({first}): the median of the differences with a "
        f"{CONFIDENCE:.0%} distribution-free interval; for ever_detected the difference of the fractions. The "
        "intervals say how far the number of simulated patients pins the difference down, not how far the "
        "model is right."
    )


NEEDED = (
    "Better: longer persistence, more cells or chimerism, earlier recovery, fewer cells and visits, in so many virtual "
    "patients. Chance: that a patient has more than another patient under A. Needed: patients in each arm of a trial "
    "to see it, two-sided 5 %, power 80 % (Noether 1987; fractions: Fleiss), were the model right."
)


def _against_first(comparison: Comparison, names: Sequence[str]) -> str:
    rows = []
    for metric in comparison.metrics[0]:
        for i, found in enumerate(comparison.differences, 1):
            d = found[metric]
            rows.append([metric if i == 1 else "", names[i], *against(d)])
    header = ["metric", "", "ratio to A", "95 % interval", "better in", "chance", "needed per arm"]
    return table(header, rows, right=frozenset({2, 5, 6}))


def against(d: Difference) -> list[str]:
    """Ratio with its interval, patients in whom it is better, chance of more, patients needed; as text."""
    middle, low, high = d.ratio
    bounds = f"{number(low)} to {number(high)}" if math.isfinite(low) else "–"
    better = "–" if d.better is None or not d.pairs else f"{d.better} of {d.pairs}"
    chance = f"{d.superiority:.0%}" if math.isfinite(d.superiority) else "–"
    return [number(middle), bounds, better, chance, inquiries.needed_text(d.needed)]


def _logistics(simulations: Sequence[Simulation], names: Sequence[str]) -> str:
    """What each regimen asks of a hospital; amounts are medians over the patients."""
    rows = []
    for name, s in zip(names, simulations, strict=True):
        asks = logistics(s)
        used = [f"{u.product}: {use_text(u)}" for u in asks.uses]
        rows.append([name, s.label, used[0], str(asks.visits), f"{asks.infusion_h:g}", str(asks.course_d)])
        rows += [["", "", text, "", "", ""] for text in used[1:]]
    header = ["", "regimen", "given (median patient)", "days with a dose", "infusion hours", "first to last day"]
    return table(header, rows, right=frozenset({3, 4, 5}))


def use_text(use: Use) -> str:
    """Doses, amount and vials of one product, in words."""
    words = [f"{use.doses} dose{'s' if use.doses > 1 else ''}"]
    if use.amount is not None:
        unit = {"IU": "units"}.get(use.amount.unit, use.amount.unit)
        words.append(f"{number(use.amount.median)} {unit}")
    if use.vials is not None:
        count = use.vials.median
        words.append(f"{count:g} vial{'s' if count != 1 else ''}")
    return ", ".join(words)


def _schedules(simulations: Sequence[Simulation], names: Sequence[str]) -> str:
    lines = []
    for name, s in list(zip(names, simulations, strict=True))[1:]:
        text = differing(simulations[0], s)
        lines.append(textwrap.fill(f"  {name}: {text}", WIDTH, subsequent_indent="     "))
    return f"Schedules, A → other ({simulations[0].label} first):\n" + "\n".join(lines)


def differing(first: Simulation, other: Simulation) -> str:
    """Where the second schedule departs from the first, in words."""
    found = schedule_differences(first.choice, other.choice)
    return "; ".join(in_words(str(x)) for x in found) or "the same schedule"


COMPARED_COLUMNS = (
    *("metric", "", "median", "5 %", "95 %", "− A", "95 % interval", "ratio to A", "95 % interval"),
    *("higher in", "better in", "chance", "needed"),
)


def compared_rows(c: Comparison, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Rows of text under `COMPARED_COLUMNS`: every metric of every regimen, with its difference to the first."""
    for metric, base in c.metrics[0].items():
        unit = base.unit if base.unit != "yes" else "fraction"
        yield (f"{metric}, {unit}", names[0], *middle_and_spread(base), *[""] * 8)
        for name, found, metrics in zip(names[1:], c.differences, c.metrics[1:], strict=True):
            d, v = found[metric], metrics[metric]
            ratio, bounds, better, chance, needed = against(d)
            change = (signed_number(d.estimate), interval(d.low, d.high), ratio, bounds)
            yield ("", name, *middle_and_spread(v), *change, f"{d.higher} of {d.pairs}", better, chance, needed)


def comparison_html(comparison: Comparison, provenance: Provenance) -> str:
    """The comparison as a table for a notebook."""
    labels = [s.label for s in comparison.simulations]
    names = letters(len(labels))
    body = table_html(COMPARED_COLUMNS, list(compared_rows(comparison, names)), numbers=2)
    title = "; ".join(f"{n}: {label}" for n, label in zip(names, labels, strict=True))
    return shown(title, body, f"{explained(labels[0])} {reading(comparison.simulations)} {provenance.line()}")
