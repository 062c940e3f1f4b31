"""Where an amended calendar departs from the protocol's own times: windows, order, conditioning, ties between doses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from nksim.schedule.calendar import Calendar, Row
from nksim.schedule.cascade import courses, planned_days_apart
from nksim.schedule.expansion import timed
from nksim.schedule.finding import Finding
from nksim.schedule.placing import key_of
from nksim.schedule.spread import slacks, spreads
from nksim.words import listed, phrase, said

# What a protocol does not allow: an amendment that brings one of these must say that it deviates.
DEVIATIONS = ("NK310", "NK313", "NK317", "NK322", "NK323", "NK335", "NK351", "NK352", "NK353", "NK354")


def with_departures(calendar: Calendar) -> Calendar:
    """The calendar with what departs from the protocol's own times among its findings."""
    found = (*_outside_windows(calendar), *_out_of_order(calendar), *_apart(calendar), *_untied(calendar))
    return replace(calendar, findings=tuple(dict.fromkeys((*calendar.findings, *found, *_headless(calendar)))))


def _outside_windows(calendar: Calendar) -> Iterator[Finding]:
    for row in calendar.rows:
        early, late = row.earliest, row.latest
        if row.event.occasion.fixed and ((early and row.start < early) or (late and row.start > late)):
            ends = [f"{end:%Y-%m-%d %H:%M}" if end else said("any time") for end in (early, late)]
            words = said(
                "{dose}: {time} is outside its window of {early} to {late}",
                dose=name_of(row),
                time=f"{row.start:%Y-%m-%d %H:%M}",
                early=ends[0],
                late=ends[1],
            )
            yield Finding("NK351", words, (row.event.line,))


def _out_of_order(calendar: Calendar) -> Iterator[Finding]:
    plan = timed(calendar.schedule.choice)
    by_line: dict[str, list[Row]] = {}
    for row in sorted(calendar.rows, key=lambda r: key_of(r.event)):
        if row.event.dose:
            by_line.setdefault(row.event.line, []).append(row)
    for line, rows in by_line.items():
        for a, b in pairwise(rows):
            days = [plan[line][r.event.occasion.number - 1].start.day for r in (a, b)]
            if b.start <= a.start:
                words = said("{dose}: it comes before {other}", dose=name_of(b), other=name_of(a))
                yield Finding("NK352", words, (line,))
            elif a.start.date() == b.start.date() and days[0] != days[1]:
                form = phrase("{dose}: it comes on the day of {other}, {date}")
                words = said(form, dose=name_of(b), other=name_of(a), date=f"{a.start:%Y-%m-%d}")
                yield Finding("NK352", words, (line,))


def _apart(calendar: Calendar) -> Iterator[Finding]:
    """Conditioning that an infusion has left behind by more than the protocol's own slack."""
    choice, clock = calendar.schedule.choice, calendar.schedule.anchor_clock
    slack = spreads(slacks(choice, timed(choice), clock))
    rows = {key_of(r.event): r for r in calendar.rows}
    for course in courses(choice):
        left = [key for key in course.conditioning if key in rows]
        infusion = rows.get(course.infusion)
        if infusion is None:
            if left:
                named = f"{course.infusion[0]} {course.infusion[1]}"
                lines = sorted({key[0] for key in left})
                form = phrase("{dose}: the infusion is taken out, and its conditioning stays: {lines}")
                yield Finding("NK356", said(form, dose=named, lines=listed(lines)), (course.infusion[0], *lines))
            continue
        planned = planned_days_apart(choice, course, clock.hour * 60 + clock.minute)
        for key in sorted(left, key=lambda k: (rows[k].start, k)):
            row = rows[key]
            apart = (infusion.start.date() - row.start.date()).days
            inside = row.earliest and row.latest and row.earliest <= row.start <= row.latest
            allowed = slack[course.infusion].late if apart > planned[key] else slack[course.infusion].early
            if apart != planned[key] and not inside and abs(apart - planned[key]) * 1440 > abs(allowed):
                words = said(
                    "{dose}: conditioning is {apart} d before {infusion}, and the protocol has {planned} d",
                    dose=name_of(row),
                    apart=apart,
                    infusion=name_of(infusion),
                    planned=planned[key],
                )
                yield Finding("NK353", words, (row.event.line,))


def _untied(calendar: Calendar) -> Iterator[Finding]:
    """Rows that an exact time ties to a dose and that no longer keep it."""
    plan, clock = timed(calendar.schedule.choice), calendar.schedule.anchor_clock
    rows = {key_of(r.event): r for r in calendar.rows}
    for row in calendar.rows:
        o = row.event.occasion
        if not o.fixed or o.base not in rows or o.earliest or o.latest or row.event.line not in plan:
            continue
        base = rows[o.base].event.occasion
        first = plan[row.event.line][o.number - 1].start.from_anchor_d(clock)
        planned = first - plan[o.base[0]][o.base[1] - 1].start.from_anchor_d(clock)
        now = o.start.from_anchor_d(clock) - base.start.from_anchor_d(clock)
        if abs(now - planned) * 1440 > 0.5:
            form = phrase("{dose}: it no longer keeps the time that ties it to {other}")
            yield Finding("NK354", said(form, dose=name_of(row), other=name_of(rows[o.base])), (row.event.line,))


def _headless(calendar: Calendar) -> Iterator[Finding]:
    """What hangs on, or counts from, a dose that has been taken out."""
    gone = {key_of(r.event): r for r in calendar.cancelled}
    for row in calendar.rows:
        o = row.event.occasion
        hangs = phrase("{dose}: it hangs on {other}, which is taken out, and stays")
        counts = phrase("{dose}: it counts from {other}, which is taken out, and stays")
        for head, form in ((o.base, hangs), (o.origin, counts)):
            if head in gone:
                words = said(form, dose=name_of(row), other=name_of(gone[head]))
                yield Finding("NK355", words, (row.event.line,))


def unlike(found: Calendar, other: Calendar) -> list[Finding]:
    """The findings of one calendar that the other does not have, by code and words, each once."""
    known = {(f.code, f.message) for f in other.findings}
    return [f for f in dict.fromkeys(found.findings) if (f.code, f.message) not in known]


def name_of(row: Row) -> str:
    """A row by its line and number."""
    return f"{row.event.line} {row.event.occasion.number}"
