"""Tallies against the values that went into them."""

import numpy as np
import pytest

from nksim.errors import ModelFailure
from nksim.kinetics import curves, native
from nksim.scale.tally import Tally

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@pytest.fixture(params=["native", "numpy"])
def counting(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(curves, "count", lambda *_: False)
    elif not native.available():
        pytest.skip("the native engine was not built")


def values(n=4001, times=9):
    rng = np.random.default_rng(5)
    return np.exp(rng.normal(0, 4, (n, times))) * np.where(rng.uniform(size=(n, times)) < 0.02, 0.0, 1.0)


def counted(*parts):
    tally = Tally(("x",), parts[0].shape[1])
    for part in parts:
        tally.add("x", part)
    return tally


def contents(tally):
    return b"".join(array.tobytes() for array in tally.packed().values())


def test_quantiles_are_within_half_a_percent(counting):
    x = values()
    exact = np.quantile(x, QUANTILES, axis=0)
    np.testing.assert_allclose(counted(x).quantiles("x", QUANTILES), exact, rtol=0.004, atol=1e-12)


def test_means_are_exact_to_nine_digits(counting):
    x = values()
    np.testing.assert_allclose(counted(x).mean("x"), x.mean(axis=0), rtol=1e-9)


def test_any_order_and_any_split_count_the_same(counting):
    x = values()
    order = np.random.default_rng(1).permutation(len(x))
    pieces = counted(*np.array_split(x[order], 13))
    first, second = counted(x[:1000]), counted(x[1000:])
    second.unpack(first.packed())
    assert contents(counted(x)) == contents(pieces) == contents(second)


def test_both_ways_of_counting_give_the_same_bits(monkeypatch):
    x = values()
    fast = contents(counted(x))
    monkeypatch.setattr(curves, "count", lambda *_: False)
    assert contents(counted(x)) == fast


def test_what_is_packed_is_all_there_is(counting):
    tally, other = counted(values()), Tally(("x",), 9)
    other.unpack(tally.packed())
    assert contents(other) == contents(tally)
    assert other.quantiles("x", QUANTILES).tobytes() == tally.quantiles("x", QUANTILES).tobytes()


def test_the_smallest_values_count_as_nothing(counting):
    tally = counted(np.array([[0.0], [1e-13], [1e-300], [2.0]]))
    assert tally.quantiles("x", [0.5])[0, 0] == 0
    assert tally.mean("x")[0] == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [np.inf, np.nan, 1e12])
def test_what_is_no_count_is_refused(counting, wrong):
    with pytest.raises(ModelFailure, match="NK604"):
        counted(np.array([[1.0], [wrong]]))
