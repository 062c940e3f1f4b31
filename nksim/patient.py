"""A patient as the dosing rules see one: body size, body surface area, renal function."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from nksim.errors import Fault, InvalidInput, Misread, Place, shorten
from nksim.units import convert, plain, quantity

# Beyond these the number is a slip (grams, pounds, metres, a lost decimal point), not a body.
PLAUSIBLE = {
    "weight": (0.4, 350.0, "kg"),
    "height": (25.0, 250.0, "cm"),
    "age": (0.0, 120.0, "y"),
    "creatinine": (5.0, 2500.0, "umol/L"),
    "BMI": (7.0, 100.0, "kg/m²"),
}
_EXAMPLES = {"weight": "20 kg", "height": "110 cm", "age": "6 y or 18 mo", "creatinine": "40 umol/L"}
ID_PATTERN = re.compile(r"[^\W_][\w.\-]{0,63}")
UMOL_PER_MG_DL = 88.4


@dataclass(frozen=True, init=False)
class Patient:
    """One patient; what is not known is None and is asked for only where a rule needs it.

    Values are text with units, or plain numbers in kg, cm, years and µmol/L. Raises `InvalidInput` (NK401-NK404)
    naming every value that cannot be.

    >>> p = Patient(weight="20 kg", height="110 cm", age="6 y", sex="F", id="P001")
    >>> p.weight_kg, p.height_cm, p.age_y, round(p.bsa_m2("mosteller"), 6)
    (20.0, 110.0, 6.0, 0.781736)
    """

    id: str
    weight_kg: float | None
    height_cm: float | None
    age_y: float | None
    sex: str | None
    creatinine_umol_l: float | None

    def __init__(
        self,
        *,
        weight: str | float | None = None,
        height: str | float | None = None,
        age: str | float | None = None,
        sex: str | None = None,
        creatinine: str | float | None = None,
        id: str = "P001",
        place: Place | None = None,
    ) -> None:
        faults: list[Fault] = []
        given = {"weight": weight, "height": height, "age": age, "creatinine": creatinine}
        read: dict[str, float | None] = {}
        for name, raw in given.items():
            try:
                read[name] = None if raw is None else _measure(name, raw)
            except Misread as error:
                faults.append(Fault(error.code, f"patient {shorten(id)}: {error.message}", place, error.help))
        if not ID_PATTERN.fullmatch(id):
            faults.append(
                Fault(
                    "NK404",
                    f"patient id {shorten(id)} is not usable",
                    place,
                    "letters, digits, . _ - and at most 64 characters",
                )
            )
        if sex is not None and sex not in ("F", "M"):
            faults.append(
                Fault("NK403", f"patient {shorten(id)}: sex {shorten(sex)} is not known", place, "write F or M")
            )
        if read.get("weight") and read.get("height"):
            bmi = read["weight"] / (read["height"] / 100) ** 2  # type: ignore[operator]
            if not PLAUSIBLE["BMI"][0] <= bmi <= PLAUSIBLE["BMI"][1]:
                faults.append(
                    Fault(
                        "NK402",
                        f"patient {shorten(id)}: weight {read['weight']:g} kg with height "
                        f"{read['height']:g} cm is not plausible (BMI {bmi:.1f})",
                        place,
                        "are both in kg and cm?",
                    )
                )
        if faults:
            raise InvalidInput(faults)
        values = (id, read["weight"], read["height"], read["age"], sex, read["creatinine"])
        for field, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, field, value)

    @classmethod
    def known(
        cls,
        id: str,
        *,
        weight_kg: float,
        height_cm: float,
        age_y: float,
        sex: str,
        creatinine_umol_l: float | None = None,
    ) -> Patient:
        """A patient whose measures were checked elsewhere, as those of a virtual population are."""
        patient = cls.__new__(cls)
        values = (id, weight_kg, height_cm, age_y, sex, creatinine_umol_l)
        for field, value in zip(cls.__dataclass_fields__, values, strict=True):
            object.__setattr__(patient, field, value)
        return patient

    def weight(self) -> float:
        """Actual body weight in kg; raises `InvalidInput` NK405 where it is not known."""
        return self._known("weight", self.weight_kg, "--weight 20kg, or weight_kg to the file of patients")

    def bsa_m2(self, formula: str) -> float:
        """Body surface area in m² by a formula of `BSA_FORMULAS`; needs weight and height (NK405)."""
        height_cm = self._known("height", self.height_cm, "--height 110cm, or height_cm to the file of patients")
        return BSA_FORMULAS[formula](height_cm, self.weight())

    def egfr(self) -> tuple[float, str] | None:
        """eGFR in mL/min/1.73 m² and the formula's name, or None where creatinine, age, height or sex is missing.

        Bedside Schwartz below 18 y, Cockcroft-Gault indexed to 1.73 m² (Mosteller) from 18 y.

        >>> value, rule = Patient(weight=20, height=110, age=6, creatinine="40 umol/L").egfr()
        >>> round(value, 1), rule
        (100.4, 'bedside Schwartz')
        """
        if self.creatinine_umol_l is None or self.age_y is None or self.height_cm is None:
            return None
        mg_dl = self.creatinine_umol_l / UMOL_PER_MG_DL
        if self.age_y < 18:
            return 0.413 * self.height_cm / mg_dl, "bedside Schwartz"
        if self.sex is None or self.weight_kg is None:
            return None
        clearance = (140 - self.age_y) * self.weight_kg / (72 * mg_dl) * (0.85 if self.sex == "F" else 1.0)
        return clearance * 1.73 / self.bsa_m2("mosteller"), "Cockcroft-Gault per 1.73 m²"

    def __str__(self) -> str:
        known = [(self.weight_kg, "kg"), (self.height_cm, "cm"), (self.age_y, "y")]
        size = ", ".join(f"{plain(Decimal(repr(v)))} {unit}" for v, unit in known if v is not None)
        return f"{self.id} ({', '.join(filter(None, [size, self.sex]))})"

    def _known(self, name: str, value: float | None, option: str) -> float:
        if value is None:
            raise InvalidInput(
                "NK405", f"patient {self.id}: the {name} is needed for this dose and is not given", help=f"add {option}"
            )
        return value


def _measure(name: str, raw: str | float) -> float:
    """One measure of a patient from text or a plain number, within what a body can be."""
    low, high, unit = PLAUSIBLE[name]
    text = raw.strip() if isinstance(raw, str) else plain(Decimal(repr(float(raw))))
    spelled = f"{text} {unit}" if re.fullmatch(r"[0-9.eE+-]+", text) else text
    try:
        if name == "age":
            value = _years(spelled)
        else:
            measured = quantity(spelled)
            value = float(convert(measured.number, measured.unit, unit))
    except Misread as error:
        raise Misread(
            "NK401",
            f"{name} {shorten(text)} cannot be read: {error.message}",
            help=error.help if error.code == "NK212" and error.help else f"write for example {_EXAMPLES[name]}",
        ) from None
    if not low <= value <= high or (name == "weight" and value == 0):
        raise Misread("NK402", f"{name} {shorten(text)} is not plausible", help=f"between {low:g} and {high:g} {unit}")
    return value


def _years(text: str) -> float:
    """Age in years from `6 y`, `18 mo`, `3 wk` or `2.5 y`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(y|mo|wk|d)", text, re.ASCII)
    if not match:
        raise Misread("NK214", "not an age", help="write for example 6 y or 18 mo")
    return float(match[1]) / {"y": 1, "mo": 12, "wk": 365.25 / 7, "d": 365.25}[match[2]]


def mosteller(height_cm: float, weight_kg: float) -> float:
    """√(h·w/3600) (Mosteller 1987, N Engl J Med 317:1098).

    >>> round(mosteller(180, 80), 12)
    2.0
    """
    return math.sqrt(height_cm * weight_kg / 3600)


def dubois(height_cm: float, weight_kg: float) -> float:
    """0.007184·h^0.725·w^0.425 (Du Bois & Du Bois 1916)."""
    return float(0.007184 * height_cm**0.725 * weight_kg**0.425)


def haycock(height_cm: float, weight_kg: float) -> float:
    """0.024265·h^0.3964·w^0.5378 (Haycock 1978, J Pediatr 93:62)."""
    return float(0.024265 * height_cm**0.3964 * weight_kg**0.5378)


def gehan_george(height_cm: float, weight_kg: float) -> float:
    """0.0235·h^0.42246·w^0.51456 (Gehan & George 1970)."""
    return float(0.0235 * height_cm**0.42246 * weight_kg**0.51456)


def boyd(height_cm: float, weight_kg: float) -> float:
    """0.0003207·h^0.3·g^(0.7285 - 0.0188·log10 g) with the weight g in grams (Boyd 1935)."""
    grams = 1000 * weight_kg
    return float(0.0003207 * height_cm**0.3 * grams ** (0.7285 - 0.0188 * math.log10(grams)))


BSA_FORMULAS: dict[str, Callable[[float, float], float]] = {
    "mosteller": mosteller,
    "dubois": dubois,
    "haycock": haycock,
    "gehan-george": gehan_george,
    "boyd": boyd,
}
BSA_NAMES = {
    "mosteller": "Mosteller",
    "dubois": "DuBois",
    "haycock": "Haycock",
    "gehan-george": "Gehan-George",
    "boyd": "Boyd",
}
