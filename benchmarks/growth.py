"""How whole runs grow with the number of patients: time and memory, each in a process of its own."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.run import Bodies
from nksim.scale.summary import Job, summarise
from nksim.settings import Settings
from nksim.simulation import age_range


@dataclass(frozen=True)
class Whole:
    """A whole run as `nksim simulate` makes it: patients, processor and clock seconds, peak memory in MB."""

    count: int
    processor_s: float
    clock_s: float
    peak_mb: float


def whole(count: int) -> Whole:
    """Such a run on two threads, after one of a single patient that loads all there is to load."""
    choice = choose(load("nkaml")).answered(accept_assumed=True)
    job = Job(choice, partial(Bodies().population, seed=1, ages=age_range(choice)), 1, Settings())
    summarise(job, 1)
    clock = time.perf_counter()
    processor = time.process_time()
    summarise(job, count, workers=2)
    processor = time.process_time() - processor
    clock = time.perf_counter() - clock
    return Whole(count, processor, clock, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def lengthening(counts: Sequence[int]) -> list[Whole]:
    """Whole runs, each in a process of its own."""
    print("  patients  processor s  us a patient  clock s  peak MB")
    made: list[Whole] = []
    for count in counts:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            made.append(fresh.submit(whole, count).result())
        w = made[-1]
        times = f"{w.processor_s:13.2f} {w.processor_s / count * 1e6:13.1f} {w.clock_s:8.2f}"
        print(f"{count:10,}{times} {w.peak_mb:8.0f}", flush=True)
    return made
