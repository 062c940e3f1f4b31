"""Observation files: what is read, and what is refused with its place and the mend."""

from __future__ import annotations

import pytest

from nksim.errors import InvalidInput, UnreadableInput
from nksim.fit.observations import parse_observations, read_observations
from nksim.fit.trial import observations_of_the_package, specs

HEAD = "trial,arm,day,analyte,statistic,value,unit,n,source"
GOOD = "T,A,14,donor_nk_count,median,5.8,cells/uL,10,a paper"


def parsed(*rows, head=HEAD):
    return parse_observations("\n".join([head, *rows]).encode(), "o.csv")


def complaint(*rows, head=HEAD):
    with pytest.raises(InvalidInput) as error:
        parsed(*rows, head=head)
    return str(error.value)


def test_days_may_be_one_a_span_or_from_one_on():
    rows = parsed(GOOD, GOOD.replace(",14,", ",7-14,"), GOOD.replace(",14,", ",>=14,"), GOOD.replace(",14,", ",,"))
    assert [r.days for r in rows] == [(14, 14), (7, 14), (14, float("inf")), None]
    assert [r.day_text for r in rows] == ["14", "7–14", "≥14", ""]


def test_an_individual_value_names_its_patient():
    (row,) = parsed("T,A,7,donor_nk_pct,individual:3-001,15,%,1,a paper")
    assert (row.statistic, row.who, row.value) == ("individual", "3-001", 15)


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        (GOOD.replace("median", "average"), "NK671", "no statistic 'average'"),
        (GOOD.replace("median", "range"), "NK671", "write a row for min and a row for max"),
        (GOOD.replace(",14,", ",day 14,"), "NK672", "write 14, 7-14 or >=14"),
        (GOOD.replace(",14,", ",14-7,"), "NK672", "is not a day"),
        (GOOD.replace("5.8", "5·8"), "NK673", "is not a number"),
        (GOOD.replace("5.8", "nan"), "NK673", "is not a number"),
        (GOOD.replace("5.8", "-5.8"), "NK675", "negative"),
        (GOOD.replace(",10,", ",,"), "NK674", "a median needs the number of patients"),
        (GOOD.replace(",10,", ",1.5,"), "NK674", "not a number of patients"),
        ("T,A,7,donor_nk_detected,count,12,patients,10,s", "NK675", "12 of 10 patients cannot be"),
        ("T,A,7,donor_nk_detected,fraction,1.2,1,10,s", "NK675", "a fraction of 1.2 cannot be"),
        ("T,A,7,donor_nk_pct,median,140,%,10,s", "NK675", "140 % of cells cannot be"),
        ("T,A,7,donor_nk_pct,median,140,%,10", "NK112", "more or fewer fields"),
        (",A,7,donor_nk_pct,median,14,%,10,s", "NK110", "trial or analyte is empty"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_line_and_the_mend(row, code, words):
    found = complaint(GOOD.replace(",14,", ",21,"), row)
    assert found.startswith(f"o.csv:3: error[{code}]")
    assert words in found
    assert "help:" in found


def test_all_faults_of_a_file_come_at_once():
    assert complaint(GOOD.replace("5.8", "x"), GOOD.replace(",14,", ",x,")).count("error[") == 2


def test_one_thing_said_twice_with_two_values_is_refused():
    found = complaint(GOOD, GOOD.replace("5.8", "6.1"))
    assert "o.csv:3: error[NK676]: donor_nk_count median is 6.1 here and 5.8 on line 2" in found
    assert len(parsed(GOOD, GOOD)) == 2


def test_a_median_above_the_maximum_is_refused():
    found = complaint(GOOD, GOOD.replace("median,5.8", "max,2"))
    assert "o.csv:3: error[NK676]: the max 2 is below the median 5.8 of line 2" in found


@pytest.mark.parametrize("head", [HEAD.replace("unit,", ""), HEAD + ",day"])
def test_columns_that_are_missing_or_stand_twice_are_refused(head):
    assert "error[NK110]" in complaint(GOOD, head=head)


def test_an_empty_file_and_none_at_all_are_refused():
    assert "error[NK102]" in complaint()
    with pytest.raises(UnreadableInput, match="NK100"):
        read_observations("no such file.csv")


def test_the_package_says_how_every_trial_of_its_own_was_run():
    known = specs()
    for o in parse_observations(observations_of_the_package(), "own"):
        assert o.arm in known[o.trial].arms
        assert o.source
    # The split of docs/model.md.
    assert {t for t, s in known.items() if s.use == "calibration"} == {"NKAML", "UMN_haploNK"}
