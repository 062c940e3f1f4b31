"""A trial by a decision table: cohorts, exclusion, early stopping, extra safety, titration, isotonic MTD.

The options and their order are those of get.oc in the R package BOIN, so that its results can be met.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.trial import isotonic
from nksim.trial.decisions import LETTERS, DecisionTable
from nksim.trial.intervals import Exclusion, Rule, excess, table
from nksim.trial.state import Ints, Trials

TITRATING, FILLING, REGULAR = 0, 1, 2


@dataclass(frozen=True)
class Conduct:
    """A rule of one level's data, conducted in cohorts up to `most` patients.

    `enough`: stop when so many are at a level and the decision is to stay there. `extra`: also stop where level 1
    exceeds the target with probability above the exclusion's less this. `titrate`: single patients until the first
    toxicity. `bounded`: never name a level whose estimate is above the rule's upper boundary.
    """

    rule: Rule
    levels: int
    start: int = 1
    size: int = 3
    most: int = 30
    exclusion: Exclusion = field(default_factory=Exclusion)
    enough: int | None = None
    extra: float | None = None
    titrate: bool = False
    bounded: bool = False

    def __post_init__(self) -> None:
        check_numbers(self.levels, self.start, self.size, self.most)
        if self.enough is not None and self.enough < self.size:
            raise UsageError(
                "NK804",
                f"stopping with {self.enough} patients at a level is before the first cohort of {self.size}",
                help=f"--early-stop {self.size} or more",
            )
        if self.extra is not None and not 0 < self.extra < 0.5:
            raise UsageError(
                "NK804",
                f"an extra safety of {self.extra:g} is not usable",
                help="a number between 0 and 0.5, as in 0.05",
            )

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.name

    @property
    def title(self) -> str:
        """Rule and conduct in words."""
        parts = [f"{self.rule.title}; cohorts of {self.size}, at most {self.most} patients, from level {self.start}",
                 f"a level with Pr(p > target) above {self.exclusion.above:g} is excluded"]  # fmt: skip
        if self.titrate:
            parts.append("single patients until the first toxicity")
        if self.enough:
            parts.append(f"stops at {self.enough} patients where it would stay")
        if self.extra:
            parts.append(f"stops where level 1 passes {self.exclusion.above - self.extra:g}")
        if self.bounded:
            parts.append(f"names no level estimated above {self.rule.upper:.4g}")
        return "; ".join(parts)

    @cached_property
    def decisions(self) -> DecisionTable:
        """The whole decision table up to the trial's size."""
        return table(self.rule, self.most, self.exclusion)

    @cached_property
    def _codes(self) -> NDArray[np.int8]:
        return self.decisions.codes()

    @cached_property
    def _extra_stop(self) -> NDArray[np.bool_]:
        """Whether y of n at level 1 stops the trial by the extra rule, [n, y]."""
        found = np.zeros((self.most + 1, self.most + 1), dtype=bool)
        limit = self.exclusion.above - (self.extra or 0.0)
        for n in range(self.exclusion.fewest, self.most + 1):
            found[n, : n + 1] = [excess(n, y, self.rule.target) > limit for y in range(n + 1)]
        return found

    def unsafe(self, n: NDArray[np.integer], y: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Whether y of n at level 1 stops the trial by the extra rule."""
        return np.asarray(self._extra_stop[n, y])

    def begin(self, rows: int) -> Trials:
        """`rows` trials before their first patient."""
        return Trials.begin(rows, self.levels, self.start, TITRATING if self.titrate else REGULAR)

    def cohort(self, trials: Trials) -> Ints:
        """A whole cohort, one patient while titrating, the rest of a cohort after it, never more than are left."""
        sizes = np.full(len(trials), self.size, dtype=np.int16)
        sizes[trials.phase == TITRATING] = 1
        sizes[trials.phase == FILLING] = self.size - 1
        return np.minimum(sizes, self.most - trials.treated).astype(np.int16)

    def decide(self, trials: Trials) -> None:
        """One step of the rule for every open trial."""
        going = trials.open.copy()
        if self.titrate:
            going &= ~self._titrated(trials)
        n, y = trials.here(trials.n), trials.here(trials.y)
        step = self._codes[n, y]
        out = going & (step == LETTERS["X"])
        trials.top[out] = np.minimum(trials.top, trials.level)[out]
        if self.extra:
            unsafe = going & (trials.level == 0) & self.unsafe(n, y)
            trials.top[unsafe] = 0
        trials.open[going & (trials.top == 0)] = False
        going &= trials.open
        last = trials.top - 1
        target = np.clip(trials.level + np.sign(step), 0, last).astype(np.int16)
        if self.enough:
            trials.open[going & (target == trials.level) & (n >= self.enough)] = False
        trials.level[going] = target[going]
        trials.open &= trials.treated < self.most

    def _titrated(self, trials: Trials) -> NDArray[np.bool_]:
        """Moves trials that titrate; true for those that have now had a step of titration."""
        titrating = trials.open & (trials.phase == TITRATING)
        toxic, seen = trials.here(trials.y) > 0, trials.here(trials.n) > 0
        # A level whose only patient cannot be evaluated is given to another.
        ended = titrating & seen & (toxic | (trials.level == self.levels - 1))
        trials.phase[ended] = FILLING if self.size > 1 else REGULAR
        trials.level[titrating & seen & ~ended] += 1
        filled = trials.open & (trials.phase == FILLING) & ~ended
        trials.phase[filled] = REGULAR
        trials.open &= trials.treated < self.most
        return np.asarray(titrating)

    def select(self, trials: Trials) -> Ints:
        """Nearest to the target by isotonic regression over the levels that were tried and are not excluded."""
        most = self.rule.upper if self.bounded else 1.0
        return isotonic.mtd(trials.n, trials.y, trials.top, self.rule.target, most)


def check_numbers(levels: int, start: int, size: int, most: int) -> None:
    """Raises `UsageError` NK803 for numbers of levels, of patients or of a cohort that cannot be."""
    if not 1 <= levels <= 20:
        raise UsageError("NK803", f"{levels} dose levels cannot be run", help="between 1 and 20 levels")
    if not 1 <= start <= levels:
        raise UsageError("NK803", f"there is no level {start} to start at", help=f"--start from 1 to {levels}")
    if not 1 <= size <= 20:
        raise UsageError("NK803", f"a cohort of {size} patients cannot be run", help="--cohort from 1 to 20")
    if not size <= most <= 200:
        raise UsageError(
            "NK803", f"{most} patients are not enough for a cohort, or too many", help=f"--patients from {size} to 200"
        )
