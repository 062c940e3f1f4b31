"""How much of an answer's uncertainty hangs on assumed parameters: local sensitivity around the values in use.

Each parameter is moved by itself, in one patient, by a small part of what its range leaves open; the range is read as
95 % of a log-normal. The squares of the responses are the parts of the variance of the answer's logarithm, to first
order. `nksim.sensitivity` looks at the whole ranges and at interactions, and takes seconds instead of milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nksim.kinetics.parameters import Parameter, typical
from nksim.metrics import metric
from nksim.plan import simulate, solved
from nksim.population import Population
from nksim.protocol.choice import Choice
from nksim.settings import Settings

Floats = NDArray[np.float64]
ANSWERS = ("donor_nk_auc_0_28", "nk_chimerism_d14")
STEP = 0.05
_NORMAL_95 = 2 * 1.959964
LEAST_DAYS = 28.0
SHOWN: tuple[str, ...] = ("assumed", "calibrated", "derived", "published")


@dataclass(frozen=True)
class Reliance:
    """The shares of one metric's first-order variance by the basis of the parameters, and by parameter, largest first.

    `spread` is the standard deviation of the metric's logarithm that the ranges of all parameters cause together.
    """

    metric: str
    by_basis: dict[str, float]
    spread: float
    shares: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        bases = ", ".join(
            f"{share:.0%} on {basis} parameters" for basis, share in self.by_basis.items() if share >= 0.005
        )
        leading = ", ".join(f"{name} {share:.0%}" for name, share in self.shares[:3])
        return (
            f"the ranges of the parameters leave {self.metric} open by a factor of {np.exp(self.spread):.2g} (one "
            f"standard deviation, to first order): of that variance hang {bases}; most on {leading}"
        )


def reliance(
    choice: Choice,
    population: Population,
    *,
    seed: int = 1,
    settings: Settings | None = None,
    names: Sequence[str] = ANSWERS,
) -> tuple[Reliance, ...]:
    """Reliances of the metrics that the patient of median weight has; those that are missing or 0 are left out.

    >>> import nksim
    >>> from nksim.population import virtual_population
    >>> choice = nksim.protocol("nkaml").choice().answered(accept_assumed=True)
    >>> found = reliance(choice, virtual_population(5, seed=1, age_range_y=(2, 18)))
    >>> [r.metric for r in found], round(sum(found[0].by_basis.values()), 9)
    (['donor_nk_auc_0_28', 'nk_chimerism_d14'], 1.0)
    """
    used = settings or Settings()
    used = replace(
        used, every_d=0.5, days=max(LEAST_DAYS, min(used.days, LEAST_DAYS)), timing="planned", sampled_cells=None
    )
    middle = np.argsort(population.weight_kg, kind="stable")[len(population) // 2]
    base = simulate(choice, population.subset([middle]), seed=seed, settings=used)
    parameters = base.parameter_set.parameters(base.preset)
    open_ = [p for p in parameters.values() if p.low < p.high and p.value > 0]
    widths = np.array([_width(p) for p in open_])
    values = typical(parameters, 2 * len(open_))
    for i, p in enumerate(open_):
        values[p.name][2 * i : 2 * i + 2] *= np.exp(STEP * widths[i] * np.array([-1.0, 1.0]))
    same = population.subset(np.full(2 * len(open_), middle))
    events = base.events.patients(np.zeros(2 * len(open_), dtype=np.intp))
    solution, ends = solved(events, values, same, base.times_d, used.engine)
    moved = replace(base, population=same, events=events, solution=solution, infusion_ends=ends)
    return tuple(r for name in names if (r := _of(name, metric(name)(moved).values, open_)))


def _width(p: Parameter) -> float:
    """Standard deviation of the parameter's logarithm."""
    if p.low > 0:
        return float(np.log(p.high / p.low) / _NORMAL_95)
    return (p.high - p.low) / _NORMAL_95 / p.value


def _of(name: str, values: Floats, parameters: Sequence[Parameter]) -> Reliance | None:
    if not np.isfinite(values).all() or (values <= 0).any():
        return None
    response = np.diff(np.log(values.reshape(-1, 2)), axis=1)[:, 0] / (2 * STEP)
    parts = response**2
    if parts.sum() == 0:
        return None
    shares = parts / parts.sum()
    order = np.argsort(-shares, kind="stable")
    held: dict[str, float] = {}
    for i in order:
        held[parameters[i].basis] = held.get(parameters[i].basis, 0.0) + float(shares[i])
    by_basis = {str(basis): held[basis] for basis in SHOWN if basis in held}
    return Reliance(
        name, by_basis, float(np.sqrt(parts.sum())), tuple((parameters[i].name, float(shares[i])) for i in order)
    )
