"""When a site is closed: weekends, a country's public holidays, a file of closures, and hours of the day."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from nksim.errors import InvalidInput, Place, UsageError, shorten
from nksim.schedule.repeats import Repeats, repeats
from nksim.textfile import bytes_of
from nksim.words import said

SHIFTS = ("nearest", "following", "preceding", "modified-following")


@dataclass(frozen=True)
class Closure:
    """One span of time in which a site is closed, and why; whole days where `from_` and `to` are dates."""

    from_: dt.datetime | dt.date
    to: dt.datetime | dt.date
    why: str


@dataclass(frozen=True)
class Site:
    """When a site gives doses: what closes it, its hours, and where a dose with a window goes from a closed day.

    `shift` is nearest (a tie goes later), following, preceding, or modified-following (following, but preceding where
    that would leave the month).
    """

    weekends: bool = False
    countries: tuple[str, ...] = ()
    closures: tuple[Closure, ...] = ()
    repeated: tuple[Repeats, ...] = ()
    hours: tuple[dt.time, dt.time] | None = None
    shift: str = "nearest"
    names: tuple[str, ...] = field(default=())

    def closed_on(self, date: dt.date) -> str | None:
        """Why the site is closed all day, or None.

        >>> Site(weekends=True).closed_on(dt.date(2026, 3, 7))
        'weekend'
        """
        for country in self.countries:
            why = _public(country, date.year)(date)
            if why:
                return why
        if self.weekends and date.weekday() >= 5:
            return said("weekend")
        whole = (c for c in self._near(date, date) if not isinstance(c.from_, dt.datetime))
        return next((c.why for c in whole if c.from_ <= date < c.to), None)

    def _near(self, start: dt.date, end: dt.date) -> list[Closure]:
        """Every closure that may touch these days."""
        again = (Closure(*span, each.why) for each in self.repeated for span in each.spans(start, end))
        return [*self.closures, *again]

    def closed(self, start: dt.datetime, end: dt.datetime) -> str | None:
        """Why a dose from `start` to `end` (aware, local) meets a closed site, or None."""
        for date in sorted({start.date(), end.date()}):
            if why := self.closed_on(date):
                return why
        for c in self._near(start.date(), end.date()):
            timed = isinstance(c.from_, dt.datetime) and isinstance(c.to, dt.datetime)
            if timed and c.from_ < max(end, start + dt.timedelta(minutes=1)) and start < c.to:
                return c.why
        if self.hours is not None:
            opens, closes = self.hours
            if start.date() != end.date() or start.time() < opens or end.time() > closes:
                return said("outside {hours}", hours=f"{opens:%H:%M}–{closes:%H:%M}")
        return None

    def provisional(self, years: set[int]) -> list[str]:
        """Countries and years whose swaps of working days are not published in the installed `holidays`."""
        return [f"{c} {y}" for c in self.countries for y in sorted(years) if _unpublished(c, y)]

    def order(self, nominal: dt.date, candidates: Sequence[dt.date]) -> list[dt.date]:
        """The candidates in the order in which the shift rule tries them.

        >>> saturday = dt.date(2026, 3, 7)
        >>> [d.day for d in Site().order(saturday, [dt.date(2026, 3, n) for n in (6, 8, 9)])]
        [8, 6, 9]
        """
        later = sorted(d for d in candidates if d > nominal)
        earlier = sorted((d for d in candidates if d < nominal), reverse=True)
        if self.shift == "following":
            return later
        if self.shift == "preceding":
            return earlier
        if self.shift == "modified-following":
            return [*(d for d in later if d.month == nominal.month), *earlier]
        return sorted((*later, *earlier), key=lambda d: (abs((d - nominal).days), d < nominal))


def site_of(closed: Sequence[str], *, hours: str | None = None, shift: str = "nearest", tz: dt.tzinfo = dt.UTC) -> Site:
    """A site from texts: `weekends`, a country such as `CN` or `DE-BY`, the path of an .ics file; hours `08:00-18:00`.

    A country closes on its weekends and public holidays and is open on weekend days that it makes working days.
    Raises `UsageError` NK510 (not a closure), NK511 (hours), NK512 (the `holidays` package is not installed), and what
    reading a file raises.

    >>> site_of(["weekends"], hours="08:00-18:00").hours[0]
    datetime.time(8, 0)
    """
    if shift not in SHIFTS:
        raise UsageError("NK510", f"no shift {shorten(shift)}", help=f"one of {', '.join(SHIFTS)}")
    countries: list[str] = []
    closures: list[Closure] = []
    repeated: list[Repeats] = []
    for text in closed:
        if re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", text):
            _public(text, 2026)
            countries.append(text)
        elif text.endswith(".ics"):
            found = read_closures(text, tz)
            closures += [c for c in found if isinstance(c, Closure)]
            repeated += [c for c in found if isinstance(c, Repeats)]
        elif text != "weekends":
            raise UsageError(
                "NK510", f"--closed {shorten(text)} is not a closure", help="weekends, a country as CN, or FILE.ics"
            )
    span = _hours(hours) if hours else None
    return Site("weekends" in closed, tuple(countries), tuple(closures), tuple(repeated), span, shift, tuple(closed))


def _hours(text: str) -> tuple[dt.time, dt.time]:
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d) ?- ?([01]\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    opens, closes = (dt.time(int(match[i]), int(match[i + 1])) for i in (1, 3)) if match else (dt.time(), dt.time())
    if not opens < closes:
        raise UsageError("NK511", f"{shorten(text)} are not hours of a day", help="write --hours 08:00-18:00")
    return opens, closes


@cache
def _table(country: str, year: int) -> Any:
    try:
        import holidays
    except ImportError:
        raise UsageError(
            "NK512", "public holidays need the holidays package", help="pip install 'nksim[closures]'"
        ) from None
    name, _, part = country.partition("-")
    try:
        return holidays.country_holidays(name, subdiv=part or None, years=[year])
    except NotImplementedError:
        raise UsageError("NK510", f"no public holidays of {country} are known", help="a country as CN or US") from None


@cache
def _public(country: str, year: int) -> Callable[[dt.date], str | None]:
    table = _table(country, year)

    def why(date: dt.date) -> str | None:
        if date in table:
            return f"{country}: {table[date]}"
        return None if table.is_working_day(date) else said("{country}: {why}", country=country, why=said("weekend"))

    return why


@cache
def _unpublished(country: str, year: int) -> bool:
    """Whether a country that swaps working days each year has none in this one."""
    table = _table(country, year)
    swaps = getattr(table, "weekend_workdays", None) or ()
    return bool(getattr(table, "has_substituted_holidays", False)) and not any(d.year == year for d in swaps)


def read_closures(path: str | Path, tz: dt.tzinfo) -> list[Closure | Repeats]:
    """The events of an iCalendar file as closures, those that repeat as their rule; floating times in `tz`.

    Raises `UnreadableInput` NK100, or `InvalidInput` NK115 for a file that is none, a rule that cannot be followed, or
    a single instance that was changed.
    """
    from icalendar import Calendar

    data = bytes_of(path)
    try:
        events = Calendar.from_ical(data).walk("VEVENT")
        found = [_closure(event, tz) for event in events]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InvalidInput("NK115", f"not a calendar of closures: {error}", place=Place(str(path))) from None
    if not found:
        raise InvalidInput("NK115", "the calendar has no events", place=Place(str(path)), help="one event per closure")
    return found


def _closure(event: Any, tz: dt.tzinfo) -> Closure | Repeats:
    why = str(event.get("SUMMARY", "closed"))
    if "RECURRENCE-ID" in event:
        raise ValueError(f"{shorten(why)} changes one instance of a repeated event; write it as an event of its own")
    start = event["DTSTART"].dt
    end = (
        event["DTEND"].dt
        if "DTEND" in event
        else start + (event["DURATION"].dt if "DURATION" in event else _day(start))
    )
    if isinstance(start, dt.datetime):
        start, end = (t if t.tzinfo else t.replace(tzinfo=tz) for t in (start, end))
    if not start < end:
        raise ValueError(f"{shorten(why)} ends before it starts")
    if "RRULE" in event or "RDATE" in event:
        return repeats(event, start, end, why)
    return Closure(start, end, why)


def _day(start: dt.date) -> dt.timedelta:
    return dt.timedelta(hours=1) if isinstance(start, dt.datetime) else dt.timedelta(days=1)
