"""The same model solved by other programs, one function for each, from a workload to the donor NK count (n, t)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from nksim.kinetics import reference
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import for_floats
from nksim.kinetics.solution import read_off


def scipy_lsoda(w: Any, times: np.ndarray, *, rtol: float) -> np.ndarray:
    """SciPy's LSODA, patient by patient, restarted at every discontinuity, drugs as equations: 18 states."""
    rendering = for_floats(MODEL)
    n, width = w.events.count, len(rendering.states)
    record, constants = np.empty((n, times.size, width)), []
    for i in range(n):
        own = {name: float(values[i]) for name, values in w.parameters.items()}
        own |= {"weight_kg": float(w.covariates.weight_kg[i]), "bsa_m2": float(w.covariates.bsa_m2[i])}
        own["egfr"] = float(w.covariates.egfr_ml_min_1_73m2[i])
        constants.append(rendering.constants([own[name] for name in rendering.constant_inputs]))
        patient = reference._Patient(i, own, constants[-1], reference._doses(w.events, i, own), rendering)
        record[i] = _run(patient, times, rtol)
    states = {name: record[:, :, j] for j, name in enumerate(rendering.states)}
    return read_off(("donor_nk",), states, list(np.array(constants).T))["donor_nk"]


def _run(patient: Any, times: np.ndarray, rtol: float) -> np.ndarray:
    y = np.array([0.0] * reference._DRUGS + [float(v) for v in patient.rendering.initial(patient.constants)])
    jumps = np.array(patient.rendering.jumps(patient.constants))
    table = np.tile(y[reference._DRUGS :], (times.size, 1))
    cuts = sorted({t for dose in patient.doses for t in (dose.start, dose.end) if t < times[-1]})
    for begin, end in pairwise([*cuts, float(times[-1])]):
        for dose in patient.doses:
            if dose.start == begin == dose.end:
                y = patient._give(y, dose, jumps)
        wanted = np.flatnonzero((times > begin) & (times <= end))
        done = solve_ivp(
            patient._slope(begin), (begin, end), y, method="LSODA", rtol=rtol, atol=1e-9,
            t_eval=np.unique(np.append(times[wanted], end)),
        )  # fmt: skip
        for j, column in zip(wanted, done.y.T, strict=False):
            table[j] = column[reference._DRUGS :]
        y = done.y[:, -1]
    return table


def _lsoda(rtol: float) -> Any:
    return lambda w, times: scipy_lsoda(w, times, rtol=rtol)


RIVALS = {f"SciPy LSODA, rtol {rtol:g}": _lsoda(rtol) for rtol in (1e-5, 1e-6, 1e-7)}
