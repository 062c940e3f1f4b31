"""Cyclophosphamide, F-ara-A and subcutaneous IL-2 in closed form, and their exact areas under the curve.

All three are linear, so their course is a sum of exponentials between any two cuts of the timeline; it is carried
over from segment to segment without error of integration. Time is in days, concentrations in mg/L and IU/mL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nksim.kinetics import Floats
from nksim.kinetics.events import Covariates
from nksim.kinetics.exponentials import chain2, chain3, three_compartments
from nksim.kinetics.timeline import Timeline

__all__ = ["DRUG_PARAMETERS", "CourseOf", "DrugRates", "drug_course", "drug_rates"]

DRUG_PARAMETERS = (
    "cy_cl", "cy_v", "cy_bsa", "cy_day2", "cy_day3", "f_molar", "f_cl_nonrenal", "f_cl_renal", "f_v1", "f_v2",
    "f_v3", "f_q2", "f_q3", "f_weight", "f_power", "il2_f", "il2_lag", "il2_ka", "il2_ke", "il2_cl", "il2_bsa", "ke2",
)  # fmt: skip
_HOURS = 24.0


@dataclass(frozen=True, eq=False)
class DrugRates:
    """Rates per day and scales of n patients, each (n,).

    `cy_cl` is in L/d and `cy_factor` its three values by day of course; `f_rates` and `f_parts` are the disposition
    of F-ara-A, `f_per_mg` its mg/L per mg of phosphate; `il2_per_iu` is IU/mL per IU injected.
    """

    cy_cl: Floats
    cy_v: Floats
    cy_factor: tuple[Floats, Floats, Floats]
    f_rates: tuple[Floats, ...]
    f_parts: tuple[Floats, ...]
    f_per_mg: Floats
    il2_lag_d: Floats
    ka: Floats
    ke: Floats
    ke2: Floats
    il2_per_iu: Floats


def drug_rates(parameters: Mapping[str, Floats], covariates: Covariates) -> DrugRates:
    """Individual rates from parameters in their published units (hours, per 1.4 m2, per 70 kg, per 1.8 m2).

    F-ara-A clearance: CL = (nonrenal + renal * eGFR in L/h) * (weight / 70)^0.75 (Langenhorst 2019,
    doi:10.1007/s40262-018-0715-9), with eGFR as indexed to 1.73 m2.
    """
    p = parameters
    size = covariates.weight_kg / p["f_weight"]
    flow = np.exp(p["f_power"] * np.log(size)) * _HOURS
    egfr_l_h = covariates.egfr_ml_min_1_73m2 * 0.06
    v1 = p["f_v1"] * size
    q2, q3 = p["f_q2"] * flow, p["f_q3"] * flow
    rates, parts = three_compartments(
        (p["f_cl_nonrenal"] + p["f_cl_renal"] * egfr_l_h) * flow / v1,
        q2 / v1, q2 / (p["f_v2"] * size), q3 / v1, q3 / (p["f_v3"] * size),
    )  # fmt: skip
    surface = covariates.bsa_m2 / p["cy_bsa"]
    il2_v_ml = p["il2_cl"] * covariates.bsa_m2 / p["il2_bsa"] / p["il2_ke"] * 1000.0
    return DrugRates(
        cy_cl=p["cy_cl"] * surface * _HOURS,
        cy_v=p["cy_v"] * surface,
        cy_factor=(np.ones_like(size), p["cy_day2"] * np.ones_like(size), p["cy_day3"] * np.ones_like(size)),
        f_rates=rates,
        f_parts=parts,
        f_per_mg=p["f_molar"] / v1,
        il2_lag_d=p["il2_lag"] / _HOURS * np.ones_like(size),
        ka=p["il2_ka"] * _HOURS * np.ones_like(size),
        ke=p["il2_ke"] * _HOURS * np.ones_like(size),
        ke2=p["ke2"] * np.ones_like(size),
        il2_per_iu=p["il2_f"] / il2_v_ml,
    )


@dataclass(frozen=True, eq=False)
class CourseOf:
    """State of the drugs at the start of each segment, rows (m, n), from which any later time follows.

    `cy` and `cy_level` are concentration and the level an everlasting infusion would reach, `cy_rate` the rate
    constant; `f` and `f_level` the same for the three exponentials; `depot`, `central` and `effect` belong to IL-2.
    """

    rates: DrugRates
    cy: Floats
    cy_level: Floats
    cy_rate: Floats
    f: tuple[Floats, Floats, Floats]
    f_level: tuple[Floats, Floats, Floats]
    depot: Floats
    central: Floats
    effect: Floats


def _toward(start: Floats, level: Floats, fade: Floats) -> Floats:
    """One exponential on its way from `start` to `level`; `fade` is exp(-rate * time)."""
    return start * fade + level * (1.0 - fade)


def drug_course(rates: DrugRates, line: Timeline) -> CourseOf:
    """Carry all drugs through the timeline, segment by segment."""
    m, n = line.bolus["cy"].shape
    rows = {name: np.zeros((m, n)) for name in ("cy", "cy_level", "cy_rate", "depot", "central", "effect")}
    f = tuple(np.zeros((m, n)) for _ in range(3))
    f_level = tuple(np.zeros((m, n)) for _ in range(3))
    factor = np.ones(n)
    cy, depot, central, effect = (np.zeros(n) for _ in range(4))
    modes = [np.zeros(n) for _ in range(3)]
    with np.errstate(invalid="ignore"):
        lengths = np.where(np.isfinite(line.breaks[1:]), line.breaks[1:] - line.breaks[:-1], 0.0)
    for s, length in enumerate(lengths):
        day = line.cy_day[s]
        for first, value in zip((1.0, 2.0, 3.0), rates.cy_factor, strict=True):
            factor = np.where(day >= first, value, factor)
        cy_rate = rates.cy_cl * factor / rates.cy_v
        cy = cy + line.bolus["cy"][s] / rates.cy_v
        cy_level = line.rate["cy"][s] / (rates.cy_cl * factor)
        depot = depot + line.bolus["il2"][s] * rates.il2_per_iu
        for name, value in (
            ("cy", cy), ("cy_level", cy_level), ("cy_rate", cy_rate),
            ("depot", depot), ("central", central), ("effect", effect),
        ):  # fmt: skip
            rows[name][s] = value
        cy = _toward(cy, cy_level, np.exp(-cy_rate * length))
        depot, central, effect = _il2_after(rates, depot, central, effect, length)
        for i, (rate, part) in enumerate(zip(rates.f_rates, rates.f_parts, strict=True)):
            modes[i] = modes[i] + line.bolus["flu"][s] * rates.f_per_mg * part
            level = line.rate["flu"][s] * rates.f_per_mg * part / rate
            f[i][s], f_level[i][s] = modes[i], level
            modes[i] = _toward(modes[i], level, np.exp(-rate * length))
    return CourseOf(rates, f=(f[0], f[1], f[2]), f_level=(f_level[0], f_level[1], f_level[2]), **rows)


def _il2_after(
    r: DrugRates, depot: Floats, central: Floats, effect: Floats, t: Floats
) -> tuple[Floats, Floats, Floats]:
    """Depot, central and effect compartment a time `t` later."""
    later = (
        effect * np.exp(-r.ke2 * t)
        + r.ke2 * central * chain2(r.ke, r.ke2, t)
        + r.ke2 * r.ka * depot * chain3(r.ka, r.ke, r.ke2, t)
    )
    return depot * np.exp(-r.ka * t), central * np.exp(-r.ke * t) + r.ka * depot * chain2(r.ka, r.ke, t), later
