"""Known drugs: their proper names (`drugs.yaml`), and the doses beyond which a line is a slip (`limits.yaml`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from nksim.limits import drug_limits, source
from nksim.protocol.doses import DoseChoice, dose_range, one_dose
from nksim.shipped import shipped
from nksim.units import Quantity


@dataclass(frozen=True)
class DoseLimits:
    """The doses of a drug that make sense; `refuse_from` stops, `never_per` holds, the others are findings.

    `dosed_in` are the units and `routes` the routes of drugs for which no range is proposed; empty where none is known.
    """

    ranges: tuple[DoseChoice, ...]
    never_per: tuple[str, ...]
    refuse_from: Quantity | None
    refuse_source: str
    most_per_dose: Quantity | None
    dosed_in: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


@cache
def dose_limits() -> dict[str, DoseLimits]:
    """The limits of every drug that has some, by its proper name.

    >>> str(dose_limits()["fludarabine phosphate"].refuse_from)
    '96 mg/m²'
    """
    return {
        name: DoseLimits(
            tuple(dose_range(r) for r in held.get("ranges", ())),
            tuple(held.get("never_per", ())),
            one_dose(held["refuse_from"]) if "refuse_from" in held else None,
            source(held["refuse_source"]).title if "refuse_source" in held else "",
            one_dose(held["most_per_dose"]) if "most_per_dose" in held else None,
            tuple(held.get("dosed_in", ())),
            tuple(held.get("routes", ())),
        )
        for name, held in drug_limits().items()
    }


@cache
def _also_called() -> dict[str, tuple[str, ...]]:
    """Every known drug by its proper name, with what else people call it."""
    return {name: tuple(held["also_called"]) for name, held in _tree()["drugs"].items()}


def name_in(language: str, drug: str) -> str | None:
    """A drug's name in another language by its code (`zh`), where `drugs.yaml` has one.

    >>> name_in("zh", "melphalan"), name_in("zh", "water")
    ('美法仑', None)
    """
    names: dict[str, str] = _tree()["drugs"].get(drug, {}).get("names", {})
    return names.get(language)


@cache
def _tree() -> Any:
    return shipped("nksim.protocol", "drugs.yaml")


def tall_man_names() -> dict[str, str]:
    """Names that are written with raised letters, by their plain spelling.

    >>> tall_man_names()["doxorubicin"]
    'DOXOrubicin'
    """
    return {name.lower(): name for name in _tree()["tall_man"]["names"]}


def drug_names() -> frozenset[str]:
    """Proper names of the known drugs.

    >>> sorted(drug_names())[:4]
    ['aldesleukin', 'antithymocyte globulin (rabbit)', 'bendamustine', 'clofarabine']
    """
    return frozenset(_also_called())


def proper_name(text: str) -> str | None:
    """The proper name of what people call a drug.

    >>> proper_name("fludarabine"), proper_name("IL-2"), proper_name("water")
    ('fludarabine phosphate', 'aldesleukin', None)
    """
    folded = text.casefold()
    return next((n for n, other in _also_called().items() if folded in [x.casefold() for x in (n, *other)]), None)
