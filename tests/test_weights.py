"""Which weight a dose counts. Numbers of reference cases 6.2 and dosing notes 2.2 (Devine; adjusted 25, 40 and 50 %)."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.protocol.choice import change
from nksim.protocol.reading import parse_protocol
from nksim.protocol.weights import weight_rule
from nksim.schedule.bodysize import dosing_weight
from nksim.schedule.dosing import dose_of

GOOD = parse_protocol((Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_bytes(), "good.yaml")
# reference cases 6.2: a woman of 172 cm and 130 kg, at 205.5 % of her ideal weight; cyclophosphamide 60 mg/kg in mg.
WOMAN = Patient(height=172, weight=130, sex="F")
WORKED = {
    "actual": ("130", "7800"),
    "ideal": ("63.248031", "3794.9"),
    "adjusted 25 %": ("79.936024", "4796.2"),
    "adjusted 40 %": ("89.948819", "5396.9"),
    "adjusted 50 %": ("96.624016", "5797.4"),
}


def cy(rule, patient):
    protocol = change(GOOD, "body.weight", rule)
    return dose_of(protocol.arms["a"].lines[0], 1, patient, protocol.body)


@pytest.mark.parametrize("rule", WORKED)
def test_the_descriptor_alone_moves_the_dose_twofold(rule):
    kg, mg = WORKED[rule]
    assert float(dosing_weight(weight_rule(rule), WOMAN)[0]) == pytest.approx(float(kg), abs=5e-7)
    assert float(cy(rule, WOMAN).amount) == pytest.approx(float(mg), abs=0.05)


# dosing notes 2.2: man 175 cm, 130 kg; woman 162 cm, 110 kg.
@pytest.mark.parametrize(
    ("sex", "cm", "kg", "rule", "expected"),
    [
        ("M", 175, 130, "ideal", 70.46),
        ("M", 175, 130, "adjusted 25 %", 85.35),
        ("M", 175, 130, "adjusted 40 %", 94.28),
        ("M", 175, 130, "adjusted 50 %", 100.23),
        ("F", 162, 110, "ideal", 54.19),
        ("F", 162, 110, "adjusted 25 %", 68.14),
        ("F", 162, 110, "adjusted 50 %", 82.10),
    ],
)
def test_ideal_and_adjusted_weights_are_those_worked_by_hand(sex, cm, kg, rule, expected):
    found = dosing_weight(weight_rule(rule), Patient(height=cm, weight=kg, sex=sex))[0]
    assert float(found) == pytest.approx(expected, abs=0.005)


# Bachanova 2016: actual weight below 150 % of ideal, 50 % adjusted from there. A man of 152.4 cm has 50 kg ideal.
@pytest.mark.parametrize(("kg", "counted"), [("74.9", "74.9"), ("75", "62.5"), ("80", "65"), ("50", "50")])
def test_a_rule_by_share_of_the_ideal_weight_has_its_edge_at_the_share(kg, counted):
    patient = Patient(height="152.4 cm", weight=f"{kg} kg", sex="M")
    found, words, _ = dosing_weight(weight_rule("adjusted 50 % at >= 150 % of ideal"), patient)
    assert found == Decimal(counted)
    assert words.startswith("adjusted 50 %") == (Decimal(kg) >= 75)


def test_the_calculation_names_every_weight_that_it_used():
    words = "60 mg/kg × 96.624016 kg (adjusted 50 %: ideal 63.248031 kg by Devine, actual 130 kg)"
    assert cy("adjusted 50 %", WOMAN).calculation == words


# Devine's 60 inches are 152.4 cm: below them it is an extrapolation.
@pytest.mark.parametrize(("cm", "refused"), [("152.3", True), ("152.4", False)])
def test_an_ideal_weight_is_refused_where_devine_does_not_go(cm, refused):
    patient = Patient(height=f"{cm} cm", weight=50, sex="F")
    if refused:
        with pytest.raises(InvalidInput, match=r"NK408.*152\.3 cm.*begins at 152\.4"):
            cy("ideal", patient)
    else:
        assert cy("ideal", patient).amount == Decimal("2730")


def test_a_given_ideal_weight_takes_the_place_of_devine():
    child = Patient(height=110, weight=30, ideal_weight="20 kg")
    assert cy("ideal", child).amount == 1200
    assert "20 kg as given" in cy("adjusted 50 %", child).calculation


@pytest.mark.parametrize(("missing", "word"), [("height", "height"), ("sex", "sex")])
def test_an_ideal_weight_needs_height_and_sex(missing, word):
    known = {k: v for k, v in {"height": 170, "weight": 90, "sex": "F"}.items() if k != missing}
    with pytest.raises(InvalidInput, match=f"NK405.*the {word} is needed"):
        cy("ideal", Patient(**known))


def test_an_ideal_weight_above_the_actual_one_is_a_caution():
    assert [code for code, _ in cy("ideal", Patient(height=180, weight=50, sex="M")).cautions] == ["NK324"]
    assert cy("ideal", WOMAN).cautions == ()


def test_a_line_may_count_another_weight_than_the_file():
    protocol = change(GOOD, "cy.weight", "ideal")
    line = protocol.arms["a"].lines[0]
    assert float(dose_of(line, 1, WOMAN, protocol.body).amount) == pytest.approx(3794.9, abs=0.05)


@pytest.mark.parametrize(
    "text",
    [
        "lean",
        "adjusted",
        "adjusted 0 %",
        "adjusted 100 %",
        "actual at >= 150 % of ideal",
        "ideal at >= 90 % of ideal",
        "",
    ],
)
def test_a_weight_that_is_none_is_refused(text):
    with pytest.raises(InvalidInput, match="NK202"):
        change(GOOD, "body.weight", text or "{a: b}")


@given(st.floats(60, 200), st.floats(153, 200), st.sampled_from("FM"), st.sampled_from(["25", "40", "50"]))
def test_an_adjusted_weight_lies_between_the_ideal_and_the_actual_one(kg, cm, sex, percent):
    try:
        patient = Patient(height=round(cm, 1), weight=round(kg, 1), sex=sex)
    except InvalidInput:
        return
    ideal = dosing_weight(weight_rule("ideal"), patient)[0]
    found = dosing_weight(weight_rule(f"adjusted {percent} %"), patient)[0]
    actual = Decimal(str(patient.weight_kg))
    assert min(ideal, actual) <= found <= max(ideal, actual)
    assert abs((found - ideal) * 100 - Decimal(percent) * (actual - ideal)) < Decimal("1e-9")
