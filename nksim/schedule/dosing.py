"""From a dose rule and a patient to one amount, with its whole calculation in words."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.protocol.doses import Condition, DoseRule
from nksim.protocol.facts import Fact
from nksim.protocol.model import Administration, Body, Product
from nksim.schedule.bags import cells, from_bags
from nksim.schedule.bodysize import Caution, dosing_weight, exact, rounded, surface
from nksim.schedule.kidney import band_of
from nksim.schedule.recheck import second_reckoning
from nksim.schedule.rounding import round_amount, round_volume
from nksim.schedule.vials import vials_in_words
from nksim.units import Quantity, grouped, plain
from nksim.words import said

Used = tuple[tuple[str, Fact[Any]], ...]
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Dose:
    """An amount in mg, IU, cells or Gy, how it came about, and the facts that it rests on.

    `target` is the amount that the rule asks for before bags of cells; `remarks` say what it is made up from, and
    `cautions` (code and sentence) what to look at.
    """

    amount: Decimal
    unit: str
    rule: str
    calculation: str
    facts: tuple[tuple[str, Fact[Any]], ...]
    target: Decimal
    remarks: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()

    def then(self, amount: Decimal, how: str, fact: str, held: Fact[Any], cautions: tuple[Caution, ...] = ()) -> Dose:
        """The dose after one more step of its calculation."""
        before = cells(self.amount) if self.unit == "cells" else f"{grouped(self.amount)} {self.unit}"
        return replace(
            self,
            amount=amount,
            calculation=said("{calculation} = {amount}, {how}", calculation=self.calculation, amount=before, how=how),
            facts=(*self.facts, (fact, held.chosen)),
            cautions=(*self.cautions, *cautions),
        )


def dose_of(
    line: Administration,
    number: int,
    patient: Patient,
    body: Body,
    product: Product | None = None,
    share: Decimal = Decimal(1),
) -> Dose:
    """The `number`th dose of a line: rule × renal share × body size, then cap, rounding, volume and bags.

    An amended dose is the `share` of what the cap leaves; it is rounded and made up afterwards.

    Raises `InvalidInput` NK405 (a measure is missing), NK301 (fewer doses listed than planned), NK302 (rounding beyond
    its limit), NK303 (renal function forbids it), NK304 (no whole bag) or NK408 (no ideal weight), and `Disagreement`
    NK399 where a second reckoning from the file's own text gives another amount.

    >>> from nksim.protocol.catalog import load
    >>> p = load("jk500"); cy = p.arms["main"].lines[0]
    >>> dose_of(cy, 1, Patient(weight="20 kg"), p.body).calculation
    '60 mg/kg × 20 kg (actual)'
    """
    dose = _uncapped(line, number, patient, body)
    if line.cap is not None and line.cap.chosen.value is not None:
        dose = _capped(dose, line.cap)
    if share != 1:
        dose = _reduced(dose, share)
    if line.round is not None and line.round.chosen.value is not None:
        amount, how = round_amount(dose.amount, line.round.chosen.value, line.id)
        dose = dose.then(amount, how, "round", line.round)
    if line.volume is not None and line.volume.chosen.value is not None:
        amount, how, cautions = round_volume(dose.amount, dose.unit, line.volume.chosen.value, line.id)
        dose = dose.then(amount, how, "volume", line.volume, cautions)
    if line.vials is not None and line.vials.chosen.value is not None:
        made_up = vials_in_words(dose.amount, dose.unit, line.vials.chosen.value)
        dose = replace(dose, remarks=(*dose.remarks, made_up), facts=(*dose.facts, ("vials", line.vials.chosen)))
    dose = replace(dose, target=dose.amount)
    if product is not None and product.bag is not None:
        amount, how, cautions = from_bags(dose.amount, product, patient, line.id)
        dose = dose.then(amount, how, "bag", product.bag.cells, cautions)
        dose = replace(dose, facts=(*dose.facts, *_bag_facts(product)))
    second_reckoning(line, number, patient, body, product, dose.amount, dose.unit, share)
    return dose


def _reduced(dose: Dose, share: Decimal) -> Dose:
    """The dose after an amendment has reduced it to a share."""
    before = cells(dose.amount) if dose.unit == "cells" else f"{grouped(dose.amount)} {dose.unit}"
    words = said(
        "{calculation} = {amount}, reduced to {percent} %",
        calculation=dose.calculation,
        amount=before,
        percent=plain(share * 100),
    )
    return replace(dose, amount=dose.amount * share, calculation=words)


def _bag_facts(product: Product) -> tuple[tuple[str, Fact[Any]], ...]:
    bag = product.bag
    assert bag is not None
    held = ("viability", "recovery", "purity", "give")
    return tuple((name, getattr(bag, name).chosen) for name in held)


def _uncapped(line: Administration, number: int, patient: Patient, body: Body) -> Dose:
    """The rule's quantity times its renal share and the body's size."""
    rule, quantity = _rule(line, number, patient, body)
    share, reason = Decimal(1), ""
    facts: Used = ()
    if line.renal is not None and line.renal.chosen.value is not None:
        band, why = band_of(line.renal.chosen.value, patient, line.id)
        facts = (("renal", line.renal.chosen),)
        quantity = band.dose or quantity
        share = band.percent / 100 if band.percent is not None else share
        factor = f" × {plain(band.percent)} %" if band.percent is not None and band.percent != 100 else ""
        reason = said("{factor} [renal band of {why}]", factor=factor, why=why)
    size, in_words, used, cautions = _body_size(quantity, line, patient, body)
    canonical = quantity.canonical()
    amount = canonical.number * share * size
    own = (("dose", line.dose.chosen), *used, *facts)
    calculation = said("{dose}{size}{share}", dose=quantity, size=in_words, share=reason)
    return Dose(amount, canonical.unit, rule, calculation, own, amount, cautions=cautions)


def _capped(dose: Dose, held: Fact[Quantity]) -> Dose:
    """The dose, or its cap where that is less; the cap is a fact of the dose in both cases."""
    assert held.chosen.value is not None
    cap = held.chosen.value.canonical()
    if dose.amount <= cap.number:
        return replace(dose, facts=(*dose.facts, ("cap", held.chosen)))
    return dose.then(
        cap.number, said("capped at {amount} {unit}", amount=grouped(cap.number), unit=cap.unit), "cap", held
    )


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
    """Whether the actual weight, the age or the capped body surface lies on the condition's side of its edge."""
    if condition.measure == "weight":
        measured = exact(patient.weight())
    else:
        measured = exact(_age(patient)) if condition.measure == "age" else surface(patient, body)[0]
    edge = condition.edge.number if isinstance(condition.edge, Quantity) else condition.edge
    return bool(_COMPARE[condition.operator](measured, edge))


def _age(patient: Patient) -> float:
    if patient.age_y is None:
        raise patient.refusal(
            "NK405",
            "the age is needed for this dose and is not given",
            "add --age 6y, or age_y to the file of patients",
        )
    return patient.age_y


def _body_size(
    quantity: Quantity, line: Administration, patient: Patient, body: Body
) -> tuple[Decimal, str, Used, tuple[Caution, ...]]:
    """Factor, its words, its facts and its cautions for a dose per kg, per m² or flat."""
    if quantity.per == "kg":
        held = line.weight or body.weight
        assert held.chosen.value is not None
        weight, words, cautions = dosing_weight(held.chosen.value, patient)
        size = said(" × {weight} kg ({words})", weight=rounded(weight), words=words)
        return weight, size, (("weight", held.chosen),), cautions
    if quantity.per == "m^2":
        bsa, words, cautions = surface(patient, body)
        facts = (("weight", body.weight.chosen), ("bsa", body.bsa.chosen), ("bsa_cap", body.bsa_cap.chosen))
        return bsa, said(" × {bsa} m² ({words})", bsa=rounded(bsa), words=words), facts, cautions
    return Decimal(1), said(" (flat)"), (), ()
