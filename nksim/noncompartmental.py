"""Areas, slopes and times read off curves of n patients at shared times, without a model of the curve.

The rules are those of non-compartmental pharmacokinetic analysis (Gabrielsson and Weiner, Pharmacokinetic and
Pharmacodynamic Data Analysis, 2.8); the tests hold them to numbers that other programs printed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.kinetics import curves

Floats = NDArray[np.float64]
FEWEST_POINTS, FEWEST_COUNTED = 3, 8
# A slope of less than this is level but for rounding.
LEVEL = 1e-9


def auc(times: Floats, values: Floats) -> Floats:
    """Area (n,) under `values` (n, t): linear where they rise or are 0, logarithmic where they fall.

    >>> import math
    >>> halving = np.array([[8.0, 4.0, 2.0]])
    >>> bool(abs(auc(np.array([0.0, 1.0, 2.0]), halving)[0] - 6 / math.log(2)) < 1e-12)
    True
    """
    return np.asarray(pieces(times, values).sum(axis=1))


def pieces(times: Floats, values: Floats) -> Floats:
    """Area (n, t - 1) of every interval."""
    step, left, right = np.diff(times), values[:, :-1], values[:, 1:]
    falls = (right < left) & (right > 0)
    ratio = np.log(np.where(falls, left, 1.0) / np.where(falls, right, 1.0))
    # Where the two are nearly equal the logarithmic rule is 0/0, and the straight line is exact enough.
    by_log = falls & (ratio > 1e-9)
    return np.asarray(np.where(by_log, (left - right) / np.where(by_log, ratio, 1.0), (left + right) / 2) * step)


def last_index(values: Floats, limit: float) -> NDArray[np.intp]:
    """Position (n,) of the last value at or above the limit of quantification, -1 where there is none."""
    above = values >= limit
    last = values.shape[1] - 1 - above[:, ::-1].argmax(axis=1)
    return np.where(above.any(axis=1), last, -1)


def auc_last(times: Floats, values: Floats, limit: float, areas: Floats | None = None) -> Floats:
    """AUClast (n,): area by `auc` up to the last value at or above `limit`; nan where none is.

    `areas` are the `pieces` of these values, where they are known already.

    >>> auc_last(np.array([0.0, 1.0, 2.0, 3.0]), np.array([[0.0, 2.0, 4.0, 0.05]]), 0.1)
    array([4.])
    """
    last = last_index(values, limit)
    counted = np.arange(times.size - 1) < last[:, None]
    parts = pieces(times, values) if areas is None else areas
    area = np.where(counted, parts, 0.0).sum(axis=1)
    return np.asarray(np.where(last >= 0, area, np.nan))


@dataclass(frozen=True, eq=False)
class Profile:
    """Read off counts of n patients, each (n,): area over the first intervals, area to the last count, half-life.

    The last count is the last at or above the limit of quantification; nan where there is none.
    """

    to_day: Floats
    to_last: Floats
    last_value: Floats
    half_life: Floats


def profile(times: Floats, counts: Floats, upto: int, after: int, limit: float, *, by_engine: bool = False) -> Profile:
    """Areas of the first `upto` intervals and to the last count of at least `limit`, half-life from point `after` on.

    With `by_engine` the native engine does the work, with last digits of its own.

    >>> halving = np.array([16 * 0.5 ** np.arange(12)])
    >>> profile(np.arange(12.0), halving, 1, 0, 1e-9).half_life.round(9)
    array([1.])
    """
    if by_engine:
        return Profile(*curves.profiles(times, counts, upto, after, limit))
    areas = pieces(times, counts)
    last = last_index(counts, limit)
    end = np.take_along_axis(counts, np.maximum(last, 0)[:, None], axis=1)[:, 0]
    return Profile(
        areas[:, :upto].sum(axis=1),
        auc_last(times, counts, limit, areas),
        np.where(last >= 0, end, np.nan),
        half_lives(times[after:], counts[:, after:], limit),
    )


def half_lives(times: Floats, counts: Floats, limit: float) -> Floats:
    """Half-lives (n,) by a straight line through ln(counts), from their highest to the last of at least `limit`.

    nan where fewer than `FEWEST_COUNTED` points lie there, one of them is 0, or the line does not fall.
    """
    if not times.size:
        return np.full(len(counts), np.nan)
    column = np.arange(times.size)
    first = counts.argmax(axis=1)
    last = last_index(counts, limit) + 1
    within = (column >= first[:, None]) & (column < last[:, None])
    enough = last - first >= FEWEST_COUNTED
    number = np.maximum(last - first, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.where(within, times, 0.0)
        x = np.where(within, times - (x.sum(axis=1) / number)[:, None], 0.0)
        y = np.log(np.where(within, counts, 1.0))
        slope = (x * y).sum(axis=1) / (x * x).sum(axis=1)
        return np.where(enough & (slope < -LEVEL) & np.isfinite(slope), np.log(2) / -slope, np.nan)


def auc_inf(area_last: Floats, last_value: Floats, half_life: Floats) -> Floats:
    """AUCinf (n,) = AUClast + C_last / λ with λ = ln 2 / half-life; nan where one of them is.

    >>> auc_inf(np.array([10.0]), np.array([2.0]), np.array([np.log(2)]))
    array([12.])
    """
    return np.asarray(area_last + last_value * half_life / np.log(2))


def half_life(times: Floats, values: Floats) -> float:
    """ln 2 / λ, λ the slope of a straight line through ln(values) of one patient; nan unless it falls.

    >>> round(half_life(np.array([0.0, 3.0, 6.0]), np.array([8.0, 4.0, 2.0])), 9)
    3.0
    """
    if times.size < FEWEST_POINTS or (values <= 0).any():
        return float("nan")
    slope = float(np.polyfit(times, np.log(values), 1)[0])
    return float(np.log(2) / -slope) if slope < 0 else float("nan")


def time_above(times: Floats, values: Floats, threshold: float, *, by_engine: bool = False) -> Floats:
    """Time (n,) that `values` lie above a threshold, on straight lines between the points.

    With `by_engine` the native engine does the work, with last digits of its own.

    >>> time_above(np.array([0.0, 2.0, 4.0]), np.array([[0.0, 10.0, 0.0]]), 5.0)
    array([2.])
    """
    if by_engine:
        return curves.time_above(times, values, threshold)
    step, left, right = np.diff(times), values[:, :-1] - threshold, values[:, 1:] - threshold
    rise = np.abs(right - left)
    crosses = (left > 0) != (right > 0)
    inside = ((left > 0) & (right > 0)).astype(np.float64)
    at = np.nonzero(crosses & (rise > 0))
    inside[at] = np.maximum(left[at], right[at]) / rise[at]
    return np.asarray((inside * step).sum(axis=1))
