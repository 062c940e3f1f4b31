"""The first day 0 that every rule allows, or a smallest set of rules that exclude one another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from nksim.errors import InvalidInput
from nksim.schedule.calendar import Calendar, place
from nksim.schedule.closures import Site
from nksim.schedule.expansion import Schedule
from nksim.schedule.washout import Washed

HORIZON_D = 366


@dataclass(frozen=True)
class Rule:
    """Something that day 0 must satisfy: in words, and the days of the search on which it does."""

    words: str
    days: frozenset[int]


def first_day0(
    schedule: Schedule,
    *,
    start: dt.date,
    tz: str,
    site: Site,
    washouts: Sequence[Washed] = (),
    horizon: int = HORIZON_D,
) -> Calendar:
    """The calendar of the first day 0 from `start` on that has every dose on an open day and every washout behind it.

    Raises `InvalidInput` NK340 with a smallest set of rules in conflict where no day of the horizon does.
    """
    rules = [Rule(str(w), frozenset(range(max(0, (w.earliest - start).days), horizon))) for w in washouts]
    closed: dict[str, set[int]] = {line.id: set() for line in schedule.choice.arm.lines}
    for n in range(horizon):
        calendar = place(schedule, day0=start + dt.timedelta(days=n), tz=tz, site=site)
        shut = {r.event.line for r in calendar.rows if r.closed and r.event.kind == "dose"}
        for line in shut:
            closed[line].add(n)
        if not shut and all(n in r.days for r in rules):
            return calendar
    days = frozenset(range(horizon))
    rules += [Rule(_line_in_words(schedule, line, site), days - closed[line]) for line in closed]
    conflict = smallest_conflict(rules)
    last = start + dt.timedelta(days=horizon - 1)
    raise InvalidInput(
        "NK340",
        f"no day 0 from {start} to {last}: these exclude one another: {'; '.join(r.words for r in conflict)}",
        help="give a line a window:, leave out a closure, or search from a later date",
    )


def smallest_conflict(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """A smallest set of rules that no day satisfies together, the first such in the order given.

    >>> a, b, c = Rule("a", frozenset({1, 2})), Rule("b", frozenset({2, 3})), Rule("c", frozenset({1, 3}))
    >>> [r.words for r in smallest_conflict([a, b, c])], [r.words for r in smallest_conflict([a, b])]
    (['a', 'b', 'c'], [])
    """
    for size in range(1, len(rules) + 1):
        for chosen in combinations(rules, size):
            if not frozenset.intersection(*(r.days for r in chosen)):
                return chosen
    return ()


def _line_in_words(schedule: Schedule, line_id: str, site: Site) -> str:
    line = next(x for x in schedule.choice.arm.lines if x.id == line_id)
    window = f"window {line.window.chosen.value}" if line.window else "without a window"
    where = " and ".join([*(site.names or ["weekends"]), *(["the site's hours"] if site.hours else [])])
    return f"{line_id} ({line.timing.chosen.value}, {window}; closed: {where})"
