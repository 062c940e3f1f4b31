"""Toxicity that cannot fall with the dose: isotonic estimates, and the MTD that they name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nksim.trial.state import Bools, Ints

Floats = NDArray[np.float64]
# select.mtd of the R package BOIN adds these to toxicities and patients, and weighs by the variance that follows.
SHRINK = 0.05


def isotonic(values: Floats, weights: Floats) -> Floats:
    """Weighted isotonic regression of each row by max over i≤j of min over k≥j of the mean of i..k; weight 0 drops out.

    >>> isotonic(np.array([[0.1, 0.4, 0.2]]), np.ones((1, 3))).round(2).tolist()
    [[0.1, 0.3, 0.3]]
    """
    rows, levels = values.shape
    found = np.full((rows, levels), np.nan)
    mass = np.concatenate([np.zeros((rows, 1)), np.cumsum(weights, axis=1)], axis=1)
    total = np.concatenate([np.zeros((rows, 1)), np.cumsum(np.where(weights > 0, values * weights, 0), axis=1)], axis=1)
    for j in range(levels):
        best = np.full(rows, -np.inf)
        for i in range(j + 1):
            least = np.full(rows, np.inf)
            for k in range(j, levels):
                weight = mass[:, k + 1] - mass[:, i]
                mean = (total[:, k + 1] - total[:, i]) / np.where(weight > 0, weight, 1)
                least = np.minimum(least, np.where(weight > 0, mean, np.inf))
            best = np.maximum(best, np.where(np.isfinite(least), least, -np.inf))
        found[:, j] = np.where(weights[:, j] > 0, best, np.nan)
    return found


def estimates(n: Ints, y: Ints, allowed: Bools) -> Floats:
    """Isotonic toxicity of every allowed level that was tried, nan elsewhere, as select.mtd of the R package BOIN."""
    patients, toxic = n + 2 * SHRINK, y + SHRINK
    rate = toxic / patients
    variance = toxic * (n - y + SHRINK) / (patients**2 * (patients + 1))
    weights = np.where(allowed & (n > 0), 1 / variance, 0.0)
    # Equal estimates differ by a hair, so that below the target the higher of two equal levels is nearer.
    return np.asarray(isotonic(rate, weights) + 1e-10 * np.arange(n.shape[1]))


def mtd(n: Ints, y: Ints, top: Ints, target: float, most: float = 1.0) -> Ints:
    """The level, from 1, whose estimate is nearest to the target and at most `most`; 0 where there is none.

    >>> two = np.array([[3, 6, 3]], dtype=np.int16), np.array([[0, 1, 2]], dtype=np.int16)
    >>> mtd(*two, np.array([3], dtype=np.int16), 0.30).tolist()
    [2]
    """
    allowed = np.arange(n.shape[1]) < top[:, None]
    found = estimates(n, y, allowed)
    distance = np.where(np.isfinite(found) & (found <= most), np.abs(found - target), np.inf)
    nearest = distance.argmin(axis=1) + 1
    return np.where(np.isfinite(distance.min(axis=1)), nearest, 0).astype(np.int16)
