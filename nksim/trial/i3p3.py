"""i3+3 (Liu, Wang & Ji 2020, doi 10.1080/10543406.2019.1636811)."""

from __future__ import annotations

from dataclasses import dataclass

from nksim.trial.intervals import EQUIVALENT, equivalence


@dataclass(frozen=True)
class I3p3:
    """Compare y/n with the equivalence interval; above it, stay if one toxicity fewer would lie below it.

    >>> [I3p3(0.30).decide(1, y) for y in range(2)], [I3p3(0.30).decide(6, y) for y in range(4)]
    (['E', 'S'], ['E', 'E', 'S', 'D'])
    """

    target: float
    below: float = EQUIVALENT
    above: float = EQUIVALENT
    name: str = "i3+3"

    def __post_init__(self) -> None:
        equivalence(self.target, self.below, self.above)

    @property
    def title(self) -> str:
        """The rule with its numbers, in words."""
        low, high = equivalence(self.target, self.below, self.above)
        return f"i3+3, target {self.target:g}, equivalence interval {low:g} to {high:g}"

    @property
    def upper(self) -> float:
        """The upper end of the equivalence interval."""
        return self.target + self.above

    def decide(self, n: int, y: int) -> str:
        """E, S or D after `y` toxicities among `n` patients."""
        low, high = equivalence(self.target, self.below, self.above)
        # 0.30 - 0.05 is a little below 0.25 in binary: a rate that is the end of the interval lies inside.
        if y / n < low - 1e-9:
            return "E"
        if y / n <= high + 1e-9:
            return "S"
        return "S" if (y - 1) / n < low - 1e-9 else "D"
