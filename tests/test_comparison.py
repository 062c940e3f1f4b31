"""Comparisons are paired by patient, and their intervals are what they claim to be."""

import math

import numpy as np
import pytest
from scipy import stats

import nksim
from nksim.comparison import compare, median_interval, paired_proportions
from nksim.errors import Unanswered, UsageError
from nksim.run import simulate
from nksim.settings import Settings

SHORT = Settings(days=15, every_d=0.5)


@pytest.fixture(scope="module")
def pair():
    base = nksim.protocol("nkaml").assume()
    return nksim.compare(base, base.change("cells.dose", "5.8e7 cells/kg"), n=12, seed=1, settings=SHORT)


def test_twice_the_cells_is_twice_the_cells_in_every_patient(pair):
    first, second = (m["cells_total"].values for m in pair.comparison.metrics)
    np.testing.assert_allclose(second, 2 * first)
    assert pair.comparison.differences[0]["cells_total"].higher == 12


def test_more_cells_never_give_a_lower_peak(pair):
    found = pair.comparison.differences[0]["donor_nk_cmax"]
    assert (found.higher, found.pairs) == (12, 12)
    assert 0 < found.low <= found.estimate <= found.high


def test_both_regimens_meet_the_same_patients(pair):
    a, b = pair.comparison.simulations
    assert a.population.weight_kg.tobytes() == b.population.weight_kg.tobytes()
    assert a.solution.cy_auc.tobytes() == b.solution.cy_auc.tobytes()


def test_a_regimen_alone_equals_itself_beside_another(pair):
    alone = simulate(nksim.protocol("nkaml"), n=12, seed=1, settings=SHORT).simulation
    assert alone.outputs["alc"].tobytes() == pair.comparison.simulations[0].outputs["alc"].tobytes()


def test_equal_conditioning_shows_no_difference_in_drug_areas(pair):
    found = pair.comparison.differences[0]["f_ara_a_auc"]
    assert (found.estimate, found.low, found.high, found.higher) == (0, 0, 0, 0)


def test_regimens_of_one_name_are_told_apart_by_what_was_set(pair):
    assert [s.label for s in pair.comparison.simulations] == ["nkaml", "nkaml (cells.dose=5.8e7 cells/kg)"]


def test_all_arms_of_a_protocol_enter_where_none_is_chosen():
    found = nksim.compare(nksim.protocol("nkaml"), nksim.protocol("umn-haplo-nk"), n=2, settings=SHORT)
    assert [s.label for s in found.comparison.simulations] == [
        "nkaml", "umn-haplo-nk/cohort1", "umn-haplo-nk/cohort2", "umn-haplo-nk/cohort3",
    ]  # fmt: skip


def test_patients_are_of_the_ages_that_all_trials_admit():
    found = nksim.compare(
        nksim.protocol("nkaml"),
        nksim.protocol("umn-haplo-nk").arm("cohort1"),
        n=200,
        settings=Settings(days=1, every_d=1),
    )
    ages = found.comparison.simulations[1].population.age_y
    assert ages.min() >= 2
    assert 20 < ages.max() <= 21


def test_the_interval_of_the_median_uses_the_ranks_of_the_binomial_table():
    # n = 20: ranks 6 and 15 (Conover, table of the binomial, 95.9 %); n = 10: ranks 2 and 9 (97.9 %).
    assert median_interval(np.arange(1.0, 21.0)) == (10.5, 6.0, 15.0)
    assert median_interval(np.arange(1.0, 11.0)) == (5.5, 2.0, 9.0)


def test_five_values_are_too_few_for_an_interval():
    middle, low, high = median_interval(np.arange(5.0))
    assert middle == 2.0
    assert math.isnan(low)
    assert math.isnan(high)


def test_the_interval_of_the_median_agrees_with_scipys_quantile_test():
    values = np.random.default_rng(1).exponential(size=80)
    _, low, high = median_interval(values)
    other = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    assert low >= other.low
    assert high <= other.high
    assert abs(np.searchsorted(np.sort(values), low) - np.searchsorted(np.sort(values), other.low)) <= 1


def test_the_interval_covers_the_median_as_often_as_it_says():
    rng = np.random.default_rng(7)
    hits = sum(
        low <= math.log(2) <= high for _, low, high in (median_interval(rng.exponential(size=40)) for _ in range(2000))
    )
    assert 0.94 <= hits / 2000 <= 0.985


def test_a_difference_of_paired_proportions_by_hand():
    # Bonett and Price 2012: p12 = 21/102, p21 = 11/102; 0.09804 +- 1.95996 sqrt((0.31373 - 0.00961)/102).
    assert paired_proportions(20, 10, 100) == pytest.approx((0.10, -0.00898, 0.20506), abs=2e-5)


def test_one_regimen_is_no_comparison():
    with pytest.raises(UsageError, match="two regimens"):
        nksim.compare(nksim.protocol("nkaml"))


def test_regimens_in_different_patients_are_refused():
    a, b = (simulate(nksim.protocol("nkaml"), n=2, seed=s, settings=SHORT).simulation for s in (1, 2))
    with pytest.raises(UsageError, match="different patients"):
        compare([a, b])


def test_an_unknown_metric_is_refused(pair):
    with pytest.raises(UsageError, match="no metric"):
        compare(pair.comparison.simulations, ["happiness"])


def test_what_is_unknown_is_asked_of_all_regimens_at_once_and_each_by_its_name():
    with pytest.raises(Unanswered) as asked:
        nksim.compare(nksim.protocol("jk500"), nksim.protocol("nkaml"), nksim.protocol("donor-nk-il2"), n=2)
    helps = [fault.help for fault in asked.value.faults]
    assert any(h.startswith('answer with --set jk500:cells.dose="') for h in helps)
    assert any(h.startswith("answer with --set donor-nk-il2:") for h in helps)
    assert all(fault.message.startswith(("jk500: ", "donor-nk-il2: ")) for fault in asked.value.faults)


def test_variants_of_one_protocol_are_asked_once_and_without_its_name():
    p = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg")
    with pytest.raises(Unanswered) as asked:
        nksim.compare(p, p, n=2)
    (fault,) = asked.value.faults
    assert fault.help.startswith("answer with --set cells.days=")
