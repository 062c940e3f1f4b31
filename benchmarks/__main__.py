"""`python -m benchmarks [N]`: every engine that is installed on one workload, in one run, with its measured error.

The workload is the real model: NKAML with three cell infusions, days -7 to 90, outputs every 6 h, all parameters
drawn. An engine's error is the largest relative difference of the donor NK count (above 1e-6 cells/uL) to the
reference at 1e-11 in a few patients; time is the best of several repeats. Engines that are not installed are named
and left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, run

import numpy as np

from benchmarks.rivals import RIVALS
from nksim.kinetics import engine, native, reference
from nksim.kinetics.events import Covariates, EventTable
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.run import Bodies
from nksim.scale.summary import Job
from nksim.simulation import Settings, age_range, parameter_values

COUNTED = ("donor_nk", "host_nk", "alc", "il15")
TIMES = np.arange(-28, 361) / 4.0


@dataclass(frozen=True, eq=False)
class Workload:
    """Patients with their doses and parameters."""

    events: EventTable
    parameters: dict[str, np.ndarray]
    covariates: Covariates

    def first(self, n: int) -> Workload:
        """The first `n` of them."""
        part = slice(0, n)
        own = {name: values[part] for name, values in self.parameters.items()}
        return Workload(self.events.patients(part), own, self.covariates.patients(part))


def workload(n: int) -> Workload:
    """`pop10k` at its full size: Cy, 5 x Flu, three cell infusions, six doses of IL-2."""
    choice = choose(load("nkaml"), settings=(("cells.days", "0, 7, 14"),)).answered(accept_assumed=True)
    ages = age_range(choice)
    job = Job(choice, partial(Bodies().population, seed=1, ages=ages), 1, Settings(days=1, every_d=1))
    parts = [job.chunk(first, min(10_000, n - first)) for first in range(0, n, 10_000)]
    bodies = [p.population for p in parts]
    e = parts[0].events
    events = EventTable(e.time_d, e.duration_d, e.target, np.concatenate([p.events.amount for p in parts]))
    weight, height, egfr = (
        np.concatenate([getattr(b, name) for b in bodies]) for name in ("weight_kg", "height_cm", "egfr_ml_min_1_73m2")
    )
    known = parts[0].parameter_set.parameters(parts[0].preset)
    values = parameter_values(known, np.arange(n), 1)
    return Workload(events, values, Covariates(weight, np.sqrt(weight * height / 3600), egfr))


def best(call: Callable[[], object], repeats: int) -> float:
    """Shortest time of a call in seconds."""
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return min(took)


def solved(solve: Callable[..., object], w: Workload, **more: object) -> object:
    """One call of an nksim engine."""
    return solve(w.events, w.parameters, w.covariates, TIMES, outputs=COUNTED, **more)


def engines(n: int) -> dict[str, tuple[Callable[[Workload], np.ndarray], int, int]]:
    """What to time: a function to donor NK (n, t), patients and repeats."""
    made: dict[str, tuple[Callable[[Workload], np.ndarray], int, int]] = {}

    def ours(solve: Callable[..., object], **more: object) -> Callable[[Workload], np.ndarray]:
        return lambda w: solved(solve, w, **more)["donor_nk"]  # type: ignore[index]

    if native.available():
        for rtol in (5e-5, 5e-6, 5e-7):
            for threads in (1, 2):
                name = f"nksim native {native.variant()} rtol {rtol:g}, {threads} thread{'s' * (threads > 1)}"
                made[name] = (ours(native.solve, threads=threads, rtol=rtol), n, 5)
        made["nksim native baseline rtol 5e-06, 1 thread"] = (ours(native.solve, instructions="baseline"), n // 4, 3)
    made["nksim numpy rtol 5e-06"] = (ours(engine.solve), min(n, 4000), 2)
    for name, solve in RIVALS.items():
        made[name] = (partial(solve, times=TIMES), 8, 1)
    return made


def main(n: int) -> None:
    """Print the tables."""
    w = workload(n)
    few = w.first(8)
    exact = reference.solve(few.events, few.parameters, few.covariates, TIMES, outputs=COUNTED, rtol=1e-11)["donor_nk"]
    print(f"{'engine':48} {'patients/s':>12} {'error':>9}")
    for name, (solve, count, repeats) in engines(n).items():
        part = w.first(count)
        try:
            error = np.max(np.abs(solve(few) - exact) / np.maximum(exact, 1e-6))
            rate = count / best(partial(solve, part), repeats)
        except ImportError as missing:
            print(f"{name:48} {'not installed':>12} ({missing.name})")
            continue
        print(f"{name:48} {rate:12,.1f} {error:9.1e}")
    if native.available():
        print("\npatients   native, 1 thread, us each")
        for count in (1, 10, 100, 1000, n):
            print(f"{count:8}   {best(partial(solved, native.solve, w.first(count)), 9) / count * 1e6:10.1f}")
    print("\nstart-up, whole process, s")
    for line in ("--help", "calendar nkaml --weight 25kg --height 128cm --age 8y --day0 2027-03-01 --tz UTC --assume",
                 "simulate nkaml -n 1 --assume"):  # fmt: skip
        command = [Path(sys.executable).with_name("nksim"), *line.split()]
        took = best(partial(run, command, stdout=DEVNULL, stderr=DEVNULL, check=False), 7)
        print(f"{took:8.2f}   nksim {line}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
