"""How fast a trial can go: what the user says about accrual, failures, follow-up, stagger and closed days."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.trial.opendays import OpenDays

Floats = NDArray[np.float64]
DAYS_PER_MONTH = 365.25 / 12
SATURDAY = 5


@dataclass(frozen=True)
class Pace:
    """The user's assumptions about time; none has a default but those that mean nothing happens.

    `per_month` candidates come (a Poisson process while accrual is open); `screen_failure` of them do not enter;
    `lead_d` passes from entry to the infusion, when `product_failure` of the products turn out unusable (made or
    thawed in vain); `not_evaluable` of those infused leave, at a uniform time in the window, without a toxicity and
    are replaced, unless `replace` is false. The window ends `window_d` after the dose it counts from, which is
    `counted_from_d` days after the first infusion. `within_d` from the first patient of a cohort to the next (from
    each to the next with `each`), `between_d` at least from the last infusion of a cohort to the first of the next.
    `late` of the toxicities come in the second half of the window, evenly within each half. `start_weekday` counts
    from Monday, 0; with `weekends` closed, infusions and decisions move to Monday; with a `site`, to its next open
    day.
    """

    per_month: float
    window_d: float
    counted_from_d: float = 0.0
    screen_failure: float = 0.0
    product_failure: float = 0.0
    not_evaluable: float = 0.0
    lead_d: float = 0.0
    within_d: float = 0.0
    each: bool = False
    between_d: float = 0.0
    late: float = 0.5
    weekends: bool = False
    start_weekday: int = 0
    replace: bool = True
    site: OpenDays | None = None

    @property
    def lost(self) -> float:
        """The fraction of patients who use up a place of the trial and count for no decision."""
        return 0.0 if self.replace else self.not_evaluable

    def __post_init__(self) -> None:
        _positive("accrual", self.per_month, "candidates per month, as in --accrual 2")
        _positive("DLT window", self.window_d, "a length of time, as in --window 28d")
        for name, value in (("screening failure", self.screen_failure), ("product failure", self.product_failure),
                            ("not evaluable", self.not_evaluable)):  # fmt: skip
            if not 0 <= value <= 0.9:
                raise UsageError("NK811", f"{name} {value:g} is not usable", help='from 0 % to 90 %, as in "20 %"')
        if not 0 <= self.late <= 1:
            raise UsageError("NK811", f"late {self.late:g} is not a fraction", help="from 0 % to 100 %")
        for name, days in (
            ("lead", self.lead_d),
            ("stagger within", self.within_d),
            ("stagger between", self.between_d),
        ):
            if not 0 <= days <= 1000:
                raise UsageError("NK811", f"{name} of {days:g} days is not usable", help="from 0 to 1000 days")
        if self.within_d > self.followed_d:
            raise UsageError(
                "NK812",
                f"the stagger within a cohort, {self.within_d:g} d, is longer than the follow-up of the DLT window, "
                f"{self.followed_d:g} d",
                help="whoever waits so long waits for a window that has ended: shorten --within, or check --window",
            )

    @property
    def followed_d(self) -> float:
        """Days from the first infusion to the end of the DLT window."""
        return self.counted_from_d + self.window_d

    def workday(self, day: Floats) -> Floats:
        """The day itself, whole and never earlier, or the next on which the site is open.

        >>> Pace(2, 28, weekends=True).workday(np.array([4.2, 5.0, 7.0])).tolist()
        [7.0, 7.0, 7.0]
        """
        whole = np.ceil(day - 1e-9)
        if self.site is not None:
            return self.site.next(whole)
        if not self.weekends:
            return np.asarray(whole)
        weekday = (whole + self.start_weekday) % 7
        return np.asarray(whole + np.where(weekday >= SATURDAY, 7 - weekday, 0))

    def waiting(self, chance: Floats) -> Floats:
        """Days to the next candidate who passes screening: exponential, thinned by the failures."""
        rate = self.per_month * (1 - self.screen_failure) / DAYS_PER_MONTH
        return np.asarray(-np.log(chance) / rate)

    def onset(self, chance: Floats) -> Floats:
        """Days from the first infusion to a toxicity, never 0 and never after the window.

        >>> Pace(2, 28).onset(np.array([0.25, 0.5, 1.0])).tolist()
        [7.0, 14.0, 28.0]
        """
        early = 1 - self.late
        first = chance / early / 2 if early else np.zeros_like(chance)
        second = 0.5 + (chance - early) / self.late / 2 if self.late else np.full_like(chance, 0.5)
        return np.asarray(np.where(chance <= early, first, second) * self.followed_d)


def _positive(name: str, value: float, mend: str) -> None:
    if not (math.isfinite(value) and 0 < value <= 10_000):
        raise UsageError("NK811", f"{name} {value:g} is not usable", help=mend)
