"""What a regimen asks of a hospital: visits, hours, drug, cells and vials."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from nksim.doses import PRODUCTS
from nksim.metrics import Values
from nksim.simulation import Simulation

_UNITS = {"cy": "mg", "flu": "mg", "il2": "IU", "cells": "cells"}
# A sum of doses is a float: a vial is not opened for the last digit of it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Use:
    """One product of a regimen: doses, total amount in each patient, and vials (None where no vial is listed)."""

    product: str
    doses: int
    amount: Values | None
    vials: Values | None


@dataclass(frozen=True)
class Logistics:
    """Days with a dose, infusion hours, days from the first dose to the last, and what is used of each product.

    `course_d` is the shortest stay of a patient who is admitted from the first dose to the last: registrations do not
    say who is admitted. `bags` counts cell infusions, one bag each unless the protocol says otherwise.
    """

    visits: int
    infusion_h: float
    course_d: int
    bags: int
    uses: tuple[Use, ...]


def logistics(s: Simulation) -> Logistics:
    """The logistics of a simulated regimen in its virtual patients."""
    doses = s.typical.doses
    days = sorted({_day(s, e.occasion.start.from_anchor_d(s.typical.anchor_clock)) for e in doses})
    hours = sum(float(e.length.minutes) for e in doses if e.length) / 60
    cells = sum(t == "cells" for t in s.events.target)
    counts: dict[str, int] = {}
    for e in doses:
        counts[e.what] = counts.get(e.what, 0) + 1
    uses = tuple(_use(s, product, count) for product, count in counts.items())
    return Logistics(len(days), hours, days[-1] - days[0] + 1, cells, uses)


def _day(s: Simulation, time_d: float) -> int:
    clock = s.typical.anchor_clock
    return int(np.floor(time_d + (clock.hour + clock.minute / 60) / 24))


def _use(s: Simulation, product: str, count: int) -> Use:
    own = s.choice.protocol.products.get(product)
    target = PRODUCTS.get(product, "cells" if own is not None and own.kind == "nk" else "")
    given = [t == target for t in s.events.target]
    if not any(given):
        return Use(product, count, None, None)
    amounts = s.events.amount[:, given]
    total = Values(product, _UNITS[target], amounts.sum(axis=1))
    sizes = vial_sizes(product)
    opened = Values(product, "vials", vials(amounts, sizes).sum(axis=1)) if sizes else None
    return Use(product, count, total, opened)


@cache
def vial_sizes(product: str) -> tuple[float, ...]:
    """Vial sizes of a drug in mg or IU, smallest first; none where `vials.csv` lists none.

    >>> vial_sizes("cyclophosphamide")
    (500.0, 1000.0)
    """
    text = resources.files("nksim").joinpath("vials.csv").read_text(encoding="utf-8")
    return tuple(sorted(float(r["amount"]) for r in csv.DictReader(text.splitlines()) if r["product"] == product))


def vials(amount: np.ndarray, sizes: tuple[float, ...]) -> np.ndarray:
    """Vials opened for each dose, none shared: the least waste first, then the fewest vials.

    Every size must be a multiple of the smallest.

    >>> vials(np.array([1680.0, 1000.0, 20.0]), (500.0, 1000.0)).tolist()
    [2.0, 1.0, 1.0]
    """
    left = np.ceil(amount / sizes[0] - _ROUNDING)
    opened = np.zeros_like(left)
    for size in reversed(sizes):
        many = np.floor(left / (size / sizes[0]))
        opened, left = opened + many, left - many * (size / sizes[0])
    return opened
