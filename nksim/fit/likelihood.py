"""How likely a printed value is, given the model's reading of the arm that it was printed of.

A quantile of n patients is the order statistic of rank k = 1 + (n - 1) p, with a beta distribution of the probability
below it, also where k is not whole; a count is binomial; a value at or below the limit of detection is only known to be
there; a last day with cells is only known between two sampling days. Several quantiles of one sample are taken as
independent of one another, which they nearly are when they lie far apart.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, betaln
from scipy.stats import binom

from nksim.errors import InvalidInput
from nksim.fit.observations import COUNTED, QUANTILES, SINGLE, Observation
from nksim.fit.readings import Amounts, Chances, LastDays, Reading

__all__ = ["LEAST", "log_likelihood"]

# Keeps the logarithm finite where the model cannot make a value at all.
LEAST = 1e-30


def log_likelihood(o: Observation, reading: Reading, value: float) -> float:
    """Logarithm of the likelihood of an observation, whose `value` is in the reading's own unit.

    Raises `InvalidInput` NK677 for a statistic that has none: a bound, a mean, a value without a named statistic.
    """
    if isinstance(reading, Chances):
        if o.statistic not in COUNTED:
            raise _unusable(o)
        yes = round(value * o.n) if o.statistic == "fraction" else round(value)
        return float(np.log(binom.pmf(yes, o.n, reading.mean) + LEAST))
    if o.statistic not in (*QUANTILES, *SINGLE):
        raise _unusable(o)
    n = 1 if o.statistic in SINGLE else o.n
    k = 1 + (n - 1) * QUANTILES.get(o.statistic, 0.5)
    if isinstance(reading, LastDays):
        at = reading.position(value)
        low, high = reading.below(at - 1), reading.below(at)
        return float(np.log(betainc(k, n - k + 1, high) - betainc(k, n - k + 1, low) + LEAST))
    return _of_amount(reading, value, n, k)


def _of_amount(reading: Amounts, value: float, n: int, k: float) -> float:
    if value <= reading.lod:
        return float(np.log(betainc(k, n - k + 1, reading.below(reading.lod)) + LEAST))
    below = min(max(reading.below(value), 1e-9), 1 - 1e-9)
    ordered = (k - 1) * np.log(below) + (n - k) * np.log1p(-below) - betaln(k, n - k + 1)
    return float(np.log(reading.density(value) * np.exp(ordered) + LEAST))


def _unusable(o: Observation) -> InvalidInput:
    return InvalidInput(
        "NK677", f"a {o.statistic} of {o.analyte} has no likelihood", place=o.place, help="validate it instead"
    )
