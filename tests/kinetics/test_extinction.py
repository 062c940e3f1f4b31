"""Dying out at random, against the closed form of the linear birth-death process."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.kinetics.extinction import extinction_chance, factors
from nksim.regimen import protocol
from nksim.run import simulate
from nksim.settings import Settings

RATES = st.floats(0.01, 2.0)


@given(RATES, RATES, st.integers(1, 300))
def test_with_constant_rates_all_are_gone_with_the_probability_of_the_textbook(birth, death, start):
    # Bailey 1964, The elements of stochastic processes, 8.5: (μ(e^(λ-μ)t - 1)/(λ e^(λ-μ)t - μ))^N0; (λt/(1+λt))^N0.
    times = np.array([0.0, 0.3, 1.0, 5.0])
    mean = start * np.exp((birth - death) * times)[None]
    grown = np.exp((birth - death) * times[1:])
    if abs(birth - death) < 1e-6:
        expected = (birth * times[1:] / (1 + birth * times[1:])) ** start
    else:
        expected = (death * (grown - 1) / (birth * grown - death)) ** start
    found = extinction_chance(times, mean, np.full((1, 4), death))
    assert found[0, 0] == 0
    np.testing.assert_allclose(found[0, 1:], expected, rtol=1e-6, atol=1e-12)


def test_pure_death_loses_each_cell_by_itself():
    # Ten cells that only die, at 0.5 per day, for two days: (1 - e^-1)^10.
    times = np.array([0.0, 2.0])
    chance = extinction_chance(times, 10 * np.exp(-0.5 * times)[None], np.full((1, 2), 0.5))
    assert chance[0, 1] == pytest.approx((1 - np.exp(-1)) ** 10, rel=1e-12)


def test_the_mean_over_patients_stays_that_of_the_equations():
    n, times = 20_000, np.arange(0.0, 41.0)
    cells = np.repeat(1e6 * np.exp(-0.4 * times)[None], n, axis=0)
    uniform = (np.arange(n) + 0.5) / n
    left = factors(times, cells, np.full_like(cells, 0.5), np.array([0.0]), 300.0, lambda k: uniform)
    assert set(left[:, 10]) == {1.0}
    assert 0.2 < (left[:, 36] > 0).mean() < 0.9
    # Evenly spread chances: the mean is met to 1 / n of the largest factor.
    np.testing.assert_allclose(left.mean(axis=0), 1.0, atol=left.max() / n + 1e-9)


def test_times_to_extinction_differ_between_patients_and_never_come_back():
    uniform = np.array([0.05, 0.5, 0.95])
    times = np.arange(0.0, 61.0)
    cells = np.repeat(1e6 * np.exp(-0.4 * times)[None], 3, axis=0)
    left = factors(times, cells, np.full_like(cells, 0.5), np.array([0.0]), 300.0, lambda k: uniform)
    gone = (left == 0).argmax(axis=1)
    assert gone[0] < gone[1] < gone[2]
    assert (np.diff((left == 0).astype(int), axis=1) >= 0).all()


def test_the_next_infusion_begins_anew():
    times = np.arange(0.0, 101.0)
    cells = np.where(times < 60, 1e6 * np.exp(-0.4 * times), 1e6 * np.exp(-0.4 * (times - 60)))[None]
    left = factors(times, cells, np.full_like(cells, 0.5), np.array([0.0, 60.0]), 300.0, lambda k: np.array([0.5]))
    assert left[0, 59] == 0
    assert left[0, 62] == 1
    assert left[0, 100] == 0


def test_model_2_dies_out_and_model_1_does_not():
    ends = {}
    for model in ("model1", "model2"):
        made = simulate(protocol("nkaml"), n=40, settings=Settings(days=30, every_d=1, model=model)).simulation
        ends[model] = made.outputs["donor_nk"][:, -1]
    assert (ends["model1"] > 0).all()
    assert (ends["model2"] == 0).mean() > 0.05
