"""The rules that read a decision from n, y and the target alone: what BOIN, mTPI, mTPI-2 and i3+3 share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scipy.special import betaincc

from nksim.errors import UsageError
from nksim.trial.decisions import DecisionTable, tabulate

# Liu & Yuan 2015 (doi 10.1111/rssc.12089) and Ji & Wang 2013 (J Clin Oncol): a level is excluded when
# Pr(p > target | y of n) under a uniform prior passes this, with three patients at least.
EXCLUDE_ABOVE = 0.95
FEWEST_TO_EXCLUDE = 3
# Half-width of the interval around the target that mTPI, mTPI-2 and i3+3 take as equivalent to it (same sources).
EQUIVALENT = 0.05


class Rule(Protocol):
    """What decides from the data of the current level alone."""

    @property
    def name(self) -> str:
        """The name by which a user asks for it."""
        ...

    @property
    def target(self) -> float:
        """The target toxicity."""
        ...

    @property
    def title(self) -> str:
        """The rule with its numbers, in words."""
        ...

    @property
    def upper(self) -> float:
        """Estimated toxicity above which a level is too toxic to be called the MTD."""
        ...

    def decide(self, n: int, y: int) -> str:
        """E, S or D after `y` toxicities among `n` patients, before any exclusion."""
        ...


@dataclass(frozen=True)
class Exclusion:
    """When a level and all above it are given up: Pr(p > target | y of n) > `above` under Beta(1, 1)."""

    above: float = EXCLUDE_ABOVE
    fewest: int = FEWEST_TO_EXCLUDE

    def excludes(self, n: int, y: int, target: float) -> bool:
        """Whether `y` toxicities among `n` patients exclude the level.

        >>> Exclusion().excludes(3, 3, 0.30), Exclusion().excludes(2, 2, 0.30)
        (True, False)
        """
        return n >= self.fewest and excess(n, y, target) > self.above


def excess(n: int, y: int, target: float) -> float:
    """Pr(p > target | y of n) under a uniform prior: 1 - Beta(target; y + 1, n - y + 1).

    >>> round(excess(3, 3, 0.30), 4)
    0.9919
    """
    return float(betaincc(y + 1, n - y + 1, target))


def table(rule: Rule, most: int, exclusion: Exclusion | None = None) -> DecisionTable:
    """The whole decision table of a rule with its exclusions, for 1 to `most` patients at a level."""
    keep = exclusion or Exclusion()
    return tabulate(rule.title, most, lambda n, y: "X" if keep.excludes(n, y, rule.target) else rule.decide(n, y))


def checked_target(target: float) -> float:
    """The target, which lies between 0 and 1; raises `UsageError` NK801 otherwise."""
    if not 0 < target < 1:
        raise UsageError(
            "NK801",
            f"target {target:g} is not a probability of toxicity",
            help="a number between 0 and 1, as in --target 0.30",
        )
    return target


def equivalence(target: float, below: float, above: float) -> tuple[float, float]:
    """The interval from `target - below` to `target + above`; NK801 where it leaves (0, 1)."""
    checked_target(target)
    low, high = target - below, target + above
    if not 0 < low < target < high < 1:
        raise UsageError(
            "NK801",
            f"the interval {low:g} to {high:g} around the target {target:g} is not one of probabilities",
            help="a target farther from 0 and 1, or a narrower interval",
        )
    return low, high
