"""Trials in time where every decision waits for complete data: when each patient is infused and when the trial ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.population import uniforms
from nksim.trial.outcomes import Outcomes
from nksim.trial.pace import DAYS_PER_MONTH, Pace
from nksim.trial.slots import TRIES, Filled, Rows, Try, fill

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Timeline:
    """R trials in days from their opening, with P places each; nan where there is no such patient.

    `length_d` runs to the last decision. `enrolled` counts everybody who entered; one trial alone has its `tries`.
    """

    entered_d: Floats
    infused_d: Floats
    ended_d: Floats
    length_d: Floats
    screen_failures: Floats
    product_failures: NDArray[np.int64]
    left: NDArray[np.int64]
    enrolled: NDArray[np.int64]
    tries: tuple[Try, ...] = ()


def timeline(outcomes: Outcomes, pace: Pace, seed: int) -> Timeline:
    """The times of simulated trials; trial i depends on the seed and on i alone.

    Candidates for a cohort are awaited from the decision on the one before: first for its places, one after another,
    then for those that have become free again. Raises `UsageError` NK812 where the stagger between cohorts is shorter
    than the window that a decision needs.
    """
    if 0 < pace.between_d < pace.followed_d:
        raise UsageError(
            "NK812",
            f"{pace.between_d:g} d between cohorts are shorter than the {pace.followed_d:g} d that complete data need",
            help="a longer --between, or --design tite-boin, which decides on incomplete data",
        )
    log = Log.of(outcomes, pace, seed)
    for k in range(outcomes.given.shape[1]):
        who = np.flatnonzero(outcomes.given[:, k] >= 0)
        if not len(who):
            break
        fresh = np.full(len(who), True) if k == 0 else outcomes.cohort[who, k] != outcomes.cohort[who, k - 1]
        log.replace(who[fresh])
        log.stream_d[who[fresh]] = log.known_d[who[fresh]]
        log.note(k, who, log.first_try(k, who, fresh), fresh)
    log.replace(np.arange(len(outcomes)))
    return log.timeline(log.known_d)


@dataclass(eq=False)
class Log:
    """What happens in R trials, gathered while they run.

    By place (R, P): entry, infusion, outcome known, `lost` and since when free. By trial (R,): `stream_d` the last
    entry, from which the next candidate is awaited, `first_d` the first infusion of the cohort (nan before it),
    `previous_d` the last infusion, `known_d` the day on which all outcomes so far are known.
    """

    outcomes: Outcomes
    pace: Pace
    seed: int
    entered_d: Floats
    infused_d: Floats
    ended_d: Floats
    free_d: Floats
    lost: NDArray[np.bool_]
    stream_d: Floats
    first_d: Floats
    previous_d: Floats
    known_d: Floats
    waited_d: Floats
    product_failures: NDArray[np.int64]
    left: NDArray[np.int64]
    tries: list[Try]

    @classmethod
    def of(cls, outcomes: Outcomes, pace: Pace, seed: int) -> Log:
        """An empty log for these trials."""
        shape, rows = outcomes.given.shape, len(outcomes)
        place, trial, count = np.full(shape, np.nan), np.zeros(rows), np.zeros(rows, np.int64)
        return cls(outcomes, pace, seed, place, place.copy(), place.copy(), place.copy(), np.full(shape, False), trial,
                   trial.copy(), trial.copy(), trial.copy(), trial.copy(), count, count.copy(), [])  # fmt: skip

    def first_try(self, k: int, who: Rows, fresh: NDArray[np.bool_]) -> Filled:
        """The first patient for place `k` of the trials `who`, at the earliest that the stagger allows."""
        gate = np.where(fresh, self.previous_d[who] + self.pace.between_d if k else 0.0, self._stagger(who))
        return fill(self.pace, self.seed, self.outcomes.index[who], k, self.stream_d[who], gate, range(1))

    def _stagger(self, who: Rows) -> Floats:
        """The earliest day for another patient of the cohort; 0 where nobody of it was infused."""
        first = self.first_d[who]
        since = np.where(np.isnan(first), np.nan, self.previous_d[who]) if self.pace.each else first
        return np.asarray(np.nan_to_num(since + self.pace.within_d, nan=0.0))

    def note(self, k: int, who: Rows, made: Filled, fresh: NDArray[np.bool_] | None = None) -> None:
        """Records place `k` of the trials `who`; `fresh` where it opens a cohort (None: it is a replacement)."""
        onset = np.ceil(self.pace.onset(uniforms(self.seed, self.outcomes.index[who], "onset", k)))
        until = made.infused_d + np.where(self.outcomes.toxic[who, k], onset, self.pace.followed_d)
        # Who leaves and is not replaced is known from the day of leaving.
        until = np.where(self.outcomes.evaluable[who, k] | made.lost, until, made.free_d)
        counts = ~made.lost
        self.entered_d[who, k] = np.where(counts, made.entered_d, np.nan)
        self.infused_d[who, k] = np.where(counts, made.infused_d, np.nan)
        self.ended_d[who, k] = np.where(counts, until, np.nan)
        self.lost[who, k], self.free_d[who, k] = made.lost, made.free_d
        self.known_d[who] = np.where(counts, np.maximum(self.known_d[who], self.pace.workday(until)), self.known_d[who])
        # Where the product failed nobody was infused: the next patient of the cohort is then its first.
        infused = np.where(counts | (made.left > 0), made.infused_d, np.nan)
        first = self.first_d[who] if fresh is None else np.where(fresh, np.nan, self.first_d[who])
        self.first_d[who] = np.fmin(first, infused)
        self.stream_d[who] = made.entered_d
        self.previous_d[who] = np.fmax(self.previous_d[who], infused)
        self.waited_d[who] += made.waited_d
        self.product_failures[who] += made.product_failures
        self.left[who] += made.left
        self.tries += made.tries

    def replace(self, rows: Rows) -> None:
        """Finds other patients for the places of these trials that are free again, in their order."""
        for k in np.flatnonzero(self.lost[rows].any(axis=0)):
            who = rows[self.lost[rows, k]]
            opens = np.maximum(self.stream_d[who], self.free_d[who, k])
            index, gate = self.outcomes.index[who], self._stagger(who)
            self.note(int(k), who, fill(self.pace, self.seed, index, int(k), opens, gate, range(1, TRIES)))

    def timeline(self, length_d: Floats) -> Timeline:
        """Everything recorded, with the screening failures that came meanwhile."""
        entered = (self.outcomes.given >= 0).sum(axis=1) + self.product_failures
        if self.pace.replace:
            entered += self.left
        expected = self.waited_d * self.pace.per_month * self.pace.screen_failure / DAYS_PER_MONTH
        failures = poisson(expected, uniforms(self.seed, self.outcomes.index, "screening"))
        return Timeline(self.entered_d, self.infused_d, self.ended_d, length_d, failures, self.product_failures,
                        self.left, entered, tuple(self.tries))  # fmt: skip


def together(parts: Sequence[Timeline]) -> Timeline:
    """Parts of one run in their order."""
    names = [f.name for f in fields(Timeline) if f.name != "tries"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Timeline(**columns, tries=tuple(t for part in parts for t in part.tries))


def poisson(mean: Floats, chance: Floats) -> Floats:
    """Poisson counts by inversion.

    >>> poisson(np.array([0.0, 2.0]), np.array([0.9, 0.5])).tolist()
    [0.0, 2.0]
    """
    from scipy.stats import poisson as distribution

    return np.where(mean > 0, distribution.ppf(chance, np.maximum(mean, 1e-12)), 0.0)
