"""NONMEM's printed concentrations, closed forms that no drug of nksim has, and what is left of either when digits cancel."""

from __future__ import annotations

import csv
from decimal import Decimal, getcontext
from pathlib import Path

import numpy as np
import pytest
from kinetic_cases import CURRENT

from nksim.kinetics.exponentials import chain2, three_compartments
from nksim.qualification.drugs import SCENARIOS, TEXTBOOK, levels, nonmem, rows

getcontext().prec = 50
DEPOT = Path(__file__).with_name("depot_before_compartments.csv")
CASES = ("2c_depot_sd", "2c_depot_md", "2c_depot_ss12", "3c_depot_sd", "3c_depot_md", "3c_depot_ss12")
engines = pytest.mark.usefixtures("each_engine")


@engines
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_concentrations_are_those_of_nonmem(scenario):
    found, printed = nonmem(scenario, CURRENT["solve"])
    assert printed.size
    # The table has five digits.
    np.testing.assert_allclose(found, printed, rtol=5e-5)


def test_only_what_rests_on_an_infusion_into_a_depot_does_not_apply():
    applies = {
        (scenario, float(r["t_h"]))
        for scenario, dosings in SCENARIOS.items()
        for r in rows("nonmem_dosing.csv")
        if r["scenario"] == scenario and any(d.since <= float(r["t_h"]) < d.until for d in dosings)
    }
    every = {(r["scenario"], float(r["t_h"])) for r in rows("nonmem_dosing.csv")}
    assert len(every) == 29 * 13
    left_out = every - applies
    assert {s for s, _ in left_out} == {"6", "17", "20", "26", "27", "29"}
    assert {t for s, t in left_out if s == "17"} == {23, 24, 36, 49, 60, 72, 96, 120, 130}
    assert {t for s, t in left_out if s in ("20", "26", "27")} == {0, 1, 6, 12, 23, 24, 36, 49}
    assert len(applies) == 318


@pytest.mark.parametrize("case", CASES)
def test_a_depot_before_two_and_three_compartments_has_its_closed_form(case):
    # No drug of nksim is like that, but the formulas that its drugs are made of are.
    text = DEPOT.read_text(encoding="utf-8").splitlines()
    expected = [r for r in csv.DictReader(line for line in text if line[0] != "#") if r["case"] == case]
    hours = np.array([float(r["t"]) for r in expected])
    q3 = 3.0 if case[0] == "3" else 1e-15
    rates, parts = three_compartments(*(np.array([k]) for k in (10 / 50, 5 / 50, 5 / 100, q3 / 50, q3 / 150)))
    count = {"sd": 1, "md": 10, "ss12": 240}[case.rpartition("_")[2]]
    # In the steady state the last dose is at 0, and at 12 h the next would come.
    starts = 12.0 * np.arange(count) - (12.0 * (count - 1) if case.endswith("ss12") else 0.0)
    found = np.zeros_like(hours)
    for start in starts:
        since = np.maximum(hours - start, 0.0)
        found += sum(
            2.0 * 0.5 * c * chain2(np.full_like(since, 0.5), x, since) for x, c in zip(rates, parts, strict=True)
        )
    assert len(expected) == {"sd": 8, "md": 4, "ss12": 6}[case.rpartition("_")[2]]
    np.testing.assert_allclose(found, [float(r["C"]) for r in expected], rtol=1e-12)


def risen(rate: float, level: float, hours: float) -> float:
    """level (1 - exp(-rate t)), in 50 digits."""
    return float(Decimal(level) * (1 - (-Decimal(rate) * Decimal(hours)).exp()))


def absorbed(ka: float, k: float, scale: float, hours: float) -> float:
    """scale ka / (ka - k) (exp(-k t) - exp(-ka t)), in 50 digits."""
    a, b, t = Decimal(ka), Decimal(k), Decimal(hours)
    return float(Decimal(scale) * a / (a - b) * ((-b * t).exp() - (-a * t).exp()))


@engines
@pytest.mark.parametrize("hours", [2.0**-20, 2.0**-14, 2.0**-10, 2.0**-6, 0.75, 6.0, 24.0])
def test_in_the_first_seconds_digits_cancel_and_only_those(hours):
    # What rises from 0 is a difference of two numbers near 1: it has its digits in parts of the peak, and a second after
    # the start (2^-12 h) still eleven of its own.
    infused = levels(CURRENT["solve"], TEXTBOOK, "cy", [(0, 24.0, 100)], np.array([hours]))[0]
    exact, peak = risen(0.2, 100 / 24 / 10, hours), risen(0.2, 100 / 24 / 10, 24.0)
    assert abs(infused - exact) <= 1e-14 * peak
    assert infused == pytest.approx(exact, rel=1e-12 if hours > 2.0**-11 else 1e-9)
    # Concentrations of IL-2 are in IU/mL, volumes in L: V = CL / ke = 50 L.
    injected = levels(CURRENT["solve"], TEXTBOOK, "il2", [(0, 0.0, 100_000.0)], np.array([hours]))[0]
    exact, peak = absorbed(0.5, 0.2, 2.0, hours), absorbed(0.5, 0.2, 2.0, np.log(2.5) / 0.3)
    assert abs(injected - exact) <= 2e-15 * peak
    assert injected == pytest.approx(exact, rel=1e-12 if hours > 2.0**-11 else 1e-9)


@engines
@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-9, 1e-6, 1e-3, 0.099, 0.101])
@pytest.mark.parametrize("side", [1, -1])
def test_rates_of_absorption_and_elimination_may_be_near_or_equal(gap, side):
    ka = 0.2 * (1 + side * gap)
    hours = np.array([0.125, 2.0, 8.0, 40.0, 120.0])
    found = levels(CURRENT["solve"], {**TEXTBOOK, "il2_ka": ka}, "il2", [(0, 0.0, 100_000.0)], hours)
    # With equal rates D / V ka t exp(-ka t).
    ka_exact = Decimal(ka)
    if ka == 0.2:
        expected = [float(2 * ka_exact * Decimal(t) * (-ka_exact * Decimal(t)).exp()) for t in hours]
    else:
        expected = [absorbed(ka, 0.2, 2.0, t) for t in hours]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@engines
@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-7, 1e-3])
def test_two_tissues_may_exchange_alike(gap):
    # Two tissues of nearly equal return rates are nearly one of the same rate and both volumes: Q 8, V 240 for Q 5 and 3,
    # V 150 and 90. The third exponential then carries nothing.
    hours = np.array([0.5, 3.0, 12.0, 48.0, 200.0])
    twins = {**TEXTBOOK, "f_q2": 5, "f_v2": 150 * (1 + gap), "f_q3": 3, "f_v3": 90}
    one = {**TEXTBOOK, "f_q2": 8, "f_v2": 240, "f_q3": 1e-15, "f_v3": 90}
    for doses in ([(0, 0.0, 100)], [(0, 1.0, 100), (12, 1.0, 100)]):
        found, expected = (levels(CURRENT["solve"], p, "flu", doses, hours) for p in (twins, one))
        np.testing.assert_allclose(found, expected, rtol=max(1e-11, 3 * gap))
