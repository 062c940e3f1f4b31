"""Drugs against closed forms computed elsewhere and against published exposures."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, getcontext

import numpy as np
import pytest
from kinetic_cases import CURRENT
from scipy.integrate import trapezoid

from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.exponentials import chain2, chain3
from nksim.qualification.drugs import TEXTBOOK, closed_form, levels, rows

getcontext().prec = 50
pytestmark = pytest.mark.usefixtures("each_engine")
CASES = dict.fromkeys(row["case"] for row in rows("pk_closed_forms.csv"))


@pytest.mark.parametrize("case", CASES)
def test_concentrations_equal_closed_forms(case):
    found, expected = closed_form(case, CURRENT["solve"])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# PKPDsim's published test (tests/testthat/test_advan.R): doses of 100 at 0 and 12 h, concentration at 23 h to three places.
@pytest.mark.parametrize(
    ("target", "change", "length", "expected"),
    [
        ("cy", {}, 0, 0.242), ("cy", {}, 1, 0.268), ("il2", {}, 0, 0.389),
        ("flu", {"f_q3": 1e-15}, 0, 0.212), ("flu", {"f_q3": 1e-15}, 1, 0.225),
        ("flu", {}, 0, 0.169), ("flu", {}, 1, 0.177),
    ],
)  # fmt: skip
def test_two_doses_give_what_another_program_prints(target, change, length, expected):
    amount = 100_000 if target == "il2" else 100
    doses = [(0, length, amount), (12, length, amount)]
    found = levels(CURRENT["solve"], {**TEXTBOOK, **change}, target, doses, np.array([23.0]))
    assert found[0] == pytest.approx(expected, abs=5.1e-4)


def exact_chain(rates: list[float], t: float) -> float:
    """Sum of exp(-x t) / product of (y - x), in 50 digits; for distinct rates."""
    x = [Decimal(rate) for rate in rates]
    total = Decimal(0)
    for i, rate in enumerate(x):
        product = Decimal(1)
        for j, other in enumerate(x):
            product *= (other - rate) if j != i else 1
        total += (-rate * Decimal(t)).exp() / product
    return float(total)


@pytest.mark.parametrize("ke", [0.489, 0.2, 0.21 * (1 + 1e-9), 0.21 * (1 - 1e-6), 0.2101])
@pytest.mark.parametrize("t", [0.05, 3.0, 40.0])
def test_chain_of_two_keeps_all_digits_when_rates_are_close(ke, t):
    got = chain2(np.array([0.21]), np.array([ke]), np.array([t]))[0]
    assert got == pytest.approx(exact_chain([0.21, ke], t), rel=1e-13)


@pytest.mark.parametrize("rates", [(5.0, 11.7, 1.0), (5.0, 5.0 + 1e-8, 1.0), (1.0, 5.0, 1.0 + 1e-9), (5, 5.001, 5.002)])
@pytest.mark.parametrize("t", [0.001, 0.2, 3.0])
def test_chain_of_three_keeps_its_digits_when_rates_are_close(rates, t):
    got = chain3(*(np.array([float(rate)]) for rate in rates), np.array([t]))[0]
    assert got == pytest.approx(exact_chain([float(rate) for rate in rates], t), rel=3e-12)


@pytest.mark.parametrize("t", [0.001, 0.2, 3.0])
def test_chains_of_equal_rates_are_powers_of_time(t):
    two, when = np.array([2.0]), np.array([t])
    assert chain2(two, two, when)[0] == pytest.approx(t * np.exp(-2 * t), rel=1e-14)
    assert chain3(two, two, two, when)[0] == pytest.approx(t * t / 2 * np.exp(-2 * t), rel=1e-14)


# Test vectors computed from the published parameters, Mosteller body surface, molar factor 0.781.
@pytest.mark.parametrize(
    ("body", "per_m2", "area"),
    [((30, 135, 140), 25, 19.93), ((70, 175, 120), 32, 25.99), ((78, 172, 110), 32, 26.48),
     ((29, 130, 140), 32, 25.25)],
)  # fmt: skip
def test_f_ara_a_exposure_is_that_of_langenhorst_2019(typical_child, body, per_m2, area):
    kg, cm, egfr = body
    bsa = (kg * cm / 3600) ** 0.5
    patient = with_body(typical_child(), kg, bsa, egfr)
    case = patient.given([(day, 0.5 / 24, "flu", per_m2 * bsa) for day in range(5)])
    assert case.solve([-1, 30]).f_ara_a_auc[0] == pytest.approx(area, abs=0.01)


def test_f_ara_a_peaks_at_the_end_of_the_last_short_infusion(typical_child):
    bsa = (30 * 135 / 3600) ** 0.5
    case = with_body(typical_child(), 30, bsa, 140).given([(d, 0.5 / 24, "flu", 25 * bsa) for d in range(5)])
    times = 4 + np.array([0.0, 0.5, 24, 48, 72]) / 24
    expected = [None, 1.08, 0.034, 0.0078, 0.0018]  # mg/L, same source as above
    got = case.solve(times, outputs=("f_ara_a",))["f_ara_a"][0]
    assert got[1:] == pytest.approx(expected[1:], rel=0.03)


def test_cy_in_a_child_has_the_half_life_and_area_of_chinnaswamy_2011(typical_child):
    case = with_body(typical_child(), 28, 1.0, 140).given([(0, 0, "cy", 1680)])
    solution = case.solve([1e-9, 4.59 / 24, 30])
    assert solution["cy"][0, 1] / solution["cy"][0, 0] == pytest.approx(0.5, abs=0.001)
    assert solution.cy_auc[0] == pytest.approx(547, abs=0.5)


@pytest.mark.parametrize(("day", "factor"), [(1, 1.88), (2, 2.25), (3, 2.25), (30, 1.0)])
def test_cy_is_cleared_faster_on_later_days_of_a_course(typical_child, day, factor):
    patient = with_body(typical_child(), 28, 1.0, 140)
    first = patient.given([(0, 0, "cy", 1e-6)]).solve([0, 60]).cy_auc[0]
    both = patient.given([(0, 0, "cy", 1e-6), (day, 0, "cy", 1680)]).solve([0, 60]).cy_auc[0]
    assert both - first == pytest.approx(1680 / (4.3 / 1.4 * factor), rel=1e-6)


def test_il2_in_a_child_peaks_as_the_summaries_say(typical_child):
    case = with_body(typical_child(), 28, 1.0, 140).given([(0, 0, "il2", 1e6)])
    hours = np.linspace(0, 96, 9601)
    il2 = case.solve(hours / 24, outputs=("il2",))["il2"][0]
    assert il2.max() == pytest.approx(4.3, abs=0.05)
    assert hours[il2.argmax()] == pytest.approx(3.5, abs=0.1)
    assert trapezoid(il2, hours) == pytest.approx(38.3, abs=0.1)
    assert (il2[hours < 0.45] == 0).all()


def test_drugs_are_linear_and_superpose(mixed):
    both, times = mixed(8, 5), np.arange(-7, 20, 0.1)
    drugs = ("f_ara_a", "il2")
    first, second = (split(both, part) for part in (slice(0, None, 2), slice(1, None, 2)))
    for name in drugs:
        total = first.solve(times, outputs=drugs)[name] + second.solve(times, outputs=drugs)[name]
        # Less than 1e-12 of a drug is none: in either of the two, and not in their sum.
        np.testing.assert_allclose(both.solve(times, outputs=drugs)[name], total, rtol=1e-12, atol=2e-12)


def test_a_drug_that_is_all_but_gone_is_gone_in_every_engine(typical_child):
    times = np.arange(0, 60, 1 / 24)
    case = typical_child().given([(0, 1 / 24, "cy", 1500), (0, 0.02, "flu", 25), (0, 0, "il2", 1e6)])
    found = case.solve(times, outputs=("cy", "f_ara_a", "il2"))
    for values in found.values():
        present = values[0] > 0
        assert values[0][present].min() >= 1e-12
        # The last is near the limit; what has gone does not come back.
        assert values[0][present][-1] < 1e-11
        assert not present[-1]
        assert np.flatnonzero(~present).tolist() == [0, *range(present.sum() + 1, len(times))]


def test_overlapping_infusions_add_up(typical_child):
    parts = [(0, 0.2, "flu", 30), (0.1, 0.2, "flu", 60), (0.15, 0, "flu", 5)]
    times = np.arange(0, 2, 0.01)
    together = typical_child().given(parts).solve(times, outputs=("f_ara_a",))["f_ara_a"]
    alone = sum(typical_child().given([part]).solve(times, outputs=("f_ara_a",))["f_ara_a"] for part in parts)
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-16)


def with_body(case, kg, bsa, egfr):
    return replace(case, covariates=Covariates([kg], [bsa], [egfr]))


def split(case, part):
    """The case with every dose outside `part` set to zero."""
    events = case.events
    amount = np.zeros_like(events.amount)
    amount[:, part] = events.amount[:, part]
    return replace(case, events=EventTable(events.time_d, events.duration_d, events.target, amount))
