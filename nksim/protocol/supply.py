"""What a dose is made up from: vials, a measured volume, bags of cells and the limits that a bag must keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from nksim.errors import Misread, shorten
from nksim.protocol.doses import amount, dose_list
from nksim.protocol.facts import Fact, fact_of
from nksim.protocol.record import Read, Record
from nksim.units import Quantity, normalise, plain, quantity
from nksim.words import listed, phrase, said


@dataclass(frozen=True)
class Vials:
    """The strengths in which a drug comes; what is drawn and not given is waste."""

    strengths: tuple[Quantity, ...]

    def __str__(self) -> str:
        return listed(self.strengths, phrase(" and "))


@dataclass(frozen=True)
class Volume:
    """A solution of a strength per mL, the least volume that can be measured, and the step of the measure, if any."""

    per_ml: Quantity
    least_ml: Decimal
    step_ml: Decimal | None = None

    def __str__(self) -> str:
        step = said(" in steps of {step} mL", step=plain(self.step_ml)) if self.step_ml else ""
        return said(
            "at {strength}/mL, not less than {least} mL{step}",
            strength=self.per_ml,
            least=plain(self.least_ml),
            step=step,
        )


def vials(raw: Any) -> Vials:
    """`500 mg` or `[500, 1000] mg`.

    >>> str(vials("[500, 1000] mg"))
    '500 mg and 1,000 mg'
    """
    text = raw.strip() if isinstance(raw, str) else ""
    strengths = dose_list(text) if text[:1] == "[" else (amount(raw),)
    if any(q.per or q.per_day for q in strengths):
        raise Misread("NK215", f"{shorten(raw)} are no vials", help="write for example [500, 1000] mg")
    return Vials(tuple(sorted(strengths, key=lambda q: q.number)))


def volume(raw: Any) -> Volume:
    """`{at: 25 mg/mL, least: 0.1 mL}`, with `step: 0.1 mL` where the dose is rounded to what can be measured.

    >>> str(volume({"at": "18 MIU/mL", "least": "0.1 mL"}))
    'at 18,000,000 IU/mL, not less than 0.1 mL'
    """
    if not isinstance(raw, dict) or not {"at", "least"} <= set(raw) <= {"at", "least", "step"}:
        raise Misread("NK202", "volume needs at: and least:", help="write {at: 25 mg/mL, least: 0.1 mL}")
    match = re.fullmatch(r"(.+?) ?/ ?mL", normalise(raw["at"]) if isinstance(raw["at"], str) else "")
    if not match:
        raise Misread("NK212", f"{shorten(raw['at'])} is not a strength", help="write for example 25 mg/mL")
    step = _millilitres(raw["step"]) if "step" in raw else None
    return Volume(amount(match[1]), _millilitres(raw["least"]), step)


def _millilitres(raw: Any) -> Decimal:
    found = quantity(raw) if isinstance(raw, str) else None
    if found is None or found.unit != "mL" or found.per or not 0 < found.number <= 10_000:
        raise Misread("NK212", f"{shorten(raw)} is not a volume", help="write for example 0.1 mL")
    return found.number


def percent(raw: Any) -> Decimal:
    """A share above 0 and at most 100 %, as written: `90 %`."""
    found = quantity(raw) if isinstance(raw, str) else None
    if found is None or found.unit != "%" or not 0 < found.number <= 100:
        raise Misread("NK216", f"{shorten(raw)} is not a share", help="write for example 90 %")
    return found.number


def _cells_in_bag(raw: Any) -> Quantity:
    found = amount(raw)
    if found.unit != "cells":
        raise Misread("NK229", f"a bag of {shorten(raw)} holds no cells", help="write for example 1e9 cells")
    return found


def _limit(unit: str, example: str, raw: Any) -> Quantity:
    found = quantity(raw) if isinstance(raw, str) else None
    if found is None or found.number < 0 or found.per != "kg" or found.canonical().unit != unit:
        raise Misread("NK212", f"{shorten(raw)} is not a limit per kg", help=f"write for example {example}")
    return found.canonical()


def _cell_limit(raw: Any) -> Quantity:
    return _limit("cells", "2e5 cells/kg", raw)


def _mass_limit(raw: Any) -> Quantity:
    return _limit("mg", "1 g/kg", raw)


def _endotoxin_limit(raw: Any) -> Quantity:
    return _limit("EU", "5 EU/kg", raw)


def _in_bag(unit: str, example: str, raw: Any) -> Quantity:
    found = quantity(raw) if isinstance(raw, str) else None
    if found is None or found.number < 0 or found.per or found.canonical().unit != unit:
        raise Misread("NK212", f"{shorten(raw)} is not what a bag holds", help=f"write for example {example}")
    return found.canonical()


def _dmso(raw: Any) -> Quantity:
    return _in_bag("mg", "5 g", raw)


def _endotoxin(raw: Any) -> Quantity:
    return _in_bag("EU", "25 EU", raw)


def _filling(raw: Any) -> Literal["whole, up", "whole, nearest", "part"]:
    if raw not in ("whole, up", "whole, nearest", "part"):
        raise Misread(
            "NK202", f"bags given as {shorten(raw)} is not known", help="write whole, up · whole, nearest · part"
        )
    found: Literal["whole, up", "whole, nearest", "part"] = raw
    return found


ShareFact = Annotated[Fact[Decimal], Read(fact_of(percent))]


class Bag(Record):
    """One bag of a cell product: its cells in all, and the shares of them that count as the dose.

    Cells delivered are cells × viability × recovery × purity; T cells are a share of the cells in all; DMSO and
    endotoxin are amounts in the bag.
    """

    cells: Annotated[Fact[Quantity], Read(fact_of(_cells_in_bag))]
    viability: ShareFact
    recovery: ShareFact
    purity: ShareFact
    give: Annotated[Fact[str], Read(fact_of(_filling))]
    t_cells: ShareFact | None = None
    dmso: Annotated[Fact[Quantity], Read(fact_of(_dmso))] | None = None
    endotoxin: Annotated[Fact[Quantity], Read(fact_of(_endotoxin))] | None = None


class Limits(Record):
    """What the given cells may bring with them, per kg of actual weight, and the least viability."""

    t_cells: Annotated[Fact[Quantity], Read(fact_of(_cell_limit))] | None = None
    dmso: Annotated[Fact[Quantity], Read(fact_of(_mass_limit))] | None = None
    endotoxin: Annotated[Fact[Quantity], Read(fact_of(_endotoxin_limit))] | None = None
    viability: ShareFact | None = None
