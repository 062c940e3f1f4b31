"""Every course that a design can take, with its probability: no chance, no error but rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from nksim.errors import UsageError
from nksim.trial.outcomes import checked_truth
from nksim.trial.state import Design, Ints, Trials

Floats = NDArray[np.float64]
MOST_STATES = 2_000_000


@dataclass(frozen=True, eq=False)
class Enumeration:
    """The distinct ways in which a trial can end: patients, toxicities (R, L), MTD (R,) and probability (R,)."""

    n: Ints
    y: Ints
    mtd: Ints
    probability: Floats


def enumerate_trials(design: Design, truth: Sequence[float], most_states: int = MOST_STATES) -> Enumeration:
    """Every end of a trial with its probability; trials that stand alike are one.

    A design decides from what it has seen at each level, so that two courses which have led to the same state go on
    alike. Raises `UsageError` NK806 where there are more than `most_states` of them at once.

    >>> from nksim.trial.three_plus_three import ThreePlusThree
    >>> found = enumerate_trials(ThreePlusThree(1), [0.30])
    >>> round(float(found.probability[found.mtd == 1].sum()), 4)
    0.4943
    """
    values = np.array(checked_truth(truth, design.levels))
    standing, weight = design.begin(1), np.ones(1)
    ends: list[tuple[Ints, Ints, Ints, Floats]] = []
    while len(standing):
        standing, weight = _stepped(design, values, standing, weight, most_states)
        done = ~standing.open
        if done.any():
            closed = standing.take(done)
            ends.append((closed.n, closed.y, design.select(closed), weight[done]))
        standing, weight = _merged(standing.take(~done), weight[~done])
    n, y, mtd, probability = (np.concatenate(column) for column in zip(*ends, strict=True))
    return Enumeration(n, y, mtd, probability)


def _stepped(design: Design, truth: Floats, trials: Trials, weight: Floats, most_states: int) -> tuple[Trials, Floats]:
    """Every result of the next cohort of every state, after the design's decision."""
    sizes = design.cohort(trials)
    if int((sizes.astype(np.int64) + 1).sum()) > most_states:
        raise UsageError(
            "NK806",
            f"{design.name} has more than {most_states:,} states to enumerate",
            help="leave --exact out to simulate, or take fewer patients or larger cohorts",
        )
    rows = np.repeat(np.arange(len(trials)), sizes + 1)
    first = np.repeat(np.cumsum(sizes + 1) - (sizes + 1), sizes + 1)
    toxicities = (np.arange(len(rows)) - first).astype(np.int16)
    after = trials.take(rows)
    chance = binom.pmf(toxicities, sizes[rows], truth[after.level])
    after.add(np.arange(len(rows)), sizes[rows], toxicities)
    possible = chance > 0
    after, chance = after.take(possible), chance[possible] * weight[rows[possible]]
    design.decide(after)
    return after, chance


def _merged(trials: Trials, weight: Floats) -> tuple[Trials, Floats]:
    """States that are alike become one, with the sum of their probabilities."""
    if not len(trials):
        return trials, weight
    _, first, which = np.unique(trials.keys(), return_index=True, return_inverse=True)
    return trials.take(first), np.asarray(np.bincount(which.ravel(), weights=weight), dtype=np.float64)
