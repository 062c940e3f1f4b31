"""Timing slack drawn for virtual patients: the windows and delays of the calendar, as a band on the curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim.kinetics import Floats
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.solution import Solution, Steps
from nksim.population import uniforms
from nksim.protocol.choice import Choice
from nksim.schedule.expansion import ANCHOR_CLOCK, timed
from nksim.schedule.spread import Key, Slack, slacks

# Patient i follows timing number i modulo this: patients of one timing are solved together.
TIMINGS = 20
Solve = Callable[[EventTable, dict[str, Floats], Covariates, Floats], Solution]


def drawn_shifts(choice: Choice, seed: int, timing: int) -> dict[Key, float]:
    """Days by which each dose of one timing departs from its plan, by line and number.

    Slack in whole days is drawn in whole days, other slack evenly between its ends; what hangs on a dose follows it;
    the doses of a line keep their order and their least gap: a late dose pushes the next one of its line.
    """
    found = timed(choice)
    gaps = {line.id: line.gap.chosen.value for line in choice.arm.lines if line.gap}
    held = slacks(choice, found, ANCHOR_CLOCK)
    shifts: dict[Key, float] = {}

    def place_line(line: str) -> None:
        """Shifts of a whole line, once those of every line that it hangs on are final."""
        keys = [(line, o.number) for o in found[line]]
        for above in {own.parent[0] for key in keys if (own := held[key]).parent} - {line}:
            if (above, 1) not in shifts:
                place_line(above)
        planned = [o.start.from_anchor_d(ANCHOR_CLOCK) for o in found[line]]
        for key in keys:
            # One by one: a dose may count from the one before it.
            shifts[key] = _drawn(held[key], key, seed, timing, shifts)
        real = sorted(p + shifts[key] for p, key in zip(planned, keys, strict=True))
        if held_apart := gaps.get(line):
            least = float(held_apart.minutes) / 1440
            real = list(accumulate(real, lambda before, own: max(own, before + least)))
        shifts.update({key: r - p for key, p, r in zip(keys, planned, real, strict=True)})

    for line in found:
        if (line, 1) not in shifts:
            place_line(line)
    return shifts


def _drawn(own: Slack, key: Key, seed: int, timing: int, shifts: dict[Key, float]) -> float:
    u = float(uniforms(seed, [timing], f"timing {key[0]}", key[1])[0])
    if own.whole_days:
        steps = round((own.most - own.least) / 1440) + 1
        minutes = own.least + 1440.0 * min(int(u * steps), steps - 1)
    else:
        minutes = own.least + u * (own.most - own.least)
    return minutes / 1440 + (shifts[own.parent] if own.parent else 0.0)


def shifted(events: EventTable, keys: tuple[Key, ...], shifts: dict[Key, float]) -> EventTable:
    """The doses at their drawn times, in order of time."""
    times = events.time_d + np.array([shifts[key] for key in keys])
    order = np.argsort(times, kind="stable")
    targets = tuple(events.target[i] for i in order)
    return EventTable(times[order], events.duration_d[order], targets, events.amount[:, order])


def solve_sampled(
    solve: Solve,
    tables: list[EventTable],
    index: NDArray[np.int64],
    values: dict[str, Floats],
    covariates: Covariates,
    times_d: Floats,
) -> Solution:
    """Trajectories of all patients, each solved with the doses of its own timing."""
    parts = list(_parts(solve, tables, index, values, covariates, times_d))
    order = np.argsort(np.concatenate([rows for rows, _ in parts]), kind="stable")
    found = [s for _, s in parts]

    def joined(columns: list[Any]) -> Any:
        return np.concatenate(columns)[order]

    trajectories = {name: joined([s[name] for s in found]) for name in found[0]}
    return replace(
        found[0],
        trajectories=trajectories,
        cy_auc=joined([s.cy_auc for s in found]),
        f_ara_a_auc=joined([s.f_ara_a_auc for s in found]),
        steps=Steps(joined([s.steps.taken for s in found]), joined([s.steps.refused for s in found])),
    )


def _parts(
    solve: Solve,
    tables: list[EventTable],
    index: NDArray[np.int64],
    values: dict[str, Floats],
    covariates: Covariates,
    times_d: Floats,
) -> Iterator[tuple[NDArray[np.intp], Solution]]:
    for timing, table in enumerate(tables):
        rows = np.flatnonzero(index % TIMINGS == timing)
        if len(rows):
            own = {name: column[rows] for name, column in values.items()}
            yield rows, solve(table.patients(rows), own, covariates.patients(rows), times_d)
