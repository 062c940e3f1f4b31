"""3+3, with its two endings (Storer 1989, doi 10.2307/2531693; Chang 2006 as in R's bcrm::threep3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nksim.trial.decisions import DecisionTable
from nksim.trial.state import Bools, Ints, Trials

UP, DOWN = 0, 1
COHORT = 3


@dataclass(frozen=True)
class ThreePlusThree:
    """Three patients; 0 of 3 go up, 1 of 3 three more, at most 1 of 6 go up, otherwise the level is too toxic.

    The MTD is the highest level with at most 1 of 6 toxicities. Escalation-only (`down` False) stops at the first
    too toxic level and names the one below. With de-escalation the level below first gets three more patients where
    it had only three, and so on downwards. A top level that is cleared is the MTD, without more patients there.
    """

    levels: int
    down: bool = False
    start: int = 1

    @property
    def name(self) -> str:
        """The name by which a user asks for it."""
        return "3+3-down" if self.down else "3+3"

    @property
    def most(self) -> int:
        """Six at every level at most."""
        return 2 * COHORT * self.levels

    @property
    def title(self) -> str:
        """The design with its variant, in words."""
        how = (
            "with de-escalation: six patients at the MTD, except at a top level cleared by three"
            if self.down
            else "escalation only: the level below the first too toxic one is the MTD"
        )
        return f"3+3, {how}"

    def table(self) -> DecisionTable:
        """Decisions after three and after six patients; X ends escalation at this level.

        >>> ThreePlusThree(5).table().rows[2], ThreePlusThree(5).table().rows[5]
        ('ESXX', 'EEXXXXX')
        """
        rows = tuple("ESXX" if n == COHORT else "E" * 2 + "X" * (n - 1) if n == 2 * COHORT else "" for n in range(1, 7))
        return DecisionTable(self.title, rows)

    def begin(self, rows: int) -> Trials:
        """`rows` trials before their first patient."""
        return Trials.begin(rows, self.levels, self.start, UP)

    def cohort(self, trials: Trials) -> Ints:
        """Always three."""
        return np.full(len(trials), COHORT, dtype=np.int16)

    def decide(self, trials: Trials) -> None:
        """One step of the rule for every open trial."""
        n, y = trials.here(trials.n), trials.here(trials.y)
        rising = trials.open & (trials.phase == UP)
        falling = trials.open & (trials.phase == DOWN)
        clear = (y == 0) | ((n == 2 * COHORT) & (y <= 1))
        up = rising & clear
        toxic = (rising | falling) & (y > 1)
        self._named(trials, up & (trials.level == self.levels - 1), trials.level + 1)
        trials.level[up & trials.open] += 1
        self._named(trials, falling & (n == 2 * COHORT) & (y <= 1), trials.level + 1)
        self._lower(trials, toxic)

    def _lower(self, trials: Trials, toxic: Bools) -> None:
        """The current level is too toxic: what the level below it makes of that."""
        trials.top[toxic] = trials.level[toxic]
        self._named(trials, toxic & (trials.level == 0), np.zeros(len(trials), dtype=np.int16))
        below = toxic & trials.open
        trials.level[below] -= 1
        had = trials.here(trials.n)
        tried = had >= (2 * COHORT if self.down else COHORT)
        self._named(trials, below & tried, trials.level + 1)
        if self.down:
            trials.phase[below & trials.open] = DOWN
        else:
            # Below the starting level nobody was treated: nothing can be named.
            self._named(trials, below & ~tried, np.zeros(len(trials), dtype=np.int16))

    @staticmethod
    def _named(trials: Trials, which: Bools, mtd: Ints) -> None:
        trials.mtd[which] = mtd[which]
        trials.open[which] = False

    def select(self, trials: Trials) -> Ints:
        """The MTD that the rule named."""
        return np.maximum(trials.mtd, 0)
