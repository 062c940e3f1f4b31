"""Areas and slopes against the 60 numbers that Phoenix WinNonlin prints for the theophylline data of Boeckmann et al.

Data: R `datasets::Theoph`, all 12 subjects (`published/theoph.csv`, as in github.com/vincentarelbundock/Rdatasets,
csv/datasets/Theoph.csv). Values: Phoenix WinNonlin, linear up, log down (`published/theoph_winnonlin.csv`, the column
WinNonlin of test 2 in the validation report of the R package NonCompart, github.com/asancpt/NonCompart-tests, Han 2018).
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nksim.attainment import attained, exact_interval, goal
from nksim.cutoffs import cutoffs
from nksim.errors import UsageError
from nksim.metrics import Values
from nksim.noncompartmental import auc, auc_inf, auc_last, half_life, time_above

PUBLISHED = Path(__file__).parent / "published"


def rows(name):
    with (PUBLISHED / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(params=rows("theoph_winnonlin.csv"), ids=lambda r: f"subject {r['subject']}")
def subject(request):
    """Times (t,) in h, concentrations (1, t) in mg/L, what is printed, and how many points its half-life has."""
    own = [r for r in rows("theoph.csv") if r["subject"] == request.param["subject"]]
    printed = {name: float(text) for name, text in request.param.items()}
    times, values = (np.array([float(r[column]) for r in own]) for column in ("time_h", "conc_mg_l"))
    return times, values[None], printed, int(printed["No_points_lambda_z"])


def test_the_maximum_and_its_time_are_those_printed(subject):
    times, values, printed, _ = subject
    assert (values.max(), times[values.argmax()]) == (printed["Cmax"], printed["Tmax"])


def test_the_area_to_the_last_value_is_that_printed(subject):
    times, values, printed, _ = subject
    assert auc(times, values)[0] == pytest.approx(printed["AUClast"], abs=6e-8)
    assert auc_last(times, values, 0.1)[0] == pytest.approx(printed["AUClast"], abs=6e-8)


def test_the_half_life_of_the_same_points_is_that_printed(subject):
    times, values, printed, points = subject
    assert half_life(times[-points:], values[0, -points:]) == pytest.approx(printed["HL_Lambda_z"], abs=6e-8)


def test_the_area_to_infinity_is_that_printed(subject):
    times, values, printed, _ = subject
    found = auc_inf(auc(times, values), values[:, -1], np.array([printed["HL_Lambda_z"]]))
    assert found[0] == pytest.approx(printed["AUCINF_obs"], abs=5e-7)


def test_nothing_quantifiable_has_no_area():
    assert np.isnan(auc_last(np.array([0.0, 1.0]), np.array([[0.01, 0.02]]), 0.1)[0])


def test_a_curve_that_rises_has_no_half_life():
    assert np.isnan(half_life(np.arange(4.0), np.array([1.0, 2.0, 3.0, 4.0])))


def test_time_above_a_threshold_ends_where_straight_lines_cross_it():
    # 0, 10, 10, 0 at 0, 2, 3, 7: above 5 from 1 to 5.
    assert time_above(np.array([0.0, 2, 3, 7]), np.array([[0.0, 10, 10, 0]]), 5.0)[0] == 4.0
    assert time_above(np.array([0.0, 1.0]), np.array([[2.0, 2.0]]), 2.0)[0] == 0.0


@pytest.mark.parametrize(("hits", "of"), [(4, 15), (10, 10), (0, 20), (137, 1000)])
def test_the_exact_interval_is_that_of_scipys_binomial_test(hits, of):
    other = stats.binomtest(hits, of).proportion_ci(0.95, method="exact")
    assert exact_interval(hits, of) == pytest.approx((other.low, other.high), abs=1e-10)


def test_ten_of_ten_leave_30_8_percent_open():
    # By hand: 0.025^(1/10) = 0.6915.
    assert exact_interval(10, 10) == pytest.approx((0.69150, 1.0), abs=1e-5)


def test_a_missing_value_reaches_no_goal():
    found = attained(goal("persistence_d <= 10"), Values("persistence_d", "d", np.array([5.0, np.nan, 20.0])))
    assert (found.reached, found.patients, found.missing, found.probability) == (1, 3, 1, 1 / 3)


@pytest.mark.parametrize("text", ["persistence_d", "mood >= 1", "persistence_d >= much", "persistence_d = 3"])
def test_what_is_not_a_goal_is_refused(text):
    with pytest.raises(UsageError, match=r"not a goal|no metric"):
        goal(text)


def test_the_published_cut_offs_of_f_ara_a_carry_their_source():
    # Fabrizio 2022 (13.8), Dekker 2022 (14), Langenhorst 2019 (20 mg h/L).
    assert [(c.value, c.source.split()[0]) for c in cutoffs("f_ara_a_auc")] == [
        (13.8, "Fabrizio"),
        (14, "Dekker"),
        (20, "Langenhorst"),
    ]
    assert cutoffs("visits") == ()
