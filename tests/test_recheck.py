"""The second reckoning: it agrees over many bodies and rules, and stops the run where the first goes wrong."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nksim.errors import Disagreement, InvalidInput, Misread
from nksim.patient import BSA_FORMULAS, Patient
from nksim.protocol.catalog import load
from nksim.protocol.choice import change
from nksim.protocol.reading import parse_protocol
from nksim.schedule import dosing
from nksim.schedule.recheck import read
from nksim.units import quantity

GOOD = parse_protocol((Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_bytes(), "good.yaml")


# Spellings of dosing notes 0 and 3.2, by hand.
@pytest.mark.parametrize(
    ("text", "number", "unit", "per"),
    [
        ("60 mg/kg", 60, "mg", "kg"),
        ("100 WU/m2", 10**6, "IU", "m2"),
        ("100万U/㎡", 10**6, "IU", "m2"),
        ("2.9 × 10⁷ cells/kg", 29 * 10**6, "cells", "kg"),
        ("2.9 x 10^7 cells/kg", 29 * 10**6, "cells", "kg"),
        ("10^9 cells", 10**9, "cells", ""),
        ("1.0e+9 cells", 10**9, "cells", ""),
        ("1E7 cells/kg (level 2)", 10**7, "cells", "kg"),
        ("1,500 mg/m² (level 1)", 1500, "mg", "m2"),
        ("12 mcg/kg", Fraction(12, 1000), "mg", "kg"),
        ("25 mg/m^2/day", 25, "mg", "m2"),
        ("200 cGy", 2, "Gy", ""),
        (".5 g", 500, "mg", ""),
    ],
)
def test_the_second_grammar_reads_doses_of_its_own(text, number, unit, per):
    assert read(text) == (number, unit, per)


NUMBERS = [
    "60",
    "0.5",
    ".5",
    "1e9",
    "1E9",
    "1.0e+9",
    "2.9 × 10⁷",
    "2.9x10^7",
    "3*10^6",
    "10^9",
    "10⁹",
    "1 x 10^6",
    "+60",
    "5e-1",
]
UNITS = ["mg", "g", "mcg", "μg", "IU", "kIU", "MIU", "WU", "万U", "万单位", "萬IU", "cGy", "Gy", "cells", "cell"]
PER = ["", "/kg", "/m^2", "/m2", "/㎡", "/m²", "/kg/day", "/m^2/d"]


@given(st.sampled_from(NUMBERS), st.sampled_from(["", " ", "  "]), st.sampled_from(UNITS), st.sampled_from(PER))
def test_whatever_the_first_grammar_reads_the_second_reads_alike(number, space, unit, per):
    text = f"{number}{space}{unit}{per}"
    try:
        first = quantity(text).canonical()
    except Misread:
        return
    assert read(text) == (Fraction(first.number), first.unit, (first.per or "").replace("m^2", "m2"))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [("cy", "61 mg/kg"), ("cy", "60 mg/m^2"), ("cy", "60 mg"), ("cy", "60 mcg/kg"), ("flu", "2.5 mg/m^2")],
)
def test_a_dose_that_is_not_the_file_s_stops_the_run(line, wrong):
    lines = {x.id: x for x in GOOD.arms["a"].lines}
    other = change(GOOD, f"{line}.dose", wrong).arms["a"].lines
    value = next(x for x in other if x.id == line).dose.value
    broken = lines[line].model_copy(update={"dose": replace(lines[line].dose, value=value)})
    with pytest.raises(Disagreement, match=rf"NK399.*{line}: dose 1 of patient P001 is .* by another"):
        dosing.dose_of(broken, 1, Patient(weight=70, height=170), GOOD.body)


@pytest.mark.parametrize("name", ["_capped", "_body_size", "round_amount"])
def test_a_step_that_does_nothing_stops_the_run(name, monkeypatch):
    lines = {
        x.id: x for x in change(change(GOOD, "cy.cap", "3 g"), "cy.round", "{to: 40 mg, within: 10 %}").arms["a"].lines
    }
    idle = {
        "_capped": lambda dose, held: dose,
        "_body_size": lambda *_: (Decimal(2), "", (), ()),
        "round_amount": lambda amount, *_: (amount + 1, ""),
    }
    monkeypatch.setattr(dosing, name, idle[name])
    with pytest.raises(Disagreement, match="NK399"):
        dosing.dose_of(lines["cy"], 1, Patient(weight=70, height=170), GOOD.body)


@settings(max_examples=400, deadline=None)
@given(
    st.decimals("3", "180", places=1),
    st.decimals("50", "205", places=1),
    st.sampled_from("FM"),
    st.sampled_from(sorted(BSA_FORMULAS)),
    st.sampled_from(["none", "1.7 m^2", "2.0 m^2"]),
    st.sampled_from(["actual", "ideal", "adjusted 40 %", "adjusted 50 % at >= 150 % of ideal"]),
    st.sampled_from(["none", "{to: 50 mg, within: 10 %}", "{to: 0.1 mg, within: 5 %}"]),
)
def test_both_ways_agree_for_every_body_and_rule(kg, cm, sex, formula, cap, weight, step):
    protocol = change(change(change(GOOD, "body.bsa", formula), "body.bsa_cap", cap), "body.weight", weight)
    if step != "none":
        protocol = change(change(protocol, "cy.round", step), "flu.round", step)
    for line in protocol.arms["a"].lines:
        try:
            patient = Patient(weight=f"{kg} kg", height=f"{cm} cm", sex=sex, age="30 y", creatinine="70 umol/L")
            found = dosing.dose_of(line, 1, patient, protocol.body)
        except InvalidInput:  # no such body, too short for Devine, or rounding beyond its limit
            continue
        assert found.amount > 0


def test_every_dose_of_the_catalogue_is_reckoned_twice():
    found = load("nkaml").arms["main"].lines
    for line in found:
        assert dosing.dose_of(line, 1, Patient(weight=25, height=128), load("nkaml").body).amount > 0


# A half on the edge of a float: Mosteller of 162 cm and 72 kg is exactly 1.8 m2, and 25 mg/m2 exactly 45 mg.
def test_a_half_goes_up_although_the_surface_is_a_float():
    protocol = change(GOOD, "flu.round", "{to: 10 mg, within: 10 %}")
    with pytest.raises(InvalidInput, match=r"NK302.*rounding 45 to 50 changes it by 11\.1 %"):
        dosing.dose_of(protocol.arms["a"].lines[1], 1, Patient(weight=72, height=162), protocol.body)
