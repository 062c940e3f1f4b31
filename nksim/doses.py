"""The doses that the kinetic model follows, in the amounts that each patient gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.errors import InvalidInput
from nksim.kinetics.events import EventTable
from nksim.population import Population
from nksim.protocol.choice import Choice
from nksim.protocol.model import Administration
from nksim.schedule.amounts import Sizes, amounts_of
from nksim.schedule.expansion import ANCHOR_CLOCK, timed

Floats = NDArray[np.float64]
# What a product is to the kinetic model; a cell product is `cells`, anything else is on the calendar alone.
PRODUCTS = {"cyclophosphamide": "cy", "fludarabine phosphate": "flu", "aldesleukin": "il2"}


@dataclass(frozen=True)
class Planned:
    """One modelled dose: when, how long, into what, and of which line and number."""

    time_d: float
    duration_d: float
    target: str
    line: Administration
    number: int
    occasion: int


def origin_day(choice: Choice) -> int:
    """The day, from the protocol's anchor, that curves and metrics count as 0: that of the first cells.

    It is the anchor itself unless the protocol counts from something else, as from a transplantation; regimens can be
    compared only from their cells.

    >>> from nksim.protocol.catalog import load
    >>> from nksim.protocol.choice import choose
    >>> origin_day(choose(load("nkaml"))), origin_day(choose(load("cb-nk-mm"), level=1))
    (0, -5)
    """
    found = timed(choice)
    return min((found[x.id][0].start.day for x in choice.arm.lines if _target(choice, x) == "cells"), default=0)


def planned_doses(choice: Choice) -> tuple[list[Planned], tuple[str, ...]]:
    """The modelled doses of a choice in order of time, and the products that are not modelled."""
    found, origin = timed(choice), origin_day(choice)
    planned: list[Planned] = []
    not_modelled: dict[str, None] = {}
    for line in choice.arm.lines:
        target = _target(choice, line)
        if target is None:
            not_modelled[line.product] = None
            continue
        length = line.over.chosen.value if line.over else None
        duration_d = float(length.minutes) / 1440 if length else 0.0
        for occasion in found[line.id]:
            start_d = occasion.start.from_anchor_d(ANCHOR_CLOCK) - origin
            given = occasion.number if _varies(line) else 1
            planned.append(Planned(start_d, duration_d, target, line, given, occasion.number))
    return sorted(planned, key=lambda p: p.time_d), tuple(not_modelled)


def event_table(choice: Choice, sizes: Sizes) -> tuple[EventTable, tuple[str, ...]]:
    """The modelled doses of all patients in order of time, and the products that are not modelled."""
    planned, not_modelled = planned_doses(choice)
    return given(choice, planned, sizes), not_modelled


def given(choice: Choice, planned: Sequence[Planned], sizes: Sizes) -> EventTable:
    """The planned doses in the amounts that these patients get."""
    columns: dict[tuple[str, int], Floats] = {}
    for p in planned:
        if (p.line.id, p.number) not in columns:
            columns[p.line.id, p.number] = amounts_of(p.line, p.number, sizes, choice.protocol)
    return EventTable(
        np.array([p.time_d for p in planned]),
        np.array([p.duration_d for p in planned]),
        tuple(p.target for p in planned),
        np.stack([columns[p.line.id, p.number] for p in planned], axis=1),
    )


def _varies(line: Administration) -> bool:
    """Whether a line lists one dose for each administration."""
    return any(len(case.doses) > 1 for case in line.dose.chosen.value.cases)  # type: ignore[union-attr]


def _target(choice: Choice, line: Administration) -> str | None:
    product = choice.protocol.products.get(line.product)
    if product is not None and product.kind == "nk":
        return "cells"
    return PRODUCTS.get(line.product)


def preset_of(choice: Choice) -> str:
    """The one kinetic preset of the arm's cell products."""
    lines = [choice.protocol.products[x.product] for x in choice.arm.lines if _target(choice, x) == "cells"]
    presets = sorted({p.kinetics or "" for p in lines})
    if len(presets) != 1:
        found = "gives no cells" if not presets else f"gives cells of different kinetics ({', '.join(presets)})"
        raise InvalidInput("NK644", f"{choice.name} {found}", help="the model follows one cell product")
    return presets[0]


def has_transgene(choice: Choice) -> bool:
    """Whether all its cells carry one."""
    cells = [p for p in choice.protocol.products.values() if p.kind == "nk"]
    return all(p.transgene and not p.transgene.startswith("none") for p in cells)


def infusion_starts(events: EventTable) -> Floats:
    """Starts of the cell infusions in days."""
    return events.time_d[[t == "cells" for t in events.target]]


def infusion_ends(events: EventTable) -> Floats:
    """Ends of the cell infusions in days; a push has its cells in a second later, for outputs come before a dose."""
    cells = [t == "cells" for t in events.target]
    return np.asarray(events.time_d[cells] + np.maximum(events.duration_d[cells], 1 / 86400))


def first_infusions(events: EventTable, count: int) -> EventTable:
    """The same doses with nothing in the bags after the first `count` cell infusions."""
    cells = np.flatnonzero([t == "cells" for t in events.target])
    amount = events.amount.copy()
    amount[:, cells[count:]] = 0.0
    return EventTable(events.time_d, events.duration_d, events.target, amount)


def sizes_of(population: Population) -> Sizes:
    """What the dose rules ask of a population."""
    p = population
    return Sizes(p.index, p.weight_kg, p.height_cm, p.age_y, p.male, p.egfr_ml_min_1_73m2)
