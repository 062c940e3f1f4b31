"""Calendars as a table, CSV and JSON, all from the same rows."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from typing import Any

from nksim.ledger import Entry
from nksim.output.language import ENGLISH, Language
from nksim.output.markup import shown, table_html
from nksim.output.provenance import Provenance
from nksim.output.text import dose_text, in_words, signed, table
from nksim.protocol.facts import Fact
from nksim.schedule.calendar import WEEKDAYS, Calendar, Row, dated, row_findings
from nksim.schedule.dosing import Dose
from nksim.schedule.expansion import Event
from nksim.units import plain
from nksim.words import listed, phrase, said

SCHEMA_VERSION = 1
COLUMNS = (
    "patient",
    "event",
    "phase",
    "administration",
    "product",
    "dose_number",
    "dose_count",
    "protocol_day",
    "study_day",
    "date",
    "weekday",
    "start_local",
    "end_local",
    "start_utc",
    "window_earliest",
    "window_latest",
    "route",
    "duration_min",
    "rule",
    "dose",
    "dose_unit",
    "calculation",
    "basis",
    "notes",
)


def record(calendar: Calendar, row: Row) -> dict[str, str | int | None]:
    """One row under the CSV's column names; the dose is a plain number in full, times are ISO 8601."""
    event, dose = row.event, row.event.dose
    minutes = event.length.minutes if dose and event.length else None
    return {
        "patient": calendar.schedule.patient.id,
        "event": event.kind,
        "phase": event.phase,
        "administration": event.line,
        "product": event.what,
        "dose_number": event.occasion.number,
        "dose_count": event.occasion.count,
        "protocol_day": row.protocol_day,
        "study_day": row.study_day,
        "date": row.start.date().isoformat(),
        "weekday": WEEKDAYS[row.start.weekday()],
        "start_local": row.start.isoformat(),
        "end_local": row.end.isoformat(),
        "start_utc": row.start.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "window_earliest": row.earliest.isoformat() if row.earliest else None,
        "window_latest": row.latest.isoformat() if row.latest else None,
        "route": event.route,
        "duration_min": plain(minutes) if minutes is not None else None,
        "rule": dose.rule if dose else None,
        "dose": plain(dose.amount) if dose else None,
        "dose_unit": dose.unit if dose else None,
        "calculation": dose.calculation if dose else None,
        "basis": event.basis,
        "notes": "; ".join((*row.notes, *checked(calendar, row))) or None,
    }


def as_csv(calendars: Sequence[Calendar]) -> str:
    """All calendars in one CSV (RFC 4180), a header and one line for each row."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for calendar in calendars:
        for row in calendar.rows:
            writer.writerow([_cell(name, value) for name, value in record(calendar, row).items()])
    return out.getvalue()


# Columns that hold numbers; a spreadsheet may take a minus sign there for what it is.
NUMBERS = frozenset({"dose_number", "dose_count", "protocol_day", "study_day", "duration_min", "dose"})
# How a formula begins in any spreadsheet (OWASP, CSV injection), the full-width forms of Chinese input included.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00", "＝", "＋", "－", "＠")


def _cell(column: str, value: str | int | None) -> str | int:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets a leading apostrophe."""
    if value is None:
        return ""
    if column in NUMBERS or isinstance(value, int):
        return value
    # NUL ends a text for many programs and says nothing in any.
    return f"'{value}".replace("\x00", "") if value.startswith(FORMULA) else value.replace("\x00", "")


def content(calendars: Sequence[Calendar], provenance: Provenance) -> dict[str, Any]:
    """Provenance and patients as plain data: what the log of a calendar seals."""
    return {"provenance": provenance.as_dict(), "patients": [_patient(calendar) for calendar in calendars]}


def as_json(calendars: Sequence[Calendar], provenance: Provenance, log: Sequence[Entry] = ()) -> str:
    """All calendars with their assumptions, open questions, findings, provenance and log."""
    found = {"schema_version": SCHEMA_VERSION, "kind": "calendar", **content(calendars, provenance)}
    return json.dumps({**found, "log": [e.as_dict() for e in log]}, ensure_ascii=False, indent=2) + "\n"


def _patient(calendar: Calendar) -> dict[str, Any]:
    patient = calendar.schedule.patient
    return {
        "patient": {
            "id": patient.id,
            "weight_kg": patient.weight_kg,
            "height_cm": patient.height_cm,
            "age_y": patient.age_y,
            "sex": patient.sex,
            "creatinine_umol_l": patient.creatinine_umol_l,
            "egfr_ml_min_1_73m2": (patient.egfr() or (None,))[0],
        },
        "regimen": calendar.schedule.choice.name,
        "day0": calendar.day0.isoformat(),
        "tz": calendar.tz,
        "assumptions": [{"fact": p, "value": f.chosen.text, "why": f.chosen.why} for p, f in assumptions(calendar)],
        "decided": list(calendar.decided),
        "open": list(calendar.schedule.unplaced),
        "findings": [f.as_dict() for f in calendar.findings],
        "rows": [_row(calendar, row) for row in calendar.rows],
        "cancelled": [_row(calendar, row) for row in calendar.cancelled],
    }


def _row(calendar: Calendar, row: Row) -> dict[str, Any]:
    plain_row: dict[str, Any] = record(calendar, row)
    for name in ("dose", "duration_min"):
        plain_row[name] = float(plain_row[name]) if plain_row[name] is not None else None
    early, late = (t.isoformat() for t in row.possible) if row.possible else (None, None)
    return {
        **plain_row,
        "notes": [*row.notes, *checked(calendar, row)],
        "iso_week": "{0[0]}-W{0[1]:02d}-{0[2]}".format(row.start.isocalendar()),
        "earliest_possible": early,
        "latest_possible": late,
        "sequence": row.sequence,
        "changed": row.changed.isoformat() if row.changed else None,
    }


def checked(calendar: Calendar, row: Row) -> list[str]:
    """What the checks found about a dose, each with the reason for which it was waived."""
    return [f.note for f in row_findings(calendar, row)] if row.event.dose else []


def assumptions(calendar: Calendar) -> list[tuple[str, Fact[Any]]]:
    """The assumed facts that this calendar rests on."""
    return calendar.schedule.choice.assumed()


def as_table(
    calendars: Sequence[Calendar], provenance: Provenance, lang: Language = ENGLISH, log: Sequence[Entry] = ()
) -> str:
    """Calendars for the terminal: rows, what was changed, what is assumed and open, and where it comes from."""
    shown = in_words("\n\n".join(_one_table(c, lang, log) for c in calendars))
    return f"{shown}\n\n{provenance.line()}" + (f" · log {log[-1].hash[:12]}" if len(log) > 1 else "") + "\n"


_HEADER = tuple(map(phrase, ("Day", "Date", "Time", "Line", "Product", "No.", "Dose", "Route")))
_ASSESSED = tuple(map(phrase, ("Day", "Date", "Assessment", "What", "No.", "Until", "Basis")))


def as_fragment(calendars: Sequence[Calendar], provenance: Provenance) -> str:
    """The doses of calendars as HTML tables for a notebook."""
    parts = []
    for calendar in calendars:
        rows = [
            [*_dose_line(calendar, row, ENGLISH), _assumed(row, ENGLISH)] for row in calendar.rows if row.event.dose
        ]
        regimen, patient = calendar.schedule.choice.name, calendar.schedule.patient
        title = f"{regimen} · patient {patient} · {counted_from(calendar, ENGLISH)} {calendar.day0} · {calendar.tz}"
        checks = "".join(f"{f.note}. " for f in dict.fromkeys(calendar.findings))
        foot = f"{checks}For planning and review; not a prescription. {provenance.line()}"
        parts.append(shown(title, table_html([*_HEADER, "Assumed"], rows, numbers=9), foot))
    return "".join(parts)


def _one_table(calendar: Calendar, lang: Language, log: Sequence[Entry]) -> str:
    protocol, say = calendar.schedule.choice.protocol, lang.say
    doses = [row for row in calendar.rows if row.event.dose]
    notes = list(dict.fromkeys(_calculation(row, lang) for row in doses))
    body = table(
        [*map(say, _HEADER), say("How"), say("Assumed")],
        [
            [*_dose_line(calendar, row, lang), f"[{notes.index(_calculation(row, lang)) + 1}]", _assumed(row, lang)]
            for row in doses
        ],
        right=frozenset({0}),
    )
    numbered = "\n".join(f"  [{i}] {text}" for i, text in enumerate(notes, 1))
    head = f"{lang.quote(protocol.title)} ({protocol.registration})\n{_who(calendar, lang)}"
    parts = [head, body, f"{say('Calculations:')}\n{numbered}"]
    assessed = [_assessment_line(row, lang) for row in calendar.rows if not row.event.dose]
    if assessed:
        parts.append(table([*map(say, _ASSESSED)], assessed, right=frozenset({0})))
    return "\n\n".join([*parts, *foot(calendar, lang, log)])


def amendments(calendar: Calendar, log: Sequence[Entry], lang: Language) -> list[tuple[str, list[str]]]:
    """The amendments of this patient, and what they took out, by English heading."""
    own = [f"{e.number} {told(e, lang)}" for e in log if e.patient == calendar.schedule.patient.id]
    out = [f"{_on(row, lang)}: {lang.say(row.event.remarks[-1])}" for row in calendar.cancelled]
    return [(phrase("Amended:"), own), (phrase("Taken out, not to be given:"), out)]


def told(entry: Entry, lang: Language = ENGLISH) -> str:
    """An amendment in one line: when, what, why, by whom, and what its author allowed."""
    when = (entry.when or "").replace("T", " ")[:16]
    past, deviation = lang.say("the past corrected"), lang.say("a deviation")
    flags = [name for name, on in ((past, entry.past), (deviation, entry.deviation)) if on]
    return f"{when} {entry.change}: {entry.reason}" + "".join(f" ({x})" for x in [*filter(None, [entry.who]), *flags])


def counted_from(calendar: Calendar, lang: Language) -> str:
    """What the date of a calendar is: day 0, or day 1 where there is none, and of what unless it is a dose's."""
    numbering = calendar.schedule.choice.protocol.numbering
    day = lang.say(said("day 0") if numbering.zero.value else said("day 1"))
    event = anchor_event(calendar)
    return f"{day} ({lang.say(event)})" if event else day


def anchor_event(calendar: Calendar) -> str:
    """The assessment that days count from, as a transplantation; empty where they count from a dose."""
    anchor = calendar.schedule.choice.protocol.numbering.anchor.value
    assert anchor is not None
    found = [r.event.what for r in calendar.rows if r.event.line == anchor.line and r.event.kind == "assessment"]
    return found[0] if found else ""


def _who(calendar: Calendar, lang: Language) -> str:
    """The regimen, the patient, day 0 and the zone in one line."""
    patient = calendar.schedule.patient
    egfr, kidney = patient.egfr(), ""
    if egfr:
        kidney = said(", eGFR {value:.0f} mL/min/1.73 m² ({formula})", value=egfr[0], formula=egfr[1])
    return lang.say(
        "{regimen} · patient {patient}{kidney} · {day} {date} · {zone}",
        regimen=calendar.schedule.choice.name,
        patient=str(patient),
        kidney=kidney,
        day=counted_from(calendar, lang),
        date=dated(calendar.day0),
        zone=calendar.tz,
    )


def _calculation(row: Row, lang: Language) -> str:
    event, dose = row.event, row.event.dose
    assert dose is not None
    return f"{event.line}: {calculated(dose, lang)}\n      {'; '.join(standing(event, lang))}"


def calculated(dose: Dose, lang: Language) -> str:
    """The whole calculation of a dose up to its amount."""
    return f"{lang.say(dose.calculation)} = {dose_text(dose.amount, dose.unit)}"


def standing(event: Event, lang: Language) -> list[str]:
    """What a dose rests on, and its remarks."""
    known = any(n.startswith(f"{event.basis}:") for n in event.notes)
    return [*(() if known else (lang.say(said(event.basis)),)), *map(lang.say, event.notes)]


def _dose_line(calendar: Calendar, row: Row, lang: Language) -> list[str]:
    event, dose = row.event, row.event.dose
    assert dose is not None
    what = event.what if lang.code == "en" else lang.product(event.what, calendar.schedule.choice.protocol)
    return [
        signed(row.protocol_day),
        lang.say(dated(row.start)),
        times_of(row, lang),
        event.line,
        what,
        f"{event.occasion.number}/{event.occasion.count}",
        dose_text(dose.amount, dose.unit),
        lang.say(said(event.route)) if event.route else "",
    ]


def _assumed(row: Row, lang: Language) -> str:
    return lang.say(listed(map(said, assumed_here(row))))


def assumed_here(row: Row) -> list[str]:
    """Whether the dose or its time is the file's assumption: what a reader must see in the row itself."""
    return [n for n, f in row.event.facts if n in ("dose", "days", "timing") and f.chosen.basis == "assumed"]


def _assessment_line(row: Row, lang: Language) -> list[str]:
    event = row.event
    return [
        signed(row.protocol_day),
        lang.say(dated(row.start)),
        event.line,
        lang.say(event.what),
        f"{event.occasion.number}/{event.occasion.count}",
        until(row, lang),
        lang.say(said(event.basis)),
    ]


def until(row: Row, lang: Language) -> str:
    """When an assessment ends, or at what time it is and what that counts from."""
    if row.event.length:
        return lang.say(dated(row.end))
    return f"{row.start:%H:%M}, {lang.say(row.event.occasion.label or said('before any dose'))}"


def times_of(row: Row, lang: Language) -> str:
    """Start and end, or the start and its window, with the date where the window leaves the day."""
    if row.earliest is None and row.latest is None:
        return f"{row.start:%H:%M}–{row.end:%H:%M}" if row.end != row.start else f"{row.start:%H:%M}"
    ends = [
        f"{t:%H:%M}" if t.date() == row.start.date() else f"{t:%m-%d %H:%M}"
        for t in (row.earliest, row.latest)
        if t is not None
    ]
    if len(ends) == 2:
        return f"{row.start:%H:%M} ({'–'.join(ends)})"
    return lang.say("{time} (not before)", time=f"{row.start:%H:%M}")


def _spread_line(row: Row, lang: Language) -> str:
    assert row.possible is not None
    times = [f"{lang.say(dated(t))} {t:%H:%M}" for t in (row.possible[0], row.start, row.possible[1])]
    return f"{_numbered(row)}: {' · '.join(times)} ({lang.say(listed(row.slack))})"


def _numbered(row: Row) -> str:
    return f"{row.event.line} {row.event.occasion.number}/{row.event.occasion.count}"


def _on(row: Row, lang: Language) -> str:
    return lang.say("{row} on {date}", row=_numbered(row), date=dated(row.start))


def foot(calendar: Calendar, lang: Language, log: Sequence[Entry] = ()) -> list[str]:
    """What stands below the rows: each part a heading with its indented lines, or a paragraph."""
    noted = [lang.say(f.note) for f in dict.fromkeys(calendar.findings)]
    parts = [
        f"{lang.say(heading)}\n" + "\n".join(f"  {line}" for line in lines)
        for heading, lines in (*amendments(calendar, log, lang), (phrase("Checks:"), noted), *basis_of(calendar, lang))
        if lines
    ]
    clock = f"{calendar.schedule.anchor_clock:%H:%M}"
    provisional = calendar.schedule.choice.protocol.reading == "provisional"
    once = [lang.say(READ_ONCE)] if provisional else []
    last = [
        *once,
        lang.say(CLOCK_TIMES, time=clock),
        lang.say(NO_PRESCRIPTION),
        *([lang.caution] if lang.caution else []),
    ]
    return [*parts, "\n".join(last)]


CLOCK_TIMES = phrase(
    "Clock times are placeholders: lines placed by day start at {time} like the cells (--cells-at), "
    "unless the protocol says otherwise."
)
READ_ONCE = phrase("The protocol file was read once (reading: provisional): hold every row against its sources.")
NO_PRESCRIPTION = phrase("For planning and review; not a prescription.")


def basis_of(calendar: Calendar, lang: Language) -> list[tuple[str, list[str]]]:
    """What a calendar rests on beside its rows, by English heading."""
    choice, say = calendar.schedule.choice, lang.say
    placed = [
        f"{_on(r, lang)}: {say(n)}"
        for r in calendar.rows
        for n in r.notes
        if n.startswith(("moved from", "site closed"))
    ]
    spread = [_spread_line(r, lang) for r in calendar.rows if r.possible and any("window" not in w for w in r.slack)]
    questions = [
        *calendar.schedule.unplaced,
        *dict.fromkeys(n for r in calendar.rows for n in r.notes if " is unknown: " in n),
    ]
    return [
        (phrase("Day 0 is the earliest that these allow:"), [say(d) for d in calendar.decided]),
        (phrase("Placing:"), placed),
        (phrase("Earliest, planned and latest, when every delay is used up:"), spread),
        (
            phrase("Assumed, not registered:"),
            [f"{path} = {f.chosen.text}: {lang.quote(f.chosen.why)}" for path, f in assumptions(calendar)],
        ),
        (
            phrase("Set by the user:"),
            [f"{path} = {f.chosen.text}" for path, f in choice.facts() if f.chosen.setting],
        ),
        (
            phrase("Clock changes:"),
            [say(n) for n in dict.fromkeys(n for r in calendar.rows for n in r.notes if "clocks change" in n)],
        ),
        (
            phrase("Open questions:"),
            [*map(say, questions), *(f"{q.about}: {lang.quote(q.ask)}" for q in choice.protocol.questions)],
        ),
    ]
