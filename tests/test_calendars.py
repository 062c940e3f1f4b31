"""Every row of every expected calendar, written by a second reader from the registration, against the program."""

import datetime as dt
from pathlib import Path

import pytest
import yaml

from nksim.patient import Patient
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import choose
from nksim.schedule.calendar import place
from nksim.schedule.expansion import expand

FILES = sorted((Path(__file__).parent / "calendars").glob("*.yaml"))


def printed(expected):
    settings = tuple((k, str(v)) for k, v in expected["set"].items())
    choice = choose(load(expected["protocol"]), arm=expected["arm"], level=expected["level"], settings=settings)
    schedule = expand(
        choice.answered(accept_assumed=expected["assume"]),
        Patient(**expected["patient"]),
        anchor_clock=dt.time.fromisoformat(expected["cells_at"]),
    )
    return place(schedule, day0=expected["day0"], tz=expected["tz"])


def minute(time):
    return time.isoformat(timespec="minutes") if time else None


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_calendar_equals_the_second_reading(path):
    expected = yaml.safe_load(path.read_text())
    rows = printed(expected).rows
    found = [
        [
            r.event.kind,
            r.event.line,
            f"{r.event.occasion.number}/{r.event.occasion.count}",
            r.protocol_day,
            minute(r.start),
            minute(r.end),
            r.event.route,
            r.event.dose.unit if r.event.dose else None,
            minute(r.earliest),
            minute(r.latest),
        ]
        for r in rows
    ]
    assert found == [[*row[:7], *row[8:]] for row in expected["rows"]]
    amounts = [float(r.event.amount) if r.event.amount is not None else None for r in rows]
    assert amounts == [row[7] if row[7] is None else pytest.approx(row[7], rel=1e-12) for row in expected["rows"]]


def test_each_protocol_that_says_it_was_read_twice_has_calendars_of_two_patients():
    read = [yaml.safe_load(p.read_text())["protocol"] for p in FILES]
    assert all(read.count(name) >= 2 for name in catalog() if load(name).reading == "second")
