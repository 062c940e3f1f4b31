"""One metric over age or weight: what dosing per kg, per m² and flat do to the small and to the large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError, shorten
from nksim.metrics import Values, metric
from nksim.plan import simulate
from nksim.population import Population
from nksim.protocol.choice import Choice
from nksim.settings import Settings

Floats = NDArray[np.float64]
STEPS = 13
UNITS = {"age": "y", "weight": "kg"}


@dataclass(frozen=True)
class Span:
    """Which body measure runs over which values."""

    measure: str
    low: float
    high: float

    @property
    def values(self) -> list[float]:
        """Thirteen values, equally far apart."""
        return [float(x) for x in np.linspace(self.low, self.high, STEPS)]


@dataclass(frozen=True, eq=False)
class Swept:
    """A metric of one regimen: one `Values` for each value of the span, of the same virtual patients.

    `note` says what the patients at each value are, and where the span leaves the trials.
    """

    label: str
    metric: str
    span: Span
    values: tuple[Values, ...]
    note: str


def span(text: str) -> Span:
    """A span from `age=3..75` or `weight=10..90`; raises `UsageError` NK667 for anything else.

    >>> span("age=3..75").values[1]
    9.0
    """
    measure, _, ends = text.partition("=")
    try:
        low, high = (float(end.strip().removesuffix(UNITS.get(measure.strip(), " "))) for end in ends.split(".."))
    except ValueError:
        low, high = 0.0, 0.0
    if measure.strip() not in UNITS or not 0 < low < high:
        raise UsageError("NK667", f"--sweep {shorten(text)} is not a span", help="write age=3..75 or weight=10..90")
    return Span(measure.strip(), low, high)


def joined(parts: Sequence[Population]) -> Population:
    """Populations one after the other; the patients keep the numbers that key their random draws."""
    return Population(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Population)))


def sweep(
    choices: Sequence[tuple[str, Choice]],
    parts: Sequence[Population],
    over: Span,
    name: str,
    *,
    seed: int,
    settings: Settings,
    ages: tuple[float, float],
) -> tuple[Swept, ...]:
    """The metric of each labelled choice in `parts`, one population of the same patients for each value of the span.

    `ages` are those that the trials admit.
    """
    read = metric(name)
    everyone, n = joined(parts), len(parts[0])
    found = []
    for label, choice in choices:
        v = read(simulate(choice, everyone, seed=seed, settings=settings, label=label))
        cut = [Values(v.id, v.unit, v.values[i * n : (i + 1) * n], v.missing) for i in range(len(parts))]
        found.append(Swept(label, name, over, tuple(cut), _note(over, ages)))
    return tuple(found)


def _note(over: Span, ages: tuple[float, float]) -> str:
    if over.measure == "weight":
        return (
            f"Ages at each weight are those of {ages[0]:g} to {ages[1]:g} years at which it lies within 2 standard "
            "scores of the median, unless --age fixes them"
        )
    if over.low < ages[0] or over.high > ages[1]:
        return (
            f"The trials admit {ages[0]:g} to {ages[1]:g} years: beyond, the curves show what the dose rules would give"
        )
    return f"All ages lie within the {ages[0]:g} to {ages[1]:g} years that the trials admit"
