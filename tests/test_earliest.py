"""The first possible day 0: closures, washouts of prior therapy, and the turn of the next patient."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.errors import InvalidInput, UsageError
from nksim.patient import Patient
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.regimen import Regimen
from nksim.schedule.closures import Site
from nksim.schedule.earliest import Rule, first_day0, smallest_conflict
from nksim.schedule.expansion import expand
from nksim.schedule.siterules import SiteRules
from nksim.schedule.washout import prior, washed

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
DONOR = load("donor-nk-il2").washout
WHO = Patient(weight=70, height=170, age=40)


def schedule(**settings):
    choice = choose(
        parse_protocol(TEXT.encode(), "a.yaml"), settings=tuple((k.replace("_", "."), v) for k, v in settings.items())
    )
    return expand(choice, WHO)


def earliest(start, site=None, **settings):
    found = first_day0(
        schedule(**settings), start=dt.date.fromisoformat(start), tz="Asia/Shanghai", site=site or Site(weekends=True)
    )
    return found.day0.isoformat()


# The file's cells on days 0 and 3, flu on one weekday: from Saturday 6 March 2027 the Monday follows.
@pytest.mark.parametrize(
    ("start", "settings", "day0"),
    [
        ("2027-03-06", {"cy_days": "-7", "flu_days": "-6", "cells_days": "0"}, "2027-03-08"),
        ("2027-03-06", {"cy_days": "-7", "flu_days": "-6..-4", "cells_days": "0"}, "2027-03-08"),
        ("2027-03-08", {"cy_days": "-7", "flu_days": "-6", "cells_days": "0, 5"}, "2027-03-10"),
        (
            "2027-03-08",
            {"cy_days": "-7", "flu_days": "-6..-4", "cells_days": "0, 5", "cells_window": "-1..+1 d"},
            "2027-03-08",
        ),
    ],
)
def test_the_first_day_that_every_closure_allows_is_found(start, settings, day0):
    assert earliest(start, **settings) == day0


# Cy on day -7 and Flu on days -6 to -2 are six days in a row: no week has so many working days.
def test_a_smallest_set_of_rules_in_conflict_is_named():
    with pytest.raises(
        InvalidInput, match=r"NK340.*no day 0 from 2027-03-01 to 2028-02-29.*cy \(day −7.*; flu \(days −6 to −2"
    ) as found:
        earliest("2027-03-01", cells_days="0")
    assert "cells" not in str(found.value)


def test_the_search_agrees_with_trying_each_day():
    site = Site(weekends=True)
    for start in (dt.date(2027, 3, 1) + dt.timedelta(days=n) for n in range(14)):
        found = dt.date.fromisoformat(earliest(start.isoformat(), site, flu_days="-6..-4"))
        doses = (-7, -6, -5, -4, 0, 3)
        by_hand = next(
            d for d in (start + dt.timedelta(days=n) for n in range(99))
            if all((d + dt.timedelta(days=k)).isoweekday() < 6 for k in doses)
        )  # fmt: skip
        assert found == by_hand


@given(st.lists(st.frozensets(st.integers(0, 5)), min_size=1, max_size=6))
def test_no_smaller_set_of_rules_is_in_conflict(sets):
    rules = [Rule(str(i), days) for i, days in enumerate(sets)]
    found = smallest_conflict(rules)
    if not found:
        assert frozenset.intersection(*sets)
        return
    assert not frozenset.intersection(*(r.days for r in found))
    for left_out in found:
        rest = [r.days for r in found if r is not left_out]
        assert not rest or frozenset.intersection(*rest)


# NCT06641648: steroids 3 d, systemic therapy 2 wk or 5 half-lives whichever is shorter, radiotherapy 4 wk, donor
# lymphocytes 6 wk, intrathecal 1 wk, CAR-T or CAR-NK 6 months. Dates by hand.
@pytest.mark.parametrize(
    ("given_", "day0"),
    [
        ("systemic corticosteroids=2027-02-01", "2027-02-04"),
        ("systemic anti-tumour therapy=2027-02-01", "2027-02-15"),
        ("systemic anti-tumour therapy=2027-02-01, half-life 36 h", "2027-02-09"),  # 180 h: 8 whole days
        ("systemic anti-tumour therapy=2027-02-01, half-life 2 d", "2027-02-11"),
        ("systemic anti-tumour therapy=2027-02-01, half-life 28 d", "2027-02-15"),
        ("radiotherapy=2027-02-01", "2027-03-01"),
        ("donor lymphocyte infusion=2027-02-01", "2027-03-15"),
        ("intrathecal=2027-02-01", "2027-02-08"),
        ("CAR-T=2026-08-31", "2027-02-28"),
    ],
)
def test_a_washout_gives_the_earliest_day_0(given_, day0):
    (found,) = washed(DONOR, [prior(given_)])
    assert found.earliest.isoformat() == day0


def test_the_longer_of_two_washouts_needs_the_half_life():
    text = TEXT + "washout:\n  - {what: antibody, by: 2 wk, half_lives: 5, whichever: longer}\n"
    rules = parse_protocol(text.encode(), "a.yaml").washout
    assert washed(rules, [prior("antibody=2027-02-01, half-life 20 d")])[0].earliest == dt.date(2027, 5, 12)
    with pytest.raises(InvalidInput, match=r"NK409.*needs the half-life"):
        washed(rules, [prior("antibody=2027-02-01")])


def donor(rules, day0, **more):
    answers = (("cells.dose", "1e7 cells/kg"), ("cells.days", "0"), ("il2.dose", "1e6 IU"), ("il2.days", "1"))
    regimen = Regimen(load("donor-nk-il2"), settings=answers)
    return regimen.calendars([(WHO, day0, "Asia/Shanghai")], site=rules, **more).calendars[0]


def test_a_day_0_within_a_washout_is_a_finding_and_earliest_goes_beyond_it():
    rules = SiteRules(closed=("weekends",), prior=("radiotherapy=2027-02-06", "intrathecal=2027-02-20"))
    found = donor(rules, "2027-03-05")
    assert [f.message for f in found.findings if f.code == "NK331"] == [
        "washout of radiotherapy: last on 2027-02-06, 4 wk, day 0 not before 2027-03-06; day 0 is 2027-03-05"
    ]
    # 6 March 2027 is a Saturday; interleukin-2 follows a day later, so that Monday is the first possible day.
    found = donor(rules, "2027-02-25", earliest=True)
    assert found.day0 == dt.date(2027, 3, 8)
    assert len(found.decided) == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [("radiotherapy", "NK513"), ("radiotherapy=2027-02-01, half-life soon", "NK513"), ("systemic=2027-02-01", "NK514"), ("surgery=2027-02-01", "NK514"),
     ("radiotherapy=2027-02-01, half-life 1 mo", "NK513")],
)  # fmt: skip
def test_a_prior_therapy_that_fits_no_rule_is_refused(text, code):
    with pytest.raises(UsageError, match=code):
        washed(DONOR, [prior(text)])


# NCT07488546: the first of each cohort is watched for 14 days before the rest; the last must finish day 29 (28 days
# after the first cells) before the next cohort begins.
def turns(n, extra):
    text = TEXT + "    assess:\n      - {id: dlt, what: DLT window, from: first cells, for: 28 d}\n" + extra
    regimen = Regimen(parse_protocol(text.encode(), "a.yaml"))
    who = [(Patient(weight=70, height=170, id=f"P{i}"), "2027-03-01", "Etc/UTC") for i in range(n)]
    return [c.day0.isoformat() for c in regimen.calendars(who, site=SiteRules(), earliest=True).calendars]


def test_stagger_and_dlt_window_decide_when_the_next_patient_starts():
    assert turns(5, "cohorts: {size: 3, stagger: 14 d, after: first patient, dlt: dlt}\n") == [
        "2027-03-01", "2027-03-15", "2027-03-15", "2027-04-13", "2027-04-27",
    ]  # fmt: skip
    assert turns(4, "cohorts: {size: 3, stagger: 14 d, after: each patient, dlt: dlt}\n") == [
        "2027-03-01", "2027-03-15", "2027-03-29", "2027-04-27",
    ]  # fmt: skip
    assert turns(3, "") == ["2027-03-01"] * 3


def test_cohorts_need_the_window_that_they_count_on():
    with pytest.raises(InvalidInput, match=r"NK341.*window ae"):
        turns(4, "cohorts: {size: 3, after: first patient, dlt: ae}\n")
