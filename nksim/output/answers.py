"""A table with a sentence before it and sentences after: on a terminal as text, in a report as blocks."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from nksim.output.numbers import WIDTH
from nksim.output.text import table


@dataclass(frozen=True)
class Answer:
    """Columns from `numbers` on are right-aligned, but for the last so many of `words`."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int
    words: int = 0
    before: str = ""
    after: tuple[str, ...] = ()

    def __str__(self) -> str:
        right = frozenset(range(self.numbers, len(self.header) - self.words))
        parts = [table(self.header, self.rows, right=right), *(textwrap.fill(x, WIDTH) for x in self.after)]
        return "\n".join([textwrap.fill(self.before, WIDTH), *parts] if self.before else parts)
