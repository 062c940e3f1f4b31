"""Closed days: what moves within its window and what is only flagged. C15 is of reference cases 5."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from nksim.errors import InvalidInput, UnreadableInput, UsageError
from nksim.patient import Patient
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.schedule.calendar import place
from nksim.schedule.closures import SHIFTS, Closure, Site, read_closures, site_of
from nksim.schedule.expansion import expand

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
IL2 = "          - {id: il2, product: aldesleukin, dose: 9e6 IU, route: SC, before: {start of: cells, by: 45 min}}\n"
WEEKENDS = Site(weekends=True)


def calendar(day0, site=WEEKENDS, extra=IL2, cells_at="10:00", **settings):
    protocol = parse_protocol((TEXT + extra).encode(), "a.yaml")
    choice = choose(protocol, settings=tuple((k.replace("_", "."), v) for k, v in settings.items()))
    schedule = expand(choice, Patient(weight=70, height=170), anchor_clock=dt.time.fromisoformat(cells_at))
    return place(schedule, day0=day0, tz="Asia/Shanghai", site=site)


def dates(calendar, line):
    return [f"{r.start:%m-%d}" for r in calendar.rows if r.event.line == line]


# C15: where a dose goes from a weekend; the window is wide, so that the rule decides.
@pytest.mark.parametrize(
    ("shift", "date", "expected"),
    [
        ("following", "2026-03-07", "2026-03-09"),
        ("preceding", "2026-03-07", "2026-03-06"),
        ("nearest", "2026-03-07", "2026-03-06"),
        ("following", "2026-03-08", "2026-03-09"),
        ("preceding", "2026-03-08", "2026-03-06"),
        ("nearest", "2026-03-08", "2026-03-09"),
        ("following", "2026-05-31", "2026-06-01"),
        ("modified-following", "2026-05-31", "2026-05-29"),
        ("following", "2026-02-28", "2026-03-02"),
        ("modified-following", "2026-02-28", "2026-02-27"),
        ("modified-following", "2026-03-07", "2026-03-09"),
    ],
)
def test_a_dose_on_a_weekend_goes_where_the_rule_says(shift, date, expected):
    second = dt.date.fromisoformat(date)
    site = Site(weekends=True, shift=shift)
    found = calendar((second - dt.timedelta(days=12)).isoformat(), site, cells_days="0, 12", cells_window="-5..+5 d")
    moved = next(r for r in found.rows if r.event.line == "cells" and r.event.occasion.number == 2)
    assert moved.start.date().isoformat() == expected
    assert any(n.startswith(f"moved from {second:%a} {date}: weekend") for n in moved.notes)


def test_a_window_too_narrow_leaves_the_dose_and_flags_it():
    found = calendar("2026-03-02", cells_days="0, 6", cells_window="-0..+0 d")
    assert dates(found, "cells") == ["03-02", "03-08"]
    assert [f.code for f in found.findings if "cells 2/2" in f.message] == ["NK330"]


def test_a_dose_without_a_window_is_flagged_and_stays():
    found = calendar("2026-03-02", cells_days="0, 5")
    assert dates(found, "cells") == ["03-02", "03-07"]
    assert sum(f.code == "NK330" for f in found.findings) == 3  # flu on Saturday 28 February, il2 and cells on 7 March


def test_what_hangs_on_a_dose_moves_with_it():
    extra = (
        IL2
        + '    assess:\n      - {id: dlt, what: DLT, from: each cells, for: 28 d}\n      - {id: pk, what: PK, samples: {start of: each cells, at: "+1 h"}}\n'
    )
    found = calendar("2026-03-02", extra=extra, cells_days="0, 5", cells_window="-1..+1 d")
    assert all(dates(found, line)[1] == "03-06" for line in ("cells", "il2", "dlt", "pk"))
    il2 = [r for r in found.rows if r.event.line == "il2"][1]
    cells = [r for r in found.rows if r.event.line == "cells"][1]
    assert cells.start - il2.start == dt.timedelta(minutes=45)


def test_conditioning_and_the_first_cells_never_move():
    settings = {"cy_window": "-3..+3 d", "flu_window": "-3..+3 d", "cells_window": "-3..+3 d"}
    plain, found = calendar("2026-03-01", None, **settings), calendar("2026-03-01", **settings)
    for line in ("cy", "flu"):
        assert dates(found, line) == dates(plain, line)
    assert dates(found, "cells")[0] == "03-01"


def test_conditioning_in_a_later_phase_stays_with_its_infusion():
    again = (
        "      - phase: second course\n        starts: {after: last cells, by: 28 d}\n        give:\n"
        '          - {id: flu2, product: fludarabine phosphate, dose: 25 mg/m^2, route: IV, days: "-4..-2", window: -1..+1 d}\n'
        '          - {id: more, product: nk, dose: 1e9 cells, route: IV, days: "0", window: -3..+3 d}\n'
    )
    plain, found = calendar("2026-03-05", None, again), calendar("2026-03-05", extra=again)
    assert dates(found, "more") == dates(plain, "more")
    assert dates(found, "flu2") == dates(plain, "flu2")
    assert any(f.code == "NK330" for f in found.findings)


def test_no_move_puts_two_doses_on_one_day_or_past_one_another():
    # Saturday and Sunday doses, and Friday and Monday taken: with a window of one day nothing can move.
    found = calendar("2026-03-06", cells_days="0, 1, 2, 3", cells_window="-1..+1 d")
    assert dates(found, "cells") == ["03-06", "03-07", "03-08", "03-09"]


@pytest.mark.parametrize(("gap", "expected"), [("1 d", "03-06"), ("2 d", "03-09"), ("47 h", "03-09")])
def test_a_move_keeps_the_least_gap(gap, expected):
    # Thursday and Saturday: Friday is nearest, and one day after Thursday.
    found = calendar("2026-03-05", cells_days="0, 2", cells_window="-3..+3 d", cells_gap=gap)
    assert dates(found, "cells")[1] == expected


@pytest.mark.parametrize(
    ("hours", "cells_at", "flagged"),
    [
        ("08:00-18:00", "10:00", False),
        ("08:00-18:00", "08:30", True),
        ("08:00-10:20", "10:00", False),
        ("08:00-10:10", "10:00", True),
    ],
)
def test_the_hours_of_a_site_hold_for_start_and_end(hours, cells_at, flagged):
    site = site_of([], hours=hours)
    found = calendar("2026-03-02", site, cells_at=cells_at, cells_over="15 min", cells_days="0")
    assert any(f.code == "NK330" and "outside" in f.message for f in found.findings) == flagged


# State Council notice for 2026: Spring Festival 15-23 February, with 14 and 28 February as working Saturdays.
@pytest.mark.parametrize(
    ("date", "closed"),
    [
        ("2026-02-14", False),
        ("2026-02-15", True),
        ("2026-02-17", True),
        ("2026-02-23", True),
        ("2026-02-24", False),
        ("2026-02-28", False),
        ("2026-03-07", True),
    ],
)
def test_a_country_s_holidays_and_made_up_working_days_are_those_published(date, closed):
    why = site_of(["CN"]).closed_on(dt.date.fromisoformat(date))
    assert (why is not None) == closed


def test_a_year_without_published_swaps_is_provisional():
    assert "NK332" not in [f.code for f in calendar("2026-04-20", site_of(["CN"])).findings]
    assert "NK332" in [f.code for f in calendar("2045-04-20", site_of(["CN"])).findings]
    assert "NK332" not in [f.code for f in calendar("2045-04-20", site_of(["DE-BY"])).findings]


def ics(*events):
    body = "".join(f"BEGIN:VEVENT\r\nUID:{i}\r\n{e}\r\nEND:VEVENT\r\n" for i, e in enumerate(events))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{body}END:VCALENDAR\r\n"


def test_a_file_of_closures_closes_whole_days_without_their_end_and_hours(tmp_path):
    file = tmp_path / "closures.ics"
    file.write_text(
        ics(
            "SUMMARY:audit\r\nDTSTART;VALUE=DATE:20260305\r\nDTEND;VALUE=DATE:20260307",
            "SUMMARY:power cut\r\nDTSTART:20260309T090000\r\nDTEND:20260309T110000",
        )
    )
    site = site_of([str(file)], tz=ZoneInfo("Asia/Shanghai"))
    assert [site.closed_on(dt.date(2026, 3, d)) for d in (4, 5, 6, 7)] == [None, "audit", "audit", None]
    found = calendar("2026-03-02", site, cells_days="0, 3, 7", cells_window="-0..+2 d")
    assert dates(found, "cells") == ["03-02", "03-07", "03-10"]


# RFC 5545 3.8.5.3 prints which days some of these rules mean; the others were counted on a calendar.
@pytest.mark.parametrize(
    ("event", "closed", "year", "month"),
    [
        ("DTSTART;VALUE=DATE:20260304\r\nRRULE:FREQ=WEEKLY", [4, 11, 18, 25], 2026, 3),
        ("DTSTART;VALUE=DATE:20260304\r\nRRULE:FREQ=WEEKLY;UNTIL=20260318", [4, 11, 18], 2026, 3),
        ("DTSTART;VALUE=DATE:20260304\r\nRRULE:FREQ=WEEKLY;COUNT=2", [4, 11], 2026, 3),
        ("DTSTART;VALUE=DATE:20260304\r\nRRULE:FREQ=WEEKLY\r\nEXDATE;VALUE=DATE:20260311", [4, 18, 25], 2026, 3),
        ("DTSTART;VALUE=DATE:20260304\r\nRDATE;VALUE=DATE:20260320,20260330", [4, 20, 30], 2026, 3),
        ("DTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=MONTHLY;BYDAY=-1FR", [27], 2026, 3),
        ("DTSTART;VALUE=DATE:20240229\r\nRRULE:FREQ=YEARLY", [], 2026, 2),
        ("DTSTART;VALUE=DATE:20240229\r\nRRULE:FREQ=YEARLY", [29], 2028, 2),
        # Three days from the last Friday on: into the next month.
        ("DTSTART;VALUE=DATE:20260130\r\nDTEND;VALUE=DATE:20260202\r\nRRULE:FREQ=MONTHLY;BYDAY=-1FR", [1, 27, 28, 29], 2026, 3),
    ],
)  # fmt: skip
def test_a_closure_that_repeats_closes_each_of_its_days(event, closed, year, month, tmp_path):
    file = tmp_path / "closures.ics"
    file.write_text(ics("SUMMARY:stock-taking\r\n" + event))
    site = site_of([str(file)], tz=ZoneInfo("Asia/Shanghai"))
    days = [dt.date(year, month, 1) + dt.timedelta(days=n) for n in range(31)]
    assert [d.day for d in days if d.month == month and site.closed_on(d) == "stock-taking"] == closed


def test_a_repeated_closure_of_hours_keeps_its_clock_time_when_the_clocks_change(tmp_path):
    """Every Sunday 09:00-11:00 in Berlin: 08:00Z on 22 March, 07:00Z on 29 March 2026; until is read in UTC."""
    file = tmp_path / "closures.ics"
    rule = "DTSTART;TZID=Europe/Berlin:20260301T090000\r\nDURATION:PT2H\r\nRRULE:FREQ=WEEKLY;UNTIL=20260405T070000Z"
    file.write_text(ics("SUMMARY:power cut\r\n" + rule))
    berlin = ZoneInfo("Europe/Berlin")
    site = site_of([str(file)], tz=berlin)

    def closed(day, hour, month=3):
        start = dt.datetime(2026, month, day, hour, tzinfo=dt.UTC).astimezone(berlin)
        return site.closed(start, start + dt.timedelta(minutes=15)) == "power cut"

    assert [closed(22, h) for h in (7, 8, 9, 10)] == [False, True, True, False]
    assert [closed(29, h) for h in (6, 7, 8, 9)] == [False, True, True, False]
    assert [closed(d, 7, 4) for d in (5, 12)] == [True, False]


@pytest.mark.parametrize(
    "text",
    ["nothing", ics(), ics("SUMMARY:x\r\nDTSTART:20260305T100000\r\nRRULE:FREQ=HOURLY"),
     ics("SUMMARY:x\r\nDTSTART;VALUE=DATE:20260305\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
     ics("SUMMARY:x\r\nDTSTART;VALUE=DATE:20260305\r\nRECURRENCE-ID;VALUE=DATE:20260304"),
     ics("SUMMARY:x\r\nDTSTART:20260305T100000\r\nRDATE;VALUE=PERIOD:20260306T100000/PT1H"),
     ics("SUMMARY:x"),
     ics("SUMMARY:x\r\nDTSTART;VALUE=DATE:20260305\r\nDTEND;VALUE=DATE:20260305")],
)  # fmt: skip
def test_a_file_that_is_no_list_of_closures_is_refused(text, tmp_path):
    file = tmp_path / "closures.ics"
    file.write_text(text)
    with pytest.raises(InvalidInput, match="NK115"):
        read_closures(file, dt.UTC)
    with pytest.raises(UnreadableInput, match="NK100"):
        read_closures(tmp_path / "none.ics", dt.UTC)


@pytest.mark.parametrize(
    ("closed", "more", "code"),
    [(["sundays"], {}, "NK510"), (["XX"], {}, "NK510"), ([], {"hours": "18:00-08:00"}, "NK511"),
     ([], {"hours": "8-18"}, "NK511"), ([], {"shift": "later"}, "NK510")],
)  # fmt: skip
def test_what_is_no_closure_is_refused(closed, more, code):
    with pytest.raises(UsageError, match=code):
        site_of(closed, **more)


def test_the_shift_rules_are_four():
    assert SHIFTS == ("nearest", "following", "preceding", "modified-following")
    assert Closure(dt.date(2026, 1, 1), dt.date(2026, 1, 2), "x").why == "x"
