"""One reference case: what it holds, how far off this machine is, and whether that is within its tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """`worst` is the largest deviation of `count` values, in the terms of `measure`; it passes up to `limit`."""

    group: str
    name: str
    source: str
    measure: str
    worst: float
    limit: float
    count: int

    @property
    def passed(self) -> bool:
        """Whether there was something to compare, and all of it lies within the limit.

        >>> Check("a", "b", "c", "relative", 1e-13, 1e-12, 3).passed
        True
        >>> Check("a", "b", "c", "relative", float("nan"), 1e-12, 3).passed
        False
        """
        return self.count > 0 and not math.isnan(self.worst) and self.worst <= self.limit
