"""How much later than planned a dose may come: release tests of cells, recovery of counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nksim.errors import Misread, shorten
from nksim.units import Duration, duration, normalise, plain
from nksim.words import said


@dataclass(frozen=True)
class Delay:
    """From a least to a most that a dose comes later than planned; it is not part of the plan."""

    least: Duration
    most: Duration

    def __str__(self) -> str:
        return said("{low} to {high} later", low=plain(self.least.number), high=self.most)


def delay(raw: Any) -> Delay:
    """`0..3 d`.

    >>> str(delay("0..3 d"))
    '0 to 3 d later'
    """
    match = re.fullmatch(r"([\d.]+) ?\.\. ?([\d.]+) ?(min|h|d|wk)", normalise(raw) if isinstance(raw, str) else "")
    if not match:
        raise Misread("NK221", f"{shorten(raw)} is not a delay", help="write for example 0..3 d")
    least, most = (duration(f"{match[i]} {match[3]}") for i in (1, 2))
    if least.number > most.number:
        raise Misread("NK205", f"delay {shorten(raw)} runs backwards", help=f"write {match[2]}..{match[1]} {match[3]}")
    return Delay(least, most)
