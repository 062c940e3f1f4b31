"""Every row of every expected calendar, written by a second reader from the registration, against the program."""

import copy

import pytest

from nksim.protocol.catalog import catalog, load
from nksim.qualification.calendars import differences, expected


@pytest.mark.parametrize("name", expected())
def test_the_calendar_equals_the_second_reading(name):
    assert expected()[name]["rows"]
    assert differences(expected()[name]) == []


def test_each_protocol_that_says_it_was_read_twice_has_calendars_of_two_patients():
    read = [wanted["protocol"] for wanted in expected().values()]
    assert all(read.count(name) >= 2 for name in catalog() if load(name).reading == "second")


@pytest.mark.parametrize(
    ("column", "other"),
    [(0, "assessment"), (1, "flu"), (2, "1/2"), (3, 0), (4, "2027-02-22T10:01+08:00"), (5, None), (6, "SC"), (7, 1e-9),
     (7, None), (8, "IU"), (9, "2027-02-22T10:00+08:00"), (10, "2027-02-22T10:00+08:00")],
)  # fmt: skip
def test_a_row_that_differs_anywhere_is_told(column, other):
    wanted = copy.deepcopy(expected()["nkaml-p1"])
    row = wanted["rows"][0]
    row[column] = row[7] * (1 + other) if other == 1e-9 else other
    (told,) = differences(wanted)
    assert told.startswith("row 1: expected")


def test_a_row_too_many_is_told():
    wanted = copy.deepcopy(expected()["nkaml-p1"])
    wanted["rows"].pop()
    assert differences(wanted) == [f"{len(wanted['rows'])} rows are expected and {len(wanted['rows']) + 1} made"]
