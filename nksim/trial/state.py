"""Many trials at once, as columns: what a design reads and moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int16]
Bools = NDArray[np.bool_]


@dataclass(eq=False)
class Trials:
    """The state of R trials with L levels; levels count from 0 here, an MTD from 1 and 0 is none.

    `n` and `y` (R, L) are evaluable patients and toxicities, `lost` (R,) those treated who are neither evaluable nor
    replaced, `level` the current level, `top` how many levels are still allowed,
    `phase` the design's own note, `mtd` an MTD that the rule itself names (-1: none named), `open` whether it goes on.
    """

    n: Ints
    y: Ints
    level: Ints
    top: Ints
    phase: Ints
    mtd: Ints
    open: Bools
    lost: Ints

    @classmethod
    def begin(cls, rows: int, levels: int, start: int, phase: int = 0) -> Trials:
        """`rows` trials that open at level `start` (counted from 1)."""

        def column(value: int) -> Ints:
            return np.full(rows, value, dtype=np.int16)

        empty = np.zeros((rows, levels), dtype=np.int16)
        return cls(
            empty, empty.copy(), column(start - 1), column(levels), column(phase), column(-1), np.full(rows, True),
            column(0),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.level)

    @property
    def treated(self) -> Ints:
        """Patients so far in each trial, the lost among them."""
        return np.asarray(self.n.sum(axis=1, dtype=np.int16) + self.lost)

    def here(self, of: Ints) -> Ints:
        """The current level's column of `n` or `y`, (R,)."""
        found: Ints = of[np.arange(len(self)), self.level]
        return found

    def add(self, rows: NDArray[np.intp], patients: Ints, toxicities: Ints) -> None:
        """A cohort's result at the current level of these trials."""
        self.n[rows, self.level[rows]] += patients
        self.y[rows, self.level[rows]] += toxicities

    def take(self, rows: NDArray[np.intp] | Bools) -> Trials:
        """These trials alone, as a copy."""
        return Trials(self.n[rows], self.y[rows], self.level[rows], self.top[rows], self.phase[rows], self.mtd[rows],
                      self.open[rows], self.lost[rows])  # fmt: skip

    def keys(self) -> NDArray[np.void]:
        """One opaque value for each trial, equal where two stand alike; np.unique sorts these fast."""
        columns = (self.n, self.y, self.level, self.top, self.phase, self.mtd, self.open, self.lost)
        wide = np.concatenate([c.reshape(len(self), -1).astype(np.int16) for c in columns], axis=1)
        return np.ascontiguousarray(wide).view(f"V{2 * wide.shape[1]}").ravel()


class Design(Protocol):
    """A way of moving between levels: how many patients next, where after them, and which level in the end."""

    @property
    def name(self) -> str:
        """The name by which a user asks for it."""
        ...

    @property
    def levels(self) -> int:
        """Dose levels."""
        ...

    @property
    def most(self) -> int:
        """Patients at most."""
        ...

    @property
    def title(self) -> str:
        """The design with its numbers, in words."""
        ...

    def begin(self, rows: int) -> Trials:
        """`rows` trials before their first patient."""
        ...

    def cohort(self, trials: Trials) -> Ints:
        """Patients of each trial's next cohort."""
        ...

    def decide(self, trials: Trials) -> None:
        """Moves, narrows or closes every open trial after its cohort's result."""
        ...

    def select(self, trials: Trials) -> Ints:
        """The MTD of closed trials, from 1; 0 where there is none."""
        ...
