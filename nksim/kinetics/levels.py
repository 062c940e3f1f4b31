"""Drug concentrations at given times and exact areas under the curve, read off a course of the drugs."""

from __future__ import annotations

import numpy as np

from nksim.kinetics import Floats
from nksim.kinetics.drugs import CourseOf
from nksim.kinetics.exponentials import chain2
from nksim.kinetics.timeline import Timeline

__all__ = ["DRUG_OUTPUTS", "areas", "concentrations"]

DRUG_OUTPUTS = ("cy", "f_ara_a", "il2")
# A concentration of less than this, in mg/L or IU/mL, is none: far less than any assay finds.
NONE_BELOW = 1e-12


def concentrations(course: CourseOf, line: Timeline, times_d: Floats) -> dict[str, Floats]:
    """Arrays (n, t) of cy and f_ara_a in mg/L and il2 in IU/mL; at the time of a dose the value is the one before.

    Values below `NONE_BELOW` are 0.
    """
    n = line.segments.shape[0]
    out = {name: np.zeros((n, times_d.shape[0])) for name in DRUG_OUTPUTS}
    if course.cy.shape[0] == 0:
        return out
    patients = np.arange(n)
    rates = course.rates
    for j, time_d in enumerate(times_d):
        segment = (line.breaks < time_d).sum(axis=0) - 1
        begun = segment >= 0
        at = (np.maximum(segment, 0), patients)
        t = np.where(begun, time_d - line.breaks[at], 0.0)
        fade = np.exp(-course.cy_rate[at] * t)
        out["cy"][:, j] = np.where(begun, course.cy[at] * fade + course.cy_level[at] * (1.0 - fade), 0.0)
        for rate, start, level in zip(rates.f_rates, course.f, course.f_level, strict=True):
            fade = np.exp(-rate * t)
            out["f_ara_a"][:, j] += np.where(begun, start[at] * fade + level[at] * (1.0 - fade), 0.0)
        il2 = course.central[at] * np.exp(-rates.ke * t)
        il2 = il2 + rates.ka * course.depot[at] * chain2(rates.ka, rates.ke, t)
        out["il2"][:, j] = np.where(begun, il2, 0.0)
    for values in out.values():
        values[values < NONE_BELOW] = 0.0
    return out


def areas(course: CourseOf, line: Timeline) -> dict[str, Floats]:
    """Areas (n,) under cy and f_ara_a from the first dose to the end of the timeline, mg h/L."""
    total = {"cy_auc": np.zeros(line.segments.shape[0]), "f_ara_a_auc": np.zeros(line.segments.shape[0])}
    for s in range(course.cy.shape[0]):
        inside = np.isfinite(line.breaks[s + 1])
        t = np.where(inside, line.breaks[s + 1], 0.0) - np.where(inside, line.breaks[s], 0.0)
        total["cy_auc"] += _area(course.cy[s], course.cy_level[s], course.cy_rate[s], t)
        for rate, start, level in zip(course.rates.f_rates, course.f, course.f_level, strict=True):
            total["f_ara_a_auc"] += _area(start[s], level[s], rate, t)
    return {name: value * 24.0 for name, value in total.items()}


def _area(start: Floats, level: Floats, rate: Floats, t: Floats) -> Floats:
    """Area under one exponential that goes from `start` towards `level`."""
    return level * t + (start - level) * (-np.expm1(-rate * t)) / rate
