"""One virtual patient's run of a regimen as SBML, with what that format cannot carry said in it."""

from __future__ import annotations

import numpy as np

from nksim.errors import UsageError
from nksim.kinetics.events import Covariates
from nksim.kinetics.sbml import sbml
from nksim.output.provenance import Provenance
from nksim.plan import parameter_values
from nksim.simulation import Simulation

__all__ = ["NOT_CARRIED", "exported"]

NOT_CARRIED = (
    "the spread between patients: this is one virtual patient, with that patient's parameters as numbers",
    "where each value stands (published, derived, assumed, calibrated) and its source",
    "the assay: its lineage and its limit of detection",
    "extinction: the last few hundred donor cells, which die out at random, fade out by the equations",
    "the calendar: dates, clock times, windows, assessments, and products that are not modelled",
)


def exported(s: Simulation, about: Provenance) -> str:
    """SBML of the first patient of a simulation from its first dose to its last day.

    Raises `UsageError` NK635 for the empirical model, which has no equations.
    """
    p = s.population
    if "e_cmax" in s.parameter_set.parameters(s.preset):
        raise UsageError(
            "NK635", f"{s.parameter_set.name} is a curve, not equations that SBML could carry", help="--model model2"
        )
    values = parameter_values(s.parameter_set.parameters(s.preset), p.index, s.seed)
    bodies = Covariates(p.weight_kg, np.sqrt(p.height_cm * p.weight_kg / 3600), p.egfr_ml_min_1_73m2)
    notes = (
        s.choice.protocol.title,
        f"virtual patient {int(p.index[0])}: {p.age_y[0]:.3g} years, {p.weight_kg[0]:.3g} kg; days are from day 0",
        about.line(),
        *(f"assumed: {text}" for text in s.assumptions),
        *(f"not carried: {text}" for text in NOT_CARRIED),
    )
    return sbml(s.events, values, bodies, end_d=float(s.times_d[-1]), notes=notes)
