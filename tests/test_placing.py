"""From a schedule to real dates: leap days, months, clock changes, day numbering. Cases C1 to C16 are of reference cases 5."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.dates import parse_date
from nksim.errors import InvalidInput, UsageError
from nksim.patient import Patient
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.schedule.calendar import add_months, place
from nksim.schedule.expansion import expand

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
GOOD = parse_protocol(TEXT.encode(), "good.yaml")
NEW_YORK, SHANGHAI = "America/New_York", "Asia/Shanghai"


def calendar(day0, tz, cells_at="09:00", protocol=GOOD, **settings):
    choice = choose(protocol, settings=tuple((k.replace("_", "."), v) for k, v in settings.items()))
    schedule = expand(choice, Patient(weight=25, height=128), anchor_clock=dt.time.fromisoformat(cells_at))
    return place(schedule, day0=day0, tz=tz)


def rows(line, *args, **settings):
    return [r for r in calendar(*args, **settings).rows if r.event.line == line]


def elapsed_h(earlier, later):
    """Hours through UTC: two times of one zone are subtracted on the wall clock (C7)."""
    return (later.astimezone(dt.UTC) - earlier.astimezone(dt.UTC)).total_seconds() / 3600


def dates(found):
    return [r.start.date().isoformat()[5:] for r in found]


# C1, C2, C5: one calendar day at 09:00 is so many hours.
@pytest.mark.parametrize(
    ("tz", "day0", "hours", "offset"),
    [
        (NEW_YORK, "2026-03-07", 23, "-04:00"),
        (NEW_YORK, "2026-10-31", 25, "-05:00"),
        ("Europe/Berlin", "2026-03-28", 23, "+02:00"),
        ("Europe/London", "2026-10-24", 25, "+00:00"),
        ("Australia/Lord_Howe", "2026-04-04", 24.5, "+10:30"),
        ("Africa/Casablanca", "2026-02-14", 25, "+00:00"),
        (SHANGHAI, "2026-03-07", 24, "+08:00"),
        ("Asia/Kathmandu", "2026-03-07", 24, "+05:45"),
        ("America/Sao_Paulo", "2026-03-07", 24, "-03:00"),
    ],
)
def test_a_day_later_is_the_same_clock_time_across_a_clock_change(tz, day0, hours, offset):
    first, second = rows("cells", day0, tz, cells_days="0, 1")
    assert second.start.isoformat().endswith(f"T09:00:00{offset}")
    assert elapsed_h(first.start, second.start) == hours


# C1, C2: 24 elapsed hours are another clock time on these nights.
@pytest.mark.parametrize(("day0", "clock"), [("2026-03-07", "10:00"), ("2026-10-31", "08:00"), ("2026-05-02", "09:00")])
def test_twenty_four_hours_later_is_not_always_the_same_clock_time(day0, clock):
    (found,) = rows("cy", day0, NEW_YORK, cells_days="0", cy_after="{start of: cells, by: 24 h}")
    assert found.start.strftime("%H:%M") == clock


# C6: 30 December 2011 does not exist in Apia.
def test_a_date_that_a_zone_leaves_out_takes_no_time():
    first, second = rows("cells", "2011-12-29", "Pacific/Apia", cells_days="0, 2")
    assert second.start.date() == dt.date(2011, 12, 31)
    assert elapsed_h(first.start, second.start) == 24


# C3 and the same in Berlin.
@pytest.mark.parametrize(
    ("tz", "day0", "moved"),
    [
        (NEW_YORK, "2026-03-08", "2026-03-08T03:30:00-04:00"),
        ("Europe/Berlin", "2026-03-29", "2026-03-29T03:30:00+02:00"),
    ],
)
def test_a_time_that_the_clocks_skip_is_moved_on_and_says_so(tz, day0, moved):
    (found,) = rows("cells", day0, tz, "02:30", cells_days="0")
    assert found.start.isoformat() == moved
    assert any("02:30 does not exist" in n and "moved to 03:30" in n for n in found.notes)


# C4: 01:30 comes twice, at 05:30Z and 06:30Z.
def test_a_time_that_comes_twice_is_the_first_and_says_so():
    (found,) = rows("cells", "2026-11-01", NEW_YORK, "01:30", cells_days="0")
    assert found.start.astimezone(dt.UTC).isoformat() == "2026-11-01T05:30:00+00:00"
    assert any("01:30 occurs twice" in n for n in found.notes)


# 02:15 EST on 1 November 2026 is 07:15Z; 45 min before is the second 01:30, 105 min before is 05:30Z, the first.
@pytest.mark.parametrize(("by", "which"), [("45 min", "second"), ("105 min", "first")])
def test_a_relative_time_that_comes_twice_says_which_is_meant(by, which):
    (found,) = rows("cy", "2026-11-01", NEW_YORK, "02:15", cells_days="0", cy_before=f"{{start of: cells, by: {by}}}")
    assert f"{found.start:%H:%M}" == "01:30"
    assert any(n.startswith("01:30 occurs twice") and f"the {which} is meant" in n for n in found.notes)


def test_an_ordinary_time_has_no_note_on_clocks():
    assert not any("clocks" in n for r in calendar("2026-05-01", NEW_YORK).rows for n in r.notes)


# C7 by hand: 03:15 EDT is 07:15Z, 45 min before is 06:30Z = 01:30 EST; 02:15 EST in autumn is 07:15Z too, and 45 min
# before is 06:30Z, the second 01:30 of that night.
@pytest.mark.parametrize(
    ("day0", "cells_at", "il2", "window"),
    [
        ("2026-03-08", "03:15", "2026-03-08T01:30:00-05:00", ("01:15", "01:45")),
        ("2026-11-01", "02:15", "2026-11-01T01:30:00-05:00", ("01:15", "01:45")),
        ("2026-03-09", "03:15", "2026-03-09T02:30:00-04:00", ("02:15", "02:45")),
        ("2026-03-09", "00:30", "2026-03-08T23:45:00-04:00", ("23:30", "00:00")),
    ],
)
def test_minutes_before_an_infusion_elapse_across_clock_changes(day0, cells_at, il2, window):
    found = calendar(day0, NEW_YORK, cells_at, load("jk500"), cells_dose="1e7 cells/kg", cells_days="0")
    row = next(r for r in found.rows if r.event.line == "il2")
    cells = next(r for r in found.rows if r.event.line == "cells")
    assert row.start.isoformat() == il2
    assert (f"{row.earliest:%H:%M}", f"{row.latest:%H:%M}") == window
    assert elapsed_h(row.start, cells.start) == 0.75


# C8, C9, C10: conditioning of NCT05519384, and its DLT window of 28 days.
@pytest.mark.parametrize(
    ("day0", "cy", "flu", "day28"),
    [
        ("2026-03-02", "2026-02-23", ["02-24", "02-25", "02-26", "02-27", "02-28"], "2026-03-30"),
        ("2028-03-06", "2028-02-28", ["02-29", "03-01", "03-02", "03-03", "03-04"], "2028-04-03"),
        ("2027-03-06", "2027-02-27", ["02-28", "03-01", "03-02", "03-03", "03-04"], "2027-04-03"),
    ],
)
def test_conditioning_and_follow_up_of_jk500_fall_on_their_dates(day0, cy, flu, day28):
    found = calendar(day0, SHANGHAI, "10:00", load("jk500"), cells_dose="1e7 cells/kg", cells_days="0").rows
    by_line = {line: [r for r in found if r.event.line == line] for line in ("cy", "flu", "dlt")}
    assert by_line["cy"][0].start.date().isoformat() == cy
    assert dates(by_line["flu"]) == flu
    assert by_line["dlt"][0].end.date().isoformat() == day28


def test_the_weekdays_of_c8_are_those_of_the_calendar():
    found = calendar("2026-03-02", SHANGHAI)
    assert [f"{r.start:%a}" for r in found.rows] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Mon", "Thu"]


# C11: 2100 is no leap year, 2000 and 2024 are.
@pytest.mark.parametrize(
    ("day0", "day", "date"),
    [("2100-03-01", "-1", "2100-02-28"), ("2000-03-01", "-1", "2000-02-29"), ("2024-02-29", "365", "2025-02-28")],
)
def test_leap_days_are_those_of_the_gregorian_calendar(day0, day, date):
    assert rows("cy", day0, SHANGHAI, cy_days=day)[0].start.date().isoformat() == date


# C12: always from the anchor, on the last day of a shorter month.
@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-01-31", 2, "2026-03-31"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2026-12-15", 1, "2027-01-15"),
    ],
)
def test_months_are_calendar_months_from_the_anchor(start, months, end):
    assert add_months(dt.date.fromisoformat(start), months).isoformat() == end
    text = TEXT + f"    assess:\n      - {{id: os, what: survival, from: first cells, for: {months} mo}}\n"
    row = rows("os", start, SHANGHAI, protocol=parse_protocol(text.encode(), "a.yaml"))[0]
    assert row.end.isoformat() == f"{end}T09:00:00+08:00"


@given(st.dates(dt.date(1990, 1, 1), dt.date(2100, 12, 31)), st.integers(0, 600))
def test_a_month_later_is_in_the_next_month_and_never_later_in_it(date, months):
    found = add_months(date, months)
    assert (found.year * 12 + found.month) - (date.year * 12 + date.month) == months
    assert found.day == date.day or (found.day < date.day and (found + dt.timedelta(days=1)).day == 1)


# C13 and C14.
@pytest.mark.parametrize(
    ("day0", "days", "expected"),
    [
        ("2026-03-30", "{count: 5, every: 28 d}", ["03-30", "04-27", "05-25", "06-22", "07-20"]),
        (
            "2026-03-02",
            '{count: 8, pattern: "0, 3", every: 7 d}',
            ["03-02", "03-05", "03-09", "03-12", "03-16", "03-19", "03-23", "03-26"],
        ),
    ],
)
def test_a_recurrence_falls_on_its_dates(day0, days, expected):
    assert dates(rows("cells", day0, SHANGHAI, cells_days=days)) == expected


# C16: SDTM study days around 2026-03-02 have no day 0.
@pytest.mark.parametrize(
    ("day", "date", "study_day"),
    [
        ("-7", "2026-02-23", -7),
        ("-1", "2026-03-01", -1),
        ("0", "2026-03-02", 1),
        ("1", "2026-03-03", 2),
        ("28", "2026-03-30", 29),
    ],
)
def test_the_study_day_is_that_of_sdtm(day, date, study_day):
    (found,) = rows("cy", "2026-03-02", SHANGHAI, cy_days=day)
    assert (found.start.date().isoformat(), found.study_day, found.protocol_day) == (date, study_day, int(day))


def test_a_protocol_without_day_0_keeps_its_own_numbers_and_the_same_dates():
    found = calendar("2026-03-02", SHANGHAI, numbering_zero="no", cells_days="1, 4").rows
    assert [r.protocol_day for r in found] == [-7, -6, -5, -4, -3, -2, 1, 4]
    assert [r.start for r in found] == [r.start for r in calendar("2026-03-02", SHANGHAI).rows]


def test_an_injection_after_midnight_has_the_day_on_which_it_falls():
    (found,) = rows("cy", "2026-03-02", SHANGHAI, "22:00", cells_days="0", cy_after="{start of: cells, by: 4 h}")
    assert (found.start.isoformat(), found.protocol_day, found.study_day) == ("2026-03-03T02:00:00+08:00", 1, 2)


def test_an_infusion_ends_so_many_elapsed_minutes_later():
    (found,) = rows("cells", "2026-03-08", NEW_YORK, "01:30", cells_days="0", cells_over="90 min")
    assert (f"{found.start:%H:%M}", f"{found.end:%H:%M}") == ("01:30", "04:00")


def test_a_line_with_its_own_clock_time_keeps_it():
    assert {f"{r.start:%H:%M}" for r in rows("flu", "2026-03-02", SHANGHAI, flu_at="20:00")} == {"20:00"}
    assert {f"{r.start:%H:%M}" for r in rows("cells", "2026-03-02", SHANGHAI, flu_at="20:00")} == {"09:00"}


@given(st.integers(-20_000, 20_000))
def test_shifting_day_0_shifts_every_date(days):
    start = dt.date(2060, 6, 15)
    base, moved = (calendar(d.isoformat(), "Etc/GMT-8").rows for d in (start, start + dt.timedelta(days=days)))
    assert [r.start - b.start for r, b in zip(moved, base, strict=True)] == [dt.timedelta(days=days)] * len(base)


@given(
    st.lists(st.integers(-30, 30), min_size=1, max_size=5, unique=True).map(sorted),
    st.sampled_from(["08:59", "09:00", "20:00"]),
)
def test_rows_come_in_the_order_of_their_instants_and_a_new_line_changes_no_other(days, at):
    listed = ", ".join(map(str, days))
    line = f"          - {{id: new, product: aldesleukin, dose: 9e6 IU, route: SC, at: '{at}', days: '{listed}'}}\n"
    more = parse_protocol((TEXT + line).encode(), "more.yaml")
    base, found = calendar("2026-03-02", SHANGHAI).rows, calendar("2026-03-02", SHANGHAI, protocol=more).rows
    assert [r.start for r in found] == sorted(r.start for r in found)
    assert [(r.event.line, r.start, r.event.amount) for r in found if r.event.line != "new"] == [
        (r.event.line, r.start, r.event.amount) for r in base
    ]


def test_at_one_instant_a_sample_comes_first_then_the_dose_then_the_window_that_it_opens():
    text = TEXT + (
        "    assess:\n      - {id: dlt, what: DLT, from: first cells, for: 28 d}\n"
        "      - {id: mrd, what: MRD, days: '0'}\n"
    )
    found = calendar("2026-03-02", SHANGHAI, protocol=parse_protocol(text.encode(), "a.yaml"), cells_days="0").rows
    assert [r.event.line for r in found if r.protocol_day == 0] == ["mrd", "cells", "dlt"]


@pytest.mark.parametrize(
    "text",
    [
        "2027-02-29",
        "2027-13-01",
        "27-03-01",
        "2027/03/01",
        "01.03.2027",
        "2027-3-1",
        "２０２７-03-01",
        "",
        "1027-03-01",
        "2027-03-01T10:00",
    ],
)
def test_a_day_0_that_is_no_date_is_refused(text):
    with pytest.raises(InvalidInput, match="NK406"):
        parse_date(text)


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Asia", "UTC+8 ", "Asia/Shanghai\n"]
)
def test_a_zone_that_is_not_there_is_refused(name):
    with pytest.raises(UsageError, match="NK407"):
        calendar("2026-03-02", name)


def test_a_dose_beyond_the_calendar_is_refused():
    with pytest.raises(InvalidInput, match="NK208"):
        calendar("2150-01-01", SHANGHAI, cells_days="{count: 1000, every: 5200 wk}")
