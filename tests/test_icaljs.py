"""Calendar files read by two parsers that share nothing: icalendar, and ical.js in strict mode (tests/icaljs)."""

import csv
import datetime as dt
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import icalendar
import pytest
from revision_cases import BEFORE, everything, ink_aml, jk500, nkaml, umn

import nksim
from nksim.output.ics import unpacked
from nksim.output.text import dose_text
from nksim.protocol.reading import parse_protocol
from nksim.regimen import Regimen

HERE = Path(__file__).parent
READY = shutil.which("node") is not None and (HERE / "icaljs" / "node_modules" / "ical.js").is_dir()
# The machine that decides (.ci/run) must have both.
pytestmark = pytest.mark.skipif(
    not READY and not os.environ.get("NKSIM_REQUIRE_NODE"), reason="needs node, and npm ci in tests/icaljs"
)
TEXT = (HERE / "bad_inputs" / "B000_good_protocol.yaml").read_text()
MIXED = """    assess:
      - {id: mrd, what: "骨髓微小残留病 (MRD), Zürich; naïve \\\\, \\"café\\"", days: "1, 2", note: "第一天；随访，直至缓解。药物剂量须经复核\U0001f489 = 100 % ≥ 1 µL, ½"}
"""


def mixed():
    child = nksim.Patient(weight=20, height=110)
    made = Regimen(parse_protocol((TEXT + MIXED).encode(), "m.yaml")).calendar(
        child, day0="2027-03-01", tz="Asia/Shanghai"
    )
    return made.amend('omit mrd 2: 患者拒绝；"不", \\n; {a: 1}: 药', when=BEFORE)


MADE = {
    "jk500": jk500,
    "nkaml": nkaml,
    "ink-aml": ink_aml,
    "umn": umn,
    "everything": everything,
    "mixed": mixed,
    "autumn": lambda: nkaml(day0="2027-11-05"),
    # 02:00 to 03:00 does not exist on this day; what comes just after it was read an hour off from RDATE zones.
    "just after the gap": lambda: jk500(day0="2027-03-14", tz="America/New_York", cells_at="03:15"),
    "just after the hour that comes twice": lambda: jk500(day0="2027-11-07", tz="America/New_York", cells_at="02:10"),
    "half an hour": lambda: jk500(day0="2027-04-01", tz="Australia/Lord_Howe"),
    "UTC": lambda: jk500(tz="UTC"),
    "beyond 2038": lambda: jk500(day0="2047-03-28", tz="Europe/Berlin"),
    "amended": lambda: (
        jk500(issued="2027-02-01T09:00")
        .amend("delay cells 2 by 3 d: fever", when="2027-03-05T09:00", who="李娜")
        .amend("omit cells 3: 病情进展", when="2027-03-12T09:00")
    ),
}


def by_icaljs(data):
    found = subprocess.run(["node", str(HERE / "icaljs" / "read.js")], input=data, capture_output=True, check=False)
    assert found.returncode == 0, found.stderr.decode()
    return json.loads(found.stdout)


def by_icalendar(data):
    parsed = icalendar.Calendar.from_ical(data)
    assert [(c.name, c.errors) for c in parsed.walk() if c.errors] == []

    def utc(event, name):
        return f"{event[name].dt.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}" if name in event else None

    events = [
        {
            "uid": str(e["UID"]),
            "summary": str(e["SUMMARY"]),
            "description": str(e["DESCRIPTION"]),
            "organizer": str(e["ORGANIZER"]),
            "status": str(e["STATUS"]),
            "sequence": int(e["SEQUENCE"]),
            "zone": e["DTSTART"].params.get("TZID"),
            "start": utc(e, "DTSTART"),
            "end": utc(e, "DTEND"),
            "stamp": utc(e, "DTSTAMP"),
            "changed": utc(e, "LAST-MODIFIED"),
            "categories": [str(c) for c in e["CATEGORIES"].cats],
        }
        for e in parsed.walk("VEVENT")
    ]
    zones = [str(z["TZID"]) for z in parsed.walk("VTIMEZONE")]
    return {"method": str(parsed["METHOD"]), "record": str(parsed["X-NKSIM-RECORD"]), "zones": zones, "events": events}


@pytest.mark.parametrize("name", MADE)
def test_two_parsers_read_the_same_and_it_is_what_the_calendar_says(name):
    made = MADE[name]()
    data = made.render("ics")
    one, other = by_icaljs(data), by_icalendar(data)
    # Before version 7 icalendar lost a backslash that stands before a comma, a semicolon or an n.
    if int(icalendar.__version__.split(".")[0]) >= 7 or "\\" not in made.render("csv"):
        assert one == other
    (calendar,) = made.calendars
    assert unpacked(one["record"])["log"] == [e.as_dict() for e in made.log]
    rows = [*calendar.rows, *calendar.cancelled]
    assert len(one["events"]) == len(rows)
    for event, row in zip(one["events"], rows, strict=True):
        assert event["start"] == f"{row.start.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        ends = f"{row.end.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}" if row.end > row.start else None
        assert event["end"] == ends
        if row.event.dose:
            assert event["summary"].endswith(dose_text(row.event.dose.amount, row.event.dose.unit))
            assert row.event.dose.calculation.replace(" IU", " units") in event["description"]
        assert row.event.what in event["summary"]
        for note in row.notes:
            assert note.replace(" IU", " units") in event["description"]
        assert (event["status"] == "CANCELLED") == (row in calendar.cancelled)
        assert event["categories"] == [row.event.kind, row.event.phase]


@pytest.mark.parametrize("name", MADE)
def test_lines_are_folded_on_octets_and_never_inside_a_character(name):
    lines = MADE[name]().render("ics").split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert all(line.decode("utf-8") is not None for line in lines)
    assert not [line for line in lines if b"\n" in line or b"\r" in line]


def test_chinese_and_latin_text_comes_back_as_it_went_in():
    events = by_icaljs(mixed().render("ics"))["events"]
    mrd = next(e for e in events if "mrd" in e["description"])
    assert '骨髓微小残留病 (MRD), Zürich; naïve \\, "café"' in mrd["summary"]
    assert "第一天;随访,直至缓解。药物剂量须经复核\U0001f489 = 100 % ≥ 1 µL, ½" in mrd["description"].replace(
        "；", ";"
    ).replace("，", ",")
    gone = next(e for e in events if e["status"] == "CANCELLED")
    assert '患者拒绝；"不", \\n; {a: 1}: 药' in gone["description"]


def test_ical_js_refuses_what_is_no_calendar():
    data = jk500().render("ics")
    for broken in (data.replace(b"END:VEVENT\r\n", b"", 1), data.replace(b"DTSTART;", b"DTSTART", 1), b"nonsense"):
        run = subprocess.run(["node", str(HERE / "icaljs" / "read.js")], input=broken, capture_output=True, check=False)
        assert run.returncode != 0


# RFC 5545 3.8.7.4 and RFC 5546 3.2.1: the same UID, a higher SEQUENCE where something changed, cancelled where it went.
def test_an_amended_file_updates_the_one_before():
    issued = jk500(issued="2027-02-01T09:00")
    amended = issued.amend("delay cells 2 by 3 d: fever", when="2027-03-05T09:00").amend(
        "omit cells 3: x", when="2027-03-12T09:00"
    )
    old, new = ({e["uid"]: e for e in by_icaljs(m.render("ics"))["events"]} for m in (issued, amended))
    assert old.keys() == new.keys()
    changed = {uid for uid in old if old[uid]["sequence"] != new[uid]["sequence"]}
    # Infusions 2 and 3, each with its injection and its DLT window.
    assert len(changed) == 6
    assert {new[uid]["sequence"] for uid in changed} == {1}
    for uid, event in new.items():
        before = old[uid]
        same = (event["start"], event["end"], event["status"]) == (before["start"], before["end"], before["status"])
        assert same == (uid not in changed)
        assert before["stamp"] == before["changed"] == "2027-02-01T01:00:00Z"
        assert event["stamp"] == "2027-03-12T01:00:00Z"
    dates = {new[uid]["changed"] for uid in changed}
    assert dates == {"2027-03-05T01:00:00Z", "2027-03-12T01:00:00Z"}
    assert sorted(e["status"] for e in new.values()).count("CANCELLED") == 3
    assert all(e["summary"].startswith("CANCELLED ") == (e["status"] == "CANCELLED") for e in new.values())


def test_without_a_stated_time_the_stamp_is_a_placeholder_that_every_later_one_is_after():
    events = by_icaljs(jk500().render("ics"))["events"]
    assert {(e["stamp"], e["changed"]) for e in events} == {("1970-01-01T00:00:00Z", None)}


def test_values_of_both_parsers_are_those_of_the_csv():
    made = nkaml()
    rows = list(csv.DictReader(io.StringIO(made.render("csv"), newline="")))
    for event, row in zip(by_icaljs(made.render("ics"))["events"], rows, strict=True):
        assert (event["start"], event["zone"]) == (row["start_utc"], "America/New_York")
        if row["dose_unit"] in ("mg", "IU"):
            shown = re.search(r": ([\d,.]+) (mg|units)$", event["summary"])
            assert float(shown[1].replace(",", "")) == pytest.approx(float(row["dose"]), rel=1e-5)
