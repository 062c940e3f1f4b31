"""Each patient's run cut at every discontinuity, so that within a segment all input rates are constant.

A patient's cuts depend on that patient's own doses only: a dose of zero makes no cut, and no neighbour in the
batch changes a value. Simultaneous doses are put into one canonical order first, so theirs does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.kinetics import Floats
from nksim.kinetics.events import TARGETS, EventTable

__all__ = ["Timeline", "merged", "timeline"]


@dataclass(frozen=True, eq=False)
class Timeline:
    """Segments of n patients, at most m each.

    `breaks` (m + 1, n) ascends and ends in infinities; segment s runs from breaks[s] to breaks[s + 1].
    `bolus[target]` (m, n) is what is given at once at its start, `rate[target]` (m, n) what runs in per day.
    `cy_day` (m, n) marks starts of doses of Cy with the day of their course, 0 where no dose starts.
    `segments` (n,) counts a patient's segments.
    """

    breaks: Floats
    segments: NDArray[np.intp]
    bolus: dict[str, Floats]
    rate: dict[str, Floats]
    cy_day: Floats


def merged(events: EventTable) -> tuple[list[tuple[float, str, float]], list[Floats]]:
    """One column per (time, target, duration), in that order, with the sum of the amounts given so.

    Each patient's parts are added from the smallest on, so that the order of columns cannot change the sum.
    """
    keys = list(zip(events.time_d.tolist(), events.target, events.duration_d.tolist(), strict=True))
    ordered = sorted(set(keys))
    amounts = []
    for key in ordered:
        parts = np.sort(events.amount[:, [i for i, other in enumerate(keys) if other == key]], axis=1)
        total = parts[:, 0].copy()
        for i in range(1, parts.shape[1]):
            total += parts[:, i]
        amounts.append(total)
    return ordered, amounts


def _cuts(candidates: list[Floats], end_d: float, count: int) -> Floats:
    """Distinct cut times in ascending order, each patient's padded with infinities, as rows (m + 1, n)."""
    table = np.full((len(candidates) + 1, count), end_d)
    for row, times in zip(table, candidates, strict=False):
        row[:] = np.where(times < end_d, times, np.inf)
    table.sort(axis=0)
    table[1:][table[1:] == table[:-1]] = np.inf
    table.sort(axis=0)
    longest = int(np.isfinite(table).sum(axis=0).max(initial=1))
    return np.ascontiguousarray(table[:longest])


def timeline(events: EventTable, il2_lag_d: Floats, end_d: float) -> Timeline:
    """Cut the runs of all patients; `il2_lag_d` (n,) delays IL-2, and what starts at or after `end_d` is dropped."""
    n = events.count
    keys, amounts = merged(events)
    starts, ends = [], []
    for (time_d, target, duration_d), amount in zip(keys, amounts, strict=True):
        start = time_d + il2_lag_d if target == "il2" else np.full(n, time_d)
        starts.append(np.where(amount > 0, start, np.inf))
        ends.append(np.where(amount > 0, start + duration_d, np.inf))
    breaks = _cuts([*starts, *ends], end_d, n)
    m = breaks.shape[0] - 1
    left = breaks[:-1]
    bolus = {target: np.zeros((m, n)) for target in TARGETS}
    rate = {target: np.zeros((m, n)) for target in TARGETS}
    for (_, target, _), amount, start, end in zip(keys, amounts, starts, ends, strict=True):
        given = np.isfinite(left) & (left == start)
        at_once = end <= start
        bolus[target] += np.where(given & at_once, amount, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            speed = amount / (end - start)
        rate[target] += np.where((start <= left) & (left < end) & ~at_once, speed, 0.0)
    cy_starts = [start for (_, target, _), start in zip(keys, starts, strict=True) if target == "cy"]
    segments = np.isfinite(breaks).sum(axis=0) - 1
    return Timeline(breaks, segments, bolus, rate, _cy_day(cy_starts, left))


# The second day's dose is often given an hour or two early; 18 h after the first already counts as day 2.
_EARLY_D = 0.25
# The induction of Cy clearance had gone after four weeks in Chinnaswamy 2011.
_COURSE_D = 28.0


def _cy_day(starts: list[Floats], left: Floats) -> Floats:
    """Day of the course at each start of a dose of Cy, counted from 1; 0 where none starts.

    Clearance was published against the day of the *dose*, so it changes when a dose starts and not at midnight.
    A dose four weeks or more after the previous one opens a new course.
    """
    day = np.zeros_like(left)
    if not starts:
        return day
    opened = np.full(left.shape[1], -np.inf)
    last = np.full(left.shape[1], -np.inf)
    for start in starts:
        given = np.isfinite(start)
        opened = np.where(given & (start - last >= _COURSE_D), start, opened)
        last = np.where(given, start, last)
        with np.errstate(invalid="ignore"):
            today = np.floor(start - opened + _EARLY_D) + 1.0
        day = np.where(given & (left == start), today, day)
    return day
