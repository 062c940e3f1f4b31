"""The amounts of many patients at once, for simulation: the rules of `nksim.schedule.dosing` on arrays.

A calendar never needs them, so that it starts without NumPy.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from nksim.patient import BSA_FORMULAS, Patient
from nksim.protocol.doses import Condition, DoseRule
from nksim.protocol.model import Administration, Body, Product, Protocol
from nksim.schedule.dosing import dose_of
from nksim.units import Quantity

Floats = NDArray[np.float64]
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, eq=False)
class Sizes:
    """What dose rules ask of many patients, each (n,); all known, as in a virtual population."""

    index: NDArray[np.int64]
    weight_kg: Floats
    height_cm: Floats
    age_y: Floats
    male: NDArray[np.bool_]
    egfr: Floats

    @classmethod
    def of(cls, patients: Sequence[Patient]) -> Sizes:
        """Those of single patients; what is not known is nan."""
        names = ("weight_kg", "height_cm", "age_y")
        columns = [[np.nan if (v := getattr(p, n)) is None else v for p in patients] for n in names]
        male = np.array([p.sex == "M" for p in patients])
        egfr = np.array([(p.egfr() or (np.nan,))[0] for p in patients])
        weight, height, age = (np.array(column, dtype=np.float64) for column in columns)
        return cls(np.arange(len(patients)), weight, height, age, male, egfr)

    def patient(self, i: int) -> Patient:
        """One of them, as the rules of a single dose see a patient."""
        weight, height, age, egfr = (float(c[i]) for c in (self.weight_kg, self.height_cm, self.age_y, self.egfr))
        sex = "M" if self.male[i] else "F"
        name = f"V{int(self.index[i]):06d}"
        return Patient.known(name, weight_kg=weight, height_cm=height, age_y=age, sex=sex, known_egfr=egfr)

    def bsa_m2(self, body: Body) -> Floats:
        """BSA by the body's formula, capped where the body caps it."""
        formula = body.bsa.chosen.value or ""
        if formula == "mosteller":
            found: Floats = np.sqrt(self.height_cm * self.weight_kg / 3600)
        else:
            pairs = zip(self.height_cm.tolist(), self.weight_kg.tolist(), strict=True)
            found = np.array([BSA_FORMULAS[formula](height, weight) for height, weight in pairs])
        cap = body.bsa_cap.chosen.value
        return found if cap is None else np.minimum(found, float(cap.number))


# Amounts this close to the middle between two steps of rounding, as a part of a step, are rounded one by one.
_NEAR_TIE = 1e-9


def amounts_of(line: Administration, number: int, sizes: Sizes, protocol: Protocol) -> Floats:
    """The `number`th dose of a line for many patients at once, in its canonical unit.

    The amounts are those of `dose_of` to the last digits of a double, rounded ones to the very step. A rule that is
    not arithmetic on weight, surface and age alone is left to `dose_of`, patient by patient.
    """
    body, product = protocol.body, protocol.products.get(line.product)
    if not _on_arrays(line, body, product):
        rows = range(len(sizes.weight_kg))
        return np.array([float(dose_of(line, number, sizes.patient(i), body, product).amount) for i in rows])
    rule = line.dose.chosen.value
    assert isinstance(rule, DoseRule)
    n = len(sizes.weight_kg)
    amount, open_ = np.zeros(n), np.ones(n, dtype=bool)
    for case in rule.cases:
        mine = open_ if case.condition is None else open_ & _where(case.condition, sizes, body)
        open_ = open_ & ~mine
        if not mine.any():
            continue
        if len(case.doses) > 1 and number > len(case.doses):
            dose_of(line, number, sizes.patient(int(np.flatnonzero(mine)[0])), body)
        quantity = case.doses[number - 1] if len(case.doses) > 1 else case.doses[0]
        amount = np.where(mine, float(quantity.canonical().number) * _factor(quantity, sizes, body), amount)
    if line.cap is not None and line.cap.chosen.value is not None:
        cap = line.cap.chosen.value.canonical()
        amount = np.minimum(amount, float(cap.number)) if cap.unit == quantity.canonical().unit else amount
    if line.round is not None and line.round.chosen.value is not None:
        amount = _all_rounded(amount, line, number, sizes, body)
    return amount


def _on_arrays(line: Administration, body: Body, product: Product | None) -> bool:
    """Whether a line's rule needs no more than weight, height and age."""
    weight = (line.weight or body.weight).chosen.value
    plain_weight = weight is None or not weight.needs_ideal
    return plain_weight and line.renal is None and line.volume is None and (product is None or product.bag is None)


def _factor(quantity: Quantity, sizes: Sizes, body: Body) -> Floats:
    if quantity.per == "kg":
        return sizes.weight_kg
    return sizes.bsa_m2(body) if quantity.per == "m^2" else np.ones(len(sizes.weight_kg))


def _where(condition: Condition, sizes: Sizes, body: Body) -> NDArray[np.bool_]:
    edge = float(condition.edge.number if isinstance(condition.edge, Quantity) else condition.edge)
    measured = {"weight": sizes.weight_kg, "age": sizes.age_y}.get(condition.measure)
    found = _COMPARE[condition.operator](sizes.bsa_m2(body) if measured is None else measured, edge)
    return np.asarray(found, dtype=bool)


def _all_rounded(amount: Floats, line: Administration, number: int, sizes: Sizes, body: Body) -> Floats:
    """Amounts on the line's step; those near a tie, or near the limit of the change, by `dose_of` itself."""
    rounding = line.round.chosen.value  # type: ignore[union-attr]
    assert rounding is not None
    step = rounding.to.canonical().number
    steps = amount / float(step)
    whole = np.floor(steps + 0.5)
    exact = np.array([float(Decimal(int(w)) * step) for w in np.unique(whole)])
    rounded = exact[np.searchsorted(np.unique(whole), whole)]
    change = np.abs(rounded - amount) / amount * 100
    doubtful = np.abs(steps - np.floor(steps) - 0.5) < _NEAR_TIE * np.maximum(steps, 1.0)
    doubtful |= change > float(rounding.within_percent) * (1 - 1e-9)
    for i in np.flatnonzero(doubtful):
        rounded[i] = float(dose_of(line, number, sizes.patient(int(i)), body).amount)
    return rounded
