"""How whole runs grow with the number of patients: time and memory, each in a process of its own."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
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
    """A whole run as `nksim simulate` makes it: patients, processor and clock seconds, peak memory in MiB."""

    count: int
    processor_s: float
    clock_s: float
    peak_mib: float


def nkaml() -> Job:
    """NKAML as its file says, in patients of its ages."""
    choice = choose(load("nkaml")).answered(accept_assumed=True)
    return Job(choice, partial(Bodies().population, seed=1, ages=age_range(choice)), 1, Settings())


def whole(count: int) -> Whole:
    """Such a run on two threads, after one of a single patient that loads all there is to load."""
    this = nkaml()
    summarise(this, 1)
    clock = time.perf_counter()
    processor = time.process_time()
    summarise(this, count, workers=2)
    processor = time.process_time() - processor
    clock = time.perf_counter() - clock
    return Whole(count, processor, clock, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def lengthening(counts: Sequence[int], rounds: int = 3) -> list[Whole]:
    """Whole runs, each in a process of its own: of several rounds the one that took the processor least."""
    made: dict[int, list[Whole]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count in counts:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                made[count].append(fresh.submit(whole, count).result())
    least = [min(made[count], key=lambda w: w.processor_s) for count in counts]
    print("  patients  processor s  us a patient  us each further one  clock s peak MiB")
    for before, w in zip([None, *least], least, strict=False):
        each = f"{w.processor_s / w.count * 1e6:13.1f}"
        more = (w.processor_s - before.processor_s) / (w.count - before.count) * 1e6 if before else None
        further = "" if more is None else f"{more:.1f}"
        print(f"{w.count:10,}{w.processor_s:13.3f} {each} {further:>20} {w.clock_s:8.2f} {w.peak_mib:8.0f}")
    return least


def sharing(work: Callable[[int], object], rounds: int) -> float:
    """How many times as fast by the clock `work(2)`, on two threads, is as `work(1)`: the fastest round of each."""
    least = {1: float("inf"), 2: float("inf")}
    for threads in (1, 2) * rounds:
        start = time.perf_counter()
        work(threads)
        least[threads] = min(least[threads], time.perf_counter() - start)
    return least[1] / least[2]
