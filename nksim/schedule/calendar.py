"""Schedule × day 0 × zone → Calendar: real dates and clock times; nothing before this step knows a date."""

from __future__ import annotations

import calendar as month_lengths
import datetime as dt
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

from nksim.dates import parse_date
from nksim.errors import InvalidInput, UsageError, shorten
from nksim.schedule.closures import Site
from nksim.schedule.expansion import Event, Schedule, timed
from nksim.schedule.finding import Finding
from nksim.schedule.placing import Move, key_of, moves
from nksim.schedule.safety import findings, weight_age_findings
from nksim.schedule.spread import Spread, slacks, spreads
from nksim.schedule.timing import Moment, protocol_day
from nksim.units import Duration
from nksim.words import Said, phrase, said


@dataclass(frozen=True)
class Row:
    """One dose or assessment on its date; times are aware and local.

    `sequence` counts the amendments that changed the row, the last of them at `changed`.
    """

    event: Event
    protocol_day: int
    study_day: int
    start: dt.datetime
    end: dt.datetime
    earliest: dt.datetime | None
    latest: dt.datetime | None
    notes: tuple[str, ...]
    closed: str | None = None
    possible: tuple[dt.datetime, dt.datetime] | None = None
    slack: tuple[str, ...] = ()
    sequence: int = 0
    changed: dt.datetime | None = None


@dataclass(frozen=True)
class Calendar:
    """A patient's schedule placed on real dates, rows in order of start.

    What amendments took out is `cancelled`, as it last stood, and is no row: nobody can read it as a dose to give.
    """

    schedule: Schedule
    day0: dt.date
    tz: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    decided: tuple[str, ...] = ()
    cancelled: tuple[Row, ...] = ()


def place(schedule: Schedule, *, day0: str | dt.date, tz: str, site: Site | None = None) -> Calendar:
    """The calendar of a schedule whose anchor falls on `day0` (YYYY-MM-DD) in the IANA zone `tz`.

    At a `site` that closes, doses with a window move to an open day within it; the others stay and are findings NK330.

    Days step the local calendar at the same clock time; hours and minutes elapse. A local time that the clocks skip
    is moved on by the length of the gap, one that they repeat is the first of the two, and the row says so.
    Raises `InvalidInput` NK406 (date) or `UsageError` NK407 (zone).

    >>> from nksim.protocol.catalog import load
    >>> from nksim.protocol.choice import choose
    >>> from nksim.patient import Patient
    >>> from nksim.schedule.expansion import expand
    >>> c = choose(load("jk500"), settings=(("cells.dose", "1e7 cells/kg"), ("cells.days", "0")))
    >>> s = expand(c, Patient(weight="20 kg", height="110 cm"))
    >>> place(s, day0="2027-03-01", tz="Asia/Shanghai").rows[0].start.isoformat()
    '2027-02-22T10:00:00+08:00'
    """
    date = parse_date(day0) if isinstance(day0, str) else day0
    placer = _Placer(date, schedule.anchor_clock, zone(tz))
    zero = bool(schedule.choice.protocol.numbering.zero.value)
    moved = moves(schedule, site, lambda m: placer.at(m)[0]) if site else {}
    rows = [(placer.row(event, zero, moved.get(key_of(event)), site), i) for i, event in enumerate(schedule.events)]
    rows.sort(key=lambda r: (r[0].start.astimezone(dt.UTC), _rank(r[0].event), r[1]))
    slack = spreads(slacks(schedule.choice, timed(schedule.choice), schedule.anchor_clock))
    placed = tuple(placer.with_spread(r, slack.get(key_of(r.event))) for r, _ in rows)
    first = min((r.start.date() for r in placed if r.event.dose), default=date)
    weighed = weight_age_findings(schedule.patient, first)
    found = (*findings(schedule), *weighed, *(closed_findings(placed, site) if site else ()))
    return Calendar(schedule, date, tz, placed, found)


def row_findings(calendar: Calendar, row: Row) -> tuple[Finding, ...]:
    """What whoever gives this row must know of what the checks found."""
    return tuple(f for f in calendar.findings if f.concerns(row.event.line))


def site_moves(calendar: Calendar, site: Site | None) -> dict[tuple[str, int], int]:
    """The whole days by which a site's closures have moved each row of a calendar."""
    placer = _Placer(calendar.day0, calendar.schedule.anchor_clock, zone(calendar.tz))
    found = moves(calendar.schedule, site, lambda m: placer.at(m)[0]) if site else {}
    return {key: move.days for key, move in found.items()}


def closed_findings(rows: tuple[Row, ...], site: Site) -> tuple[Finding, ...]:
    """What falls on closed days and did not move, and years whose holidays are not settled."""
    found = [
        Finding(
            "NK330",
            said(
                "{line} {number}/{count} on {date}: {why}",
                line=r.event.line,
                number=r.event.occasion.number,
                count=r.event.occasion.count,
                date=dated(r.start),
                why=r.closed,
            ),
            (r.event.line,),
        )
        for r in rows
        if r.closed
    ]
    years = {r.start.year for r in rows}
    found += [
        Finding(
            "NK332",
            said(
                "public holidays of {place} are provisional: its swaps of working days are not published yet",
                place=at,
            ),
        )
        for at in site.provisional(years)
    ]
    return tuple(found)


def _rank(event: Event) -> int:
    """At one instant samples come before doses, samples after a dose follow it, and windows open last."""
    if event.kind == "dose":
        return 1
    return 3 if event.length is not None else 2 if event.occasion.after_dose else 0


WEEKDAYS = tuple(map(phrase, ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")))
_TWICE_FIRST = phrase("{time} occurs twice on this day (the clocks change): the first is meant")
_TWICE_SECOND = phrase("{time} occurs twice on this day (the clocks change): the second is meant")


def dated(date: dt.date) -> Said:
    """A date with its weekday.

    >>> dated(dt.date(2027, 3, 1))
    'Mon 2027-03-01'
    """
    return said("{weekday} {date}", weekday=said(WEEKDAYS[date.weekday()]), date=f"{date:%Y-%m-%d}")


def zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name; raises `UsageError` NK407 when there is none.

    >>> zone("Asia/Shanghai").key
    'Asia/Shanghai'
    """
    if re.fullmatch(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*", name):
        try:
            return ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            pass
    # Only another spelling is offered: what CST means is not for nksim to guess.
    folded = name.casefold().replace(" ", "_")
    near = sorted(z for z in available_timezones() if folded in (z.casefold(), z.casefold().rpartition("/")[2]))
    raise UsageError(
        "NK407",
        f"no time zone {shorten(name)}",
        help=f"did you mean {near[0]}?" if near else "an IANA name such as Asia/Shanghai or America/New_York",
    )


@dataclass(frozen=True)
class _Placer:
    day0: dt.date
    clock: dt.time
    tz: ZoneInfo

    def row(self, event: Event, zero: bool, move: Move | None = None, site: Site | None = None) -> Row:
        occasion = event.occasion
        nominal = occasion.start
        start, remark = self.at(replace(nominal, day=nominal.day + move.days) if move else nominal)
        end = self._end(occasion.start, start, event.length) if event.length else start
        # A window around a dose's own time stays; one that counts from another dose goes with it.
        days = move.days if move and occasion.base else 0
        early, late = (
            self.at(replace(m, day=m.day + days))[0] if m else None for m in (occasion.earliest, occasion.latest)
        )
        offset = (start.date() - self.day0).days
        study_day = offset + 1 if offset >= 0 else offset
        until = end if event.kind == "dose" else start
        watched = event.kind == "dose" or event.length is None
        closed = site.closed(start, until) if site and watched else None
        notes = (*event.notes, *self._placing_notes(nominal, move, closed), *((remark,) if remark else ()))
        return Row(event, protocol_day(offset, zero), study_day, start, end, early, late, notes, closed)

    def with_spread(self, row: Row, spread: Spread | None) -> Row:
        """The row with the earliest and latest that it may come, where any slack leads there."""
        if spread is None or row.event.occasion.fixed or (spread.early == 0 and spread.late == 0):
            return row
        ends = [self._shifted(row.start, minutes) for minutes in (spread.early, spread.late)]
        return replace(row, possible=(ends[0], ends[1]), slack=spread.why)

    def _shifted(self, start: dt.datetime, minutes: float) -> dt.datetime:
        """Whole days step the calendar, the rest elapses."""
        days, rest = divmod(minutes, 1440)
        wall = start.replace(tzinfo=None, fold=0) + dt.timedelta(days=days)
        local = _existing(wall, self.tz)[0] if days else start
        return self.elapse(local, Decimal(repr(rest))) if rest else local

    def _placing_notes(self, nominal: Moment, move: Move | None, closed: str | None) -> tuple[str, ...]:
        notes: tuple[str, ...] = ()
        if move is not None:
            notes += (said("moved from {date}: {why}", date=dated(self.at(nominal)[0]), why=move.why),)
        return (*notes, said("site closed: {why}", why=closed)) if closed else notes

    def at(self, moment: Moment) -> tuple[dt.datetime, str | None]:
        """The local time of a moment, and what the clocks did to it."""
        try:
            date = add_months(self.day0, moment.months) + dt.timedelta(days=moment.day)
        except OverflowError:
            raise InvalidInput("NK406", f"day {moment.day} from {self.day0} is no date", help="another day 0") from None
        local, remark = _existing(dt.datetime.combine(date, moment.clock or self.clock), self.tz)
        if not moment.minutes:
            return local, remark
        # Counted from another row, which has its own remark.
        found = self.elapse(local, moment.minutes)
        if found.replace(fold=0).utcoffset() == found.replace(fold=1).utcoffset():
            return found, None
        which = _TWICE_SECOND if found.fold else _TWICE_FIRST
        return found, said(which, time=f"{found:%H:%M}")

    def elapse(self, start: dt.datetime, minutes: Decimal) -> dt.datetime:
        """`start` and so many elapsed minutes: the sum is taken in UTC, where no clock changes."""
        later = start.astimezone(dt.UTC) + dt.timedelta(seconds=float(minutes * 60))
        return later.astimezone(self.tz)

    def _end(self, moment: Moment, start: dt.datetime, length: Duration) -> dt.datetime:
        if length.elapsed:
            return self.elapse(start, length.minutes)
        wall = start.replace(tzinfo=None)
        if length.unit in ("d", "wk"):
            wall += dt.timedelta(days=length.days)
        else:
            wall = dt.datetime.combine(add_months(wall.date(), length.months), wall.time())
        return _existing(wall, self.tz)[0]


def add_months(date: dt.date, months: int) -> dt.date:
    """The date so many calendar months later, on the month's last day where that is shorter.

    >>> add_months(dt.date(2026, 1, 31), 1).isoformat(), add_months(dt.date(2024, 2, 29), 48).isoformat()
    ('2026-02-28', '2028-02-29')
    """
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    return dt.date(year, month + 1, min(date.day, month_lengths.monthrange(year, month + 1)[1]))


def _existing(wall: dt.datetime, tz: ZoneInfo) -> tuple[dt.datetime, str | None]:
    """A wall-clock time as an instant: skipped times move on by the gap, repeated ones are the first."""
    local = wall.replace(tzinfo=tz)
    there_and_back = local.astimezone(dt.UTC).astimezone(tz)
    if there_and_back.replace(tzinfo=None) != wall:
        return (
            there_and_back,
            said(
                "{time} does not exist on this day (the clocks change): moved to {later}",
                time=f"{wall:%H:%M}",
                later=f"{there_and_back:%H:%M}",
            ),
        )
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        return local, said(_TWICE_FIRST, time=f"{wall:%H:%M}")
    return local, None
