"""Making a calendar file again from its provenance and its log, and saying where it differs from what is in it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nksim import ledger
from nksim.errors import InvalidInput, NksimError, Place, UnreadableInput, shorten
from nksim.patient import Patient
from nksim.protocol.catalog import load
from nksim.regimen import PatientCalendars, Regimen
from nksim.schedule.siterules import SiteRules
from nksim.storage import AskedPatient, Stored
from nksim.textfile import bytes_of


def rederived(stored: Stored, *, protocol: str | None = None) -> PatientCalendars:
    """The calendars that a file's provenance and log give today; `protocol` names the protocol where it has moved.

    Raises `InvalidInput` NK733 where the protocol's content, or a file of closures, is not what the calendar was made
    from, NK732 where its provenance is none of a calendar, and whatever making and amending calendars raise.
    """
    place, asked = Place(str(stored.path)), stored.origin.request
    if len(stored.origin.protocols) != 1 or any(len(pair) != 2 for pair in asked.set) or not asked.patients:
        raise InvalidInput("NK732", "its provenance is not that of a calendar", place=place)
    named = stored.origin.protocols[0]
    settings = tuple((path, value) for path, value in asked.set)
    chosen = load(protocol or asked.file or named.id)
    _same(named.sha256, chosen.sha256, f"protocol {named.id}", place)
    for path, digest in asked.closed_sha256.items():
        if not Path(path).is_file():  # The calendar names it, and nobody at the keyboard: no device, no standard input.
            raise UnreadableInput("NK100", f"cannot read {shorten(path)}: it is no file", help="check the path")
        _same(digest, hashlib.sha256(bytes_of(path)).hexdigest(), f"file {path}", place)
    regimen = Regimen(chosen, asked.arm, asked.level, settings, asked.assume, command=stored.origin.command)
    for kept in stored.origin.waivers:
        regimen = regimen.waive(kept.code, kept.reason)
    made = regimen.calendars(
        [(_patient(p), p.day0, p.tz) for p in asked.patients],
        cells_at=asked.cells_at,
        site=SiteRules(tuple(asked.closed), asked.hours, asked.shift, tuple(asked.prior)),
        earliest=asked.earliest,
        issued=asked.issued,
    )
    made = _of_version(made, stored.origin.nksim, asked.file)
    for entry in stored.changes:
        made = made.amend(
            f"{entry.change}: {entry.reason}",
            when=entry.when,
            who=entry.who,
            id=entry.patient,
            past=entry.past,
            deviation=entry.deviation,
        )
    return made


def _of_version(made: PatientCalendars, version: str, file: str | None) -> PatientCalendars:
    """The same under the version and the protocol's path that the file names: what they are is said elsewhere."""
    from nksim.output.calendars import content

    asked = {**(made.provenance.request or {}), "file": file}
    source = replace(made.provenance, version=version, request=asked)
    issue = made.log[0]
    log = ledger.sealed((), calendar=ledger.digest(content(made.calendars, source)), change="issued", when=issue.when)
    return replace(made, provenance=source, log=log)


def _patient(held: AskedPatient) -> Patient:
    return Patient(
        id=held.id,
        weight=held.weight_kg,
        height=held.height_cm,
        age=held.age_y,
        sex=held.sex,
        creatinine=held.creatinine_umol_l,
        ideal_weight=held.ideal_weight_kg,
        weighed=held.weighed,
    )


def _same(was: Any, is_: str, what: str, place: Place) -> None:
    if was != is_:
        raise InvalidInput(
            "NK733",
            f"{what} has changed: the calendar was made from sha256 {str(was)[:12]}, this one has {is_[:12]}",
            place=place,
            help="verify with the version it was made from, or make a new calendar from the new one",
        )


def differences(stored: Stored, *, protocol: str | None = None, seal: str | None = None) -> list[str]:
    """Every difference between a file and what its provenance and log give, field by field; empty if there is none.

    `seal` is the hash of the last log entry as somebody wrote it down. Raises as `rederived` does, but for a log that
    cannot be replayed, which is a difference.
    """
    found = list(ledger.faults(stored.log))
    if seal is not None and not _last_hash(stored.log).startswith(seal):
        last = _last_hash(stored.log)[:16]
        found.append(f"log: its last hash is {last}…, not {seal}: entries are missing or were made anew")
    try:
        made = rederived(stored, protocol=protocol)
    except NksimError as error:
        if any(f.code == "NK733" for f in error.faults) or isinstance(error, UnreadableInput):
            raise
        return [*found, *(f"cannot be made again: {f.message}" for f in error.faults)]
    again = made.render(stored.form, lang=stored.lang)
    derived = again if isinstance(again, bytes) else again.encode()
    compare = {"json": _json, "csv": _csv, "ics": _ics}[stored.form]
    found += compare(stored, made, derived)
    if not found and stored.data != derived:
        found.append(_layout(stored.data, derived))
    return found


def _last_hash(log: list[Any]) -> str:
    return str(log[-1].get("hash", "")) if log and isinstance(log[-1], dict) else ""


def _json(stored: Stored, made: PatientCalendars, derived: bytes) -> Iterator[str]:
    yield from _different("", stored.content, json.loads(derived))


def _csv(stored: Stored, made: PatientCalendars, derived: bytes) -> Iterator[str]:
    source = {**made.provenance.as_dict(), "log": [e.as_dict() for e in made.log]}
    # A file that was renamed with its metadata is the same calendar.
    named = {"@context": "http://www.w3.org/ns/csvw", "url": stored.content.get("url", stored.path.name)}
    about = {**named, "dc:source": source}
    yield from _different("metadata", stored.content, about)
    try:
        rows, again = (
            list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True)) for data in (stored.data, derived)
        )
    except (UnicodeDecodeError, csv.Error) as error:
        yield f"the CSV cannot be read: {error}"
        return
    names = again[0]
    if len(rows) != len(again):
        yield f"file has {len(rows) - 1} rows, derived {len(again) - 1}"
    for i, (a, b) in enumerate(zip(rows, again, strict=False), 1):
        if len(a) != len(b):
            yield f"line {i}: file has {len(a)} cells, derived {len(b)}"
        yield from (
            f"line {i}, {name}: file {shorten(x)}, derived {shorten(y)}"
            for name, x, y in zip(names, a, b, strict=False)
            if x != y
        )


def _ics(stored: Stored, made: PatientCalendars, derived: bytes) -> Iterator[str]:
    from icalendar import Calendar

    try:
        parts = [_components(Calendar.from_ical(data)) for data in (stored.data, derived)]
    except (ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        yield f"the calendar cannot be read: {shorten(error)}"
        return
    yield from _different("", *parts)


def _components(ics: Any) -> dict[str, Any]:
    """Every component by its kind and UID (or zone), with its properties as they are written."""
    found: dict[str, Any] = {}
    for i, part in enumerate(ics.walk()):
        name = (
            f"{part.name} {part.get('UID') or part.get('TZID') or (i if part.name in ('STANDARD', 'DAYLIGHT') else '')}"
        )
        # An event that is there twice must not hide behind the second.
        name = name.strip() if name.strip() not in found else f"{name.strip()} once more ({i})"
        found[name] = {
            key: "; ".join(
                f"{v.to_ical()!r} {dict(getattr(v, 'params', {}))}"
                for v in (value if isinstance(value, list) else [value])
            )
            for key, value in part.items()
        }
    return found


def _different(where: str, file: Any, derived: Any) -> Iterator[str]:
    """Every leaf in which two trees of plain data differ, by its path."""
    if isinstance(file, dict) and isinstance(derived, dict):
        for key in dict.fromkeys((*derived, *file)):
            path = f"{where}.{key}" if where else str(key)
            if key not in file or key not in derived:
                yield f"{path}: only in {'the file' if key in file else 'what is derived'}"
            else:
                yield from _different(path, file[key], derived[key])
    elif isinstance(file, list) and isinstance(derived, list):
        if len(file) != len(derived):
            yield f"{where}: file has {len(file)}, derived {len(derived)}"
        for i, (a, b) in enumerate(zip(file, derived, strict=False)):
            yield from _different(f"{where}[{i}]", a, b)
    elif file != derived or type(file) is not type(derived):
        yield f"{where}: file {_shown(file)}, derived {_shown(derived)}"


def _shown(value: Any) -> str:
    return (
        shorten(value)
        if isinstance(value, str)
        else shorten(json.dumps(value, ensure_ascii=False, default=str)).strip("'")
    )


def _layout(file: bytes, derived: bytes) -> str:
    same = next(
        (i for i, (a, b) in enumerate(zip(file, derived, strict=False)) if a != b), min(len(file), len(derived))
    )
    return (
        f"line {file[:same].count(10) + 1}: every value is the same, but the bytes differ (spaces, order or spelling)"
    )
