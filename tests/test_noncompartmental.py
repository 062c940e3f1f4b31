"""Areas and slopes against the numbers that Phoenix WinNonlin prints for the theophylline data of Boeckmann et al.

Data: R `datasets::Theoph`, subjects 1 to 6 (time in h, mg/L). Values: Phoenix WinNonlin 6.3, linear up, log down, as
printed in the validation report of the R package NonCompart (Kim, Han, Cho, Bae; CRAN); PKNCA prints the same.
"""

import numpy as np
import pytest
from scipy import stats

from nksim.attainment import attained, exact_interval, goal
from nksim.cutoffs import cutoffs
from nksim.errors import UsageError
from nksim.metrics import Values
from nksim.noncompartmental import auc, auc_inf, auc_last, half_life, time_above

# subject: times, concentrations, (Cmax, Tmax, AUClast, AUCinf_obs, half-life), points of the half-life
THEOPH = {
    1: ([0, .25, .57, 1.12, 2.02, 3.82, 5.1, 7.03, 9.05, 12.12, 24.37], [.74, 2.84, 6.57, 10.5, 9.66, 8.58, 8.36, 7.47, 6.89, 5.94, 3.28],
        (10.5, 1.12, 147.2347485, 214.9236316, 14.3043776), 3),
    2: ([0, .27, .52, 1, 1.92, 3.5, 5.02, 7.03, 9, 12, 24.3], [0, 1.72, 7.91, 8.31, 8.33, 6.85, 6.08, 5.4, 4.55, 3.01, .9],
        (8.33, 1.92, 88.7312755, 97.3779346, 6.6593416), 4),
    3: ([0, .27, .58, 1.02, 2.02, 3.62, 5.08, 7.07, 9, 12.15, 24.17], [0, 4.4, 6.9, 8.2, 7.8, 7.5, 6.2, 5.3, 4.9, 3.7, 1.05],
        (8.2, 1.02, 95.8781978, 106.1276685, 6.7660874), 3),
    4: ([0, .35, .6, 1.07, 2.13, 3.5, 5.02, 7.02, 9.02, 11.98, 24.65], [0, 1.89, 4.6, 8.6, 8.38, 7.54, 6.88, 5.78, 5.33, 4.19, 1.15],
        (8.6, 1.07, 102.6336232, 114.2162046, 6.9812467), 3),
    5: ([0, .3, .52, 1, 2.02, 3.5, 5.02, 7.02, 9.1, 12, 24.35], [0, 2.02, 5.63, 11.4, 9.33, 8.74, 7.56, 7.09, 5.9, 4.37, 1.57],
        (11.4, 1.0, 118.1793538, 136.3047316, 8.0022640), 4),
    6: ([0, .27, .58, 1.15, 2.03, 3.57, 5, 7, 9.22, 12.1, 23.85], [0, 1.29, 3.08, 6.44, 6.32, 5.53, 4.94, 4.02, 3.46, 2.78, .92],
        (6.44, 1.15, 71.6970150, 82.1758833, 7.8949979), 7),
}  # fmt: skip


@pytest.fixture(params=THEOPH, ids=lambda i: f"subject {i}")
def subject(request):
    times, values, printed, points = THEOPH[request.param]
    return (
        np.array(times, float),
        np.array([values], float),
        dict(zip(("cmax", "tmax", "last", "inf", "hl"), printed, strict=True)),
        points,
    )


def test_the_maximum_and_its_time_are_those_printed(subject):
    times, values, printed, _ = subject
    assert (values.max(), times[values.argmax()]) == (printed["cmax"], printed["tmax"])


def test_the_area_to_the_last_value_is_that_printed(subject):
    times, values, printed, _ = subject
    assert auc(times, values)[0] == pytest.approx(printed["last"], abs=6e-8)
    assert auc_last(times, values, 0.1)[0] == pytest.approx(printed["last"], abs=6e-8)


def test_the_half_life_of_the_same_points_is_that_printed(subject):
    times, values, printed, points = subject
    assert half_life(times[-points:], values[0, -points:]) == pytest.approx(printed["hl"], abs=6e-8)


def test_the_area_to_infinity_is_that_printed(subject):
    times, values, printed, _ = subject
    found = auc_inf(auc(times, values), values[:, -1], np.array([printed["hl"]]))
    assert found[0] == pytest.approx(printed["inf"], abs=5e-7)


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
