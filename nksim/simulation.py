"""Choice × population → trajectories: the same doses as the calendar's, given to virtual patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim.doses import (
    first_infusions,
    given,
    has_transgene,
    infusion_ends,
    infusion_starts,
    origin_day,
    planned_doses,
    preset_of,
    sizes_of,
)  # fmt: skip
from nksim.errors import InvalidInput, UsageError
from nksim.kinetics import curves, empirical, engine, extinction, native, reference
from nksim.kinetics.assay import copies_per_ug, counted, fraction
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.native import Room, array_in
from nksim.kinetics.parameters import Parameter, ParameterSet, draw, load, perturbed
from nksim.kinetics.readings import Dying, Marks, Readings, follow
from nksim.kinetics.solution import OUTPUTS, Solution
from nksim.population import ASSUMPTIONS, Population, normals, uniforms
from nksim.protocol.choice import Choice
from nksim.schedule.expansion import Schedule, expand
from nksim.schedule.finding import Finding
from nksim.schedule.safety import regimen_findings
from nksim.schedule.timing import protocol_day
from nksim.settings import Settings
from nksim.slack import TIMINGS, drawn_shifts, shifted, solve_sampled

Floats = NDArray[np.float64]
# More values of curves than this are summed up as they go by, and more than the second are never held at once.
MOST_VALUES = 30_000_000
MOST_HELD = 120_000_000
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


def engine_used(name: str) -> str:
    """The engine that `name` stands for here: auto is native where it was built, else numpy."""
    if name == "native" and not native.available():
        raise UsageError("NK646", "the native engine was not built", help="--engine numpy, or install with a compiler")
    return name if name != "auto" else "native" if native.available() else "numpy"


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
