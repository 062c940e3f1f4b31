"""The parts of a comparison: sample sizes, logistics, differences of schedules, variants, Pareto front."""

import math

import numpy as np
import pytest
from scipy import stats

import nksim
from nksim.errors import UsageError
from nksim.logistics import logistics, vials
from nksim.pareto import aims, front
from nksim.sample_size import patients_per_arm, patients_per_arm_for_fractions, superiority
from nksim.schedule_difference import schedule_differences
from nksim.settings import Settings
from nksim.variants import axis, grid


def test_two_fractions_need_what_r_says():
    # R, help(power.prop.test): p1 = .50, p2 = .75, power = .90 needs n = 76.7 in each group.
    assert patients_per_arm_for_fractions(0.50, 0.75, power=0.9) == 77


def test_a_rank_sum_test_needs_what_noethers_formula_gives_by_hand():
    # (1.959964 + 0.841621)^2 = 7.8489; / (6 x 0.15^2) = 58.14; / (6 x 0.2^2) = 32.70.
    assert (patients_per_arm(0.65), patients_per_arm(0.7), patients_per_arm(0.3)) == (59, 33, 33)


def test_no_difference_can_never_be_seen():
    assert patients_per_arm(0.5) == math.inf
    assert patients_per_arm_for_fractions(0.4, 0.4) == math.inf


def test_superiority_is_the_statistic_of_scipys_mann_whitney_test():
    rng = np.random.default_rng(3)
    a, b = rng.poisson(5, 40).astype(float), rng.poisson(7, 60).astype(float)
    assert superiority(a, b) == pytest.approx(stats.mannwhitneyu(b, a).statistic / (40 * 60))


@pytest.mark.parametrize(
    ("dose", "sizes", "opened"),
    [
        (1680, (500, 1000), 2),
        (1020, (500, 1000), 2),
        (1500, (500, 1000), 2),
        (23.57, (50,), 1),
        (50.0, (50,), 1),
        (942809, (22e6,), 1),
    ],
)
def test_vials_are_opened_for_the_least_waste(dose, sizes, opened):
    assert vials(np.array([float(dose)]), sizes)[0] == opened


def test_the_logistics_of_a_child_of_25_kg_by_hand():
    # NKAML at 25 kg, 128 cm (0.942809 m2): Cy 1,500 mg = 2 vials; Flu 5 x 23.57 mg = 117.85 mg = 5 vials of 50 mg;
    # IL-2 6 x 942,809 = 5.6569e6 IU = 6 vials; days -7 to 9 are 17 days; 1 h + 5 x 0.5 h + 0.25 h = 3.75 h.
    from nksim.run import Bodies, simulate

    run = simulate(nksim.protocol("nkaml"), n=1, bodies=Bodies("25 kg", "128 cm", "8 y"), settings=Settings(days=10))
    found = logistics(run.simulation)
    assert (found.visits, found.infusion_h, found.course_d, found.bags) == (13, 3.75, 17, 1)
    uses = {u.product: u for u in found.uses}
    assert uses["cyclophosphamide"].amount.median == 1500
    assert uses["fludarabine phosphate"].amount.median == pytest.approx(117.851, abs=1e-3)
    assert uses["aldesleukin"].amount.median == pytest.approx(5656854, abs=1)
    assert [uses[p].vials.median for p in ("cyclophosphamide", "fludarabine phosphate", "aldesleukin")] == [2, 5, 6]
    assert uses["haplo-nk"].amount.median == pytest.approx(7.25e8)
    assert uses["haplo-nk"].vials is None


def test_two_schedules_differ_where_a_reader_of_both_says_so():
    # jk500 (NCT05519384) against NKAML stratum 1: IL-2 before each infusion against alternate days; other cells.
    jk500 = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 7, 14").choice()
    found = [str(d) for d in schedule_differences(jk500, nksim.protocol("nkaml").choice())]
    assert "cells: dose 1E7 cells/kg → 2.9E7 cells/kg" in found
    assert "cells: days 0, 7, 14 → 0" in found
    assert not [d for d in found if d.startswith(("cy:", "flu:"))]


def test_a_regimen_does_not_differ_from_itself():
    choice = nksim.protocol("nkaml").choice()
    assert schedule_differences(choice, choice) == ()


def test_a_line_that_only_one_regimen_has_is_named_as_such():
    umn = nksim.protocol("umn-haplo-nk")
    found = schedule_differences(umn.arm("cohort2").choice(), umn.arm("cohort3").choice())
    assert any(d.line == "il2dt" and d.first is None for d in found)


def test_a_grid_holds_every_combination_once():
    found = grid([axis("cells.days=0|0,7|0,7,14"), axis("cells.dose=5e6 cells/kg|1e7 cells/kg")])
    assert len(set(found)) == 6
    assert found[1] == (("cells.days", "0"), ("cells.dose", "1e7 cells/kg"))


@pytest.mark.parametrize("text", ["cells.days", "days=0|7", "cells.days=0||7", "cells.days="])
def test_what_is_no_axis_is_refused(text):
    with pytest.raises(UsageError, match="is not PATH=VALUE"):
        axis(text)


def test_more_variants_than_a_page_holds_are_refused():
    with pytest.raises(UsageError, match="too many"):
        grid([axis("a.b=1|2|3|4|5|6|7|8"), axis("a.c=1|2|3|4|5|6|7|8")])


def test_the_front_holds_what_nothing_beats():
    # By hand: more x, less y. (1, 1) is cheapest, (3, 2) beats (2, 2) and (3, 5); equal points both stay.
    points = [(1, 1), (2, 2), (3, 2), (3, 5), (3, 2), (float("nan"), 0)]
    assert front(points, aims("x,-y")) == [True, False, True, False, True, False]


@pytest.mark.parametrize("text", ["x", "x,y,z", "x,x", "-,y"])
def test_what_is_no_pair_of_aims_is_refused(text):
    with pytest.raises(UsageError, match="not a pair"):
        aims(text)
