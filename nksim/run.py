"""Running regimens in virtual patients: the library's door to simulation and comparison."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nksim import comparison as pairing
from nksim.attainment import goals as parsed_goals
from nksim.errors import Unanswered, UsageError, shorten
from nksim.inquiry import NOTHING_MORE, Inquiry
from nksim.metrics import Values, measure, metric
from nksim.observed import Observed, read_observed
from nksim.output import comparisons, files, results, simulations
from nksim.output.provenance import Provenance, provenance
from nksim.pareto import aims
from nksim.patient import Patient
from nksim.population import Population, fitting_ages, virtual_population
from nksim.protocol.choice import Choice
from nksim.regimen import Regimen
from nksim.reliance import reliance
from nksim.scale.execution import execute
from nksim.scale.summary import Job, Progress
from nksim.scale.trajectories import follow
from nksim.schedule.waivers import waived
from nksim.sensitivity import Sensitivity
from nksim.sensitivity import sensitivity as how_sensitive
from nksim.settings import Settings
from nksim.simulation import Simulation, age_range
from nksim.sweep import Span, Swept, span
from nksim.sweep import sweep as swept_over
from nksim.uncertain import uncertain

if TYPE_CHECKING:
    import altair as alt

    from nksim.output.pages import Page, Results

# Patients whose one of median weight stands for all where it is asked what an answer hangs on.
WEIGHED = 101
HELD = "fewer patients (-n), and no --parts or --cluster: their curves must be held"
SAVED_AS = ("csv", "json", "svg", "png", "txt", "html", "pdf", "parquet")


class _Outcome(ABC):
    """What a run and a comparison hand out alike."""

    provenance: Provenance

    @property
    @abstractmethod
    def simulations(self) -> Sequence[Simulation]:
        """Those of its regimens."""

    @abstractmethod
    def chart(self, name: str) -> alt.VConcatChart:
        """A chart by its name; needs `nksim[charts]`."""

    @abstractmethod
    def summary_csv(self) -> str:
        """Mean and quantiles of every output at every time, as CSV."""

    @abstractmethod
    def json(self) -> str:
        """Metrics, assumptions and provenance as JSON."""

    @abstractmethod
    def results(self) -> Results:
        """All that charts and reports are made from."""

    def report(self) -> Page:
        """The report's contents, for `nksim.output.report.as_html` and `report_pdf.as_pdf`."""
        from nksim.output.pages import report

        return report(self.results())

    def save(
        self,
        path: str | Path,
        *,
        force: bool = False,
        chart: str | None = None,
        workers: int | None = None,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Writes .csv (summary over time), .json, .txt (metrics), .svg, .png (`chart`), .html or .pdf (report).

        .parquet holds the curves of every patient (`nksim[parquet]`). Those of a large run were not kept, and are made
        again on `workers` threads or on an `executor`, a few patients at a time; `progress` is told how many are done.
        """
        _save(Path(path), self, force, chart, workers, executor, progress)


@dataclass(frozen=True, eq=False)
class Run(_Outcome):
    """One regimen simulated in virtual patients."""

    simulation: Simulation
    provenance: Provenance
    inquiry: Inquiry = NOTHING_MORE
    observed: tuple[Observed, ...] = ()

    @property
    def simulations(self) -> Sequence[Simulation]:
        """The one that it has."""
        return [self.simulation]

    @cached_property
    def _metrics(self) -> dict[str, Values]:
        return measure(self.simulation)

    def metrics(self) -> dict[str, Values]:
        """Every metric by its id, e.g. `run.metrics()["nk_chimerism_d14"].median`."""
        return self._metrics

    def results(self) -> Results:
        """All that charts and reports are made from."""
        from nksim.output.pages import Results

        return Results([self.simulation], [self._metrics], None, self.inquiry, self.provenance, self.observed)

    def chart(self, name: str = "nk_chimerism") -> alt.VConcatChart:
        """An output over time with its 5–95 % band, or `attainment`, `contributions`, …; needs `nksim[charts]`."""
        from nksim.output.figures import chart

        made: alt.VConcatChart = chart(self.results(), name)
        return made

    def contributions(self, output: str = "donor_nk") -> alt.LayerChart:
        """What each further infusion adds to the median curve."""
        from nksim.contributions import contributions
        from nksim.output.charts import added

        made: alt.LayerChart = added(contributions(self.simulation, output), self.provenance)
        return made

    def summary_csv(self) -> str:
        """Mean and quantiles of every output at every time, as CSV."""
        return simulations.summary_csv([self.simulation])

    def json(self) -> str:
        """Metrics, assumptions and provenance as JSON."""
        return results.as_json([self.simulation], [self._metrics], self.provenance, inquiry=self.inquiry)

    def __repr__(self) -> str:
        return f"<Run of {self.simulation.label} in {len(self.simulation.population):,} virtual patients>"

    def _repr_html_(self) -> str:
        return simulations.metrics_html(self.simulation, self._metrics, self.provenance)

    def __str__(self) -> str:
        return simulations.metrics_table(self.simulation, self._metrics, self.provenance, self.inquiry)


@dataclass(frozen=True, eq=False)
class ComparedRuns(_Outcome):
    """Regimens simulated in the same virtual patients."""

    comparison: pairing.Comparison
    provenance: Provenance
    inquiry: Inquiry = NOTHING_MORE
    observed: tuple[Observed, ...] = ()

    @property
    def simulations(self) -> Sequence[Simulation]:
        """One for each regimen, in order."""
        return self.comparison.simulations

    def results(self) -> Results:
        """All that charts and reports are made from."""
        from nksim.output.pages import Results

        c = self.comparison
        return Results(c.simulations, c.metrics, c, self.inquiry, self.provenance, self.observed)

    def chart(self, name: str = "nk_chimerism") -> alt.VConcatChart:
        """The curves of all regimens in one chart, or `forest`, `attainment`, `pareto`, …; needs `nksim[charts]`."""
        from nksim.output.figures import chart

        made: alt.VConcatChart = chart(self.results(), name)
        return made

    def forest(self) -> alt.LayerChart:
        """The paired ratio of every metric to the first regimen, with its interval."""
        from nksim.output.charts import forest

        made: alt.LayerChart = forest(self.comparison, self.provenance)
        return made

    def summary_csv(self) -> str:
        """Mean and quantiles of every output at every time, as CSV."""
        return simulations.summary_csv(self.comparison.simulations)

    def json(self) -> str:
        """Metrics, paired differences, assumptions and provenance as JSON."""
        c = self.comparison
        return results.as_json(c.simulations, c.metrics, self.provenance, c, self.inquiry)

    def __repr__(self) -> str:
        done = self.comparison.simulations
        labels = ", ".join(s.label for s in done)
        return f"<{len(done)} regimens in {len(done[0].population):,} virtual patients: {labels}>"

    def _repr_html_(self) -> str:
        return comparisons.comparison_html(self.comparison, self.provenance)

    def __str__(self) -> str:
        return comparisons.comparison_table(self.comparison, self.provenance, self.inquiry)


@dataclass(frozen=True)
class Bodies:
    """What is fixed for every virtual patient; what is None is drawn."""

    weight: str | float | None = None
    height: str | float | None = None
    age: str | float | None = None
    sex: str | None = None
    creatinine: str | float | None = None

    def population(self, n: int, seed: int, ages: tuple[float, float], first: int = 0) -> Population:
        """`n` virtual patients of these bodies from number `first`, ages from the range where they are not fixed."""
        fixed = Patient(weight=self.weight, height=self.height, age=self.age, sex=self.sex, creatinine=self.creatinine)
        sex: Any = fixed.sex
        egfr = fixed.egfr()
        if fixed.creatinine_umol_l is not None and egfr is None:
            raise UsageError(
                "NK403",
                "the creatinine needs age and height, and from 18 years weight and sex",
                help="add --age, --height, --weight and --sex",
            )
        return virtual_population(
            n,
            seed=seed,
            age_range_y=ages,
            sex=sex,
            age_y=fixed.age_y,
            weight_kg=fixed.weight_kg,
            height_cm=fixed.height_cm,
            egfr=egfr[0] if egfr else None,
            first=first,
        )


def simulate(
    regimen: Regimen,
    *,
    n: int = 200,
    seed: int = 1,
    bodies: Bodies | None = None,
    settings: Settings | None = None,
    goals: Sequence[str] = (),
    sensitivity: str | None = None,
    observed: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    parts: str | Path | None = None,
    executor: Executor | None = None,
    uncertainty: int = 0,
) -> Run:
    """Simulates a regimen in `n` virtual patients of its own population.

    Assumed doses and days are used, and named in the output; unknown ones raise `Unanswered`. `goals` are texts as
    `nk_chimerism_d14 >= 1 %`; `sensitivity` names a metric for which the open facts and parameters are ranked;
    `observed` a CSV of points to be laid over the curves. Where the curves of all patients are too many to hold they
    are summed up as they go by. The work is done on `workers` threads (all processors unless given). With a directory
    for `parts` a run that was stopped goes on where it was; an `executor` (of processes, of a cluster) with `workers`
    workers computes the parts. `uncertainty` is the number of times that the calibrated parameters are drawn from what
    the calibration left open.
    """
    choice = regimen.choice().answered(accept_assumed=True)
    wanted, points = parsed_goals(goals), read_observed(observed) if observed else ()
    bodies, ages = bodies or Bodies(), age_range(choice)
    job = Job(choice, partial(bodies.population, seed=seed, ages=ages), seed, settings or Settings())
    directories = [] if parts is None else [Path(parts)]
    (simulation,) = execute([job], n, workers=workers, progress=progress, directories=directories, executor=executor)
    simulation = _weighed(simulation, bodies, ages)
    moved = _sensitivities([regimen], [simulation], sensitivity)
    unsure = (uncertain(simulation, uncertainty),) if uncertainty else ()
    asked = Inquiry(wanted, sensitivities=moved, uncertain=unsure)
    simulation = replace(simulation, findings=waived(simulation.findings, regimen.waivers))
    return Run(simulation, _provenance([simulation], regimen), asked, points)


def _weighed(done: Simulation, bodies: Bodies, ages: tuple[float, float]) -> Simulation:
    """The same simulation, saying how far its answers hang on assumed parameters."""
    few = bodies.population(min(len(done.population), WEIGHED), done.seed, ages)
    found = reliance(done.choice, few, seed=done.seed, settings=done.settings)
    return replace(done, reliances=tuple(map(str, found)))


def compare(
    *regimens: Regimen,
    n: int = 200,
    seed: int = 1,
    bodies: Bodies | None = None,
    settings: Settings | None = None,
    metrics: Sequence[str] = (),
    goals: Sequence[str] = (),
    pareto: str | None = None,
    sweep: str | None = None,
    sensitivity: str | None = None,
    observed: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    parts: str | Path | None = None,
    executor: Executor | None = None,
) -> ComparedRuns:
    """Simulates regimens in the same `n` virtual patients, of the ages that all their trials admit.

    A protocol with several arms and none chosen enters with all of them. `goals` and `sensitivity` as in `simulate`;
    `pareto` is a pair of metrics (`nk_chimerism_d14,-cells_total`), `sweep` a span (`age=3..75`) over which the first
    of `metrics` is followed. `workers`, `parts` and `executor` as in `simulate`; in `parts` each regimen has its own
    directory.
    """
    chosen = [one for r in regimens for one in r.arms()]
    choices = _answered(chosen)
    if len(choices) < 2:
        raise UsageError("NK660", "a comparison needs two regimens", help="name another protocol or arm")
    wanted, both = parsed_goals(goals), aims(pareto) if pareto else None
    over, points = span(sweep) if sweep else None, read_observed(observed) if observed else ()
    for name in (*metrics, *(a.metric for a in both or ())):
        metric(name)
    who, ages, labels = bodies or Bodies(), _common_ages(choices), _labels(choices)
    draw, used = partial(who.population, seed=seed, ages=ages), settings or Settings()
    jobs = [Job(choice, draw, seed, used, label) for choice, label in zip(choices, labels, strict=True)]
    directories = [] if parts is None else _part_directories(Path(parts), choices)
    done = execute(jobs, n, workers=workers, progress=progress, directories=directories, executor=executor)
    done = [_weighed(s, who, ages) for s in done]
    swept: tuple[Swept, ...] = ()
    if over:
        populations = [_at(who, over, value, n, seed, ages) for value in over.values]
        pairs = list(zip(labels, choices, strict=True))
        name = metrics[0] if metrics else "cells_total"
        swept = swept_over(pairs, populations, over, name, seed=seed, settings=used, ages=ages)
    inquiry = Inquiry(wanted, both, swept, _sensitivities(chosen, done, sensitivity))
    done = [replace(s, findings=waived(s.findings, r.waivers)) for s, r in zip(done, chosen, strict=True)]
    return ComparedRuns(pairing.compare(done, metrics), _provenance(done, regimens[0]), inquiry, points)


def rank_gaps(
    regimen: Regimen, name: str, *, seed: int = 1, bodies: Bodies | None = None, settings: Settings | None = None
) -> Sensitivity:
    """How much each open fact moves a metric; unknown doses and days must have been answered with `change`."""
    (found,) = simulate(
        regimen, n=101, seed=seed, bodies=bodies, settings=settings, sensitivity=name
    ).inquiry.sensitivities
    return found


def _answered(regimens: Sequence[Regimen]) -> list[Choice]:
    """The choices of regimens, once all of them are known; what is not is asked of all at once, each by its name."""
    found, faults = [], []
    several = len({r.protocol.id for r in regimens}) > 1
    for regimen in regimens:
        try:
            found.append(regimen.choice().answered(accept_assumed=True))
        except Unanswered as error:
            whose = regimen.protocol.id
            for fault in error.faults:
                mend = (fault.help or "").replace("--set ", f"--set {whose}:")
                faults.append(replace(fault, message=f"{whose}: {fault.message}", help=mend) if several else fault)
    if faults:
        raise Unanswered(list(dict.fromkeys(faults)))
    return found


def _at(bodies: Bodies, over: Span, value: float, n: int, seed: int, ages: tuple[float, float]) -> Population:
    """Patients at one value of a span; a weight without an age goes with the ages of the trials that have it."""
    if over.measure == "age":
        return replace(bodies, age=f"{value:g} y").population(n, seed, ages)
    fixed = replace(bodies, weight=f"{value:g} kg")
    if bodies.age is not None:
        return fixed.population(n, seed, ages)
    sex: Any = Patient(sex=bodies.sex).sex
    found = fitting_ages(value, ages, sex)
    if found is None:
        raise UsageError(
            "NK667",
            f"hardly anyone of {ages[0]:g} to {ages[1]:g} years weighs {value:g} kg",
            help="a narrower span, or --age",
        )
    return fixed.population(n, seed, found)


def _sensitivities(
    regimens: Sequence[Regimen], done: Sequence[Simulation], name: str | None
) -> tuple[Sensitivity, ...]:
    if name is None:
        return ()
    if any(s.measured is not None for s in done):
        raise UsageError("NK647", "too many patients for a sensitivity analysis", help=HELD)
    return tuple(
        how_sensitive(
            s.choice,
            replace(r, settings=()).choice(),
            s.population,
            name,
            seed=s.seed,
            settings=s.settings,
            label=s.label,
        )
        for r, s in zip(regimens, done, strict=True)
    )


def _labels(choices: Sequence[Choice]) -> list[str]:
    """A name for each regimen; the same name twice is told apart by the answers that differ, then by number."""
    names = [c.name for c in choices]
    # Of two answers to one fact the later holds.
    answers = [dict(c.settings) for c in choices]
    told = []
    for n, mine in zip(names, answers, strict=True):
        others = [a for m, a in zip(names, answers, strict=True) if m == n]
        own = "; ".join(f"{k}={v}" for k, v in mine.items() if any(a.get(k) != v for a in others))
        told.append(f"{n} ({own})" if own else n)
    return [t if told.count(t) == 1 else f"{t} #{told[: i + 1].count(t)}" for i, t in enumerate(told)]


def _part_directories(parent: Path, choices: Sequence[Choice]) -> list[Path]:
    """A directory for each regimen of a comparison, by its place and name."""
    names = (re.sub(r"[^A-Za-z0-9.-]+", "-", choice.name).strip("-.") for choice in choices)
    return [parent / f"{number:02d}-{name}" for number, name in enumerate(names, start=1)]


def _common_ages(choices: Sequence[Choice]) -> tuple[float, float]:
    """Ages in years that lie in the population of every trial; those of the first where there are none."""
    ranges = [age_range(choice) for choice in choices]
    low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
    return (low, high) if low < high else ranges[0]


def _provenance(done: Sequence[Simulation], regimen: Regimen) -> Provenance:
    first = done[0]
    model = (first.parameter_set.name, first.parameter_set.sha256)
    return provenance(
        *(s.choice for s in done), model=model, seed=first.seed, command=regimen.command, waivers=regimen.waivers
    )


def _save(
    path: Path,
    made: _Outcome,
    force: bool,
    chart: str | None,
    workers: int | None,
    executor: Executor | None,
    progress: Progress | None,
) -> None:
    form = path.suffix[1:]
    if form not in SAVED_AS:
        raise UsageError(
            "NK703",
            f"no format for {shorten(path.name)}",
            help=f"a name ending in {', '.join(f'.{s}' for s in SAVED_AS)}",
        )
    files.check_free(path, force=force)
    if form == "csv":
        files.write_csv(path, made.summary_csv(), made.provenance.as_dict())
    elif form == "html":
        from nksim.output.report import as_html

        files.write(path, as_html(made.report()))
    elif form == "pdf":
        from nksim.output.report_pdf import as_pdf

        files.write(path, as_pdf(made.report()))
    elif form == "parquet":
        from nksim.output import trajectories

        followed = [(s, follow(s, workers=workers, executor=executor)) for s in made.simulations]
        trajectories.write(path, followed, made.provenance, progress)
    elif form in ("svg", "png"):
        from nksim.output.charts import rendered

        files.write(path, rendered(made.chart(chart or _chartable(made)), form))
    else:
        files.write(path, made.json() if form == "json" else str(made))


def _chartable(made: _Outcome) -> str:
    """Chimerism, or counts where chimerism cannot see the cells."""
    return "nk_chimerism" if all(s.chimerism_visible for s in made.simulations) else "donor_nk"
