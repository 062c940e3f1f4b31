"""Simulated trials: right on average, and the same whatever the chunk, the worker and the company."""

import numpy as np
import pytest

from nksim.errors import UsageError
from nksim.trial import outcomes as module
from nksim.trial.boin import Boin
from nksim.trial.characteristics import of_exact, of_simulated
from nksim.trial.conduct import Conduct
from nksim.trial.crm import Crm, skeleton_of
from nksim.trial.exact import enumerate_trials
from nksim.trial.isotonic import estimates, isotonic, mtd
from nksim.trial.outcomes import simulate
from nksim.trial.three_plus_three import ThreePlusThree

TRUTH = [0.05, 0.15, 0.30, 0.45, 0.60]
DESIGNS = [
    ThreePlusThree(5), ThreePlusThree(5, True), Conduct(Boin(0.30), 5), Conduct(Boin(0.30), 5, titrate=True),
    Conduct(Boin(0.30), 5, enough=9, extra=0.05, bounded=True), Crm(0.30, skeleton_of(0.30, 5, 3)),
]  # fmt: skip


def same(a, b):
    return all(
        np.array_equal(getattr(a, f), getattr(b, f))
        for f in ("index", "n", "y", "mtd", "given", "cohort", "toxic", "evaluable")
    )


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.title[:60])
def test_a_simulation_meets_the_exact_characteristics(design):
    n = 4000
    found = of_simulated(simulate(design, TRUTH, n=n, seed=7), TRUTH, 0.30)
    exact = of_exact(enumerate_trials(design, TRUTH), TRUTH, 0.30)
    for mine, true in zip(found.selection, exact.selection, strict=True):
        assert abs(mine.value - true.value) <= 4 * (true.value * (1 - true.value) / n) ** 0.5 + 1e-12
    for mine, true in zip((*found.patients, found.overdosed), (*exact.patients, exact.overdosed), strict=True):
        assert abs(mine.value - true.value) <= 4 * (mine.high - mine.value) / 1.96 + 1e-12


# 20,000 trials simulated independently of this code.
def test_boin_meets_its_reference_within_one_percentage_point():
    found = of_simulated(simulate(Conduct(Boin(0.30), 5), TRUTH, n=20_000, seed=1), TRUTH, 0.30)
    assert [e.value for e in found.selection] == pytest.approx([0.0, 0.012, 0.231, 0.546, 0.196, 0.015], abs=0.01)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_do_not_depend_on_workers_nor_on_chunks(workers, monkeypatch):
    whole = simulate(Conduct(Boin(0.30), 5), TRUTH, n=300, seed=3)
    monkeypatch.setattr(module, "CHUNK", 37)
    assert same(whole, simulate(Conduct(Boin(0.30), 5), TRUTH, n=300, seed=3, workers=workers))


def test_a_trial_is_the_same_alone_and_among_others():
    whole = simulate(Conduct(Boin(0.30), 5), TRUTH, n=50, seed=3)
    alone = simulate(Conduct(Boin(0.30), 5), TRUTH, n=1, seed=3, first=41)
    assert np.array_equal(alone.given[0], whole.given[41])
    assert np.array_equal(alone.toxic[0], whole.toxic[41])


def test_a_patient_who_bears_a_level_bears_it_in_every_design():
    # The same number decides: toxic under a lower truth means toxic under a higher one.
    low, high = (simulate(ThreePlusThree(1), [p], n=500, seed=2).toxic[:, :3] for p in (0.2, 0.4))
    assert (low <= high).all()


@pytest.mark.parametrize("design", DESIGNS[2:], ids=lambda d: d.title[:60])
def test_decisions_rest_on_those_evaluable_and_nobody_evaluable_moves_nothing(design):
    found = simulate(design, TRUTH, n=500, seed=3, lost=0.9)
    for level in range(5):
        at = found.given == level
        assert np.array_equal((at & found.evaluable).sum(axis=1), found.n[:, level])
        assert np.array_equal(at.sum(axis=1), found.treated(level))
    first = np.where(found.given == 0, found.evaluable, False)
    # Nobody reaches level 2 before somebody at level 1 was evaluable.
    for trial in np.flatnonzero((found.given == 1).any(axis=1)):
        k = int((found.given[trial] == 1).argmax())
        assert first[trial, :k].any()
    nobody = ~(found.evaluable & (found.given >= 0)).any(axis=1)
    assert nobody.any()
    assert (found.mtd[nobody] == 0).all()
    assert (found.given[nobody] <= 0).all()


def test_no_loss_changes_no_trial():
    assert same(*(simulate(DESIGNS[2], TRUTH, n=100, seed=3, lost=x) for x in (0.0, 1e-12)))


def test_another_seed_gives_other_trials():
    assert not same(*(simulate(ThreePlusThree(5), TRUTH, n=50, seed=s) for s in (1, 2)))


def test_what_patients_were_given_adds_up_to_what_levels_count():
    found = simulate(Conduct(Boin(0.30), 5), TRUTH, n=200, seed=1)
    for level in range(5):
        assert np.array_equal((found.given == level).sum(axis=1), found.n[:, level])
        assert np.array_equal(((found.given == level) & found.toxic).sum(axis=1), found.y[:, level])


def test_isotonic_regression_pools_neighbours_that_fall():
    # By hand: 0.4 and 0.2 pool to 0.3, which stays above 0.1; then 0.25 pulls all three to 0.85/3.
    assert isotonic(np.array([[0.1, 0.4, 0.2]]), np.ones((1, 3)))[0] == pytest.approx([0.1, 0.3, 0.3])
    assert isotonic(np.array([[0.1, 0.4, 0.2, 0.25]]), np.ones((1, 4)))[0] == pytest.approx(
        [0.1, 0.85 / 3, 0.85 / 3, 0.85 / 3]
    )
    assert isotonic(np.array([[0.5, 0.2]]), np.array([[3.0, 1.0]]))[0] == pytest.approx([0.425, 0.425])


def test_a_level_without_patients_has_no_estimate_and_is_no_mtd():
    n, y = np.array([[3, 0, 3]], np.int16), np.array([[0, 0, 1]], np.int16)
    assert np.isnan(estimates(n, y, n >= 0)[0, 1])
    assert mtd(n, y, np.array([3], np.int16), 0.1).tolist() == [1]


def test_equal_estimates_name_the_higher_level_below_the_target_and_the_lower_above_it():
    n, y = np.array([[6, 6]], np.int16), np.array([[1, 1]], np.int16)
    top = np.array([2], np.int16)
    assert mtd(n, y, top, 0.30).tolist() == [2]
    assert mtd(n, y, top, 0.10).tolist() == [1]


@pytest.mark.parametrize(
    ("truth", "said"),
    [([0.1, 0.2], "2 probabilities and there are 5"), ([0.1, 0.3, 0.2, 0.4, 0.5], "falls from 0.3 at level 2 to 0.2 at level 3"),
     ([0.1, 0.2, 0.3, 0.4, 1.5], "level 5 is not a probability"), ([float("nan")] * 5, "level 1 is not a probability")],
)  # fmt: skip
def test_a_truth_that_cannot_be_is_refused(truth, said):
    with pytest.raises(UsageError, match=f"NK802.*{said}"):
        simulate(ThreePlusThree(5), truth, n=10, seed=1)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 10**7}, {"workers": 0}])
def test_numbers_of_trials_or_workers_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError, match="NK805"):
        simulate(ThreePlusThree(1), [0.3], **{"n": 10, "seed": 1, **wrong})
