"""Laws that hold whatever the patient and the doses, as property tests of both engines.

The numbers are those of the reference cases, section 4. What this file does not hold of them:

======  =======================================================================================================
L5      test_population: splitting a population; test_bits: the same of a summary
L7      test_bits: chunks, threads; test_parts: processes, a dask cluster
L8      test_rewriting: other units; and the order of lines of a file, which is of L9
L16     test_kills: fifty kills and resumptions. No engine can start from a saved state; what it can do is stop
L17     test_population: a further patient; test_bits: the same of a simulation
L19     test_population, test_simulation: seeds
======  =======================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from kinetic_cases import ENGINES, STATES, Case, built, mixed_case
from scipy.integrate import simpson

from nksim.kinetics.parameters import load
from nksim.kinetics.solution import OUTPUTS, Solution

ALL = (*OUTPUTS, *STATES)
CURVES = ("donor_nk", "host_nk", "alc", "il15")
DRUGS = ("cy", "f_ara_a", "il2")
# Less than this of a drug is none, in each of two curves whose sum is more.
NO_DRUG = 1e-12
TIMES = np.arange(-1.0, 30.01, 0.5)
# What would be the same but for steps is the same to this; the rest is the rounding of thousands of steps.
TIGHT, SETTLED = 1e-11, 1e-8
# What the engine promises of its default tolerance.
PROMISED = 1e-4
Solve = Callable[..., Solution]
Dose = tuple[float, float, str, float]

# One dose is at most that of a child of 25 kg: Cy 60 mg/kg, Flu 25 mg/m2, IL-2 1e6 IU/m2, cells 4e7/kg.
FULL = {"cy": 1500.0, "flu": 25.0, "il2": 1e6, "cells": 1e9}
DAYS = st.integers(0, 160).map(lambda k: k / 8)
PARTS = st.sampled_from([1.0, 0.37, 0.1, 1 / 3, 2 / 7, 0.003])
PATIENTS = st.integers(0, 10**6).map(lambda seed: mixed_case(2, seed))


@st.composite
def dose(draw: st.DrawFn, *targets: str) -> Dose:
    target = draw(st.sampled_from(targets or tuple(FULL)))
    length = 0.0 if target == "il2" else draw(st.sampled_from([0.0, 1 / 64, 1 / 16, 1.0]))
    return draw(DAYS), length, target, FULL[target] * draw(PARTS)


def doses(*targets: str, least: int = 1) -> st.SearchStrategy[list[Dose]]:
    return st.lists(dose(*targets), min_size=least, max_size=6)


def law(*strategies: st.SearchStrategy) -> Callable[[Callable[..., None]], Callable]:
    """A property of a `solve`: 30 examples of the native engine, and 4 of NumPy's, whose calls are slow."""

    def decorate(check: Callable[..., None]) -> Callable[[str], None]:
        @pytest.mark.parametrize("engine", ["numpy", pytest.param("native", marks=built)])
        def test(engine: str) -> None:
            # Shrinking a failure by NumPy would take minutes.
            @settings(max_examples=4, phases=[Phase.generate]) if engine == "numpy" else settings(max_examples=30)
            @given(st.tuples(*strategies))
            def examples(drawn: tuple[object, ...]) -> None:
                check(solver(engine), *drawn)

            examples()

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate


def solver(engine: str) -> Solve:
    def solve(case: Case, given_doses: list[Dose] | None = None, times: np.ndarray = TIMES, **more: object) -> Solution:
        chosen = case if given_doses is None else case.given(given_doses)
        return ENGINES[engine](chosen.events, chosen.parameters, chosen.covariates, times, **more)

    return solve


def without_feedback(case: Case) -> Case:
    """The same patients with all in which donor cells act on anything turned off, so that they are linear."""
    return case.having(kI=0.0, Kcap=1e300, ksens=0.0, cy_day2=1.0, cy_day3=1.0)


def assert_same_bits(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], upto: float = np.inf) -> None:
    for name in one:
        assert one[name][:, upto >= TIMES].tobytes() == other[name][:, upto >= TIMES].tobytes(), name


def assert_near(
    one: Mapping[str, np.ndarray],
    other: Mapping[str, np.ndarray],
    rtol: float,
    names: tuple[str, ...] = CURVES,
    none: float = 0.0,
) -> None:
    """Values within `rtol` of themselves, but for what is less than `none` or a millionth of a millionth of its peak."""
    for name in names:
        least = max(none, 1e-12 * np.abs(other[name]).max(initial=1e-30))
        np.testing.assert_allclose(one[name], other[name], rtol=rtol, atol=least, err_msg=name)


@law(PATIENTS, doses(), st.floats(0.001, 1000))
def test_l1_without_feedback_a_multiple_of_the_dose_gives_that_multiple_of_the_curve(solve, case, given_doses, k):
    linear = without_feedback(case)
    cells = [(t, d, name, k * x if name == "cells" else x) for t, d, name, x in given_doses]
    drugs = [(t, d, name, x if name == "cells" else k * x) for t, d, name, x in given_doses]
    plain = solve(linear, given_doses, rtol=TIGHT)
    assert_near(solve(linear, cells, rtol=TIGHT), {"donor_nk": k * plain["donor_nk"]}, SETTLED, ("donor_nk",))
    scaled = {name: k * plain[name] for name in DRUGS}
    assert_near(solve(linear, drugs, outputs=DRUGS), scaled, 1e-10, DRUGS, none=max(1, k) * NO_DRUG)


@law(PATIENTS, doses(), doses("cells"))
def test_l2_without_feedback_doses_superpose(solve, case, first, second):
    linear, others = without_feedback(case), [d for d in first if d[2] != "cells"]
    runs = [solve(linear, d, rtol=TIGHT) for d in ([*first, *second], first, [*others, *second])]
    assert_near(runs[0], {"donor_nk": runs[1]["donor_nk"] + runs[2]["donor_nk"]}, SETTLED, ("donor_nk",))
    half = solve(linear, others[::2], outputs=DRUGS), solve(linear, others[1::2], outputs=DRUGS)
    assert_near(runs[0], {name: half[0][name] + half[1][name] for name in DRUGS}, 1e-10, DRUGS, none=2 * NO_DRUG)


@law(PATIENTS, doses(), st.integers(1, 8000).map(lambda k: k / 8))
def test_l3_shifting_all_doses_shifts_the_curve(solve, case, given_doses, shift):
    moved = [(t + shift, d, name, x) for t, d, name, x in given_doses]
    assert_near(solve(case, moved, TIMES + shift, rtol=TIGHT), solve(case, given_doses, rtol=TIGHT), 1e-9)


@law(PATIENTS, doses(), st.integers(2, 9))
def test_l4_a_dose_in_simultaneous_parts_is_the_dose(solve, case, given_doses, n):
    parts = [(t, d, name, x / n) for t, d, name, x in given_doses for _ in range(n)]
    if n == 2 and len({dose[:3] for dose in given_doses}) == len(given_doses):
        # Two halves add up to the last bit, unless there is a third to be added.
        assert_same_bits(solve(case, parts), solve(case, given_doses))
    else:
        # The last bit of a sum may turn a step that is just accepted into one that is just refused.
        assert_near(solve(case, parts, rtol=TIGHT), solve(case, given_doses, rtol=TIGHT), 1e-9)


@law(st.integers(0, 10**6), st.permutations(range(9)), st.integers(1, 8))
def test_l6_order_and_company_of_patients_change_no_bit(solve, seed, order, cut):
    case = mixed_case(9, seed)
    whole, parts = solve(case, outputs=ALL), [case.only(order[:cut]), case.only(order[cut:])]
    found = [solve(part, outputs=ALL) for part in parts]
    for name in ALL:
        assert np.concatenate([f[name] for f in found]).tobytes() == whole[name][order].tobytes()


@law(PATIENTS, doses("cells", "flu", least=5).flatmap(lambda d: st.tuples(st.just(d), st.permutations(d))), DAYS)
def test_l9_the_order_of_simultaneous_doses_changes_no_bit(solve, case, two_orders, day):
    # All at once, so that the sum of three or more depends on the order in which it is taken.
    one, other = ([(day, 1 / 64, name, x) for _, _, name, x in order] for order in two_orders)
    assert_same_bits(solve(case, one, outputs=ALL), solve(case, other, outputs=ALL))


@law(PATIENTS, doses())
def test_l10_counts_are_not_negative_and_shares_are_shares(solve, case, given_doses):
    found = solve(case, given_doses, outputs=ALL)
    for name in ALL:
        assert np.isfinite(found[name]).all()
        assert (found[name] >= 0).all(), name
    for name in ("nk_chimerism", "S"):
        assert found[name].max() <= 1
    donor, host = found["donor_nk"], found["host_nk"]
    np.testing.assert_allclose(found["nk_chimerism"] + host / (donor + host), 1, rtol=1e-12)


@law(PATIENTS, doses())
def test_l11_cells_that_neither_divide_nor_die_are_all_there(solve, case, given_doses):
    still = case.having(kx=0.0, pmax=1e-30, pCAR=0.0, phome=0.0, dD=0.0, dX=0.0, kr0=0.0, krS=0.0, wD=0.0)
    found = solve(still, given_doses, outputs=("L", "B", "G", "X"))
    came = np.zeros_like(TIMES)
    for start, length, name, amount in given_doses:
        if name == "cells":
            came += amount * (np.clip((TIMES - start) / length, 0, 1) if length else start < TIMES)
    present = sum(found.values()) / still.parameters["fsurv"][:, None]
    np.testing.assert_allclose(present, np.broadcast_to(came, present.shape), rtol=1e-9)


@law(PATIENTS, doses("cy", "flu", "il2"), PARTS)
def test_l11_cells_present_are_those_infused_and_born_less_those_that_died(solve, case, others, part):
    p = {name: values[:, None] for name, values in case.parameters.items()}
    # From just after the infusion to before the next cut, at a tolerance at which Simpson's rule is the smaller error.
    times = np.linspace(0.0, 2.0, 401)
    early = [(t - 21.1, d, name, x) for t, d, name, x in others if name != "il2"]
    s = solve(case, [*early, (-0.5, 0.0, "cells", 1e9 * part)], times, rtol=1e-11, outputs=(*STATES, "cy", "f_ara_a"))
    weight = case.covariates.weight_kg[:, None]
    kill = p["kc"] * s["cy"] + p["kf"] * s["f_ara_a"]
    a15 = s["I"] ** 2 / (p["E15"] ** 2 + s["I"] ** 2)
    host = s["T"] / p["T0"]
    brake = (1 + 1 / p["KTr"]) / (1 + (p["fTr"] + (1 - p["fTr"]) * host) / p["KTr"])
    active, all_cells = s["B"] + s["G"], s["L"] + s["B"] + s["G"] + s["X"]
    drive = p["pmax"] * (1 - (1 - a15) * (1 - p["atg"])) * brake + p["pCAR"] * p["antigen"] + p["phome"]
    born = drive * (1 - all_cells / (p["Kcap"] * weight)) * active
    rejection = (p["kr0"] + p["krS"] * s["S"]) * host
    killed = p["wD"] * kill
    lost = (p["dD"] + killed) * (s["L"] + active) + (p["dX"] + killed) * s["X"] + rejection * (active + s["X"])
    change = simpson(born - lost, x=times, axis=1)
    np.testing.assert_allclose(all_cells[:, 0] + change, all_cells[:, -1], rtol=1e-8)


@law(PATIENTS, doses("cy", "flu", "cells"), st.floats(1.05, 10))
def test_l12_more_cells_give_no_smaller_area_and_more_death_or_killing_no_larger(solve, case, given_doses, k):
    # Sensitisation lets a larger dose be rejected sooner: without it the model is monotone.
    monotone, regimen = case.having(krS=0.0), [*given_doses, (1.0, 0.0, "cells", 1e8)]

    def area(run: Solution, name: str) -> np.ndarray:
        return run[name].sum(axis=1)

    plain = solve(monotone, regimen, outputs=("donor_nk", "T"))
    more = solve(monotone, [(t, d, name, k * x if name == "cells" else x) for t, d, name, x in regimen])
    assert (area(more, "donor_nk") >= area(plain, "donor_nk")).all()
    p = monotone.parameters
    dying = Case(monotone.events, {**p, "dD": k * p["dD"]}, case.covariates)
    assert (area(solve(dying, regimen), "donor_nk") <= area(plain, "donor_nk")).all()
    killing = Case(monotone.events, {**p, "kc": k * p["kc"], "kf": k * p["kf"]}, case.covariates)
    assert (area(solve(killing, regimen, outputs=("T",)), "T") <= area(plain, "T") * (1 + PROMISED)).all()


@law(PATIENTS, doses(), st.lists(dose(), min_size=1, max_size=2), st.floats(2, 50))
def test_l12_what_comes_later_changes_nothing_before(solve, case, given_doses, later, k):
    after = max(t + d for t, d, _, _ in given_doses) + 1
    added = [*given_doses, *((after + t / 8, d, name, x) for t, d, name, x in later)]
    first = min(t for t, _, _, _ in added[len(given_doses) :])
    plain, more = solve(case, given_doses, outputs=ALL), solve(case, added, outputs=ALL)
    # The step that would have crossed the new dose, of at most a day and a twentieth, ends at it instead.
    assert_same_bits(plain, more, upto=first - 1.05)
    for name in CURVES:
        near = first >= TIMES
        np.testing.assert_allclose(plain[name][:, near], more[name][:, near], rtol=PROMISED, atol=1e-6)
    # Where there is a cut already, a larger dose makes no other.
    larger = [*added[: len(given_doses)], *((t, d, name, k * x) for t, d, name, x in added[len(given_doses) :])]
    assert_same_bits(more, solve(case, larger, outputs=ALL), upto=first)


@law(PATIENTS, doses(), st.lists(st.floats(-1, 29.99), min_size=1, max_size=40, unique=True))
def test_l13_further_output_times_leave_the_old_points_where_they_were(solve, case, given_doses, further):
    fine = np.union1d(TIMES, further)
    found = solve(case, given_doses, fine, outputs=ALL)
    coarse = solve(case, given_doses, outputs=ALL)
    assert_same_bits({name: found[name][:, np.isin(fine, TIMES)] for name in ALL}, coarse)


@law(PATIENTS, doses(), st.lists(dose(), min_size=1, max_size=4))
def test_l14_a_dose_of_nothing_is_no_dose(solve, case, given_doses, nothing):
    with_nothing = [*given_doses, *((t, d, name, 0.0) for t, d, name, _ in nothing)]
    assert_same_bits(solve(case, with_nothing, outputs=ALL), solve(case, given_doses, outputs=ALL))


@law(PATIENTS, doses("cy", "flu", "cells"), doses("il2"), st.booleans())
def test_l14_interleukin_2_without_effect_is_no_interleukin_2(solve, case, given_doses, il2, absorbed):
    # It still cuts the run into segments, so that the steps are others.
    idle = case.having(E2=1e12, eTr=0.0) if absorbed else case.having(il2_f=0.0)
    found, plain = (solve(idle, d, rtol=TIGHT) for d in ([*given_doses, *il2], given_doses))
    assert_near(found, plain, SETTLED)
    assert (found["il2"].max(axis=1) > 0).all() == absorbed


@law(PATIENTS, doses())
def test_l15_a_tenth_of_the_tolerance_changes_less_than_is_promised(solve, case, given_doses):
    found, finer = solve(case, given_doses), solve(case, given_doses, rtol=2.5e-7)
    for name in CURVES:
        np.testing.assert_allclose(found[name], finer[name], rtol=PROMISED, atol=1e-10)


@law(PATIENTS, doses(), dose("cy", "flu", "cells"), st.floats(0.1, 0.9))
def test_l16_a_run_that_stops_is_the_beginning_of_the_longer_run(solve, case, given_doses, last, part):
    regimen = [*given_doses, (last[0] + 1, *last[1:])]
    stop = last[0] + 1
    whole = solve(case, regimen, np.union1d(TIMES, [stop]), outputs=ALL)
    times = np.union1d(TIMES[stop > TIMES], [stop])
    ended = solve(case, regimen, times, outputs=ALL)
    # At a dose every run begins a new step.
    for name in ALL:
        assert ended[name].tobytes() == whole[name][:, : times.size].tobytes()
    anywhere = TIMES[: 2 + int(part * (TIMES.size - 2))]
    found = solve(case, regimen, anywhere, rtol=TIGHT)
    whole = solve(case, regimen, rtol=TIGHT)
    assert_near(found, {name: whole[name][:, : anywhere.size] for name in CURVES}, SETTLED)


@law(PATIENTS, doses(), st.floats(0.25, 4))
def test_l18_a_faster_clock_gives_the_same_curve_sooner(solve, case, given_doses, k):
    # The days of a course of Cy are days.
    plain = case.having(cy_day2=1.0, cy_day3=1.0)
    units = {name: parameter.unit for name, parameter in load().defaults.items()}
    # The renal clearance of F-ara-A is this number times eGFR in L/h; a lag is a length of time.
    rates = {name for name, unit in units.items() if re.search(r"/[dh]$", unit)} | {"f_cl_renal"}
    assert {name for name, unit in units.items() if unit in ("h", "d")} == {"il2_lag"}
    p = {name: k * x if name in rates else x / k if name == "il2_lag" else x for name, x in plain.parameters.items()}
    faster = Case(plain.events, p, plain.covariates)
    sooner = [(t / k, d / k, name, x) for t, d, name, x in given_doses]
    # No output at the time of a dose, which k rounds to either side.
    times = TIMES + 1 / 32
    found, slow = solve(faster, sooner, times / k, rtol=TIGHT), solve(plain, given_doses, times, rtol=TIGHT)
    assert_near(found, slow, SETTLED, (*CURVES, *DRUGS))


@pytest.mark.parametrize("number", range(1, 20))
def test_every_law_is_held_here_or_where_the_table_says(number):
    here = Path(__file__).read_text(encoding="utf-8")
    elsewhere = re.search(rf"^L{number} +(.*)$", here, re.MULTILINE)
    names = re.findall(r"test_\w+", elsewhere[1]) if elsewhere else []
    for name in names:
        (path,) = Path(__file__).parents[1].rglob(f"{name}.py")
        assert re.search(rf"def test_.*# .*\bL{number}\b", path.read_text(encoding="utf-8")), name
    assert names or f"def test_l{number}_" in here
