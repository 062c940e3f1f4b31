"""The reference solver: SciPy at tight tolerance, patient by patient, with the drugs as differential equations too.

It shares with the engine the equations of the cells and the meaning of the doses, and nothing else: no closed form,
no stepper, no interpolant and no timeline. It is slow and meant for tests and for measuring the engine's error.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nksim.errors import ModelFailure
from nksim.kinetics import Floats
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import Rendering, for_floats
from nksim.kinetics.solution import OUTPUTS, Solution, Steps, checked, read_off

__all__ = ["solve"]

_H = 24.0
# Amounts of Cy, of F-ara-A in three compartments, of IL-2 in depot and plasma, its effect, and two areas in mg d/L.
_DRUGS = 9
_CY, _F1, _F2, _F3, _DEPOT, _PLASMA, _EFFECT, _CY_AREA, _F_AREA = range(_DRUGS)
# Absolute tolerance in every unit; it only matters for what has all but gone.
_TINY = 1e-13
# The Fortran LSODA of older SciPy keeps its state where all threads meet.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class _Dose:
    """One dose of one patient, as start and end in days."""

    target: str
    start: float
    end: float
    amount: float


def solve(
    events: EventTable,
    parameters: Mapping[str, Floats],
    covariates: Covariates,
    times_d: Floats,
    *,
    outputs: Sequence[str] = OUTPUTS,
    rtol: float = 1e-10,
) -> Solution:
    """As `nksim.kinetics.engine.solve`, with the same shapes, units and errors, at reference accuracy."""
    arrays, times = checked(events, parameters, covariates, times_d, outputs)
    rendering = for_floats(MODEL)
    count, width = events.count, len(rendering.states)
    record = np.empty((count, times.size, width + 3))
    areas = np.zeros((count, 2))
    constants = []
    for i in range(count):
        own = {name: float(array[i]) for name, array in arrays.items()}
        own |= {"weight_kg": float(covariates.weight_kg[i]), "bsa_m2": float(covariates.bsa_m2[i])}
        own["egfr"] = float(covariates.egfr_ml_min_1_73m2[i])
        constants.append(rendering.constants([own[name] for name in rendering.constant_inputs]))
        record[i], areas[i] = _Patient(covariates.named(i), own, constants[-1], _doses(events, i, own), rendering).run(
            times, rtol
        )
    states = {name: record[:, :, j] for j, name in enumerate(rendering.states)}
    values = read_off(outputs, states, list(np.array(constants).T))
    values |= {name: record[:, :, width + j] for j, name in enumerate(("cy", "f_ara_a", "il2")) if name in outputs}
    nothing = np.zeros(count, dtype=np.intp)
    ordered = {name: values[name] for name in outputs}
    return Solution(times, ordered, areas[:, 0] * _H, areas[:, 1] * _H, Steps(nothing, nothing))


def _doses(events: EventTable, i: int, own: Mapping[str, float]) -> list[_Dose]:
    """Doses of patient `i` that are not zero; IL-2 enters its depot after the lag."""
    doses = []
    for time, duration, target, amount in zip(
        events.time_d, events.duration_d, events.target, events.amount[i], strict=True
    ):
        start = float(time) + (own["il2_lag"] / _H if target == "il2" else 0.0)
        if amount > 0:
            doses.append(_Dose(target, start, start + float(duration), float(amount)))
    return doses


class _Patient:
    """One patient's constants and doses, and the right-hand side made of them."""

    def __init__(
        self, name: str, own: Mapping[str, float], constants: list[float], doses: list[_Dose], rendering: Rendering
    ) -> None:
        self.name, self.own, self.constants, self.doses, self.rendering = name, own, constants, doses, rendering
        self.size = own["weight_kg"] / own["f_weight"]
        self.flow = self.size ** own["f_power"] * _H
        self.cy_v = own["cy_v"] * own["bsa_m2"] / own["cy_bsa"]
        self.plasma_ml = 1000.0 * own["il2_cl"] * own["bsa_m2"] / own["il2_bsa"] / own["il2_ke"]

    def run(self, times: Floats, rtol: float) -> tuple[Floats, Floats]:
        """States and concentrations (t, states + 3) at the times, and the two areas at the last of them."""
        # Half a second that everyone else would wait for.
        from scipy.integrate import solve_ivp

        y = np.array([0.0] * _DRUGS + [float(value) for value in self.rendering.initial(self.constants)])
        jumps = np.array(self.rendering.jumps(self.constants))
        table = np.tile(self._row(y), (times.size, 1))
        stop = float(times[-1]) if times.size else -np.inf
        cuts = sorted({t for dose in self.doses for t in (dose.start, dose.end) if t < stop})
        for begin, end in pairwise([*cuts, stop]):
            for dose in self.doses:
                if dose.start == begin == dose.end:
                    y = self._give(y, dose, jumps)
            wanted = np.flatnonzero((times > begin) & (times <= end))
            try:
                # LSODA warns of what its message says.
                with _ONE_AT_A_TIME, warnings.catch_warnings(action="ignore"):
                    done = solve_ivp(
                        self._slope(begin), (begin, end), y, method="LSODA", rtol=rtol, atol=_TINY,
                        t_eval=np.unique(np.append(times[wanted], end)), max_step=0.25,
                    )  # fmt: skip
            except (ArithmeticError, ValueError) as error:
                raise self._failure(str(error), begin) from None
            if not done.success:
                raise self._failure(done.message, begin)
            for j, column in zip(wanted, done.y.T, strict=False):
                table[j] = self._row(column)
            y = done.y[:, -1]
        return table, y[[_CY_AREA, _F_AREA]]

    def _failure(self, why: str, day: float) -> ModelFailure:
        own = ", ".join(f"{name}={value:.6g}" for name, value in self.own.items())
        return ModelFailure(
            "NK602", f"{self.name}: {why} after day {day:g}", help=f"look for an extreme value among {own}"
        )

    def _row(self, y: Floats) -> Floats:
        f = y[_F1] / (self.own["f_v1"] * self.size)
        return np.array([*y[_DRUGS:], y[_CY] / self.cy_v, f, y[_PLASMA] / self.plasma_ml])

    def _give(self, y: Floats, dose: _Dose, jumps: Floats) -> Floats:
        y = y.copy()
        if dose.target == "cells":
            y[_DRUGS:] += jumps * dose.amount
        else:
            place, part = self._entry(dose.target)
            y[place] += part * dose.amount
        return y

    def _entry(self, target: str) -> tuple[int, float]:
        return {
            "cy": (_CY, 1.0), "flu": (_F1, self.own["f_molar"]), "il2": (_DEPOT, self.own["il2_f"]),
        }[target]  # fmt: skip

    def _cy_factor(self, time: float) -> float:
        """Clearance of Cy over that of day 1, by the day of the course on which its last dose started."""
        factor, opened, last = 1.0, -np.inf, -np.inf
        for dose in sorted((d for d in self.doses if d.target == "cy" and d.start <= time), key=lambda d: d.start):
            if dose.start - last >= 28.0:
                opened = dose.start
            last = dose.start
            since = last - opened
            factor = 1.0 if since < 0.75 else self.own["cy_day2"] if since < 1.75 else self.own["cy_day3"]
        return factor

    def _slope(self, begin: float) -> Callable[[float, Floats], list[float]]:
        """The right-hand side of the segment that starts at `begin`, in which all rates are constant."""
        own, flow, size = self.own, self.flow, self.size
        running = {"cy": 0.0, "flu": 0.0, "cells": 0.0}
        for dose in self.doses:
            if dose.start <= begin < dose.end:
                running[dose.target] += dose.amount / (dose.end - dose.start)
        cy_cl = own["cy_cl"] * own["bsa_m2"] / own["cy_bsa"] * _H * self._cy_factor(begin)
        v1, v2, v3 = own["f_v1"] * size, own["f_v2"] * size, own["f_v3"] * size
        cl = (own["f_cl_nonrenal"] + own["f_cl_renal"] * own["egfr"] * 0.06) * flow
        q2, q3 = own["f_q2"] * flow, own["f_q3"] * flow
        ka, ke, ke2 = own["il2_ka"] * _H, own["il2_ke"] * _H, own["ke2"]
        cy_v, plasma_ml, cells = self.cy_v, self.plasma_ml, [0.0] * len(self.rendering.states)
        derivative, constants = self.rendering.derivative, self.constants

        def slope(_: float, values: Floats) -> list[float]:
            y = values.tolist()
            c_cy, c1 = y[_CY] / cy_v, y[_F1] / v1
            derivative(y[_DRUGS:], constants, (c_cy, c1, y[_EFFECT], running["cells"]), cells)
            to2, to3 = q2 * (c1 - y[_F2] / v2), q3 * (c1 - y[_F3] / v3)
            return [
                running["cy"] - cy_cl * c_cy,
                running["flu"] * own["f_molar"] - cl * c1 - to2 - to3,
                to2,
                to3,
                -ka * y[_DEPOT],
                ka * y[_DEPOT] - ke * y[_PLASMA],
                ke2 * (y[_PLASMA] / plasma_ml - y[_EFFECT]),
                c_cy,
                c1,
                *cells,
            ]

        return slope
