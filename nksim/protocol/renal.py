"""Dose by renal function: half-open bands of clearance, each with its dose, its share of the dose, or none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nksim.errors import Misread, shorten
from nksim.protocol.doses import one_dose
from nksim.units import Quantity, normalise, number, plain, quantity
from nksim.words import listed, phrase, said

MEASURES = {
    "cockcroft-gault": ("mL/min", phrase("Cockcroft-Gault")),
    "bedside-schwartz": ("mL/min/1.73 m²", phrase("bedside Schwartz")),
    "egfr": ("mL/min/1.73 m²", phrase("eGFR: bedside Schwartz below 18 y, Cockcroft-Gault per 1.73 m² from 18 y")),
}
_EXAMPLE = "write - {below: 30 mL/min, give: none}, - {below: 80 mL/min, give: 20 mg/m^2}, - {otherwise: 100 %}"


@dataclass(frozen=True)
class Band:
    """What is given from the band before up to, and without, `below`: a dose, a share of the dose, or nothing."""

    below: Decimal | None
    dose: Quantity | None = None
    percent: Decimal | None = None

    @property
    def gives(self) -> str:
        """What the band gives, in words."""
        if self.dose is not None:
            return str(self.dose)
        return said("none") if self.percent is None else said("{percent} % of the dose", percent=plain(self.percent))


@dataclass(frozen=True)
class RenalRule:
    """Bands of renal function from the lowest up; the last has no upper edge.

    >>> rule = renal_rule({"by": "cockcroft-gault", "bands": [{"below": "30 mL/min", "give": "none"},
    ...                                                       {"otherwise": "100 %"}]})
    >>> str(rule)
    'by Cockcroft-Gault: below 30 mL/min none; from 30 mL/min 100 % of the dose'
    """

    by: str
    bands: tuple[Band, ...]

    def __str__(self) -> str:
        unit, name = MEASURES[self.by]
        parts, low = [], None
        for band in self.bands:
            if low is None:
                form = phrase("below {high} {unit} {gives}") if band.below else phrase("{gives}")
            else:
                form = (
                    phrase("from {low} to below {high} {unit} {gives}")
                    if band.below
                    else phrase("from {low} {unit} {gives}")
                )
            edges = {"low": plain(low) if low is not None else "", "high": plain(band.below) if band.below else ""}
            parts.append(said(form, **edges, unit=unit, gives=band.gives))
            low = band.below
        return said("by {formula}: {bands}", formula=said(name), bands=listed(parts, "; "))


def renal_rule(raw: Any) -> RenalRule:
    """`{by: cockcroft-gault, bands: [{below: 30 mL/min, give: none}, …, {otherwise: 25 mg/m^2}]}`, edges rising."""
    if not isinstance(raw, dict) or set(raw) != {"by", "bands"} or not isinstance(raw["bands"], list):
        raise Misread("NK202", "renal: needs by: and bands:", help=_EXAMPLE)
    if raw["by"] not in MEASURES:
        raise Misread(
            "NK202", f"renal function by {shorten(raw['by'])} is not known", help=f"one of {', '.join(MEASURES)}"
        )
    bands = tuple(_band(item, MEASURES[raw["by"]][0]) for item in raw["bands"])
    if not bands or bands[-1].below is not None or any(b.below is None for b in bands[:-1]):
        raise Misread("NK202", "renal bands must end with the one and only otherwise:", help=_EXAMPLE)
    edges = [b.below for b in bands[:-1] if b.below is not None]
    if edges != sorted(set(edges)):
        raise Misread("NK205", "the edges of the renal bands do not rise", help="write the lowest band first")
    return RenalRule(raw["by"], bands)


def _band(item: Any, unit: str) -> Band:
    keys = set(item) if isinstance(item, dict) else set()
    if keys == {"below", "give"}:
        return _given(_edge(item["below"], unit), item["give"])
    if keys == {"otherwise"}:
        return _given(None, item["otherwise"])
    raise Misread("NK202", f"renal band {shorten(item)} is not understood", help=_EXAMPLE)


def _edge(raw: Any, unit: str) -> Decimal:
    text = re.sub(r"1\.73 ?m(\^?2|²)", "1.73 m²", normalise(raw)) if isinstance(raw, str) else ""
    match = re.fullmatch(r"([\d.]+) ?(mL/min(?:/1\.73 m²)?)", text)
    if not match or match[2] != unit:
        raise Misread("NK212", f"renal edge {shorten(raw)} is not in {unit}", help=f"write for example 50 {unit}")
    return number(match[1])


def _given(below: Decimal | None, raw: Any) -> Band:
    if raw == "none":
        return Band(below)
    if isinstance(raw, str) and raw.strip().endswith("%"):
        share = quantity(raw).number
        if not 0 < share <= 100:
            raise Misread("NK216", f"{shorten(raw)} is no share of a dose", help="above 0 % and at most 100 %")
        return Band(below, percent=share)
    return Band(below, dose=one_dose(raw))
