"""How many patients a trial would need to see a difference that the model shows: two separate arms, 80 % power."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
POWER, TWO_SIDED = 0.8, 0.05


def superiority(first: Floats, other: Floats) -> float:
    """P(other > first) + ½ P(equal) for one patient of each arm drawn apart: the Mann-Whitney statistic over n·m.

    >>> superiority(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    if first.size == 0 or other.size == 0:
        return float("nan")
    ordered = np.sort(first)
    below = np.searchsorted(ordered, other, side="left").sum()
    upto = np.searchsorted(ordered, other, side="right").sum()
    return float((below + upto) / 2 / (first.size * other.size))


def patients_per_arm(probability: float, *, power: float = POWER, two_sided: float = TWO_SIDED) -> float:
    """Patients in each of two equal arms for a Wilcoxon rank-sum test, inf where there is no difference.

    n = (z₁₋α/₂ + z_power)² / (6 (p - ½)²), Noether 1987 (J Am Stat Assoc 82:645) with half of the patients in each arm.

    >>> patients_per_arm(0.65)
    59.0
    """
    effect = probability - 0.5
    if not math.isfinite(effect) or abs(effect) < 1e-9:
        return math.inf if math.isfinite(effect) else math.nan
    z = float(ndtri(power) - ndtri(two_sided / 2))
    return float(math.ceil(z * z / (6 * effect * effect)))


def patients_per_arm_for_fractions(
    p1: float, p2: float, *, power: float = POWER, two_sided: float = TWO_SIDED
) -> float:
    """Patients in each of two equal arms to tell two fractions apart, inf where they are the same.

    n = (z₁₋α/₂ √(2 p̄ q̄) + z_power √(p₁q₁ + p₂q₂))² / (p₁ - p₂)², Fleiss, Statistical Methods for Rates and
    Proportions, 4.2, without continuity correction.

    >>> patients_per_arm_for_fractions(0.50, 0.75, power=0.9)
    77.0
    """
    if not (math.isfinite(p1) and math.isfinite(p2)):
        return math.nan
    if abs(p1 - p2) < 1e-9:
        return math.inf
    mean = (p1 + p2) / 2
    pooled = -float(ndtri(two_sided / 2)) * math.sqrt(2 * mean * (1 - mean))
    apart = float(ndtri(power)) * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    return float(math.ceil((pooled + apart) ** 2 / (p1 - p2) ** 2))
