"""How likely a regimen is to reach a goal: the fraction of virtual patients with `metric >= value`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import betaincinv

from nksim.errors import UsageError, shorten
from nksim.metrics import Values, metric

_GOAL = re.compile(r"\s*(\w[\w.]*)\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(%?)\s*")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Goal:
    """A metric, which way, and how far, as the user wrote it."""

    metric: str
    sign: str
    value: float
    text: str


@dataclass(frozen=True)
class Attained:
    """How many of `patients` reach a goal, with an interval for the probability; `missing` have no value."""

    goal: Goal
    reached: int
    patients: int
    missing: int
    low: float
    high: float

    @property
    def probability(self) -> float:
        """Fraction that reaches the goal; a patient without a value does not."""
        return self.reached / self.patients


def goal(text: str) -> Goal:
    """A goal from text; raises `UsageError` NK662 (not a goal) or NK661 (no such metric).

    >>> goal("nk_chimerism_d14 >= 1 %").value
    0.01
    """
    found = _GOAL.fullmatch(text)
    if found is None:
        raise UsageError(
            "NK662", f"{shorten(text)} is not a goal", help='write a metric and a bound: "nk_chimerism_d14 >= 1 %"'
        )
    name, sign, value, percent = found.groups()
    metric(name)
    return Goal(name, sign, float(value) / (100 if percent else 1), " ".join(text.split()))


def goals(texts: Sequence[str]) -> tuple[Goal, ...]:
    """Several goals, each once."""
    return tuple(dict.fromkeys(goal(text) for text in texts))


def attained(wanted: Goal, values: Values) -> Attained:
    """The patients that reach a goal, with the interval of Clopper and Pearson 1934 (Biometrika 26:404).

    A missing value reaches no goal.
    """
    v = values.values
    # A comparison with nan is false, which is what a missing value should be.
    met = {">=": v >= wanted.value, "<=": v <= wanted.value, ">": v > wanted.value, "<": v < wanted.value}[wanted.sign]
    low, high = exact_interval(int(met.sum()), v.size)
    return Attained(wanted, int(met.sum()), v.size, v.size - values.n, low, high)


def exact_interval(hits: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of Clopper and Pearson for a fraction, from quantiles of the beta distribution.

    >>> [round(x, 4) for x in exact_interval(4, 15)]
    [0.0779, 0.551]
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, of - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - tail)) if hits < of else 1.0
    return low, high
