"""Expected calendars, which a second reader wrote by hand, row by row against what nksim makes of the protocol."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from nksim.patient import Patient
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.qualification.check import Check
from nksim.schedule.calendar import Calendar, Row, place
from nksim.schedule.expansion import expand

# Amounts were worked out to 15 digits.
EXACT = 1e-12


@cache
def expected() -> dict[str, dict[str, Any]]:
    """Every expected calendar by the name of its file."""
    import yaml

    files = sorted(resources.files("nksim.expected_calendars").iterdir(), key=lambda f: f.name)
    return {f.name.removesuffix(".yaml"): yaml.safe_load(f.read_bytes()) for f in files if f.name.endswith(".yaml")}


def made(wanted: dict[str, Any]) -> Calendar:
    """What nksim prints for the patient, day 0 and answers of an expected calendar."""
    settings = tuple((k, str(v)) for k, v in wanted["set"].items())
    choice = choose(load(wanted["protocol"]), arm=wanted["arm"], level=wanted["level"], settings=settings)
    schedule = expand(
        choice.answered(accept_assumed=wanted["assume"]),
        Patient(**wanted["patient"]),
        anchor_clock=dt.time.fromisoformat(wanted["cells_at"]),
    )
    return place(schedule, day0=wanted["day0"], tz=wanted["tz"])


def differences(wanted: dict[str, Any]) -> list[str]:
    """What differs between an expected calendar and nksim's, one line for each row that does; none where they agree."""
    found, rows = [_told(r) for r in made(wanted).rows], wanted["rows"]
    lines = [f"{len(rows)} rows are expected and {len(found)} made"] if len(found) != len(rows) else []
    for number, (row, own) in enumerate(zip(rows, found, strict=False), 1):
        if not _same(row, own):
            lines.append(f"row {number}: expected {row}, made {own}")
    return lines


def _told(r: Row) -> list[Any]:
    return [
        r.event.kind,
        r.event.line,
        f"{r.event.occasion.number}/{r.event.occasion.count}",
        r.protocol_day,
        _minute(r.start),
        _minute(r.end),
        r.event.route,
        None if r.event.amount is None else float(r.event.amount),
        r.event.dose.unit if r.event.dose else None,
        _minute(r.earliest),
        _minute(r.latest),
    ]


def _same(row: list[Any], own: list[Any]) -> bool:
    amount, mine = row[7], own[7]
    close = amount == mine if None in (amount, mine) else abs(mine - amount) <= EXACT * abs(amount)
    return close and [*row[:7], *row[8:]] == [*own[:7], *own[8:]]


def _minute(time: dt.datetime | None) -> str | None:
    return time.isoformat(timespec="minutes") if time else None


def checks() -> Iterator[Check]:
    """One check for each expected calendar: how many of its rows differ."""
    for name, wanted in expected().items():
        yield Check(
            "calendars",
            name,
            wanted["read_from"],
            "rows that differ",
            float(len(differences(wanted))),
            0.0,
            len(wanted["rows"]),
        )
