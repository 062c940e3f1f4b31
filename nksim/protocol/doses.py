"""How much: the dose rules of a protocol file and their grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nksim.errors import Misread, shorten
from nksim.limits import limit
from nksim.units import Quantity, is_range, normalise, number, plain, quantity, quantity_range
from nksim.words import listed, phrase, said


@dataclass(frozen=True)
class Condition:
    """A patient measure compared with an edge, e.g. `weight < 70 kg`."""

    measure: str
    operator: str
    edge: Quantity | Decimal

    def __str__(self) -> str:
        edge = self.edge if isinstance(self.edge, Quantity) else f"{plain(self.edge)} y"
        return said("{measure} {operator} {edge}", measure=said(self.measure), operator=self.operator, edge=edge)


@dataclass(frozen=True)
class DoseCase:
    """The doses of patients who meet the condition: one for all administrations, or one for each in order."""

    doses: tuple[Quantity, ...]
    condition: Condition | None = None

    def __str__(self) -> str:
        doses = listed(self.doses, phrase(", then "))
        return said("{dose} when {condition}", dose=doses, condition=self.condition) if self.condition else doses


@dataclass(frozen=True)
class DoseRule:
    """Cases read from the top; the first whose condition holds gives the dose.

    >>> str(dose_rule("60 mg/kg")), str(dose_rule("[6e8, 1.2e9] cells"))
    ('60 mg/kg', '6E8 cells, then 1.2E9 cells')
    """

    cases: tuple[DoseCase, ...]

    @property
    def dimensions(self) -> set[str]:
        """What the doses measure: one dimension, where the rule makes sense."""
        return {dose.dimension for case in self.cases for dose in case.doses}

    def __str__(self) -> str:
        return listed(self.cases, phrase("; otherwise "))


@dataclass(frozen=True)
class DoseChoice:
    """A registered range: one dose within it must be chosen (`use:` or --set) before anything is calculated."""

    low: Quantity
    high: Quantity

    @property
    def dimensions(self) -> set[str]:
        """What the doses measure."""
        return {self.low.dimension}

    def holds(self, dose: Quantity) -> bool:
        """Whether `dose` has the range's unit and lies within it."""
        same = (dose.unit, dose.per) == (self.low.unit, self.low.per)
        return same and self.low.number <= dose.number <= self.high.number

    def __str__(self) -> str:
        return said("{low} to {high}", low=self.low, high=self.high)


@dataclass(frozen=True)
class DoseByLevel:
    """The dose of the chosen escalation level."""

    @property
    def dimensions(self) -> set[str]:
        """What the doses measure: the levels say so."""
        return set()

    def __str__(self) -> str:
        return said("the dose of the level")


AnyDose = DoseRule | DoseChoice | DoseByLevel


@dataclass(frozen=True)
class Rounding:
    """Round half up to a step, refused when the change exceeds `within_percent`."""

    to: Quantity
    within_percent: Decimal

    def __str__(self) -> str:
        return said("to {step} within {percent} %", step=self.to, percent=plain(self.within_percent))


def dose_rule(raw: Any) -> AnyDose:
    """A dose rule from its text, or from a list of `{when:, give:}` and `{otherwise:}` cases.

    >>> str(dose_rule([{"when": "weight < 70 kg", "give": "50 mg/kg"}, {"otherwise": "1500 mg/m^2"}]))
    '50 mg/kg when weight < 70 kg; otherwise 1,500 mg/m²'
    """
    if isinstance(raw, list):
        return _cases(raw)
    text = _text(raw)
    if text == "level":
        return DoseByLevel()
    if text.startswith("["):
        return DoseRule((DoseCase(dose_list(text)),))
    if is_range(text):
        low, high = quantity_range(text)
        return DoseChoice(_dose(low, text), _dose(high, text))
    return DoseRule((DoseCase((_dose(quantity(text), text),)),))


def amount(raw: Any) -> Quantity:
    """An amount for the whole patient, as a cap or a rounding step is.

    >>> str(amount("5 g"))
    '5 g'
    """
    found = one_dose(raw)
    if found.per or found.per_day:
        raise Misread(
            "NK215", f"{shorten(raw)} is not an amount for the whole patient", help="write it without /kg, /m^2 or /day"
        )
    return found


def one_dose(raw: Any) -> Quantity:
    """A single dose.

    >>> str(one_dose("5 g"))
    '5 g'
    """
    return _dose(quantity(_text(raw)), _text(raw))


def dose_list(raw: Any) -> tuple[Quantity, ...]:
    """`[6e8, 1.2e9, 1.8e9] cells`: one dose for each administration or level, in order."""
    text = _text(raw)
    match = re.fullmatch(r"\[([^\[\]]*)\] ?(.*)", normalise(text))
    if not match:
        raise Misread("NK210", f"{shorten(text)} is not a list of doses", help="write [2e6, 6e6] cells/kg")
    return tuple(_dose(quantity(f"{item.strip()} {match[2]}"), text) for item in match[1].split(","))


def dose_range(raw: Any) -> DoseChoice:
    """`1e7..2e7 cells/kg`, low end first."""
    rule = dose_rule(raw)
    if not isinstance(rule, DoseChoice):
        raise Misread("NK210", f"{shorten(raw)} is not a range", help="write for example 1e7..2e7 cells/kg")
    return rule


def rounding(raw: Any) -> Rounding:
    """`{to: 50 mg, within: 10 %}`.

    >>> str(rounding({"to": "50 mg", "within": "10 %"}))
    'to 50 mg within 10 %'
    """
    if not isinstance(raw, dict) or set(raw) != {"to", "within"}:
        raise Misread("NK202", "rounding needs to: and within:", help="write {to: 50 mg, within: 10 %}")
    within = quantity(_text(raw["within"]))
    most = limit("rounding")
    if within.unit != "%" or not 0 < within.number <= most.high:
        raise Misread(
            "NK216",
            f"rounding within {shorten(raw['within'])} is not accepted",
            help=f"a limit above 0 % and at most {most.text}",
        )
    return Rounding(amount(raw["to"]), within.number)


def _dose(dose: Quantity, text: str) -> Quantity:
    if slip := re.match(r"[1-9]\d{0,2}\.\d\d0(?![\d.eE])", normalise(text).lstrip("[ ")):
        raise Misread(
            "NK211",
            f"{shorten(slip[0])} in {shorten(text)}: a thousands point, or decimals with a trailing zero?",
            help=f"write {slip[0].replace('.', '')} or {slip[0].rstrip('0').rstrip('.')}",
        )
    if dose.dimension not in ("drug mass", "activity", "radiation", "cells"):
        raise Misread("NK215", f"{shorten(text)} is {dose.dimension}, not a dose", help="write mg, IU, cells or Gy")
    if dose.number <= 0:
        raise Misread("NK217", f"dose {shorten(text)} is zero or negative", help="leave the line out to give nothing")
    if dose.unit == "cells" and dose.number < limit("cells_at_least").low:
        raise Misread("NK218", f"{shorten(text)} is too few cells: is an exponent lost?", help="write 5e8 cells")
    return dose


def _cases(raw: list[Any]) -> DoseRule:
    cases: list[DoseCase] = []
    for item in raw:
        keys = set(item) if isinstance(item, dict) else set()
        if keys == {"when", "give"}:
            cases.append(DoseCase((one_dose(item["give"]),), condition(_text(item["when"]))))
        elif keys == {"otherwise"}:
            cases.append(DoseCase((one_dose(item["otherwise"]),)))
        else:
            raise Misread(
                "NK202",
                f"dose case {shorten(item)} is not understood",
                help="write - {when: weight < 70 kg, give: 50 mg/kg} and - {otherwise: 1500 mg/m^2}",
            )
    if not cases or any(c.condition is None for c in cases[:-1]) or cases[-1].condition is not None:
        raise Misread("NK202", "dose cases must end with the one and only otherwise:", help="add - {otherwise: …} last")
    return DoseRule(tuple(cases))


def condition(text: str) -> Condition:
    """`weight < 70 kg`, `age >= 18 y` or `bsa < 1.5 m^2`."""
    match = re.fullmatch(r"(weight|age|bsa) ?(<=|>=|<|>) ?(.+)", normalise(text))
    if not match:
        raise Misread(
            "NK219",
            f"condition {shorten(text)} is not understood",
            help="write weight, age or bsa, then <, <=, > or >=, then a value: weight < 70 kg",
        )
    if match[1] == "age":
        years = re.fullmatch(r"([\d.]+) ?y", match[3])
        if not years:
            raise Misread("NK219", f"age edge {shorten(match[3])} is not in years", help="write age >= 18 y")
        return Condition("age", match[2], number(years[1]))
    edge, wanted = quantity(match[3]), {"weight": "kg", "bsa": "m^2"}[match[1]]
    if edge.unit != wanted:
        raise Misread("NK219", f"{match[1]} is compared with {shorten(match[3])}", help=f"write it in {wanted}")
    return Condition(match[1], match[2], edge)


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise Misread("NK210", f"{shorten(raw)} is not a dose", help="write for example 60 mg/kg")
    return raw.strip()
