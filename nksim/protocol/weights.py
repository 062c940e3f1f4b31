"""Which weight a dose per kg counts: actual, ideal or adjusted, and from what share of the ideal weight."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nksim.errors import Misread, shorten
from nksim.units import normalise, number, plain
from nksim.words import said

HELP = "write actual, ideal, adjusted 50 %, or adjusted 50 % at >= 150 % of ideal"


@dataclass(frozen=True)
class WeightRule:
    """A weight descriptor; below `from_percent` of the ideal weight the actual weight counts instead.

    `percent` is the share of the weight above the ideal that an adjusted weight adds: 0 is the ideal weight itself,
    100 the actual weight.
    """

    percent: Decimal
    from_percent: Decimal | None = None

    @property
    def needs_ideal(self) -> bool:
        """Whether the ideal weight enters at all."""
        return self.percent != 100

    @property
    def name(self) -> str:
        """The descriptor alone, without the condition."""
        if self.percent in (0, 100):
            return said("ideal") if self.percent == 0 else said("actual")
        return said("adjusted {percent} %", percent=plain(self.percent))

    def __str__(self) -> str:
        if self.from_percent is None:
            return self.name
        return said(
            "{weight} from {percent} % of ideal weight, below it actual",
            weight=self.name,
            percent=plain(self.from_percent),
        )


def weight_rule(raw: Any) -> WeightRule:
    """`actual`, `ideal`, `adjusted 25 %`, or one of these with `at >= 150 % of ideal`.

    >>> str(weight_rule("adjusted 50 % at >= 150 % of ideal"))
    'adjusted 50 % from 150 % of ideal weight, below it actual'
    """
    text = normalise(raw) if isinstance(raw, str) else ""
    match = re.fullmatch(r"(actual|ideal|adjusted ([\d.]+) ?%)(?: at >= ?([\d.]+) ?% of ideal)?", text)
    if not match or (match[1] == "actual" and match[3]):
        raise Misread("NK202", f"weight descriptor {shorten(raw)} is not known", help=HELP)
    percent = {"actual": Decimal(100), "ideal": Decimal(0)}.get(match[1]) if not match[2] else number(match[2])
    assert percent is not None
    edge = number(match[3]) if match[3] else None
    if match[2] and not 0 < percent < 100:
        raise Misread("NK202", f"{shorten(raw)} is not an adjusted weight", help="a share between 0 and 100 %")
    if edge is not None and not 100 <= edge <= 300:
        raise Misread("NK202", f"{plain(edge)} % of ideal weight is no edge", help="write it between 100 and 300 %")
    return WeightRule(percent, edge)
