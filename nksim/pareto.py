"""Which of several regimens is beaten by none: the Pareto front of two metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nksim.errors import UsageError, shorten


@dataclass(frozen=True)
class Aim:
    """A metric and whether more of it is wanted; written `METRIC` or `-METRIC` for less."""

    metric: str
    more: bool

    @property
    def words(self) -> str:
        """For an axis: the metric and which way is better."""
        return f"{self.metric} ({'more' if self.more else 'less'} is better)"


def aims(text: str) -> tuple[Aim, Aim]:
    """Two aims from `nk_chimerism_d14,-cells_total`; raises `UsageError` NK663 for anything else.

    >>> [a.more for a in aims("nk_chimerism_d14,-cells_total")]
    [True, False]
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.lstrip("-") for part in parts) or parts[0] == parts[1]:
        raise UsageError(
            "NK663", f"{shorten(text)} is not a pair of metrics", help='write "nk_chimerism_d14,-cells_total"'
        )
    first, second = (Aim(part.removeprefix("-"), not part.startswith("-")) for part in parts)
    return first, second


def front(points: Sequence[tuple[float, float]], wanted: tuple[Aim, Aim]) -> list[bool]:
    """For each point, whether no other is at least as good in both and better in one; a missing value never is.

    >>> front([(1.0, 1.0), (2.0, 3.0), (2.0, 2.0)], aims("a,-b"))
    [True, False, True]
    """
    signs = [1 if aim.more else -1 for aim in wanted]
    scored = [(signs[0] * x, signs[1] * y) for x, y in points]
    return [
        not math.isnan(x + y) and not any(a >= x and b >= y and (a > x or b > y) for a, b in scored) for x, y in scored
    ]
