"""Curves of every patient in order of their number, a few patients at a time.

Where a run kept its curves they are handed out; where it summed them up they are made again, to the same bits: a
patient's curves follow from the seed and the patient's number alone. How many patients come at a time hangs on the
number of output times and on nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.scale.memory import chunk_of, cores, refuse_without, working_bytes
from nksim.scale.parts import agree, kept_alive, maker
from nksim.scale.summary import Job, Summary, ranges
from nksim.simulation import Simulation

__all__ = ["Curves", "curves", "follow"]


@dataclass(frozen=True, eq=False)
class Curves:
    """Outputs by name, each (n, t), of the patients numbered `index` (n,)."""

    index: NDArray[np.int64]
    outputs: Mapping[str, NDArray[np.float64]]


def curves(job: Job, first: int, n: int) -> tuple[str, Curves]:
    """What made the curves of the `n` patients numbered from `first`, and the curves."""
    made = job.chunk(first, n)
    return maker(job), Curves(made.population.index, made.outputs)


def follow(simulation: Simulation, *, workers: int | None = None, executor: Executor | None = None) -> Iterator[Curves]:
    """The curves of a simulation in order of patient number, `chunk_of` at a time.

    Those of a `Summary` are made again on `executor`, or on `workers` threads (all processors unless given), at most
    two portions for each worker on the way. InvalidInput NK659 where a worker's engine is not that of this machine,
    NK645 where memory will not do.
    """
    size = chunk_of(simulation.times_d.size)
    if isinstance(simulation, Summary):
        yield from _again(simulation, size, workers or cores(), executor)
        return
    for first, n in ranges(0, len(simulation.population), size):
        some = slice(first, first + n)
        outputs = {name: values[some] for name, values in simulation.outputs.items()}
        yield Curves(simulation.population.index[some], outputs)


def _again(summary: Summary, size: int, workers: int, executor: Executor | None) -> Iterator[Curves]:
    job, n, times = summary.job, len(summary.population), summary.times_d.size
    assert job is not None, "a summary without its job cannot be followed"
    refuse_without(working_bytes(n, times, 2 * workers, size), n, times)
    here, todo = maker(job), ranges(0, n, size)
    running: deque[Future[tuple[str, Curves]]] = deque()

    def oldest() -> Curves:
        theirs, made = running.popleft().result()
        agree(theirs, here)
        return made

    with kept_alive(), nullcontext(executor) if executor is not None else ThreadPoolExecutor(workers) as pool:
        try:
            for first, count in todo:
                running.append(pool.submit(curves, job, first, count))
                if len(running) >= 2 * workers:
                    yield oldest()
            while running:
                yield oldest()
        finally:
            for future in running:
                future.cancel()
