"""Regimens side by side, paired by virtual patient: the same patient meets every regimen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrik

from nksim.errors import UsageError
from nksim.metrics import Values, measure
from nksim.sample_size import patients_per_arm, patients_per_arm_for_fractions, superiority
from nksim.simulation import Simulation

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
# The engine's measured error: a smaller relative difference between two regimens is none.
EQUAL_WITHIN = 1e-4


# Which way a metric is better, for counting patients: 1 more, -1 less. What is not here has no plain better.
WANTED = {
    "donor_nk_cmax": 1,
    "donor_nk_auc_0_28": 1,
    "donor_nk_auc_last": 1,
    "donor_nk_auc_inf": 1,
    "donor_nk_half_life_d": 1,
    "persistence_d": 1,
    "detected_d": 1,
    "ever_detected": 1,
    "nk_chimerism_d7": 1,
    "nk_chimerism_d14": 1,
    "nk_chimerism_d28": 1,
    "nk_chimerism_max": 1,
    "alc_recovery_d": -1,
    "cells_total": -1,
    "visits": -1,
}
Interval = tuple[float, float, float]
NO_INTERVAL = (float("nan"),) * 3


@dataclass(frozen=True)
class Difference:
    """One metric of a regimen against the first regimen's, paired by patient.

    `estimate` is the median of the paired differences, for a yes/no metric the difference of the fractions; `low`
    and `high` bound it with 95 % confidence; `higher` and `lower` of `pairs` patients have the higher and the lower
    value in this regimen. `ratio` is the median of the paired ratios (nan where a value is 0 or for yes/no).
    `superiority` is the chance that a patient of this regimen has more than another patient of the first, `needed`
    the patients in each arm of a trial that would see it (two-sided 5 %, power 80 %).
    """

    metric: str
    unit: str
    estimate: float
    low: float
    high: float
    higher: int
    lower: int
    pairs: int
    ratio: Interval
    superiority: float
    needed: float

    @property
    def better(self) -> int | None:
        """Patients in whom this regimen is better, where more or less of the metric is plainly wanted."""
        return {1: self.higher, -1: self.lower, 0: None}[WANTED.get(self.metric, 0)]


@dataclass(frozen=True)
class Comparison:
    """Metrics of every regimen and differences of each to the first, by regimen and metric."""

    simulations: tuple[Simulation, ...]
    metrics: tuple[dict[str, Values], ...]
    differences: tuple[dict[str, Difference], ...]


def compare(simulations: Sequence[Simulation], metrics: Sequence[str] = ()) -> Comparison:
    """Compares simulations of the same patients; `metrics` selects by id, none selects all.

    Raises `UsageError` NK660 (fewer than two, other patients) or NK661 (unknown metric).
    """
    if len(simulations) < 2:
        raise UsageError("NK660", "a comparison needs two regimens", help="name another protocol or arm")
    for other in simulations[1:]:
        same = np.array_equal(other.population.index, simulations[0].population.index)
        if not same or other.seed != simulations[0].seed:
            raise UsageError(
                "NK660", "the regimens were simulated in different patients", help="use one seed and one n"
            )
    found = tuple(measure(s, metrics) for s in simulations)
    differences = tuple({k: _difference(found[0][k], values) for k, values in regimen.items()} for regimen in found[1:])
    return Comparison(tuple(simulations), found, differences)


def _difference(first: Values, other: Values) -> Difference:
    both = np.isfinite(first.values) & np.isfinite(other.values)
    a, b = first.values[both], other.values[both]
    equal = np.abs(b - a) <= EQUAL_WITHIN * np.maximum(np.abs(a), np.abs(b))
    change = np.where(equal, 0.0, b - a)
    more, less = int((change > 0).sum()), int((change < 0).sum())
    chance = superiority(a, np.where(equal, a, b))
    if other.unit == "yes":
        interval, ratio = paired_proportions(more, less, change.size), NO_INTERVAL
        needed = patients_per_arm_for_fractions(float(a.mean()), float(b.mean())) if a.size else float("nan")
    else:
        interval = median_interval(change)
        positive = a.size > 0 and bool((a > 0).all() and (b > 0).all())
        ratio = median_interval(np.where(equal, 1.0, b / a)) if positive else NO_INTERVAL
        needed = patients_per_arm(chance)
    return Difference(other.id, other.unit, *interval, more, less, change.size, ratio, chance, needed)


def median_interval(values: Floats, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Median with a distribution-free interval from order statistics (the sign test turned round).

    Ranks from the binomial distribution (Conover, Practical Nonparametric Statistics, 3.2); nan ends where there
    are too few values for the confidence.

    >>> median_interval(np.arange(1.0, 11.0))
    (5.5, 2.0, 9.0)
    """
    ordered = np.sort(values)
    n = ordered.size
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    rank = _binomial_quantile((1 - confidence) / 2, n)
    if rank < 1:
        return float(np.median(ordered)), float("nan"), float("nan")
    return float(np.median(ordered)), float(ordered[rank - 1]), float(ordered[n - rank])


def _binomial_quantile(q: float, n: int) -> int:
    """The least k with P(X <= k) >= q of `n` tosses of a coin; `scipy.stats` has it too and takes a second to import.

    >>> _binomial_quantile(0.025, 1000)
    469
    """
    k = int(np.ceil(bdtrik(q, n, 0.5)))
    return k - 1 if k > 0 and bdtr(k - 1, n, 0.5) >= q else k


def paired_proportions(gained: int, lost: int, pairs: int) -> tuple[float, float, float]:
    """Difference of paired proportions with the adjusted Wald interval of Bonett and Price 2012.

    `gained` pairs turned from no to yes, `lost` from yes to no (Stat Methods Med Res 21:479).

    >>> [round(x, 4) for x in paired_proportions(20, 10, 100)]
    [0.1, -0.009, 0.2051]
    """
    if pairs == 0:
        return float("nan"), float("nan"), float("nan")
    p12, p21 = (gained + 1) / (pairs + 2), (lost + 1) / (pairs + 2)
    middle = p12 - p21
    half = 1.959963984540054 * float(np.sqrt((p12 + p21 - middle**2) / (pairs + 2)))
    return (gained - lost) / pairs, middle - half, middle + half
