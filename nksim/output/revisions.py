"""What an amendment made of a calendar: the difference of two, in words, as a table and as plain data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from nksim.ledger import Entry
from nksim.output.calendars import counted_from, record, told
from nksim.output.language import ENGLISH
from nksim.output.text import dose_text, in_words, signed, table
from nksim.schedule.calendar import WEEKDAYS, Calendar, Row
from nksim.schedule.departures import unlike

SCHEMA_VERSION = 1
# What a reader of two calendars compares; the rest of a row follows from these.
COMPARED = ("start_local", "end_local", "window_earliest", "window_latest", "protocol_day", "dose", "dose_unit")


def _rows(calendar: Calendar) -> dict[tuple[str, int], Row]:
    return {(r.event.line, r.event.occasion.number): r for r in calendar.rows}


def effects(old: Calendar, new: Calendar) -> list[str]:
    """Every row that differs, in one plain line each, in the order of the new calendar."""
    before, after = _rows(old), _rows(new)
    found = []
    for key, row in after.items():
        was = before[key]
        parts = [
            *_pair("start", f"{was.start:%Y-%m-%d %H:%M}", f"{row.start:%Y-%m-%d %H:%M}"),
            *(
                _pair("end", f"{was.end:%Y-%m-%d %H:%M}", f"{row.end:%Y-%m-%d %H:%M}")
                if row.event.length and not row.event.dose
                else ()
            ),
            *_pair("day", str(was.protocol_day), str(row.protocol_day)),
            *_pair("dose", _dose(was), _dose(row)),
        ]
        if parts:
            found.append(f"{key[0]} {key[1]}: {', '.join(parts)}")
    found += [f"{line} {number}: taken out" for line, number in before if (line, number) not in after]
    found += [f"finding {f.code}: {f.message}" for f in unlike(new, old)]
    return found


def _pair(what: str, was: str, is_: str) -> list[str]:
    return [f"{what} {was} -> {is_}"] if was != is_ else []


def _dose(row: Row) -> str:
    return in_words(dose_text(row.event.dose.amount, row.event.dose.unit)) if row.event.dose else ""


def as_data(old: Sequence[Calendar], new: Sequence[Calendar], log: Sequence[Entry]) -> dict[str, Any]:
    """The difference as plain data: for each patient the fields of each row as they were and are, and findings."""
    patients = []
    for before, after in zip(old, new, strict=True):
        was, now = _rows(before), _rows(after)
        rows = []
        for key, row in was.items():
            a = record(before, row)
            b = record(after, now[key]) if key in now else None
            fields = {c: {"was": a[c], "is": b[c] if b else None} for c in COMPARED if b is None or a[c] != b[c]}
            if fields:
                rows.append({"administration": key[0], "dose_number": key[1], "cancelled": b is None, "fields": fields})
        patients.append(
            {
                "patient": after.schedule.patient.id,
                "day0": {"was": before.day0.isoformat(), "is": after.day0.isoformat()},
                "rows": rows,
                "unchanged": len(was) - len(rows),
                "findings": {
                    "new": [f.as_dict() for f in unlike(after, before)],
                    "gone": [f.as_dict() for f in unlike(before, after)],
                },
            }
        )
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "calendar changes",
        "amendments": [e.as_dict() for e in log],
        "patients": patients,
    }


def as_text(old: Sequence[Calendar], new: Sequence[Calendar], log: Sequence[Entry]) -> str:
    """The difference for a person: each amendment, then every row that differs, as it was and as it is."""
    parts = ["\n".join(f"{e.number} {e.patient}: {told(e)}" for e in log)]
    for before, after in zip(old, new, strict=True):
        if before != after:
            parts.append(_one(before, after))
    return "\n\n".join(parts) + "\n"


def _one(before: Calendar, after: Calendar) -> str:
    was, now = _rows(before), _rows(after)
    body = []
    for key, row in was.items():
        is_ = now.get(key)
        if is_ is not None and _said(row) == _said(is_):
            continue
        number = f"{key[1]}/{row.event.occasion.count}"
        a = _said(row)
        b = _said(is_) if is_ else ("taken out", "")
        same_dose = a[1] == b[1]
        body.append(
            [
                key[0],
                row.event.what,
                number,
                a[0],
                b[0] if b[0] != a[0] else "the same",
                a[1],
                "" if same_dose else b[1] or "–",
            ]
        )
    choice, patient = after.schedule.choice, after.schedule.patient
    head = f"{choice.name} · patient {patient} · {counted_from(after, ENGLISH)} "
    head += f"{before.day0} → {after.day0}" if before.day0 != after.day0 else f"{after.day0}"
    shown = table(["Line", "Product or visit", "No.", "Was", "Is", "Dose", "New dose"], body)
    left = f"{len(was) - len(body)} of {len(was)} rows are as before."
    new = [f"  {f}" for f in unlike(after, before)]
    gone = [f"  {f}" for f in unlike(before, after)]
    parts = [f"{head} · {after.tz}", shown, left]
    parts += ["New findings:\n" + "\n".join(new)] if new else []
    parts += ["No longer found:\n" + "\n".join(gone)] if gone else []
    return in_words("\n\n".join(parts))


def _said(row: Row) -> tuple[str, str]:
    return f"day {signed(row.protocol_day)}, {_at(row.start)}", _dose(row)


def _at(time: dt.datetime) -> str:
    return f"{WEEKDAYS[time.weekday()]} {time:%Y-%m-%d %H:%M}"
