"""Checks that need no model. The limits are those of protocol-format.md (proposals for review by a pharmacist)."""

from pathlib import Path

import pytest

from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
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
        ("cy", "60 mcg/kg", ["NK312"]),
        ("cy", "200 mg/m^2", []),
        ("cy", "1.5 g/m^2", []),
        ("cy", "1501 mg/m^2", ["NK312"]),
        ("cy", "60 mg/m^2", ["NK312"]),
        ("cy", "4200 mg", ["NK311"]),
        ("flu", "10 mg/m^2", []),
        ("flu", "40 mg/m^2", []),
        ("flu", "41 mg/m^2", ["NK312"]),
        ("flu", "95 mg/m^2", ["NK312"]),
        ("flu", "0.8 mg/kg", ["NK311"]),
        ("il2", "2e7 IU", []),
        ("il2", "2.1e7 IU", ["NK312", "NK313"]),
        ("il2", "100 IU", ["NK312"]),
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
