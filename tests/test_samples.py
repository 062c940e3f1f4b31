"""Samples around doses, follow-up in months, phases that follow phases, and the order of what happens at one instant."""

import datetime as dt
from pathlib import Path

import pytest

from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.schedule.calendar import place
from nksim.schedule.expansion import expand

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
PK = 'samples: {end of: each cells, at: "pre-dose, +0 min, +1 h, +24 h, +72 h"}'
MORE = """\
      - phase: maintenance
        starts: {after: end of last cells, by: 4 wk}
        give:
          - {id: flu2, product: fludarabine phosphate, dose: 25 mg/m^2, route: IV, days: "-1, 0"}
          - {id: more, product: nk, dose: 1e9 cells, route: IV, days: {count: 2, every: 28 d}, window: -1..+3 d}
"""


def calendar(extra="", tz="Asia/Shanghai", day0="2026-03-02", **settings):
    protocol = parse_protocol((TEXT + extra).encode(), "a.yaml")
    choice = choose(protocol, settings=tuple((k.replace("_", "."), v) for k, v in settings.items()))
    schedule = expand(choice, Patient(weight=70, height=170), anchor_clock=dt.time(9))
    return place(schedule, day0=day0, tz=tz).rows


def assess(line):
    return f"    assess:\n      - {line}\n"


def times(rows, line):
    return [f"{r.start:%m-%d %H:%M}" for r in rows if r.event.line == line]


def test_samples_stand_around_each_dose_and_beside_fixed_days():
    rows = calendar(assess(f'{{id: pk, what: PK, days: "14", {PK}}}'), cells_over="30 min")
    # Two infusions, on days 0 and 3, of 30 minutes; +72 h after the end of the first is 09:30 of day 3, its end.
    assert times(rows, "pk") == [
        "03-02 09:00", "03-02 09:30", "03-02 10:30", "03-03 09:30", "03-05 09:00", "03-05 09:30", "03-05 09:30",
        "03-05 10:30", "03-06 09:30", "03-08 09:30", "03-16 09:00",
    ]  # fmt: skip
    notes = [r.notes for r in rows if r.event.line == "pk"]
    assert [n[-1] for n in notes[:3]] == [
        "pre-dose, cells 1/2",
        "0 min after the end of cells 1/2",
        "1 h after the end of cells 1/2",
    ]


def test_hours_after_a_dose_elapse_on_the_night_the_clocks_change():
    rows = calendar(assess('{id: pk, what: PK, samples: {start of: first cells, at: "+24 h, +1 d"}}'),
                    "America/New_York", "2026-03-07")  # fmt: skip
    assert times(rows, "pk") == ["03-08 09:00", "03-08 10:00"]


def test_at_one_instant_come_samples_then_the_dose_then_what_follows_it():
    extra = assess('{id: pk, what: PK, samples: {start of: each cells, at: "pre-dose, +0 min, +72 h"}}')
    rows = calendar(extra + "      - {id: dlt, what: DLT, from: each cells, for: 28 d}\n")
    # On day 3: the last sample of the first dose and the pre-dose one, the dose, its own sample, its window.
    found = [
        (r.event.line, r.notes[-1].split(",")[0] if r.event.line == "pk" else "") for r in rows if r.protocol_day == 3
    ]
    assert found == [
        ("pk", "72 h after the start of cells 1/2"), ("pk", "pre-dose"), ("cells", ""),
        ("pk", "0 min after the start of cells 2/2"), ("dlt", ""),
    ]  # fmt: skip


# reference cases C12: months are counted from the anchor, each by itself.
def test_follow_up_in_months_counts_each_month_from_the_anchor():
    rows = calendar(assess('{id: os, what: survival, months: "1, 2, 12"}'), day0="2026-01-31")
    assert [r.start.date().isoformat() for r in rows if r.event.line == "os"] == [
        "2026-02-28",
        "2026-03-31",
        "2027-01-31",
    ]


def test_an_assessment_has_its_window():
    rows = calendar(assess('{id: mrd, what: MRD, days: "28", window: -3..+3 d}'))
    (row,) = (r for r in rows if r.event.line == "mrd")
    assert (f"{row.earliest:%m-%d}", f"{row.latest:%m-%d}") == ("03-27", "04-02")


# Four weeks after the last of two infusions (day 3) is day 31: there the phase has its own day 0.
def test_a_phase_may_follow_another_with_days_of_its_own():
    rows = calendar(MORE)
    assert [r.protocol_day for r in rows if r.event.line == "flu2"] == [30, 31]
    assert [r.protocol_day for r in rows if r.event.line == "more"] == [31, 59]
    assert [(f"{r.earliest:%m-%d}", f"{r.latest:%m-%d}") for r in rows if r.event.line == "more"] == [
        ("04-01", "04-05"), ("04-29", "05-03"),
    ]  # fmt: skip


def test_the_start_of_a_phase_is_a_fact_that_can_be_answered():
    assert [
        r.protocol_day
        for r in calendar(MORE, maintenance_starts="{after: last cells, by: 7 d}")
        if r.event.line == "more"
    ] == [10, 38]


def test_a_range_before_a_recurrence_is_the_window_of_each_of_its_doses():
    rows = calendar(cy_days="{count: 2, every: 7 d, first: {after: last cells, by: 26..30 d}}")
    found = [r for r in rows if r.event.line == "cy"]
    assert [r.protocol_day for r in found] == [31, 38]
    assert [(f"{r.earliest:%m-%d}", f"{r.latest:%m-%d}") for r in found] == [("03-31", "04-04"), ("04-07", "04-11")]


def test_a_recurrence_with_an_open_start_is_not_before_it():
    found = [
        r
        for r in calendar(cy_days="{count: 2, every: 7 d, first: {after: last cells, by: '>= 28 d'}}")
        if r.event.line == "cy"
    ]
    assert [(f"{r.earliest:%m-%d}", r.latest) for r in found] == [("04-02", None), ("04-09", None)]


# A plan from day -7 to day +11 has 19 days, whichever way its days are numbered.
@pytest.mark.parametrize("zero", [True, False])
def test_a_plan_from_day_minus_7_to_day_11_has_19_days(zero):
    settings = {} if zero else {"numbering_zero": "no", "cells_days": "1"}
    days = "-7..11" if zero else "-7..-1, 1..12"
    rows = calendar(assess(f'{{id: visit, what: visit, days: "{days}"}}'), **settings)
    visits = [r for r in rows if r.event.line == "visit"]
    assert len(visits) == 19
    assert (visits[-1].start.date() - visits[0].start.date()).days == 18
    assert 0 in [r.protocol_day for r in visits] or not zero


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{id: pk, what: PK}", "NK203"),
        ("{id: pk, what: PK, samples: {of: cells, at: +1 h}}", "NK202"),
        ('{id: pk, what: PK, samples: {end of: cells, at: "1 h"}}', "NK214"),
        ('{id: pk, what: PK, samples: {end of: cells, at: "+1 h, +1 h"}}', "NK209"),
        ('{id: pk, what: PK, samples: {end of: cells, at: "+1 mo"}}', "NK214"),
        ('{id: pk, what: PK, samples: {end of: cell, at: "+1 h"}}', "NK220"),
        ('{id: pk, what: PK, months: "0, 3"}', "NK206"),
        ('{id: pk, what: PK, months: "6, 3"}', "NK209"),
    ],
)
def test_samples_that_cannot_be_are_refused(line, code):
    with pytest.raises(InvalidInput, match=code):
        calendar(assess(line))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("last cells", "last cell", "NK220"), ("last cells", "last more", "NK207"), ("last cells", "each cells", "NK220")],
)
def test_a_phase_that_cannot_start_is_refused(old, new, code):
    with pytest.raises(InvalidInput, match=code):
        calendar(MORE.replace(old, new))


def test_a_line_of_a_later_phase_may_have_its_own_clock_time():
    rows = calendar(MORE.replace("id: flu2,", 'id: flu2, at: "07:30",'), cells_over="2 h")
    assert times(rows, "flu2") == ["04-01 07:30", "04-02 07:30"]
    # Without one, the time at which the infusion before it ended.
    assert times(rows, "more") == ["04-02 11:00", "04-30 11:00"]


def test_a_sample_from_the_start_does_not_count_the_infusion():
    rows = calendar(
        assess('{id: pk, what: PK, samples: {start of: last cells, at: "pre-dose, +1 h"}}'), cells_over="2 h"
    )
    assert times(rows, "pk") == ["03-05 09:00", "03-05 10:00"]
    rows = calendar(assess('{id: pk, what: PK, samples: {end of: last cells, at: "pre-dose, +1 h"}}'), cells_over="2 h")
    assert times(rows, "pk") == ["03-05 09:00", "03-05 12:00"]
