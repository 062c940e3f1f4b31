"""Earliest, planned and latest of each dose: from windows, delays, and what the dose hangs on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from nksim.protocol.choice import Choice
from nksim.protocol.model import Administration
from nksim.schedule.timing import Occasion, Occasions
from nksim.words import said

Key = tuple[str, int]


@dataclass(frozen=True)
class Slack:
    """What a dose may differ from its plan, in minutes: by itself, beside the dose `parent` whose slack it shares.

    `whole_days` tells slack that steps the calendar from slack that elapses.
    """

    least: float
    most: float
    whole_days: bool
    parent: Key | None
    why: tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """The most that a dose may come earlier and later than planned, in minutes, and why."""

    early: float
    late: float
    why: tuple[str, ...]


def slacks(choice: Choice, found: Occasions, anchor_clock: dt.time) -> dict[Key, Slack]:
    """The slack of every dose by line and number."""
    lines = {line.id: line for line in choice.arm.lines}
    return {
        (line_id, o.number): _slack(choice, lines[line_id], o, anchor_clock)
        for line_id, every in found.items()
        for o in every
    }


def _slack(choice: Choice, line: Administration, o: Occasion, anchor_clock: dt.time) -> Slack:
    planned = o.start.from_anchor_d(anchor_clock)
    # An open end has no slack that could be told.
    least = (o.earliest.from_anchor_d(anchor_clock) - planned) * 1440 if o.earliest and o.latest else 0.0
    most = (o.latest.from_anchor_d(anchor_clock) - planned) * 1440 if o.earliest and o.latest else 0.0
    why: list[str] = [said("{line} window", line=line.id)] if least or most else []
    product = choice.protocol.products.get(line.product)
    for name, fact in (
        (said("{line} delay", line=line.id), line.delay),
        (said("{product} release", product=line.product), product.release if product else None),
    ):
        held = fact.chosen.value if fact else None
        if held is not None:
            least, most = least + float(held.least.minutes), most + float(held.most.minutes)
            why.append(name)
    # A window around a dose's own day is kept whatever went before; without one the dose follows what it counts from.
    parent = (line.id, o.number - 1) if o.follows else o.base or (None if line.window else o.origin)
    whole = least % 1440 == 0 and most % 1440 == 0
    return Slack(round(least, 6), round(most, 6), whole, parent, tuple(why))


def spreads(found: dict[Key, Slack]) -> dict[Key, Spread]:
    """How early and late each dose may come when every slack on its way is used up."""
    done: dict[Key, Spread] = {}

    def of(key: Key) -> Spread:
        if key not in done:
            own = found[key]
            above = of(own.parent) if own.parent else Spread(0.0, 0.0, ())
            why = tuple(dict.fromkeys((*above.why, *own.why)))
            done[key] = Spread(above.early + own.least, above.late + own.most, why)
        return done[key]

    return {key: of(key) for key in found}
