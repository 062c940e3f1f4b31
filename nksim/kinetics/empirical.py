"""The empirical model: growth to a peak, then two declines, for products of which only such numbers are known.

Stein 2019 (doi:10.1002/psp4.12388) for one dose of CAR-T cells: C = R0 exp(ρt) up to Tmax, with ρ = ln(foldx)/Tmax and
R0 = Cmax/foldx; then C = Cmax [(1-FB) exp(-α(t-Tmax)) + FB exp(-β(t-Tmax))]. Here Cmax goes with the dose per kg, and
doses are summed. Host cells, IL-15 and drugs are those of the mechanistic model without donor cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from nksim.errors import InvalidInput
from nksim.kinetics import Floats
from nksim.kinetics.assay import fraction
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.solution import Solution

__all__ = ["PARAMETERS", "curve", "solve"]

PARAMETERS = ("e_cmax", "e_tmax", "e_foldx", "e_alpha", "e_fb", "e_beta")


def curve(since_d: Floats, parameters: Mapping[str, Floats]) -> Floats:
    """Cells/µL (n, t) at days since one dose of 1e6 cells/kg, 0 before it; parameters (n,) each."""
    cmax, tmax, foldx, alpha, slow, beta = (np.asarray(parameters[name])[:, None] for name in PARAMETERS)
    t = np.maximum(np.asarray(since_d, dtype=np.float64), 0.0)
    late = np.maximum(t - tmax, 0.0)
    rising = cmax / foldx * np.exp(np.log(foldx) / tmax * np.minimum(t, tmax))
    falling = cmax * ((1 - slow) * np.exp(-alpha * late) + slow * np.exp(-beta * late))
    return np.where(np.asarray(since_d) <= 0, 0.0, np.where(t < tmax, rising, falling))


def solve(
    inner: Callable[..., Solution],
    events: EventTable,
    parameters: Mapping[str, Floats],
    covariates: Covariates,
    times_d: Floats,
    **options: object,
) -> Solution:
    """As an engine's `solve`; `inner` is the engine that follows the host."""
    own = {name: np.asarray(parameters[name], dtype=np.float64) for name in PARAMETERS}
    if not all((np.isfinite(x) & (x > 0)).all() for x in own.values()) or not (own["e_fb"] < 1).all():
        raise InvalidInput("NK623", "a parameter of the empirical model is not positive, or e_fb not below 1")
    cells = np.array([t == "cells" for t in events.target])
    host = inner(
        replace(events, amount=np.where(cells, 0.0, events.amount)),
        {name: x for name, x in parameters.items() if name not in own},
        covariates,
        times_d,
        **options,
    )
    donor = np.zeros((events.count, len(host.times_d)))
    for k in np.flatnonzero(cells):
        # A dose counts from the end of its infusion, as the day of the dose does in print.
        since = host.times_d - (events.time_d[k] + events.duration_d[k])
        donor += (events.amount[:, k] / covariates.weight_kg / 1e6)[:, None] * curve(since, own)
    made = dict(host.trajectories)
    made |= {"donor_nk": donor} if "donor_nk" in made else {}
    made |= {"alc": made["alc"] + donor} if "alc" in made else {}
    if "nk_chimerism" in made:
        made["nk_chimerism"] = fraction(donor, donor + host["host_nk"])
    return replace(host, trajectories=made)
