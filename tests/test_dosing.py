"""From a dose rule and a body to one amount."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.protocol.catalog import load
from nksim.protocol.choice import change
from nksim.protocol.reading import parse_protocol
from nksim.schedule.dosing import dose_of

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
GOOD = parse_protocol(TEXT.encode(), "good.yaml")
JK500 = load("jk500")
# reference cases 6.2: doses of NCT05519384 (cyclophosphamide 60 mg/kg, fludarabine 25 mg/m2, IL-2 1e6 units/m2) with the
# Mosteller formula, no rounding and no cap, for kg and cm.
WORKED = {
    (25, 128): (1500, 23.5702, 942_809),
    (70, 170): (4200, 45.4530, 1_818_119),
    (90, 180): (5400, 53.0330, 2_121_320),
}


def dose(protocol, line, weight=70, height=170, number=1, **body):
    lines = {x.id: x for arm in protocol.arms.values() for x in arm.lines}
    return dose_of(lines[line], number, Patient(weight=weight, height=height, **body), protocol.body)


def with_cy(**settings):
    """The good protocol with answers to facts of its cyclophosphamide line."""
    protocol = GOOD
    for field, value in settings.items():
        protocol = change(protocol, f"cy.{field}", value)
    return protocol


def banded(*cases):
    """The good protocol with cyclophosphamide dosed by cases."""
    listed = ", ".join(f"{{when: {when}, give: {give}}}" if when else f"{{otherwise: {give}}}" for when, give in cases)
    return parse_protocol(TEXT.replace("dose: 60 mg/kg", f"dose: [{listed}]").encode(), "banded.yaml")


@pytest.mark.parametrize("body", WORKED, ids=str)
def test_doses_are_those_worked_by_hand(body):
    cy, flu, il2 = (dose(JK500, line, *body) for line in ("cy", "flu", "il2"))
    assert (cy.amount, cy.unit) == (WORKED[body][0], "mg")
    assert (float(flu.amount), flu.unit) == (pytest.approx(WORKED[body][1], abs=5e-5), "mg")
    assert (float(il2.amount), il2.unit) == (pytest.approx(WORKED[body][2], abs=0.5), "IU")


@pytest.mark.parametrize(
    ("per_kg", "weight", "cells"), [("1e7", 25, "2.5e8"), ("2e7", 25, "5e8"), ("1e7", 90, "9e8"), ("2e7", 70, "1.4e9")]
)
def test_cells_per_kg_are_cells_times_weight(per_kg, weight, cells):
    protocol = change(JK500, "cells.dose", f"{per_kg} cells/kg")
    assert dose(protocol, "cells", weight).amount == Decimal(cells)


# dosing notes 2.1: Stevenson at 110 cm, 19 kg and 170 cm, 70 kg; the Chinese paediatric formula up to and above 30 kg.
@pytest.mark.parametrize(
    ("formula", "height", "weight", "bsa"),
    [
        ("stevenson", 110, 19, 0.7613),
        ("stevenson", 170, 70, 1.7801),
        ("chinese-paediatric", None, 10, 0.45),
        ("chinese-paediatric", None, 30, 1.15),
        ("chinese-paediatric", None, 30.1, 1.052),
        ("chinese-paediatric", None, 50, 1.45),
    ],
)
def test_formulas_common_in_china_are_there_with_a_caution(formula, height, weight, bsa):
    found = dose(change(GOOD, "body.bsa", formula), "flu", weight, height)
    assert float(found.amount) == pytest.approx(25 * bsa, abs=25e-5 / 2)
    assert [code for code, _ in found.cautions] == ["NK321"]
    assert dose(GOOD, "flu").cautions == ()


# reference cases 6.3: label of oral fludarabine, 40 mg/m2 by band of BSA (two decimals); bands are data, no formula gives them.
LABEL = [(0.88, 30), (1.13, 40), (1.38, 50), (1.63, 60), (1.88, 70), (2.13, 80), (2.38, 90)]


@pytest.mark.parametrize(("top", "mg"), LABEL)
def test_a_published_table_of_bands_is_followed_to_its_edges(top, mg):
    table = banded(*((f"bsa < {edge + 0.005:.3f} m^2", f"{amount} mg") for edge, amount in LABEL), (None, "100 mg"))
    for bsa, expected in ((top, mg), (top + 0.01, mg + 10)):
        # Mosteller: the weight in kg is 3600·BSA² over the height, 20·BSA² at 180 cm and 30·BSA² at 120 cm.
        height = 180 if bsa > 1.3 else 120
        assert dose(table, "cy", 3600 * bsa**2 / height, height).amount == expected


# reference cases 6.3: tisagenlecleucel, 0.2-5.0e6/kg up to 50 kg and 0.1-2.5e8 in all above it, where the two meet.
@pytest.mark.parametrize(
    ("per_kg", "flat", "weight", "cells"),
    [
        ("2e5", "1e7", "50", "1e7"),
        ("5e6", "2.5e8", "50", "2.5e8"),
        ("2e5", "1e7", "50.1", "1e7"),
        ("5e6", "2.5e8", "50.1", "2.5e8"),
        ("5e6", "2.5e8", "20", "1e8"),
    ],
)
def test_a_weight_switch_from_per_kg_to_flat_is_continuous(per_kg, flat, weight, cells):
    old = "dose: 1.0e+9 cells"
    cases = f"dose: [{{when: weight <= 50 kg, give: {per_kg} cells/kg}}, {{otherwise: {flat} cells}}]"
    protocol = parse_protocol(TEXT.replace(old, cases).encode(), "switch.yaml")
    assert dose(protocol, "cells", weight, None).amount == Decimal(cells)


# MSK NCT02650648: cyclophosphamide 50 mg/kg below 70 kg, else 1,500 mg/m2.
@pytest.mark.parametrize(("weight", "mg"), [(69.9, 3495.0), (70, 2727.17805)])
def test_a_rule_may_switch_from_per_kg_to_per_surface(weight, mg):
    switch = banded(("weight < 70 kg", "50 mg/kg"), (None, "1500 mg/m^2"))
    assert float(dose(switch, "cy", weight, 170).amount) == pytest.approx(mg, abs=5e-5)


@pytest.mark.parametrize("text", ["1.000 mg", "1.500 mg/m^2", "25.000 mg", "[1.500, 3.000] mg"])
def test_a_thousands_point_is_refused(text):
    with pytest.raises(InvalidInput, match=r"NK211.*thousands point"):
        with_cy(dose=text)


@pytest.mark.parametrize(
    ("text", "mg"), [("1.5 mg", "1.5"), ("1.125 mg", "1.125"), ("0.500 mg", "0.5"), ("1.50 mg", "1.5")]
)
def test_decimals_that_are_no_thousands_are_read(text, mg):
    assert dose(with_cy(dose=text), "cy").amount == Decimal(mg)


def test_a_flat_dose_is_the_same_for_every_body():
    assert dose(GOOD, "cells", 3.5, 50).amount == dose(GOOD, "cells", 130, 172).amount == 10**9


# reference cases 6.1 for 180 cm, 90 kg: the choice of the formula alone moves the dose.
@pytest.mark.parametrize(
    ("formula", "bsa"),
    [
        ("mosteller", 2.1213203),
        ("dubois", 2.0989010),
        ("haycock", 2.1377747),
        ("gehan-george", 2.1350365),
        ("boyd", 2.1399786),
        ("fujimoto", 2.0487502),
    ],
)
def test_a_dose_per_body_surface_uses_the_formula_of_the_file(formula, bsa):
    found = dose(change(GOOD, "body.bsa", formula), "flu", 90, 180)
    assert float(found.amount) == pytest.approx(25 * bsa, abs=25e-7)


# reference cases 6.2: 90 kg, 180 cm has 2.12 m2; capped at 2.0 m2 it gets 50 mg a day.
def test_a_cap_of_body_surface_holds_above_it_and_not_below():
    capped = change(GOOD, "body.bsa_cap", "2.0 m^2")
    assert dose(capped, "flu", 90, 180).amount == 50
    assert "capped" in dose(capped, "flu", 90, 180).calculation
    assert dose(capped, "flu", 70, 170).amount == dose(GOOD, "flu", 70, 170).amount


@pytest.mark.parametrize(
    ("weight", "mg", "capped"), [(25, 1500, False), (50, 3000, False), (50.5, 3000, True), (70, 3000, True)]
)
def test_a_cap_of_an_amount_is_the_most_that_is_given(weight, mg, capped):
    found = dose(with_cy(cap="3 g"), "cy", weight)
    assert (found.amount, "capped at 3,000 mg" in found.calculation) == (mg, capped)


def test_the_calculation_shows_what_a_cap_took_away():
    assert dose(with_cy(cap="3 g"), "cy", 70).calculation == "60 mg/kg × 70 kg (actual) = 4,200 mg, capped at 3,000 mg"


@pytest.mark.parametrize(("number", "cells"), [(1, "6e8"), (2, "1.2e9"), (3, "1.8e9")])
def test_a_list_gives_each_administration_its_own_dose(number, cells):
    protocol = change(GOOD, "cells.dose", "[6e8, 1.2e9, 1.8e9] cells")
    assert dose(protocol, "cells", number=number).amount == Decimal(cells)


def test_a_list_that_is_too_short_is_refused():
    with pytest.raises(InvalidInput, match=r"NK301.*lists 2 doses and dose 3 is planned"):
        dose(change(GOOD, "cells.dose", "[6e8, 1.2e9] cells"), "cells", number=3)


# A published rule of this shape (tisagenlecleucel, reference cases 6.3) switches at 50 kg: 50.0 is in, 50.1 is out.
@pytest.mark.parametrize(
    ("operator", "weight", "mg"),
    [
        ("<", 49.9, "2994"),
        ("<", 50.0, "1000"),
        ("<=", 50.0, "3000"),
        ("<=", 50.1, "1000"),
        (">", 50.0, "1000"),
        (">", 50.1, "3006"),
        (">=", 50.0, "3000"),
    ],
)
def test_a_band_has_its_edge_where_the_file_says(operator, weight, mg):
    protocol = banded((f"weight {operator} 50 kg", "60 mg/kg"), (None, "1000 mg"))
    assert dose(protocol, "cy", weight).amount == Decimal(mg)


@pytest.mark.parametrize(("age", "mg"), [("17.99 y", 100), ("18 y", 200)])
def test_a_band_of_age_counts_completed_years(age, mg):
    assert dose(banded(("age < 18 y", "100 mg"), (None, "200 mg")), "cy", age=age).amount == mg


# 180 cm and 80 kg are exactly 2 m2 by Mosteller.
@pytest.mark.parametrize(("weight", "mg"), [(79, 100), (80, 200)])
def test_a_band_of_body_surface_uses_the_formula(weight, mg):
    assert dose(banded(("bsa < 2 m^2", "100 mg"), (None, "200 mg")), "cy", weight, 180).amount == mg


def test_bands_are_read_from_the_top():
    three = banded(("weight < 20 kg", "100 mg"), ("weight < 50 kg", "200 mg"), (None, "300 mg"))
    assert [dose(three, "cy", w, 120).amount for w in (19, 20, 49, 50)] == [100, 200, 200, 300]


def test_a_band_needs_the_measure_it_asks_for():
    with pytest.raises(InvalidInput, match=r"NK405.*the age is needed"):
        dose(banded(("age < 18 y", "100 mg"), (None, "200 mg")), "cy")


# dosing notes 2.5: 1,020 mg to 1,000 is -1.96 %; 25.1 to 25 is -0.4 %. Halves go up, in decimals: 2.675 is below the
# half as a binary float and exactly on it as it is written.
@pytest.mark.parametrize(
    ("mg", "step", "rounded"),
    [
        ("1020", "50", "1000"),
        ("25.1", "1", "25"),
        ("1025", "50", "1050"),
        ("1024.9", "50", "1000"),
        ("2.5", "1", None),
        ("2.675", "0.01", "2.68"),
        ("1.005", "0.01", "1.01"),
    ],
)
def test_rounding_goes_to_the_nearest_step_and_halves_go_up(mg, step, rounded):
    protocol = with_cy(dose=f"{mg} mg", round=f"{{to: {step} mg, within: 10 %}}")
    if rounded is None:
        with pytest.raises(InvalidInput, match=r"NK302.*20\.0 %"):
            dose(protocol, "cy")
    else:
        assert dose(protocol, "cy").amount == Decimal(rounded)


# dosing notes 2.5: 1,680 mg to a vial of 500 mg is 1,500, -10.7 %: above the 10 % that HOPA 2018 accepts.
def test_rounding_beyond_its_limit_is_refused_with_the_change():
    with pytest.raises(InvalidInput, match=r"NK302.*1,680 to 1,500 changes it by 10\.7 %"):
        dose(with_cy(dose="1680 mg", round="{to: 500 mg, within: 10 %}"), "cy")


def test_rounding_to_nothing_is_refused():
    with pytest.raises(InvalidInput, match=r"NK302.*100\.0 %"):
        dose(with_cy(dose="20 mg", round="{to: 50 mg, within: 10 %}"), "cy")


@pytest.mark.parametrize("within", ["0 %", "10.1 %", "50 %", "5 mg"])
def test_no_file_may_allow_more_than_ten_percent(within):
    with pytest.raises(InvalidInput, match="NK216"):
        with_cy(round=f"{{to: 50 mg, within: {within}}}")


def test_a_cap_comes_before_the_rounding():
    found = dose(with_cy(cap="1030 mg", round="{to: 50 mg, within: 10 %}"), "cy", 70)
    assert found.amount == 1050


@pytest.mark.parametrize(
    ("line", "calculation"),
    [
        ("cy", "60 mg/kg × 25 kg (actual)"),
        ("flu", "25 mg/m² × 0.942809 m² (Mosteller, 128 cm, 25 kg)"),
        ("cells", "1E9 cells (flat)"),
    ],
)
def test_the_calculation_can_be_followed_by_hand(line, calculation):
    assert dose(GOOD, line, 25, 128).calculation == calculation


def test_the_facts_of_a_dose_are_those_it_used():
    assert [name for name, _ in dose(GOOD, "cells").facts] == ["dose"]
    assert [name for name, _ in dose(GOOD, "cy").facts] == ["dose", "weight"]
    assert [name for name, _ in dose(GOOD, "flu").facts] == ["dose", "weight", "bsa", "bsa_cap"]
    assert [name for name, _ in dose(with_cy(cap="3 g"), "cy", 20, 110).facts] == ["dose", "weight", "cap"]


@given(st.sampled_from(["cy", "flu", "cells"]), st.floats(12, 100), st.floats(0.01, 20))
def test_a_heavier_patient_never_gets_less(line, weight, more):
    capped = change(with_cy(cap="3 g"), "body.bsa_cap", "1.5 m^2")
    assert dose(capped, line, weight, 120).amount <= dose(capped, line, weight + more, 120).amount


@given(st.decimals("5", "150", places=2))
def test_an_uncapped_dose_per_kg_is_proportional_to_weight(weight):
    assert dose(GOOD, "cy", str(weight), None).amount == 60 * weight


# 50 mg to 55 mg is exactly 10 %, the limit that HOPA 2018 still accepts.
def test_a_change_at_the_limit_is_accepted():
    assert dose(with_cy(dose="50 mg", round="{to: 55 mg, within: 10 %}"), "cy").amount == 55
