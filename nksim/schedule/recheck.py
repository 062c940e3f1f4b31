"""The second reckoning of every dose: from the file's own text, in fractions, sharing nothing with the first.

It reads the dose again with a grammar of its own and calculates again with formulas of its own. Only a slip that was
made twice in two ways can pass both.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any

from nksim.errors import Disagreement

_FACTORS = {
    **{u: ("mg", Fraction(f)) for u, f in (("mg", "1"), ("g", "1000"), ("mcg", "1/1000"), ("ng", "1/1000000"))},
    **{u: ("mg", Fraction(1, 1000)) for u in ("μg", "µg")},
    **{u: ("IU", Fraction(f)) for u, f in (("IU", 1), ("kIU", 1000), ("MIU", 1000000))},
    **{u: ("IU", Fraction(10000)) for u in ("WU", "万U", "万IU", "万单位", "萬U", "萬IU", "萬單位")},
    **{u: ("Gy", Fraction(f)) for u, f in (("Gy", "1"), ("cGy", "1/100"))},
    **{u: ("cells", Fraction(1)) for u in ("cells", "cell")},
}
_NUMBER = r"[0-9.]+(?:[eE][+-]?[0-9]+)?"
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_CLOSE = Fraction(1, 10**9)
# The text of a dose level is printed to six digits.
_CLOSE_OF_A_LEVEL = Fraction(1, 10**5)

Read = tuple[Fraction, str, str]


def second_reckoning(
    line: Any, number: int, patient: Any, body: Any, product: Any, amount: Decimal, unit: str, share: Decimal
) -> None:
    """Raises `Disagreement` NK399 where the dose reckoned anew, reduced to `share`, is not the given amount."""
    text = line.dose.chosen.text
    try:
        expected, expected_unit = _reckoned(line, number, patient, body, product, Fraction(share))
    except (ValueError, StopIteration, KeyError, AttributeError, IndexError) as error:
        raise Disagreement("NK399", f"{line.id}: {text!r} could not be reckoned a second time: {error}") from error
    close = _CLOSE_OF_A_LEVEL if "(level" in text else _CLOSE
    if expected_unit != unit or abs(expected - Fraction(amount)) > close * expected:
        raise Disagreement(
            "NK399",
            f"{line.id}: dose {number} of patient {patient.id} is {amount} {unit} by one way and "
            f"{float(expected):.12g} {expected_unit} by another: nothing is printed",
        )


def _reckoned(
    line: Any, number: int, patient: Any, body: Any, product: Any, reduced_to: Fraction
) -> tuple[Fraction, str]:
    value, unit, per = read(_dose_text(line.dose.chosen.text, number, patient, body))
    share = Fraction(1)
    if line.renal is not None and line.renal.chosen.value is not None:
        given = _renal_text(line.renal.chosen.text, patient)
        if given.endswith("%"):
            share = Fraction(given[:-1].strip()) / 100
        else:
            value, unit, per = read(given)
    amount = value * share
    if per == "kg":
        amount *= _weight((line.weight or body.weight).chosen.text, patient)
    elif per == "m2":
        amount *= _surface(body, patient)
    if line.cap is not None and line.cap.chosen.value is not None:
        amount = min(amount, read(line.cap.chosen.text)[0])
    amount *= reduced_to
    if line.round is not None and line.round.chosen.value is not None:
        amount = _nearest(amount, read(_fields(line.round.chosen.text)["to"])[0])
    if line.volume is not None and line.volume.chosen.value is not None:
        held = _fields(line.volume.chosen.text)
        if "step" in held:
            strength = read(re.sub(r" ?/ ?mL$", "", held["at"]))[0]
            amount = _nearest(amount / strength, Fraction(held["step"].removesuffix("mL").strip())) * strength
    if product is not None and product.bag is not None:
        amount = _from_bags(amount, product.bag)
    return amount, unit


def _nearest(amount: Fraction, step: Fraction) -> Fraction:
    """The nearest multiple, a half up; what is a half to within a part in 10^12 is one."""
    steps = amount / step + Fraction(1, 2)
    return (int(steps + steps / 10**12)) * step


@lru_cache(maxsize=4096)
def read(text: str) -> Read:
    """A dose as a fraction in mg, IU, Gy or cells, its unit, and kg, m2 or nothing.

    >>> read("100 WU/m²")
    (Fraction(1000000, 1), 'IU', 'm2')
    """
    text = re.sub("([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: "^" + m[0].translate(_RAISED), text)
    text = unicodedata.normalize("NFKC", text).replace("m^2", "m2").split("(level")[0].replace(",", "").strip()
    text = re.sub(r"^10 ?\^", "1e", " ".join(text.split()))
    match = re.match(r"\+?([0-9.]+)(?: ?[×x*] ?10 ?\^ ?([+-]?[0-9]+)|[eE]([+-]?[0-9]+))? ?(.*)$", text)
    if match is None:
        raise ValueError(f"{text!r} is not a dose")
    power = int(match[2] or match[3] or 0)
    head, *rest = (part.strip() for part in match[4].split("/"))
    unit, factor = _FACTORS[head]
    per = next((p for p in rest if p in ("kg", "m2")), "")
    return Fraction(match[1]) * Fraction(10) ** power * factor, unit, per


def _fields(text: str) -> dict[str, str]:
    """`{to: 50 mg, within: 10 %}` as a map."""
    pairs = (part.split(": ", 1) for part in text.strip("{} ").split(", "))
    return {key.strip(): value.strip() for key, value in pairs}


def _dose_text(text: str, number: int, patient: Any, body: Any) -> str:
    """The text of the one dose that holds: of a list, of the first case that applies, or the whole."""
    if "{" in text:
        for part in re.findall(r"\{([^{}]*)\}", text):
            held = _fields(part)
            if "otherwise" in held or _applies(held["when"], patient, body):
                return held.get("otherwise") or held["give"]
        raise ValueError(f"no case of {text!r} applies")
    listed = re.fullmatch(r"\[([^\[\]]*)\](.*)", text.strip())
    if listed is None:
        return text
    items = listed[1].split(",")
    return (items[0] if len(items) == 1 else items[number - 1]).strip() + listed[2]


def _applies(when: str, patient: Any, body: Any) -> bool:
    when = unicodedata.normalize("NFKC", when).replace("≤", "<=").replace("≥", ">=")
    match = re.fullmatch(rf"(weight|age|bsa) ?([<>]=?) ?({_NUMBER})[^<>]*", when)
    if match is None:
        raise ValueError(f"{when!r} is not a condition")
    has = {"weight": lambda: _plain(patient.weight_kg), "age": lambda: _plain(patient.age_y)}
    value = _surface(body, patient) if match[1] == "bsa" else has[match[1]]()
    edge = Fraction(match[3])
    # A surface calculated in floats meets an edge only to 15 digits.
    met = abs(value - edge) < _CLOSE * edge / 10**5
    strict = value < edge if match[2][0] == "<" else value > edge
    return ("=" in match[2]) if met else strict


def _plain(value: float) -> Fraction:
    return Fraction(repr(float(value)))


def _ideal(patient: Any) -> Fraction:
    if patient.ideal_weight_kg is not None:
        return _plain(patient.ideal_weight_kg)
    inches_above_60 = _plain(patient.height_cm) / Fraction("2.54") - 60
    return (Fraction(50) if patient.sex == "M" else Fraction("45.5")) + Fraction("2.3") * inches_above_60


def _weight(text: str, patient: Any) -> Fraction:
    actual = _plain(patient.weight_kg)
    words = text.replace("≥", ">=").split()
    if words[0] == "actual":
        return actual
    ideal = _ideal(patient)
    edge = re.search(r">= ?([0-9.]+)", text.replace("≥", ">="))
    if edge is not None and actual * 100 < Fraction(edge[1]) * ideal:
        return actual
    if words[0] == "ideal":
        return ideal
    part = Fraction(words[1].rstrip("%")) / 100
    return (1 - part) * ideal + part * actual


def _surface(body: Any, patient: Any) -> Fraction:
    found = _bsa(body.bsa.chosen.text, patient.height_cm, patient.weight_kg)
    cap = body.bsa_cap.chosen.text.strip()
    return found if cap == "none" else min(found, Fraction(re.match(_NUMBER, cap)[0]))  # type: ignore[index]


@lru_cache(maxsize=4096)
def _bsa(formula: str, height_cm: float | None, weight_kg: float) -> Fraction:
    """Body surface in m² to 25 digits; the printed constants of each formula once more."""
    with localcontext() as context:
        context.prec = 25
        w = Decimal(repr(float(weight_kg)))
        if formula == "chinese-paediatric":
            found = w * Decimal("0.035") + Decimal("0.1") if w <= 30 else w * Decimal("0.02") + Decimal("0.45")
            return Fraction(found)
        h = Decimal(repr(float(height_cm or 0)))
        if formula == "mosteller":
            found = (h * w / 3600).sqrt()
        elif formula == "stevenson":
            found = (61 * h + 128 * w - 1529) / 10000
        elif formula == "boyd":
            # The other printed form, in kg with 0.0333, is rounded: grams it is.
            grams = 1000 * w
            exponent = Decimal("0.7285") - Decimal("0.0188") * grams.log10()
            found = Decimal("0.0003207") * h ** Decimal("0.3") * grams**exponent
        else:
            a, p, q = {
                "dubois": ("0.007184", "0.725", "0.425"),
                "haycock": ("0.024265", "0.3964", "0.5378"),
                "gehan-george": ("0.0235", "0.42246", "0.51456"),
                "fujimoto": ("0.008883", "0.663", "0.444"),
            }[formula]
            found = Decimal(a) * h ** Decimal(p) * w ** Decimal(q)
        return Fraction(found)


def _renal_text(text: str, patient: Any) -> str:
    """What the renal bands give this patient, as the file writes it."""
    by = re.search(r"by: ?([a-z-]+)", text)
    value = _renal(by[1] if by else "", patient)
    for part in re.findall(r"\{([^{}]*)\}", text[text.index("[") :]):
        held = _fields(part)
        if "otherwise" in held:
            return held["otherwise"]
        edge = Fraction(re.match(_NUMBER, held["below"])[0])  # type: ignore[index]
        if value < edge - edge / 10**14:
            return held["give"]
    raise ValueError(f"no renal band of {text!r} holds")


def _renal(by: str, patient: Any) -> Fraction:
    indexed = _bsa("mosteller", patient.height_cm, patient.weight_kg) / Fraction("1.73") if patient.height_cm else None
    if patient.known_egfr is not None:
        known = _plain(patient.known_egfr)
        return known * indexed if by == "cockcroft-gault" and indexed else known
    mg_dl = _plain(patient.creatinine_umol_l) / Fraction("88.4")
    if by == "bedside-schwartz" or (by == "egfr" and patient.age_y < 18):
        return Fraction("0.413") * _plain(patient.height_cm) / mg_dl
    women = Fraction("0.85") if patient.sex == "F" else Fraction(1)
    clearance = (140 - _plain(patient.age_y)) * _plain(patient.weight_kg) * women / 72 / mg_dl
    return clearance / indexed if by == "egfr" and indexed else clearance


def _from_bags(target: Fraction, bag: Any) -> Fraction:
    each = read(bag.cells.chosen.text)[0]
    for fact in (bag.viability, bag.recovery, bag.purity):
        each = each * Fraction(fact.chosen.text.rstrip("% ")) / 100
    needed = target / each
    if bag.give.chosen.text == "part":
        return target
    if bag.give.chosen.text == "whole, up":
        # A float's last digit must not cost a bag.
        return Fraction(-int(-(needed - needed / 10**13) // 1)) * each
    return _nearest(needed, Fraction(1)) * each
