"""The same model solved by other programs, one function for each, from a workload to the donor NK count (n, t).

All of them get the drugs as differential equations beside the cells (16 states), are restarted at every discontinuity
and solve one patient after the other, but for diffrax, which takes them together. The cell equations come from the
model's one definition.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from nksim.kinetics import reference
from nksim.kinetics.drugs import drug_rates
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import _sources, for_arrays, for_floats
from nksim.kinetics.sbml import sbml
from nksim.kinetics.solution import read_off
from nksim.kinetics.timeline import timeline

_DRUGS = 7
_CELLS = len(MODEL.states)
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9


def _donor_nk(cells: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """The output from the states (n, t, cells) and the constants (c, n)."""
    states = {state.name: cells[:, :, j] for j, state in enumerate(MODEL.states)}
    return read_off(("donor_nk",), states, list(constants))["donor_nk"]


def scipy_lsoda(w: Any, times: np.ndarray, *, rtol: float) -> np.ndarray:
    """SciPy's LSODA."""
    rendering = for_floats(MODEL)
    n = w.events.count
    record, constants = np.empty((n, times.size, _CELLS)), []
    for i in range(n):
        own = {name: float(values[i]) for name, values in w.parameters.items()}
        own |= {"weight_kg": float(w.covariates.weight_kg[i]), "bsa_m2": float(w.covariates.bsa_m2[i])}
        own["egfr"] = float(w.covariates.egfr_ml_min_1_73m2[i])
        constants.append(rendering.constants([own[name] for name in rendering.constant_inputs]))
        patient = reference._Patient(i, own, constants[-1], reference._doses(w.events, i, own), rendering)
        record[i] = _run(patient, times, rtol)
    return _donor_nk(record, np.array(constants).T)


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
            patient._slope(begin), (begin, end), y, method="LSODA", rtol=rtol, atol=_ABSOLUTE,
            t_eval=np.unique(np.append(times[wanted], end)),
        )  # fmt: skip
        for j, column in zip(wanted, done.y.T, strict=False):
            table[j] = column[reference._DRUGS :]
        y = done.y[:, -1]
    return table


class _Tables:
    """A workload as plain arrays: cuts, what is given at each, and the constants of drugs and cells."""

    def __init__(self, w: Any, end_d: float) -> None:
        rendering = for_arrays(MODEL)
        given = {**w.parameters, "weight_kg": w.covariates.weight_kg}
        self.cells = np.array(rendering.constants([given[name] for name in rendering.constant_inputs]))
        n = self.cells.shape[1]
        self.initial = np.array([np.broadcast_to(v, n) for v in rendering.initial(list(self.cells))])
        self.jumps = np.array([np.broadcast_to(v, n) for v in rendering.jumps(list(self.cells))])
        r, p, b = drug_rates(w.parameters, w.covariates), w.parameters, w.covariates
        size = b.weight_kg / p["f_weight"]
        flow = size ** p["f_power"] * 24
        clearance = (p["f_cl_nonrenal"] + p["f_cl_renal"] * b.egfr_ml_min_1_73m2 * 0.06) * flow
        v1, v2, v3 = (p[name] * size for name in ("f_v1", "f_v2", "f_v3"))
        q2, q3 = p["f_q2"] * flow, p["f_q3"] * flow
        fixed = (r.cy_cl / r.cy_v, clearance / v1, q2 / v1, q2 / v2, q3 / v1, q3 / v3, r.ka, r.ke, r.ke2)
        self.drugs = np.array(fixed)
        self.line = timeline(w.events, r.il2_lag_d, end_d)
        # Each in its concentration: mg/L of Cy and F-ara-A, IU/mL of IL-2; cells as they are.
        self.per = {"cy": 1 / r.cy_v, "flu": p["f_molar"] / v1, "il2": r.il2_per_iu, "cells": np.ones(n)}
        factors, factor = [], np.ones(n)
        for day in self.line.cy_day:
            for first, value in zip((1.0, 2.0, 3.0), r.cy_factor, strict=True):
                factor = np.where(day >= first, value, factor)
            factors.append(factor)
        self.factor = np.array(factors)

    def given(self, kind: str) -> np.ndarray:
        """`bolus` or `rate` (segments, targets, n)."""
        found = getattr(self.line, kind)
        return np.stack([found[target] * per for target, per in self.per.items()], axis=1)


def _drug_slopes(y: Any, d: Any, rate: Any, factor: Any) -> list[Any]:
    return [
        rate[0] - d[0] * factor * y[0],
        rate[1] - (d[1] + d[2] + d[4]) * y[1] + d[2] * y[2] + d[4] * y[3],
        d[3] * (y[1] - y[2]),
        d[5] * (y[1] - y[3]),
        -d[6] * y[4],
        d[6] * y[4] - d[7] * y[5],
        d[8] * (y[5] - y[6]),
    ]


@cache
def _numbalsoda() -> Callable[..., Any]:
    """The loop over patients and segments, compiled by numba around numbalsoda's LSODA."""
    import math

    import numba
    from numbalsoda import lsoda, lsoda_sig

    scope: dict[str, Any] = {"log": math.log, "exp": math.exp, "pow": math.pow}
    exec(_sources(MODEL)["derivative"], scope)
    cell_slopes, held = numba.njit(scope["derivative"]), len(for_floats(MODEL).held)

    @numba.cfunc(lsoda_sig)
    def slopes(t, u, du, p):  # type: ignore[no-untyped-def]
        y, out, c = numba.carray(u, 16), numba.carray(du, 16), numba.carray(p, held + 14)
        d = c[held:]
        out[0] = d[9] - d[0] * d[13] * y[0]
        out[1] = d[10] - (d[1] + d[2] + d[4]) * y[1] + d[2] * y[2] + d[4] * y[3]
        out[2] = d[3] * (y[1] - y[2])
        out[3] = d[5] * (y[1] - y[3])
        out[4] = -d[6] * y[4]
        out[5] = d[6] * y[4] - d[7] * y[5]
        out[6] = d[8] * (y[5] - y[6])
        cell_slopes(y[7:], c, (y[0], y[1], y[6], d[12]), out[7:])

    address = slopes.address

    @numba.njit
    def loop(cells, drugs, initial, jumps, breaks, segments, bolus, rate, factor, times, rtol, record):  # type: ignore[no-untyped-def]
        for i in range(cells.shape[1]):
            y, p = np.zeros(16), np.zeros(held + 14)
            y[7:], p[:held], p[held : held + 9] = initial[:, i], cells[:, i], drugs[:, i]
            j = 0
            while j < times.size and times[j] <= breaks[0, i]:
                record[i, j] = y[7:]
                j += 1
            for s in range(segments[i]):
                y[0] += bolus[s, 0, i]
                y[1] += bolus[s, 1, i]
                y[4] += bolus[s, 2, i]
                y[7:] += jumps[:, i] * bolus[s, 3, i]
                p[held + 9 : held + 13], p[held + 13] = rate[s, :, i], factor[s, i]
                upto = j
                while upto < times.size and times[upto] <= breaks[s + 1, i]:
                    upto += 1
                extra = upto == j or times[upto - 1] < breaks[s + 1, i]
                wanted = np.empty(1 + upto - j + extra)
                wanted[0], wanted[-1] = breaks[s, i], breaks[s + 1, i]
                wanted[1 : 1 + upto - j] = times[j:upto]
                found, _ = lsoda(address, y, wanted, p, rtol, 1e-9)
                record[i, j:upto] = found[1 : 1 + upto - j, 7:]
                y[:] = found[-1]
                j = upto

    return loop


def numbalsoda_lsoda(w: Any, times: np.ndarray, *, rtol: float) -> np.ndarray:
    """LSODA in C++ on equations compiled by numba, all loops compiled too."""
    loop, t = _numbalsoda(), _Tables(w, float(times[-1]))
    record = np.empty((t.cells.shape[1], times.size, _CELLS))
    loop(t.cells, t.drugs, t.initial, t.jumps, t.line.breaks, t.line.segments, t.given("bolus"), t.given("rate"),
         t.factor, times, rtol, record)  # fmt: skip
    return _donor_nk(record, t.cells)


class RoadRunner:
    """libRoadRunner (CVODE) on nksim's own SBML; loading and compiling the model is not timed."""

    def __init__(self, *, rtol: float) -> None:
        self.rtol = rtol
        self.loaded: list[Any] = []

    def prepare(self, w: Any) -> None:
        """Load one model for each patient."""
        import roadrunner

        self.loaded = []
        for i in range(w.events.count):
            text = sbml(w.events, w.parameters, w.covariates, patient=i, end_d=90.0)
            solver = roadrunner.RoadRunner(text)
            solver.integrator.absolute_tolerance, solver.integrator.relative_tolerance = _ABSOLUTE, self.rtol
            self.loaded.append(solver)

    def __call__(self, w: Any, times: np.ndarray) -> np.ndarray:
        """At the time of a dose this is the count after it."""
        made = []
        for solver in self.loaded:
            solver.resetAll()
            # A start a quarter of a day early, because a dose at the very start would not be given.
            made.append(solver.simulate(times[0] - 0.25, times[-1], times.size + 1, ["donor_nk"])[1:, 0])
        return np.array(made)


@cache
def _diffrax(rtol: float) -> Callable[..., Any]:
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    scope: dict[str, Any] = {"log": jnp.log, "exp": jnp.exp, "pow": jnp.power}
    exec(_sources(MODEL)["derivative"], scope)

    def slope(t: Any, y: Any, fed: Any) -> Any:
        cells, drugs, rate, factor = fed
        out: list[Any] = [None] * _CELLS
        scope["derivative"](y[_DRUGS:], cells, (y[0], y[1], y[6], rate[3]), out)
        return jnp.stack([*_drug_slopes(y, drugs, rate, factor), *out])

    @jax.jit
    def segment(begin: Any, end: Any, y: Any, cells: Any, drugs: Any, rate: Any, factor: Any, wanted: Any) -> Any:
        def one(y: Any, cells: Any, drugs: Any, rate: Any, factor: Any) -> Any:
            return diffrax.diffeqsolve(
                diffrax.ODETerm(slope), diffrax.Tsit5(), begin, end, None, y, (cells, drugs, rate, factor),
                saveat=diffrax.SaveAt(ts=wanted), max_steps=4096,
                stepsize_controller=diffrax.PIDController(rtol=rtol, atol=_ABSOLUTE),
            ).ys  # fmt: skip

        return jax.vmap(one, in_axes=(0, 1, 1, 1, 0))(y, cells, drugs, rate, factor)

    return segment


def diffrax_tsit5(w: Any, times: np.ndarray, *, rtol: float) -> np.ndarray:
    """diffrax's Tsit5 on the CPU, all patients in one call; works because all of them are dosed at the same times."""
    segment, t = _diffrax(rtol), _Tables(w, float(times[-1]))
    n, breaks = t.cells.shape[1], t.line.breaks[:, 0]
    assert (t.line.breaks == breaks[:, None]).all()
    y = np.concatenate([np.zeros((_DRUGS, n)), t.initial]).T
    record = np.tile(y[:, None, _DRUGS:], (1, times.size, 1))
    bolus, rate = t.given("bolus"), t.given("rate")
    for s, (begin, end) in enumerate(pairwise(breaks)):
        y = y.copy()
        y[:, 0] += bolus[s, 0]
        y[:, 1] += bolus[s, 1]
        y[:, 4] += bolus[s, 2]
        y[:, _DRUGS:] += (t.jumps * bolus[s, 3]).T
        wanted = np.flatnonzero((times > begin) & (times <= end))
        found = np.asarray(
            segment(begin, end, y, t.cells, t.drugs, rate[s], t.factor[s], np.append(times[wanted], end))
        )
        record[:, wanted] = found[:, : wanted.size, _DRUGS:]
        y = found[:, -1]
    return _donor_nk(record, t.cells)


# Name, solver, and how many patients it is timed on.
RIVALS: dict[str, tuple[Callable[..., np.ndarray], int]] = {
    **{f"SciPy LSODA, rtol {rtol:g}": (partial(scipy_lsoda, rtol=rtol), 8) for rtol in (1e-6, 3e-7, 1e-7)},
    **{f"numbalsoda LSODA, rtol {rtol:g}": (partial(numbalsoda_lsoda, rtol=rtol), 400) for rtol in (1e-6, 3e-7, 1e-7)},
    **{f"libRoadRunner CVODE, rtol {rtol:g}": (RoadRunner(rtol=rtol), 8) for rtol in (1e-10, 1e-11)},
    **{f"diffrax Tsit5, rtol {rtol:g}": (partial(diffrax_tsit5, rtol=rtol), 100) for rtol in (1e-6,)},
}
