"""`python -m benchmarks [N]`: every engine that is installed on one workload, in one run, with its measured error.

The workload is the real model: NKAML with three cell infusions, days -7 to 90, outputs every 6 h, all parameters
drawn. An engine's error is the largest relative difference of the donor NK count (above 1e-6 cells/uL) to the
reference at 1e-11 in eight patients, apart from the moments of doses. Times are processor time, the least of several
rounds in which the engines take turns; with two threads, the clock's. Engines that are not installed are named and
left out. Tables go to stdout, plots to benchmarks/*.svg (nksim[charts]).
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

from benchmarks import plots
from benchmarks.growth import lengthening, nkaml, sharing
from benchmarks.rivals import RIVALS
from nksim.kinetics import engine, native, reference
from nksim.kinetics.events import Covariates, EventTable
from nksim.plan import parameter_values
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.run import Bodies
from nksim.scale.summary import Job, summarise
from nksim.settings import Settings
from nksim.simulation import age_range

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


def took(call: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds that a call takes."""
    start = clock()
    call()
    return clock() - start


def best(call: Callable[[], object], repeats: int, clock: Callable[[], float] = time.process_time) -> float:
    """Least time of a call in seconds."""
    return min(took(call, clock) for _ in range(repeats))


def solved(solve: Callable[..., object], w: Workload, **more: object) -> object:
    """One call of an nksim engine."""
    return solve(w.events, w.parameters, w.covariates, TIMES, outputs=COUNTED, **more)


@dataclass(frozen=True)
class Contestant:
    """An engine at one tolerance, and the patients it is timed on."""

    program: str
    name: str
    solve: Callable[[Workload], np.ndarray]
    count: int
    prepare: Callable[[Workload], None] | None = None


def contestants(n: int) -> list[Contestant]:
    """Everyone who may be installed."""

    def ours(program: str, name: str, count: int, **more: object) -> Contestant:
        engine_of = native.solve if "native" in program else engine.solve
        return Contestant(program, name, lambda w: solved(engine_of, w, **more)["donor_nk"], count)  # type: ignore[index]

    made = []
    if native.available():
        for rtol in (3e-5, 3e-6, 3e-7):
            made.append(ours("nksim native", f"nksim native ({native.variant()}), rtol {rtol:g}", n, rtol=rtol))
        made.append(ours("nksim native, plain", "nksim native (baseline), rtol 3e-06", n // 4, instructions="baseline"))
    made += [ours("nksim NumPy", f"nksim NumPy, rtol {rtol:g}", min(n, 4000), rtol=rtol) for rtol in (3e-5, 3e-6)]
    for name, (solve, count) in RIVALS.items():
        prepare = getattr(solve, "prepare", None)
        made.append(Contestant(name.split(",")[0], name, partial(solve, times=TIMES), min(n, count), prepare))
    return made


def race(n: int, rounds: int = 3) -> list[tuple[str, str, float, float]]:
    """Program, name, patients per second of one processor and error of everyone installed."""
    w = workload(n)
    few = w.first(8)
    exact = reference.solve(few.events, few.parameters, few.covariates, TIMES, outputs=COUNTED, rtol=1e-11)["donor_nk"]
    apart = ~np.isin(TIMES, w.events.time_d)
    errors: dict[str, float] = {}
    times: dict[str, float] = {}
    entered = contestants(n)
    for this in entered:
        try:
            if this.prepare:
                this.prepare(w.first(this.count))
            off = np.abs(this.solve(w.first(this.count))[:8] - exact)[:, apart] / np.maximum(exact, 1e-6)[:, apart]
            errors[this.name] = float(off.max())
        except ImportError as missing:
            print(f"{this.name:42} not installed ({missing.name})")
    for _ in range(rounds):
        for this in entered:
            if this.name in errors:
                seconds = took(partial(this.solve, w.first(this.count)))
                times[this.name] = min(seconds, times.get(this.name, np.inf))
    return [(c.program, c.name, c.count / times[c.name], errors[c.name]) for c in entered if c.name in errors]


def main(n: int, longest: int) -> None:
    """Print the tables and draw the plots."""
    grown = lengthening([c for c in (1, 1000, 10_000, 100_000, 1_000_000) if c <= longest])
    print(f"\n{'engine':42} {'patients/s':>12} {'error':>9}")
    found = race(n)
    for _, name, rate, error in found:
        print(f"{name:42} {rate:12,.1f} {error:9.1e}")
    plots.draw(found, grown)
    if native.available():
        print("\npatients   native, one thread, us each (processor time)")
        for count in (1, 10, 100, 1000, n):
            part = workload(count)
            print(f"{count:8}   {best(partial(solved, native.solve, part), 9) / count * 1e6:10.1f}")
        w, room, count = workload(n), native.Room(), min(longest, 20_000)
        engine_alone = sharing(lambda threads: solved(native.solve, w, threads=threads, room=room), 25)
        whole_runs = sharing(lambda workers: summarise(nkaml(), count, workers=workers), 12)
        print("\ntwo threads, times as fast as one by the clock")
        print(f"{engine_alone:8.2f}   the engine, {n:,} patients\n{whole_runs:8.2f}   whole runs, {count:,} patients")
    print("\nstart-up, whole process, s by the clock")
    for line in ("--help", "calendar nkaml --weight 25kg --height 128cm --age 8y --day0 2027-03-01 --tz UTC --assume",
                 "simulate nkaml -n 1 --assume"):  # fmt: skip
        command = [Path(sys.executable).with_name("nksim"), *line.split()]
        seconds = best(partial(run, command, stdout=DEVNULL, stderr=DEVNULL, check=False), 7, time.perf_counter)
        print(f"{seconds:8.2f}   nksim {line}")


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:], *("10000", "1000000")[len(sys.argv) - 1 :])))
