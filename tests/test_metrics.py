"""Metrics against curves whose numbers follow by hand."""

import dataclasses
import math

import numpy as np
import pytest

from nksim.kinetics.solution import Solution
from nksim.metrics import METRICS, measure
from nksim.noncompartmental import auc
from nksim.regimen import protocol
from nksim.run import simulate
from nksim.settings import Settings

TIMES = np.arange(-28, 161) / 4.0  # days -7 to 40, every 6 h


@pytest.fixture(scope="module")
def one():
    return simulate(protocol("nkaml"), n=1, seed=1, settings=Settings(days=40)).simulation


def with_curves(simulation, **curves):
    """The simulation with hand-made curves of one patient in place of its own."""
    base = {name: np.zeros((1, TIMES.size)) for name in simulation.solution}
    made = {name: np.array([[f(t) for t in TIMES]]) for name, f in curves.items()}
    found = {**base, **made}
    donor, host = found["donor_nk"], found["host_nk"]
    found["nk_chimerism"] = np.divide(donor, donor + host, out=np.zeros_like(donor), where=donor + host > 0)
    solution = Solution(TIMES, found, np.array([547.0]), np.array([19.9]), simulation.solution.steps)
    return dataclasses.replace(simulation, solution=solution)


def decaying(half_life_d, start=100.0):
    return lambda t: start * 2 ** (-t / half_life_d) if t > 0 else 0.0


def value(simulation, name):
    return float(measure(simulation)[name].values[0])


def test_the_metrics_have_the_ids_of_the_contract_and_four_more():
    assert (
        list(METRICS)
        == (
            "donor_nk_peak donor_nk_cmax donor_nk_tmax_d donor_nk_auc_0_28 donor_nk_auc_last donor_nk_auc_inf "
            "donor_nk_half_life_d persistence_d detected_d ever_detected nk_chimerism_d7 nk_chimerism_d14 nk_chimerism_d28 nk_chimerism_max alc_nadir alc_recovery_d "
            "host_nk_nadir il15_max cy_auc f_ara_a_auc cells_total visits"
        ).split()
    )


def test_the_peak_is_taken_24_hours_after_the_infusion_and_not_at_its_end(one):
    s = with_curves(one, donor_nk=decaying(3))
    assert value(s, "donor_nk_cmax") == pytest.approx(100 * 2 ** (-1 / 3))
    assert value(s, "donor_nk_tmax_d") == 1.0


def test_a_later_peak_is_found_on_its_day(one):
    s = with_curves(one, donor_nk=lambda t: max(0.0, 50 - 4 * abs(t - 8.25)) if t > 0 else 0.0)
    assert value(s, "donor_nk_cmax") == 50
    assert value(s, "donor_nk_tmax_d") == 8.25


def test_the_half_life_of_an_exponential_is_its_own(one):
    # 3.5 days, as in reference cases 4: N(7)/N0 = 0.25.
    assert value(with_curves(one, donor_nk=decaying(3.5)), "donor_nk_half_life_d") == pytest.approx(3.5)


def test_a_curve_that_only_rises_has_no_half_life_and_says_why(one):
    found = measure(with_curves(one, donor_nk=lambda t: max(t, 0.0)))["donor_nk_half_life_d"]
    assert (found.n, math.isnan(found.median)) == (0, True)
    assert "falling points" in found.missing


def test_the_area_under_an_exponential_is_exact(one):
    # From 6 h on the integral is 100 k (2^(-0.25/3) - 2^(-28/3)) with k = 3/ln 2; before it a straight line from 0.
    k = 3 / math.log(2)
    expected = 0.125 * 100 * 2 ** (-0.25 / 3) + 100 * k * (2 ** (-0.25 / 3) - 2 ** (-28 / 3))
    assert value(with_curves(one, donor_nk=decaying(3)), "donor_nk_auc_0_28") == pytest.approx(expected, rel=1e-12)


def test_the_area_under_a_triangle_is_exact_where_it_rises():
    assert auc(np.array([0.0, 1.0, 2.0]), np.array([[0.0, 5.0, 10.0]]))[0] == 10.0


def test_the_area_falls_back_to_straight_lines_where_the_curve_reaches_zero():
    assert auc(np.array([0.0, 1.0]), np.array([[4.0, 0.0]]))[0] == 2.0


def test_chimerism_on_a_day_is_the_donor_part_of_both(one):
    # 100 * 2^-(14/7) = 25 donor beside 75 host cells: one quarter.
    s = with_curves(one, donor_nk=decaying(7), host_nk=lambda t: 75.0)
    assert value(s, "nk_chimerism_d14") == pytest.approx(0.25)
    assert value(s, "nk_chimerism_d7") == pytest.approx(50 / 125)
    assert value(s, "nk_chimerism_max") == pytest.approx(100 * 2 ** (-1 / 7) / (100 * 2 ** (-1 / 7) + 75))


def test_persistence_ends_with_the_last_sample_above_the_limit(one):
    # donor/(donor + 99) >= 1 % while donor >= 1: 2^(-t/3) >= 1/100 gives t <= 19.93 d, on the 6 h grid 19.75.
    s = with_curves(one, donor_nk=decaying(3), host_nk=lambda t: 99.0)
    assert value(s, "persistence_d") == 19.75
    assert value(s, "ever_detected") == 1.0


def test_cells_that_the_assay_never_sees_persist_for_0_days(one):
    s = with_curves(one, donor_nk=decaying(3, start=0.5), host_nk=lambda t: 99.0)
    assert value(s, "persistence_d") == 0.0
    assert value(s, "ever_detected") == 0.0


def test_cells_still_seen_at_the_end_are_counted_in_the_note(one):
    found = measure(with_curves(one, donor_nk=decaying(60), host_nk=lambda t: 1.0))["persistence_d"]
    assert found.values[0] == 40
    assert found.note == "1 patients still above at the end"


def test_lymphocytes_recover_on_the_first_of_three_days_above_500(one):
    # Above 500 for one day at day 5, for good from day 10.25 on.
    s = with_curves(one, alc=lambda t: 1450.0 if t < -6 else 600.0 if 5 <= t <= 6 or t >= 10.25 else 60.0)
    assert value(s, "alc_nadir") == 60
    assert value(s, "alc_recovery_d") == 10.25


def test_lymphocytes_that_never_fell_have_no_day_of_recovery(one):
    found = measure(with_curves(one, alc=lambda t: 900.0))["alc_recovery_d"]
    assert found.n == 0
    assert "never at or below 500" in found.missing


def test_extremes_and_areas_are_those_of_the_curves(one):
    s = with_curves(one, host_nk=lambda t: 150 - 2 * min(abs(t + 7), 40), il15=lambda t: 5 + (30 if t == 2 else 0))
    assert value(s, "host_nk_nadir") == 70
    assert value(s, "il15_max") == 35
    assert (value(s, "cy_auc"), value(s, "f_ara_a_auc")) == (547.0, 19.9)


def test_visits_are_the_different_days_on_which_something_is_given(one):
    # NKAML: day -7, days -6 to -2, day -1, day 0, days 1, 3, 5, 7, 9: thirteen days.
    assert value(one, "visits") == 13


def test_all_cells_are_those_of_every_infusion():
    p = protocol("nkaml").change("cells.days", "0, 7, 14")
    s = simulate(p, n=1, bodies=None, settings=Settings(days=20)).simulation
    assert value(s, "cells_total") == pytest.approx(3 * 2.9e7 * s.population.weight_kg[0])


def test_days_beyond_the_end_of_the_run_are_missing_with_a_reason():
    found = simulate(protocol("nkaml"), n=1, settings=Settings(days=10)).metrics()
    for name in ("nk_chimerism_d14", "nk_chimerism_d28", "donor_nk_auc_0_28"):
        assert found[name].n == 0
        assert "the run ends before day" in found[name].missing
