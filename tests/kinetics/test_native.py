"""The native engine: what it owes to nobody else, and that it is one engine whatever the processor and the batch."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from kinetic_cases import GRID, STATES

from nksim.cli import run
from nksim.errors import ModelFailure, UsageError
from nksim.kinetics import cplusplus, engine, native
from nksim.kinetics.solution import OUTPUTS
from nksim.qualification.drugs import SCENARIOS, nonmem
from nksim.simulation import Settings, engine_used

ALL = (*OUTPUTS, *STATES)
GENERATED = Path(cplusplus.__file__).parent / "native" / "model.inc"
built = pytest.mark.skipif(not native.available(), reason="the native engine was not built")


def test_the_checked_in_equations_are_those_of_the_model():
    if not GENERATED.exists():
        pytest.skip("an installed package carries no C++ source")
    stale = "run python -m nksim.kinetics.cplusplus > nksim/kinetics/native/model.inc"
    assert GENERATED.read_text(encoding="utf-8") == cplusplus.header(), stale


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("solve", [engine.solve, pytest.param(native.solve, marks=built)], ids=["numpy", "native"])
def test_concentrations_are_those_of_nonmem(scenario, solve):
    found, printed = nonmem(scenario, solve)
    assert printed.size
    np.testing.assert_allclose(found, printed, rtol=5e-5)


@built
@pytest.mark.parametrize("instructions", native.VARIANTS)
def test_exponential_and_logarithm_are_right_to_a_few_last_digits(instructions):
    x = np.concatenate([np.linspace(-699, 699, 5001), -np.logspace(-12, 2, 400), [0.0, 1.0]])
    e, logarithm = np.empty_like(x), np.empty_like(x)
    arguments = [a.ctypes.data for a in (x, e, logarithm)]
    variant = min(native.VARIANTS.index(instructions), native.library().nksim_widest())
    native.library().nksim_functions(variant, x.size, *arguments)
    np.testing.assert_allclose(e, [math.exp(v) for v in x], rtol=6e-16)
    y = np.concatenate([np.logspace(-300, 300, 5000), 1 + np.linspace(-1e-3, 1e-3, 801), [1.0]])
    e, logarithm = np.empty_like(y), np.empty_like(y)
    native.library().nksim_functions(variant, y.size, *[a.ctypes.data for a in (y, e, logarithm)])
    np.testing.assert_allclose(logarithm, [math.log(v) for v in y], rtol=8e-16, atol=1e-19)
    assert logarithm[-1] == 0


@built
@pytest.mark.parametrize("instructions", native.VARIANTS[1:])
def test_every_instruction_set_gives_the_same_bits(mixed, instructions):
    case = mixed(40, 21)
    widest, other = (
        native.solve(case.events, case.parameters, case.covariates, GRID, outputs=ALL, instructions=i)
        for i in (None, instructions)
    )
    assert digest(widest) == digest(other)


@built
def test_without_fused_products_only_the_last_digits_differ(mixed):
    case = mixed(40, 21)
    fused, plain = (
        native.solve(case.events, case.parameters, case.covariates, GRID, instructions=i) for i in (None, "baseline")
    )
    for name in OUTPUTS:
        np.testing.assert_allclose(fused[name], plain[name], rtol=2e-6, atol=1e-9)


@built
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_every_batch_order_and_number_of_threads_gives_the_same_bits(mixed, size, threads):
    case, times = mixed(150, 22), np.arange(-7, 30.01, 0.5)
    whole = native.solve(case.events, case.parameters, case.covariates, times)
    order = np.random.default_rng(size).permutation(150)
    pieces = []
    for start in range(0, 150, size):
        part = case.only(order[start : start + size])
        pieces.append(native.solve(part.events, part.parameters, part.covariates, times, threads=threads))
    for name in OUTPUTS:
        assert np.concatenate([p[name] for p in pieces]).tobytes() == whole[name][order].tobytes()
    assert np.concatenate([p.f_ara_a_auc for p in pieces]).tobytes() == whole.f_ara_a_auc[order].tobytes()


@built
def test_both_engines_take_nearly_the_same_steps(mixed):
    case = mixed(40, 23)
    fast, plain = native.solve(case.events, case.parameters, case.covariates, GRID), case.solve()
    assert fast.steps.taken.mean() == pytest.approx(plain.steps.taken.mean(), rel=0.01)
    for name in OUTPUTS:
        np.testing.assert_allclose(fast[name], plain[name], rtol=2e-5, atol=1e-9)


@built
def test_a_hundred_overlapping_infusions_add_up(typical_child):
    doses = [(0.01 * i, 0.5, target, 10.0 * (1 + i % 3)) for i in range(50) for target in ("flu", "cy")]
    case, times = typical_child().having(cy_day2=1, cy_day3=1).given(doses), np.arange(0.3, 3, 0.1)
    together = native.solve(case.events, case.parameters, case.covariates, times, outputs=("cy", "f_ara_a"))
    alone = [typical_child().having(cy_day2=1, cy_day3=1).given([dose]).solve(times) for dose in doses]
    for name in ("cy", "f_ara_a"):
        np.testing.assert_allclose(together[name], sum(a[name] for a in alone), rtol=1e-11)


@built
def test_a_dose_at_the_last_time_changes_nothing(nkaml, typical_child):
    plain = nkaml()
    e = plain.events
    doses = [(t, d, target, a[0]) for t, d, target, a in zip(e.time_d, e.duration_d, e.target, e.amount.T, strict=True)]
    last = typical_child().given([*doses, (60.0, 0.0, "cells", 1e9), (60.0, 0.1, "cy", 1e3)])
    found = [native.solve(c.events, c.parameters, c.covariates, GRID) for c in (plain, last)]
    assert GRID[-1] == 60.0
    assert digest(found[0]) == digest(found[1])


@built
def test_a_few_thousand_cells_are_followed_like_a_billion(nkaml):
    found = native_of(nkaml(cells_per_kg=100))["donor_nk"][0]
    exact = nkaml(cells_per_kg=100).reference()["donor_nk"][0]
    assert 0 < found[np.searchsorted(GRID, 7)] < 1e-2
    assert (found >= 0).all()
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-10)


@built
@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_hopeless_patient_is_named_whatever_the_threads(mixed, threads):
    case = mixed(30, 14)
    case.parameters["kf"][[11, 23]] = 1e200
    with pytest.raises(ModelFailure, match=r"(?s)NK601.*patient 11:.*kf=1e\+200"):
        native.solve(case.events, case.parameters, case.covariates, GRID, threads=threads)


def test_without_it_auto_is_numpy_and_asking_for_it_is_refused(monkeypatch, mixed):
    monkeypatch.setattr(native, "library", lambda: None)
    assert engine_used("auto") == "numpy"
    with pytest.raises(UsageError, match="NK646"):
        engine_used(Settings(engine="native").engine)
    with pytest.raises(ModelFailure, match="NK603"):
        native_of(mixed(1, 1))
    assert native.variant() == "none"


def test_the_fallback_says_so_once(monkeypatch, capsys):
    monkeypatch.setattr(native, "library", lambda: None)
    args = ["simulate", "nkaml", "--assume", "-n", "2", "--days", "10", "--every", "12h"]
    assert run(args) == 0
    assert capsys.readouterr().err.count("native engine was not built") == 1
    assert run([*args, "--engine", "numpy"]) == 0
    assert capsys.readouterr().err == ""


def native_of(case):
    return native.solve(case.events, case.parameters, case.covariates, GRID)


def digest(solution):
    return hashlib.sha256(b"".join(solution[name].tobytes() for name in solution)).hexdigest()
