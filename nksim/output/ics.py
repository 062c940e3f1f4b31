"""Calendars as iCalendar files (RFC 5545): one event for each row, in local time with its zone."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar as Ics
from icalendar import Event as IcsEvent
from icalendar import Timezone, vCalAddress, vText

from nksim import __version__
from nksim.ledger import Entry
from nksim.output.calendars import checked
from nksim.output.language import ENGLISH, Language
from nksim.output.provenance import Provenance
from nksim.output.text import dose_text, in_words, signed
from nksim.output.zones import vtimezone
from nksim.schedule.calendar import Calendar, Row
from nksim.words import said

# When nobody has said when a calendar was issued: a placeholder that every later time is after.
UNTIMED = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# RFC 5546 wants an organizer in what is published; no mail reaches this one (RFC 2606).
ORGANIZER = "mailto:no-reply@nksim.invalid"


def as_ics(
    calendars: Sequence[Calendar], provenance: Provenance, lang: Language = ENGLISH, log: Sequence[Entry] = ()
) -> bytes:
    """One iCalendar object with every row of the calendars as an event; no patient name, only the id.

    What amendments took out stays as a cancelled event, so that a calendar program that has it takes it out as well.
    The DTSTAMP of all is when the calendar was issued or last amended.
    """
    times_said = [dt.datetime.fromisoformat(e.when) for e in log if e.when]
    stamp = times_said[-1].astimezone(dt.UTC) if times_said else UNTIMED
    ics = Ics()
    ics.add("prodid", f"-//nksim//nksim {__version__}//{lang.code.upper()}")
    ics.add("version", "2.0")
    ics.add("calscale", "GREGORIAN")
    ics.add("method", "PUBLISH")
    ics.add("x-nksim-provenance", provenance.line())
    # Everything that is needed to make the file again and compare (`nksim verify`).
    ics.add("x-nksim-record", packed(provenance, log, lang))
    for zone in _zones(calendars):
        ics.add_component(zone)
    issued = dt.datetime.fromisoformat(log[0].when).astimezone(dt.UTC) if log and log[0].when else None
    for calendar in calendars:
        for row in (*calendar.rows, *calendar.cancelled):
            ics.add_component(_event(calendar, row, lang, stamp, issued, cancelled=row in calendar.cancelled))
    return bytes(ics.to_ical())


def _zones(calendars: Sequence[Calendar]) -> Iterator[Timezone]:
    """The zones of the calendars, a year longer at each end than what is on them."""
    year = dt.timedelta(days=366)
    for tz in sorted({c.tz for c in calendars} - {"UTC"}):
        rows = [r for c in calendars if c.tz == tz for r in (*c.rows, *c.cancelled)]
        times = [t for r in rows for t in (r.start, r.end)]
        if times:
            yield vtimezone(ZoneInfo(tz), (min(times) - year).date(), (max(times) + year).date())


def packed(provenance: Provenance, log: Sequence[Entry], lang: Language = ENGLISH) -> str:
    """Provenance, log and language as JSON in base64: parsers differ in how they unescape an unknown property."""
    held = {"provenance": provenance.as_dict(), "log": [e.as_dict() for e in log], "lang": lang.code}
    return base64.b64encode(json.dumps(held, ensure_ascii=False, separators=(",", ":")).encode()).decode()


def unpacked(text: str) -> Any:
    """What `packed` packed, as plain data; raises `ValueError` for anything else."""
    return json.loads(base64.b64decode(text, validate=True).decode())


def _event(
    calendar: Calendar, row: Row, lang: Language, stamp: dt.datetime, issued: dt.datetime | None, *, cancelled: bool
) -> IcsEvent:
    event, schedule = row.event, calendar.schedule
    ics = IcsEvent()
    ics.add("uid", uid(calendar, row))
    ics.add("dtstamp", stamp)
    if issued:
        ics.add("created", issued)
    if changed := row.changed.astimezone(dt.UTC) if row.changed else issued:
        ics.add("last-modified", changed)
    ics.add("sequence", row.sequence)
    organizer = vCalAddress(ORGANIZER)
    organizer.params["cn"] = vText("nksim")
    ics.add("organizer", organizer)
    ics.add("dtstart", _written(row.start))
    if row.end > row.start:
        ics.add("dtend", _written(row.end))
    number = f" {event.occasion.number}/{event.occasion.count}" if event.occasion.count > 1 else ""
    out = f"{lang.say('CANCELLED')} " if cancelled else ""
    dose = f": {dose_text(event.dose.amount, event.dose.unit)}" if event.dose else ""
    day = lang.say("day {day}", day=signed(row.protocol_day))
    ics.add("summary", _clean(f"{out}{schedule.patient.id} {day} {_what(calendar, row, lang)}{number}{dose}"))
    ics.add("description", _clean(in_words("\n".join(_description(calendar, row, lang)))))
    ics.add("categories", [event.kind, event.phase])
    ics.add("class", "CONFIDENTIAL")
    planned = "TENTATIVE" if event.basis == "assumed" else "CONFIRMED"
    ics.add("status", "CANCELLED" if cancelled else planned)
    ics.add("transp", "OPAQUE" if event.dose and not cancelled else "TRANSPARENT")
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
