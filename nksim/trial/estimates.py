"""A number from simulated trials with the interval that their count allows, or an exact one without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval; an exact value has none."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def exact(self) -> bool:
        """Whether no chance is in it."""
        return self.low is None


def proportion(hits: int, n: int) -> Estimate:
    """A fraction with Wilson's interval (1927, doi 10.2307/2276774).

    >>> found = proportion(10, 100)
    >>> found.value, round(found.low, 4), round(found.high, 4)
    (0.1, 0.0552, 0.1744)
    """
    p, z = hits / n, Z95
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half))


def mean(values: NDArray[np.integer] | NDArray[np.floating]) -> Estimate:
    """A mean ± 1.96 standard errors.

    >>> found = mean(np.array([1.0, 2.0, 3.0]))
    >>> found.value, round(found.low, 3)
    (2.0, 0.868)
    """
    n = len(values)
    middle = float(np.mean(values))
    half = Z95 * float(np.std(values, ddof=1)) / n**0.5 if n > 1 else float("nan")
    return Estimate(middle, middle - half, middle + half) if n > 1 else Estimate(middle, None, None)


def ratio(above: NDArray[np.integer], below: NDArray[np.integer]) -> Estimate:
    """Σ above / Σ below over trials, ± 1.96 standard errors by the delta method.

    >>> round(ratio(np.array([1, 0, 1, 0]), np.array([2, 2, 2, 2])).value, 2)
    0.25
    """
    n, total = len(below), float(np.sum(below, dtype=np.int64))
    value = float(np.sum(above, dtype=np.int64)) / total
    if n < 2:
        return Estimate(value)
    residual = above.astype(float) - value * below.astype(float)
    half = Z95 * float(np.std(residual, ddof=1)) / n**0.5 / (total / n)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))
