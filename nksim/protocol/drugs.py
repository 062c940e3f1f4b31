"""Known drugs: their proper names, and the doses beyond which a line is a slip (`drugs.yaml`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from nksim.protocol.doses import DoseChoice, dose_range, one_dose
from nksim.protocol.yaml_tree import read_tree
from nksim.units import Quantity


@dataclass(frozen=True)
class Drug:
    """A drug with the ranges of dose that make sense; `refuse_from` stops, the others are findings.

    `dosed_in` are the units and `routes` the routes of drugs for which no range is proposed; empty where none is known.
    """

    name: str
    also_called: tuple[str, ...]
    ranges: tuple[DoseChoice, ...]
    refuse_from: Quantity | None
    most_per_dose: Quantity | None
    source: str
    dosed_in: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


@cache
def drugs() -> dict[str, Drug]:
    """Every known drug by its proper name.

    >>> sorted(drugs())[:4]
    ['aldesleukin', 'antithymocyte globulin (rabbit)', 'bendamustine', 'clofarabine']
    """
    tree = read_tree(resources.files("nksim.protocol").joinpath("drugs.yaml").read_bytes(), "drugs.yaml").content
    return {
        name: Drug(name, tuple(d["also_called"]), tuple(dose_range(r) for r in d.get("ranges", ())),
                   one_dose(d["refuse_from"]) if "refuse_from" in d else None,
                   one_dose(d["most_per_dose"]) if "most_per_dose" in d else None,
                   tree["sources"][d["source"]]["title"], tuple(d.get("dosed_in", ())), tuple(d.get("routes", ())))
        for name, d in tree["drugs"].items()
    }  # fmt: skip


def drug_names() -> frozenset[str]:
    """Proper names of the known drugs."""
    return frozenset(drugs())


def proper_name(text: str) -> str | None:
    """The proper name of what people call a drug.

    >>> proper_name("fludarabine"), proper_name("IL-2"), proper_name("water")
    ('fludarabine phosphate', 'aldesleukin', None)
    """
    folded = text.casefold()
    return next((d.name for d in drugs().values() if folded in [n.casefold() for n in (d.name, *d.also_called)]), None)
