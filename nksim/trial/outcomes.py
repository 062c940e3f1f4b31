"""Simulated trials of a design under a true toxicity of each level, all at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.population import uniforms
from nksim.trial.state import Design, Ints

Floats = NDArray[np.float64]
MOST_TRIALS = 1_000_000
CHUNK = 8192


@dataclass(frozen=True, eq=False)
class Outcomes:
    """R trials as they ended: what counts by level (R, L), the MTD (R,), and patients in order (R, P).

    `n` and `y` are evaluable patients and toxicities. `given` is each patient's level from 0 (-1: no such patient),
    `cohort` the number of the cohort from 0, `toxic` whether a toxicity came within the window, `evaluable` false for
    those who left it without one and were not replaced.
    """

    index: NDArray[np.int64]
    n: Ints
    y: Ints
    mtd: Ints
    given: NDArray[np.int8]
    cohort: NDArray[np.int16]
    toxic: NDArray[np.bool_]
    evaluable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.index)

    def treated(self, level: int) -> NDArray[np.int64]:
        """Everybody given this level, from 0, evaluable or not, (R,)."""
        return np.asarray((self.given == level).sum(axis=1, dtype=np.int64))


def checked_truth(truth: Sequence[float], levels: int | None = None) -> tuple[float, ...]:
    """The true toxicities, probabilities that do not fall; raises `UsageError` NK802 otherwise."""
    values = tuple(float(p) for p in truth)
    for i, p in enumerate(values, 1):
        if not (math.isfinite(p) and 0 <= p <= 1):
            raise UsageError(
                "NK802",
                f"truth {p:g} of level {i} is not a probability",
                help="numbers from 0 to 1, one for each level",
            )
    for i, (low, high) in enumerate(pairwise(values), 1):
        if high < low:
            raise UsageError(
                "NK802",
                f"the truth falls from {low:g} at level {i} to {high:g} at level {i + 1}",
                help="every design here takes toxicity to rise with the dose: list the levels from low to high",
            )
    if levels is not None and len(values) != levels:
        raise UsageError(
            "NK802",
            f"truth has {len(values)} probabilities and there are {levels} levels",
            help=f"--truth with {levels} numbers, one for each level",
        )
    return values


def simulate(
    design: Design, truth: Sequence[float], *, n: int, seed: int, first: int = 0, workers: int = 1, lost: float = 0.0
) -> Outcomes:
    """`n` trials numbered from `first`; trial i depends on the seed and on i alone, whatever the workers.

    Patient k of trial i has one number in (0, 1), the same for every design, and a toxicity where it is below the
    truth of the level given: designs are compared in the same patients. A fraction `lost` is neither evaluable nor
    replaced: those patients use up the trial's places, and no decision counts them.

    >>> from nksim.trial.three_plus_three import ThreePlusThree
    >>> found = simulate(ThreePlusThree(2), [0.0, 1.0], n=2, seed=1)
    >>> found.mtd.tolist(), found.n.tolist()
    ([1, 1], [[3, 3], [3, 3]])
    """
    if not 1 <= n <= MOST_TRIALS:
        raise UsageError("NK805", f"{n} trials cannot be simulated", help=f"-n from 1 to {MOST_TRIALS:,}")
    if not 1 <= workers <= 64:
        raise UsageError("NK805", f"{workers} workers cannot be used", help="--workers from 1 to 64")
    values = np.array(checked_truth(truth, design.levels))
    ranges = [np.arange(i, min(i + CHUNK, first + n)) for i in range(first, first + n, CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(lambda index: _run(design, values, index, seed, lost), ranges))
    return joined(parts)


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Parts of one run in their order."""
    names = ("index", "n", "y", "mtd", "given", "cohort", "toxic", "evaluable")
    return Outcomes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def evaluable(seed: int, index: NDArray[np.int64], patient: int, lost: float) -> NDArray[np.bool_]:
    """Whether patient number `patient` of each trial can be evaluated, where a fraction `lost` cannot."""
    return np.asarray(uniforms(seed, index, "kept", patient) >= lost)


def _run(design: Design, truth: Floats, index: NDArray[np.int64], seed: int, lost: float) -> Outcomes:
    rows = len(index)
    trials = design.begin(rows)
    given = np.full((rows, design.most), -1, dtype=np.int8)
    cohort = np.zeros((rows, design.most), dtype=np.int16)
    toxic = np.zeros((rows, design.most), dtype=bool)
    kept = np.full((rows, design.most), True)
    for k in range(design.most if lost else 0):
        kept[:, k] = evaluable(seed, index, k, lost)
    chances = _Chances(seed, index)
    number = 0
    while trials.open.any():
        sizes = np.where(trials.open, design.cohort(trials), 0)
        before = trials.treated
        seen, count = np.zeros(rows, dtype=np.int16), np.zeros(rows, dtype=np.int16)
        for j in range(int(sizes.max())):
            who = np.flatnonzero(sizes > j)
            patient = before[who] + j
            level = trials.level[who]
            hit = (chances.of(who, patient) < truth[level]) & kept[who, patient]
            given[who, patient], cohort[who, patient], toxic[who, patient] = level, number, hit
            seen[who] += kept[who, patient]
            count[who] += hit
        open_rows = np.flatnonzero(trials.open)
        trials.add(open_rows, seen[open_rows], count[open_rows])
        trials.lost += sizes.astype(np.int16) - seen
        design.decide(trials)
        number += 1
    return Outcomes(index, trials.n, trials.y, design.select(trials), given, cohort, toxic, kept)


class _Chances:
    """The number of patient k of each trial, drawn when first asked for and never in sequence."""

    def __init__(self, seed: int, index: NDArray[np.int64]) -> None:
        self.seed, self.index = seed, index
        self.columns: dict[int, Floats] = {}

    def of(self, rows: NDArray[np.intp], patient: Ints) -> Floats:
        found = np.empty(len(rows))
        for k in np.unique(patient):
            if int(k) not in self.columns:
                self.columns[int(k)] = uniforms(self.seed, self.index, "toxicity", int(k))
            at = patient == k
            found[at] = self.columns[int(k)][rows[at]]
        return found
