"""Exact probabilities against tables worked out apart from the code, and against a second, slow enumeration."""

import itertools
import math

import pytest

from nksim.errors import UsageError
from nksim.trial.boin import Boin
from nksim.trial.characteristics import of_exact
from nksim.trial.conduct import Conduct
from nksim.trial.crm import Crm
from nksim.trial.exact import enumerate_trials
from nksim.trial.i3p3 import I3p3
from nksim.trial.intervals import table
from nksim.trial.mtpi import Mtpi, Mtpi2
from nksim.trial.paths import transitions
from nksim.trial.three_plus_three import ThreePlusThree

A, B, C = [0.05, 0.10, 0.20, 0.30, 0.50], [0.05, 0.15, 0.30, 0.45, 0.60], [0.10, 0.20, 0.30, 0.40, 0.50]


def exact(design, truth):
    return of_exact(enumerate_trials(design, truth), truth, None)


# Enumerated independently of this code; a top level that is cleared is the MTD without a sixth patient.
@pytest.mark.parametrize(
    ("truth", "down", "selection", "patients", "toxicities"),
    [
        (A, False, [0.0266, 0.0914, 0.2570, 0.3161, 0.2558, 0.0531], 14.675, 2.714),
        (A, True, [0.0272, 0.0971, 0.2773, 0.3278, 0.2175, 0.0531], 16.919, 3.108),
        (B, False, [0.0266, 0.1813, 0.4006, 0.2998, 0.0842, 0.0076], 12.709, 2.735),
        (B, True, [0.0278, 0.2006, 0.4288, 0.2765, 0.0588, 0.0076], 15.116, 3.198),
        (C, False, [0.0939, 0.2640, 0.3247, 0.2192, 0.0813, 0.0169], 12.035, 2.706),
        (C, True, [0.1004, 0.2846, 0.3335, 0.2033, 0.0613, 0.0169], 14.188, 3.150),
    ],
)
def test_3_plus_3_chooses_each_level_as_often_as_enumerated(truth, down, selection, patients, toxicities):
    found = exact(ThreePlusThree(5, down), truth)
    assert [e.value for e in found.selection] == pytest.approx(selection, abs=5.1e-5)
    assert found.all_patients.value == pytest.approx(patients, abs=5.1e-4)
    assert found.all_toxicities.value == pytest.approx(toxicities, abs=5.1e-4)


# b(0; 3) + b(1; 3) b(0; 3), by hand.
@pytest.mark.parametrize(
    ("p", "up"),
    [(0.05, 0.9734), (0.10, 0.9061), (0.15, 0.8138), (0.20, 0.7086), (0.25, 0.5999), (0.30, 0.4943), (0.40, 0.3093),
     (0.50, 0.1719), (0.60, 0.0824)],
)  # fmt: skip
def test_the_chance_of_going_up_is_that_of_the_binomial(p, up):
    assert exact(ThreePlusThree(1), [p]).selection[1].value == pytest.approx(up, abs=5e-5)


def slow(truth, cohorts, size, target):
    """BOIN by walking every sequence of cohort results, one trial at a time: the chance of ending with each n and y."""
    letters = table(Boin(target), cohorts * size)
    levels, found = len(truth), {}

    def walk(left, level, top, n, y, chance):
        if not left or top == 0:
            found[n, y, top] = found.get((n, y, top), 0.0) + chance
            return
        for toxic in range(size + 1):
            p = math.comb(size, toxic) * truth[level] ** toxic * (1 - truth[level]) ** (size - toxic)
            n2 = tuple(v + size * (i == level) for i, v in enumerate(n))
            y2 = tuple(v + toxic * (i == level) for i, v in enumerate(y))
            letter = letters.at(n2[level], y2[level])
            top2 = level if letter == "X" else top
            step = {"E": 1, "S": 0, "D": -1, "X": -1}[letter]
            walk(left - 1, max(0, min(level + step, top2 - 1)), top2, n2, y2, chance * p)

    walk(cohorts, 0, levels, (0,) * levels, (0,) * levels, 1.0)
    return found


def test_boin_ends_in_the_states_that_a_walk_through_every_sequence_ends_in():
    truth = [0.10, 0.30, 0.55]
    walked = {}
    for (n, y, _), chance in slow(truth, 6, 3, 0.30).items():
        walked[n, y] = walked.get((n, y), 0.0) + chance
    found = enumerate_trials(Conduct(Boin(0.30), 3, most=18), truth)
    mine = {}
    for n, y, chance in zip(found.n.tolist(), found.y.tolist(), found.probability, strict=True):
        mine[tuple(n), tuple(y)] = mine.get((tuple(n), tuple(y)), 0.0) + chance
    assert mine.keys() == {key for key, chance in walked.items() if chance > 0}
    assert [mine[k] for k in mine] == pytest.approx([walked[k] for k in mine], rel=1e-9)


# 20,000 trials simulated independently of this code, 10 cohorts of 3, target 0.30: to one percentage point.
def test_boin_chooses_each_level_as_often_as_its_reference_simulation():
    found = exact(Conduct(Boin(0.30), 5), B)
    assert [e.value for e in found.selection] == pytest.approx([0.0, 0.012, 0.231, 0.546, 0.196, 0.015], abs=0.01)
    assert [e.value for e in found.patients] == pytest.approx([4.18, 9.09, 11.16, 4.78, 0.79], abs=0.06)


@pytest.mark.parametrize(
    "design",
    [
        ThreePlusThree(4), ThreePlusThree(4, True), ThreePlusThree(4, True, start=3), Conduct(Boin(0.25), 4, most=18),
        Conduct(Boin(0.25), 4, most=17, titrate=True), Conduct(Boin(0.25), 4, most=18, enough=6, extra=0.05, bounded=True),
        Crm(0.25, (0.1, 0.2, 0.3, 0.4), most=12),
    ],
    ids=lambda d: d.title[:40],
)  # fmt: skip
@pytest.mark.parametrize("truth", [[0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]], ids=str)
def test_every_course_ends_and_its_chances_add_up_to_one(design, truth):
    found = enumerate_trials(design, truth)
    assert found.probability.sum() == pytest.approx(1, abs=1e-12)
    assert (found.y <= found.n).all()
    assert (found.n.sum(axis=1) <= design.most).all()
    tried = [m == 0 or n[m - 1] > 0 for n, m in zip(found.n.tolist(), found.mtd.tolist(), strict=True)]
    assert all(tried)


@pytest.mark.parametrize("name", ["boin", "3+3", "crm"])
def test_a_safe_ladder_ends_at_its_top_and_a_toxic_one_with_none(name):
    design = {"boin": Conduct(Boin(0.30), 3), "3+3": ThreePlusThree(3), "crm": Crm(0.30, (0.2, 0.3, 0.4))}[name]
    assert exact(design, [0, 0, 0]).selection[3].value == pytest.approx(1)
    assert exact(design, [1, 1, 1]).selection[0].value == pytest.approx(1)


LADDERS = [(rule, size) for rule in (Boin, Mtpi, Mtpi2, I3p3) for size in (2, 3)]


@pytest.mark.parametrize(("rule", "size"), LADDERS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_in_every_state_to_18_patients_the_next_level_and_the_mtd_are_admissible(rule, size):
    design = Conduct(rule(0.30), 4, size=size, most=18)
    letters = design.decisions
    for t in transitions(design, 18):
        out = [i for i, (n, y) in enumerate(zip(t.n, t.y, strict=True), 1) if n and letters.at(n, y) == "X"]
        ceiling = min(out, default=5)
        letter = letters.at(t.n[t.level - 1], t.y[t.level - 1])
        if t.goes_to is None:
            assert t.mtd == 0 if ceiling == 1 else t.mtd < ceiling and t.n[t.mtd - 1] > 0
        else:
            assert t.goes_to < ceiling
            step = {"E": 1, "S": 0, "D": -1, "X": -1}[letter]
            assert t.goes_to == max(1, min(t.level + step, ceiling - 1, 4))


def test_more_states_than_allowed_are_refused_with_a_mend():
    with pytest.raises(UsageError, match=r"NK806[\s\S]*leave --exact out"):
        enumerate_trials(Conduct(Boin(0.30), 5), B, most_states=100)


def test_a_start_above_level_1_never_names_a_level_that_nobody_was_given():
    found = enumerate_trials(ThreePlusThree(3, start=2), [0.2, 0.9, 0.95])
    for n, mtd in zip(found.n.tolist(), found.mtd.tolist(), strict=True):
        assert mtd == 0 or n[mtd - 1] > 0


def test_titration_treats_single_patients_until_the_first_toxicity():
    design = Conduct(Boin(0.30), 3, most=12, titrate=True)
    trials = design.begin(1)
    sizes = []
    for toxic in (0, 1, 0, 0):
        size = int(design.cohort(trials)[0])
        sizes.append((int(trials.level[0]) + 1, size))
        trials.add([0], size, toxic)
        design.decide(trials)
    assert sizes[:3] == [(1, 1), (2, 1), (2, 2)]


@pytest.mark.parametrize("start", list(itertools.product([1, 2, 3], [False, True])))
def test_3_plus_3_never_gives_more_than_six_patients_one_level(start):
    level, down = start
    found = enumerate_trials(ThreePlusThree(3, down, start=level), [0.2, 0.4, 0.6])
    assert found.n.max() <= 6
