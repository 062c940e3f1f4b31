"""Checks that need no model. The limits are those of protocol-format.md (proposals for review by a pharmacist)."""

import re
from pathlib import Path

import pytest

import nksim
from nksim.errors import InvalidInput
from nksim.limits import checks
from nksim.patient import Patient
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.schedule.calendar import place
from nksim.schedule.expansion import expand
from nksim.schedule.safety import findings

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
IL2 = '          - {id: il2, product: aldesleukin, dose: 9e6 IU, route: SC, days: "0, 3"}\n'
GOOD = parse_protocol((TEXT + IL2).encode(), "good.yaml")


def codes(protocol=GOOD, weight=70, height=170, age=None, **settings):
    choice = choose(protocol, settings=tuple((k.replace("_", "."), v) for k, v in settings.items()))
    found = findings(expand(choice, Patient(weight=weight, height=height, age=age)))
    return [f.code for f in found]


def test_the_good_protocol_has_no_findings():
    assert codes() == []


# Cyclophosphamide 10-60 mg/kg or 200-1,500 mg/m2, fludarabine 10-40 mg/m2, interleukin-2 at most 2e7 per dose.
@pytest.mark.parametrize(
    ("line", "dose", "expected"),
    [
        ("cy", "10 mg/kg", []),
        ("cy", "60 mg/kg", []),
        ("cy", "61 mg/kg", ["NK312"]),
        ("cy", "6 mg/kg", ["NK312"]),
        ("cy", "60 mcg/kg", ["NK337"]),
        ("cy", "200 mg/m^2", []),
        ("cy", "1.5 g/m^2", []),
        ("cy", "1501 mg/m^2", ["NK312"]),
        ("cy", "60 mg/m^2", ["NK312"]),
        ("cy", "4200 mg", ["NK311"]),
        ("flu", "10 mg/m^2", []),
        ("flu", "40 mg/m^2", []),
        ("flu", "41 mg/m^2", ["NK312"]),
        ("flu", "95 mg/m^2", ["NK312"]),
        ("flu", "0.8 mg/kg", ["NK328"]),
        ("il2", "2e7 IU", []),
        ("il2", "2.1e7 IU", ["NK312", "NK313"]),
        ("il2", "100 IU", ["NK337"]),
        ("il2", "100 IU/m^2", ["NK337"]),
        ("il2", "9000 IU", ["NK312"]),
        ("il2", "1e9 IU", ["NK337", "NK313"]),
        ("il2", "1.2e7 IU/m^2", ["NK313"]),
        ("il2", "1 mg", ["NK311"]),
    ],
)
def test_a_dose_outside_the_usual_range_is_pointed_out(line, dose, expected):
    # 70 kg and 170 cm are 1.82 m2, so that 1.2e7 per m2 is 2.18e7 in one dose.
    assert codes(**{f"{line}_dose": dose}) == expected


@pytest.mark.parametrize("dose", ["96 mg/m^2", "150 mg/m^2", "0.1 g/m^2"])
def test_a_day_of_fludarabine_that_the_label_warns_of_is_refused(dose):
    with pytest.raises(InvalidInput, match=r"NK310.*harms"):
        codes(flu_dose=dose)


# NCT05574608: 1e9 cells, and 1-2e7 per kg; both hold only from 50 to 100 kg.
@pytest.mark.parametrize(
    ("weight", "height", "agrees"),
    [(49, 160, False), (50, 160, True), (100, 180, True), (101, 180, False), (25, 128, False)],
)
def test_a_dose_registered_twice_must_agree_for_this_weight(weight, height, agrees):
    answers = {"cy_dose": "300 mg/m^2", "flu_dose": "30 mg/m^2", "cy_days": "-5..-3", "flu_days": "-5..-3"}
    assert ("NK314" not in codes(load("cd123-carnk"), weight, height, **answers)) == agrees


# NCT06702098: 5e8 to 1e9 cells per dose.
@pytest.mark.parametrize(
    ("dose", "expected"),
    [
        ("5e8 cells", []),
        ("1e9 cells", []),
        ("4.9e8 cells", ["NK315"]),
        ("1.1e9 cells", ["NK315"]),
        ("1e7 cells/kg", ["NK315"]),
    ],
)
def test_a_user_may_leave_the_registered_range_and_is_told(dose, expected):
    assert codes(load("ink-aml"), induction_dose=dose) == expected


# NCT05519384: a total of 6 doses of interleukin-2, on the day of each infusion.
@pytest.mark.parametrize(("days", "expected"), [("0, 2, 4, 7, 9, 11", []), ("0, 2", ["NK316"]), ("0..6", ["NK316"])])
def test_another_number_of_doses_than_registered_is_pointed_out(days, expected):
    assert codes(load("jk500"), 25, 128, cells_dose="1e7 cells/kg", cells_days=days) == expected


@pytest.mark.parametrize(("day", "expected"), [("-1", []), ("0", ["NK317"]), ("1", ["NK317"])])
def test_conditioning_that_does_not_end_before_the_cells_is_pointed_out(day, expected):
    assert codes(cy_days=day) == expected


# NCT06702098: 18 to 80 years; someone of 80.9 years is 80.
@pytest.mark.parametrize(
    ("age", "expected"), [("17.9 y", ["NK318"]), ("18 y", []), ("80.9 y", []), ("81 y", ["NK318"])]
)
def test_an_age_outside_the_trial_is_pointed_out(age, expected):
    assert codes(load("ink-aml"), age=age) == expected


@pytest.mark.parametrize(("doses", "expected"), [("[6e8, 1.2e9] cells", []), ("[6e8, 1.2e9, 1.8e9] cells", ["NK319"])])
def test_a_listed_dose_that_is_never_given_is_pointed_out(doses, expected):
    assert codes(cells_dose=doses) == expected


def test_every_finding_is_named_and_always_in_the_same_order():
    answers = {"cy_dose": "6 mg/kg", "flu_dose": "50 mg/m^2", "il2_dose": "3e7 IU", "cy_days": "0"}
    found = codes(age=90, **answers)
    assert sorted(found) == ["NK312", "NK312", "NK312", "NK313", "NK317", "NK318"]
    assert codes(age=90, **dict(reversed(answers.items()))) == found


# A dose written twice looks like two lines of one drug on one day.
def test_two_lines_of_one_drug_on_one_day_are_found():
    again = '          - {id: more, product: aldesleukin, dose: 9e6 IU, route: SC, at: "20:00", days: "3, 4"}\n'
    protocol = parse_protocol((TEXT + IL2 + again).encode(), "a.yaml")
    found = findings(expand(choose(protocol), Patient(weight=70, height=170)))
    assert [f.code for f in found] == ["NK322"]
    assert "il2 and more both give aldesleukin" in found[0].message
    assert codes(protocol, more_days="4, 5") == []


# NCT05519384 has interleukin-2 0.5 to 1 h before the cells; after them it is another regimen.
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, []),
        ({"il2_after": "{start of: cells, by: 45 min}"}, ["NK323"]),
        ({"il2_days": "0", "il2_at": "09:00"}, []),
        ({"il2_days": "0", "il2_at": "10:30"}, ["NK323"]),
        ({"il2_over": "40 min"}, []),
        ({"il2_over": "50 min"}, ["NK323"]),
    ],
)
def test_what_the_file_puts_before_must_not_come_after(settings, expected):
    found = codes(load("jk500"), 20, 110, cells_dose="1e7 cells/kg", cells_days="0", **settings)
    assert [c for c in found if c == "NK323"] == expected


@pytest.mark.parametrize(
    ("days", "gap", "expected"),
    [("0, 3", "3 d", []), ("0, 3", "73 h", ["NK335"]), ("0, 1, 4", "2 d", ["NK335"]), ("0", "2 d", [])],
)
def test_doses_planned_closer_than_the_least_gap_are_found(days, gap, expected):
    assert [c for c in codes(cells_days=days, cells_gap=gap) if c == "NK335"] == expected


# NCT07591649 lists fludarabine as 25 mg/kg: 1,750 mg at 70 kg, where 25 mg/m2 are 45 mg. The label's 96 mg/m2 are 175 mg.
@pytest.mark.parametrize("dose", ["25 mg/kg", "1750 mg", "180 mg", "2.5 mg/kg"])
def test_a_day_of_fludarabine_is_reckoned_per_square_metre_whatever_its_basis(dose):
    with pytest.raises(InvalidInput, match=r"NK310.*mg/m² of fludarabine phosphate on day -6"):
        codes(flu_dose=dose)


def test_fludarabine_just_below_what_the_label_warns_of_is_not_refused():
    # 95.9 mg/m2 at 1.818119 m2 (70 kg, 170 cm, Mosteller) are 174.4 mg; 96 are 174.54.
    assert codes(flu_dose="174.4 mg") == ["NK311"]
    with pytest.raises(InvalidInput, match="NK310"):
        codes(flu_dose="174.6 mg")


def test_two_lines_of_fludarabine_on_one_day_are_added_up():
    again = "          - {id: more, product: fludarabine phosphate, dose: 40 mg/m^2, route: IV, days: -6..-2}\n"
    third = "          - {id: third, product: fludarabine phosphate, dose: 31 mg/m^2, route: IV, days: -2}\n"
    two, three = (parse_protocol((TEXT + x).encode(), "a.yaml") for x in (again, again + third))
    assert codes(two) == ["NK322"]
    with pytest.raises(InvalidInput, match=r"flu and more and third: 96 mg/m²"):
        codes(three)


# PMC4064329, figure 1: 12 or 18 mg/kg printed, mcg/kg meant.
@pytest.mark.parametrize(
    ("dose", "expected"),
    [("12 mcg/kg", []), ("12 mg/kg", ["NK337"]), ("18 ng/kg", ["NK337"]), ("40 mcg/kg", ["NK312"])],
)
def test_a_slip_between_mg_and_mcg_is_named(dose, expected):
    toxin = f"          - {{id: dt, product: denileukin diftitox, dose: {dose}, route: IV, day: -1}}\n"
    text = TEXT.replace("products:\n", "products:\n  denileukin diftitox: {kind: drug}\n")
    assert codes(parse_protocol((text + toxin).encode(), "a.yaml")) == expected


@pytest.mark.parametrize(("weight", "expected"), [(9, ["NK333"]), (10, []), (40, []), (41, ["NK333"])])
def test_a_weight_outside_the_trial_is_pointed_out(weight, expected):
    text = TEXT.replace("age: 0-80 y", "age: 0-80 y, weight: 10-40 kg")
    assert codes(parse_protocol(text.encode(), "a.yaml"), weight, 110) == expected


# Windows of -1 to +1 day around days 0 and 3 leave a day between; of -2 to +2 they cross.
@pytest.mark.parametrize(("window", "expected"), [("-1..+1 d", []), ("-1..+2 d", []), ("-2..+2 d", ["NK334"])])
def test_windows_that_let_a_later_dose_come_first_are_pointed_out(window, expected):
    assert codes(cells_window=window) == expected


# CDC 2000: the median boy of 6 years weighs 20.8 kg and is 115.5 cm tall; 45 lb are 20.4 kg.
@pytest.mark.parametrize(
    ("weight", "height", "expected"),
    [(20, 115, []), (45, 115, ["NK336"]), (9.5, 115, ["NK342"]), (20, 75, ["NK342"]), (20, 150, ["NK342"])],
)
def test_a_body_that_does_not_fit_the_age_is_pointed_out(weight, height, expected):
    assert codes(weight=weight, height=height, age="6 y", il2_dose="1e6 IU/m^2") == expected


# BMI 24.2, 53.3 (154 lb are 70 kg), 11.1, and 43.3, which may well be true.
@pytest.mark.parametrize(("weight", "expected"), [(70, []), (154, ["NK336"]), (32, ["NK342"]), (125, [])])
def test_an_adult_whose_weight_may_be_in_pounds_is_pointed_out(weight, expected):
    assert codes(weight=weight, height=170, age="40 y", cells_dose="1e9 cells") == expected


# 60 mg/kg are 4,200 mg at 70 kg: a boy of 17 years and 80 kg gets more, and more fludarabine for his larger surface.
@pytest.mark.parametrize(
    ("weight", "age", "expected"),
    [(69, "17 y", []), (80, "17 y", ["NK338", "NK338"]), (80, "18 y", []), (80, None, [])],
)
def test_a_child_who_gets_more_than_an_adult_is_pointed_out(weight, age, expected):
    assert [c for c in codes(weight=weight, height=170, age=age, il2_dose="9e6 IU") if c == "NK338"] == expected


def test_the_limit_for_a_child_is_the_adults_own_case_of_the_rule():
    cases = "[{when: age < 18 y, give: 60 mg/kg}, {otherwise: 1500 mg}]"
    text = TEXT.replace("dose: 60 mg/kg", f"dose: {cases}")
    found = codes(parse_protocol(text.encode(), "a.yaml"), 30, 135, "9 y")
    # 60 mg/kg at 30 kg are 1,800 mg; an adult gets 1,500 mg, which is no usual way to dose it.
    assert found == ["NK311", "NK338"]


# Conditioning begins on day -7, 2027-02-22.
@pytest.mark.parametrize(
    ("weighed", "expected"),
    [("2027-02-08", []), ("2027-02-22", []), ("2027-02-07", ["NK339"]), ("2027-02-23", ["NK339"]), (None, [])],
)
def test_a_weight_that_is_too_old_is_pointed_out(weighed, expected):
    schedule = expand(choose(GOOD), Patient(weight=70, height=170, weighed=weighed))
    assert [f.code for f in place(schedule, day0="2027-03-01", tz="Asia/Shanghai").findings] == expected


def test_every_check_has_a_severity_a_source_with_a_place_and_a_finding_or_a_refusal_in_the_source():
    raised = {c for p in (Path(nksim.__file__).parent).rglob("*.py") for c in re.findall(r'"(NK3\d\d)"', p.read_text())}
    assert sorted(checks()) == sorted(raised)
    assert {c.severity for c in checks().values()} == {"stop", "hold", "warning"}
    for check in checks().values():
        assert check.what
        assert check.sources
        assert all(s.title and s.where for s in check.sources)
    assert all(limit.standing in ("published", "proposal") for c in checks().values() for limit in c.limits)
