"""A population whose curves are kept: solved in chunks, by several threads, and put together again."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import fields, replace

import numpy as np

from nksim.kinetics.events import EventTable
from nksim.kinetics.solution import Solution, Steps
from nksim.population import Population
from nksim.scale.memory import CHUNK
from nksim.scale.summary import Job, Progress, ranges
from nksim.simulation import Simulation, engine_used

__all__ = ["held"]

# The reference solver takes a good part of a second for ten patients; NumPy is quickest with thousands at once.
_CHUNKS = {"reference": 10, "numpy": 4000}


def held(job: Job, n: int, threads: Executor, progress: Progress | None = None, *, chunk: int = 0) -> Simulation:
    """`n` patients with their curves; the same bits for any chunk and any number of threads."""
    size = chunk or _CHUNKS.get(engine_used(job.settings.engine), CHUNK)
    chunks, made, done = job.chunks(), [], 0
    if n > size:
        # Whichever chunk is done first, the typical schedule is that of the first patient.
        chunks.simulate(0, 1)
    running = [threads.submit(chunks.simulate, first, count) for first, count in ranges(0, n, size)]
    try:
        for future in running:
            made.append(future.result())
            done += len(made[-1].population)
            if progress:
                progress(done, n)
    finally:
        for future in running:
            future.cancel()
    return made[0] if len(made) == 1 else _joined(made)


def _joined(made: list[Simulation]) -> Simulation:
    """One simulation of consecutive patients; the curves of its parts are let go one output at a time."""
    first, solutions = made[0], [s.solution for s in made]
    solution = Solution(
        first.times_d,
        {name: np.concatenate([x.trajectories.pop(name) for x in solutions]) for name in list(first.solution)},
        np.concatenate([x.cy_auc for x in solutions]),
        np.concatenate([x.f_ara_a_auc for x in solutions]),
        Steps(np.concatenate([x.steps.taken for x in solutions]), np.concatenate([x.steps.refused for x in solutions])),
        {name: np.concatenate([x.aside[name] for x in solutions]) for name in first.solution.aside},
    )
    e = first.events
    return replace(
        first,
        population=Population(
            *(np.concatenate([getattr(s.population, f.name) for s in made]) for f in fields(Population))
        ),
        events=EventTable(e.time_d, e.duration_d, e.target, np.concatenate([s.events.amount for s in made])),
        solution=solution,
        infusion_ends=np.concatenate([s.infusion_ends for s in made]),
    )
