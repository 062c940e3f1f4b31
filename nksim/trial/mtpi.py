"""mTPI (Ji & Wang 2013, J Clin Oncol) and mTPI-2 (Guo 2017, arXiv 1609.08737)."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import betainc

from nksim.trial.intervals import EQUIVALENT, equivalence


def unit_mass(n: int, y: int, low: float, high: float) -> float:
    """Posterior probability of an interval under Beta(1, 1), divided by its length.

    >>> round(unit_mass(3, 1, 0.25, 0.35), 3)
    1.753
    """
    within = betainc(y + 1, n - y + 1, high) - betainc(y + 1, n - y + 1, low)
    return float(within / (high - low))


@dataclass(frozen=True)
class Mtpi:
    """Whichever of the intervals below, around and above the target has the greatest unit mass decides.

    >>> [Mtpi(0.30).decide(6, y) for y in range(4)]
    ['E', 'E', 'S', 'S']
    """

    target: float
    below: float = EQUIVALENT
    above: float = EQUIVALENT
    name: str = "mtpi"

    def __post_init__(self) -> None:
        equivalence(self.target, self.below, self.above)

    @property
    def title(self) -> str:
        """The rule with its numbers, in words."""
        low, high = equivalence(self.target, self.below, self.above)
        return f"mTPI, target {self.target:g}, equivalence interval {low:g} to {high:g}"

    @property
    def upper(self) -> float:
        """The upper end of the equivalence interval."""
        return self.target + self.above

    def decide(self, n: int, y: int) -> str:
        """E, S or D after `y` toxicities among `n` patients."""
        low, high = equivalence(self.target, self.below, self.above)
        masses = {"E": unit_mass(n, y, 0, low), "S": unit_mass(n, y, low, high), "D": unit_mass(n, y, high, 1)}
        return max(masses, key=lambda letter: masses[letter])


@dataclass(frozen=True)
class Mtpi2:
    """mTPI with the outer intervals cut into pieces as wide as the one around the target, the outermost shorter.

    >>> [Mtpi2(0.30).decide(6, y) for y in range(4)]
    ['E', 'E', 'S', 'D']
    """

    target: float
    below: float = EQUIVALENT
    above: float = EQUIVALENT
    name: str = "mtpi2"

    def __post_init__(self) -> None:
        equivalence(self.target, self.below, self.above)

    @property
    def title(self) -> str:
        """The rule with its numbers, in words."""
        low, high = equivalence(self.target, self.below, self.above)
        return f"mTPI-2, target {self.target:g}, equivalence interval {low:g} to {high:g}"

    @property
    def upper(self) -> float:
        """The upper end of the equivalence interval."""
        return self.target + self.above

    def decide(self, n: int, y: int) -> str:
        """E, S or D after `y` toxicities among `n` patients."""
        best, decision = -1.0, "S"
        for letter, low, high in self.pieces():
            mass = unit_mass(n, y, low, high)
            if mass > best:
                best, decision = mass, letter
        return decision

    def pieces(self) -> list[tuple[str, float, float]]:
        """The intervals from 0 to 1 with the decision that each stands for.

        >>> [(letter, round(low, 2), round(high, 2)) for letter, low, high in Mtpi2(0.30).pieces()][:4]
        [('E', 0.0, 0.05), ('E', 0.05, 0.15), ('E', 0.15, 0.25), ('S', 0.25, 0.35)]
        """
        low, high = equivalence(self.target, self.below, self.above)
        width = high - low
        found = [("S", low, high)]
        # A sliver left over by rounding is no interval of its own.
        while low > 1e-9:
            found.insert(0, ("E", max(0.0, low - width), low))
            low -= width
        while high < 1 - 1e-9:
            found.append(("D", high, min(1.0, high + width)))
            high += width
        return found
