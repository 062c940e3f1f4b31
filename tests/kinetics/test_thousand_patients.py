"""Random patients with regimens of their own against the reference solver: 12 of them always, 1,000 when asked.

NKSIM_THOROUGH=1 asks; the reference takes a third of a second for each.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from kinetic_cases import GRID, Case, mixed_case

from nksim.kinetics import engine, native

COUNT, EACH = (1000, 4) if os.environ.get("NKSIM_THOROUGH") == "1" else (12, 4)
NAMES = ("donor_nk", "host_nk", "nk_chimerism", "alc", "il15", "cy", "f_ara_a", "il2")


def regimen(seed: int) -> Case:
    """Four patients of one regimen drawn at random: up to 12 doses of anything on any of 40 days, overlapping or not."""
    rng, patients = np.random.default_rng(seed), mixed_case(EACH, seed)
    weight, bsa = patients.covariates.weight_kg, patients.covariates.bsa_m2
    full = {"cy": 30 * weight, "flu": 30 * bsa, "il2": 2e6 * bsa, "cells": 2e7 * weight}
    doses = [(float(rng.choice([0.0, 0.25])), 0.02, "cells", full["cells"])]
    for i, target in enumerate(rng.choice(list(full), rng.integers(2, 12)), 1):
        length = 0.0 if target == "il2" else float(rng.choice([0.0, 0.01, 0.04, 1.0]))
        amount = full[target] * rng.uniform(0, 1, EACH) * (rng.uniform(size=EACH) < 0.9)
        # No two cuts lie within rounding of one another: the reference cannot take a step between such.
        doses.append((round(rng.uniform(-10, 30), 2) + 0.0007 * i, length, str(target), amount))
    return patients.given(doses)


def exact(case: Case) -> dict[str, np.ndarray]:
    return dict(case.reference(GRID, outputs=NAMES))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_random_patients_and_regimens_agree_with_the_reference():
    cases = [regimen(seed) for seed in range(COUNT // EACH)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        references = list(pool.map(exact, cases))
    worst: list[np.ndarray] = []
    solvers = [engine.solve, native.solve] if native.available() else [engine.solve]
    for case, truth in zip(cases, references, strict=True):
        for solve in solvers:
            found = solve(case.events, case.parameters, case.covariates, GRID, outputs=NAMES)
            for name in NAMES:
                # Values that have all but gone are held to their size where they matter; those of drugs are held to
                # closed forms elsewhere, because the reference's own tolerance is absolute there.
                error = np.abs(found[name] - truth[name]) / np.maximum(truth[name], 1e-6)
                assert error.max() <= 5e-5, (name, error.max())
                worst.append(error.max(axis=1))
    assert np.quantile(np.concatenate(worst), 0.99) <= 2.5e-5
