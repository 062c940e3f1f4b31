"""Occasions in days from the anchor, before any date."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.errors import InvalidInput, Misread
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.protocol.times import days, recurrence, span
from nksim.schedule.expansion import timed
from nksim.schedule.timing import Moment, offset_of, protocol_day
from nksim.units import duration

GOOD = parse_protocol((Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_bytes(), "good.yaml")


def occasions(**settings):
    """Occasions of the good protocol with some fields of its lines answered: `cy_after="{…}"`."""
    return timed(choose(GOOD, settings=tuple((k.replace("_", "."), v) for k, v in settings.items())))


def starts(found):
    return [(o.start.day, o.start.minutes) for o in found]


# SDTM and many protocols have no day 0 (reference cases C16); cell protocols mostly call the infusion day 0.
@pytest.mark.parametrize(
    ("day", "with_zero", "without"), [(-7, -7, -7), (-1, -1, -1), (1, 1, 0), (2, 2, 1), (29, 29, 28)]
)
def test_a_protocol_day_is_so_many_days_from_the_anchor(day, with_zero, without):
    assert (offset_of(day, zero=True), offset_of(day, zero=False)) == (with_zero, without)


@given(st.integers(-400, 400), st.booleans())
def test_numbering_a_day_and_counting_it_back_is_the_same_day(offset, zero):
    day = protocol_day(offset, zero)
    assert offset_of(day, zero) == offset
    assert zero or day != 0


# reference cases C13: every 4 weeks x5 from 30 March 2026; C14: Monday and Thursday x8; dosing notes 3.4: q.o.d. x6.
@pytest.mark.parametrize(
    ("raw", "offsets"),
    [
        ({"count": "5", "every": "28 d"}, (0, 28, 56, 84, 112)),
        ({"count": "5", "every": "4 wk"}, (0, 28, 56, 84, 112)),
        ({"count": "8", "pattern": "0, 3", "every": "7 d"}, (0, 3, 7, 10, 14, 17, 21, 24)),
        ({"count": "6", "every": "2 d"}, (0, 2, 4, 6, 8, 10)),
        ({"count": "3", "pattern": "0, 3", "every": "7 d"}, (0, 3, 7)),
        ({"count": "1", "every": "7 d"}, (0,)),
    ],
)
def test_a_recurrence_counts_all_its_doses(raw, offsets):
    assert recurrence(raw).offsets() == offsets


@given(st.integers(1, 50), st.integers(1, 60))
def test_a_plain_recurrence_is_an_arithmetic_series(count, step):
    assert recurrence({"count": str(count), "every": f"{step} d"}).offsets() == tuple(range(0, count * step, step))


@pytest.mark.parametrize(
    ("text", "nominal"), [("30..60 min", "45 min"), ("45 min", "45 min"), (">= 4 h", "4 h"), ("1..3 d", "2 d")]
)
def test_a_range_is_nominally_its_middle_and_an_open_one_its_low_end(text, nominal):
    assert span(text).nominal() == duration(nominal)


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("{start of: cells, by: 45 min}", [(0, 45), (3, 45)]),
        ("{end of: cells, by: 45 min}", [(0, 75), (3, 75)]),
        ("{start of: first cells, by: 45 min}", [(0, 45)]),
        ("{end of: last cells, by: 2 h}", [(3, 150)]),
        ("{start of: each cells, by: 1 d}", [(1, 0), (4, 0)]),
        ("{end of: each cells, by: 1 wk}", [(7, 30), (10, 30)]),
    ],
)
def test_a_line_after_another_follows_each_of_its_doses(relation, expected):
    # The infusions take 30 min here, and lie on days 0 and 3.
    found = occasions(cells_over="30 min", cy_after=relation)
    assert starts(found["cy"]) == [(day, Decimal(minutes)) for day, minutes in expected]


def test_before_counts_back_from_the_edge():
    found = occasions(
        cells_over="30 min", cy_before="{start of: cells, by: 45 min}", flu_before="{end of: cells, by: 45 min}"
    )
    assert starts(found["cy"]) == [(0, -45), (3, -45)]
    assert starts(found["flu"]) == [(0, -15), (3, -15)]


@pytest.mark.parametrize(
    ("side", "by", "earliest", "latest"),
    [
        ("before", "30..60 min", -60, -30),
        ("after", "30..60 min", 30, 60),
        ("before", ">= 4 h", None, -240),
        ("after", ">= 4 h", 240, None),
    ],
)
def test_the_window_of_a_range_has_its_ends_in_the_order_of_time(side, by, earliest, latest):
    occasion = occasions(**{f"cy_{side}": f"{{start of: cells, by: '{by}'}}"})["cy"][0]
    ends = [None if m is None else m.minutes for m in (occasion.earliest, occasion.latest)]
    assert ends == [earliest, latest]


def test_a_fixed_distance_has_no_window():
    occasion = occasions(cy_before="{start of: cells, by: 45 min}")["cy"][0]
    assert (occasion.earliest, occasion.latest) == (None, None)


def test_a_window_in_days_keeps_the_clock_and_one_in_hours_elapses():
    in_days, in_hours = occasions(cells_window="-1..+3 d")["cells"][1], occasions(cells_window="-1..+3 h")["cells"][1]
    assert (in_days.earliest, in_days.latest) == (Moment(2), Moment(6))
    assert (in_hours.earliest, in_hours.latest) == (Moment(3, minutes=Decimal(-60)), Moment(3, minutes=Decimal(180)))


def test_lines_may_follow_lines_that_follow_lines():
    found = occasions(cy_after="{start of: flu, by: 1 h}", flu_after="{start of: cells, by: 1 h}")
    assert starts(found["cy"]) == [(0, 120), (3, 120)]


def test_a_recurrence_may_begin_after_another_line():
    found = occasions(cy_days="{count: 3, every: 28 d, first: {after: last cells, by: 28 d}}")
    # Four weeks after day 3, then every four weeks.
    assert [day for day, _ in starts(found["cy"])] == [31, 59, 87]


def test_occasions_are_numbered_from_one_to_their_count():
    assert [(o.number, o.count) for o in occasions()["flu"]] == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_without_a_day_0_the_first_infusion_is_day_1():
    found = occasions(numbering_zero="no", cells_days="1, 4", flu_days="-1, 2")
    assert [o.start.day for o in found["cells"]] == [0, 3]
    assert [o.start.day for o in found["flu"]] == [-1, 1]


@pytest.mark.parametrize(
    ("settings", "day"),
    [({"cells_days": "3"}, 3), ({"cells_days": "2, 3", "numbering_zero": "no"}, 2), ({"cells_days": "-1, 3"}, -1)],
)
def test_the_anchor_s_first_dose_is_the_anchor(settings, day):
    with pytest.raises(InvalidInput, match=f"NK228.* falls on day {day}"):
        occasions(**settings)


@given(st.integers(-30, 30), st.integers(0, 23), st.integers(0, 59), st.integers(-3000, 3000))
def test_nominal_days_count_days_of_24_hours(day, hour, minute, shift):
    moment = Moment(day, dt.time(hour, minute), Decimal(shift))
    expected = (day * 1440 + hour * 60 + minute - 600 + shift) / 1440
    assert moment.from_anchor_d(dt.time(10)) == pytest.approx(expected, abs=1e-9)


def test_days_and_weeks_step_the_calendar_and_hours_elapse():
    assert Moment(0).later(duration("1 wk")) == Moment(7)
    assert Moment(0).later(duration("24 h")) == Moment(0, minutes=Decimal(1440))
    assert Moment(0).later(duration("2 d"), -1) == Moment(-2)


def test_days_of_a_file_stay_in_the_file_s_own_numbering():
    assert days("1, 4").days == (1, 4)


@pytest.mark.parametrize(
    ("settings", "day"), [({"cells_days": "3"}, 0), ({"cells_days": "2", "numbering_zero": "no"}, 1)]
)
def test_the_refusal_says_where_the_anchor_s_days_begin(settings, day):
    with pytest.raises(InvalidInput, match=f"let the days of cells begin on day {day}"):
        occasions(**settings)


# 365.25 days have 12 mean months.
def test_a_mean_month_is_a_twelfth_of_a_year():
    assert Moment(0, months=12).from_anchor_d(dt.time(10)) == 365.25


def test_a_phase_s_window_has_its_earliest_before_its_latest():
    found = occasions(cy_days="{count: 1, every: 7 d, first: {before: first cells, by: 26..30 d}}")["cy"][0]
    assert (found.earliest, found.start, found.latest) == (Moment(-30), Moment(-28), Moment(-26))


def test_the_last_of_three_is_the_third_and_the_first_is_the_first():
    found = occasions(
        cells_days="0, 3, 9", cy_after="{start of: last cells, by: 1 d}", flu_after="{start of: first cells, by: 1 d}"
    )
    assert (starts(found["cy"]), starts(found["flu"])) == ([(10, 0)], [(1, 0)])


# From 10:30 to 09:15 the next day are 22 hours and 45 minutes.
def test_nominal_days_count_from_the_anchor_s_own_clock():
    assert Moment(1, dt.time(9, 15)).from_anchor_d(dt.time(10, 30)) == pytest.approx(22.75 / 24, abs=1e-12)


def test_a_recurrence_may_count_each_dose_from_the_one_before():
    found = days({"count": "3", "every": "2 d", "from": "previous dose"})
    assert found.offsets() == days({"count": "3", "every": "2 d"}).offsets() == (0, 2, 4)
    assert str(found) == "3 doses, every 2 d, each counted from the dose before"
    assert days({"count": "3", "every": "2 d", "from": "plan"}) == days({"count": "3", "every": "2 d"})
    with pytest.raises(Misread, match="is not known"):
        days({"count": "3", "every": "2 d", "from": "last dose"})
