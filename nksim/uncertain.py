"""How far a population's medians move when the calibrated parameters are drawn from what the calibration left open."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nksim.errors import UsageError
from nksim.metrics import measure
from nksim.plan import parameter_draws, simulate
from nksim.simulation import Simulation

__all__ = ["Uncertain", "Unsure", "uncertain"]

MOST_PATIENTS = 500


@dataclass(frozen=True)
class Unsure:
    """One metric over the draws: 5 %, 50 % and 95 % of the population's median, of a yes its fraction."""

    metric: str
    unit: str
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Uncertain:
    """All metrics of one regimen over `draws` of the parameters in `names`, in `patients` virtual patients each."""

    label: str
    draws: int
    patients: int
    names: tuple[str, ...]
    metrics: tuple[Unsure, ...]


def uncertain(simulation: Simulation, draws: int) -> Uncertain:
    """The same patients under `draws` parameter sets drawn from the calibration's covariance.

    Of more than 500 patients the first 500. Raises `UsageError` NK668 for a set that was not calibrated, NK669 where
    the patients were not kept.
    """
    known = simulation.parameter_set.uncertainty
    if known is None:
        name = simulation.parameter_set.name
        raise UsageError(
            "NK668", f"{name} was not calibrated: it has no uncertainty to draw from", help="--model model2"
        )
    if simulation.measured is not None:
        raise UsageError(
            "NK669",
            "too many patients for draws of the parameters",
            help="fewer patients (-n), and no --parts or --cluster: their curves must be held",
        )
    people = simulation.population.subset(np.arange(min(len(simulation.population), MOST_PATIENTS)))
    found: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    for shifts in parameter_draws(simulation.parameter_set, draws, simulation.seed):
        settings = replace(simulation.settings, shifts=tuple(shifts.items()))
        made = simulate(simulation.choice, people, seed=simulation.seed, settings=settings, label=simulation.label)
        for name, values in measure(made).items():
            found.setdefault(name, []).append(values.median)
            units[name] = values.unit
    return Uncertain(
        simulation.label, draws, len(people), known.names, tuple(_unsure(k, units[k], v) for k, v in found.items())
    )


def _unsure(name: str, unit: str, medians: list[float]) -> Unsure:
    there = [x for x in medians if np.isfinite(x)]
    low, middle, high = np.quantile(there, (0.05, 0.5, 0.95)) if there else (np.nan,) * 3
    return Unsure(name, unit, float(low), float(middle), float(high))
