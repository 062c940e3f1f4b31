"""One place in a cohort until it holds an evaluable patient: who came, what went wrong, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nksim.population import uniforms
from nksim.trial.outcomes import evaluable
from nksim.trial.pace import Pace

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
# Occasions of the random numbers: so many tries for each place before numbers would be used twice.
TRIES = 512
PRODUCT, LEFT, INFUSED = "product failure", "not evaluable", "infused"


@dataclass(frozen=True)
class Try:
    """One patient who entered: day of entry, of the infusion (None: no product) and when that was settled."""

    slot: int
    what: str
    entered_d: float
    infused_d: float | None
    until_d: float


@dataclass(eq=False)
class Filled:
    """The places of one number in R trials: entry and infusion of the patient who counts, and what it took.

    Where the tries ran out, `lost` is true, entry and infusion are those of the last try (the planned infusion where
    the product failed), and the place is free again on `free_d`.
    """

    entered_d: Floats
    infused_d: Floats
    free_d: Floats
    lost: NDArray[np.bool_]
    waited_d: Floats
    product_failures: NDArray[np.int64]
    left: NDArray[np.int64]
    tries: list[Try]

    def wait(self, days: Floats) -> None:
        """Puts the infusions off by so many days, and with them the day on which a place is free again."""
        self.infused_d += days
        self.free_d += days
        # Tries are kept for one trial alone.
        self.tries = [
            replace(
                t,
                infused_d=None if t.infused_d is None else t.infused_d + float(days[0]),
                until_d=t.until_d + float(days[0]),
            )
            for t in self.tries
        ]

    def where(self, chosen: NDArray[np.bool_]) -> Filled:
        """The places of these trials alone."""
        return Filled(self.entered_d[chosen], self.infused_d[chosen], self.free_d[chosen], self.lost[chosen],
                      self.waited_d[chosen], self.product_failures[chosen], self.left[chosen],
                      self.tries if chosen.any() else [])  # fmt: skip


def fill(
    pace: Pace, seed: int, index: NDArray[np.int64], slot: int, opens_d: Floats, gate_d: Floats, tries: range
) -> Filled:
    """Tries to fill place number `slot` of the trials `index`.

    Candidates are awaited from `opens_d`, and none is infused before `gate_d`. Where a product fails the place is free
    on the day on which the infusion was planned, where a patient leaves on the day of leaving. `tries` numbers the
    tries, so that the replacements of a place may be looked for later than its first patient. Where the plan does not
    replace those who leave, the place stays theirs.
    """
    rows = len(index)
    nothing, none = np.zeros(rows), np.zeros(rows, np.int64)
    made = Filled(nothing, nothing.copy(), opens_d.astype(float).copy(), np.full(rows, True), nothing.copy(), none,
                  none.copy(), [])  # fmt: skip
    for attempt in tries:
        waiting = np.flatnonzero(made.lost)
        if not len(waiting):
            break
        _try(made, waiting, pace, seed, index[waiting], (slot, attempt), gate_d[waiting])
    return made


def _try(
    made: Filled, waiting: Rows, pace: Pace, seed: int, index: NDArray[np.int64], which: tuple[int, int], gate_d: Floats
) -> None:
    """One candidate for the places that are free."""
    at = which[0] * TRIES + which[1]
    wait = pace.waiting(uniforms(seed, index, "candidate", at))
    entry = made.free_d[waiting] + wait
    ready = pace.workday(np.maximum(entry + pace.lead_d, gate_d))
    spoilt = uniforms(seed, index, "product", at) < pace.product_failure
    if pace.replace:
        leaves = ~spoilt & (uniforms(seed, index, "evaluable", at) < pace.not_evaluable)
    else:
        leaves = ~spoilt & ~evaluable(seed, index, which[0], pace.not_evaluable)
    gone = ready + np.ceil(uniforms(seed, index, "leaving", at) * pace.followed_d)
    made.waited_d[waiting] += wait
    made.product_failures[waiting] += spoilt
    made.left[waiting] += leaves
    made.entered_d[waiting], made.infused_d[waiting] = entry, ready
    made.free_d[waiting] = np.where(spoilt, ready, gone)
    made.lost[waiting] = spoilt | leaves if pace.replace else spoilt
    if len(made.lost) == 1:
        what = PRODUCT if spoilt[0] else LEFT if leaves[0] else INFUSED
        until = float(gone[0]) if leaves[0] else float(ready[0])
        made.tries.append(Try(which[0], what, float(entry[0]), None if spoilt[0] else float(ready[0]), until))
