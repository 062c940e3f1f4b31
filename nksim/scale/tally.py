"""Counts of values by time and size, from which means and quantiles follow; exact to add up in any order.

A value falls into one of 128 equal parts of its octave, so that the middle of its bin is within 0.4 % of it. All is
counted in whole numbers: two tallies merged in any order, of any chunks, are the same bits. Values below 2^-40
(9e-13) count as 0.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim.errors import ModelFailure
from nksim.kinetics import curves

__all__ = ["HISTOGRAM", "Tally"]

Floats = NDArray[np.float64]
LOWEST, OCTAVES, PARTS = HISTOGRAM = -40, 72, 128
# A sum is kept as two whole numbers, in units of 2^-7 and of 2^-46: ten million patients stay below 2^63.
_HIGH, _LOW = 2.0**-7, 2.0**-46
_NO_BIN = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class _Series:
    """One output: counts (octaves, t, parts), what was counted summed up (t, 2), and values out of range (t,).

    `range` (t, 2) holds the lowest and the highest bin that was filled.
    """

    counts: NDArray[np.uint32]
    sums: NDArray[np.int64]
    range: NDArray[np.int64]
    under: NDArray[np.int64]
    over: NDArray[np.int64]

    @classmethod
    def empty(cls, times: int) -> _Series:
        # Memory that is never written to is never taken from the system; what neighbouring times write lies together.
        return cls(
            np.zeros((OCTAVES, times, PARTS), dtype=np.uint32),
            np.zeros((times, 2), dtype=np.int64),
            np.tile(np.array([_NO_BIN, -1]), (times, 1)),
            np.zeros(times, dtype=np.int64),
            np.zeros(times, dtype=np.int64),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def octaves(self, t: int) -> slice:
        """The octaves of one time between the lowest and the highest that was filled."""
        low, high = (self.range[t] // PARTS).tolist()
        return slice(low, high + 1) if high >= 0 else slice(0, 0)


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
            if not curves.count(values, LOWEST, OCTAVES, series.arrays()):
                _count(values, series)
        self._check(name)

    def add_bins(self, name: str, bins: curves.BinsOf) -> None:
        """Count values whose bins the native engine has found, as `add` does."""
        series = self._series[name]
        with self._guards[name]:
            curves.count_bins(bins, OCTAVES, series.arrays())
        self._check(name)

    def _check(self, name: str) -> None:
        if self._series[name].over.any():
            raise ModelFailure("NK604", f"{name} reaches {2.0 ** (LOWEST + OCTAVES):g} or is not a number")

    def mean(self, name: str) -> Floats:
        """Means (t,) over the patients, to 1e-14."""
        series = self._series[name]
        total: Floats = series.sums[:, 0] * _HIGH + series.sums[:, 1] * _LOW
        return total / self._number(series)

    def quantiles(self, name: str, wanted: Sequence[float]) -> Floats:
        """Quantiles (q, t), each within 0.4 % of that of the values, linear between order statistics."""
        series = self._series[name]
        n = self._number(series)
        lower = 2.0 ** (np.arange(OCTAVES)[:, None] + LOWEST)
        middles = lower * (1 + (np.arange(PARTS) + 0.5) / PARTS)
        made = np.empty((len(wanted), self.times))
        for t in range(self.times):
            there = series.octaves(t)
            upto = np.cumsum(np.concatenate([series.under[t : t + 1], series.counts[there, t].ravel()]))
            value = np.concatenate([[0.0], middles[there].ravel()])
            rank = np.asarray(wanted) * (n[t] - 1)
            low, high = (value[np.searchsorted(upto, part(rank) + 1)] for part in (np.floor, np.ceil))
            made[:, t] = low + (rank - np.floor(rank)) * (high - low)
        return made

    def packed(self) -> dict[str, NDArray[Any]]:
        """Arrays that hold what was counted and none of the octaves that are empty."""
        made: dict[str, NDArray[Any]] = {}
        for name, s in self._series.items():
            between = [np.arange(OCTAVES)[s.octaves(t)] * self.times + t for t in range(self.times)]
            places = np.sort(np.concatenate(between))
            blocks = s.counts.reshape(-1, PARTS)[places]
            filled = blocks.any(axis=1)
            made[f"{name}.filled"], made[f"{name}.counts"] = places[filled], blocks[filled]
            made[f"{name}.sums"], made[f"{name}.range"], made[f"{name}.under"] = s.sums, s.range, s.under
        return made

    def unpack(self, packed: Mapping[str, NDArray[Any]]) -> None:
        """Add what `packed` gave."""
        for name, s in self._series.items():
            s.counts.reshape(-1, PARTS)[packed[f"{name}.filled"]] += packed[f"{name}.counts"]
            s.sums[:] += packed[f"{name}.sums"]
            s.under[:] += packed[f"{name}.under"]
            low, high = packed[f"{name}.range"].T
            s.range[:, 0], s.range[:, 1] = np.minimum(s.range[:, 0], low), np.maximum(s.range[:, 1], high)

    @staticmethod
    def _number(s: _Series) -> NDArray[np.int64]:
        counted = [s.counts[s.octaves(t), t].sum(dtype=np.int64) for t in range(len(s.under))]
        return np.asarray(s.under + np.array(counted))


def _count(values: Floats, series: _Series) -> None:
    """The same counting without the native engine."""
    column = np.ascontiguousarray(values.T)
    inside = (column >= 2.0**LOWEST) & (column < 2.0 ** (LOWEST + OCTAVES))
    series.under[:] += (~inside).sum(axis=1)
    series.over[:] += (~(column < 2.0 ** (LOWEST + OCTAVES))).sum(axis=1)
    kept = np.where(inside, column, 0.0)
    high = np.rint(kept / _HIGH)
    series.sums[:, 0] += high.astype(np.int64).sum(axis=1)
    series.sums[:, 1] += np.rint((kept - high * _HIGH) / _LOW).astype(np.int64).sum(axis=1)
    bins = (column.view(np.int64) >> 45) - (1023 + LOWEST) * PARTS
    for t, chosen in enumerate(inside):
        if chosen.any():
            own = bins[t, chosen]
            counted = np.bincount(own, minlength=OCTAVES * PARTS)
            series.counts[:, t] += counted.reshape(OCTAVES, PARTS).astype(np.uint32)
            low, high_bin = series.range[t]
            series.range[t] = min(low, own.min()), max(high_bin, own.max())
