"""Regimens run in one population: held, or summed up as they go by, in the process, in parts or on an executor."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from nksim.doses import event_table, sizes_of
from nksim.scale import memory
from nksim.scale.held import held
from nksim.scale.memory import chunk_of, cores
from nksim.scale.parts import PART, check, run_parts
from nksim.scale.summary import Job, Progress, Summary, summarise
from nksim.simulation import Simulation, too_many_to_hold

__all__ = ["execute"]

# The doses of a million patients would take more memory than all else.
MOST_DOSED = 10_000


def execute(
    jobs: Sequence[Job],
    n: int,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    directories: Sequence[Path] = (),
    executor: Executor | None = None,
) -> list[Simulation]:
    """Simulate `n` patients under each job; `progress` is told the patients done of all regimens together.

    Curves are held where there are few enough. With `directories`, one for each job, or an `executor` with `workers`
    workers, every job is run in parts. Before anything is run, InvalidInput NK645 is raised where memory will not do
    for all of them, and NK647 where a directory holds parts of another run.
    """
    used, chunks = workers or cores(), [job.chunks() for job in jobs]
    times, reads_off = [c.simulate(0, 1).times_d.size for c in chunks], all(c.reads_off for c in chunks)
    in_parts = bool(directories) or executor is not None
    keeps = [not in_parts and not too_many_to_hold(n, job.settings) for job in jobs]
    _refuse_too_large(n, times, keeps, used, executor, in_parts=in_parts, reads_off=reads_off and not any(keeps))
    kept: list[Path | None] = [*directories] or [None] * len(jobs)
    for job, directory in zip(jobs, kept, strict=True):
        if directory is not None:
            check(job, n, directory, PART)
    done: list[Simulation] = []
    with nullcontext(executor) if executor is not None else ThreadPoolExecutor(used) as pool:
        for i, (job, directory) in enumerate(zip(jobs, kept, strict=True)):
            told = _told_of_all(progress, i * n, len(jobs) * n)
            if keeps[i]:
                done.append(held(job, n, pool, told))
            elif in_parts:
                made = run_parts(job, n, pool, directory=directory, workers=used, size=PART, progress=told)
                done.append(_completed(made, job))
            else:
                made = summarise(job, n, workers=used, progress=told)
                done.append(_completed(made, job))
    return done


def _completed(made: Summary, job: Job) -> Summary:
    """The same with its job, and with the doses of as many patients as are kept."""
    some = job.draw(first=0, n=min(len(made.population), MOST_DOSED))
    return replace(made, job=job, events=event_table(job.choice, sizes_of(some))[0])


def _refuse_too_large(
    n: int,
    times: Sequence[int],
    keeps: Sequence[bool],
    workers: int,
    executor: Executor | None,
    *,
    in_parts: bool,
    reads_off: bool,
) -> None:
    """`InvalidInput` NK645 when this machine has less memory than its share of the work will take."""
    most, processes = max(times), isinstance(executor, ProcessPoolExecutor)
    here = executor is None or processes or isinstance(executor, ThreadPoolExecutor)
    needed = memory.PROGRAM_BYTES * (1 + workers * processes)
    for t, keep in zip(times, keeps, strict=True):
        needed += memory.held_bytes(n, t) if keep else memory.summed_bytes(n, t)
    if here:
        needed += memory.working_bytes(n, most, workers, chunk_of(most, reads_off=reads_off), reads_off=reads_off)
    if in_parts:
        needed += memory.parts_bytes(most, workers, here=here)
    if any(keeps):
        needed += memory.measuring_bytes(n, most)
    memory.refuse_without(needed, n, most, len(times))


def _told_of_all(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one job told as that of all."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)
