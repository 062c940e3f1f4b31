"""A patient as the dosing rules see one: body size, body surface area, renal function."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from nksim.dates import parse_date
from nksim.errors import Fault, InvalidInput, Misread, NksimError, Place, shorten
from nksim.limits import limit
from nksim.units import convert, plain, quantity
from nksim.words import phrase, said

_EXAMPLES = {
    "weight": "20 kg",
    "height": "110 cm",
    "age": "6 y or 18 mo",
    "creatinine": "40 umol/L",
    "ideal weight": "40 kg",
}
ID_PATTERN = re.compile(r"[^\W_][\w.\-]{0,63}")
UMOL_PER_MG_DL = 88.4
SHORTEST_DEVINE_CM = 152.4


@dataclass(frozen=True, init=False)
class Patient:
    """One patient; what is not known is None and is asked for only where a rule needs it.

    Values are text with units, or plain numbers in kg, cm, years and µmol/L; `weighed` is the day of the weighing.
    Raises `InvalidInput` (NK401-NK404, NK406) naming every value that cannot be.

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
    ideal_weight_kg: float | None = None
    known_egfr: float | None = None
    weighed: dt.date | None = None
    place: Place | None = field(default=None, compare=False)

    def __init__(
        self,
        *,
        weight: str | float | None = None,
        height: str | float | None = None,
        age: str | float | None = None,
        sex: str | None = None,
        creatinine: str | float | None = None,
        ideal_weight: str | float | None = None,
        weighed: str | dt.date | None = None,
        id: str = "P001",
        place: Place | None = None,
    ) -> None:
        faults: list[Fault] = []
        given = {
            "weight": weight,
            "height": height,
            "age": age,
            "creatinine": creatinine,
            "ideal weight": ideal_weight,
        }
        read: dict[str, float | None] = {}
        for name, raw in given.items():
            try:
                read[name] = None if raw is None else _measure(name, raw)
            except Misread as error:
                faults.append(Fault(error.code, f"patient {shorten(id)}: {error.message}", place, error.help))
        on: dt.date | None = None
        try:
            on = parse_date(weighed) if isinstance(weighed, str) else weighed
        except NksimError as error:
            faults += [
                Fault(f.code, f"patient {shorten(id)}: weighed: {f.message}", place, f.help) for f in error.faults
            ]
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
            if not limit("BMI").low <= bmi <= limit("BMI").high:
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
        self._set(
            id=id,
            weight_kg=read["weight"],
            height_cm=read["height"],
            age_y=read["age"],
            sex=sex,
            creatinine_umol_l=read["creatinine"],
            ideal_weight_kg=read["ideal weight"],
            known_egfr=None,
            weighed=on,
            place=place,
        )

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

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
        known_egfr: float | None = None,
    ) -> Patient:
        """A patient whose measures were checked elsewhere, as those of a virtual population are.

        `known_egfr` is in mL/min/1.73 m², for patients who have no creatinine.
        """
        patient = cls.__new__(cls)
        patient._set(
            id=id,
            weight_kg=weight_kg,
            height_cm=height_cm,
            age_y=age_y,
            sex=sex,
            creatinine_umol_l=creatinine_umol_l,
            ideal_weight_kg=None,
            known_egfr=known_egfr,
            place=None,
        )
        return patient

    def weight(self) -> float:
        """Actual body weight in kg; raises `InvalidInput` NK405 where it is not known."""
        return self._known("weight", self.weight_kg, "--weight 20kg, or weight_kg to the file of patients")

    def bsa_m2(self, formula: str) -> float:
        """Body surface area in m² by a formula of `BSA_FORMULAS`; needs weight and mostly height (NK405)."""
        if formula in HEIGHT_FREE:
            return BSA_FORMULAS[formula](0.0, self.weight())
        height_cm = self._known("height", self.height_cm, "--height 110cm, or height_cm to the file of patients")
        return BSA_FORMULAS[formula](height_cm, self.weight())

    def ideal_kg(self) -> float:
        """Ideal body weight in kg: as given, or by Devine from height and sex.

        Raises `InvalidInput` NK405 (height or sex missing) or NK408 (shorter than Devine's formula goes).

        >>> round(Patient(height=175, sex="M").ideal_kg(), 2)
        70.46
        """
        if self.ideal_weight_kg is not None:
            return self.ideal_weight_kg
        height_cm = self._known("height", self.height_cm, "--height 170cm, or height_cm to the file of patients")
        if self.sex is None:
            raise self.refusal("NK405", "the sex is needed for the ideal weight and is not given", "add --sex F or M")
        if height_cm < SHORTEST_DEVINE_CM:
            raise self.refusal(
                "NK408",
                f"no ideal weight by Devine at {height_cm:g} cm: the formula begins at {SHORTEST_DEVINE_CM:g} cm",
                "give --ideal-weight, or use the actual weight",
            )
        return devine(height_cm, self.sex)

    def clearance_ml_min(self) -> float | None:
        """Creatinine clearance by Cockcroft & Gault with the actual weight, or None where a measure is missing.

        (140 - age)·weight·(0.85 for women)/(72·creatinine in mg/dL), not indexed to a body surface.

        >>> Patient(weight=72, age=40, sex="M", creatinine="88.4 umol/L").clearance_ml_min()
        100.0
        """
        if self.creatinine_umol_l is None or self.age_y is None or self.sex is None or self.weight_kg is None:
            return None
        mg_dl = self.creatinine_umol_l / UMOL_PER_MG_DL
        return (140 - self.age_y) * self.weight_kg / (72 * mg_dl) * (0.85 if self.sex == "F" else 1.0)

    def schwartz(self) -> float | None:
        """eGFR in mL/min/1.73 m² by bedside Schwartz, 0.413·height/creatinine in mg/dL, or None."""
        if self.creatinine_umol_l is None or self.height_cm is None:
            return None
        return 0.413 * self.height_cm / (self.creatinine_umol_l / UMOL_PER_MG_DL)

    def egfr(self) -> tuple[float, str] | None:
        """eGFR in mL/min/1.73 m² and the formula's name, or None where creatinine, age, height or sex is missing.

        Bedside Schwartz below 18 y, Cockcroft-Gault indexed to 1.73 m² (Mosteller) from 18 y.

        >>> value, rule = Patient(weight=20, height=110, age=6, creatinine="40 umol/L").egfr()
        >>> round(value, 1), rule
        (100.4, 'bedside Schwartz')
        """
        if self.known_egfr is not None:
            return self.known_egfr, "as given"
        if self.age_y is None or self.height_cm is None:
            return None
        if self.age_y < 18:
            found = self.schwartz()
            return None if found is None else (found, said("bedside Schwartz"))
        clearance = self.clearance_ml_min()
        if clearance is None:
            return None
        return clearance * 1.73 / self.bsa_m2("mosteller"), said("Cockcroft-Gault per 1.73 m²")

    def __str__(self) -> str:
        known = [(self.weight_kg, "kg"), (self.height_cm, "cm"), (self.age_y, "y")]
        size = ", ".join(f"{plain(Decimal(repr(v)))} {unit}" for v, unit in known if v is not None)
        return f"{self.id} ({', '.join(filter(None, [size, self.sex]))})"

    def refusal(self, code: str, what: str, help: str) -> InvalidInput:
        """Why this patient cannot be dosed, at the patient's place in the file where there is one."""
        return InvalidInput(code, f"patient {self.id}: {what}", help=help, place=self.place)

    def _known(self, name: str, value: float | None, option: str) -> float:
        if value is None:
            raise self.refusal("NK405", f"the {name} is needed for this dose and is not given", f"add {option}")
        return value


def _measure(name: str, raw: str | float) -> float:
    """One measure of a patient from text or a plain number, within what a body can be."""
    plausible = limit(name)
    low, high, unit = float(plausible.low), float(plausible.high), plausible.unit
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


def fujimoto(height_cm: float, weight_kg: float) -> float:
    """0.008883·h^0.663·w^0.444, from Japanese bodies (Fujimoto and others 1968, Nippon Eiseigaku Zasshi).

    The constants are those of pharmaverse's admiral 1.4.1, `compute_bsa`.

    >>> round(fujimoto(170, 75), 3)
    1.819
    """
    return float(0.008883 * height_cm**0.663 * weight_kg**0.444)


def stevenson(height_cm: float, weight_kg: float) -> float:
    """0.0061·h + 0.0128·w - 0.1529, common in Chinese texts; constants remembered, not read in a source."""
    return 0.0061 * height_cm + 0.0128 * weight_kg - 0.1529


def chinese_paediatric(height_cm: float, weight_kg: float) -> float:
    """0.035·w + 0.1 up to 30 kg, 1.05 + 0.02·(w - 30) above, whatever the height (kiraspecialist.com).

    It falls from 1.15 to 1.05 m² just above 30 kg.

    >>> round(chinese_paediatric(0, 30), 4), round(chinese_paediatric(0, 30.1), 4)
    (1.15, 1.052)
    """
    return 0.035 * weight_kg + 0.1 if weight_kg <= 30 else 1.05 + 0.02 * (weight_kg - 30)


def devine(height_cm: float, sex: str) -> float:
    """Ideal weight: 50 kg (men) or 45.5 kg (women) and 2.3 kg for each inch above 60 (Devine 1974).

    >>> round(devine(172, "F"), 6)
    63.248031
    """
    return (50.0 if sex == "M" else 45.5) + 2.3 * (height_cm / 2.54 - 60)


BSA_FORMULAS: dict[str, Callable[[float, float], float]] = {
    "mosteller": mosteller,
    "dubois": dubois,
    "haycock": haycock,
    "gehan-george": gehan_george,
    "boyd": boyd,
    "fujimoto": fujimoto,
    "stevenson": stevenson,
    "chinese-paediatric": chinese_paediatric,
}
HEIGHT_FREE = ("chinese-paediatric",)
# What must be known before a dose rests on one of these.
BSA_CAUTIONS = {
    "stevenson": phrase("the constants of Stevenson's formula are remembered, not read in a source: check them"),
    "chinese-paediatric": phrase(
        "this BSA uses no height and falls from 1.15 to 1.05 m² (9 %) just above 30 kg; "
        "its constants stand on one web page: check them"
    ),
}
BSA_NAMES = {
    "mosteller": "Mosteller",
    "dubois": "DuBois",
    "haycock": "Haycock",
    "gehan-george": "Gehan-George",
    "boyd": "Boyd",
    "fujimoto": "Fujimoto",
    "stevenson": "Stevenson",
    "chinese-paediatric": phrase("Chinese paediatric, by weight alone"),
}
