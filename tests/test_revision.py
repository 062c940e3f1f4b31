"""What follows when a dose is delayed, omitted, reduced or ceased; every date and dose below was worked by hand."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from revision_cases import (
    BEFORE,
    CHANGES,
    after,
    amounts,
    cancelled,
    codes,
    dates,
    everything,
    ink_aml,
    jk500,
    nkaml,
    starts,
    umn,
)

import nksim
from nksim.errors import InvalidInput, NksimError, UsageError
from nksim.schedule.departures import DEVIATIONS


def refused(made, sentence, **options):
    with pytest.raises(NksimError) as error:
        made.amend(sentence, **{"when": BEFORE, **options})
    return [f.code for f in error.value.faults]


# NCT05519384: IL-2 0.5-1 h before each infusion (nominally 45 min), DLT 28 d from each. Day 7 of 1 March is Monday the 8th.
def test_a_delayed_infusion_takes_its_il2_and_its_dlt_window_along_and_leaves_fixed_days():
    found = jk500().amend("delay cells 2 by 3 d: fever", when="2027-03-05T09:00")
    assert dates(found, "cells") == {1: "03-01", 2: "03-11", 3: "03-15"}
    assert starts(found, "il2")[2] == "2027-03-11T09:15+08:00"
    assert dates(found, "il2") == {1: "03-01", 2: "03-11", 3: "03-15"}
    dlt = next(r for r in found.rows if r.event.line == "dlt" and r.event.occasion.number == 2)
    assert (dlt.start.date(), dlt.end.date()) == (dt.date(2027, 3, 11), dt.date(2027, 4, 8))
    assert dates(found, "flu") == dates(jk500(), "flu")
    il2 = next(r for r in found.rows if r.event.line == "il2" and r.event.occasion.number == 2)
    assert (il2.earliest.strftime("%d %H:%M"), il2.latest.strftime("%d %H:%M")) == ("11 09:00", "11 09:30")
    assert il2.protocol_day == 10


def test_a_delay_to_a_date_is_the_delay_by_the_days_between():
    by, to = (jk500().amend(f"delay cells 2 {how}: fever", when=BEFORE) for how in ("by 3 d", "to 2027-03-11"))
    assert starts(by, "cells") == starts(to, "cells")
    assert refused(jk500(), "delay cells 2 to 2027-03-08: x") == ["NK526"]
    assert refused(jk500(), "delay cells 2 to 2027-03-05: x") == ["NK526"]


def test_a_range_of_doses_moves_as_one():
    found = jk500().amend("delay cells 2..3 by 1 wk: no product", when=BEFORE)
    assert dates(found, "cells") == dates(found, "il2") == {1: "03-01", 2: "03-15", 3: "03-22"}


def test_an_omitted_infusion_takes_out_what_hangs_on_it_and_nothing_else():
    found = jk500().amend("omit cells 2: fever", when=BEFORE)
    assert sorted(cancelled(found)) == [("cells", 2), ("dlt", 2), ("il2", 2)]
    assert dates(found, "cells") == dates(found, "il2") == {1: "03-01", 3: "03-15"}
    assert len(found.rows) == len(jk500().rows) - 3


def test_an_omitted_injection_leaves_its_infusion():
    found = jk500().amend("omit il2 1: refused", when=BEFORE)
    assert (cancelled(found), dates(found, "cells")) == ([("il2", 1)], dates(jk500(), "cells"))
    assert [c for c in codes(found) if c in DEVIATIONS] == []


# 25 mg/m2 times the root of 110 × 20 / 3600, as in the reading of the registration; three quarters of it.
def test_a_dose_reduced_by_a_quarter():
    found = jk500().amend("reduce flu 4..5 by 25 %: creatinine", when="2027-02-25T12:00")
    full, less = 19.5433989992643, 14.6575492494482
    assert [float(a) for a in amounts(found, "flu")] == pytest.approx([full, full, full, less, less], rel=1e-13)
    flu = [r.event.dose for r in found.rows if r.event.line == "flu"][3]
    assert flu.calculation == "25 mg/m² × 0.781736 m² (Mosteller, 110 cm, 20 kg) = 19.5434 mg, reduced to 75 %"


@pytest.mark.parametrize(
    ("sentences", "share"),
    [
        (["by 25 %"], "0.75"),
        (["to 75 %"], "0.75"),
        (["by 25 %", "by 20 %"], "0.6"),
        (["by 25 %", "to 50 %"], "0.5"),
    ],
)
def test_a_reduction_by_counts_from_the_dose_as_it_stands_and_to_from_the_planned_one(sentences, share):
    made = jk500()
    for text in sentences:
        made = made.amend(f"reduce cy {text}: renal", when=BEFORE)
    # 60 mg/kg of 20 kg are 1,200 mg.
    assert amounts(made, "cy") == [Decimal("1200") * Decimal(share)]


def test_a_reduction_comes_after_the_cap_and_before_rounding():
    # 50 mg/kg of 60 kg are 3,000 mg; 85 % are 2,550 mg; 87 % are 2,610 mg, on the step of 50 mg 2,600 mg.
    assert amounts(everything(), "cy") == [Decimal(3000), Decimal(3000)]
    assert amounts(everything().amend("reduce cy 2 to 87 %: x", when=BEFORE), "cy") == [Decimal(3000), Decimal(2600)]


def test_a_reduction_that_whole_bags_take_up_is_refused():
    # Level 1 asks for less than one bag, and whole bags are rounded up: there is nothing less than one.
    bags = next(r.event.dose.calculation for r in everything().rows if r.event.line == "induction")
    assert "1 bag" in bags
    assert refused(everything(), "reduce induction 2 by 10 %: x") == ["NK526"]
    assert refused(jk500().amend("reduce cy to 50 %: x", when=BEFORE), "reduce cy to 60 %: x") == ["NK526"]


def test_a_slip_in_the_reduction_is_caught_by_the_second_reckoning(monkeypatch):
    from nksim.schedule import dosing

    monkeypatch.setattr(
        dosing, "_reduced", lambda dose, share: dosing.replace(dose, amount=dose.amount * share * share)
    )
    with pytest.raises(NksimError, match="NK399"):
        jk500().amend("reduce cy by 25 %: x", when=BEFORE)


def test_ceasing_leaves_what_was_given():
    found = nkaml().amend("cease il2: capillary leak", when="2027-03-07T12:00")
    # Evenings of days -1, 1, 3 (2, 4 and 6 March) lie before noon of the 7th.
    assert dates(found, "il2") == {1: "03-02", 2: "03-04", 3: "03-06"}
    assert cancelled(found) == [("il2", 4), ("il2", 5), ("il2", 6)]
    assert dates(nkaml().amend("cease il2 from 5: x", when=BEFORE), "il2").keys() == {1, 2, 3, 4}
    assert refused(found, "cease il2: again", when="2027-03-07T13:00") == ["NK524"]


# Clocks go forward in New York on 14 March 2027: 20:00 on the 12th is UTC-5, on the 15th UTC-4.
@pytest.mark.parametrize(("by", "expected"), [("3 d", "2027-03-15T20:00-04:00"), ("72 h", "2027-03-15T21:00-04:00")])
def test_a_delay_across_a_clock_change(by, expected):
    assert starts(nkaml(), "il2")[6] == "2027-03-12T20:00-05:00"
    assert starts(nkaml().amend(f"delay il2 6 by {by}: x", when=BEFORE), "il2")[6] == expected


def test_a_delay_that_leaves_its_window_is_refused_unless_it_is_called_a_deviation():
    # 30 to 60 min before 10:00: the nominal 09:15 may become 09:30 and no later.
    assert starts(jk500().amend("delay il2 2 by 15 min: x", when=BEFORE), "il2")[2] == "2027-03-08T09:30+08:00"
    assert refused(jk500(), "delay il2 2 by 16 min: x") == ["NK351"]
    found = jk500().amend("delay il2 2 by 16 min: pump failed", when=BEFORE, deviation=True)
    assert starts(found, "il2")[2] == "2027-03-08T09:31+08:00"
    assert "NK351" in codes(found)
    assert found.log[1].deviation is True


def test_the_first_infusion_moves_with_its_conditioning_and_every_counted_day():
    found, plan = jk500().amend("delay cells 1 by 2 d: no bed", when="2027-02-20T09:00"), jk500()
    assert found.calendars[0].day0 == dt.date(2027, 3, 3)
    for row, was in zip(found.rows, plan.rows, strict=True):
        assert row.start - was.start == dt.timedelta(days=2)
        assert (row.protocol_day, row.event.amount, row.sequence) == (was.protocol_day, was.event.amount, 1)
    assert dates(found, "cy") == {1: "02-24"}


def test_delaying_conditioning_moves_the_infusion_as_well():
    found = jk500().amend("delay flu 3 by 1 d: fever", when="2027-02-20T09:00")
    assert (dates(found, "cy"), dates(found, "cells")[1]) == ({1: "02-23"}, "03-02")


def test_conditioning_that_was_given_is_not_left_behind_silently():
    when = "2027-02-28T09:00"
    assert set(refused(jk500(), "delay cells 1 by 2 d: no product", when=when)) == {"NK353"}
    found = jk500().amend("delay cells 1 by 2 d: no product", when=when, deviation=True)
    assert (dates(found, "cy"), dates(found, "flu")) == (dates(jk500(), "cy"), dates(jk500(), "flu"))
    assert dates(found, "cells") == dates(found, "il2") == {1: "03-03", 2: "03-10", 3: "03-17"}
    assert next(r for r in found.rows if r.event.line == "cy").protocol_day == -9


def test_what_remains_of_conditioning_moves_with_the_infusion():
    found = jk500().amend("delay flu 3 by 1 d: fever", when="2027-02-24T12:00", deviation=True)
    assert dates(found, "flu") == {1: "02-23", 2: "02-24", 3: "02-26", 4: "02-27", 5: "02-28"}
    assert (dates(found, "cy"), dates(found, "cells")[1]) == ({1: "02-22"}, "03-02")


def test_an_infusion_may_come_as_late_as_the_protocol_lets_it():
    # Release tests may take 2 days, and its window goes to 3 days after the plan: 5 days.
    late = everything().amend("delay induction 1 by 5 d: release test", when="2027-02-28T20:00")
    assert dates(late, "cy") == dates(everything(), "cy")
    codes_ = refused(everything(), "delay induction 1 by 6 d: release test", when="2027-02-28T20:00")
    assert set(codes_) == {"NK353"}


# Every 4 weeks from 30 March 2026: 27 April, 25 May, 22 June, 20 July, 17 August (reference cases 5, C13).
def test_a_series_that_counts_from_a_dose_follows_it():
    assert dates(ink_aml(), "induction")[8] == "03-26"
    found = ink_aml().amend("delay induction 8 by 4 d: fever", when=BEFORE)
    assert list(dates(found, "maintenance").values()) == ["04-27", "05-25", "06-22", "07-20", "08-17"]


def test_a_dose_in_the_middle_of_a_series_on_fixed_days_pushes_nothing():
    found, plan = ink_aml().amend("delay induction 3 by 1 d: fever", when=BEFORE), ink_aml()
    assert dates(found, "maintenance") == dates(plan, "maintenance")
    assert {n for n, d in dates(found, "induction").items() if d != dates(plan, "induction")[n]} == {3}


def test_a_series_that_counts_each_dose_from_the_one_before_is_pushed():
    days = "{count: 4, every: 7 d, from: previous dose}"
    plan = jk500(days=days)
    assert dates(plan, "cells") == {1: "03-01", 2: "03-08", 3: "03-15", 4: "03-22"}
    found = plan.amend("delay cells 2 by 3 d: fever", when=BEFORE)
    assert dates(found, "cells") == dates(found, "il2") == {1: "03-01", 2: "03-11", 3: "03-18", 4: "03-25"}
    omitted = plan.amend("omit cells 2: x", when=BEFORE).amend("delay cells 3 by 1 d: x", when=BEFORE)
    assert dates(omitted, "cells") == {1: "03-01", 3: "03-16", 4: "03-23"}


def test_hours_of_the_infusion_move_what_counts_from_its_end():
    # IL-2 begins 4 h after the end of an infusion of 15 min at 10:00, every 2 days.
    assert starts(umn(), "il2")[1] == "2027-03-01T14:15-06:00"
    found = umn().amend("delay cells by 2 h: thawing", when=BEFORE)
    assert starts(found, "il2")[1] == "2027-03-01T16:15-06:00"
    assert dates(found, "il2") == dates(umn(), "il2")
    assert dates(found, "flu") == dates(umn(), "flu")


def test_the_end_of_a_series_that_is_taken_out_leaves_what_counts_from_it_and_says_so():
    found = ink_aml().amend("cease induction from 7: progression", when=BEFORE)
    assert dates(found, "maintenance") == dates(ink_aml(), "maintenance")
    assert codes(found).count("NK355") == 5


def test_conditioning_without_its_infusion_is_found():
    assert "NK356" in codes(jk500().amend("cease cells: withdrawn", when=BEFORE))


# Induction on days 1, 4, 8, 11 with -1..+3 d and at least 2 d between doses.
def test_windows_and_least_gaps_are_checked_again():
    plan = everything()
    assert dates(plan, "induction") == {1: "03-01", 2: "03-04", 3: "03-08", 4: "03-11"}
    moved = plan.amend("delay induction 2 by 2 d: x", when=BEFORE)
    assert dates(moved, "induction")[2] == dates(moved, "il2")[2] == dates(moved, "antibody")[2] == "03-06"
    assert refused(plan, "delay induction 2 by 3 d: x") == ["NK335"]
    assert refused(plan, "delay induction 4 by 4 d: x") == ["NK351"]
    # On the 8th it would meet the third dose, outside its window, and with it antibodies and injections.
    assert {"NK335", "NK351", "NK352"} <= set(refused(plan, "delay induction 2 by 4 d: x"))


def test_a_dose_is_not_carried_past_the_next_one():
    # Each infusion with its injection.
    assert refused(jk500(), "delay cells 2 by 7 d: x") == ["NK352", "NK352"]
    assert refused(jk500(), "delay cells 2 by 8 d: x") == ["NK352", "NK352"]


def test_samples_move_with_their_dose():
    def hours(made):
        rows = [r for r in made.rows if r.event.line == "pk" and "induction 2/4" in (r.event.occasion.label or "")]
        return [r.start.strftime("%d %H:%M") for r in rows]

    found = everything().amend("delay induction 2 by 1 d: x", when=BEFORE)
    # 15 min from 10:00; before it, and 1, 24 and 72 h after its end.
    assert hours(everything()) == ["04 10:00", "04 11:15", "05 10:15", "07 10:15"]
    assert hours(found) == ["05 10:00", "05 11:15", "06 10:15", "08 10:15"]


def test_a_second_course_stays_together():
    plan = everything()
    found = plan.amend("delay flu2 1 by 2 d: counts", when=BEFORE)
    days = dt.timedelta(days=2)
    for line in ("flu2", "maintenance"):
        was = [r.start for r in plan.rows if r.event.line == line]
        assert [r.start.replace(tzinfo=None) for r in found.rows if r.event.line == line] == [
            t.replace(tzinfo=None) + days for t in was
        ]
    assert dates(found, "induction") == dates(plan, "induction")


def test_a_dose_that_lies_in_the_past_is_not_altered_silently():
    late = "2027-03-08T10:00"
    for sentence in (
        "delay cells 2 by 1 d: x",
        "omit cells 2: x",
        "reduce cells 2 by 10 %: x",
        "cease cells from 2: x",
    ):
        assert refused(jk500(), sentence, when=late) == ["NK525"]
    found = jk500().amend("omit cells 2: had not been given", when=late, past=True)
    # The injection of 09:15 had been given and stays.
    assert cancelled(found) == [("cells", 2), ("dlt", 2)]
    assert found.log[1].past is True


def test_an_injection_that_was_given_before_its_infusion_was_delayed_stays_and_is_found():
    at = "2027-03-08T09:30"
    assert refused(jk500(), "delay cells 2 by 1 d: fever", when=at) == ["NK351"]
    found = jk500().amend("delay cells 2 by 1 d: fever", when=at, deviation=True)
    assert (dates(found, "il2")[2], dates(found, "cells")[2]) == ("03-08", "03-09")


def test_what_is_taken_out_cannot_be_changed_again():
    found = jk500().amend("omit il2 2: refused", when=BEFORE)
    assert refused(found, "delay il2 2 by 1 min: x") == refused(found, "omit il2 2: x") == ["NK524"]
    assert ("il2", 2) in cancelled(found.amend("delay cells 2 by 1 d: x", when=BEFORE))


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("delay cell 2 by 1 d: x", "NK523"),
        ("delay cells by 1 d: x", "NK523"),
        ("delay cells 4 by 1 d: x", "NK523"),
        ("reduce dlt 1 by 10 %: x", "NK523"),
        ("delay dlt 1 by 1 d: x", "NK523"),
        ("cease nothing: x", "NK523"),
    ],
)
def test_a_dose_that_is_not_there_is_named(sentence, code):
    with pytest.raises(UsageError) as error:
        jk500().amend(sentence, when=BEFORE)
    assert [f.code for f in error.value.faults] == [code]
    assert error.value.faults[0].help


def test_a_closed_site_flags_an_amended_dose_and_never_moves_it():
    site = nksim.SiteRules(closed=("weekends",))
    adult = nksim.Patient(weight="60 kg", height="170 cm", age="50 y", sex="F", creatinine="70 umol/L")
    from revision_cases import EVERYTHING

    regimen = nksim.protocol(str(EVERYTHING)).assume().level(1)
    # Day 1 is Thursday 4 March; induction 2 falls on Sunday the 7th and moves to Monday within its window.
    plan = regimen.calendar(adult, day0="2027-03-04", tz="Europe/Berlin", site=site)
    assert dates(plan, "induction")[2] == dates(plan, "il2")[2] == "03-08"
    found = plan.amend("delay induction 2 by 1 d: x", when=BEFORE)
    assert dates(found, "induction")[2] == dates(found, "il2")[2] == dates(found, "antibody")[2] == "03-09"
    later = plan.amend("delay induction 4 by 1 d: x", when="2027-03-09T12:00")
    assert dates(later, "induction")[2] == "03-08"


def test_the_log_grows_forward():
    found = jk500().amend("omit il2 2: x", when="2027-03-01T12:00")
    with pytest.raises(InvalidInput, match="NK528"):
        found.amend("omit il2 3: x", when="2027-03-01T11:59")


def test_the_second_patient_of_a_file_is_changed_alone():
    regimen = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 7")
    people = [
        (nksim.Patient(weight=w, height=110, id=i), "2027-03-01", "Asia/Shanghai") for i, w in (("A", 20), ("B", 22))
    ]
    both = regimen.calendars(people)
    with pytest.raises(UsageError, match="NK527"):
        both.amend("omit il2 2: x", when=BEFORE)
    found = both.amend("omit il2 2: x", when=BEFORE, id="B")
    assert found.calendars[0] == both.calendars[0]
    assert len(found.calendars[1].cancelled) == 1


@given(st.lists(st.sampled_from(CHANGES), max_size=6))
@settings(max_examples=40, deadline=None)
def test_whatever_is_changed_no_row_is_lost_and_numbers_rise_only_where_something_changed(sentences):
    from nksim.output.ics import uid

    old = jk500()
    for sentence in sentences:
        new = after(old, [sentence])
        a, b = old.calendars[0], new.calendars[0]
        before = {uid(a, r): r for r in (*a.rows, *a.cancelled)}
        now = {uid(b, r): r for r in (*b.rows, *b.cancelled)}
        assert before.keys() == now.keys()
        out = {uid(b, r) for r in b.cancelled} - {uid(a, r) for r in a.cancelled}
        for key, row in now.items():
            was = before[key]
            same = (row.start, row.end, row.event.amount, row.protocol_day) == (
                was.start,
                was.end,
                was.event.amount,
                was.protocol_day,
            )
            assert row.sequence == was.sequence + (0 if same and key not in out else 1)
        old = new


# Changes of different lines that hang on nothing common.
@given(
    st.permutations(("delay cells 2 by 1 d: a", "omit il2 1: b", "reduce flu 2 by 25 %: c", "delay cells 3 by 2 d: d"))
)
@settings(max_examples=12, deadline=None)
def test_independent_changes_may_come_in_any_order(sentences):
    first = after(jk500(), sorted(sentences))
    other = after(jk500(), sentences)

    def seen(made):
        return [(r.event.line, r.event.occasion.number, r.start, r.end, r.event.amount, r.sequence) for r in made.rows]

    assert seen(first) == seen(other)
    assert sorted(cancelled(first)) == sorted(cancelled(other))


@given(st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=9, deadline=None)
def test_two_delays_are_their_sum(a, b):
    twice = jk500().amend(f"delay cells 2 by {a} d: x", when=BEFORE).amend(f"delay cells 2 by {b} d: x", when=BEFORE)
    once = jk500().amend(f"delay cells 2 by {a + b} d: x", when=BEFORE)
    assert [(r.event.line, r.start) for r in twice.rows] == [(r.event.line, r.start) for r in once.rows]
