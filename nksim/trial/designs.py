"""The designs by the names under which a user asks for them."""

from __future__ import annotations

from dataclasses import dataclass

from nksim.errors import UsageError, shorten
from nksim.protocol.values import DESIGNS
from nksim.trial.boin import Boin
from nksim.trial.conduct import Conduct, check_numbers
from nksim.trial.crm import Crm, skeleton_of
from nksim.trial.decisions import DecisionTable
from nksim.trial.i3p3 import I3p3
from nksim.trial.intervals import Rule, checked_target, table
from nksim.trial.mtpi import Mtpi, Mtpi2
from nksim.trial.three_plus_three import ThreePlusThree
from nksim.trial.tite import TiteBoin

AnyDesign = ThreePlusThree | Conduct | Crm | TiteBoin
WITHOUT_TARGET = ("3+3", "3+3-down")


@dataclass(frozen=True)
class Numbers:
    """The numbers of a trial that its designs share; a design leaves alone what it has no use for: see its title."""

    levels: int
    target: float | None = None
    start: int = 1
    size: int = 3
    most: int = 30
    enough: int | None = None
    extra: float | None = None
    titrate: bool = False
    bounded: bool = False
    skeleton: tuple[float, ...] | None = None


def design(name: str, numbers: Numbers) -> AnyDesign:
    """The design of that name; raises `UsageError` NK808 where there is none, NK801 without the target that it needs.

    >>> design("boin", Numbers(5, 0.30)).name, design("3+3", Numbers(5)).most
    ('boin', 30)
    """
    if name not in DESIGNS:
        raise UsageError("NK808", f"no design {shorten(name)}", help=f"one of {', '.join(DESIGNS)}")
    check_numbers(numbers.levels, numbers.start, numbers.size, numbers.most)
    if name in WITHOUT_TARGET:
        return ThreePlusThree(numbers.levels, down=name == "3+3-down", start=numbers.start)
    if numbers.target is None:
        raise UsageError("NK801", f"{name} needs a target toxicity", help="add --target, as in --target 0.30")
    target = checked_target(numbers.target)
    if name == "crm":
        return _crm(target, numbers)
    conduct = _conduct(_rule(name, target), numbers)
    return TiteBoin(conduct) if name == "tite-boin" else conduct


def _rule(name: str, target: float) -> Rule:
    if name in ("boin", "tite-boin"):
        return Boin(target)
    if name == "i3+3":
        return I3p3(target)
    return Mtpi(target) if name == "mtpi" else Mtpi2(target)


def _conduct(rule: Rule, numbers: Numbers) -> Conduct:
    return Conduct(rule, numbers.levels, numbers.start, numbers.size, numbers.most, enough=numbers.enough,
                   extra=numbers.extra, titrate=numbers.titrate, bounded=numbers.bounded)  # fmt: skip


def _crm(target: float, numbers: Numbers) -> Crm:
    given = numbers.skeleton
    if given is not None and len(given) != numbers.levels:
        raise UsageError(
            "NK807",
            f"the skeleton has {len(given)} probabilities and there are {numbers.levels} levels",
            help=f"--skeleton with {numbers.levels} numbers",
        )
    # The prior guess of the MTD is the middle level, the lower of two middles.
    return Crm(target, given or skeleton_of(target, numbers.levels, (numbers.levels + 1) // 2), numbers.start,
               numbers.size, numbers.most)  # fmt: skip


def decision_table(chosen: AnyDesign, most: int) -> DecisionTable | None:
    """The decision table for 1 to `most` patients at a level; None for CRM, which looks at all levels together."""
    if isinstance(chosen, ThreePlusThree):
        return chosen.table()
    if isinstance(chosen, Crm):
        return None
    conduct = chosen.conduct if isinstance(chosen, TiteBoin) else chosen
    return table(conduct.rule, most, conduct.exclusion)
