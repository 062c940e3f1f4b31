"""The continual reassessment method against its published example and against SciPy's integrals."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from nksim.errors import UsageError
from nksim.trial.crm import Crm, posterior, skeleton_of
from nksim.trial.exact import enumerate_trials
from nksim.trial.paths import transitions

PRIOR = (0.05, 0.10, 0.20, 0.35, 0.50, 0.70)


def counts(levels, toxic, size=6):
    n, y = np.zeros((1, size), dtype=np.int16), np.zeros((1, size), dtype=np.int16)
    for level, hit in zip(levels, toxic, strict=True):
        n[0, level - 1] += 1
        y[0, level - 1] += hit
    return n, y


# The example of the R package dfcrm: target 0.2, ten patients.
def test_the_example_of_dfcrm_comes_out_to_four_digits():
    found = posterior(PRIOR, *counts([3, 4, 4, 3, 3, 4, 3, 2, 2, 2], [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]), 0.20)
    assert found.mean[0] == pytest.approx(0.11087, abs=5e-6)
    assert found.toxicity[0] == pytest.approx([0.0352, 0.0763, 0.1656, 0.3095, 0.4610, 0.6713], abs=5e-5)
    assert np.abs(found.toxicity[0] - 0.20).argmin() + 1 == 3


@pytest.mark.parametrize(
    ("n", "y"), [((0,) * 6, (0,) * 6), ((30, 0, 0, 0, 0, 0), (0,) * 6), ((3, 3, 9, 9, 6, 0), (0, 1, 2, 4, 5, 0)),
                 ((0, 0, 0, 0, 0, 30), (0, 0, 0, 0, 0, 30)), ((30, 0, 0, 0, 0, 0), (30, 0, 0, 0, 0, 0))],
)  # fmt: skip
def test_mean_and_safety_are_the_integrals_of_the_posterior(n, y):
    def density(b):
        ps = [s ** math.exp(b) for s in PRIOR]
        logs = sum(t * math.exp(b) * math.log(s) + (m - t) * (math.log1p(-p) if m > t else 0)
                   for p, s, m, t in zip(ps, PRIOR, n, y, strict=True))  # fmt: skip
        return math.exp(logs - b * b / (2 * 1.34) - peak)

    peak = 0.0
    peak = max(math.log(max(density(b), 1e-300)) for b in np.linspace(-4, 4, 81))
    edge = math.log(math.log(0.20) / math.log(PRIOR[0]))
    whole = quad(density, -8.5, 8.5, limit=400, points=[-4, -2, 0, 2])[0]
    mean = quad(lambda b: b * density(b), -8.5, 8.5, limit=400, points=[-4, -2, 0, 2])[0] / whole
    unsafe = quad(density, -8.5, edge, limit=400, points=[-4])[0] / whole
    found = posterior(PRIOR, np.array([n], np.int16), np.array([y], np.int16), 0.20)
    assert found.mean[0] == pytest.approx(mean, abs=2e-5)
    assert found.unsafe[0] == pytest.approx(unsafe, abs=2e-3)


# Lee & Cheung 2009: where the model cannot tell two neighbours apart, one is as far below the target as the other above.
@pytest.mark.parametrize(("target", "levels", "middle"), [(0.20, 5, 3), (0.25, 6, 2), (0.30, 4, 4), (0.33, 7, 1)])
def test_the_skeleton_has_the_indifference_intervals_asked_for(target, levels, middle):
    found = skeleton_of(target, levels, middle, 0.05)
    assert found[middle - 1] == target
    for low, high in pairwise(found):
        power = math.log(target - 0.05) / math.log(low)
        assert high**power == pytest.approx(target + 0.05)


def test_no_untried_level_is_skipped_in_any_state_to_18_patients():
    for t in transitions(Crm(0.30, skeleton_of(0.30, 5, 3)), 18):
        highest = max(i for i, n in enumerate(t.n, 1) if n)
        assert t.goes_to is None or t.goes_to <= highest + 1


def test_more_toxicity_at_a_level_never_leads_higher_in_any_state_to_18_patients():
    found = {(t.n, t.y, t.level): t.goes_to or 0 for t in transitions(Crm(0.30, skeleton_of(0.30, 4, 2)), 18)}
    compared = 0
    for (n, y, level), goes_to in found.items():
        for i in range(len(n)):
            more = (n, tuple(v + (j == i) for j, v in enumerate(y)), level)
            if more in found:
                compared += 1
                assert found[more] <= goes_to
    assert compared > 100


def test_the_mtd_is_always_a_level_that_was_tried():
    found = enumerate_trials(Crm(0.30, skeleton_of(0.30, 5, 3), most=12), [0.01, 0.02, 0.03, 0.04, 0.05])
    for n, mtd in zip(found.n.tolist(), found.mtd.tolist(), strict=True):
        assert mtd == 0 or n[mtd - 1] > 0


@pytest.mark.parametrize("skeleton", [(0.3, 0.2), (0.2, 0.2), (0.0, 0.5), (0.5, 1.0)])
def test_a_skeleton_that_does_not_rise_is_refused(skeleton):
    with pytest.raises(UsageError, match="NK807"):
        Crm(0.30, skeleton)
