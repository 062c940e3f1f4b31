"""TITE-BOIN: BOIN for late toxicity, which decides while some patients are still under observation.

Pending patients count by the part of the window that they have passed: the observed rate is s / (n - c + STFT) with s
toxicities seen among n patients, c pending, and their standardised total follow-up STFT (approximated likelihood of
Lin & Yuan 2020, doi 10.1093/biostatistics/kxz007; Yuan et al. 2018, doi 10.1158/1078-0432.CCR-18-0246, impute instead).
Accrual waits while more than half of a level's patients are pending, as in both papers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nksim.errors import UsageError
from nksim.trial.boin import Boin, boundaries
from nksim.trial.conduct import Conduct
from nksim.trial.decisions import DecisionTable

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
    """BOIN with pending patients: the same boundaries, applied to the rate among effective patients.

    >>> rule = TiteBoin(Conduct(Boin(0.30), 5))
    >>> rule.row(3, 0, 1).at(0.1), rule.row(3, 0, 2).decision, rule.row(6, 1, 2).at(0.0), rule.row(6, 1, 2).at(0.5)
    ('E', 'W', 'S', 'E')
    """

    conduct: Conduct
    most_pending: float = MOST_PENDING
    name: str = "tite-boin"

    def __post_init__(self) -> None:
        if self.conduct.titrate:
            raise UsageError("NK804", "TITE-BOIN has no titration here", help="leave --titrate out, or --design boin")

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
        return f"TITE-BOIN{words}; pending patients count by their follow-up, {waits}"

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
        if pending > self.most_pending * n:
            return PendingRow(n, y, pending, "W")
        up, down = self.bounds
        complete = n - pending
        # y / (complete + followed) <= up from this follow-up on, and >= down up to the other.
        start, end = y / up - complete, y / down - complete
        from_here = max(start, 0.0) if start <= pending else None
        upto_here = min(end, float(pending)) if end >= 0 else None
        return PendingRow(n, y, pending, None, from_here, upto_here)

    def rows(self, most: int, step: int = 1) -> tuple[PendingRow, ...]:
        """The whole table up to `most` patients, for n every `step`."""
        return tuple(
            self.row(n, y, c) for n in range(step, most + 1, step) for y in range(n + 1) for c in range(n - y + 1)
        )
