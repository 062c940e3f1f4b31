"""Numbers, quantities and durations: the grammar at the door, and the one pint registry behind it.

User text never reaches pint. A closed grammar (an ASCII number, a unit from a closed table, `/kg`, `/m^2`,
`/day`) makes a `Quantity`; pint then converts between canonical names only, in decimal arithmetic, with body
weight and body surface as dimensions of their own so that mg/kg is not dimensionless.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any

from nksim.errors import Misread, shorten

if TYPE_CHECKING:
    import pint

LONGEST_TEXT = 300
LARGEST_NUMBER = Decimal("1e15")
SMALLEST_NUMBER = Decimal("1e-15")

# spelling -> (canonical unit, power-of-ten multiplier that the spelling carries)
_UNITS: dict[str, tuple[str, Decimal]] = {
    **{u: (u, Decimal(1)) for u in ("mg", "g", "mcg", "ng", "IU", "Gy", "cGy", "cells", "mL", "kg", "cm", "%", "EU")},
    "m^2": ("m^2", Decimal(1)),
    "μg": ("mcg", Decimal(1)),
    "kIU": ("IU", Decimal(10**3)),
    "MIU": ("IU", Decimal(10**6)),
    **{u: ("IU", Decimal(10**4)) for u in ("WU", "万U", "万IU", "万单位", "萬U", "萬IU", "萬單位")},
    "cell": ("cells", Decimal(1)),
    "umol/L": ("umol/L", Decimal(1)),
}
DIMENSIONS = {
    "mg": "drug mass",
    "g": "drug mass",
    "mcg": "drug mass",
    "ng": "drug mass",
    "IU": "activity",
    "Gy": "radiation",
    "cGy": "radiation",
    "cells": "cells",
    "kg": "body weight",
    "cm": "body height",
    "m^2": "body surface",
    "mL": "volume",
    "%": "percent",
    "umol/L": "creatinine",
    "EU": "endotoxin",
}
CANONICAL = {"drug mass": "mg", "activity": "IU", "radiation": "Gy", "cells": "cells"}
_REFUSED = {
    "U": "write IU (or WU for 10^4 IU): U is an enzyme unit elsewhere",
    "MU": "write MIU for 10^6 IU",
    "mU": "write IU, kIU or MIU",
    "mIU": "mIU and MIU differ by 10^9: write IU, kIU or MIU",
    "unit": "write IU",
    "units": "write IU",
    "ug": "write mcg",
    "MG": "write mg, as in mg/kg",
    "Mg": "write mg, as in mg/kg",
    "M": "write MIU for 10^6 IU",
    "lb": "write kilograms",
    "in": "write centimetres",
    "m": "write centimetres for a height and min for minutes",
}
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER_TEXT = re.compile(_NUMBER)
_SUPERSCRIPT_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")


@dataclass(frozen=True)
class Quantity:
    """A decimal number with a canonical unit, per kg or per m^2 where the text says so.

    >>> quantity("100 WU/m^2")
    Quantity(number=Decimal('1000000'), unit='IU', per='m^2', per_day=False)
    """

    number: Decimal
    unit: str
    per: str | None = None
    per_day: bool = False

    @property
    def dimension(self) -> str:
        """What the unit measures: drug mass, activity, cells, radiation, …"""
        return DIMENSIONS[self.unit]

    def canonical(self) -> Quantity:
        """The same quantity in nksim's own unit (mg, IU, cells, Gy).

        >>> quantity("12 mcg/kg").canonical()
        Quantity(number=Decimal('0.012'), unit='mg', per='kg', per_day=False)
        """
        unit = CANONICAL.get(self.dimension, self.unit)
        return Quantity(convert(self.number, self.unit, unit), unit, self.per, self.per_day)

    def __str__(self) -> str:
        """For the eye: thousands separated, cells in E-notation."""
        per = f"/{self.per.replace('^2', '²')}" if self.per else ""
        if self.unit == "cells":
            return f"{self.number.normalize():E}".replace("E+", "E") + f" cells{per}"
        return f"{grouped(self.number)} {self.unit}{per}"


@dataclass(frozen=True)
class Duration:
    """A length of time in the unit it was written in: min and h elapse, d, wk, mo and y are calendar steps.

    >>> duration("4 wk").days, duration("30 min").minutes
    (28, Decimal('30'))
    """

    number: Decimal
    unit: str

    @property
    def elapsed(self) -> bool:
        """True for hours and minutes, which are counted across clock changes."""
        return self.unit in ("min", "h")

    @property
    def minutes(self) -> Decimal:
        """Length in minutes; months and years have none."""
        return self.number * {"min": 1, "h": 60, "d": 1440, "wk": 10080}[self.unit]

    @property
    def days(self) -> int:
        """Whole calendar days of a length in d or wk."""
        return int(self.number) * {"d": 1, "wk": 7}[self.unit]

    @property
    def months(self) -> int:
        """Whole calendar months of a length in mo or y."""
        return int(self.number) * {"mo": 1, "y": 12}[self.unit]

    def __str__(self) -> str:
        return f"{plain(self.number)} {self.unit}"


def normalise(text: str) -> str:
    """One spelling for what people type: superscripts, the two micro signs, minus signs, × and powers of ten.

    >>> normalise("2.9 × 10⁷ cells/kg"), normalise("25 mg/㎡")
    ('2.9e7 cells/kg', '25 mg/m^2')
    """
    if len(text) > LONGEST_TEXT:
        raise Misread("NK201", f"a value of {len(text)} characters is too long", help=f"at most {LONGEST_TEXT}")
    for c in text:
        if c not in "0123456789" and c not in _SUPERSCRIPT_DIGITS and unicodedata.category(c) in ("Nd", "No", "Nl"):
            raise Misread("NK210", f"{shorten(c)} is not an ASCII digit", help="write digits as 0-9")
        if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t":
            raise Misread("NK201", f"control character {shorten(c)} in a value", help="delete it")
    text = re.sub("[⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "^" + m[0].translate(_SUPERSCRIPTS), text)
    text = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"(?<=[\d.]) ?[×x*] ?10\^\+?(-?\d+)", r"e\1", text)
    text = re.sub(r"(?<![\d.e])10\^\+?(-?\d+)", r"1e\1", text)
    return re.sub(r"(?<=/)m\^?2\b|(?<=\d )m\^?2\b", "m^2", text)


def respelled(text: str) -> bool:
    """Whether reading a text changes its characters or its unit, so that the reading should be shown.

    >>> respelled("60 mg/kg"), respelled("25 mg/㎡"), respelled("100 WU/m^2")
    (False, True, True)
    """
    multiplied = (u for u, (_, factor) in _UNITS.items() if factor != 1)
    return normalise(text) != text.strip() or any(u in text for u in multiplied)


def number(text: str) -> Decimal:
    """A finite decimal number from ASCII text, exactly as written.

    Raises `Misread` on commas, underscores, leading zeros, nan, inf and anything else.

    >>> number("1e9")
    Decimal('1E+9')
    """
    text = normalise(text)
    if "," in text:
        raise Misread(
            "NK211",
            f"comma in the number {shorten(text)}: thousands or decimals?",
            help="write 1000 or 1.5, without a comma",
        )
    if not re.fullmatch(_NUMBER, text):
        raise Misread("NK210", f"{shorten(text)} is not a number", help="write for example 60, 0.5 or 1e9")
    if re.match(r"[+-]?0\d", text):
        raise Misread("NK210", f"leading zero in {shorten(text)}", help="write the number without it")
    try:
        value = Decimal(text)
    except InvalidOperation:  # an exponent beyond what decimals hold
        value = Decimal("Infinity")
    if value and not SMALLEST_NUMBER <= abs(value) <= LARGEST_NUMBER:
        raise Misread(
            "NK213",
            f"{shorten(text)} is not a finite number that a dose could be",
            help=f"from {SMALLEST_NUMBER:e} to {LARGEST_NUMBER:e}",
        )
    return value


def quantity(text: str) -> Quantity:
    """A number with a unit of the closed table, e.g. `60 mg/kg`, `25 mg/m^2/day`, `1e9 cells`.

    Raises `Misread` with the spelling wanted when the unit is missing, ambiguous or unknown.

    >>> quantity("25 mg/㎡").per
    'm^2'
    """
    value, unit_text = split_number(normalise(text))
    return _with_unit(number(value), unit_text, text)


def split_number(text: str) -> tuple[str, str]:
    """The leading number of a normalised text, and the rest."""
    match = re.match(r"[+-]?[\d.,_]*(?:[eE][+-]?\d+)?", text)
    head = match[0] if match else ""
    if not head:
        raise Misread("NK210", f"{shorten(text)} does not begin with a number", help="write for example 60 mg/kg")
    return head, text[len(head) :].strip()


def quantity_range(text: str) -> tuple[Quantity, Quantity]:
    """`a..b unit` or `a-b unit`, low end first.

    >>> low, high = quantity_range("5e8..1e9 cells"); str(low), str(high)
    ('5E8 cells', '1E9 cells')
    """
    match = re.fullmatch(rf"({_NUMBER}) ?(?:\.\.|-) ?({_NUMBER}) ?(.*)", normalise(text))
    if not match:
        raise Misread("NK210", f"{shorten(text)} is not a range", help="write for example 5e8..1e9 cells")
    low = _with_unit(number(match[1]), match[3], text)
    high = _with_unit(number(match[2]), match[3], text)
    if low.number > high.number:
        raise Misread(
            "NK205",
            f"range {shorten(text)} runs backwards: its min is above its max",
            help=f"write {match[2]}..{match[1]} {match[3]}",
        )
    return low, high


def is_range(text: str) -> bool:
    """Whether a text is written as a range of quantities.

    >>> is_range("5e8..1e9 cells"), is_range("1e-9 mg")
    (True, False)
    """
    return re.match(rf"{_NUMBER} ?(?:\.\.|-) ?{_NUMBER}", normalise(text)) is not None


def _with_unit(value: Decimal, unit_text: str, text: str) -> Quantity:
    if not unit_text:
        raise Misread("NK212", f"{shorten(text)} has no unit", help="write for example 60 mg/kg, 1e9 cells, 1e6 IU")
    if unit_text in _UNITS:
        head, rest = unit_text, []
    else:
        head, *rest = (p.strip() for p in unit_text.split("/"))
    unit, factor = _unit(head, text)
    per = [p for p in rest if p in ("kg", "m^2")]
    daily = [p for p in rest if p in ("day", "d")]
    other = [p for p in rest if p not in ("kg", "m^2", "day", "d")]
    if other or len(per) > 1 or len(daily) > 1:
        raise Misread("NK212", f"unknown unit {shorten(unit_text)}", help=_suggest(unit_text))
    return Quantity(value * factor, unit, per[0] if per else None, bool(daily))


def _unit(name: str, text: str) -> tuple[str, Decimal]:
    if name in _UNITS:
        return _UNITS[name]
    if name in _REFUSED:
        raise Misread(
            "NK212",
            f"unit {shorten(name)} in {shorten(text)} is not in the range of units nksim reads",
            help=_REFUSED[name],
        )
    raise Misread("NK212", f"unknown unit {shorten(name)} in {shorten(text)}", help=_suggest(name))


def _suggest(name: str) -> str:
    known = [*_UNITS, "mg/kg", "mg/m^2", "IU/m^2", "cells/kg"]
    near = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.6)
    spelled = next((k for k in known if near and k.lower() == near[0]), None)
    wanted = "a unit is one of mg, g, mcg, ng, IU, kIU, MIU, WU, Gy, cGy, cells, with /kg or /m^2"
    return f"did you mean {spelled}?" if spelled else wanted


def duration(text: str) -> Duration:
    """A length of time: `30 min`, `1 h`, `28 d`, `4 wk`, `12 mo`, `2 y`.

    >>> duration("12 mo").months
    12
    """
    value, unit = split_number(normalise(text))
    if unit not in ("min", "h", "d", "wk", "mo", "y"):
        raise Misread(
            "NK214", f"{shorten(text)} is not a duration", help="write it with min, h, d, wk, mo or y: 30 min"
        )
    length = number(value)
    if length < 0:
        raise Misread("NK214", f"duration {shorten(text)} is negative", help="write before: or after: instead")
    if unit not in ("min", "h") and length != int(length):
        raise Misread("NK214", f"{shorten(text)} is not a whole number of calendar steps", help="write it in h or min")
    longest = {"min": 525600, "h": 8760, "d": 36500, "wk": 5200, "mo": 1200, "y": 100}[unit]
    if length > longest:
        raise Misread("NK214", f"duration {shorten(text)} is beyond any trial", help=f"at most {longest} {unit}")
    return Duration(length, unit)


def plain(value: Decimal) -> str:
    """A decimal in full, without exponent or trailing zeros.

    >>> plain(Decimal("1E+9")), plain(Decimal("0.50"))
    ('1000000000', '0.5')
    """
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def grouped(value: Decimal) -> str:
    """A number for the eye: thousands separated, six significant digits or all whole ones, no trailing zeros.

    >>> grouped(Decimal("1200.00")), grouped(Decimal("19.543398999805233")), grouped(Decimal("781735.9"))
    ('1,200', '19.5434', '781,736')
    """
    decimals = max(0, 5 - value.adjusted()) if value else 0
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def registry() -> pint.UnitRegistry[Any]:
    """nksim's own pint registry, in decimals: body weight, height and surface are dimensions of their own.

    >>> ureg = registry()
    >>> dose = ureg.Quantity(Decimal(60), "mg / kg") * ureg.Quantity(Decimal(20), "kg")
    >>> print(dose.to("mg"))
    1200 milligram
    """
    import pint

    ureg: pint.UnitRegistry[Any] = pint.UnitRegistry(None, non_int_type=Decimal)
    for line in (
        "milligram = [drug_mass] = mg",
        "gram = 1000 * milligram = g",
        "microgram = 0.001 * milligram = mcg",
        "nanogram = 0.000001 * milligram = ng",
        "international_unit = [activity] = IU",
        "cells = [cells]",
        "gray = [radiation] = Gy",
        "centigray = 0.01 * gray = cGy",
        "body_kilogram = [body_weight] = kg",
        "body_centimetre = [body_height] = cm",
        "body_square_metre = [body_surface] = m2",
        "millilitre = [volume] = mL",
    ):
        ureg.define(line)
    return ureg


def convert(value: Decimal, unit: str, to: str) -> Decimal:
    """`value` from one canonical unit to another of the same dimension, exactly.

    >>> convert(Decimal(2), "g", "mg")
    Decimal('2000')
    """
    if unit == to:
        return value
    if DIMENSIONS[unit] != DIMENSIONS[to]:
        raise Misread("NK215", f"{unit} is {DIMENSIONS[unit]}, not {DIMENSIONS[to]}", help=f"write it in {to}")
    return Decimal(registry().Quantity(value, unit).to(to).magnitude).normalize() + 0
