"""Goals, Pareto fronts, sweeps and sensitivities as tables for the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from nksim.attainment import attained
from nksim.inquiry import Inquiry
from nksim.metrics import Values, measure
from nksim.output.answers import Answer
from nksim.output.numbers import WIDTH, number
from nksim.output.protocols import open_questions
from nksim.pareto import front
from nksim.protocol.model import Protocol
from nksim.sensitivity import Sensitivity
from nksim.simulation import Simulation
from nksim.sweep import UNITS, Swept

MOST_ROWS = 15


def answers(simulations: Sequence[Simulation], inquiry: Inquiry, names: Sequence[str]) -> list[Answer]:
    """One table for each thing that was asked; `names` are the letters of the regimens."""
    found = []
    if inquiry.goals:
        found.append(_goals(simulations, inquiry, names))
    if inquiry.aims:
        found.append(_front(simulations, inquiry, names))
    if inquiry.swept:
        found.append(_sweeps(inquiry.swept))
    found += [influences(s) for s in inquiry.sensitivities]
    return found


def _goals(simulations: Sequence[Simulation], inquiry: Inquiry, names: Sequence[str]) -> Answer:
    rows = []
    for goal in inquiry.goals:
        for name, s in zip(names, simulations, strict=True):
            a = attained(goal, measure(s, [goal.metric])[goal.metric])
            gone = f"{a.missing} without a value count as not reached" if a.missing else ""
            interval = f"{a.low:.1%} to {a.high:.1%}"
            rows.append((goal.text, name, f"{a.probability:.1%}", interval, f"{a.reached} of {a.patients}", gone))
    return Answer(("goal", "", "reached by", "95 % interval", "patients", ""), tuple(rows), 2, words=3)


def _front(simulations: Sequence[Simulation], inquiry: Inquiry, names: Sequence[str]) -> Answer:
    assert inquiry.aims is not None
    both = [a.metric for a in inquiry.aims]
    points = []
    for s in simulations:
        found = measure(s, both)
        points.append((found[both[0]].median, found[both[1]].median))
    on = front(points, inquiry.aims)
    rows = [
        (name, s.label, number(x), number(y), "beaten by none" if best else "")
        for name, s, (x, y), best in zip(names, simulations, points, on, strict=True)
    ]
    return Answer(("", "regimen", *(a.words for a in inquiry.aims), "Pareto front"), tuple(rows), 2, words=1)


def _sweeps(swept: Sequence[Swept]) -> Answer:
    over = swept[0].span
    rows = [(f"{at:.3g}", *(_range(s.values[i]) for s in swept)) for i, at in enumerate(over.values)]
    columns = (f"{over.measure}, {UNITS[over.measure]}", *(s.label for s in swept))
    head = f"{swept[0].metric}, {swept[0].values[0].unit}: median (5 % to 95 %) over {over.measure}"
    return Answer(columns, tuple(rows), 0, words=len(swept), before=head, after=(f"{swept[0].note}.",))


def _range(v: Values) -> str:
    return f"{number(v.median)} ({number(v.quantile(0.05))} to {number(v.quantile(0.95))})"


def influences(s: Sensitivity) -> Answer:
    """Inputs by how much they move a metric, the largest first, then the open facts that cannot."""
    rows = [
        (
            i.input.name,
            "fact" if i.is_fact else "model",
            f"{max(i.total, 0):.1%}",
            f"{max(i.low, 0):.1%} to {max(i.high, 0):.1%}",
            f"{max(i.first, 0):.1%}",
            f"{number(i.metric_low)} to {number(i.metric_high)}",
            i.input.text,
        )
        for n, i in enumerate(s.influences)
        if n < MOST_ROWS or i.is_fact
    ]
    what = f"ln {s.metric}" if s.logarithm else s.metric
    unit = "" if s.unit == "yes" else f" {s.unit}"
    text = (
        f"What moves {s.metric} of {s.label}, which is {number(s.base)}{unit} in the patient of median weight: Sobol "
        f"indices of {what} over what is assumed or unknown, {s.runs} runs, 90 % interval. They rank the unknowns "
        "within the ranges shown, and say nothing of what the model leaves out."
    )
    head = ("open", "", "share, in all", "90 % interval", "alone", f"{s.metric} from … to", "tried")
    left = len(s.influences) - len(rows)
    more = [f"{left} more assumed parameters move it less."] if left else []
    idle = [f"Not ranked: {', '.join(f'{path} ({why})' for path, why in s.idle)}."] if s.idle else []
    return Answer(head, tuple(rows), 2, words=2, before=text, after=(*more, *idle))


def ranked_questions(s: Sensitivity, protocol: Protocol) -> str:
    """The open facts as questions to the sponsor, the one that moves the metric most first."""
    asked = dict(open_questions(protocol))
    top = max((max(i.total, 0.0) for i in s.influences), default=0.0)
    lines = [f"Open questions on {protocol.registration}, ordered by how much each moves {s.metric} ({s.label})"]
    ranked = [i for i in s.influences if i.is_fact]
    for number_, i in enumerate(ranked, 1):
        share = f"{max(i.total, 0):.1%} of its spread, {number(i.metric_low)} to {number(i.metric_high)}"
        text = f"{number_:>2}. {i.input.name} ({share}): {asked.get(i.input.name, 'open')} Tried: {i.input.text}."
        lines.append(textwrap.fill(text, WIDTH, subsequent_indent="    "))
    lines += [f" –  {path}: {why}" for path, why in s.idle]
    model = next((i for i in s.influences if not i.is_fact), None)
    if model is not None:
        lines.append(
            textwrap.fill(
                f"For scale: the assumed model parameter that moves it most, {model.input.name}, has {model.total:.1%}"
                + (": no answer of the sponsor settles as much." if model.total == top else "."),
                WIDTH,
            )
        )
    lines.append(f"Sobol indices from {s.runs} runs in the patient of median weight, which has {number(s.base)}.")
    return "\n".join(lines)


def needed_text(needed: float) -> str:
    """Patients in each arm of a trial, as a person would say it.

    >>> needed_text(59.0), needed_text(math.inf), needed_text(250000.0)
    ('59', 'no number', '> 10,000')
    """
    if math.isnan(needed):
        return "–"
    return "no number" if math.isinf(needed) else "> 10,000" if needed > 10_000 else f"{needed:,.0f}"
