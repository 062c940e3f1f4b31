"""Likelihoods of printed statistics against what can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nksim.errors import InvalidInput
from nksim.fit.likelihood import LEAST, log_likelihood
from nksim.fit.observations import parse_observations
from nksim.fit.readings import Amounts, Chances, LastDays

HEAD = b"trial,arm,day,analyte,statistic,value,unit,n,source\n"


def said(statistic, value, n):
    return parse_observations(HEAD + f"T,A,7,x,{statistic},{value},1,{n},s".encode(), "o.csv")[0]


def likelihood(statistic, value, n, reading):
    return math.exp(log_likelihood(said(statistic, value, n), reading, value)) - LEAST


def test_a_count_is_binomial():
    # 3 of 10 with probability one half: 120 / 1024.
    half = Chances((np.array([0.25, 0.75]),), (1.0,))
    assert likelihood("count", 3, 10, half) == pytest.approx(120 / 1024)
    assert likelihood("fraction", 0.3, 10, half) == pytest.approx(120 / 1024)


def test_parts_count_by_their_patients():
    parts = Chances((np.array([0.0]), np.array([1.0])), (0.75, 0.25))
    assert parts.mean == 0.25


def test_the_largest_of_ten_has_the_density_of_the_order_statistic():
    # One patient with the value 1 and an error of 0.3: at 1 the density is 1/(0.3 √2π), half of the values below.
    # The largest of ten: 10 f F^9.
    one = Amounts((np.array([1.0]),), (1.0,), 0.3)
    density = 1 / (0.3 * math.sqrt(2 * math.pi))
    assert likelihood("max", 1.0, 10, one) == pytest.approx(10 * density * 0.5**9)
    assert likelihood("min", 1.0, 10, one) == pytest.approx(10 * density * 0.5**9)
    # The median of three is the second: 3!/(1! 1!) f F (1 - F).
    assert likelihood("median", 1.0, 3, one) == pytest.approx(6 * density * 0.25)


def test_a_value_below_the_limit_is_only_known_to_be_there():
    # A limit one error above the value: Φ(1) = 0.8413447 of the values are not seen; both of two, its square.
    one = Amounts((np.array([1.0]),), (1.0,), 0.3, lod=math.exp(0.3))
    assert likelihood("individual", 0, 1, one) == pytest.approx(0.8413447, rel=1e-6)
    assert likelihood("max", 0, 2, one) == pytest.approx(0.8413447**2, rel=1e-6)


def test_only_what_lies_above_the_floor_counts_where_there_is_one():
    one = Amounts((np.array([1.0]),), (1.0,), 0.3, floor=1.0)
    assert one.below(1.0) == 0
    # Φ(1) - Φ(0) over the half above the floor.
    assert one.below(math.exp(0.3)) == pytest.approx((0.8413447 - 0.5) / 0.5, rel=1e-6)


def test_a_loss_is_known_between_two_sampling_days():
    # Never 0.2, last on day 2 0.3, on day 7 0.5; samples on days 2 and 7.
    days = LastDays(np.array([0.0, 2.0, 7.0]), (np.array([[0.2, 0.3, 0.5]]),), (1.0,))
    # The later of two is day 7 with 1 - 0.5², the earlier is 0 with 1 - 0.8².
    assert likelihood("max", 7, 2, days) == pytest.approx(0.75)
    assert likelihood("max", 9, 2, days) == pytest.approx(0.75)
    assert likelihood("min", 0, 2, days) == pytest.approx(0.36)
    assert likelihood("max", 3, 2, days) == pytest.approx(0.25 - 0.04)


def test_a_mean_has_no_likelihood_here():
    with pytest.raises(InvalidInput, match="NK677"):
        log_likelihood(said("mean", 3, 10), Amounts((np.array([1.0]),), (1.0,), 0.3), 3)


def test_the_density_adds_up_to_the_share_below():
    spread = Amounts((np.array([0.5, 1.0, 4.0]), np.array([0.1])), (0.6, 0.4), 0.3)
    grid = np.linspace(math.log(1e-3), math.log(2.0), 4001)
    area = np.trapezoid([spread.density(math.exp(x)) for x in grid], grid) if hasattr(np, "trapezoid") else 0
    assert not area or area == pytest.approx(spread.below(2.0), rel=1e-6)
