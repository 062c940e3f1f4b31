"""Tallies against the values that went into them."""

import numpy as np
import pytest

from nksim.errors import ModelFailure
from nksim.kinetics import curves, native
from nksim.scale.tally import LOWEST, OCTAVES, Tally

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


@pytest.mark.skipif(not native.available(), reason="the native engine was not built")
@pytest.mark.parametrize(("n", "times"), [(1, 1), (3, 17), (4001, 9), (2049, 145), (5, 700)])
@pytest.mark.parametrize("width", [3, 2, 1, 0], ids=["avx512", "avx2", "narrow", "baseline"])
def test_both_ways_of_counting_give_the_same_bits(monkeypatch, width, n, times):
    if width > native.library().nksim_widest():
        pytest.skip("this processor has no such instructions")
    monkeypatch.setattr(curves, "_widest", lambda: width)
    # Nobody has any for a while, as before the first cells; what is negative or next to nothing counts as nothing.
    wide = values(n, times + 3)
    wide[:, times // 3 : times // 2] = 0.0
    wide[:: n // 2 + 1, times // 4] = -1.0
    x = wide[:, :times]
    fast = contents(counted(x, x[::2]))
    monkeypatch.setattr(curves, "count", lambda *_: False)
    assert contents(counted(x, x[::2])) == fast


@pytest.mark.skipif(not native.available(), reason="the native engine was not built")
def test_values_beyond_the_limit_are_counted_apart_at_their_time():
    into = Tally(("x",), 20)._series["x"].arrays()
    x = np.ones((7, 20))
    x[2, 18] = x[3, 18] = np.nan
    x[4, 5] = 1e300
    assert curves.count(x, LOWEST, OCTAVES, into)
    assert {int(t): int(n) for t, n in enumerate(into["over"]) if n} == {5: 1, 18: 2}


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
