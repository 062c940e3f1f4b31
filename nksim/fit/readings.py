"""What a trial reads off its patients: an amount, a yes or no, or the last day on which cells were found.

Each reading is a distribution over the virtual patients of one arm. An arm may have parts (cohorts, dose levels) with
patients of their own; a reading of the whole arm holds each part in proportion to its patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtr

from nksim.kinetics import Floats

__all__ = ["Amounts", "Chances", "LastDays", "Reading"]

_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Amounts:
    """Amounts that are measured with an error, below `lod` as 0; one array (m,) for each part.

    The error is normal with deviation `error` on the logarithm, of fractions on the logit. Only what is measured
    above `floor` counts, where there is one.
    """

    parts: tuple[Floats, ...]
    weights: tuple[float, ...]
    error: float
    fractions: bool = False
    lod: float = 0.0
    floor: float | None = None

    def scaled(self, x: Floats | float) -> Floats:
        """Amounts on the scale of the error."""
        held = np.clip(x, _TINY, 1 - _TINY) if self.fractions else np.maximum(x, _TINY)
        return np.asarray(logit(held) if self.fractions else np.log(held), dtype=np.float64)

    def _plain(self, at_most: float) -> float:
        at = float(self.scaled(at_most))
        shares = [float(np.mean(ndtr((at - self.scaled(p)) / self.error))) for p in self.parts]
        return float(np.dot(self.weights, shares))

    def below(self, x: float) -> float:
        """Part of the measured values at or below `x`."""
        whole = 1.0 if self.floor is None else 1 - self._plain(self.floor)
        base = 0.0 if self.floor is None else self._plain(self.floor)
        return min(max((self._plain(max(x, self.lod)) - base) / max(whole, _TINY), 0.0), 1.0)

    def density(self, x: float) -> float:
        """Density of measured values at `x`, by the scale of the error."""
        at = float(self.scaled(x))
        found = 0.0
        for weight, part in zip(self.weights, self.parts, strict=True):
            z = (at - self.scaled(part)) / self.error
            found += weight * float(np.mean(np.exp(-0.5 * z * z))) / (self.error * np.sqrt(2 * np.pi))
        return found / (1.0 if self.floor is None else max(1 - self._plain(self.floor), _TINY))

    def pools(self, rng: np.random.Generator) -> list[Floats]:
        """Measured values of each part, one for each patient, or all above the floor of eight for each."""
        found = []
        for part in self.parts:
            copies = part if self.floor is None else np.tile(part, 8)
            noisy = self.scaled(copies) + self.error * rng.standard_normal(len(copies))
            values = expit(noisy) if self.fractions else np.exp(noisy)
            values = np.where(values < self.lod, 0.0, values)
            found.append(values if self.floor is None else values[values > self.floor])
        return found


@dataclass(frozen=True, eq=False)
class Chances:
    """The probability (m,) of yes in each patient of each part."""

    parts: tuple[Floats, ...]
    weights: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Probability of yes in a patient of the arm."""
        return float(np.dot(self.weights, [float(np.mean(p)) for p in self.parts]))

    def pools(self, rng: np.random.Generator) -> list[Floats]:
        """Answers of each part, 1 for yes, one for each patient."""
        return [(rng.random(len(p)) < p).astype(np.float64) for p in self.parts]


@dataclass(frozen=True, eq=False)
class LastDays:
    """Probabilities (m, k) of each part that the last of the `days` (k,) with cells found is this one.

    The first day is 0 and stands for never.
    """

    days: Floats
    parts: tuple[Floats, ...]
    weights: tuple[float, ...]

    def position(self, printed: float) -> int:
        """The last sampling day at or before a printed day."""
        return int(np.searchsorted(self.days, printed, side="right")) - 1

    def below(self, position: int) -> float:
        """Probability that the last day is this or an earlier one."""
        if position < 0:
            return 0.0
        shares = [float(np.mean(p[:, : position + 1].sum(axis=1))) for p in self.parts]
        return min(float(np.dot(self.weights, shares)), 1.0)

    def pools(self, rng: np.random.Generator) -> list[Floats]:
        """Last days of each part, one for each patient."""
        found = []
        for p in self.parts:
            chosen = (rng.random((len(p), 1)) > np.cumsum(p, axis=1)).sum(axis=1)
            found.append(self.days[np.minimum(chosen, len(self.days) - 1)])
        return found


Reading = Amounts | Chances | LastDays
