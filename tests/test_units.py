"""The grammar of numbers, quantities and durations."""

from decimal import Decimal

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.errors import Misread
from nksim.protocol.doses import dose_rule
from nksim.protocol.times import days, span, window
from nksim.units import (
    Duration,
    Quantity,
    convert,
    duration,
    grouped,
    is_range,
    number,
    plain,
    quantity,
    quantity_range,
    respelled,
)
from nksim.units import registry as own_registry

DECIMALS = st.decimals(min_value="1e-9", max_value="1e12", allow_nan=False, places=9)


def refused(parse, text):
    with pytest.raises(Misread) as found:
        parse(text)
    return found.value.code, found.value.help


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60", "60"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("-7", "-7"),
        ("1e9", "1000000000"),
        ("1.0e+9", "1000000000"),
        ("2.5E-3", "0.0025"),
        ("10^9", "1000000000"),
        ("10⁹", "1000000000"),
        ("1 × 10^9", "1000000000"),
        ("2.9×10⁷", "29000000"),
        ("5 x 10^8", "500000000"),
        ("5*10^8", "500000000"),
        ("1×10⁻³", "0.001"),
        ("\N{MINUS SIGN}6", "-6"),
    ],
)
def test_a_number_is_read_exactly_as_it_is_written(text, value):
    assert number(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1,000", "NK211"),
        ("1,5", "NK211"),
        ("010", "NK210"),
        ("-05", "NK210"),
        ("６０", "NK210"),
        ("٦٠", "NK210"),
        ("१०", "NK210"),
        ("𝟞𝟘", "NK210"),
        ("₆₀", "NK210"),
        ("①0", "NK210"),
        ("½", "NK210"),
        ("Ⅹ", "NK210"),
        ("1_000", "NK210"),
        ("nan", "NK210"),
        ("inf", "NK210"),
        ("-Infinity", "NK210"),
        ("0x10", "NK210"),
        ("1e", "NK210"),
        ("1.", "NK210"),
        ("--1", "NK210"),
        ("", "NK210"),
        ("1e400", "NK213"),
        ("1e16", "NK213"),
        ("1e-16", "NK213"),
        ("1e99999999999999999999", "NK213"),
        ("1e-99999999999999999999", "NK213"),
        ("9**9**9", "NK210"),
        ("6\u200b0", "NK201"),
        ("1" * 301, "NK201"),
    ],
)
def test_what_is_no_number_for_certain_is_refused(text, code):
    assert refused(number, text)[0] == code


@given(st.decimals(min_value="-1e15", max_value="1e15", allow_nan=False, places=6))
def test_a_number_survives_being_printed_in_full(value):
    assert number(plain(value)) == value


# The unit and its size in mg, IU, Gy or cells; 1 WU = 1 wan unit = 10^4 IU (dosing notes, 3.2).
@pytest.mark.parametrize(
    ("text", "amount", "unit", "per"),
    [
        ("60 mg/kg", "60", "mg", "kg"),
        ("60mg/kg", "60", "mg", "kg"),
        ("25 mg/m^2", "25", "mg", "m^2"),
        ("25 mg/m2", "25", "mg", "m^2"),
        ("25 mg/m²", "25", "mg", "m^2"),
        ("25mg/㎡", "25", "mg", "m^2"),
        ("25 mg/m^2/day", "25", "mg", "m^2"),
        ("5 g", "5000", "mg", None),
        ("12 mcg/kg", "0.012", "mg", "kg"),
        ("12 \u00b5g/kg", "0.012", "mg", "kg"),
        ("12 \u03bcg/kg", "0.012", "mg", "kg"),
        ("500 ng", "0.0005", "mg", None),
        ("9e6 IU", "9000000", "IU", None),
        ("2 kIU", "2000", "IU", None),
        ("1 MIU/m^2", "1000000", "IU", "m^2"),
        ("100 WU/m^2", "1000000", "IU", "m^2"),
        ("100 万U/m^2", "1000000", "IU", "m^2"),
        ("100万IU/m2", "1000000", "IU", "m^2"),
        ("100 万单位/m^2", "1000000", "IU", "m^2"),
        ("100 萬單位/m^2", "1000000", "IU", "m^2"),
        ("2 Gy", "2", "Gy", None),
        ("200 cGy", "2", "Gy", None),
        ("1e9 cells", "1000000000", "cells", None),
        ("1e7 cells/kg", "10000000", "cells", "kg"),
    ],
)
def test_a_quantity_has_its_size_in_canonical_units(text, amount, unit, per):
    found = quantity(text).canonical()
    assert (found.number, found.unit, found.per) == (Decimal(amount), unit, per)


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("100 U/m^2", "IU"),
        ("1 MU", "MIU"),
        ("1 mIU/m^2", "10^9"),
        ("100 unit", "IU"),
        ("100 units/m^2", "IU"),
        ("12 ug/kg", "mcg"),
        ("60 MG/KG", "mg/kg"),
        ("60 Mg", "mg"),
        ("6 M", "MIU"),
        ("60", "mg/kg"),
        ("60 mgg", "mg"),
        ("60 mg/kg/kg", "mg/kg"),
        ("60 mg kg-1", "mg/kg"),
        ("60 mg/lb", "mg/kg"),
        ("60 mg/m", "mg"),
        ("60 pt", "unit"),
    ],
)
def test_a_unit_that_is_missing_or_ambiguous_is_refused_with_the_spelling_wanted(text, help):
    code, mend = refused(quantity, text)
    assert code == "NK212"
    assert help in mend


@pytest.mark.parametrize("text", ["mg 60", "about 60 mg", "__import__('os') mg", ""])
def test_a_quantity_begins_with_its_number(text):
    assert refused(quantity, text)[0] == "NK210"


@pytest.mark.parametrize(
    ("unit", "to", "in_pint"),
    [("g", "mg", "gram"), ("mcg", "mg", "microgram"), ("ng", "mg", "nanogram"), ("cGy", "Gy", "centigray")],
)
def test_a_unit_is_as_large_as_in_the_registry_of_pint(unit, to, in_pint):
    theirs = pint.UnitRegistry().Quantity(1, in_pint).to({"mg": "milligram", "Gy": "gray"}[to]).magnitude
    assert float(convert(Decimal(1), unit, to)) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(("unit", "to"), [("mg", "IU"), ("IU", "mg"), ("cells", "mg"), ("Gy", "mg"), ("mg", "kg")])
def test_units_of_different_things_are_never_converted(unit, to):
    assert refused(lambda _: convert(Decimal(1), unit, to), "")[0] == "NK215"


def test_a_dose_per_kg_times_a_height_is_no_amount():
    ureg = own_registry()
    product = ureg.Quantity(Decimal(60), "mg / kg") * ureg.Quantity(Decimal(110), "cm")
    with pytest.raises(pint.DimensionalityError):
        product.to("mg")


@given(DECIMALS, st.sampled_from(["mg", "g", "mcg", "ng"]))
def test_there_and_back_again_is_the_same_mass(value, unit):
    assert convert(convert(value, unit, "mg"), "mg", unit) == value


@given(
    DECIMALS.filter(lambda d: d >= 1), st.sampled_from(["mg", "g", "IU", "Gy"]), st.sampled_from([None, "kg", "m^2"])
)
def test_a_quantity_written_in_full_is_read_back(value, unit, per):
    text = f"{plain(value)} {unit}" + (f"/{per}" if per else "")
    assert quantity(text) == Quantity(value, unit, per)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("5e8..1e9 cells", "5e8", "1e9"), ("5e8-1e9 cells", "5e8", "1e9"), ("1×10⁷ .. 2×10⁷ cells/kg", "1e7", "2e7")],
)
def test_a_range_has_its_low_end_first(text, low, high):
    found = quantity_range(text)
    assert is_range(text)
    assert [q.number for q in found] == [Decimal(low), Decimal(high)]


def test_a_range_upside_down_is_refused_with_the_right_way_round():
    assert refused(quantity_range, "1e9..5e8 cells") == ("NK205", "write 5e8..1e9 cells")


@pytest.mark.parametrize("text", ["1e-9 mg", "-5 mg", "1 mg"])
def test_a_negative_exponent_is_no_range(text):
    assert not is_range(text)


@pytest.mark.parametrize(
    ("text", "minutes"), [("30 min", 30), ("1 h", 60), ("1.5 h", 90), ("2 d", 2880), ("4 wk", 40320), ("0.5h", 30)]
)
def test_a_duration_has_its_length_in_minutes(text, minutes):
    assert duration(text).minutes == minutes


@pytest.mark.parametrize(("text", "months"), [("1 mo", 1), ("24 mo", 24), ("2 y", 24)])
def test_months_and_years_are_calendar_months(text, months):
    assert duration(text).months == months
    assert not duration(text).elapsed


@pytest.mark.parametrize(
    "text", ["30", "1:30", "30 minutes", "30 M", "-5 min", "1.5 d", "0.5 mo", "101 y", "400 d d", "", "1e9 h"]
)
def test_a_length_without_a_clear_unit_is_no_duration(text):
    assert refused(duration, text)[0] in ("NK210", "NK214")


def test_days_are_whole_and_hours_may_be_broken():
    assert duration("1.5 h") == Duration(Decimal("1.5"), "h")


# Thousands separated, no trailing zero, a leading zero: the ISMP list of error-prone abbreviations, 2021.
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1200", "1,200"),
        ("1200.00", "1,200"),
        (".5", "0.5"),
        ("1000000", "1,000,000"),
        ("23.570226", "23.5702"),
        ("0", "0"),
    ],
)
def test_a_number_for_the_eye_follows_the_ismp_list(value, shown):
    assert grouped(Decimal(value)) == shown


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("-6..-2", (-6, -5, -4, -3, -2)),
        ("0, 3, 7", (0, 3, 7)),
        ("-1", (-1,)),
        ("\N{MINUS SIGN}7", (-7,)),
        ("0..2, 7", (0, 1, 2, 7)),
    ],
)
def test_days_are_integers_and_inclusive_ranges(text, found):
    assert days(text).days == found


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("-2..-6", "NK204"),
        ("-6, -6, -5", "NK209"),
        ("3, 0", "NK209"),
        ("1.5", "NK206"),
        ("day 1", "NK206"),
        ("０", "NK210"),
        ("0..1000", "NK208"),
        ("36501", "NK206"),
        ({"count": "1000000000", "every": "1 d"}, "NK208"),
        ({"count": "2.5", "every": "1 d"}, "NK208"),
        ({"count": "８", "every": "1 d"}, "NK208"),
        ({"count": "0", "every": "1 d"}, "NK208"),
        ({"count": "1000", "every": "10 wk"}, "NK208"),
        ({"count": "8", "every": "1 mo"}, "NK214"),
        ({"count": "8", "every": "12 h"}, "NK214"),
        ({"count": "8", "every": "7 d", "pattern": "1, 3"}, "NK206"),
        ({"count": "8", "every": "7 d", "pattern": "0, 7"}, "NK206"),
        ({"every": "7 d"}, "NK202"),
        ({"count": "5", "every": "28 d", "first": {"after": "each cells", "by": "28 d"}}, "NK220"),
    ],
)
def test_days_that_cannot_be_are_refused(raw, code):
    assert refused(days, raw)[0] == code


@pytest.mark.parametrize("text", ["60..30 min", "1 mo", "1..2 mo", "2..3 d", "-5 min"])
def test_a_distance_between_doses_is_a_length_in_one_clear_order(text):
    # The middle of 2..3 d is no whole day, and a month has no fixed length.
    assert refused(span, text)[0] in ("NK205", "NK214")


@pytest.mark.parametrize(
    ("text", "shown"), [("-1..+3 d", "−1 to +3 d"), ("0..2 h", "0 to +2 h"), ("-30..30 min", "−30 to +30 min")]
)
def test_a_window_lies_around_the_nominal_time(text, shown):
    assert str(window(text)) == shown


@pytest.mark.parametrize("text", ["1..3 d", "3 d", "-1..-3 d", "-1..+3 mo"])
def test_a_window_without_the_nominal_time_is_refused(text):
    assert refused(window, text)[0] == "NK221"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0 mg/kg", "NK217"),
        ("-60 mg/kg", "NK217"),
        ("540 cells", "NK218"),
        ("99999 cells", "NK218"),
        ("20 kg", "NK215"),
        ("1.5 m^2", "NK215"),
        ("10 %", "NK215"),
        ("[2e6, 6e6 cells/kg", "NK210"),
        ("[2e6, ] cells/kg", "NK210"),
        ("", "NK210"),
    ],
)
def test_what_is_no_dose_is_refused(text, code):
    assert refused(dose_rule, text)[0] == code


@pytest.mark.parametrize(
    ("cases", "code"),
    [
        ([{"when": "weight < 70 kg", "give": "50 mg/kg"}], "NK202"),
        ([{"otherwise": "50 mg/kg"}, {"when": "weight < 70 kg", "give": "50 mg/kg"}], "NK202"),
        ([{"when": "height < 70 cm", "give": "50 mg/kg"}, {"otherwise": "1 g"}], "NK219"),
        ([{"when": "weight < 70 lb", "give": "50 mg/kg"}, {"otherwise": "1 g"}], "NK212"),
        ([{"when": "weight < 70 cm", "give": "50 mg/kg"}, {"otherwise": "1 g"}], "NK219"),
        ([{"when": "age < 18", "give": "50 mg/kg"}, {"otherwise": "1 g"}], "NK219"),
        ([], "NK202"),
    ],
)
def test_dose_cases_without_a_clear_end_are_refused(cases, code):
    assert refused(dose_rule, cases)[0] == code


@pytest.mark.parametrize("longest", ["525600 min", "8760 h", "36500 d", "5200 wk", "1200 mo", "100 y"])
def test_a_duration_has_a_longest_value(longest):
    number, unit = longest.split()
    assert duration(longest).number == int(number)
    with pytest.raises(Misread, match=r"beyond any trial"):
        duration(f"{int(number) + 1} {unit}")


@pytest.mark.parametrize("text", ["1e-15 mg", "1e15 cells"])
def test_the_least_and_the_largest_number_are_read(text):
    assert quantity(text).number > 0


@pytest.mark.parametrize(
    ("text", "changed"),
    [("60 mg/kg", False), (" 60 mg/kg ", False), ("25 mg/㎡", True), ("1 MIU", True), ("2 g", False)],
)
def test_a_text_that_is_read_otherwise_than_written_says_so(text, changed):
    assert respelled(text) == changed


def test_weeks_are_seven_days():
    assert (duration("3 wk").days, duration("3 d").days, duration("2 y").months, duration("2 mo").months) == (
        21,
        3,
        24,
        2,
    )


@pytest.mark.parametrize(("value", "shown"), [("0", "0"), ("1234567", "1,234,567"), ("0.0001234567", "0.000123457")])
def test_a_number_for_the_eye_has_six_digits(value, shown):
    assert grouped(Decimal(value)) == shown
