"""`nksim protocols diff`. Amounts are worked out by hand from the registrations' doses; bodies are invented."""

import json

import pytest

from nksim.cli import run
from nksim.patient import Patient
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import choose, choose_arm
from nksim.schedule_difference import amounts, frame_differences, schedule_differences


def said(capsys, *args, code=0):
    assert run(["protocols", "diff", *args]) == code
    out, err = capsys.readouterr()
    return out, err


def found(capsys, *args):
    return json.loads(said(capsys, *args, "--json")[0])


# NKAML, NCT00187096: stratum 1 cyclophosphamide 60 mg/kg day -7, fludarabine 25 mg/m2 days -6 to -2; stratum 2
# clofarabine 40, etoposide 100, cyclophosphamide 400 mg/m2, each days -6 to -2. 32 kg, 128 cm: BSA sqrt(32 x 128 / 3600)
# = 16/15 m2 (Mosteller).
def test_two_strata_differ_in_their_conditioning_and_in_what_a_child_gets(capsys):
    pair = found(capsys, "nkaml", "nkaml-2", "--weight", "32kg", "--height", "128cm")["pairs"][0]
    lines = {(d["line"], d["what"]): (d["first"], d["other"]) for d in pair["differences"]}
    assert lines["cy", "dose"] == ("60 mg/kg", "400 mg/m²")
    assert lines["cy", "days"] == ("−7", "−6 to −2")
    assert lines["clo", "given"] == (None, "clofarabine 40 mg/m² IV, days −6 to −2")
    assert lines["flu", "given"][1] is None
    assert lines["cells", "dose"] == ("2.9E7 cells/kg", "unknown (cells/kg)")
    assert ("il2", "dose") not in lines
    given = {a["line"]: a for a in pair["amounts"]}
    assert given["cy"]["first"]["total"] == pytest.approx(60 * 32)
    assert given["cy"]["other"]["total"] == pytest.approx(5 * 400 * 16 / 15)
    assert given["clo"]["other"]["amounts"] == pytest.approx([40 * 16 / 15] * 5)
    assert given["flu"]["first"]["total"] == pytest.approx(5 * 25 * 16 / 15)
    assert given["cells"]["first"]["total"] == pytest.approx(2.9e7 * 32)
    assert (given["cells"]["other"]["total"], given["cells"]["other"]["gap"]) == (None, "dose unknown")
    assert given["il2"]["first"] == given["il2"]["other"]


# Shah 2017 counts from the transplantation, cells on day -5; Strati 2025 from the cells, the first on day 1.
def test_regimens_that_count_differently_are_compared_from_their_first_cells():
    shah, ft516 = choose_arm(load("cb-nk-mm")), choose_arm(load("ft516"), arm="flu-cy")
    frame = {(d.line, d.what): (d.first, d.other) for d in frame_differences(shah, ft516)}
    assert frame["day 0", "is"] == ("first hct", "first cells")
    lines = {(d.line, d.what): (d.first, d.other) for d in schedule_differences(shah, ft516)}
    assert lines["cells", "days from the first cells"] == ("0", "0, 7, 14")
    assert "days −2 to" not in str(lines)
    assert lines["mel", "given"] == (
        "melphalan 200 mg/m² IV, day −2 from the first cells",
        None,
    )  # day -7 with cells on day -5


# NCT05519384 gives IL-2 0.5 to 1 h before each infusion, Bachanova 2014 from 4 h after it.
def test_a_time_on_the_same_day_is_a_difference():
    jk500 = choose(load("jk500"), settings=(("cells.dose", "1e7 cells/kg"), ("cells.days", "0")))
    umn = choose(load("umn-haplo-nk"), arm="cohort1", settings=(("il2.days", "0"),))
    after = choose(load("umn-haplo-nk"), arm="cohort1")
    first, other = (
        {(d.line, d.what): (d.first, d.other) for d in schedule_differences(jk500, x)} for x in (umn, after)
    )
    assert ("il2", "days") not in first
    assert first["il2", "time"] == ("30 to 60 min before the start of each cells", "no time given")
    assert other["il2", "time"][1] == "the first 4 h after the end of first cells"


def test_doses_by_level_are_shown_as_levels_until_one_is_chosen(capsys):
    text = said(capsys, "cb-nk-mm", "cndo109", "--weight", "80kg", "--height", "175cm")[0]
    assert "by level, [5e6, 1e7, 5e7, 1e8] cells/kg" in text
    pair = found(capsys, "cb-nk-mm", "cndo109", "--level", "2", "--weight", "80kg", "--height", "175cm")["pairs"][0]
    cells = next(a for a in pair["amounts"] if a["line"] == "cells")
    assert (cells["first"]["total"], cells["other"]["total"]) == (8e8, 8e7)  # 1e7 and 1e6 cells/kg, level 2 of each


# ASH abstract of NCT05008575: 6e8, 1.2e9, 1.8e9 against 3 x 1.8e9.
def test_doses_that_rise_are_added_up_one_by_one(capsys):
    args = (
        "cd33-carnk",
        "cd33-carnk",
        "--arm",
        "group1",
        "--other-arm",
        "group3",
        "--weight",
        "70kg",
        "--height",
        "170cm",
    )
    pair = found(capsys, *args)["pairs"][0]
    assert [(d["line"], d["what"]) for d in pair["differences"]] == [("cells", "dose")]
    cells = next(a for a in pair["amounts"] if a["line"] == "cells")
    assert (cells["first"]["amounts"], cells["first"]["total"]) == ([6e8, 1.2e9, 1.8e9], 3.6e9)
    assert cells["other"]["total"] == 5.4e9
    flu = next(a for a in pair["amounts"] if a["line"] == "flu")
    assert (flu["first"]["total"], flu["first"]["gap"], len(flu["first"]["amounts"])) == (
        None,
        "number of doses unknown",
        1,
    )
    assert "+1.8 × 10^9 (1.8E9) cells" in said(capsys, *args)[0]


@pytest.mark.parametrize("name", catalog())
def test_a_protocol_does_not_differ_from_itself(name, capsys):
    out, err = said(capsys, name, name, "--strict")
    assert out.count("No difference") == len(load(name).arms)
    assert err == ""
    assert found(capsys, name, name)["identical"] is True


def test_strict_makes_a_difference_a_finding(capsys):
    assert "→" not in said(capsys, "nkaml", "jk500")[0]
    said(capsys, "nkaml", "jk500", "--strict", code=1)


ARMS = [choose_arm(p, arm=next(iter(p.arms))) for p in map(load, catalog())]


@pytest.mark.parametrize("a", ARMS, ids=lambda c: c.name)
def test_any_two_protocols_can_be_compared_and_each_difference_is_seen_from_both_sides(a):
    for b in ARMS:
        there = {
            (d.line, d.what, d.first, d.other) for d in schedule_differences(a, b) if None not in (d.first, d.other)
        }
        back = {(d.what, d.other, d.first) for d in schedule_differences(b, a) if None not in (d.first, d.other)}
        assert {(what, x, y) for _, what, x, y in there} == back


def test_an_answer_can_be_for_one_of_the_two(capsys):
    pair = found(capsys, "nkaml", "nkaml-2", "--set", "nkaml-2:cells.dose=2.9e7 cells/kg")["pairs"][0]
    assert not [d for d in pair["differences"] if d["line"] == "cells"]


def test_amounts_are_those_of_the_calendar():
    choice, child = choose(load("nkaml")), Patient(weight="25 kg", height="128 cm", age="8 y")
    pairs = {line: a for line, a, _ in amounts(choice, choice, child)}
    # 60 mg/kg x 25 kg and 2.9e7 cells/kg x 25 kg.
    assert (float(pairs["cy"].total), float(pairs["cells"].total)) == (1500, 7.25e8)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["nkaml", "jk50"], "did you mean jk500?"),
        (["ft516", "cd33-carnk"], "--other-arm with one of group1"),
        (["ft516", "jk500", "--arm", "x"], "one of flu-cy, bendamustine"),
        (["jk500", "jk500", "--other-arm", "x"], "one of main"),
        (["nkaml", "jk500", "--set", "x.y=1"], "fits none"),
    ],
)
def test_what_cannot_be_compared_is_a_wrong_call(args, word, capsys):
    out, err = said(capsys, *args, code=2)
    assert (out, word in err) == ("", True)


def test_a_dose_that_needs_a_height_asks_for_it(capsys):
    assert "NK405" in said(capsys, "nkaml", "nkaml-2", "--weight", "25kg", code=1)[1]


def test_two_unknowns_are_not_the_same():
    found = schedule_differences(choose_arm(load("jk500")), choose_arm(load("nkae-aml")))
    days = next(d for d in found if (d.line, d.what) == ("cells", "days"))
    assert (days.first, days.other, days.first_basis, days.other_basis) == ("unknown", "unknown", "unknown", "unknown")
