"""What a calendar's printed sheet says, in order, before it becomes a page or a PDF: one sheet for each patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from nksim import __version__
from nksim.ledger import Entry
from nksim.output.calendars import (
    CLOCK_TIMES,
    NO_PRESCRIPTION,
    amendments,
    anchor_event,
    assumed_here,
    basis_of,
    calculated,
    standing,
    until,
)
from nksim.output.language import Language
from nksim.output.provenance import Provenance
from nksim.output.text import dose_text, in_words, shortened, signed
from nksim.patient import Patient
from nksim.schedule.bodysize import measured, rounded, surface
from nksim.schedule.calendar import Calendar, Row, dated
from nksim.units import plain
from nksim.words import phrase, said

# The ISMP list of error-prone abbreviations wants routes in full: SC is read as SL, IT has several meanings.
ROUTES = {
    "IV": phrase("intravenous"),
    "SC": phrase("subcutaneous"),
    "PO": phrase("by mouth"),
    "IM": phrase("intramuscular"),
    "IT": phrase("intrathecal"),
    "external": phrase("external"),
}
INFUSION = phrase("intravenous infusion")
DOSE_COLUMNS = tuple(map(phrase, (
    "Date", "Day", "Local time", "UTC", "Drug or product", "No.", "Dose", "Route", "Duration", "Window", "How",
)))  # fmt: skip
ASSESSMENT_COLUMNS = tuple(map(phrase, ("Date", "Day", "Assessment", "No.", "Until, or time", "Basis")))
_HEAD = 150
PLACEHOLDER = "clock time is a placeholder"
PAGE = phrase("page {page} of {pages}")
SIGNATURES = tuple(map(phrase, ("Prepared by", "Verified by")))
SIGNED = tuple(map(phrase, ("name", "signature", "date and time")))


@dataclass(frozen=True)
class Cell:
    """Text of a table, in lines, with marks of what to look at; `kept` text is not broken, `strong` text stands out."""

    text: str
    marks: tuple[str, ...] = ()
    kept: bool = False
    strong: bool = False


@dataclass(frozen=True)
class Grid:
    """A table under its heading; `weights` are the relative widths of its columns."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    weights: tuple[int, ...]


@dataclass(frozen=True)
class Listing:
    """A heading with items; the text after the first line of an item is smaller. `numbers` precede the items."""

    heading: str
    items: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """One patient's sheet: who, what, the doses, what was amended, how they came about, what to look at, who signs."""

    language: str
    title: str
    running: str
    fields: tuple[tuple[str, str], ...]
    tables: tuple[Grid, ...]
    amended: tuple[Listing, ...]
    listings: tuple[Listing, ...]
    closing: tuple[str, ...]
    foot: str
    page: str
    signatures: tuple[str, ...]
    signed: tuple[str, ...]


def sheet(calendar: Calendar, provenance: Provenance, lang: Language, log: Sequence[Entry] = ()) -> Sheet:
    """The sheet of one calendar in one language; `log` is that of its amendments."""
    choice, say = calendar.schedule.choice, lang.say
    patient = calendar.schedule.patient
    calculations = _calculations(calendar, lang)
    numbers = {name: f"[{i}]" for i, name in enumerate(calculations, 1)}
    listings = [
        Listing(say("Calculations"), tuple(calculations.values()), tuple(numbers.values())),
        Listing(say("Checks"), _checks(calendar, lang)),
        *_listed(basis_of(calendar, lang), lang),
        Listing(say("Provenance"), tuple((line,) for line in _provenance(calendar, provenance, lang, log))),
    ]
    clock = "* " + say(CLOCK_TIMES, time=f"{calendar.schedule.anchor_clock:%H:%M}")
    caution = (lang.caution,) if lang.caution else ()
    sealed = (f"log {log[-1].hash[:12]}",) if len(log) > 1 else ()
    own = [e.number for e in log if e.patient == patient.id]
    head = [patient.id, choice.protocol.registration, choice.name]
    head += [say("amendment {number}", number=own[-1])] if own else []
    return Sheet(
        lang.code,
        lang.quote(choice.protocol.title),
        shortened(" · ".join(head), _HEAD),
        tuple(_fields(calendar, lang)),
        (_doses(calendar, numbers, lang), *_assessments(calendar, lang)),
        tuple(_listed(amendments(calendar, log, lang), lang)),
        tuple(listings),
        (clock, *caution, say(NO_PRESCRIPTION)),
        " · ".join((*caution, say(NO_PRESCRIPTION), provenance.line(), *sealed)),
        say(said(PAGE, page="\x01", pages="\x02")),
        tuple(map(say, SIGNATURES)),
        tuple(map(say, SIGNED)),
    )


def _listed(parts: Sequence[tuple[str, list[str]]], lang: Language) -> list[Listing]:
    return [
        Listing(lang.say(heading).rstrip(":："), tuple((_for_eye(line, lang),) for line in lines))
        for heading, lines in parts
        if lines
    ]


def _for_eye(line: str, lang: Language) -> str:
    """A line about facts with units, routes and bounds in full."""
    line = re.sub(r">= ?(\S+ \w+)", lambda m: lang.say("at least {time}", time=m[1]), line)
    return in_words(re.sub(r"(?<=\.route = )\w+", lambda m: lang.say(said(ROUTES.get(m[0], m[0]))), line))


def _fields(calendar: Calendar, lang: Language) -> list[tuple[str, str]]:
    """Patient and plan, each with its label: what is known and nothing else."""
    choice, patient, say = calendar.schedule.choice, calendar.schedule.patient, lang.say
    protocol = choice.protocol
    sex = {"F": said("female"), "M": said("male")}.get(patient.sex or "")
    egfr = patient.egfr()
    eye: list[tuple[str, str | None]] = [
        (say("Patient"), patient.id),
        (say("Weight"), _measured(patient.weight_kg, "kg")),
        (say("Height"), _measured(patient.height_cm, "cm")),
        (say("Age"), _age(patient, lang)),
        (say("Sex"), say(sex) if sex else None),
        (say("Body surface area"), _surface(calendar, patient, lang)),
        (say("Ideal weight"), _measured(patient.ideal_weight_kg, "kg")),
        (say("Creatinine"), _measured(patient.creatinine_umol_l, "micromol/L")),
        (say("eGFR"), say("{value:.0f} mL/min/1.73 m² ({formula})", value=egfr[0], formula=egfr[1]) if egfr else None),
        (say("Allergies"), ""),
        (say("Protocol"), f"{protocol.id} ({protocol.registration})"),
        (say("Arm"), f"{choice.arm_name}" if len(protocol.arms) > 1 else None),
        (say("Dose level"), str(choice.level) if choice.level else None),
        (say("Day 0") if protocol.numbering.zero.value else say("Day 1"), _dated(calendar, lang)),
        (say("Time zone"), calendar.tz),
        (say("Reading of the protocol"), say(said(READINGS[protocol.reading]))),
    ]
    return [(label, text) for label, text in eye if text is not None]


READINGS = {"second": phrase("read twice"), "provisional": phrase("read once, provisional")}


def _age(patient: Patient, lang: Language) -> str | None:
    """Age in years; one read from months may have many digits."""
    if patient.age_y is None:
        return None
    return lang.say("{age} years", age=plain(Decimal(f"{patient.age_y:.4g}")))


def _dated(calendar: Calendar, lang: Language) -> str:
    event = anchor_event(calendar)
    return lang.say(dated(calendar.day0)) + (f" ({lang.say(event)})" if event else "")


def _measured(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{measured(value)} {unit}"


def _surface(calendar: Calendar, patient: Patient, lang: Language) -> str | None:
    """BSA by the protocol's formula, where the patient's measures allow it."""
    body = calendar.schedule.choice.protocol.body
    if patient.weight_kg is None or patient.height_cm is None or body.bsa.chosen.value is None:
        return None
    bsa, words, _ = surface(patient, body)
    text = lang.say("{bsa} m² ({words})", bsa=rounded(bsa), words=words)
    return f"{text} [{lang.say(said('assumed'))}]" if body.bsa.chosen.basis == "assumed" else text


def _doses(calendar: Calendar, numbers: dict[str, str], lang: Language) -> Grid:
    rows = [
        _dose_row(calendar, row, numbers[_name(calendar, row, lang)], lang) for row in calendar.rows if row.event.dose
    ]
    weights = (25, 17, 23, 14, 56, 15, 42, 32, 15, 24, 10)
    return Grid(lang.say("Doses"), tuple(map(lang.say, DOSE_COLUMNS)), tuple(rows), weights)


def _dose_row(calendar: Calendar, row: Row, number: str, lang: Language) -> tuple[Cell, ...]:
    event, dose, say = row.event, row.event.dose, lang.say
    assert dose is not None
    assumed = assumed_here(row)
    mark = (say(said("assumed")),)
    when = mark if {"days", "timing"} & set(assumed) else ()
    clock = f"{row.start:%H:%M}–{row.end:%H:%M}" if row.end != row.start else f"{row.start:%H:%M}"
    clock += "*" if any(note == PLACEHOLDER for note in event.notes) else ""
    return (
        Cell(say(dated(row.start)), tuple(map(say, _placing(row))), kept=True),
        Cell(signed(row.protocol_day), when),
        Cell(clock, (say("clock change"),) if any("clocks change" in n for n in row.notes) else (), kept=True),
        Cell(_offset(row), kept=True),
        Cell(lang.product(event.what, calendar.schedule.choice.protocol)),
        Cell(say("{number} of {count}", number=event.occasion.number, count=event.occasion.count)),
        Cell(dose_text(dose.amount, dose.unit), mark if "dose" in assumed else (), kept=True, strong=True),
        Cell(_route(row, lang)),
        Cell(str(event.length) if event.length else "–"),
        Cell(_window(row, lang)),
        Cell(number),
    )


def _placing(row: Row) -> list[str]:
    """What a reader must see beside the date: that the site is closed, or that the dose was moved or amended."""
    moved = any(note.startswith("moved from") for note in row.notes)
    found = ((phrase("site closed"), row.closed), (phrase("moved"), moved), (phrase("amended"), row.sequence))
    return [words for words, holds in found if holds]


def _offset(row: Row) -> str:
    """The offset from UTC that holds at the start: `+08:00`."""
    text = f"{row.start:%z}"
    return f"{text[:3]}:{text[3:5]}".replace("-", "\N{MINUS SIGN}")


def _route(row: Row, lang: Language) -> str:
    route = row.event.route or ""
    if route == "IV" and row.event.length:
        return lang.say(INFUSION)
    return lang.say(said(ROUTES[route])) if route in ROUTES else route


def _window(row: Row, lang: Language) -> str:
    """From the earliest to the latest start, on two lines with their dates where one is on another day."""
    ends = [t for t in (row.earliest, row.latest) if t]
    form = "%H:%M" if all(t.date() == row.start.date() for t in ends) else "%m-%d %H:%M"
    early, late = (f"{t:{form}}" if t else None for t in (row.earliest, row.latest))
    if early and late and form != "%H:%M":
        return "\n".join((lang.say("from {time}", time=early), lang.say("to {time}", time=late)))
    if early and late:
        return lang.say("{early} to {late}", early=early, late=late)
    if early:
        return lang.say("not before {time}", time=early)
    return lang.say("not after {time}", time=late) if late else "–"


def _calculations(calendar: Calendar, lang: Language) -> dict[str, tuple[str, ...]]:
    """Each different calculation once, under the name by which a row finds it."""
    found: dict[str, tuple[str, ...]] = {}
    for row in calendar.rows:
        event, dose = row.event, row.event.dose
        if dose is not None:
            drug = lang.product(event.what, calendar.schedule.choice.protocol)
            words = in_words(f"{drug} ({event.line}): {calculated(dose, lang)}")
            found.setdefault(_name(calendar, row, lang), (words, in_words("; ".join(standing(event, lang)))))
    return found


def _name(calendar: Calendar, row: Row, lang: Language) -> str:
    event, dose = row.event, row.event.dose
    assert dose is not None
    return "\n".join((event.line, calculated(dose, lang), *standing(event, lang)))


def _assessments(calendar: Calendar, lang: Language) -> list[Grid]:
    rows = [
        (
            Cell(lang.say(dated(row.start)), kept=True),
            Cell(signed(row.protocol_day)),
            Cell(lang.say(row.event.what)),
            Cell(lang.say("{number} of {count}", number=row.event.occasion.number, count=row.event.occasion.count)),
            Cell(until(row, lang), (lang.say("unknown"),) if any(" is unknown: " in n for n in row.notes) else ()),
            Cell(lang.say(said(row.event.basis))),
        )
        for row in calendar.rows
        if not row.event.dose
    ]
    columns = tuple(map(lang.say, ASSESSMENT_COLUMNS))
    return [Grid(lang.say("Assessments"), columns, tuple(rows), (25, 17, 115, 20, 66, 30))] if rows else []


def _checks(calendar: Calendar, lang: Language) -> tuple[tuple[str, ...], ...]:
    found = [(in_words(lang.say(f.note)),) for f in dict.fromkeys(calendar.findings)]
    return tuple(found) or ((lang.say("No check found anything."),),)


def _provenance(calendar: Calendar, provenance: Provenance, lang: Language, log: Sequence[Entry]) -> list[str]:
    say, protocol = lang.say, calendar.schedule.choice.protocol
    lines = [
        say("Protocol {id}, registration {registration}, format {format}, SHA-256 {hash}", id=protocol.id,
            registration=protocol.registration, format=protocol.format, hash=protocol.sha256),
        say("Program nksim {version}", version=__version__),
    ]  # fmt: skip
    if provenance.settings:
        lines.append(say("Set by the user: {settings}", settings="; ".join(provenance.settings)))
    if provenance.command:
        lines.append(say("Command: {command}", command=provenance.command))
    if len(log) > 1:
        lines.append(say("Seal of the log: {hash}", hash=log[-1].hash))
    return lines
