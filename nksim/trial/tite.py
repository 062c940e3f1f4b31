"""TITE-BOIN: BOIN for late toxicity, which decides while some patients are still under observation.

Each pending outcome is replaced by its expected value (Yuan et al. 2018, doi 10.1158/1078-0432.CCR-18-0246): with s
toxicities seen among n patients, c of them pending, and the standardised total follow-up STFT of the pending (the
parts of the window that they have passed, summed), the rate is (s + q (c - STFT)) / n with q = p / (1 - p) and p = (s
+ target / 2) / (n - c + 1). One escalates where it is at most BOIN's lower boundary and s/n below the target, and de-
escalates where it is at least the upper one and s/n not below the target. Accrual waits while more than half of a
level's patients are pending, unless s/n alone is at or above the upper boundary: then one de-escalates at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.trial.boin import Boin, boundaries
from nksim.trial.conduct import Conduct
from nksim.trial.decisions import DecisionTable

Counts = NDArray[np.integer]
Floats = NDArray[np.float64]
MOST_PENDING = 0.5


@dataclass(frozen=True)
class PendingRow:
    """What follows from `y` toxicities among `n` patients with `pending` more outcomes open.

    `decision` holds whatever the follow-up (X: excluded, W: wait); otherwise it is None, and one escalates from a
    standardised follow-up of `escalate_from` windows on and de-escalates up to `deescalate_upto` (None: never).
    """

    n: int
    y: int
    pending: int
    decision: str | None
    escalate_from: float | None = None
    deescalate_upto: float | None = None

    def at(self, followed: float) -> str:
        """The decision when the pending patients have together passed so many windows."""
        if self.decision:
            return self.decision
        if self.escalate_from is not None and followed >= self.escalate_from:
            return "E"
        return "D" if self.deescalate_upto is not None and followed <= self.deescalate_upto else "S"


@dataclass(frozen=True)
class TiteBoin:
    """BOIN with pending patients: the same boundaries, applied to the rate with the pending outcomes imputed.

    >>> rule = TiteBoin(Conduct(Boin(0.30), 5))
    >>> rule.row(3, 0, 1).at(0.1), rule.row(3, 0, 2).decision, rule.row(6, 1, 2).at(0.5), rule.row(6, 1, 2).at(0.7)
    ('E', 'W', 'S', 'E')
    """

    conduct: Conduct
    most_pending: float = MOST_PENDING
    name: str = "tite-boin"

    def __post_init__(self) -> None:
        if self.conduct.titrate:
            raise UsageError(
                "NK804",
                "TITE-BOIN has no titration: its published tables begin with whole cohorts and do not say what a "
                "single patient who is still under observation allows",
                help="leave --titrate out, or --design boin, which waits for each of them",
            )

    @property
    def levels(self) -> int:
        """Dose levels."""
        return self.conduct.levels

    @property
    def start(self) -> int:
        """The level of the first cohort."""
        return self.conduct.start

    @property
    def most(self) -> int:
        """Patients at most."""
        return self.conduct.most

    @property
    def target(self) -> float:
        """The target toxicity."""
        return self.conduct.rule.target

    @property
    def title(self) -> str:
        """The design with its numbers, in words."""
        words = self.conduct.title.removeprefix("BOIN")
        waits = f"accrual waits above {self.most_pending:.0%} pending"
        return f"TITE-BOIN{words}; pending outcomes are imputed from their follow-up, {waits}"

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """λₑ and λ_d of BOIN."""
        rule = self.conduct.rule
        assert isinstance(rule, Boin)
        return boundaries(rule.target, rule.safe, rule.toxic)

    @property
    def decisions(self) -> DecisionTable:
        """The table with no patient pending: BOIN's."""
        return self.conduct.decisions

    def row(self, n: int, y: int, pending: int) -> PendingRow:
        """The line of the decision table for `y` seen among `n` with `pending` open, y + pending ≤ n."""
        if self.conduct.exclusion.excludes(n, y, self.target):
            return PendingRow(n, y, pending, "X")
        if y >= self.bounds[1] * n:
            return PendingRow(n, y, pending, "D")
        if pending > self.most_pending * n:
            return PendingRow(n, y, pending, "W")
        below, start, end = (float(v[0]) for v in self.edges(np.array([n]), np.array([y]), np.array([pending])))
        if below:
            return PendingRow(n, y, pending, None, max(start, 0.0) if start <= pending else None, None)
        return PendingRow(n, y, pending, None, None, min(end, float(pending)) if end >= 0 else None)

    def edges(self, n: Counts, y: Counts, pending: Counts) -> tuple[Floats, Floats, Floats]:
        """Whether the rate seen is below the target (1 or 0), the least follow-up to escalate, the most to de-escalate.

        The first edge counts below the target only, the second from the target on.
        """
        up, down = self.bounds
        p = (y + self.target / 2) / (n - pending + 1)
        odds = p / (1 - p)
        below = np.asarray(y < self.target * n - 1e-9, dtype=np.float64)
        return below, pending - (up * n - y) / odds, pending - (down * n - y) / odds

    def rows(self, most: int, step: int = 1) -> tuple[PendingRow, ...]:
        """The whole table up to `most` patients, for n every `step`."""
        return tuple(
            self.row(n, y, c) for n in range(step, most + 1, step) for y in range(n + 1) for c in range(n - y + 1)
        )
