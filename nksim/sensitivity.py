"""Which unknown matters most: Sobol indices of a metric over assumed parameters and open facts, and their tornado.

Sobol' 2001 (Math Comput Simul 55:271), estimated as in Saltelli 2010 (Comput Phys Commun 181:259) by
`scipy.stats.sobol_indices`. The model runs in one virtual patient, so that people do not differ where facts do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.kinetics.events import EventTable
from nksim.kinetics.parameters import typical
from nksim.metrics import metric
from nksim.open_doses import DoseTables
from nksim.open_inputs import OpenChoice, OpenDose, OpenInput, OpenParameter, open_facts, open_parameters
from nksim.plan import simulate, solved
from nksim.population import Population, uniforms
from nksim.protocol.choice import Choice
from nksim.settings import Settings
from nksim.simulation import Simulation

Floats = NDArray[np.float64]
BASE_SAMPLES = 64
RESAMPLES = 200
SKEWED = 10.0


@dataclass(frozen=True)
class Influence:
    """One input: its share of the metric's variance alone (`first`) and with all that it acts through (`total`).

    `low` and `high` bound the total with 90 % over resampled points; `metric_low` and `metric_high` are the metric
    with this input alone at its lower and upper end.
    """

    input: OpenInput
    first: float
    total: float
    low: float
    high: float
    metric_low: float
    metric_high: float

    @property
    def is_fact(self) -> bool:
        """Whether the sponsor could answer it; otherwise it is a parameter of the model."""
        return not isinstance(self.input, OpenParameter)


@dataclass(frozen=True)
class Sensitivity:
    """Influences of one regimen, largest total first; `base` is the metric with everything as used.

    `idle` are open facts that cannot move the metric, with the reason; `logarithm` tells that the variance is that of
    the metric's logarithm, because its values spread over more than a factor of ten.
    """

    label: str
    metric: str
    unit: str
    base: float
    influences: tuple[Influence, ...]
    idle: tuple[tuple[str, str], ...]
    runs: int
    logarithm: bool


def sensitivity(
    choice: Choice,
    before: Choice,
    population: Population,
    name: str,
    *,
    seed: int = 1,
    settings: Settings | None = None,
    label: str = "",
    samples: int = BASE_SAMPLES,
) -> Sensitivity:
    """Sobol indices of a metric in the patient of median weight; `before` is the choice without the user's answers.

    `samples` is a power of two; the model runs samples · (inputs + 2) times. Raises `UsageError` NK661 (metric) or
    NK666 (the metric is missing somewhere in the range, or does not move).
    """
    from scipy.stats import qmc

    settings = replace(settings or Settings(), every_d=0.5)
    middle = np.argsort(population.weight_kg, kind="stable")[len(population) // 2]
    base = simulate(choice, population.subset([middle]), seed=seed, settings=settings, label=label)
    facts, idle = open_facts(choice, before)
    inputs: list[OpenInput] = [*open_parameters(base.parameter_set.parameters(base.preset)), *facts]
    model = _Model(base, inputs, name)
    d = len(inputs)
    points = qmc.Sobol(2 * d, scramble=False).random_base2(int(np.log2(samples)) + 1)[samples:]
    a, b = points[:, :d].T, points[:, d:].T
    mixed = np.repeat(a[None], d, axis=0)
    mixed[np.arange(d), np.arange(d)] = b
    ends = np.repeat(model.used[:, None], 2 * d, axis=1)
    ends[np.arange(d), np.arange(d)], ends[np.arange(d), d + np.arange(d)] = 0.0, 1.0
    values = model(np.concatenate([a, b, mixed.transpose(1, 0, 2).reshape(d, -1), ends, model.used[:, None]], axis=1))
    sampled = values[: samples * (d + 2)]
    logarithm = bool((sampled > 0).all() and np.quantile(sampled, 0.95) > SKEWED * np.quantile(sampled, 0.05))
    first, total, low, high = _indices(np.log(sampled) if logarithm else sampled, d, samples)
    tails = values[samples * (d + 2) : -1].reshape(2, d)
    columns = np.array([first, total, low, high, tails[0], tails[1]]).T.tolist()
    found = [Influence(x, c[0], c[1], c[2], c[3], c[4], c[5]) for x, c in zip(inputs, columns, strict=True)]
    found.sort(key=lambda influence: -influence.total)
    unit = metric(name)(base).unit
    return Sensitivity(base.label, name, unit, float(values[-1]), tuple(found), tuple(idle), values.size, logarithm)


def _indices(values: Floats, d: int, n: int) -> tuple[Floats, Floats, Floats, Floats]:
    """First and total indices (d,), and the 5 % and 95 % of the total over resampled points."""
    a, b, mixed = values[:n], values[n : 2 * n], values[2 * n :].reshape(d, n)
    if np.ptp(np.concatenate([a, b])) == 0:
        raise UsageError("NK666", "the metric does not move with anything that is open", help="choose another metric")
    first, total = _saltelli(a, b, mixed)
    picks = (uniforms(1, np.arange(RESAMPLES * n), "sobol resamples") * n).astype(np.intp).reshape(RESAMPLES, n)
    totals = np.array([_saltelli(a[p], b[p], mixed[:, p])[1] for p in picks if np.ptp(np.r_[a[p], b[p]]) > 0])
    return first, total, np.quantile(totals, 0.05, axis=0), np.quantile(totals, 0.95, axis=0)


def _saltelli(a: Floats, b: Floats, mixed: Floats) -> tuple[Floats, Floats]:
    from scipy.stats import sobol_indices

    func = {"f_A": a[None], "f_B": b[None], "f_AB": mixed[:, None]}
    found = sobol_indices(func=func, n=a.size)
    return np.ravel(found.first_order), np.ravel(found.total_order)


class _Model:
    """The metric as a function of points (d, m) in the unit cube, one row for each input."""

    def __init__(self, base: Simulation, inputs: Sequence[OpenInput], name: str) -> None:
        self.base, self.inputs, self.read = base, inputs, metric(name)
        self.tables = DoseTables(base.choice, base.population, [x for x in inputs if isinstance(x, OpenChoice)])
        parameters = base.parameter_set.parameters(base.preset)
        self.values = {name: float(v[0]) for name, v in typical(parameters).items()}
        self.used = np.array([self._used(x) for x in inputs])

    def _used(self, x: OpenInput) -> float:
        """Where the value in use lies between the ends of an input."""
        if isinstance(x, OpenChoice):
            return (x.used + 0.5) / len(x.options)
        if isinstance(x, OpenDose):
            return 0.5
        value = self.values[x.name]
        if x.low > 0:
            return float(np.clip(np.log(value / x.low) / np.log(x.high / x.low), 0, 1))
        return float(np.clip((value - x.low) / (x.high - x.low), 0, 1))

    def __call__(self, points: Floats) -> Floats:
        m = points.shape[1]
        values = {name: np.full(m, value) for name, value in self.values.items()}
        factors: dict[str, Floats] = {}
        options: dict[str, NDArray[np.intp]] = {}
        for x, u in zip(self.inputs, points, strict=True):
            if isinstance(x, OpenParameter):
                values[x.name] = x.low * (x.high / x.low) ** u if x.low > 0 else x.low + (x.high - x.low) * u
            elif isinstance(x, OpenDose):
                factors[x.line] = 2.0 ** (2 * u - 1)
            else:
                options[x.name] = np.minimum((u * len(x.options)).astype(np.intp), len(x.options) - 1)
        found = np.full(m, np.nan)
        for rows, events in self.tables.groups(options, factors, m):
            found[rows] = self._solve(rows, events, values)
        if np.isnan(found).any():
            missing = int(np.isnan(found).sum())
            raise UsageError(
                "NK666",
                f"the metric is missing in {missing} of {m} runs over what is open",
                help="choose another metric",
            )
        return found

    def _solve(self, rows: NDArray[np.intp], events: EventTable, values: dict[str, Floats]) -> Floats:
        same = self.base.population.subset(np.zeros(rows.size, dtype=np.intp))
        own = {name: v[rows] for name, v in values.items()}
        solution, ends = solved(events, own, same, self.base.times_d, self.base.settings.engine)
        made = replace(self.base, population=same, events=events, solution=solution, infusion_ends=ends)
        return self.read(made).values
