"""The native engine: what it owes to nobody else, and that it is one engine whatever the processor and the batch."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from kinetic_cases import GRID, STATES

from nksim.kinetics import cplusplus, native
from nksim.kinetics.solution import OUTPUTS

ALL = (*OUTPUTS, *STATES)
HALF_DAYS = np.arange(-7, 30.01, 0.5)
GENERATED = Path(cplusplus.__file__).parent / "native" / "model.inc"
SOURCE, CROSS = GENERATED.with_name("engine.cpp"), "aarch64-linux-gnu-g++"
built = pytest.mark.skipif(not native.available(), reason="the native engine was not built")


@pytest.mark.skipif(
    not shutil.which(CROSS) or not SOURCE.exists(), reason=f"no {CROSS} (apt-get install g++-aarch64-linux-gnu)"
)
def test_the_engine_compiles_for_arm_with_its_own_vectors(tmp_path):
    made = tmp_path / "engine.s"
    flags = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-ffp-contract=off", "-fPIC", "-S"]
    subprocess.run([CROSS, *flags, SOURCE, "-o", made], check=True)
    # Products of vectors of two doubles: NEON, and no product fused with a sum.
    text = made.read_text(encoding="utf-8")
    assert re.search(r"fmul\tv\d+\.2d", text)
    assert not re.search(r"fml[as]\tv\d+\.2d", text)


def test_the_checked_in_equations_are_those_of_the_model():
    if not GENERATED.exists():
        pytest.skip("an installed package carries no C++ source")
    stale = "run python -m nksim.kinetics.cplusplus > nksim/kinetics/native/model.inc"
    assert GENERATED.read_text(encoding="utf-8") == cplusplus.header(), stale


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


@cache
def mixed_thousand(mixed):
    return mixed(1003, 22)


@cache
def thousand(mixed):
    case = mixed_thousand(mixed)
    return native.solve(case.events, case.parameters, case.covariates, HALF_DAYS, outputs=ALL)


@built
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_every_batch_order_and_number_of_threads_gives_the_same_bits(mixed, size, threads):
    n = 1003
    whole = thousand(mixed)
    # Of single patients a hundred calls are enough.
    order = np.random.default_rng(size).permutation(n)[: 100 if size == 1 else n]
    pieces = []
    for start in range(0, order.size, size):
        part = mixed_thousand(mixed).only(order[start : start + size])
        pieces.append(
            native.solve(part.events, part.parameters, part.covariates, HALF_DAYS, outputs=ALL, threads=threads)
        )
    for name in ALL:
        assert np.concatenate([p[name] for p in pieces]).tobytes() == whole[name][order].tobytes()
    for name in ("cy_auc", "f_ara_a_auc"):
        assert np.concatenate([getattr(p, name) for p in pieces]).tobytes() == getattr(whole, name)[order].tobytes()


@built
def test_both_engines_take_nearly_the_same_steps(mixed):
    case = mixed(40, 23)
    fast, plain = native.solve(case.events, case.parameters, case.covariates, GRID), case.solve()
    assert fast.steps.taken.mean() == pytest.approx(plain.steps.taken.mean(), rel=0.01)
    for name in OUTPUTS:
        np.testing.assert_allclose(fast[name], plain[name], rtol=2e-5, atol=1e-9)


def digest(solution):
    return hashlib.sha256(b"".join(solution[name].tobytes() for name in solution)).hexdigest()
