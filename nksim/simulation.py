"""Trajectories of virtual patients under one choice, with everything that they rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim.doses import infusion_starts, origin_day
from nksim.errors import UsageError
from nksim.kinetics import native
from nksim.kinetics.assay import copies_per_ug, counted
from nksim.kinetics.events import EventTable
from nksim.kinetics.native import Room, array_in
from nksim.kinetics.parameters import ParameterSet
from nksim.kinetics.readings import Marks, Readings
from nksim.kinetics.solution import Solution
from nksim.population import ASSUMPTIONS, Population, uniforms
from nksim.protocol.choice import Choice
from nksim.schedule.expansion import Schedule
from nksim.schedule.finding import Finding
from nksim.schedule.timing import protocol_day
from nksim.settings import Settings
from nksim.slack import TIMINGS

Floats = NDArray[np.float64]
# More values of curves than this are summed up as they go by.
MOST_VALUES = 30_000_000
SAME_DONOR = "graft donor"
# Minutes are counted from long before any first dose, so that they can number random draws.
MINUTES_BEFORE = 1 << 21
OPEN_AGE_Y = 120.0
OLDEST_DRAWN_Y = 80.0


@dataclass(frozen=True, eq=False)
class Simulation:
    """Trajectories of one choice in a population, with everything that they rest on.

    `label` tells it from others beside it; `solution` holds outputs (n, t) at its `times_d`; `events` the doses
    (n, k) that went in; `not_modelled` the products that the kinetic model does not know; `infusion_ends` (n, i) the
    donor NK counts at the end of each cell infusion, in cells/µL, nan where the timing is sampled; `measured` the
    metrics, where they were taken while the trajectories went by; `reliances` says in words how far the answer hangs on
    parameters of each basis; `room` lent the arrays of the curves. `infusion_spread_d` (2, i) holds the earliest and
    the latest start of each cell infusion among the patients. `readings` are what was read off curves that are gone.
    """

    choice: Choice
    label: str
    population: Population
    seed: int
    settings: Settings
    events: EventTable
    solution: Solution
    parameter_set: ParameterSet
    preset: str
    not_modelled: tuple[str, ...]
    findings: tuple[Finding, ...]
    typical: Schedule
    infusion_ends: Floats
    infusion_spread_d: Floats
    measured: dict[str, Any] | None = None
    reliances: tuple[str, ...] = ()
    room: Room | None = None
    readings: Readings | None = None

    @property
    def times_d(self) -> Floats:
        """Days from day 0 of every output, (t,)."""
        return self.solution.times_d

    @cached_property
    def marks(self) -> Marks:
        """Where metrics look at the curves."""
        return Marks.at(self.times_d, self.infusion_spread_d, self.settings.every_d)

    @property
    def infusions_d(self) -> Floats:
        """Starts of the cell infusions in days from day 0."""
        return infusion_starts(self.events)

    @property
    def chimerism_visible(self) -> bool:
        """False where the NK donor gave the graft as well: no assay of donor DNA tells the two apart."""
        return all(p.donor != SAME_DONOR for p in self.choice.protocol.products.values() if p.kind == "nk")

    @cached_property
    def outputs(self) -> dict[str, Floats]:
        """Every output (n, t) of the contract: the model's own, and chimerism as the assay measures it.

        `donor_nk_counted` is there where the assay looks at more than NK cells, `car_copies` where it was asked for.
        """
        found = dict(self.solution)
        if self.settings.copies_per_cell is not None:
            white = found["alc"] + (self.settings.other_cells or 0.0)
            found["car_copies"] = copies_per_ug(found["donor_nk"], white, self.settings.copies_per_cell)
        if not self.chimerism_visible:
            found.pop("nk_chimerism")
            return found
        found["nk_chimerism_assay"] = self._measured()
        if self.settings.lineage != "NK":
            found["donor_nk_counted"] = counted(found, found["nk_chimerism_assay"])
        return found

    def _measured(self) -> Floats:
        """Chimerism (n, t) as the assay reports it; each sample of each patient has a random number of its own."""
        assay = self.settings.assay
        if assay.sampled_cells is None:
            true = assay.true(self.solution)
            return assay.read(true, into=array_in(self.room, "nk_chimerism_assay", true.shape))
        minutes = np.round(self.times_d * 1440).astype(np.int64) + MINUTES_BEFORE
        drawn = uniforms(self.seed, self.population.index[:, None], "sampled cells", minutes)
        return assay.read(assay.true(self.solution), drawn)

    @property
    def engine(self) -> str:
        """The engine that did the work."""
        return engine_used(self.settings.engine)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of `outputs`."""
        return tuple(self.outputs)

    def held(self, most: int) -> Simulation:
        """A simulation that holds its curves: itself, or its first `most` patients where it summed them up."""
        return self

    def bands(self, name: str, quantiles: Sequence[float]) -> tuple[Floats, Floats]:
        """Mean (t,) and quantiles (q, t) over patients of one output."""
        values = self.outputs[name]
        return np.array([math.fsum(column) / len(column) for column in values.T]), self.quantiles(name, quantiles)

    def quantiles(self, name: str, quantiles: Sequence[float]) -> Floats:
        """Quantiles (q, t) over patients of one output, without the mean, whose exact sum takes long."""
        return np.asarray(np.quantile(self.outputs[name], quantiles, axis=0))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the result rests on that nobody has stated, in sentences that name every assumed value."""
        facts = "; ".join(f"{path} = {fact.chosen.text}" for path, fact in self.choice.assumed())
        assumed = self.parameter_set.assumed(self.preset)
        total = len(self.parameter_set.parameters(self.preset))
        found = (
            [f"by the protocol file (`nksim protocols why {self.choice.protocol.id} PATH`): {facts}"] if facts else []
        )
        if self.choice.protocol.population.age[1] >= OPEN_AGE_Y:
            found.append(f"ages without an upper limit in the registration end at {OLDEST_DRAWN_Y:g} years")
        if origin := origin_day(self.choice):
            day = protocol_day(origin, bool(self.choice.protocol.numbering.zero.value))
            found.append(f"curves and metrics count days from the first cells, the protocol's own day {day}")
        found += ASSUMPTIONS
        if self.settings.timing == "sampled":
            found.append(
                f"doses depart from their plan within the windows and delays of the file, in {TIMINGS} timings "
                "that the patients share and that are the same under every regimen for a line of the same name; marks "
                "and visits are those planned"
            )
        found.append(
            f"{len(assumed)} of {total} parameters of {self.parameter_set.name} for {self.preset}: {', '.join(assumed)}"
        )
        found += self.reliances
        if not self.chimerism_visible:
            found.append(
                "the NK donor gave the graft as well: an assay of donor DNA tells the graft from the recipient, and so "
                "sees relapse, but chimerism cannot see these cells and is not shown; the counts are the model's alone"
            )
        elif self.settings.sampled_cells is not None:
            found.append(
                f"{self.settings.sampled_cells:,} cells are looked at anew at every output, every "
                f"{24 * self.settings.every_d:g} h: rarer samples find less"
            )
        found += [
            f"{name} is on the calendar but not modelled: what it does to lymphocytes and cells is missing"
            for name in self.not_modelled
        ]
        if "il2" in self.events.target:
            found.append(
                "the effect of interleukin-2 is small in this model and hangs on assumptions: do not rank "
                "interleukin-2 schedules by it"
            )
        return tuple(found)


def curve_values(n: int, settings: Settings) -> float:
    """About how many values the curves of `n` patients have; two weeks lie before day 0."""
    return n * (settings.days + 14) / settings.every_d * 9


def too_many_to_hold(n: int, settings: Settings) -> bool:
    """Whether the curves of `n` patients are better summed up in chunks than held."""
    return curve_values(n, settings) > MOST_VALUES


def age_range(choice: Choice) -> tuple[float, float]:
    """Ages of the trial's population in years, an open upper end at `OLDEST_DRAWN_Y`."""
    low, high = choice.protocol.population.age
    return low, OLDEST_DRAWN_Y if high >= OPEN_AGE_Y else high


def engine_used(name: str) -> str:
    """The engine that `name` stands for here: auto is native where it was built, else numpy."""
    if name == "native" and not native.available():
        raise UsageError("NK646", "the native engine was not built", help="--engine numpy, or install with a compiler")
    return name if name != "auto" else "native" if native.available() else "numpy"
