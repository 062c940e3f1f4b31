"""What follows when a dose moves or falls away: what hangs on it, what counts from it, and which days are fixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nksim.protocol.choice import Choice
from nksim.schedule.expansion import Event, Schedule, anchor_line, timed
from nksim.schedule.placing import Key, key_of
from nksim.schedule.timing import Moment


@dataclass(frozen=True)
class Course:
    """Conditioning and the infusion that it prepares, which never move apart.

    The course of the anchor has no `phases`: its days are counted from day 0. Others are the phases that start at one
    moment, with the first infusion of theirs.
    """

    phases: tuple[str, ...]
    conditioning: frozenset[Key]
    infusion: Key

    def holds(self, key: Key) -> bool:
        """Whether the dose is part of the course."""
        return key == self.infusion or key in self.conditioning


def courses(choice: Choice) -> tuple[Course, ...]:
    """The courses of an arm: the anchor's, and one for each later start that has conditioning and cells of its own."""
    plan = timed(choice)
    before = frozenset(
        (line.id, o.number)
        for phase in choice.arm.phases
        if phase.phase == "conditioning" and phase.starts is None
        for line in phase.give
        for o in plan[line.id]
    )
    found = [Course((), before, (anchor_line(choice), 1))]
    for start in dict.fromkeys(p.starts.chosen.value for p in choice.arm.phases if p.starts is not None):
        phases = [p for p in choice.arm.phases if p.starts is not None and p.starts.chosen.value == start]
        lines = [line for phase in phases for line in phase.give]
        cells = [line.id for line in lines if _is_cells(choice, line.product)]
        others = [line.id for line in lines if line.id not in cells]
        if cells and others:
            first = min(cells, key=lambda line: plan[line][0].start.day)
            day = plan[first][0].start.day
            early = {(line, o.number) for line in others for o in plan[line] if o.start.day <= day and o.base is None}
            found.append(Course(tuple(p.phase for p in phases), frozenset(early), (first, 1)))
    return tuple(found)


def _is_cells(choice: Choice, product: str) -> bool:
    held = choice.protocol.products.get(product)
    return held is not None and held.kind == "nk"


def hanging(events: Iterable[Event], keys: Iterable[Key]) -> set[Key]:
    """Everything that hangs on these doses, through any number of doses between: it goes where they go."""
    return _closure(events, keys, lambda e, gone: e.occasion.base in gone)


def following(events: Iterable[Event], keys: Iterable[Key]) -> set[Key]:
    """Everything whose time is counted from these doses: what hangs on them, series that begin after them, and later
    doses of their line where each counts from the one before. Days of the protocol's own numbering do not follow."""
    return _closure(
        events,
        keys,
        lambda e, moved: (
            e.occasion.base in moved
            or e.occasion.origin in moved
            or (e.occasion.follows and any(k[0] == e.line and k[1] < e.occasion.number for k in moved))
        ),
    )


def _closure(events: Iterable[Event], keys: Iterable[Key], goes: Callable[[Event, set[Key]], bool]) -> set[Key]:
    every, start = list(events), set(keys)
    found = set(start)
    while more := {key_of(e) for e in every if key_of(e) not in found and goes(e, found)}:
        found |= more
    return found - start


def within(schedule: Schedule, course: Course) -> set[Key]:
    """The doses of a course's phases."""
    return {key_of(e) for e in schedule.doses if e.phase in course.phases}


def planned_days_apart(choice: Choice, course: Course, clock_minutes: int) -> dict[Key, int]:
    """Calendar days from each dose of conditioning to its infusion, as the protocol plans them."""
    plan = timed(choice)

    def day(key: Key) -> int:
        return whole_day(plan[key[0]][key[1] - 1].start, clock_minutes)

    return {key: day(course.infusion) - day(key) for key in course.conditioning}


def whole_day(moment: Moment, clock_minutes: int) -> int:
    """Days from the anchor's date on which a moment falls.

    >>> whole_day(Moment(1), 600)
    1
    """
    start = moment.clock.hour * 60 + moment.clock.minute if moment.clock else clock_minutes
    return moment.day + math.floor((start + moment.minutes) / 1440)
