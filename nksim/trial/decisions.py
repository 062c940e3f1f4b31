"""The decision table of a design: what follows from y toxicities among n patients at the current level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Up, stay, down, down and never again (with every higher level), and for 3+3 the end of the trial at this level.
LETTERS = {"E": 1, "S": 0, "D": -1, "X": -2}
MEANINGS = {
    "E": "escalate",
    "S": "stay",
    "D": "de-escalate",
    "X": "de-escalate and exclude this level and those above",
}


@dataclass(frozen=True)
class DecisionTable:
    """One letter of `LETTERS` for every n and y; `rows[n - 1][y]`.

    >>> t = DecisionTable("example", ("ED", "ESD"))
    >>> t.at(2, 1), t.most
    ('S', 2)
    """

    design: str
    rows: tuple[str, ...]

    @property
    def most(self) -> int:
        """The largest number of patients at one level that the table answers for."""
        return len(self.rows)

    def at(self, n: int, y: int) -> str:
        """The decision after `y` toxicities among `n` patients."""
        return self.rows[n - 1][y]

    def codes(self) -> NDArray[np.int8]:
        """Decisions as numbers of `LETTERS`, indexed [n, y]; 0 where there is no such case."""
        found = np.zeros((self.most + 1, self.most + 1), dtype=np.int8)
        for n, row in enumerate(self.rows, 1):
            found[n, : n + 1] = [LETTERS[letter] for letter in row]
        return found

    def boundaries(self) -> tuple[tuple[int | None, int | None, int | None], ...]:
        """For each n: most toxicities that escalate, fewest that de-escalate, fewest that exclude; None: never.

        >>> DecisionTable("example", ("ED", "ESD")).boundaries()
        ((0, 1, None), (0, 2, None))
        """
        return tuple((_last(row, "E"), _first(row, "DX"), _first(row, "X")) for row in self.rows)


def _last(row: str, letters: str) -> int | None:
    return max((y for y, letter in enumerate(row) if letter in letters), default=None)


def _first(row: str, letters: str) -> int | None:
    return min((y for y, letter in enumerate(row) if letter in letters), default=None)


def tabulate(design: str, most: int, decide: Callable[[int, int], str]) -> DecisionTable:
    """The table of a rule that answers for one n and y.

    >>> tabulate("always up", 2, lambda n, y: "E").rows
    ('EE', 'EEE')
    """
    return DecisionTable(design, tuple("".join(decide(n, y) for y in range(n + 1)) for n in range(1, most + 1)))
