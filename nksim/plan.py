"""Choice × population → trajectories: the same doses as the calendar's, given to virtual patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim.doses import (
    first_infusions,
    given,
    has_transgene,
    infusion_ends,
    infusion_starts,
    planned_doses,
    preset_of,
    sizes_of,
)  # fmt: skip
from nksim.errors import InvalidInput, UsageError
from nksim.kinetics import curves, empirical, engine, extinction, native, reference
from nksim.kinetics.assay import fraction
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.native import Room
from nksim.kinetics.parameters import Parameter, ParameterSet, draw, load, perturbed
from nksim.kinetics.readings import Dying, Readings, follow
from nksim.kinetics.solution import OUTPUTS, Solution
from nksim.population import Population, normals, uniforms
from nksim.protocol.choice import Choice
from nksim.schedule.expansion import expand
from nksim.schedule.safety import regimen_findings
from nksim.settings import Settings
from nksim.simulation import Simulation, engine_used
from nksim.slack import TIMINGS, drawn_shifts, shifted, solve_sampled

__all__ = ["Plan", "parameter_draws", "parameter_values", "simulate", "solved"]

Floats = NDArray[np.float64]
# More values of curves than this are never held at once.
MOST_HELD = 120_000_000


class Plan:
    """A choice made ready for patients: planned doses, timings and parameters, worked out once for any number of them.

    `infusions` gives only the first so many cell infusions, everything else as planned. Raises `InvalidInput` NK644
    (no cells, or products of different kinetics) and `UsageError` NK634 (no transgene to count).
    """

    def __init__(
        self,
        choice: Choice,
        *,
        seed: int,
        settings: Settings | None = None,
        label: str = "",
        infusions: int | None = None,
    ) -> None:
        self.choice, self.seed, self.settings = choice, seed, settings or Settings()
        self.label, self.infusions = label or choice.name, infusions
        if self.settings.copies_per_cell is not None and not has_transgene(choice):
            raise UsageError(
                "NK634", f"the cells of {choice.name} carry no transgene", help="leave out --copies-per-cell"
            )
        self.planned, self.not_modelled = planned_doses(choice)
        self.keys = tuple((p.line.id, p.occasion) for p in self.planned)
        sampled = self.settings.timing != "planned"
        self.shifts = [drawn_shifts(choice, seed, t) for t in range(TIMINGS)] if sampled else []
        self.preset, self.parameter_set = preset_of(choice), load(self.settings.model)
        self.parameters = perturbed(self.parameter_set.parameters(self.preset), dict(self.settings.shifts))

    @property
    def reads_off(self) -> bool:
        """Whether `read` can do it: the engine is native, no timing sampled, the assay one of NK cells."""
        s = self.settings
        plain = s.lineage == "NK" and s.sampled_cells is None and s.copies_per_cell is None
        return plain and not self.shifts and not self._empirical and engine_used(s.engine) == "native"

    def run(self, population: Population, *, like: Simulation | None = None, room: Room | None = None) -> Simulation:
        """Simulate a population; patient i is drawn from (seed, i) alone, for every regimen.

        A simulation `like` it, of the same plan, lends its typical schedule and findings. A `room` lends its arrays:
        the curves are gone with the next run in it. Raises `InvalidInput` NK645 (more values than memory holds), and
        `ModelFailure` where the equations cannot be solved.
        """
        settings, events, values = self.settings, *self._drawn(population)
        tables = [shifted(events, self.keys, shifts) for shifts in self.shifts]
        times_d = _grid([events, *tables], settings)
        if tables:
            starts = np.array([infusion_starts(t) for t in tables])
            spread = np.array([starts.min(axis=0), starts.max(axis=0)])
            # The ends of infusions differ from timing to timing, so that no one count stands for them.
            ends = np.full((len(population), len(infusion_ends(events))), np.nan)
            both, covariates = np.union1d(times_d, infusion_ends(events)), _covariates(population, times_d)
            solver = partial(_solver(settings.engine), outputs=self._outputs)
            dense = solve_sampled(solver, tables, population.index, values, covariates, both)
            solution = dense.at(np.searchsorted(both, times_d))
        else:
            solution, ends = solved(events, values, population, times_d, settings.engine, self._outputs, room)
            spread = np.array([infusion_starts(events)] * 2)
        if few := self.parameter_set.extinct_below:
            by_engine = engine_used(settings.engine) == "native"
            solution = _died_out(solution, values, population, self.seed, spread[1], few, by_engine, room)
        return self._simulation(population, like, events, solution, ends, spread, room=room)

    def read(
        self,
        population: Population,
        *,
        like: Simulation,
        room: Room,
        series: Sequence[str],
        histogram: tuple[int, int, int],
    ) -> Simulation:
        """As `run`, with `readings` and without the curves; `histogram` as in `nksim.kinetics.readings.follow`."""
        settings, events, values = self.settings, *self._drawn(population)
        times_d, spread = like.times_d, np.array([infusion_starts(events)] * 2)
        few, dying = self.parameter_set.extinct_below, None
        if few:
            dying = _dying(times_d, values, population, self.seed, spread[1], few)
        solution, ends, readings = follow(
            events,
            values,
            _covariates(population, times_d),
            times_d,
            outputs=self._outputs,
            aside_d=infusion_ends(events),
            marks=like.marks,
            dying=dying,
            limits=(settings.lod, settings.loq),
            series=series,
            histogram=histogram,
            room=room,
        )
        return self._simulation(population, like, events, solution, ends, spread, readings=readings)

    @property
    def _empirical(self) -> bool:
        return empirical.PARAMETERS[0] in self.parameters

    @property
    def _outputs(self) -> tuple[str, ...]:
        """What is asked of the engine: where the last cells die out at random chimerism follows from what is left."""
        if not self.parameter_set.extinct_below:
            return OUTPUTS
        return (*(name for name in OUTPUTS if name != "nk_chimerism"), "S")

    def _drawn(self, population: Population) -> tuple[EventTable, dict[str, Floats]]:
        """Doses and parameters of these patients."""
        events = given(self.choice, self.planned, sizes_of(population))
        if self.infusions is not None:
            events = first_infusions(events, self.infusions)
        return events, parameter_values(self.parameters, population.index, self.seed)

    def _simulation(
        self,
        population: Population,
        like: Simulation | None,
        events: EventTable,
        solution: Solution,
        ends: Floats,
        spread: Floats,
        room: Room | None = None,
        readings: Readings | None = None,
    ) -> Simulation:
        typical = like.typical if like else expand(self.choice, sizes_of(population).patient(0))
        found = like.findings if like else regimen_findings(typical)
        return Simulation(
            self.choice,
            self.label,
            population,
            self.seed,
            self.settings,
            events,
            solution,
            self.parameter_set,
            self.preset,
            self.not_modelled,
            found,
            typical,
            ends,
            spread,
            room=room,
            readings=readings,
        )


def simulate(
    choice: Choice,
    population: Population,
    *,
    seed: int,
    settings: Settings | None = None,
    label: str = "",
    infusions: int | None = None,
) -> Simulation:
    """Simulates an answered choice in a population; see `Plan` and its `run`."""
    return Plan(choice, seed=seed, settings=settings, label=label, infusions=infusions).run(population)


def parameter_draws(parameter_set: ParameterSet, draws: int, seed: int) -> list[dict[str, float]]:
    """Shifts of the parameters that the set is uncertain of, `draws` times; none where it knows of no uncertainty."""
    known = parameter_set.uncertainty
    if known is None:
        return []
    return [
        known.shifts([float(normals(seed, [k], f"uncertain {name}")[0]) for name in known.names]) for k in range(draws)
    ]


def _solver(name: str) -> Callable[..., Solution]:
    inner: Callable[..., Solution]
    inner = {"native": native.solve, "numpy": engine.solve, "reference": reference.solve}[engine_used(name)]

    def solve(events: EventTable, values: Mapping[str, Floats], *rest: Any, **options: Any) -> Solution:
        if empirical.PARAMETERS[0] in values:
            return empirical.solve(inner, events, values, *rest, **options)
        return inner(events, values, *rest, **options)

    return solve


def _died_out(
    solution: Solution,
    values: Mapping[str, Floats],
    population: Population,
    seed: int,
    infusions_d: Floats,
    below: float,
    by_engine: bool,
    room: Room | None = None,
) -> Solution:
    """The same without the donor cells of patients in whom the last few have died out at random."""
    made = {name: x for name, x in solution.trajectories.items() if name != "S"}
    dying = _dying(solution.times_d, values, population, seed, infusions_d, below)
    if by_engine:
        trajectories = solution.trajectories
        made["nk_chimerism"] = curves.die_out(
            solution.times_d, trajectories, dying.rates, dying.windows, below, dying.uniform, room
        )
        return replace(solution, trajectories={name: made[name] for name in OUTPUTS})
    column = {name: x[:, None] for name, x in values.items()}
    donor, host_t = solution["donor_nk"], solution["alc"] - solution["host_nk"] - solution["donor_nk"]
    death = column["dD"] + (column["kr0"] + column["krS"] * solution["S"]) * host_t / column["T0"]
    left = extinction.factors(
        solution.times_d,
        donor * dying.rates["scale"][:, None],
        death,
        infusions_d,
        below,
        lambda k: dying.uniform[k],
    )
    made["donor_nk"] = donor * left
    made["alc"] = solution["alc"] + made["donor_nk"] - donor
    made["nk_chimerism"] = fraction(made["donor_nk"], made["donor_nk"] + made["host_nk"])
    return replace(solution, trajectories={name: made[name] for name in OUTPUTS})


def _dying(
    times_d: Floats,
    values: Mapping[str, Floats],
    population: Population,
    seed: int,
    infusions_d: Floats,
    below: float,
) -> Dying:
    """How the last cells of these patients die out; each patient has a random number for each infusion."""
    windows = extinction.windows(times_d, infusions_d)
    drawn = uniforms(seed, population.index, "extinction", np.arange(len(windows))[:, None])
    # Blood holds the fraction fb of all cells, but for the first day after an infusion.
    scale = values["bv"] * population.weight_kg * 1000 / values["fb"]
    return Dying(windows, below, drawn, {"scale": scale, **{name: values[name] for name in ("dD", "kr0", "krS", "T0")}})


def _covariates(population: Population, times_d: Floats) -> Covariates:
    """Body measures of a population whose curves at these times can be held; raises `InvalidInput` NK645 if not."""
    if len(population) * len(times_d) * 9 > MOST_HELD:
        raise InvalidInput(
            "NK645",
            f"{len(population)} patients at {len(times_d)} times are too many to hold",
            help="fewer patients (-n), a coarser grid (--every) or fewer days (--days)",
        )
    bsa_m2 = np.sqrt(population.height_cm * population.weight_kg / 3600)
    return Covariates(population.weight_kg, bsa_m2, population.egfr_ml_min_1_73m2, population.index)


def solved(
    events: EventTable,
    values: Mapping[str, Floats],
    population: Population,
    times_d: Floats,
    name: str,
    outputs: Sequence[str] = OUTPUTS,
    room: Room | None = None,
) -> tuple[Solution, Floats]:
    """Outputs at `times_d`, and donor NK counts (n, i) at the end of each cell infusion, by the named engine."""
    covariates = _covariates(population, times_d)
    ends = infusion_ends(events)
    if engine_used(name) == "native" and empirical.PARAMETERS[0] not in values:
        made = native.solve(events, values, covariates, times_d, outputs=outputs, aside_d=ends, room=room)
        return made, made.aside["donor_nk"]
    dense = _solver(name)(events, values, covariates, np.union1d(times_d, ends), outputs=outputs)
    at_ends = dense["donor_nk"][:, np.searchsorted(dense.times_d, ends)]
    return dense.at(np.searchsorted(dense.times_d, times_d)), at_ends


def parameter_values(parameters: Mapping[str, Parameter], index: NDArray[np.int64], seed: int) -> dict[str, Floats]:
    """Individual parameters (n,) of the patients numbered `index`; each has a random number of its own."""
    names = list(dict.fromkeys(p.normal for p in parameters.values() if p.cv > 0))
    drawn = normals(seed, index, [f"parameter {name}" for name in names])
    return draw(parameters, dict(zip(names, drawn, strict=True)))


def _grid(tables: list[EventTable], settings: Settings) -> Floats:
    """Output times: every step from the day of the first dose (or day 0) to the last day, day 0 among them."""
    first = min(0.0, *(float(np.floor(t.time_d[0])) for t in tables if len(t.target)))
    before = int(np.ceil(-first / settings.every_d - 1e-9))
    after = int(np.floor(settings.days / settings.every_d + 1e-9))
    return np.arange(-before, after + 1, dtype=np.float64) * settings.every_d
