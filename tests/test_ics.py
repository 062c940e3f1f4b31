"""Calendar files, read back by a parser of RFC 5545 and by the rules that parsers forgive (reference cases 5)."""

import csv
import datetime as dt
import io
import re
from pathlib import Path

import icalendar
import pytest

import nksim
from nksim.protocol.reading import parse_protocol
from nksim.regimen import Regimen

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()


def calendars(day0="2027-03-01", tz="Asia/Shanghai", name="jk500", cells_at="10:00", patient="P001"):
    regimen = nksim.protocol(name).assume()
    if name == "jk500":
        regimen = regimen.change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 2")
    body = nksim.Patient(weight="20 kg", height="110 cm", id=patient)
    return regimen.calendar(body, day0=day0, tz=tz, cells_at=cells_at)


def events(made):
    return [c for c in icalendar.Calendar.from_ical(made.render("ics")).walk() if c.name == "VEVENT"]


@pytest.mark.parametrize("tz", ["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "UTC"])
def test_a_parser_finds_no_error_in_any_component(tz):
    parsed = icalendar.Calendar.from_ical(calendars(tz=tz).render("ics"))
    assert [(c.name, c.errors) for c in parsed.walk() if c.errors] == []
    assert (parsed["VERSION"], parsed["CALSCALE"], str(parsed["METHOD"])) == ("2.0", "GREGORIAN", "PUBLISH")


def test_lines_end_in_crlf_and_have_at_most_75_octets():
    data = calendars().render("ics")
    lines = data.split(b"\r\n")
    assert lines[-1] == b""
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
    assert max(map(len, lines)) <= 75
    assert all(line.decode() for line in lines[:-1])


def test_every_event_has_what_the_standard_requires():
    for event in events(calendars()):
        assert {"UID", "DTSTAMP", "DTSTART", "SUMMARY", "SEQUENCE"} <= set(event)
        assert "ATTENDEE" not in event
        # RFC 5546 3.2.1 wants an organizer in what is published; RFC 2606 keeps .invalid from ever being an address.
        assert str(event["ORGANIZER"]) == "mailto:no-reply@nksim.invalid"


def test_every_row_is_one_event_with_a_uid_of_its_own():
    made = calendars()
    assert len({str(e["UID"]) for e in events(made)}) == len(events(made)) == len(made.rows)


def test_uids_of_two_patients_and_two_protocols_differ():
    uids = [
        {str(e["UID"]) for e in events(m)} for m in (calendars(), calendars(patient="P002"), calendars(name="nkaml"))
    ]
    assert uids[0].isdisjoint(uids[1] | uids[2])


def test_a_dose_keeps_its_uid_when_day_0_moves():
    one, other = (events(calendars(day0)) for day0 in ("2027-03-01", "2027-05-09"))
    assert [e["UID"] for e in one] == [e["UID"] for e in other]
    assert [e["DTSTART"].dt for e in one] != [e["DTSTART"].dt for e in other]


@pytest.mark.parametrize(
    ("day0", "tz", "cells_at"),
    [
        ("2027-03-01", "Asia/Shanghai", "10:00"),
        ("2027-03-14", "America/New_York", "02:30"),
        ("2027-03-14", "America/New_York", "03:15"),
        ("2027-11-07", "America/New_York", "01:30"),
        ("2027-11-07", "America/New_York", "02:15"),
        ("2027-04-04", "Australia/Lord_Howe", "02:00"),
        ("2047-07-01", "Europe/Berlin", "10:00"),
    ],
)
def test_the_start_of_an_event_is_the_utc_start_of_the_csv(day0, tz, cells_at):
    made = calendars(day0, tz, cells_at=cells_at)
    printed = [r["start_utc"] for r in csv.DictReader(io.StringIO(made.render("csv"), newline=""))]
    assert [f"{e['DTSTART'].dt.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}" for e in events(made)] == printed


@pytest.mark.parametrize("day0", ["2027-03-01", "2047-03-01", "2027-11-07"])
def test_the_zone_that_the_file_carries_gives_the_same_instants(day0):
    made = calendars(day0, "America/New_York")
    parsed = icalendar.Calendar.from_ical(made.render("ics"))
    (carried,) = [c for c in parsed.walk() if c.name == "VTIMEZONE"]
    for event, row in zip(events(made), made.rows, strict=True):
        wall = event["DTSTART"].dt.replace(tzinfo=None)
        assert wall.replace(tzinfo=carried.to_tz()).utcoffset() == row.start.utcoffset()


def test_the_end_of_an_event_is_the_end_of_its_infusion():
    cy = next(e for e in events(calendars()) if "cyclophosphamide" in e["SUMMARY"])
    # One hour in the protocol file.
    assert cy["DTEND"].dt - cy["DTSTART"].dt == dt.timedelta(hours=1)
    assert all("DTEND" not in e for e in events(calendars()) if "aldesleukin" in e["SUMMARY"])


def test_an_event_carries_its_dose_calculation_and_basis_in_words():
    il2 = next(e for e in events(calendars()) if "aldesleukin" in e["SUMMARY"])
    assert il2["SUMMARY"] == "P001 day 0 aldesleukin 1/2: 781,736 units"
    assert "Calculation: 1,000,000 units/m² × 0.781736 m²" in il2["DESCRIPTION"]
    assert "Window: 2027-03-01 09:00 to 2027-03-01 09:30" in il2["DESCRIPTION"]
    assert "Basis: assumed" in il2["DESCRIPTION"]
    assert not re.search(r"\d ?I?U\b", il2["SUMMARY"] + il2["DESCRIPTION"].split("printed")[0])


def test_what_rests_on_an_assumption_is_tentative():
    good = Regimen(parse_protocol(TEXT.encode(), "g.yaml"))
    made = good.calendar(nksim.Patient(weight=20, height=110), day0="2027-03-01", tz="Asia/Shanghai")
    assert {str(e["STATUS"]) for e in events(made)} == {"CONFIRMED"}
    assert {str(e["STATUS"]) for e in events(calendars())} == {"TENTATIVE"}


def test_text_of_a_protocol_cannot_write_lines_of_its_own():
    evil = (
        '    assess:\n      - {id: x, days: "1", what: "A\\r\\nATTENDEE:mailto:e@x\\r\\nBEGIN:VALARM", '
        'note: "a;b,c\\\\n\\u2028\\x00"}\n'
    )
    made = Regimen(parse_protocol((TEXT + evil).encode(), "e.yaml")).calendar(
        nksim.Patient(weight=20, height=110), day0="2027-03-01", tz="Asia/Shanghai"
    )
    data = made.render("ics")
    parsed = icalendar.Calendar.from_ical(data)
    assert {c.name for c in parsed.walk()} == {"VCALENDAR", "VTIMEZONE", "STANDARD", "VEVENT"}
    assert not re.search(rb"\r\n(ATTENDEE|BEGIN:VALARM)", data)
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", data)
    assert "\u2028" not in data.decode()
