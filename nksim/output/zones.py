"""Time zones as iCalendar carries them (VTIMEZONE): every clock change of a span written out, at its very second.

RFC 5545 3.6.5 counts an onset in the local time before it. One observance for each change, without RDATE or RRULE,
is what every parser reads alike: some take only the first date of an RDATE.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

State = tuple[dt.timedelta, str, bool]


def vtimezone(tz: ZoneInfo, start: dt.date, end: dt.date) -> Timezone:
    """The zone from `start` to `end`, both included.

    >>> zone = vtimezone(ZoneInfo("Europe/Berlin"), dt.date(2027, 1, 1), dt.date(2027, 12, 31))
    >>> [str(part["DTSTART"].dt) for part in zone.subcomponents]
    ['2027-01-01 00:00:00', '2027-03-28 02:00:00', '2027-10-31 03:00:00']
    """
    found = Timezone()
    found.add("tzid", tz.key)
    first = dt.datetime.combine(start, dt.time(), dt.UTC) - dt.timedelta(days=1)
    state = _state(first, tz)
    found.add_component(_observance(dt.datetime.combine(start, dt.time()), state, state))
    for change in _changes(tz, first, dt.datetime.combine(end, dt.time(), dt.UTC) + dt.timedelta(days=2)):
        before, state = state, _state(change, tz)
        found.add_component(_observance((change + before[0]).replace(tzinfo=None), before, state))
    return found


def _state(time: dt.datetime, tz: ZoneInfo) -> State:
    local = time.astimezone(tz)
    return local.utcoffset() or dt.timedelta(), local.tzname() or "", bool(local.dst())


def _changes(tz: ZoneInfo, start: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
    """The instants in UTC, to the second, from which offset or name differ; no zone changes twice within 12 hours."""
    step = dt.timedelta(hours=12)
    low = start
    while low < end:
        high = low + step
        if _state(low, tz) != _state(high, tz):
            seconds = (0, int(step.total_seconds()))
            while seconds[1] - seconds[0] > 1:
                middle = sum(seconds) // 2
                same = _state(low + dt.timedelta(seconds=middle), tz) == _state(low, tz)
                seconds = (middle, seconds[1]) if same else (seconds[0], middle)
            yield low + dt.timedelta(seconds=seconds[1])
        low = high


def _observance(onset: dt.datetime, before: State, after: State) -> TimezoneStandard | TimezoneDaylight:
    part = TimezoneDaylight() if after[2] else TimezoneStandard()
    part.add("dtstart", onset)
    part.add("tzoffsetfrom", before[0])
    part.add("tzoffsetto", after[0])
    part.add("tzname", after[1])
    return part
