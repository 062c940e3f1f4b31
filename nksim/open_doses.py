"""Dose tables of many variants of one schedule at once, for a sensitivity analysis.

Every line that is not cells is entered with all the times that it could have; in a given run all but one variant of it
are empty. Variants of the cells' own timing are solved apart, because metrics count from the infusions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from nksim.doses import planned_doses, sizes_of
from nksim.kinetics.events import EventTable
from nksim.open_inputs import OpenChoice, other_choice
from nksim.population import Population
from nksim.protocol.choice import Choice
from nksim.schedule.amounts import Sizes, amounts_of

Floats = NDArray[np.float64]
Answers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Column:
    """One dose of one variant: which line and options it belongs to, when, and its amount for each body option."""

    line: str
    picks: tuple[int, ...]
    time_d: float
    duration_d: float
    target: str
    amount: Floats


class DoseTables:
    """The doses of one patient under every combination of the open choices."""

    def __init__(self, choice: Choice, population: Population, choices: Sequence[OpenChoice]) -> None:
        self.choice = choice
        self.sizes = sizes_of(population.subset([0]))
        self.cells = {p.line.id for p in planned_doses(choice)[0] if p.target == "cells"}
        self.body = [x for x in choices if x.line == "body"]
        self.by_line: dict[str, list[OpenChoice]] = {}
        for x in choices:
            if x.line != "body":
                self.by_line.setdefault(x.line, []).append(x)
        self.bodies = [
            other_choice(choice, tuple(zip([x.name for x in self.body], combined, strict=True)))
            for combined in product(*(x.options for x in self.body))
        ]

    def groups(
        self, options: dict[str, NDArray[np.intp]], factors: dict[str, Floats], m: int
    ) -> Iterator[tuple[NDArray[np.intp], EventTable]]:
        """Rows of `m` runs that share the cells' timing, with their dose table; `options` are picks by input name."""
        own = [x for line in self.cells for x in self.by_line.get(line, [])]
        for picks in product(*(range(len(x.options)) for x in own)):
            mask = np.ones(m, dtype=bool)
            for x, pick in zip(own, picks, strict=True):
                mask &= options[x.name] == pick
            rows = np.flatnonzero(mask)
            if rows.size:
                answers = tuple((x.name, x.options[pick]) for x, pick in zip(own, picks, strict=True))
                yield rows, self._table(answers, rows, options, factors)

    def _table(
        self, answers: Answers, rows: NDArray[np.intp], options: dict[str, NDArray[np.intp]], factors: dict[str, Floats]
    ) -> EventTable:
        columns = sorted(self._columns(answers), key=lambda c: c.time_d)
        body = np.zeros(rows.size, dtype=np.intp)
        for x in self.body:
            body = body * len(x.options) + options[x.name][rows]
        table = np.empty((rows.size, len(columns)))
        for k, column in enumerate(columns):
            given = column.amount[body] * (factors[column.line][rows] if column.line in factors else 1.0)
            if column.line not in self.cells:
                for x, pick in zip(self.by_line.get(column.line, []), column.picks, strict=True):
                    given = np.where(options[x.name][rows] == pick, given, 0.0)
            table[:, k] = given
        return EventTable(
            np.array([c.time_d for c in columns]),
            np.array([c.duration_d for c in columns]),
            tuple(c.target for c in columns),
            table,
        )

    def _columns(self, answers: Answers) -> Iterator[_Column]:
        lines = dict.fromkeys(p.line.id for p in planned_doses(self.choice)[0])
        for line in lines:
            own = [] if line in self.cells else self.by_line.get(line, [])
            for picks in product(*(range(len(x.options)) for x in own)):
                more = tuple((x.name, x.options[i]) for x, i in zip(own, picks, strict=True))
                for p in planned_doses(other_choice(self.choice, (*answers, *more)))[0]:
                    if p.line.id == line:
                        yield _Column(line, picks, p.time_d, p.duration_d, p.target, self._amounts(line, p.number))

    def _amounts(self, line_id: str, number: int) -> Floats:
        """The amount under every combination of body options."""
        return np.array([_amount(b, line_id, number, self.sizes) for b in self.bodies])


def _amount(choice: Choice, line_id: str, number: int, sizes: Sizes) -> float:
    line = next(x for x in choice.arm.lines if x.id == line_id)
    return float(amounts_of(line, number, sizes, choice.protocol)[0])
