"""Calendars as iCalendar files (RFC 5545): one event for each row, in local time with its zone."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

from icalendar import Calendar as Ics
from icalendar import Event as IcsEvent

from nksim import __version__
from nksim.output.calendars import checked
from nksim.output.language import ENGLISH, Language
from nksim.output.provenance import Provenance
from nksim.output.text import dose_text, in_words, signed
from nksim.schedule.calendar import Calendar, Row
from nksim.words import said


def as_ics(calendars: Sequence[Calendar], provenance: Provenance, lang: Language = ENGLISH) -> bytes:
    """One iCalendar object with every row of the calendars as an event; no patient name, only the id."""
    ics = Ics()
    ics.add("prodid", f"-//nksim//nksim {__version__}//{lang.code.upper()}")
    ics.add("version", "2.0")
    ics.add("calscale", "GREGORIAN")
    ics.add("method", "PUBLISH")
    ics.add("x-nksim-provenance", provenance.line())
    for calendar in calendars:
        for row in calendar.rows:
            ics.add_component(_event(calendar, row, lang))
    # Without dates the clock changes would end in 2038.
    times = [t for c in calendars for r in c.rows for t in (r.start, r.end)]
    year = dt.timedelta(days=366)
    ics.add_missing_timezones((min(times) - year).date(), (max(times) + year).date())
    return bytes(ics.to_ical())


def _event(calendar: Calendar, row: Row, lang: Language) -> IcsEvent:
    event, schedule = row.event, calendar.schedule
    ics = IcsEvent()
    ics.add("uid", uid(calendar, row))
    ics.add("dtstamp", dt.datetime.combine(calendar.day0, dt.time(), dt.UTC))
    ics.add("sequence", 0)
    ics.add("dtstart", _written(row.start))
    if row.end > row.start:
        ics.add("dtend", _written(row.end))
    number = f" {event.occasion.number}/{event.occasion.count}" if event.occasion.count > 1 else ""
    dose = f": {dose_text(event.dose.amount, event.dose.unit)}" if event.dose else ""
    day = lang.say("day {day}", day=signed(row.protocol_day))
    ics.add("summary", _clean(f"{schedule.patient.id} {day} {_what(calendar, row, lang)}{number}{dose}"))
    ics.add("description", _clean(in_words("\n".join(_description(calendar, row, lang)))))
    ics.add("categories", [event.kind, event.phase])
    ics.add("class", "CONFIDENTIAL")
    ics.add("status", "TENTATIVE" if event.basis == "assumed" else "CONFIRMED")
    ics.add("transp", "OPAQUE" if event.dose else "TRANSPARENT")
    return ics


def _what(calendar: Calendar, row: Row, lang: Language) -> str:
    if row.event.dose is None:
        return lang.say(row.event.what)
    return row.event.what if lang.code == "en" else lang.product(row.event.what, calendar.schedule.choice.protocol)


def uid(calendar: Calendar, row: Row) -> str:
    """An identifier that the same dose keeps from one calendar to the next, whatever its date."""
    choice, event = calendar.schedule.choice, row.event
    named = (choice.protocol.id, choice.arm_name, calendar.schedule.patient.id, event.line, str(event.occasion.number))
    return f"{hashlib.sha256('/'.join(named).encode()).hexdigest()[:32]}@nksim"


def _written(time: dt.datetime) -> dt.datetime:
    """Local with its zone; the second of a repeated local time in UTC, because RFC 5545 reads it as the first."""
    return time.astimezone(dt.UTC) if time.fold else time


def _description(calendar: Calendar, row: Row, lang: Language) -> list[str]:
    event, say = row.event, lang.say
    lines = [f"{calendar.schedule.choice.name}, {event.line}, {say('day {day}', day=signed(row.protocol_day))}"]
    if event.dose:
        route = say(said(event.route)) if event.route else ""
        amount = dose_text(event.dose.amount, event.dose.unit)
        lines.append(say("Dose: {amount} {route}", amount=amount, route=route).rstrip())
        lines.append(say("Calculation: {calculation}", calculation=event.dose.calculation))
    if row.earliest or row.latest:
        early = f"{row.earliest:%Y-%m-%d %H:%M}" if row.earliest else said("open")
        late = f"{row.latest:%Y-%m-%d %H:%M}" if row.latest else said("open")
        lines.append(say("Window: {early} to {late}", early=early, late=late))
    lines += [say("Basis: {basis}", basis=said(event.basis)), *map(say, row.notes), *map(say, checked(calendar, row))]
    return [*lines, lang.caution] if lang.caution else lines


def _clean(text: str) -> str:
    """Text without control characters, which no calendar program expects; line breaks stay."""
    return "".join(c for c in text if c == "\n" or (c.isprintable() and c not in "\u2028\u2029\x85"))
