"""TITE-BOIN trials in time, all at once: each cohort's level is decided on the day of its first infusion."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.population import uniforms
from nksim.trial.decisions import LETTERS
from nksim.trial.outcomes import CHUNK, MOST_TRIALS, Outcomes, checked_truth, evaluable, joined
from nksim.trial.pace import Pace
from nksim.trial.state import Trials
from nksim.trial.timeline import Log, Timeline, together
from nksim.trial.tite import TiteBoin

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def simulate_rolling(
    design: TiteBoin, truth: Sequence[float], pace: Pace, *, n: int, seed: int, first: int = 0, workers: int = 1
) -> tuple[Outcomes, Timeline]:
    """`n` trials with their times; trial i depends on the seed and on i alone.

    Candidates are awaited from the entry of the one before; the level of a cohort is the one decided on its first
    infusion day from what is known then. A patient who leaves is replaced before the next cohort enters, and never
    counts as pending; where the plan does not replace, he counts as pending until he leaves and no longer after.
    """
    if not 1 <= n <= MOST_TRIALS:
        raise UsageError("NK805", f"{n} trials cannot be simulated", help=f"-n from 1 to {MOST_TRIALS:,}")
    values = np.array(checked_truth(truth, design.levels))
    ranges = [np.arange(i, min(i + CHUNK, first + n)) for i in range(first, first + n, CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(lambda index: _Run(design, values, pace, seed, index).finished(), ranges))
    return joined([part[0] for part in parts]), together([part[1] for part in parts])


@dataclass(eq=False)
class _Run:
    """One chunk of trials on its way."""

    design: TiteBoin
    truth: Floats
    pace: Pace
    seed: int
    index: NDArray[np.int64]

    def __post_init__(self) -> None:
        rows, most = len(self.index), self.design.most
        self.trials: Trials = self.design.conduct.begin(rows)
        self.outcomes = Outcomes(
            self.index, self.trials.n, self.trials.y, self.trials.mtd, np.full((rows, most), -1, np.int8),
            np.zeros((rows, most), np.int16), np.zeros((rows, most), bool),
            np.full((rows, most), True))  # fmt: skip
        self.log = Log.of(self.outcomes, self.pace, self.seed)

    def finished(self) -> tuple[Outcomes, Timeline]:
        """Runs every trial to its end."""
        size = self.design.conduct.size
        for k in range(self.design.most):
            rows = np.flatnonzero(self.trials.open)
            if not len(rows):
                break
            self._place(k, rows, opens_cohort=k % size == 0)
        self.log.replace(np.arange(len(self.index)))
        self._count()
        self.trials.open[:] = False
        o = self.outcomes
        mtd = self.design.conduct.select(self.trials)
        done = Outcomes(o.index, self.trials.n, self.trials.y, mtd, o.given, o.cohort, o.toxic, o.evaluable)
        return done, self.log.timeline(self.log.known_d)

    def _place(self, k: int, rows: Rows, *, opens_cohort: bool) -> None:
        """Patient k of each open trial enters, waits if need be, and gets the level of the day."""
        if opens_cohort:
            self.log.replace(rows)
        made = self.log.first_try(k, rows, np.full(len(rows), opens_cohort))
        if opens_cohort and k:
            made.wait(self._decided(rows, made.infused_d) - made.infused_d)
        goes = self.trials.open[rows]
        rows, made = rows[goes], made.where(goes)
        level = self.trials.level[rows]
        o = self.outcomes
        o.given[rows, k], o.cohort[rows, k] = level, k // self.design.conduct.size
        if self.pace.lost:
            o.evaluable[:, k] = evaluable(self.seed, self.index, k, self.pace.lost)
        hit = uniforms(self.seed, self.index, "toxicity", k)[rows] < self.truth[level]
        o.toxic[rows, k] = hit & o.evaluable[rows, k]
        self.log.note(k, rows, made, np.full(len(rows), opens_cohort))

    def _decided(self, rows: Rows, day: Floats) -> Floats:
        """Decides level and day of the next cohort of these trials; a trial that stops is closed."""
        found = day.copy()
        waiting = np.arange(len(rows))
        while len(waiting):
            again = self._decide(rows[waiting], found[waiting])
            waiting = waiting[again]
            mine = rows[waiting]
            here = self.outcomes.given[mine] == self.trials.level[mine, None]
            ended = np.where(here & (self.log.ended_d[mine] > found[waiting][:, None]), self.log.ended_d[mine], np.inf)
            found[waiting] = self.pace.workday(ended.min(axis=1)) if len(waiting) else found[waiting]
        return found

    def _decide(self, rows: Rows, day: Floats) -> NDArray[np.bool_]:
        """One look at the data of `day`; true where accrual has to wait."""
        trials, conduct = self.trials, self.design.conduct
        given, ended = self.outcomes.given[rows], self.log.ended_d[rows]
        with np.errstate(invalid="ignore"):
            known = ended <= day[:, None]
        # Whoever has left counts no more; until then nobody knows.
        given = np.where(known & ~self.outcomes.evaluable[rows], -1, given).astype(np.int8)
        here = given == trials.level[rows, None]
        self._exclude(rows, given, known)
        n, pending = here.sum(axis=1), (here & ~known).sum(axis=1)
        seen = (here & known & self.outcomes.toxic[rows]).sum(axis=1)
        part = np.clip((day[:, None] - self.log.infused_d[rows]) / self.pace.followed_d, 0, 1)
        followed = np.where(here & ~known, part, 0.0).sum(axis=1)
        out = trials.level[rows] >= trials.top[rows]
        surely = (seen >= self.design.bounds[1] * n) & (n > 0)
        crowded = ~out & ~surely & (pending > self.design.most_pending * n)
        below, start, end = self.design.edges(n, seen, pending)
        rises, falls = (below == 1) & (followed >= start), (below == 0) & (followed <= end)
        # Where nobody of the level can be evaluated it is given again.
        step = np.where(n == 0, 0, np.where(surely | falls, -1, np.where(rises, 1, 0)))
        low = ~out & (step == -1) & (trials.level[rows] == 0) & (pending > 0)
        wait = trials.open[rows] & (crowded | low)
        moves = trials.open[rows] & ~wait
        # An excluded level gives way to the highest that is still allowed, whatever the rate.
        target = np.clip(trials.level[rows] + np.where(out, 0, step), 0, np.maximum(trials.top[rows] - 1, 0))
        if conduct.enough:
            trials.open[rows[moves & ~out & (target == trials.level[rows]) & (n >= conduct.enough)]] = False
        trials.level[rows[moves]] = target[moves]
        return np.asarray(wait)

    def _exclude(self, rows: Rows, given: NDArray[np.int8], known: NDArray[np.bool_]) -> None:
        """Excludes every level whose seen toxicities among all its patients are too many, and those above it."""
        trials, conduct = self.trials, self.design.conduct
        toxic = self.outcomes.toxic[rows] & known
        for level in range(self.design.levels):
            at = given == level
            n, y = at.sum(axis=1), (at & toxic).sum(axis=1)
            out = conduct.decisions.codes()[n, y] == LETTERS["X"]
            trials.top[rows[out]] = np.minimum(trials.top[rows[out]], level)
        if conduct.extra:
            first = given == 0
            trials.top[rows[conduct.unsafe(first.sum(axis=1), (first & toxic).sum(axis=1))]] = 0
        trials.open[rows[trials.top[rows] == 0]] = False

    def _count(self) -> None:
        """Patients, toxicities and excluded levels when all outcomes are known."""
        o = self.outcomes
        for level in range(self.design.levels):
            at = (o.given == level) & o.evaluable
            self.trials.n[:, level], self.trials.y[:, level] = at.sum(axis=1), (at & o.toxic).sum(axis=1)
        counted = np.where(o.evaluable, o.given, -1).astype(np.int8)
        self._exclude(np.arange(len(self.index)), counted, np.full(o.given.shape, True))
