"""What each further infusion adds to a curve: the same patients with the first, the first two, ... infusions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.plan import simulate
from nksim.simulation import Simulation

Floats = NDArray[np.float64]
MOST_PATIENTS = 1000


@dataclass(frozen=True, eq=False)
class Contributions:
    """Median curves of an output: `medians[j]` (t,) after the first j + 1 infusions, all else as planned.

    They are of all patients, or of the `first` so many where the curves of all were not held.

    Lines, not a stack of areas: cells compete and are rejected, so that infusions do not simply add up.
    """

    label: str
    output: str
    times_d: Floats
    days: tuple[float, ...]
    medians: tuple[Floats, ...]
    first: int | None = None


def contributions(simulation: Simulation, output: str = "donor_nk") -> Contributions:
    """The curves of a simulation with fewer infusions; the last is its own."""
    whole = simulation.held(MOST_PATIENTS)
    first = len(whole.population) if len(whole.population) < len(simulation.population) else None
    days = tuple(float(t) for t in whole.infusions_d)
    parts = [
        simulate(whole.choice, whole.population, seed=whole.seed, settings=whole.settings, infusions=j)
        for j in range(1, len(days))
    ]
    medians = tuple(np.median(s.outputs[output], axis=0) for s in (*parts, whole))
    return Contributions(whole.label, output, whole.times_d, days, medians, first)
