"""Patients from a CSV file."""

import pytest

from nksim.errors import InvalidInput
from nksim.roster import parse_roster

HEADER = "id,sex,age_y,weight_kg,height_cm,day0,tz"
ROW = "P001,F,8,25.0,128,2026-03-02,Asia/Shanghai"


def faults(text):
    with pytest.raises(InvalidInput) as found:
        parse_roster(text if isinstance(text, bytes) else text.encode(), "p.csv")
    return [(f.code, f.place.line) for f in found.value.faults], str(found.value)


def test_a_row_becomes_a_patient_with_day_0_and_zone():
    (entry,) = parse_roster(f"{HEADER}\n{ROW}\n".encode(), "p.csv").entries
    found = entry.patient
    assert (found.id, found.sex, found.age_y, found.weight_kg, found.height_cm) == ("P001", "F", 8, 25, 128)
    assert (entry.day0, entry.tz) == ("2026-03-02", "Asia/Shanghai")


@pytest.mark.parametrize(
    "data",
    [
        f"\ufeff{HEADER}\n{ROW}\n".encode(),
        f"{HEADER}\r\n{ROW}\r\n".encode(),
        f"{HEADER}\n\n{ROW}\n\n".encode(),
        f"{HEADER}\n{ROW}".encode(),
        f" {HEADER} \n {ROW} \n".encode(),
        f'{HEADER}\n"P001","F","8","25.0","128","2026-03-02","Asia/Shanghai"\n'.encode(),
    ],
)
def test_what_spreadsheets_write_is_the_same_file(data):
    assert parse_roster(data, "p.csv").entries[0].patient.weight_kg == 25


def test_columns_may_come_in_any_order_and_most_may_be_absent():
    (entry,) = parse_roster(b"weight_kg,id\n25,P001\n", "p.csv").entries
    assert (entry.patient.weight_kg, entry.patient.height_cm, entry.day0) == (25, None, None)


def test_columns_that_are_not_used_are_named():
    assert parse_roster(b"id,weight_kg,name\nP1,25,Ann\n", "p.csv").unused == ("name",)


# From 2 March 2018 to 2 March 2026 are 8 × 365 + 2 leap days = 2922 days = 8.00 years of 365.25 days.
def test_an_age_is_counted_from_birth_to_day_0():
    (entry,) = parse_roster(b"id,weight_kg,birth_date,day0\nP1,25,2018-03-02,2026-03-02\n", "p.csv").entries
    assert entry.patient.age_y == 8.0


@pytest.mark.parametrize(
    ("text", "expected", "word"),
    [
        ("", [("NK102", 0)], "empty"),
        (f"{HEADER}\n", [("NK102", 0)], "no patients"),
        (f"{HEADER}\n{ROW},x\n", [("NK112", 2)], "8 fields"),
        (f"{HEADER}\n{ROW}\n{ROW}\n", [("NK113", 3)], "line 2"),
        (f"{HEADER.replace(',', ';')}\n{ROW}\n", [("NK110", 1)], "commas"),
        (f"{HEADER.replace(',', chr(9))}\n{ROW}\n", [("NK110", 1)], "commas"),
        ("id,weight\nP1,25\n", [("NK110", 1)], "'weight'"),
        ("id,weight_kg,weight_kg\nP1,25,26\n", [("NK110", 1)], "twice"),
        ("id,weight_kg,age_y,birth_date\nP1,25,8,2018-01-01\n", [("NK110", 1)], "both"),
        ("id,weight_kg,birth_date\nP1,25,2018-01-01\n", [("NK403", 2)], "day0"),
        ("id,weight_kg,birth_date,day0\nP1,25,2027-01-01,2026-03-02\n", [("NK403", 2)], "born after"),
        (f"{HEADER}\n{ROW.replace('2026-03-02', '2026-02-30')}\n", [("NK406", 2)], "no date"),
        (f"{HEADER}\n{ROW.replace('2026-03-02', '02/03/2026')}\n", [("NK406", 2)], "YYYY-MM-DD"),
        (f"{HEADER}\n{ROW.replace('2026-03-02', '２０２６-03-02')}\n", [("NK406", 2)], "YYYY-MM-DD"),
        (f'{HEADER}\n"P0"01,F,8,25,128,2026-03-02,Asia/Shanghai\n', [("NK111", 2)], "CSV"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16"), [("NK101", 0)], "UTF-16"),
        (f"{HEADER}\n{ROW.replace('P001', 'Pä')}\n".encode("latin-1"), [("NK101", 2)], "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_for_certain_is_refused(text, expected, word):
    found, message = faults(text)
    assert found == expected
    assert word in message
    assert "  help: " in message


def test_every_row_at_fault_is_named_with_its_line_even_after_a_field_of_two_lines():
    text = 'id,weight_kg,name\nP1,0,"a\nb"\nP2,25,x\nP3,nan,y\n'
    assert faults(text)[0] == [("NK402", 2), ("NK401", 5)]
