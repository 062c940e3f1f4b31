"""Variants of a regimen on the fly: a grid over the values of one or more facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from nksim.errors import UsageError, shorten

MOST_VARIANTS = 60


@dataclass(frozen=True)
class Axis:
    """The values that one fact takes, for one protocol or (`whose` None) for all that have it."""

    whose: str | None
    path: str
    values: tuple[str, ...]


def axis(text: str) -> Axis:
    """An axis from `[ID:]PATH=VALUE|VALUE`; raises `UsageError` NK664 where it is not one.

    >>> axis("cells.days=0|0, 7|0, 7, 14").values
    ('0', '0, 7', '0, 7, 14')
    """
    path, equals, values = text.partition("=")
    found = tuple(v.strip() for v in values.split("|"))
    if not equals or "." not in path or not all(found):
        raise UsageError(
            "NK664", f"--vary {shorten(text)} is not PATH=VALUE|VALUE", help='write --vary cells.days="0|0, 7|0, 7, 14"'
        )
    whose, colon, fact = path.strip().rpartition(":")
    return Axis(whose if colon else None, fact, tuple(dict.fromkeys(found)))


def grid(axes: Sequence[Axis]) -> list[tuple[tuple[str, str], ...]]:
    """Every combination of the axes' values as settings, the last axis running fastest.

    Raises `UsageError` NK665 for more than 60.

    >>> len(grid([axis("cells.days=0|0, 7"), axis("cells.dose=1e7 cells/kg|2e7 cells/kg")]))
    4
    """
    found = [tuple(zip([a.path for a in axes], values, strict=True)) for values in product(*(a.values for a in axes))]
    if len(found) > MOST_VARIANTS:
        raise UsageError("NK665", f"{len(found)} variants are too many", help=f"at most {MOST_VARIANTS}")
    return found
