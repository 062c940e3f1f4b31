"""Calendars as CSV, JSON and table: three views of the same rows."""

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

import nksim
from nksim.errors import UsageError
from nksim.output.text import dose_text, in_words, signed, table
from nksim.protocol.reading import parse_protocol
from nksim.regimen import Regimen

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
PATIENT = nksim.Patient(weight="20 kg", height="110 cm", age="6 y", sex="F")
# The contract of the CSV; programs read these columns by name and order.
HEADER = (
    "patient,event,phase,administration,product,dose_number,dose_count,protocol_day,study_day,date,weekday,start_local,"
    "end_local,start_utc,window_earliest,window_latest,route,duration_min,rule,dose,dose_unit,calculation,basis,notes"
)


def jk500(**settings):
    regimen = nksim.protocol("jk500")
    for path, value in {"cells_dose": "1e7 cells/kg", "cells_days": "0, 2, 4, 7, 9, 11", **settings}.items():
        regimen = regimen.change(path.replace("_", ".", 1), value)
    return regimen.calendar(PATIENT, day0="2027-03-01", tz="Asia/Shanghai")


def records(calendars):
    return list(csv.DictReader(io.StringIO(calendars.render("csv"), newline="")))


def test_the_csv_has_exactly_the_columns_of_its_contract():
    assert jk500().render("csv").split("\r\n")[0] == HEADER


def test_there_is_one_record_for_each_row_and_all_are_of_the_header_s_length():
    found = jk500()
    assert len(records(found)) == len(found.rows)
    assert {len(x) for x in csv.reader(io.StringIO(found.render("csv"), newline=""))} == {24}


# NCT05519384 for 20 kg and 110 cm: 60 mg/kg are 1,200 mg; day -7 from 1 March 2027 is Monday 22 February.
def test_a_record_says_all_of_a_dose():
    first = records(jk500())[0]
    names = ("patient", "event", "phase", "administration", "product", "dose_number", "dose_count")
    assert [first[k] for k in names] == ["P001", "dose", "conditioning", "cy", "cyclophosphamide", "1", "1"]
    assert (first["protocol_day"], first["study_day"], first["date"], first["weekday"]) == (
        "-7",
        "-7",
        "2027-02-22",
        "Mon",
    )
    assert (first["start_local"], first["end_local"]) == ("2027-02-22T10:00:00+08:00", "2027-02-22T11:00:00+08:00")
    assert (first["start_utc"], first["route"], first["duration_min"]) == ("2027-02-22T02:00:00Z", "IV", "60")
    assert (first["rule"], first["dose"], first["dose_unit"], first["basis"]) == ("60 mg/kg", "1200", "mg", "assumed")
    assert first["calculation"] == "60 mg/kg × 20 kg (actual)"


def test_the_window_of_an_injection_is_in_the_csv():
    il2 = next(r for r in records(jk500()) if r["administration"] == "il2")
    # 0.5 to 1 h before the infusion at 10:00.
    assert (il2["window_earliest"], il2["window_latest"]) == ("2027-03-01T09:00:00+08:00", "2027-03-01T09:30:00+08:00")


def test_an_assessment_has_no_dose():
    dlt = next(r for r in records(jk500()) if r["administration"] == "dlt")
    assert [dlt[k] for k in ("event", "rule", "dose", "dose_unit", "calculation", "route", "duration_min")] == [
        "assessment"
    ] + [""] * 6
    assert (dlt["start_local"][:10], dlt["end_local"][:10]) == ("2027-03-01", "2027-03-29")


def test_doses_are_plain_numbers_in_one_of_three_units():
    doses = [r for r in records(jk500()) if r["event"] == "dose"]
    assert all(re.fullmatch(r"\d+(\.\d*[1-9])?", r["dose"]) for r in doses)
    assert {r["dose_unit"] for r in doses} == {"mg", "IU", "cells"}
    assert next(r["dose"] for r in doses if r["administration"] == "cells") == "200000000"


def test_nothing_is_rounded_in_the_csv_that_the_protocol_does_not_round():
    flu = next(r for r in records(jk500()) if r["administration"] == "flu")
    # 25 mg/m2 times the root of 110 × 20 / 3600 is 19.5433989992643 mg.
    assert float(flu["dose"]) == pytest.approx(19.5433989992643, rel=1e-14)


def test_text_that_looks_like_a_formula_is_no_formula_in_a_spreadsheet():
    evil = (
        '    assess:\n      - {id: x, what: "=HYPERLINK(1)", days: "1", note: "@SUM(A1)"}\n'
        '      - {id: y, what: "+1", days: "2"}\n'
    )
    calendars = Regimen(parse_protocol((TEXT + evil).encode(), "e.yaml")).calendar(
        PATIENT, day0="2027-03-01", tz="Asia/Shanghai"
    )
    cells = [c for row in csv.reader(io.StringIO(calendars.render("csv"), newline="")) for c in row]
    assert "'=HYPERLINK(1)" in cells
    assert "'+1" in cells
    assert not [c for c in cells if c[:1] in "=+@\t\r" and c]
    # A negative day is a number and stays one.
    assert [c for c in cells if c.startswith("-")] == [
        "-7",
        "-7",
        "-6",
        "-6",
        "-5",
        "-5",
        "-4",
        "-4",
        "-3",
        "-3",
        "-2",
        "-2",
    ]


# OWASP, CSV injection: how a cell begins that a spreadsheet may run, with the full-width signs of Chinese input.
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\\t", "\\r", "\\n", "\\0", "＝", "＋", "－", "＠"])
def test_no_text_cell_begins_as_a_formula_does(sign):
    evil = f'    assess:\n      - {{id: x, what: "{sign}cmd|calc", days: "1"}}\n'
    calendars = Regimen(parse_protocol((TEXT + evil).encode(), "e.yaml")).calendar(
        PATIENT, day0="2027-03-01", tz="Asia/Shanghai"
    )
    for row in records(calendars):
        for name, cell in row.items():
            if name not in ("protocol_day", "study_day"):
                assert not re.match("[=+\\-@\t\r\n\0＝＋－＠]", cell), (name, cell)
    (cell,) = [r["product"] for r in records(calendars) if r["administration"] == "x"]
    assert cell.lstrip("'").strip("\0\t\r\n =+-@＝＋－＠") == "cmd|calc"


def test_numbers_of_the_csv_are_numbers_for_a_program_that_reads_it():
    for row in records(jk500()):
        for name in ("dose_number", "dose_count", "protocol_day", "study_day", "dose", "duration_min"):
            assert row[name] == "" or re.fullmatch(r"-?\d+(\.\d+)?", row[name]), (name, row[name])
    assert float(records(jk500())[0]["protocol_day"]) == -7


def test_chinese_and_latin_text_is_the_same_in_every_format():
    words = "骨髓 (MRD), Zürich naïve ½ µL 药"
    text = f'    assess:\n      - {{id: x, what: "{words}", days: "1"}}\n'
    made = Regimen(parse_protocol((TEXT + text).encode(), "e.yaml")).calendar(
        PATIENT, day0="2027-03-01", tz="Asia/Shanghai"
    )
    (cell,) = [r["product"] for r in records(made) if r["administration"] == "x"]
    (row,) = [r for r in json.loads(made.render("json"))["patients"][0]["rows"] if r["administration"] == "x"]
    assert cell == row["product"] == words
    assert words in made.render("table")
    # UTF-8 without a byte-order mark.
    assert not made.render("csv").startswith("\ufeff")


def test_the_json_has_its_version_its_provenance_and_the_rows_of_the_csv():
    found = jk500()
    content = json.loads(found.render("json"))
    assert (content["schema_version"], content["kind"]) == (1, "calendar")
    assert content["provenance"]["protocols"][0]["id"] == "jk500"
    assert re.fullmatch("[0-9a-f]{64}", content["provenance"]["protocols"][0]["sha256"])
    assert content["provenance"]["settings"] == ["cells.dose=1e7 cells/kg", "cells.days=0, 2, 4, 7, 9, 11"]
    (patient,) = content["patients"]
    for row, line in zip(patient["rows"], records(found), strict=True):
        assert (row["start_utc"], row["administration"]) == (line["start_utc"], line["administration"])
        assert row["dose"] == (float(line["dose"]) if line["dose"] else None)


def test_the_json_names_what_is_assumed_and_what_was_found():
    (patient,) = json.loads(jk500(cells_days="0").render("json"))["patients"]
    assert {a["fact"] for a in patient["assumptions"]} >= {"body.bsa", "cy.over", "numbering.zero"}
    assert [f["code"] for f in patient["findings"]] == ["NK316"]
    assert patient["patient"]["weight_kg"] == 20


# The ISMP list of error-prone abbreviations (2021): units spelled out, thousands separated, no trailing zero.
@pytest.mark.parametrize(
    ("amount", "unit", "shown"),
    [
        ("1200.00", "mg", "1,200 mg"),
        ("0.5", "mg", "0.5 mg"),
        ("19.543398999", "mg", "19.5434 mg"),
        ("781735.96", "IU", "781,736 units"),
        ("999999", "IU", "999,999 units"),
        ("1000000", "IU", "1 million units (1,000,000)"),
        ("9000000", "IU", "9 million units (9,000,000)"),
        ("2E8", "cells", "2 × 10^8 (2E8) cells"),
        ("1500000000", "cells", "1.5 × 10^9 (1.5E9) cells"),
        ("2", "Gy", "2 Gy"),
    ],
)
def test_an_amount_for_the_eye_follows_the_ismp_list(amount, unit, shown):
    assert dose_text(Decimal(amount), unit) == shown


@pytest.mark.parametrize("settings", [{}, {"il2_dose": "9e6 IU"}, {"cells_days": "0"}, {"cells_dose": "1e9 cells"}])
def test_a_table_has_no_error_prone_abbreviation(settings):
    shown = jk500(**settings).render("table")
    doses = shown.split("Assumed, not registered")[0]
    assert not re.search(r"\bIU\b", shown)
    assert not re.search(r"\d ?U\b", doses)
    assert not re.search(r"\d\.\d*0 (mg|units|cells)", shown)
    assert not re.search(r"(?<![\d])\.\d", doses)
    assert not re.search(r"(?<![\d.])\d{4,} (mg|units|cells)", doses)
    assert "1,200 mg" in doses


def test_a_table_says_what_is_assumed_what_the_user_set_and_what_is_open():
    shown = jk500().render("table")
    assert "cy.over = 1 h: not registered" in shown
    assert "cells.dose = 1e7 cells/kg" in shown.split("Set by the user:")[1]
    assert "chimerism: Is donor chimerism measured" in shown.split("Open questions:")[1]
    assert "not a prescription" in shown
    assert str(jk500()) == shown


def test_every_dose_of_a_table_leads_to_its_calculation():
    shown = jk500().render("table")
    assert "cy: 60 mg/kg × 20 kg (actual) = 1,200 mg" in shown
    assert "il2: 1,000,000 units/m² × 0.781736 m² (Mosteller, 110 cm, 20 kg) = 781,736 units" in shown
    rows = shown.split("Calculations:")[0]
    assert set(re.findall(r"\[(\d)\]", rows)) == set(re.findall(r"^  \[(\d)\]", shown, re.MULTILINE)) == set("1234")


def test_clock_changes_are_said_in_the_table():
    spring = (
        nksim.protocol("nkaml").assume().calendar(PATIENT, day0="2027-03-14", tz="America/New_York", cells_at="02:30")
    )
    assert "02:30 does not exist on this day" in spring.render("table")


@pytest.mark.parametrize("form", ["table", "csv", "json", "ics"])
def test_the_same_calendar_is_the_same_bytes(form):
    assert jk500().render(form) == jk500().render(form)


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"NK703.*(.|\n)*table, csv, json, ics, html, pdf"):
        jk500().render("xlsx")


def test_a_minus_is_a_minus_and_units_are_words():
    assert signed(-7) == "\N{MINUS SIGN}7"
    assert in_words("9 IU and 2 IU/m²") == "9 units and 2 units/m²"


def test_columns_are_aligned_across_chinese_text():
    lines = table(["id", "n"], [["患者", "1"], ["ab", "22"]]).splitlines()
    # Each Chinese character takes two columns of a terminal.
    assert lines == ["id    n", "患者  1", "ab    22"]


# reference cases C17: the ISO week's year is not always the date's.
@pytest.mark.parametrize(
    ("day0", "week"), [("2026-12-31", "2026-W53-4"), ("2027-01-03", "2026-W53-7"), ("2024-12-30", "2025-W01-1")]
)
def test_json_tells_the_iso_week_of_every_row(day0, week):
    made = (
        nksim.protocol("nkaml").assume().calendar(nksim.Patient(weight=25, height=128), day0=day0, tz="Asia/Shanghai")
    )
    rows = json.loads(made.render("json"))["patients"][0]["rows"]
    assert [r["iso_week"] for r in rows if r["administration"] == "cells"] == [week]
    assert all(r["iso_week"] for r in rows)
