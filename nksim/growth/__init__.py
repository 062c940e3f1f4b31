"""The growth reference: weight and height by age and sex from birth to old age, as z-scores and back.

Below 20 years the CDC 2000 growth charts (LMS, Cole & Green 1992), from 20 years the percentiles of NHANES
2021-2023. README.md beside this file gives sources, licence, checks and the steps at 2 and 20 years.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import boxcox, inv_boxcox, ndtri

Measure = Literal["weight_kg", "height_cm"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ADULT_FROM_Y = 20.0
# Where the straight tails end: beyond the five standard deviations that a given body may lie from the median.
TAIL_Z = 6.0
PERCENTILES = ("p5", "p10", "p15", "p25", "p50", "p75", "p85", "p90", "p95")
KNOTS_Z: Floats = np.array([-TAIL_Z, *ndtri([int(name[1:]) / 100 for name in PERCENTILES]), TAIL_Z])


def size_at(measure: Measure, *, age_y: Floats, male: Bools, z: Floats) -> Floats:
    """Weight in kg or height in cm at standard normal score `z`; arrays of shape (n,), age in 0..100 years.

    Children: M·(1 + L·S·z)^(1/L), with L, M and S linear in age between the published months. Adults: the
    logarithm is linear in z between the published percentiles and in age between the middles of the decades.

    >>> age_y, male, z = np.array([2.0, 45.0]), np.array([True, False]), np.zeros(2)
    >>> size_at("weight_kg", age_y=age_y, male=male, z=z).round(2).tolist()
    [12.67, 74.8]
    """
    size = np.empty_like(z)
    for men, child, adult in _groups(age_y, male):
        if child.any():
            power, median, spread = _lms(measure, men, age_y[child])
            size[child] = median * inv_boxcox(spread * z[child], power)
        if adult.any():
            knots = _adult_knots(measure, men, age_y[adult])
            segment = np.clip(np.searchsorted(KNOTS_Z, z[adult]) - 1, 0, len(KNOTS_Z) - 2)
            ends = _ends(knots, segment)
            size[adult] = np.exp(_along(z[adult], KNOTS_Z[segment], KNOTS_Z[segment + 1], *ends))
    return size


def z_score(measure: Measure, *, age_y: Floats, male: Bools, size: Floats) -> Floats:
    """Standard normal score of a weight in kg or a height in cm: the inverse of `size_at`.

    >>> girl, age_y = np.array([False]), np.array([6.0])
    >>> z_score("height_cm", age_y=age_y, male=girl, size=np.array([115.0])).round(2).item()
    0.06
    """
    score = np.empty_like(size)
    for men, child, adult in _groups(age_y, male):
        if child.any():
            power, median, spread = _lms(measure, men, age_y[child])
            score[child] = boxcox(size[child] / median, power) / spread
        if adult.any():
            knots = _adult_knots(measure, men, age_y[adult])
            logarithm = np.log(size[adult])
            segment = np.clip((knots < logarithm).sum(axis=0) - 1, 0, len(KNOTS_Z) - 2)
            ends = _ends(knots, segment)
            score[adult] = _along(logarithm, *ends, KNOTS_Z[segment], KNOTS_Z[segment + 1])
    return score


def correlation(*, age_y: Floats, male: Bools) -> Floats:
    """Correlation of the z-scores of weight and height within one age and sex.

    >>> correlation(age_y=np.array([7.0, 50.0]), male=np.array([True, True])).round(2).tolist()
    [0.76, 0.42]
    """
    middle_f, r_f = _correlations("F")
    middle_m, r_m = _correlations("M")
    return np.where(male, np.interp(age_y, middle_m, r_m), np.interp(age_y, middle_f, r_f))


def _groups(age_y: Floats, male: Bools) -> Iterator[tuple[bool, Bools, Bools]]:
    for men in (False, True):
        yield men, (male == men) & (age_y < ADULT_FROM_Y), (male == men) & (age_y >= ADULT_FROM_Y)


def _along(x: Floats, x0: Floats, x1: Floats, y0: Floats, y1: Floats) -> Floats:
    return y0 + (y1 - y0) * ((x - x0) / (x1 - x0))


def _ends(knots: Floats, segment: NDArray[np.intp]) -> tuple[Floats, Floats]:
    column = np.arange(knots.shape[1])
    return knots[segment, column], knots[segment + 1, column]


def _lms(measure: Measure, men: bool, age_y: Floats) -> tuple[Floats, Floats, Floats]:
    table = _cdc(measure, "M" if men else "F")
    months = age_y * 12
    power, median, spread = (np.interp(months, table[0], column) for column in table[1:])
    return power, median, spread


def _adult_knots(measure: Measure, men: bool, age_y: Floats) -> Floats:
    """Logarithms of the sizes at `KNOTS_Z` for each age: shape (knots, n)."""
    middle_y, logarithms = _nhanes(measure, "M" if men else "F")
    return np.array([np.interp(age_y, middle_y, column) for column in logarithms])


def _rows(name: str, sex: str) -> list[dict[str, str]]:
    lines = (files(__package__) / name).read_text(encoding="utf-8").splitlines()
    return [row for row in csv.DictReader(lines) if row["sex"] == sex]


@cache
def _cdc(measure: Measure, sex: str) -> Floats:
    rows = _rows(f"cdc2000_{measure}.csv", sex)
    return np.array([[float(row[key]) for row in rows] for key in ("age_months", "L", "M", "S")])


@cache
def _nhanes(measure: Measure, sex: str) -> tuple[Floats, Floats]:
    """Middle of each decade in years, and logarithms of the sizes at `KNOTS_Z`: shape (knots, decades)."""
    rows = _rows(f"nhanes2021_{measure}.csv", sex)
    printed = np.array([[float(row[name] or "nan") for name in PERCENTILES] for row in rows])
    logarithms = np.array([_with_tails(row) for row in np.log(printed)])
    return _middles(rows, open_to_y=90.0), np.ascontiguousarray(logarithms.T)


def _with_tails(printed: Floats) -> Floats:
    """The printed percentiles with straight tails through P5 and P15, and through P85 and P95.

    A 95th percentile that is not printed is read off the line through P75 and P90, which is then the tail.
    """
    knots = np.array([np.nan, *printed, np.nan])
    last = 9 if np.isfinite(knots[9]) else 8

    def line(first: int, second: int, z: Floats) -> Floats:
        slope = (knots[second] - knots[first]) / (KNOTS_Z[second] - KNOTS_Z[first])
        return np.asarray(knots[first] + slope * (z - KNOTS_Z[first]))

    knots[:1] = line(1, 3, KNOTS_Z[:1])
    knots[last + 1 :] = line(last - 2, last, KNOTS_Z[last + 1 :])
    return knots


@cache
def _correlations(sex: str) -> tuple[Floats, Floats]:
    rows = _rows("nhanes2009_correlation.csv", sex)
    return _middles(rows, open_to_y=ADULT_FROM_Y + 10), np.array([float(row["r"]) for row in rows])


def _middles(rows: list[dict[str, str]], open_to_y: float) -> Floats:
    """Middle age of each group in years; 20-29 ends on the 30th birthday, an open group at `open_to_y`."""
    ends = [float(row["age_to_y"] or open_to_y) for row in rows]
    ends = [end + 1 if end % 10 == 9 else end for end in ends]
    return np.array([(float(row["age_from_y"]) + end) / 2 for row, end in zip(rows, ends, strict=True)])
