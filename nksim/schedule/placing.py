"""Which doses move off a closed day: windows decide, closures only flag, and what hangs on a dose moves with it.

Conditioning never moves apart from its infusion, the first cells never move at all (they are day 0), and no move
reorders doses, puts two doses of a line on one day, or comes closer than the line's least gap.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from nksim.schedule.closures import Site
from nksim.schedule.expansion import Event, Schedule
from nksim.schedule.timing import Moment
from nksim.words import said

Key = tuple[str, int]
At = Callable[[Moment], dt.datetime]
MOST_DAYS = 60


@dataclass(frozen=True)
class Move:
    """A dose or assessment moved by so many days, and why."""

    days: int
    why: str


def moves(schedule: Schedule, site: Site, at: At) -> dict[Key, Move]:
    """Every event that moves at this site, by line and number; `at` gives a moment its local time."""
    return _Mover(schedule, site, at).found()


def key_of(event: Event) -> Key:
    """What names an event in a schedule."""
    return event.line, event.occasion.number


class _Mover:
    def __init__(self, schedule: Schedule, site: Site, at: At) -> None:
        self.schedule, self.site, self.at = schedule, site, at
        self.by_key = {key_of(e): e for e in schedule.events}
        self.date = {key: at(e.occasion.start).date() for key, e in self.by_key.items()}
        # A dose that moved would push every later one of such a line out of its window.
        self.chained = {e.line for e in schedule.events if e.occasion.follows}
        self.moved: dict[Key, Move] = {}

    def found(self) -> dict[Key, Move]:
        free = sorted((e for e in self.schedule.events if self._may_move(e)), key=lambda e: self.date[key_of(e)])
        for event in free:
            move = self._move(event)
            if move:
                self.moved[key_of(event)] = move
        for key, event in self.by_key.items():
            base = self._root(event)
            if base in self.moved and base != key:
                self.moved[key] = Move(
                    self.moved[base].days, said("with {line} {number}", line=base[0], number=base[1])
                )
        return self.moved

    def _root(self, event: Event) -> Key:
        """The dose that an event hangs on, through every dose between."""
        while event.occasion.base in self.by_key and not event.occasion.fixed:
            event = self.by_key[event.occasion.base]
        return key_of(event)

    def _may_move(self, event: Event) -> bool:
        o = event.occasion
        if o.fixed or event.line in self.chained:
            return False
        if o.base is not None or o.earliest is None or o.latest is None or event.phase == "conditioning":
            return False
        if event.kind == "assessment":
            return event.length is None
        anchor = self.schedule.choice.protocol.numbering.anchor.value
        if anchor is not None and (event.line, o.number) == (anchor.line, 1):
            return False
        phase = next(p for p in self.schedule.choice.arm.phases if p.phase == event.phase)
        # Lines that count their days from the start of one phase, as conditioning and its cells, stay together.
        return phase.starts is None or len(phase.give) == 1

    def _move(self, event: Event) -> Move | None:
        why = self._closed(event, 0)
        if why is None:
            return None
        nominal = self.date[key_of(event)]
        low, high = (self.at(m) for m in (event.occasion.earliest, event.occasion.latest) if m is not None)
        start = self.at(event.occasion.start)
        days = [d for d in range(-MOST_DAYS, MOST_DAYS + 1) if d and low <= self._start(start, d) <= high]
        for date in self.site.order(nominal, [nominal + dt.timedelta(days=d) for d in days]):
            shift = (date - nominal).days
            if self._closed(event, shift) is None and self._keeps_order(event, shift):
                return Move(shift, why)
        return None

    def _start(self, start: dt.datetime, days: int) -> dt.datetime:
        return start + dt.timedelta(days=days)

    def _closed(self, event: Event, days: int) -> str | None:
        start = self._start(self.at(event.occasion.start), days)
        minutes = event.length.minutes if event.kind == "dose" and event.length else 0
        return self.site.closed(start, start + dt.timedelta(minutes=float(minutes)))

    def _keeps_order(self, event: Event, days: int) -> bool:
        """Whether the dose stays on its side of every other dose that stands on its own days."""
        if event.kind == "assessment":
            return True
        key = key_of(event)
        new = self.date[key] + dt.timedelta(days=days)
        gap = self._gap(event)
        for other in self.schedule.doses:
            its = key_of(other)
            if its == key or other.occasion.base is not None:
                continue
            shift = self.moved[its].days if its in self.moved else 0
            date = self.date[its] + dt.timedelta(days=shift)
            apart = gap if other.line == event.line else 0
            if self.date[its] < self.date[key] and (new - date).days < apart:
                return False
            if self.date[its] > self.date[key] and (date - new).days < apart:
                return False
        return True

    def _gap(self, event: Event) -> int:
        """Least whole days between doses of the event's line: its gap, and never two on one day."""
        line = next(x for x in self.schedule.choice.arm.lines if x.id == event.line)
        gap = line.gap.chosen.value if line.gap else None
        return 1 if gap is None else max(1, -int(-float(gap.minutes) // 1440))
