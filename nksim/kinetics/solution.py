"""What a solver hands back, and how outputs are made from states; shared by the engine and the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nksim.errors import InvalidInput, ModelFailure
from nksim.kinetics import Floats
from nksim.kinetics.assay import fraction
from nksim.kinetics.drugs import DRUG_PARAMETERS
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.levels import DRUG_OUTPUTS
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import Rendering, for_arrays

__all__ = ["OUTPUTS", "Solution", "Steps", "checked", "read_off", "states_for", "stuck", "with_chimerism"]

# fmt: off
_DIVISORS = frozenset((
    "T0", "I0", "E15", "E2", "E2T", "KTr", "D50", "Kcap", "bv", "pmax", "cy_cl", "cy_v", "cy_bsa", "cy_day2", "cy_day3",
    "f_v1", "f_v2", "f_v3", "f_q2", "f_q3", "f_weight", "il2_ka", "il2_ke", "il2_cl", "il2_bsa", "ke2",
))
# fmt: on
_FRACTIONS = frozenset(("fP", "atg", "fTr", "fsurv", "flung", "fb", "antigen", "il2_f"))

OUTPUTS = ("donor_nk", "host_nk", "nk_chimerism", "alc", "il15", *DRUG_OUTPUTS)
"""Outputs of every run: cells/uL, cells/uL, fraction, cells/uL, pg/mL, mg/L, mg/L, IU/mL."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps of the cell equations by patient, each (n,): taken, and tried but refused."""

    taken: NDArray[np.intp]
    refused: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Solution(Mapping[str, Floats]):
    """Trajectories by name, each (n, t) at `times_d` (t,); areas (n,) under the drugs' curves in mg h/L.

    At the time of a dose the values are those just before it. `aside` holds values at times asked for beside those.
    """

    times_d: Floats
    trajectories: dict[str, Floats]
    cy_auc: Floats
    f_ara_a_auc: Floats
    steps: Steps
    aside: dict[str, Floats] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Floats:
        return self.trajectories[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.trajectories)

    def __len__(self) -> int:
        return len(self.trajectories)

    def at(self, positions: NDArray[np.intp]) -> Solution:
        """The same at some of its times, by their positions."""
        return replace(
            self,
            times_d=self.times_d[positions],
            trajectories={name: np.ascontiguousarray(x[:, positions]) for name, x in self.trajectories.items()},
        )


def checked(
    events: EventTable,
    parameters: Mapping[str, Floats],
    covariates: Covariates,
    times_d: Floats,
    outputs: Sequence[str],
) -> tuple[dict[str, Floats], Floats]:
    """Parameters as float arrays (n,) and output times, or InvalidInput with what does not fit."""
    known = (*MODEL.parameters, *DRUG_PARAMETERS)
    if missing := sorted(set(known) - set(parameters)):
        raise InvalidInput("NK620", f"parameter {missing[0]} has no value")
    if unknown := sorted(set(parameters) - set(known)):
        raise InvalidInput("NK621", f"the model has no parameter {unknown[0]}")
    if covariates.count != events.count:
        raise InvalidInput("NK622", f"covariates of {covariates.count} patients, doses of {events.count}")
    arrays = {name: np.ascontiguousarray(parameters[name], dtype=np.float64) for name in known}
    for name, array in arrays.items():
        if array.shape != (events.count,):
            raise InvalidInput("NK622", f"parameter {name} needs one value for each of {events.count} patients")
    together: Floats = np.stack(list(arrays.values()))
    least, most = together.min(axis=1, initial=np.inf), together.max(axis=1, initial=0.0)
    for i, name in enumerate(arrays):
        if not (least[i] >= 0 and most[i] < np.inf):
            raise InvalidInput("NK623", f"parameter {name} is negative or not finite")
        if name in _DIVISORS and not least[i] > 0:
            raise InvalidInput("NK626", f"parameter {name} is 0, and the equations divide by it")
        if name in _FRACTIONS and not (most[i] < 1 or (most[i] == 1 and name != "fb")):
            raise InvalidInput("NK627", f"parameter {name} is a fraction and too large")
    times = np.array(times_d, dtype=np.float64)
    if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise InvalidInput("NK624", "output times must be finite and ascend")
    states = {state.name for state in MODEL.states}
    if unknown := sorted(set(outputs) - states - set(OUTPUTS)):
        raise InvalidInput("NK625", f"no output is called {unknown[0]!r}", help=f"use {', '.join(OUTPUTS)}")
    return arrays, times


def states_for(outputs: Sequence[str], rendering: Rendering) -> tuple[str, ...]:
    """The states that must be recorded to make these outputs, in the model's order."""
    wanted = set(outputs)
    if "nk_chimerism" in wanted:
        wanted |= {"donor_nk", "host_nk"}
    for name in wanted & set(rendering.outputs):
        wanted |= set(rendering.output_states[name])
    return tuple(name for name in rendering.states if name in wanted)


def read_off(outputs: Sequence[str], states: Mapping[str, Floats], constants: Sequence[Floats]) -> dict[str, Floats]:
    """The outputs (n, t) that follow from recorded states (n, t) and the run's constants (n,)."""
    rendering = for_arrays(MODEL)
    y = [states.get(name, np.zeros(0)) for name in rendering.states]
    c = [np.asarray(row)[:, None] for row in constants]
    made: dict[str, Floats] = {}
    for name in outputs:
        if name in rendering.outputs:
            made[name] = np.ascontiguousarray(rendering.outputs[name](y, c))
        elif name == "nk_chimerism":
            donor, host = rendering.outputs["donor_nk"](y, c), rendering.outputs["host_nk"](y, c)
            made[name] = fraction(donor, donor + host)
        elif name in states:
            made[name] = states[name]
    return made


def stuck(who: str, parameters: Mapping[str, Floats], i: int, day: float, steps: int, most: int) -> ModelFailure:
    """NK601 for patient `i`, called `who`, whom an engine left at a `day` after so many steps, or more than `most`."""
    own = ", ".join(f"{name}={values[i]:.6g}" for name, values in parameters.items())
    what = f"no step could be taken at day {day:.6g} after {steps} steps"
    if steps > most:
        what = f"{steps} steps came no farther than day {day:.6g}"
    return ModelFailure("NK601", f"{who}: {what}", help=f"look for an extreme value among {own}")


def with_chimerism(outputs: Sequence[str], made: Mapping[str, Floats]) -> dict[str, Floats]:
    """The outputs in their order, NK chimerism from the two counts that it is made of."""
    found = dict(made)
    if "nk_chimerism" in outputs:
        found["nk_chimerism"] = fraction(made["donor_nk"], made["donor_nk"] + made["host_nk"])
    return {name: found[name] for name in outputs}
