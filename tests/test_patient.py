"""What a body can be, and the numbers that doses take from it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.errors import InvalidInput
from nksim.patient import BSA_FORMULAS, Patient

NAMES = ("mosteller", "dubois", "haycock", "gehan-george", "boyd", "fujimoto")
# BSA in m² for h cm, w kg in the order of NAMES: reference cases 6.1 (mpmath) and dosing notes 2.1 (4 decimals), which
# agree; the coefficients stand in Mosteller 1987, Du Bois 1916, Haycock 1978, Gehan & George 1970, Boyd 1935 and
# Fujimoto 1968.
BSA = {
    (180, 90): (2.1213203, 2.0989010, 2.1377747, 2.1350365, 2.1399786, 2.0487502),
    (170, 70): (1.8181187, 1.8097078, 1.8256771, 1.8312893, 1.8346703, 1.7642935),
    (160, 60): (1.6329932, 1.6220625, 1.6405263, 1.6488680, 1.6557716, 1.5826700),
    (120, 22): (0.85634884, 0.85961180, 0.85334109, 0.87135632, 0.86856740, 0.83770768),
    (100, 15): (0.64549722, 0.64003704, 0.64607387, 0.66245652, 0.66147641, 0.62624487),
    (75, 9): (0.43301270, 0.41815646, 0.43797185, 0.45104645, 0.45219481, 0.41248575),
    (50, 3.5): (0.22047928, 0.20861642, 0.22441496, 0.23376010, 0.22988343, 0.20727312),
    (172, 130): (2.4922101, 2.3743808, 2.5587185, 2.5306955, 2.5739481, 2.3404850),
}


def faults(**values):
    with pytest.raises(InvalidInput) as found:
        Patient(**values)
    return found.value.faults


@pytest.mark.parametrize("body", BSA, ids=str)
def test_bsa_is_what_the_published_formulas_give(body):
    height, weight = body
    patient = Patient(height=height, weight=weight)
    assert [patient.bsa_m2(n) for n in NAMES] == pytest.approx(BSA[body], abs=1e-7)  # m²


# What pharmaverse's admiral 1.4.1 (R) gives to three places: tests of compute_bsa in its repository, in the order of NAMES.
@pytest.mark.parametrize(
    ("body", "expected"),
    [((170, 75), (1.882, 1.864, 1.895, 1.897, 1.905, 1.819)), ((185, 90), (2.151, 2.141, 2.161, 2.160, 2.158, 2.086))],
)
def test_bsa_is_what_another_program_gives(body, expected):
    assert [round(BSA_FORMULAS[n](*body), 3) for n in NAMES] == list(expected)


def test_mosteller_is_exactly_two_for_180_cm_and_80_kg():
    assert Patient(height=180, weight=80).bsa_m2("mosteller") == 2.0


@given(st.sampled_from(NAMES), st.floats(50, 200), st.floats(3.5, 130), st.floats(1.001, 1.5))
def test_bsa_grows_with_height_and_with_weight(name, height, weight, factor):
    bsa = BSA_FORMULAS[name]
    assert bsa(height * factor, weight) > bsa(height, weight)
    assert bsa(height, weight * factor) > bsa(height, weight)


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"weight": "20 kg"}, "weight_kg", 20),
        ({"weight": "20kg"}, "weight_kg", 20),
        ({"weight": 20}, "weight_kg", 20),
        ({"weight": np.float64(20.5)}, "weight_kg", 20.5),
        ({"height": "110.5 cm"}, "height_cm", 110.5),
        ({"age": "6 y"}, "age_y", 6),
        ({"age": "18 mo"}, "age_y", 1.5),
        ({"age": 0}, "age_y", 0),
        ({"creatinine": "40 umol/L"}, "creatinine_umol_l", 40),
        ({"sex": "F"}, "sex", "F"),
        ({"id": "患者-7"}, "id", "患者-7"),
    ],
)
def test_a_measure_is_read_with_or_without_its_unit(given, field, value):
    assert getattr(Patient(**given), field) == value


@pytest.mark.parametrize(
    ("given", "code", "word"),
    [
        ({"weight": "0"}, "NK402", "plausible"),
        ({"weight": "2500"}, "NK402", "plausible"),
        ({"weight": "-20"}, "NK402", "plausible"),
        ({"weight": "0.3 kg"}, "NK402", "plausible"),
        ({"weight": "nan"}, "NK401", "20 kg"),
        ({"weight": float("nan")}, "NK401", "20 kg"),
        ({"weight": float("inf")}, "NK401", "20 kg"),
        ({"weight": "44 lb"}, "NK401", "kilograms"),
        ({"weight": "20000 g"}, "NK401", "20 kg"),
        ({"weight": "25,0"}, "NK401", "comma"),
        ({"weight": "２０"}, "NK401", "ASCII"),
        ({"weight": ""}, "NK401", "20 kg"),
        ({"height": "1.28"}, "NK402", "plausible"),
        ({"height": "1.28 m"}, "NK401", "centimetres"),
        ({"height": "50 in"}, "NK401", "centimetres"),
        ({"height": "50 kg"}, "NK401", "110 cm"),
        ({"age": "130 y"}, "NK402", "plausible"),
        ({"age": "6 years"}, "NK401", "6 y"),
        ({"age": "６ y"}, "NK401", "6 y"),
        ({"age": "-1"}, "NK401", "6 y"),
        ({"creatinine": "0.5 mg/dL"}, "NK401", "unit"),
        ({"creatinine": "0.5"}, "NK402", "plausible"),
        ({"sex": "female"}, "NK403", "F or M"),
        ({"id": "../../x"}, "NK404", "letters"),
        ({"id": "a/b"}, "NK404", "letters"),
        ({"id": ""}, "NK404", "letters"),
        ({"id": "P 1"}, "NK404", "letters"),
        ({"id": "=1+1"}, "NK404", "letters"),
        ({"id": "x" * 65}, "NK404", "letters"),
        ({"weight": 80, "height": 60}, "NK402", "BMI"),
        ({"weight": 10, "height": 180}, "NK402", "BMI"),
    ],
)
def test_what_a_body_cannot_be_is_refused_with_the_mend(given, code, word):
    (fault,) = faults(**given)
    assert fault.code == code
    assert word in fault.message + (fault.help or "")


def test_all_faults_of_a_patient_are_named_together():
    found = faults(weight="0", height="1.28", age="x", sex="?", id="a/b")
    assert sorted(f.code for f in found) == ["NK401", "NK402", "NK402", "NK403", "NK404"]


@pytest.mark.parametrize(
    ("known", "asked", "option"), [({"height": 110}, "weight", "--weight"), ({"weight": 20}, "height", "--height")]
)
def test_what_is_not_known_is_asked_for_when_it_is_needed(known, asked, option):
    with pytest.raises(InvalidInput, match=f"the {asked} is needed") as found:
        Patient(**known).bsa_m2("mosteller")
    assert option in str(found.value)


# Bedside Schwartz 0.413 h/SCr with SCr in mg/dL, 88.4 umol/L each: 0.413 × 110 × 88.4 / 40 = 100.4003.
def test_a_child_s_egfr_is_bedside_schwartz():
    value, rule = Patient(weight=20, height=110, age=6, creatinine=40).egfr()
    assert (value, rule) == (pytest.approx(100.40030, abs=1e-4), "bedside Schwartz")


# Cockcroft-Gault (140 - 40) × 72 / (72 × 1.0 mg/dL) = 100 mL/min, women × 0.85; 72 kg and 180 cm are √3.6 m².
@pytest.mark.parametrize(("sex", "factor"), [("M", 1.0), ("F", 0.85)])
def test_an_adult_s_egfr_is_cockcroft_gault_per_body_surface(sex, factor):
    value, rule = Patient(weight=72, height=180, age=40, sex=sex, creatinine=88.4).egfr()
    assert value == pytest.approx(100 * factor * 1.73 / math.sqrt(3.6), rel=1e-12)
    assert rule.startswith("Cockcroft-Gault")


@pytest.mark.parametrize("missing", ["creatinine", "age", "height", "sex", "weight"])
def test_no_egfr_is_made_up_where_something_is_missing(missing):
    known = {"weight": 72, "height": 180, "age": 40, "sex": "M", "creatinine": 80}
    assert Patient(**{k: v for k, v in known.items() if k != missing}).egfr() is None
