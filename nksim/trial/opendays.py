"""The days on which a site infuses and decides, counted from the opening of a trial."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError
from nksim.schedule.closures import Site

Floats = NDArray[np.float64]
SATURDAY = 5
# Holidays are looked up so many years ahead; later, weekends alone are closed where they were before.
YEARS = 20
_LONGEST = 366


@dataclass(frozen=True, eq=False)
class OpenDays:
    """For every day from the opening (0), the day itself or the next open one; `names` says what closes."""

    following: NDArray[np.int64]
    weekends: bool
    start_weekday: int
    names: tuple[str, ...]

    def next(self, day: Floats) -> Floats:
        """These whole days, each moved to the next open one."""
        near = np.minimum(day, len(self.following) - 1).astype(np.int64)
        far = day
        if self.weekends:
            weekday = (day + self.start_weekday) % 7
            far = day + np.where(weekday >= SATURDAY, 7 - weekday, 0)
        return np.asarray(np.where(day < len(self.following), self.following[near].astype(np.float64), far))


def open_days(site: Site, opens: dt.date) -> OpenDays:
    """The open days of a site; raises `UsageError` NK510 where it is closed for more than a year.

    >>> from nksim.schedule.closures import site_of
    >>> found = open_days(site_of(["weekends"]), dt.date(2027, 3, 1))
    >>> found.next(np.array([4.0, 5.0, 6.0])).tolist()
    [4.0, 7.0, 7.0]
    """
    days = (dt.date(opens.year + YEARS, 12, 31) - opens).days + 1
    shut = [site.closed_on(opens + dt.timedelta(days=i)) is not None for i in range(days)]
    following = np.arange(days)
    for i in range(days - 2, -1, -1):
        if shut[i]:
            following[i] = following[i + 1]
    if int((following - np.arange(days)).max()) > _LONGEST:
        raise UsageError(
            "NK510", "the site is closed for more than a year", help="another --closed, or a later --opens"
        )
    return OpenDays(following, site.weekends or bool(site.countries), opens.weekday(), site.names)
