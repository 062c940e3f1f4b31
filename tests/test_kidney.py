"""Doses by renal function. The labels of fludarabine disagree (dosing notes 2.4), so the bands are data."""

from decimal import Decimal
from pathlib import Path

import pytest

from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.protocol.choice import change
from nksim.protocol.reading import parse_protocol
from nksim.protocol.renal import renal_rule
from nksim.schedule.dosing import dose_of
from nksim.schedule.kidney import renal_function

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
GOOD = parse_protocol(TEXT.encode(), "good.yaml")
# US label of Fludara: 80 and above 25 mg/m2, 50-79 20 mg/m2, 30-49 15 mg/m2, below 30 none, by Cockcroft-Gault.
FLUDARA = (
    "{by: cockcroft-gault, bands: [{below: 30 mL/min, give: none}, {below: 50 mL/min, give: 15 mg/m^2}, "
    "{below: 80 mL/min, give: 20 mg/m^2}, {otherwise: 25 mg/m^2}]}"
)
# US generic label: 20 % less at 30-70 mL/min/1.73 m2, none below.
GENERIC = "{by: egfr, bands: [{below: 30 mL/min/1.73m2, give: none}, {below: 70 mL/min/1.73m2, give: 80 %}, {otherwise: 100 %}]}"


def patient(clearance):
    """A man of 2 m² by Mosteller (180 cm, 80 kg) whose clearance is (140-50)·80/(72·creatinine in mg/dL)."""
    mg_dl = Decimal(100) / Decimal(clearance)
    return Patient(height=180, weight=80, age=50, sex="M", creatinine=f"{mg_dl * Decimal('88.4')} umol/L")


def flu(rule, who):
    protocol = change(GOOD, "flu.renal", rule)
    return dose_of(protocol.arms["a"].lines[1], 1, who, protocol.body)


@pytest.mark.parametrize(
    ("clearance", "mg"), [("30", 30), ("49.9", 30), ("50", 40), ("79.5", 40), ("79.999", 40), ("80", 50), ("120", 50)]
)
def test_an_edge_belongs_to_the_band_above_it(clearance, mg):
    assert flu(FLUDARA, patient(clearance)).amount == mg


def test_a_band_that_gives_nothing_refuses_the_calendar():
    with pytest.raises(InvalidInput, match=r"NK303.*flu must not be given at 29\.9 mL/min by Cockcroft-Gault"):
        flu(FLUDARA, patient("29.9"))


# 60 mL/min at 2 m2 is 51.9 per 1.73 m2; 81 mL/min is 70.07, 80 is 69.2.
@pytest.mark.parametrize(("clearance", "mg"), [("60", 40), ("80", 40), ("81", 50)])
def test_a_band_may_give_a_share_of_the_dose(clearance, mg):
    assert flu(GENERIC, patient(clearance)).amount == mg


def test_the_calculation_names_the_renal_band():
    assert flu(GENERIC, patient("60")).calculation == (
        "25 mg/m² × 2 m² (Mosteller, 180 cm, 80 kg) × 80 % [renal band of 51.9 mL/min/1.73 m² by "
        "Cockcroft-Gault per 1.73 m²]"
    )


# Bedside Schwartz: 0.413·110 cm/(40/88.4 mg/dL) = 100.4 mL/min/1.73 m2; for a woman Cockcroft-Gault is 0.85 of a man's.
def test_renal_function_is_that_of_the_named_formula():
    child = Patient(weight=20, height=110, age=6, creatinine="40 umol/L")
    assert float(renal_function("bedside-schwartz", child)[0]) == pytest.approx(100.40, abs=0.005)
    assert renal_function("egfr", child)[0] == renal_function("bedside-schwartz", child)[0]
    woman = Patient(weight=72, height=170, age=40, sex="F", creatinine="88.4 umol/L")
    assert renal_function("cockcroft-gault", woman)[0] == 85


def test_a_virtual_patient_s_egfr_stands_for_either_formula():
    known = {"weight_kg": 80.0, "height_cm": 180.0, "age_y": 40.0, "sex": "M", "known_egfr": 86.5}
    who = Patient.known("V1", **known)
    assert renal_function("bedside-schwartz", who)[0] == Decimal("86.5")
    assert renal_function("cockcroft-gault", who)[0] == 100  # 86.5 × 2 / 1.73
    assert (flu(FLUDARA, who).amount, flu(GENERIC, who).amount) == (50, 50)


@pytest.mark.parametrize("by", ["cockcroft-gault", "egfr", "bedside-schwartz"])
def test_without_a_creatinine_a_renal_rule_refuses(by):
    with pytest.raises(InvalidInput, match=r"NK405.*needs creatinine"):
        renal_function(by, Patient(weight=70, height=170, age=30, sex="M"))


@pytest.mark.parametrize(
    ("bands", "code"),
    [
        ("[{below: 50 mL/min, give: none}]", "NK202"),
        ("[{otherwise: 100 %}, {otherwise: 50 %}]", "NK202"),
        ("[{below: 50 mL/min, give: 80 %}, {below: 30 mL/min, give: none}, {otherwise: 100 %}]", "NK205"),
        ("[{below: 50 mL/min, give: 80 %}, {below: 50 mL/min, give: none}, {otherwise: 100 %}]", "NK205"),
        ("[{below: 50, give: 80 %}, {otherwise: 100 %}]", "NK212"),
        ("[{below: 50 mL/min/1.73m2, give: 80 %}, {otherwise: 100 %}]", "NK212"),
        ("[{below: 50 mL/min, give: 120 %}, {otherwise: 100 %}]", "NK216"),
        ("[{under: 50 mL/min, give: 80 %}, {otherwise: 100 %}]", "NK202"),
        ("[{below: 50 mL/min, give: 1e9 cells}, {otherwise: 100 %}]", "NK215"),
    ],
)
def test_bands_that_cannot_be_are_refused(bands, code):
    with pytest.raises(InvalidInput, match=code):
        change(GOOD, "flu.renal", f"{{by: cockcroft-gault, bands: {bands}}}")


def test_a_rule_in_a_file_needs_its_source():
    text = TEXT.replace("id: flu,", f"id: flu, renal: {FLUDARA},")
    with pytest.raises(InvalidInput, match=r"NK203.*renal: of line flu needs its source"):
        parse_protocol(text.encode(), "a.yaml")


def test_the_bands_say_themselves_in_words():
    raw = {"by": "cockcroft-gault", "bands": [{"below": "30 mL/min", "give": "none"}, {"otherwise": "80 %"}]}
    assert str(renal_rule(raw)) == "by Cockcroft-Gault: below 30 mL/min none; from 30 mL/min 80 % of the dose"


@pytest.mark.parametrize(
    ("by", "needs"), [("bedside-schwartz", "creatinine and height"), ("egfr", "creatinine, age, sex")]
)
def test_what_a_formula_needs_is_named(by, needs):
    with pytest.raises(InvalidInput, match=f"needs {needs}"):
        renal_function(by, Patient(weight=70, height=170))
