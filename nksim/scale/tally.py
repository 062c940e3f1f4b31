"""Counts of values by time and size, from which means and quantiles follow; exact to add up in any order.

A value falls into one of 128 equal parts of its octave, so that the middle of its bin is within 0.4 % of it. All is
counted in whole numbers: two tallies merged in any order, of any chunks, are the same bits. Values below 2^-40
(9e-13) count as 0.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.errors import ModelFailure
from nksim.kinetics.native import count_into

__all__ = ["Tally"]

Floats = NDArray[np.float64]
LOWEST, OCTAVES, PARTS = -40, 72, 128
# The sum of an octave is kept in units of 2^-32 of its lower end: ten million patients stay below 2^63.
_FRACTION_BITS = 32


@dataclass(frozen=True, eq=False)
class _Series:
    """One output: counts (t, octaves, parts), sums (t, octaves) of what was counted, and values out of range (t,)."""

    counts: NDArray[np.uint32]
    sums: NDArray[np.int64]
    under: NDArray[np.int64]
    over: NDArray[np.int64]

    @classmethod
    def empty(cls, times: int) -> _Series:
        # Memory that is never written to is never taken from the system.
        return cls(
            np.zeros((times, OCTAVES, PARTS), dtype=np.uint32),
            np.zeros((times, OCTAVES), dtype=np.int64),
            np.zeros(times, dtype=np.int64),
            np.zeros(times, dtype=np.int64),
        )


class Tally:
    """Tallies of several outputs on one grid of times.

    >>> tally = Tally(("x",), times=1)
    >>> tally.add("x", np.array([[1.0], [2.0], [4.0]]))
    >>> [float(v[0].round(2)) for v in (tally.mean("x"), *tally.quantiles("x", [0.5]))]
    [2.33, 2.01]
    """

    def __init__(self, names: Sequence[str], times: int) -> None:
        self.names, self.times = tuple(names), times
        self._series = {name: _Series.empty(times) for name in self.names}
        self._guards = {name: threading.Lock() for name in self.names}

    def add(self, name: str, values: Floats) -> None:
        """Count values (n, t); ModelFailure NK604 where one is too large to be a count or a concentration."""
        series = self._series[name]
        with self._guards[name]:
            counted = count_into(values, LOWEST, series.counts, series.sums, series.under, series.over)
            if not counted:
                _count(values, series)
        if series.over.any():
            raise ModelFailure("NK604", f"{name} reaches {2.0 ** (LOWEST + OCTAVES):g} or is not a number")

    def merge(self, other: Tally) -> None:
        """Add another tally to this one."""
        for name, mine in self._series.items():
            theirs = other._series[name]
            filled = theirs.sums != 0
            mine.counts[filled] += theirs.counts[filled]
            mine.sums[filled] += theirs.sums[filled]
            mine.under[:] += theirs.under

    def mean(self, name: str) -> Floats:
        """Means (t,) over the patients, to 2e-10 of their value."""
        series = self._series[name]
        scale = 2.0 ** (np.arange(OCTAVES) + LOWEST - _FRACTION_BITS)
        total: Floats = (series.sums * scale).sum(axis=1)
        return total / self._number(series)

    def quantiles(self, name: str, wanted: Sequence[float]) -> Floats:
        """Quantiles (q, t), each within 0.4 % of that of the values, linear between order statistics."""
        series = self._series[name]
        n = self._number(series)
        lower = 2.0 ** (np.arange(OCTAVES)[:, None] + LOWEST) * (1 + (np.arange(PARTS) + 0.5) / PARTS)
        middles = np.concatenate([[0.0], lower.ravel()])
        made = np.empty((len(wanted), self.times))
        for t in range(self.times):
            upto = np.cumsum(np.concatenate([series.under[t : t + 1], series.counts[t].ravel()]))
            rank = np.asarray(wanted) * (n[t] - 1)
            low, high = (middles[np.searchsorted(upto, part(rank) + 1)] for part in (np.floor, np.ceil))
            made[:, t] = low + (rank - np.floor(rank)) * (high - low)
        return made

    def packed(self) -> dict[str, NDArray[np.int64] | NDArray[np.uint32]]:
        """Arrays that hold what was counted and none of the empty bins."""
        made: dict[str, NDArray[np.int64] | NDArray[np.uint32]] = {}
        for name, s in self._series.items():
            filled = np.flatnonzero(s.sums)
            made[f"{name}.filled"], made[f"{name}.sums"] = filled, s.sums.ravel()[filled]
            made[f"{name}.counts"] = s.counts.reshape(-1, PARTS)[filled]
            made[f"{name}.under"] = s.under
        return made

    def unpack(self, packed: Mapping[str, NDArray[np.int64]]) -> None:
        """Add what `packed` gave."""
        for name, s in self._series.items():
            filled = packed[f"{name}.filled"]
            s.sums.reshape(-1)[filled] += packed[f"{name}.sums"]
            s.counts.reshape(-1, PARTS)[filled] += packed[f"{name}.counts"].astype(np.uint32)
            s.under[:] += packed[f"{name}.under"]

    @staticmethod
    def _number(series: _Series) -> NDArray[np.int64]:
        number: NDArray[np.int64] = series.under + series.counts.sum(axis=(1, 2), dtype=np.int64)
        return number


def _count(values: Floats, series: _Series) -> None:
    """The same counting without the native engine."""
    bits = np.ascontiguousarray(values.T).view(np.int64)
    octave = (bits >> 52) - 1023 - LOWEST
    within = (octave >= 0) & (octave < OCTAVES)
    series.under[:] += (octave < 0).sum(axis=1)
    series.over[:] += (octave >= OCTAVES).sum(axis=1)
    mantissa = ((bits & ((1 << 52) - 1)) | (1 << 52)) >> (52 - _FRACTION_BITS)
    for t, kept in enumerate(within):
        place = octave[t, kept]
        bins = place * PARTS + ((bits[t, kept] >> 45) & (PARTS - 1))
        series.counts[t] += np.bincount(bins, minlength=OCTAVES * PARTS).reshape(OCTAVES, PARTS).astype(np.uint32)
        np.add.at(series.sums[t], place, mantissa[t, kept])
