"""Calendars as a table, CSV and JSON, all from the same rows."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from typing import Any

from nksim.ledger import Entry
from nksim.output.markup import shown, table_html
from nksim.output.provenance import Provenance
from nksim.output.text import dose_text, in_words, signed, table
from nksim.protocol.facts import Fact
from nksim.schedule.calendar import Calendar, Row
from nksim.units import plain

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
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


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
        "notes": "; ".join(row.notes) or None,
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
        "findings": [{"code": f.code, "message": f.message} for f in calendar.findings],
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
        "notes": list(row.notes),
        "earliest_possible": early,
        "latest_possible": late,
        "sequence": row.sequence,
        "changed": row.changed.isoformat() if row.changed else None,
    }


def assumptions(calendar: Calendar) -> list[tuple[str, Fact[Any]]]:
    """The assumed facts that this calendar rests on."""
    return calendar.schedule.choice.assumed()


def as_table(calendars: Sequence[Calendar], provenance: Provenance, log: Sequence[Entry] = ()) -> str:
    """Calendars for the terminal: rows, what was changed, what is assumed and open, and where it comes from."""
    shown = in_words("\n\n".join(_one_table(c, log) for c in calendars))
    return f"{shown}\n\n{provenance.line()}" + (f" · log {log[-1].hash[:12]}" if len(log) > 1 else "") + "\n"


_HEADER = ("Day", "Date", "Time", "Line", "Product", "No.", "Dose", "Route")


def as_fragment(calendars: Sequence[Calendar], provenance: Provenance) -> str:
    """The doses of calendars as HTML tables for a notebook."""
    parts = []
    for calendar in calendars:
        rows = [[*_dose_line(row), _assumed(row)] for row in calendar.rows if row.event.dose]
        regimen, patient = calendar.schedule.choice.name, calendar.schedule.patient
        title = f"{regimen} · patient {patient} · day 0 {calendar.day0} · {calendar.tz}"
        foot = f"For planning and review; not a prescription. {provenance.line()}"
        parts.append(shown(title, table_html([*_HEADER, "Assumed"], rows, numbers=9), foot))
    return "".join(parts)


def _one_table(calendar: Calendar, log: Sequence[Entry]) -> str:
    choice, patient = calendar.schedule.choice, calendar.schedule.patient
    weekday = WEEKDAYS[calendar.day0.weekday()]
    egfr = patient.egfr()
    kidney = f", eGFR {egfr[0]:.0f} mL/min/1.73 m² ({egfr[1]})" if egfr else ""
    head = f"{choice.protocol.title} ({choice.protocol.registration})\n"
    head += f"{choice.name} · patient {patient}{kidney} · day 0 {weekday} {calendar.day0} · {calendar.tz}"
    doses = [row for row in calendar.rows if row.event.dose]
    notes = list(dict.fromkeys(_calculation(row) for row in doses))
    header = [*_HEADER, "How", "Assumed"]
    body = table(
        header,
        [[*_dose_line(row), f"[{notes.index(_calculation(row)) + 1}]", _assumed(row)] for row in doses],
        right=frozenset({0}),
    )
    numbered = "\n".join(f"  [{i}] {text}" for i, text in enumerate(notes, 1))
    parts = [head, body, f"Calculations:\n{numbered}"]
    assessed = [_assessment_line(row) for row in calendar.rows if not row.event.dose]
    if assessed:
        parts.append(
            table(["Day", "Date", "Assessment", "What", "No.", "Until", "Basis"], assessed, right=frozenset({0}))
        )
    return "\n\n".join([*parts, *_amended(calendar, log), *_foot(calendar)])


def _amended(calendar: Calendar, log: Sequence[Entry]) -> list[str]:
    """The amendments of this patient, and what they took out."""
    own = [f"  {e.number} {told(e)}" for e in log if e.patient == calendar.schedule.patient.id]
    parts = ["Amended:\n" + "\n".join(own)] if own else []
    if calendar.cancelled:
        out = [f"  {_named(row)}: {row.event.remarks[-1]}" for row in calendar.cancelled]
        parts.append("Taken out, not to be given:\n" + "\n".join(out))
    return parts


def told(entry: Entry) -> str:
    """An amendment in one line: when, what, why, by whom, and what its author allowed."""
    when = (entry.when or "").replace("T", " ")[:16]
    flags = [name for name, on in (("the past corrected", entry.past), ("a deviation", entry.deviation)) if on]
    return f"{when} {entry.change}: {entry.reason}" + "".join(f" ({x})" for x in [*filter(None, [entry.who]), *flags])


def _calculation(row: Row) -> str:
    event, dose = row.event, row.event.dose
    assert dose is not None
    result = f"{event.line}: {dose.calculation} = {dose_text(dose.amount, dose.unit)}"
    stated = () if any(n.startswith(f"{event.basis}:") for n in event.notes) else (event.basis,)
    return f"{result}\n      {'; '.join([*stated, *event.notes])}"


def _dose_line(row: Row) -> list[str]:
    event, dose = row.event, row.event.dose
    assert dose is not None
    return [
        signed(row.protocol_day),
        _date(row.start),
        _time(row),
        event.line,
        event.what,
        f"{event.occasion.number}/{event.occasion.count}",
        dose_text(dose.amount, dose.unit),
        event.route or "",
    ]


def _assumed(row: Row) -> str:
    """Whether the dose or its time is the file's assumption: what a reader must see in the row itself."""
    found = [n for n, f in row.event.facts if n in ("dose", "days", "timing") and f.chosen.basis == "assumed"]
    return ", ".join(found)


def _assessment_line(row: Row) -> list[str]:
    event = row.event
    until = _date(row.end) if event.length else f"{row.start:%H:%M}, {event.occasion.label or 'before any dose'}"
    return [
        signed(row.protocol_day),
        _date(row.start),
        event.line,
        event.what,
        f"{event.occasion.number}/{event.occasion.count}",
        until,
        event.basis,
    ]


def _date(time: dt.datetime) -> str:
    return f"{WEEKDAYS[time.weekday()]} {time:%Y-%m-%d}"


def _time(row: Row) -> str:
    """Start and end, or the start and its window, with the date where the window leaves the day."""
    if row.earliest is None and row.latest is None:
        return f"{row.start:%H:%M}–{row.end:%H:%M}" if row.end != row.start else f"{row.start:%H:%M}"
    ends = [
        f"{t:%H:%M}" if t.date() == row.start.date() else f"{t:%m-%d %H:%M}"
        for t in (row.earliest, row.latest)
        if t is not None
    ]
    return f"{row.start:%H:%M} ({'–'.join(ends)})" if len(ends) == 2 else f"{row.start:%H:%M} (not before)"


def _spread_line(row: Row) -> str:
    assert row.possible is not None
    times = [f"{WEEKDAYS[t.weekday()]} {t:%Y-%m-%d %H:%M}" for t in (row.possible[0], row.start, row.possible[1])]
    named = f"{row.event.line} {row.event.occasion.number}/{row.event.occasion.count}"
    return f"  {named}: {' · '.join(times)} ({', '.join(row.slack)})"


def _named(row: Row) -> str:
    return f"{row.event.line} {row.event.occasion.number}/{row.event.occasion.count} on {_date(row.start)}"


def _foot(calendar: Calendar) -> list[str]:
    choice = calendar.schedule.choice
    parts = []
    if calendar.decided:
        parts.append("Day 0 is the earliest that these allow:\n" + "\n".join(f"  {d}" for d in calendar.decided))
    placed = [
        f"  {_named(r)}: {n}" for r in calendar.rows for n in r.notes if n.startswith(("moved from", "site closed"))
    ]
    if placed:
        parts.append("Placing:\n" + "\n".join(placed))
    spread = [_spread_line(r) for r in calendar.rows if r.possible and any("window" not in w for w in r.slack)]
    if spread:
        parts.append("Earliest, planned and latest, when every delay is used up:\n" + "\n".join(spread))
    found = [f"  {path} = {f.chosen.text}: {f.chosen.why}" for path, f in assumptions(calendar)]
    if found:
        parts.append("Assumed, not registered:\n" + "\n".join(found))
    answers = [f"  {path} = {f.chosen.text}" for path, f in choice.facts() if f.chosen.setting]
    if answers:
        parts.append("Set by the user:\n" + "\n".join(answers))
    notes = dict.fromkeys(n for r in calendar.rows for n in r.notes if "clocks change" in n)
    if notes:
        parts.append("\n".join(notes))
    questions = [
        *calendar.schedule.unplaced,
        *dict.fromkeys(n for r in calendar.rows for n in r.notes if " is unknown: " in n),
    ]
    questions += [f"{q.about}: {q.ask}" for q in choice.protocol.questions]
    if questions:
        parts.append("Open questions:\n" + "\n".join(f"  {q}" for q in questions))
    if choice.protocol.reading == "provisional":
        parts.append("The protocol file was read once (reading: provisional): hold every row against its sources.")
    parts.append(
        f"Clock times are placeholders: lines placed by day start at {calendar.schedule.anchor_clock:%H:%M} "
        "like the cells (--cells-at), unless the protocol says otherwise.\n"
        "For planning and review; not a prescription."
    )
    return parts
