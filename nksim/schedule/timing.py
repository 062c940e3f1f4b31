"""From planned timing to single occasions, counted from the anchor and still without a date.

A moment is a whole number of calendar days from the anchor's date, a time of day, and a shift in elapsed minutes.
Keeping the two apart is what makes `45 min before` right on the night the clocks change.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from nksim.errors import InvalidInput
from nksim.protocol.model import Administration, Arm, Numbering
from nksim.protocol.samples import Samples
from nksim.protocol.times import Days, Recurrence, Reference, Relation, Span, Window
from nksim.units import Duration
from nksim.words import phrase, said

MEAN_MONTH_D = 365.25 / 12


@dataclass(frozen=True)
class Moment:
    """`months` calendar months and `day` days from the anchor's date at `clock`, then elapsed `minutes`.

    No clock is the anchor's own.

    >>> Moment(-7).from_anchor_d(dt.time(10))
    -7.0
    """

    day: int
    clock: dt.time | None = None
    minutes: Decimal = Decimal(0)
    months: int = 0

    def later(self, length: Duration, sign: int = 1) -> Moment:
        """The moment shifted by a length: hours and minutes elapse, days and weeks step the calendar."""
        if length.elapsed:
            return replace(self, minutes=self.minutes + sign * length.minutes)
        return replace(self, day=self.day + sign * length.days)

    def from_anchor_d(self, anchor_clock: dt.time) -> float:
        """Nominal days from the anchor, with days of 24 hours and mean months: what the simulator counts in."""
        clock = self.clock or anchor_clock
        shift = (clock.hour - anchor_clock.hour) * 60 + clock.minute - anchor_clock.minute
        return self.day + self.months * MEAN_MONTH_D + (shift + float(self.minutes)) / 1440


@dataclass(frozen=True)
class Occasion:
    """One administration in time: number of count, when, and the earliest and latest that the protocol allows.

    `base` is the dose (line, number) that it hangs on and moves with; `origin` the dose from which its series was
    counted, without moving with it; a dose that `follows` counts from the dose of its line before it. A sample
    `after_dose` comes after a dose of the same instant. What is `fixed` a person has put there: no rule moves it.
    """

    number: int
    count: int
    start: Moment
    earliest: Moment | None = None
    latest: Moment | None = None
    base: tuple[str, int] | None = None
    origin: tuple[str, int] | None = None
    label: str | None = None
    after_dose: bool = False
    follows: bool = False
    fixed: bool = False


Occasions = dict[str, tuple[Occasion, ...]]


def occasions(arm: Arm, numbering: Numbering, anchor_line: str) -> Occasions:
    """Every administration of an arm's lines in time, by line id.

    The anchor line's first occasion is day 0 whatever its own days say; raises `InvalidInput` NK228 where its days
    do not begin there. An anchor that is no line is an assessment, which the reader has found on that day.
    """
    plan = _Plan(arm, bool(numbering.zero.value))
    found = {line.id: plan.of(line.id) for line in arm.lines}
    if anchor_line not in found:
        return found
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
        self.starts = {
            line.id: phase.starts.chosen.value if phase.starts else None for phase in arm.phases for line in phase.give
        }
        self.zero = zero
        self.done: Occasions = {}

    def of(self, line_id: str) -> tuple[Occasion, ...]:
        if line_id not in self.done:
            self.done[line_id] = self._resolve(self.lines[line_id])
        return self.done[line_id]

    def _resolve(self, line: Administration) -> tuple[Occasion, ...]:
        timing = line.timing.chosen.value
        window = line.window.chosen.value if line.window else None
        if isinstance(timing, Relation):
            bases = self._bases(timing)
            found = [Occasion(0, 0, *self._related(timing, moment), base=base) for base, moment in bases]
        else:
            found = self._series(line, timing)
        if isinstance(timing, Recurrence) and timing.previous:
            found = [replace(o, follows=i > 0) for i, o in enumerate(found)]
        return tuple(numbered(o, i, len(found), window) for i, o in enumerate(found, 1))

    def _series(self, line: Administration, timing: Any) -> list[Occasion]:
        """Doses on days or of a recurrence, from the anchor, or from what they follow with its slack."""
        clock = line.at.chosen.value if line.at else None
        starts = self.starts[line.id]
        follows = timing.first if isinstance(timing, Recurrence) and timing.first else starts
        if isinstance(timing, Recurrence):
            steps = timing.offsets()
        else:
            assert isinstance(timing, Days)
            steps = tuple(offset_of(day, self.zero) for day in timing.days)
        if follows is None:
            return [Occasion(0, 0, Moment(step, clock)) for step in steps]
        origin, moment = self._bases(follows)[0]
        nominal, early, late = self._related(follows, moment)
        return [
            Occasion(
                0,
                0,
                _stepped(nominal, step, clock),
                early and _stepped(early, step, clock),
                late and _stepped(late, step, clock),
                origin=origin,
            )
            for step in steps
        ]

    def _bases(self, relation: Relation) -> tuple[tuple[tuple[str, int], Moment], ...]:
        """The doses that a relation counts from, each with its start or end."""
        line = self.lines[relation.line]
        chosen = chosen_occasions({line.id: self.of(line.id)}, Reference(relation.which, relation.line))
        length = line.over.chosen.value if line.over and relation.edge == "end" else None
        return tuple(((line.id, o.number), o.start.later(length) if length else o.start) for o in chosen)

    def _related(self, relation: Relation, base: Moment) -> tuple[Moment, Moment | None, Moment | None]:
        """Nominal, earliest and latest moment of a relation; both ends are None where it allows no slack."""
        sign = -1 if relation.side == "before" else 1
        by: Span = relation.by
        nominal = base.later(by.nominal(), sign)
        if by.low == by.high:
            return nominal, None, None
        near, far = base.later(by.low, sign), base.later(by.high, sign) if by.high else None
        return (nominal, far, near) if sign < 0 else (nominal, near, far)


def _stepped(moment: Moment, days: int, clock: dt.time | None) -> Moment:
    """A moment so many days later, at the line's own clock time where it has one."""
    if clock is not None:
        return Moment(moment.day + days, clock, months=moment.months)
    return replace(moment, day=moment.day + days)


def numbered(occasion: Occasion, number: int, count: int, window: Window | None) -> Occasion:
    """The occasion as number of count, with the window around it where the line or assessment has one."""
    found = replace(occasion, number=number, count=count)
    if window is None:
        return found
    early, late = (Duration(abs(x), window.unit) for x in (window.earliest, window.latest))
    return replace(found, earliest=found.start.later(early, -1), latest=found.start.later(late))


def chosen_occasions(found: Occasions, reference: Reference) -> tuple[Occasion, ...]:
    """The occasions that `first cells`, `last cells` or `each cells` names."""
    every = found[reference.line]
    return {"first": every[:1], "last": every[-1:], "each": every}[reference.which]


def sampled_occasions(found: Occasions, lines: dict[str, Administration], samples: Samples) -> list[Occasion]:
    """The times of samples around the doses that they name; pre-dose is the start of the dose, before it."""
    length = lines[samples.of.line].over
    over = length.chosen.value if length and samples.edge == "end" else None
    placed: list[Occasion] = []
    for o in chosen_occasions(found, samples.of):
        edge = o.start.later(over) if over else o.start
        of = {"line": samples.of.line, "number": o.number, "count": o.count}
        for point in samples.points:
            moment = o.start if point is None else edge.later(point)
            after = phrase("{time} after the start of {line} {number}/{count}")
            if samples.edge == "end":
                after = phrase("{time} after the end of {line} {number}/{count}")
            label = said("pre-dose, {line} {number}/{count}", **of) if point is None else said(after, time=point, **of)
            at_dose = point is not None and point.number == 0
            placed.append(Occasion(0, 0, moment, base=(samples.of.line, o.number), label=label, after_dose=at_dose))
    return placed
