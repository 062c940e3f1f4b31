"""The engine against the reference solver, and what must hold whatever the patients."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from kinetic_cases import GRID, STATES

from nksim.errors import InvalidInput
from nksim.kinetics.solution import OUTPUTS

ALL = (*OUTPUTS, *STATES)
pytestmark = pytest.mark.usefixtures("each_engine")


@pytest.fixture(scope="module")
def fifty(mixed, each_engine):
    case = mixed(50, 11)
    return case.solve(), case.reference()


@pytest.mark.parametrize("name", OUTPUTS)
def test_fifty_random_patients_agree_with_the_reference(fifty, name):
    engine, reference = fifty
    error = np.abs(engine[name] - reference[name]) / np.maximum(reference[name], 1e-6)
    assert error.max() <= 2.5e-5


def test_areas_agree_with_those_integrated_by_the_reference(fifty):
    engine, reference = fifty
    np.testing.assert_allclose(engine.cy_auc, reference.cy_auc, rtol=1e-8)
    np.testing.assert_allclose(engine.f_ara_a_auc, reference.f_ara_a_auc, rtol=1e-8)


def test_a_tighter_tolerance_comes_closer_to_the_reference(mixed):
    case = mixed(4, 3)
    exact = case.reference()["donor_nk"]
    errors = [np.abs(case.solve(rtol=rtol)["donor_nk"] - exact).max() for rtol in (1e-3, 1e-5, 1e-7)]
    assert errors[0] > 5 * errors[1] > 25 * errors[2]


def test_sensitisation_that_saturates_within_seconds_is_not_stepped_over(typical_child):
    case = typical_child().given([(day, 0.25 / 24, "cells", 7e8) for day in (0.0, 28.0, 29.0, 30.0)])
    times = [27.99, 28 + 0.25 / 24, 30.5]
    got, exact = (solve(times, outputs=("S",))["S"] for solve in (case.solve, case.reference))
    np.testing.assert_allclose(got, exact, rtol=2e-6)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_every_batch_and_order_gives_the_same_bits(mixed, size):
    # Up to three batches: every call costs NumPy as much as a hundred patients.
    case, times = mixed(1003, 22), np.arange(-7, 10.01, 0.5)
    order = np.random.default_rng(size).permutation(1003)[: 3 * size]
    together = case.only(np.sort(order)).solve(times, outputs=ALL)
    at = np.argsort(np.argsort(order))
    for start in range(0, order.size, size):
        piece = case.only(order[start : start + size]).solve(times, outputs=ALL)
        for name in ALL:
            assert piece[name].tobytes() == together[name][at[start : start + size]].tobytes()
        assert piece.cy_auc.tobytes() == together.cy_auc[at[start : start + size]].tobytes()


def test_the_chunks_of_a_large_batch_do_not_show(nkaml, monkeypatch, mixed):
    case = mixed(9, 4)
    whole = case.solve()
    monkeypatch.setattr("nksim.kinetics.engine._CHUNK", 2)
    pieces = case.solve()
    assert all(whole[name].tobytes() == pieces[name].tobytes() for name in OUTPUTS)
    assert whole.cy_auc.tobytes() == pieces.cy_auc.tobytes()


def test_without_events_nothing_ever_moves(mixed):
    case = mixed(20, 6)
    idle = case.given([]).solve(outputs=ALL)
    assert (idle["alc"] == (case.parameters["T0"] + case.parameters["H0"])[:, None]).all()
    assert (idle["il15"] == case.parameters["I0"][:, None]).all()
    assert (idle["P"] == 1).all()
    assert (idle["donor_nk"] == 0).all()
    assert (idle["nk_chimerism"] == 0).all()
    np.testing.assert_array_equal(idle["alc"], case.given([]).reference()["alc"])


def test_before_the_first_dose_and_at_its_very_time_the_patient_is_at_baseline(nkaml):
    solution = nkaml().solve(np.array([-30.0, -7.0, -6.99]))
    assert solution["alc"][0].tolist()[:2] == [1450, 1450]
    assert solution["alc"][0, 2] < 1450


def test_outputs_at_the_time_of_a_dose_are_those_before_it(typical_child):
    case = typical_child().given([(1.0, 0.0, "cells", 1e9), (1.0, 0.0, "cy", 1000)])
    solution = case.solve(np.array([0.0, 1.0, 1.0 + 1e-9]))
    assert solution["donor_nk"][0].tolist()[:2] == [0, 0]
    assert solution["cy"][0].tolist()[:2] == [0, 0]
    # 40 % of the surviving half of 1e9 cells in 1.8 L of blood.
    assert solution["donor_nk"][0, 2] == pytest.approx(1e9 * 0.5 * 0.4 / 1.8e6, rel=1e-6)


def test_the_order_of_simultaneous_doses_does_not_matter(typical_child):
    # The sum of these three amounts of cells depends on the order in which it is taken.
    together = [(0.0, 0.0, "cells", part * 1e8) for part in (1 / 3, 2 / 7, 0.7)] + [(0.0, 0.0, "il2", 1e6)]
    together += [(0.0, 0.05, "flu", part * 10) for part in (1 / 3, 2 / 7, 0.7)] + [(0.0, 0.1, "cells", 1e8)]
    first = typical_child().given(together).solve()
    assert_same_bits(typical_child().given(together[::-1]).solve(), first)


def test_all_values_are_possible(mixed):
    solution = mixed(200, 13).solve(outputs=ALL)
    for name in ALL:
        assert np.isfinite(solution[name]).all()
        assert (solution[name] >= 0).all()
    assert max(solution["nk_chimerism"].max(), solution["S"].max()) <= 1
    np.testing.assert_allclose(
        solution["nk_chimerism"] * (solution["donor_nk"] + solution["host_nk"]), solution["donor_nk"], rtol=1e-12
    )


def test_all_surviving_cells_are_present_at_the_end_of_their_infusion(nkaml):
    s = nkaml().solve(np.array([0.0, 0.25 / 24]), outputs=("L", "B", "G", "X"))
    present = sum(s[name][0, 1] for name in "LBGX")
    # In a quarter of an hour some 0.1 % die and as many are born.
    assert present == pytest.approx(0.5 * 2.9e7 * 25, rel=3e-3)


def test_more_cells_give_more_donor_cells_on_every_day(nkaml):
    curves = [nkaml(cells_per_kg=dose).solve()["donor_nk"][0] for dose in (1e5, 1e6, 1.25e7, 2.9e7, 1e8)]
    for less, more in pairwise(curves):
        assert (more >= less)[GRID <= 10].all()
        assert more.sum() > less.sum()


def test_stronger_conditioning_leaves_fewer_lymphocytes_and_more_il15(typical_child):
    runs = [typical_child().given([(-5.0, 0.04, "cy", dose)]).solve() for dose in (250, 500, 1000, 1500)]
    assert (np.diff([run["alc"].min() for run in runs]) < 0).all()
    assert (np.diff([run["il15"].max() for run in runs]) > 0).all()


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("NK620", lambda p: p.pop("kc")),
        ("NK621", lambda p: p.update(kz=np.ones(2))),
        ("NK622", lambda p: p.update(kc=np.ones(3))),
        ("NK623", lambda p: p.update(kc=np.array([1.0, np.nan]))),
        ("NK623", lambda p: p.update(kc=np.array([1.0, -1e-9]))),
        ("NK626", lambda p: p.update(T0=np.array([1300.0, 0.0]))),
        ("NK627", lambda p: p.update(fsurv=np.array([0.5, 1.1]))),
        ("NK627", lambda p: p.update(fb=np.array([0.02, 1.0]))),
    ],
)
def test_parameters_that_do_not_fit_are_refused(mixed, code, change):
    case = mixed(2, 15)
    change(case.parameters)
    with pytest.raises(InvalidInput, match=code):
        case.solve()


@pytest.mark.parametrize("times", [[0, 0], [1, 0], [0, np.inf], [[0, 1]]])
def test_times_that_do_not_ascend_are_refused(nkaml, times):
    with pytest.raises(InvalidInput, match="NK624"):
        nkaml().solve(np.array(times, dtype=float))


def test_an_unknown_output_is_refused(nkaml):
    with pytest.raises(InvalidInput, match=r"NK625.*donor"):
        nkaml().solve(outputs=("donor",))


def doses(case):
    e = case.events
    columns = zip(e.time_d, e.duration_d, e.target, e.amount.T, strict=True)
    return [(float(time), float(duration), target, amount) for time, duration, target, amount in columns]


def nonzero(case):
    return case.given([dose for dose in doses(case) if np.any(dose[3] > 0)])


def assert_same_bits(one, other):
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert one.cy_auc.tobytes() == other.cy_auc.tobytes()
