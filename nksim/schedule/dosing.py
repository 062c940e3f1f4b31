"""From a dose rule and a patient to one amount, with its whole calculation in words."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from nksim.errors import InvalidInput
from nksim.patient import BSA_NAMES, Patient
from nksim.protocol.doses import Condition, DoseRule
from nksim.protocol.facts import Fact
from nksim.protocol.model import Administration, Body
from nksim.units import Quantity, grouped, plain

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Dose:
    """An amount in mg, IU, cells or Gy, how it came about, and the facts that it rests on."""

    amount: Decimal
    unit: str
    rule: str
    calculation: str
    facts: tuple[tuple[str, Fact[Any]], ...]


def dose_of(line: Administration, number: int, patient: Patient, body: Body) -> Dose:
    """The `number`th dose of a line for a patient: rule × body size, then cap, then rounding.

    Raises `InvalidInput` NK405 (weight or height missing), NK301 (fewer doses listed than planned) or NK302 (rounding
    beyond its limit).

    >>> from nksim.protocol.catalog import load
    >>> p = load("jk500"); cy = p.arms["main"].lines[0]
    >>> dose_of(cy, 1, Patient(weight="20 kg"), p.body).calculation
    '60 mg/kg × 20 kg (actual)'
    """
    rule, quantity = _rule(line, number, patient, body)
    size, in_words, facts = _body_size(quantity, patient, body)
    canonical = quantity.canonical()
    amount = canonical.number * size
    words = f"{quantity}{in_words}"
    if line.cap is not None and line.cap.chosen.value is not None:
        cap = line.cap.chosen.value.canonical()
        if cap.unit == canonical.unit and amount > cap.number:
            amount, words = (
                cap.number,
                f"{words} = {grouped(amount)} {canonical.unit}, capped at {grouped(cap.number)} {cap.unit}",
            )
        facts = (*facts, ("cap", line.cap.chosen))
    if line.round is not None and line.round.chosen.value is not None:
        amount, words = _rounded(amount, line, words)
        facts = (*facts, ("round", line.round.chosen))
    return Dose(amount, canonical.unit, rule, words, (("dose", line.dose.chosen), *facts))


def _rule(line: Administration, number: int, patient: Patient, body: Body) -> tuple[str, Quantity]:
    """The rule in words and the quantity that holds for this patient and dose number."""
    rule = line.dose.chosen.value
    assert isinstance(rule, DoseRule)
    case = next(c for c in rule.cases if c.condition is None or _holds(c.condition, patient, body))
    if len(case.doses) == 1:
        return str(case), case.doses[0]
    if number > len(case.doses):
        raise InvalidInput(
            "NK301",
            f"{line.id} lists {len(case.doses)} doses and dose {number} is planned",
            help="list one dose for each administration",
        )
    return str(case.doses[number - 1]), case.doses[number - 1]


def _holds(condition: Condition, patient: Patient, body: Body) -> bool:
    if condition.measure == "weight":
        measured = patient.weight()
    else:
        measured = _age(patient) if condition.measure == "age" else _bsa(patient, body)[0]
    edge = condition.edge.number if isinstance(condition.edge, Quantity) else condition.edge
    return bool(_COMPARE[condition.operator](Decimal(repr(measured)), edge))


def _age(patient: Patient) -> float:
    if patient.age_y is None:
        raise InvalidInput(
            "NK405",
            f"patient {patient.id}: the age is needed for this dose and is not given",
            help="add --age 6y, or age_y to the file of patients",
        )
    return patient.age_y


def _bsa(patient: Patient, body: Body) -> tuple[float, str]:
    """BSA in m² after the cap, and how it came about in words."""
    formula = body.bsa.chosen.value or ""
    bsa, cap = patient.bsa_m2(formula), body.bsa_cap.chosen.value
    words = f"{BSA_NAMES[formula]}, {_number(patient.height_cm)} cm, {_number(patient.weight_kg)} kg"
    if cap is not None and bsa > cap.number:
        return float(cap.number), f"{bsa:.6f} m² by {words}, capped"
    return bsa, words


def _body_size(
    quantity: Quantity, patient: Patient, body: Body
) -> tuple[Decimal, str, tuple[tuple[str, Fact[Any]], ...]]:
    """Factor, its words and its facts for a dose per kg, per m² or flat."""
    if quantity.per == "kg":
        weight = Decimal(repr(patient.weight()))
        return weight, f" × {plain(weight)} kg ({body.weight.chosen.value})", (("weight", body.weight.chosen),)
    if quantity.per == "m^2":
        bsa, words = _bsa(patient, body)
        facts = (("weight", body.weight.chosen), ("bsa", body.bsa.chosen), ("bsa_cap", body.bsa_cap.chosen))
        return Decimal(repr(bsa)), f" × {bsa:.6f} m² ({words})", facts
    return Decimal(1), " (flat)", ()


def _rounded(amount: Decimal, line: Administration, words: str) -> tuple[Decimal, str]:
    """The amount rounded half up to the line's step, if that stays within its limit."""
    rounding = line.round.chosen.value  # type: ignore[union-attr]
    assert rounding is not None
    step = rounding.to.canonical().number
    rounded = (amount / step).to_integral_value(ROUND_HALF_UP) * step
    percent = abs(rounded - amount) / amount * 100
    if percent > rounding.within_percent:
        raise InvalidInput(
            "NK302",
            f"{line.id}: rounding {grouped(amount)} to {grouped(rounded)} changes it by "
            f"{percent:.1f} %, above the limit of {plain(rounding.within_percent)} %",
            help="set a smaller step, or another limit in the protocol file",
        )
    return rounded, f"{words} = {grouped(amount)}, rounded half up {rounding}"


def _number(value: float | None) -> str:
    return plain(Decimal(repr(value))) if value is not None else "?"
