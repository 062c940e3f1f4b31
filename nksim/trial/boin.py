"""BOIN, the Bayesian optimal interval design (Liu & Yuan 2015, doi 10.1111/rssc.12089)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nksim.errors import UsageError
from nksim.trial.intervals import checked_target

# The authors' recommendation for the rates that are deemed too low and too high, as parts of the target.
SAFE, TOXIC = 0.6, 1.4


def boundaries(target: float, safe: float | None = None, toxic: float | None = None) -> tuple[float, float]:
    """Observed rates at or below which one escalates, and at or above which one de-escalates.

    With equal prior weight on the rates φ₁ < φ < φ₂ (too low, the target, too high):
    λₑ = ln((1-φ₁)/(1-φ)) / ln(φ(1-φ₁)/(φ₁(1-φ))), λ_d = ln((1-φ)/(1-φ₂)) / ln(φ₂(1-φ)/(φ(1-φ₂))).

    >>> [round(x, 6) for x in boundaries(0.30)]
    [0.236491, 0.358519]
    """
    checked_target(target)
    low, high = SAFE * target if safe is None else safe, TOXIC * target if toxic is None else toxic
    if not 0 < low < target < high < 1:
        raise UsageError(
            "NK801",
            f"{low:g} and {high:g} do not lie on either side of the target {target:g}, between 0 and 1",
            help="the rate deemed too low, then the target, then the rate deemed too high",
        )
    up = math.log((1 - low) / (1 - target)) / math.log(target * (1 - low) / (low * (1 - target)))
    down = math.log((1 - target) / (1 - high)) / math.log(high * (1 - target) / (target * (1 - high)))
    return up, down


@dataclass(frozen=True)
class Boin:
    """Escalate while the observed rate is at most λₑ, de-escalate when it is at least λ_d.

    >>> [Boin(0.30).decide(6, y) for y in range(4)]
    ['E', 'E', 'S', 'D']
    """

    target: float
    safe: float | None = None
    toxic: float | None = None
    name: str = "boin"

    def __post_init__(self) -> None:
        boundaries(self.target, self.safe, self.toxic)

    @property
    def title(self) -> str:
        """The rule with its numbers, in words."""
        up, down = boundaries(self.target, self.safe, self.toxic)
        return f"BOIN, target {self.target:g}, escalate at or below {up:.6f}, de-escalate at or above {down:.6f}"

    @property
    def upper(self) -> float:
        """The de-escalation boundary."""
        return boundaries(self.target, self.safe, self.toxic)[1]

    def decide(self, n: int, y: int) -> str:
        """E, S or D after `y` toxicities among `n` patients."""
        up, down = boundaries(self.target, self.safe, self.toxic)
        rate = y / n
        return "E" if rate <= up else "D" if rate >= down else "S"
