"""From planned timing to single occasions, counted from the anchor and still without a date.

A moment is a whole number of calendar days from the anchor's date, a time of day, and a shift in elapsed minutes.
Keeping the two apart is what makes `45 min before` right on the night the clocks change.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

from nksim.errors import InvalidInput
from nksim.protocol.model import Administration, Arm, Numbering
from nksim.protocol.times import Days, Recurrence, Reference, Relation, Span, Window
from nksim.units import Duration


@dataclass(frozen=True)
class Moment:
    """`day` calendar days from the anchor's date at `clock` (None: the anchor's own), then elapsed `minutes`.

    >>> Moment(-7).from_anchor_d(dt.time(10))
    -7.0
    """

    day: int
    clock: dt.time | None = None
    minutes: Decimal = Decimal(0)

    def later(self, length: Duration, sign: int = 1) -> Moment:
        """The moment shifted by a length: hours and minutes elapse, days and weeks step the calendar."""
        if length.elapsed:
            return replace(self, minutes=self.minutes + sign * length.minutes)
        return replace(self, day=self.day + sign * length.days)

    def from_anchor_d(self, anchor_clock: dt.time) -> float:
        """Nominal days from the anchor, with days of 24 hours: what the simulator counts in."""
        clock = self.clock or anchor_clock
        shift = (clock.hour - anchor_clock.hour) * 60 + clock.minute - anchor_clock.minute
        return self.day + (shift + float(self.minutes)) / 1440


@dataclass(frozen=True)
class Occasion:
    """One administration in time: number of count, when, and the earliest and latest that the protocol allows."""

    number: int
    count: int
    start: Moment
    earliest: Moment | None = None
    latest: Moment | None = None


Occasions = dict[str, tuple[Occasion, ...]]


def occasions(arm: Arm, numbering: Numbering, anchor_line: str) -> Occasions:
    """Every administration of an arm's lines in time, by line id.

    The anchor line's first occasion is day 0 whatever its own days say; raises `InvalidInput` NK228 where its days
    do not begin there.
    """
    plan = _Plan(arm, bool(numbering.zero.value))
    found = {line.id: plan.of(line.id) for line in arm.lines}
    first = found[anchor_line][0].start
    if first.day != 0 or first.minutes != 0:
        day = first.day if numbering.zero.value or first.day < 0 else first.day + 1
        raise InvalidInput(
            "NK228",
            f"the anchor is the first dose of {anchor_line}, which falls on day {day}",
            help=f"let the days of {anchor_line} begin on day {0 if numbering.zero.value else 1}",
        )
    return found


def offset_of(day: int, zero: bool) -> int:
    """Calendar days from the anchor of a protocol day; without a day 0 the anchor is day 1.

    >>> offset_of(-1, zero=False), offset_of(1, zero=False), offset_of(1, zero=True)
    (-1, 0, 1)
    """
    return day if zero or day < 0 else day - 1


def protocol_day(offset: int, zero: bool) -> int:
    """The protocol's own number of the day `offset` calendar days from the anchor.

    >>> [protocol_day(d, zero=False) for d in (-1, 0, 27)]
    [-1, 1, 28]
    """
    return offset if zero or offset < 0 else offset + 1


class _Plan:
    """Resolves lines in the order in which they depend on one another (the reader has refused circles)."""

    def __init__(self, arm: Arm, zero: bool) -> None:
        self.lines = {line.id: line for line in arm.lines}
        self.zero = zero
        self.done: Occasions = {}

    def of(self, line_id: str) -> tuple[Occasion, ...]:
        if line_id not in self.done:
            self.done[line_id] = self._resolve(self.lines[line_id])
        return self.done[line_id]

    def _resolve(self, line: Administration) -> tuple[Occasion, ...]:
        timing = line.timing.chosen.value
        clock = line.at.chosen.value if line.at else None
        window = line.window.chosen.value if line.window else None
        if isinstance(timing, Relation):
            found = [self._related(timing, base) for base in self._bases(timing)]
        elif isinstance(timing, Recurrence):
            start = self._related(timing.first, self._bases(timing.first)[0])[0] if timing.first else Moment(0, clock)
            found = [(replace(start, day=start.day + step), None, None) for step in timing.offsets()]
        else:
            assert isinstance(timing, Days)
            found = [(Moment(offset_of(day, self.zero), clock), None, None) for day in timing.days]
        return tuple(
            Occasion(i, len(found), start, *(_within(start, window) if window else (early, late)))
            for i, (start, early, late) in enumerate(found, 1)
        )

    def _bases(self, relation: Relation) -> tuple[Moment, ...]:
        """The starts or ends that a relation counts from."""
        line = self.lines[relation.line]
        found = self.of(relation.line)
        chosen = {"first": found[:1], "last": found[-1:], "each": found}[relation.which]
        length = line.over.chosen.value if line.over and relation.edge == "end" else None
        return tuple(o.start.later(length) if length else o.start for o in chosen)

    def _related(self, relation: Relation, base: Moment) -> tuple[Moment, Moment | None, Moment | None]:
        """Nominal, earliest and latest moment of a relation; both ends are None where it allows no slack."""
        sign = -1 if relation.side == "before" else 1
        by: Span = relation.by
        nominal = base.later(by.nominal(), sign)
        if by.low == by.high:
            return nominal, None, None
        near, far = base.later(by.low, sign), base.later(by.high, sign) if by.high else None
        return (nominal, far, near) if sign < 0 else (nominal, near, far)


def _within(start: Moment, window: Window) -> tuple[Moment, Moment]:
    """Earliest and latest moment of a window around the nominal one."""
    early, late = (Duration(abs(x), window.unit) for x in (window.earliest, window.latest))
    return start.later(early, -1), start.later(late)


def chosen_occasions(found: Occasions, reference: Reference) -> tuple[Occasion, ...]:
    """The occasions that `first cells`, `last cells` or `each cells` names."""
    every = found[reference.line]
    return {"first": every[:1], "last": every[-1:], "each": every}[reference.which]
