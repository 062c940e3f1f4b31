"""Dose transitions: every state that a design can reach, and where it goes from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nksim.errors import UsageError
from nksim.trial.state import Design, Trials

MOST_PATHS = 200_000


@dataclass(frozen=True)
class Transition:
    """After `y` of `n` at every level, the last cohort at `level`: the next level, or None and the MTD (0: none)."""

    n: tuple[int, ...]
    y: tuple[int, ...]
    level: int
    goes_to: int | None
    mtd: int | None

    @property
    def patients(self) -> int:
        """Patients treated so far."""
        return sum(self.n)


def transitions(design: Design, most: int) -> tuple[Transition, ...]:
    """Every state with at most `most` patients, in order of patients, then of what was seen.

    >>> from nksim.trial.three_plus_three import ThreePlusThree
    >>> [(t.n, t.y, t.goes_to, t.mtd) for t in transitions(ThreePlusThree(2), 3)]
    [((3, 0), (0, 0), 2, None), ((3, 0), (1, 0), 1, None), ((3, 0), (2, 0), None, 0), ((3, 0), (3, 0), None, 0)]
    """
    found: set[tuple[tuple[int, ...], tuple[int, ...], int, int | None, int | None]] = set()
    standing = design.begin(1)
    while len(standing):
        sizes = design.cohort(standing)
        rows = np.repeat(np.arange(len(standing)), sizes + 1)
        first = np.repeat(np.cumsum(sizes + 1) - (sizes + 1), sizes + 1)
        after = standing.take(rows)
        was = after.level.copy()
        after.add(np.arange(len(rows)), sizes[rows], (np.arange(len(rows)) - first).astype(np.int16))
        keep = after.treated <= most
        after, was = after.take(keep), was[keep]
        if not len(after):
            break
        design.decide(after)
        mtd = design.select(after)
        found |= {_state(after, i, int(was[i]), int(mtd[i])) for i in range(len(after))}
        if len(found) > MOST_PATHS:
            raise UsageError(
                "NK806", f"more than {MOST_PATHS:,} states up to {most} patients", help="a smaller --table"
            )
        standing = _alike(after.take(after.open))
    return tuple(sorted((Transition(*row) for row in found), key=lambda t: (t.patients, t.n[::-1], t.y[::-1], t.level)))


def _state(
    trials: Trials, i: int, was: int, mtd: int
) -> tuple[tuple[int, ...], tuple[int, ...], int, int | None, int | None]:
    n, y = tuple(trials.n[i].tolist()), tuple(trials.y[i].tolist())
    goes_on = bool(trials.open[i])
    return n, y, was + 1, int(trials.level[i]) + 1 if goes_on else None, None if goes_on else mtd


def _alike(trials: Trials) -> Trials:
    """One of every set of trials that stand alike."""
    return trials.take(np.unique(trials.keys(), return_index=True)[1]) if len(trials) else trials
