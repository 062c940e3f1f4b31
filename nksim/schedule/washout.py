"""Prior therapy and the first day on which its washout allows the first cells."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nksim.dates import parse_date
from nksim.errors import InvalidInput, Misread, UsageError, shorten
from nksim.protocol.model import Washout
from nksim.schedule.calendar import add_months
from nksim.units import Duration, duration
from nksim.words import Quoted, phrase, said


@dataclass(frozen=True)
class Prior:
    """A therapy that a patient had: what, the last day of it, and the half-life of the drug where a rule asks."""

    what: str
    last: dt.date
    half_life: Duration | None = None


@dataclass(frozen=True)
class Washed:
    """A washout rule applied to a prior therapy: the earliest day of the first cells and why."""

    rule: Washout
    prior: Prior
    earliest: dt.date
    reason: str

    def __str__(self) -> str:
        return said(
            "washout of {what}: last on {last}, {reason}, day 0 not before {earliest}",
            what=Quoted(self.rule.what),
            last=self.prior.last,
            reason=self.reason,
            earliest=self.earliest,
        )


def prior(text: str) -> Prior:
    """`radiotherapy=2027-02-01`, with `, half-life 36 h` where a rule counts half-lives.

    >>> prior("systemic therapy=2027-02-01, half-life 36 h").half_life
    Duration(number=Decimal('36'), unit='h')
    """
    match = re.fullmatch(r"(.+?)=([^,]+)(?:, ?half-life (.+))?", text.strip())
    if not match:
        raise UsageError(
            "NK513", f"--prior {shorten(text)} is not a therapy with its last day", help="write radiotherapy=2027-02-01"
        )
    try:
        half = duration(match[3]) if match[3] else None
        if half is not None and (half.unit in ("mo", "y") or half.number == 0):
            raise Misread("NK513", "not a half-life", help="write it in h or d")
    except Misread as error:
        raise UsageError(
            "NK513", f"half-life {shorten(match[3])}: {error.message}", help="write half-life 36 h"
        ) from None
    return Prior(match[1].strip(), parse_date(match[2].strip()), half)


def washed(rules: Sequence[Washout], priors: Sequence[Prior]) -> list[Washed]:
    """Each prior therapy under the rule that its name fits, by a part of the rule's words.

    Raises `UsageError` NK514 where a therapy fits no rule or several, `InvalidInput` NK409 where a half-life is needed.
    """
    return [_applied(_rule_for(rules, p), p) for p in priors]


def _rule_for(rules: Sequence[Washout], given: Prior) -> Washout:
    fitting = [r for r in rules if given.what.casefold() in r.what.casefold()]
    exact = [r for r in fitting if given.what.casefold() == r.what.casefold()]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    names = [r.what for r in fitting or rules]
    near = difflib.get_close_matches(given.what, names, n=1)
    found = "fits several washouts" if fitting else "fits no washout of this protocol"
    known = f"one of {'; '.join(names)}" if names else "the protocol has none"
    raise UsageError("NK514", f"{shorten(given.what)} {found}", help=f"did you mean {near[0]}?" if near else known)


def _applied(rule: Washout, given: Prior) -> Washed:
    by = rule.by.chosen.value
    if by is None:
        raise InvalidInput("NK409", f"the washout of {rule.what} is unknown", help="write by: in the protocol file")
    fixed = _after(given.last, by)
    if not rule.half_lives:
        return Washed(rule, given, fixed, str(by))
    if given.half_life is None:
        # The fixed time suffices where the shorter of the two counts; where the longer does, it may not.
        if rule.whichever == "shorter":
            return Washed(
                rule,
                given,
                fixed,
                said(
                    "{time} (the half-life is not given: {number} half-lives could be shorter)",
                    time=by,
                    number=rule.half_lives,
                ),
            )
        raise InvalidInput(
            "NK409",
            f"the washout of {rule.what} needs the half-life of what was given",
            help=f'write --prior "{given.what}={given.last}, half-life 36 h"',
        )
    days = math.ceil(float(given.half_life.minutes) * rule.half_lives / 1440)
    lives = given.last + dt.timedelta(days=days)
    choose = min if rule.whichever == "shorter" else max
    earliest = choose(fixed, lives)
    form = phrase("{time} or {number} half-lives of {half_life} ({days} d), whichever is shorter")
    if rule.whichever == "longer":
        form = phrase("{time} or {number} half-lives of {half_life} ({days} d), whichever is longer")
    reason = said(form, time=by, number=rule.half_lives, half_life=given.half_life, days=days)
    return Washed(rule, given, earliest, reason)


def _after(date: dt.date, length: Duration) -> dt.date:
    """The day that lies so long after: days and weeks as days, months as calendar months, hours as whole days up."""
    if length.unit in ("mo", "y"):
        return add_months(date, length.months)
    return date + dt.timedelta(days=math.ceil(float(length.minutes) / 1440))
