"""CRM, the continual reassessment method with one parameter (O'Quigley, Pepe & Fisher 1990, doi 10.2307/2531628)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.trial.conduct import check_numbers
from nksim.trial.intervals import EQUIVALENT, EXCLUDE_ABOVE, checked_target
from nksim.trial.state import Ints, Trials

Floats = NDArray[np.float64]
# The prior of dfcrm (R), used since Cheung's Dose Finding by the CRM (2011).
PRIOR_VARIANCE = 1.34
# Trapezoids on so fine and wide a grid give the smooth integrals of the power model to more than ten digits.
_GRID = np.linspace(-8, 8, 641)


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the data say: mean of b (R,), toxicity of every level at that mean (R, L), Pr(level 1 above target) (R,)."""

    mean: Floats
    toxicity: Floats
    unsafe: Floats


def posterior(
    skeleton: Sequence[float], n: Ints, y: Ints, target: float, variance: float = PRIOR_VARIANCE
) -> Posterior:
    """The power model pᵢ = sᵢ^exp(b), b ~ N(0, `variance`), after y of n at every level, (R, L).

    >>> n, y = np.array([[0, 3, 4, 3, 0, 0]], dtype=np.int16), np.array([[0, 0, 0, 2, 0, 0]], dtype=np.int16)
    >>> found = posterior([.05, .10, .20, .35, .50, .70], n, y, 0.20)
    >>> round(float(found.mean[0]), 5), found.toxicity[0].round(4).tolist()
    (0.11087, [0.0352, 0.0763, 0.1656, 0.3095, 0.461, 0.6713])
    """
    b = _GRID * math.sqrt(variance)
    log_p = np.log(np.asarray(skeleton))[:, None] * np.exp(b)
    log_q = np.log(-np.expm1(log_p))
    logs = y @ log_p + (n - y) @ log_q - _GRID**2 / 2
    mass = np.exp(logs - logs.max(axis=1, keepdims=True))
    total = mass.sum(axis=1)
    mean = mass @ b / total
    toxicity = np.asarray(skeleton) ** np.exp(mean)[:, None]
    # Level 1 exceeds the target where b lies below this edge; the sum up to it is interpolated between grid points.
    edge = math.log(math.log(target) / math.log(skeleton[0]))
    below = np.cumsum(mass, axis=1) - mass / 2
    at = min(max(float(np.interp(edge, b, np.arange(len(b)))), 0.0), len(b) - 1.0)
    low = min(int(at), len(b) - 2)
    unsafe = (below[:, low] + (at - low) * (below[:, low + 1] - below[:, low])) / total
    return Posterior(mean, toxicity, unsafe)


def skeleton_of(target: float, levels: int, middle: int, half_width: float = EQUIVALENT) -> tuple[float, ...]:
    """Prior toxicities with indifference intervals target ± `half_width` (Lee & Cheung 2009; getprior of dfcrm).

    Level `middle` has the target; between neighbours i and i + 1 lies the b at which level i has target - half-width
    and level i + 1 target + half-width.

    >>> [round(p, 3) for p in skeleton_of(0.25, 5, 3)]
    [0.084, 0.157, 0.25, 0.355, 0.46]
    """
    checked_target(target)
    if not 0 < target - half_width < target + half_width < 1:
        raise UsageError(
            "NK801", f"target {target:g} ± {half_width:g} leaves (0, 1)", help="give a --skeleton, or another target"
        )
    found = [0.0] * levels
    found[middle - 1] = target
    high, low = math.log(target + half_width), math.log(target - half_width)
    for i in range(middle - 1, 0, -1):
        found[i - 1] = math.exp(math.log(found[i]) * low / high)
    for i in range(middle - 1, levels - 1):
        found[i + 1] = math.exp(math.log(found[i]) * high / low)
    return tuple(found)


@dataclass(frozen=True)
class Crm:
    """The level whose toxicity at the posterior mean of b is nearest to the target, without skipping untried levels.

    Ends without an MTD when Pr(toxicity of level 1 > target) passes `stop_above`. The MTD is one of the levels tried.
    """

    target: float
    skeleton: tuple[float, ...]
    start: int = 1
    size: int = 3
    most: int = 30
    variance: float = PRIOR_VARIANCE
    stop_above: float = EXCLUDE_ABOVE
    name: str = "crm"

    def __post_init__(self) -> None:
        checked_target(self.target)
        check_numbers(self.levels, self.start, self.size, self.most)
        rises = all(a < b for a, b in zip(self.skeleton, self.skeleton[1:], strict=False))
        if not rises or not all(0 < p < 1 for p in self.skeleton):
            raise UsageError(
                "NK807",
                f"the skeleton {', '.join(f'{p:g}' for p in self.skeleton)} does not rise between 0 and 1",
                help="one prior probability for each level, each above the one before",
            )

    @property
    def levels(self) -> int:
        """One for each probability of the skeleton."""
        return len(self.skeleton)

    @property
    def title(self) -> str:
        """The design with its numbers, in words."""
        return (f"CRM, target {self.target:g}, power model, prior b ~ N(0, {self.variance:g}), skeleton "
                f"{', '.join(f'{p:.4g}' for p in self.skeleton)}; cohorts of {self.size}, at most {self.most} patients"
                f", from level {self.start}; no untried level is skipped; stops when Pr(level 1 > target) passes "
                f"{self.stop_above:g}")  # fmt: skip

    def begin(self, rows: int) -> Trials:
        """`rows` trials before their first patient."""
        return Trials.begin(rows, self.levels, self.start)

    def cohort(self, trials: Trials) -> Ints:
        """A whole cohort, or what is left of the trial's patients."""
        return np.minimum(self.size, self.most - trials.treated).astype(np.int16)

    def decide(self, trials: Trials) -> None:
        """One step of the rule for every open trial."""
        # As long as nobody can be evaluated the level stays.
        rows = np.flatnonzero(trials.open & (trials.n.sum(axis=1) > 0))
        nearest, unsafe = self._fitted(trials.n[rows], trials.y[rows])
        trials.top[rows[unsafe]] = 0
        trials.open[rows[unsafe]] = False
        going, wanted = rows[~unsafe], nearest[~unsafe]
        tried = _highest(trials.n[going])
        trials.level[going] = np.minimum(wanted, np.minimum(tried + 1, self.levels - 1))
        trials.open &= trials.treated < self.most

    def select(self, trials: Trials) -> Ints:
        """Nearest to the target among the levels tried."""
        nearest, _ = self._fitted(trials.n, trials.y)
        chosen = np.minimum(nearest, _highest(trials.n)) + 1
        return np.where((trials.top == 0) | (trials.n.sum(axis=1) == 0), 0, chosen).astype(np.int16)

    def _fitted(self, n: Ints, y: Ints) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The nearest level from 0 and whether level 1 is unsafe; trials with the same data are fitted once."""
        data = np.concatenate([n, y], axis=1)
        alike, which = np.unique(data, axis=0, return_inverse=True)
        found = posterior(self.skeleton, alike[:, : self.levels], alike[:, self.levels :], self.target, self.variance)
        nearest = np.abs(found.toxicity - self.target).argmin(axis=1)
        back = which.ravel()
        return nearest[back], (found.unsafe > self.stop_above)[back]


def _highest(n: Ints) -> NDArray[np.int64]:
    """The highest level with a patient, from 0."""
    return np.asarray(n.shape[1] - 1 - (n[:, ::-1] > 0).argmax(axis=1))
