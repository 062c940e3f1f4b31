"""Closures that come again: recurrence rules of iCalendar events (RFC 5545 3.8.5) in the wall clock of their zone."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from nksim.errors import shorten

# A closure that comes several times a day is no closure; hours of the day are --hours.
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")


@dataclass(frozen=True)
class Repeats:
    """When one event comes: `rule` gives its starts as naive times of the zone `tz`; a whole-day event has no zone."""

    rule: Any
    length: dt.timedelta
    tz: dt.tzinfo | None
    why: str

    def spans(self, start: dt.date, end: dt.date) -> list[tuple[dt.datetime | dt.date, dt.datetime | dt.date]]:
        """The spans that touch the days from `start` to `end`."""
        first = dt.datetime.combine(start, dt.time()) - self.length - dt.timedelta(days=1)
        last = dt.datetime.combine(end, dt.time()) + dt.timedelta(days=2)
        return [self._span(found) for found in self.rule.between(first, last, inc=True)]

    def _span(self, start: dt.datetime) -> tuple[dt.datetime | dt.date, dt.datetime | dt.date]:
        if self.tz is None:
            return start.date(), (start + self.length).date()
        return start.replace(tzinfo=self.tz), (start + self.length).replace(tzinfo=self.tz)


def repeats(event: Any, start: dt.datetime | dt.date, end: dt.datetime | dt.date, why: str) -> Repeats:
    """The repeats of an iCalendar event that starts and ends (first) at `start` and `end`, aware or whole days.

    Raises `ValueError` for a rule that is none, that comes more often than daily, or that never comes.
    """
    from dateutil.rrule import rruleset, rrulestr

    tz = start.tzinfo if isinstance(start, dt.datetime) else None
    first = _wall(start, tz)
    found = rruleset(cache=True)
    found.rdate(first)
    for rule in _listed(event, "RRULE"):
        text = rule.to_ical().decode()
        if (frequency := str(rule["FREQ"][0])) not in FREQUENCIES:
            raise ValueError(f"{shorten(why)} repeats {frequency.lower()}; write {', '.join(FREQUENCIES)}")
        for until in rule.get("UNTIL", []):
            text = re.sub(r"UNTIL=[0-9TZ]+", f"UNTIL={_wall(until, tz):%Y%m%dT%H%M%S}", text)
        every = rrulestr(text, dtstart=first)
        if next(iter(every), None) is None:
            raise ValueError(f"{shorten(why)} repeats by {text}, which never comes")
        found.rrule(every)
    for name, take in (("RDATE", found.rdate), ("EXDATE", found.exdate)):
        for dates in _listed(event, name):
            for held in dates.dts:
                if isinstance(held.dt, tuple):
                    raise ValueError(f"{shorten(why)} has an {name} of periods; write each as an event")
                take(_wall(held.dt, tz))
    return Repeats(found, _wall(end, tz) - first, tz, why)


def _listed(event: Any, name: str) -> list[Any]:
    held = event.get(name, [])
    return held if isinstance(held, list) else [held]


def _wall(time: dt.datetime | dt.date, tz: dt.tzinfo | None) -> dt.datetime:
    """A time as the clock of `tz` shows it, without the zone; midnight of a date."""
    if not isinstance(time, dt.datetime):
        return dt.datetime.combine(time, dt.time())
    return (time.astimezone(tz) if time.tzinfo and tz else time).replace(tzinfo=None)
