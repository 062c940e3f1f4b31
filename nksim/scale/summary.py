"""A population simulated in chunks and summed up: metrics of every patient, means and bands by time.

Every number is the same bits for any size of chunk, number of workers and order of completion: patients are drawn
by their number, solved by themselves, measured by themselves, and counted in whole numbers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nksim.kinetics.native import Room
from nksim.kinetics.readings import MOST_READ
from nksim.kinetics.solution import Solution, Steps
from nksim.metrics import Values, measure
from nksim.plan import Plan
from nksim.population import Population
from nksim.protocol.choice import Choice
from nksim.scale.memory import chunk_of, even, refuse_too_large
from nksim.scale.tally import HISTOGRAM, Tally
from nksim.settings import Settings
from nksim.simulation import Simulation

__all__ = ["Chunks", "Extent", "Job", "Progress", "Summary", "Sums", "ranges", "summarise"]

HISTOGRAMS = "quantiles by time come from histograms and are within 0.4 % of the exact ones"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """What to simulate: an answered choice in patients that `draw(first=…, n=…)` gives by their number."""

    choice: Choice
    draw: Callable[..., Population]
    seed: int
    settings: Settings
    label: str = ""

    def chunks(self) -> Chunks:
        """The same made ready to simulate one chunk after the other."""
        return Chunks(self)

    def chunk(self, first: int, n: int) -> Simulation:
        """The `n` patients numbered from `first`."""
        return self.chunks().simulate(first, n)


class Chunks:
    """What chunks of one job share: the plan, the first simulation, and the room for curves of each thread."""

    def __init__(self, job: Job) -> None:
        self._draw = job.draw
        self._plan = Plan(job.choice, seed=job.seed, settings=job.settings, label=job.label)
        self._first: Simulation | None = None

    def simulate(self, first: int, n: int, room: Room | None = None) -> Simulation:
        """The `n` patients numbered from `first`; with a `room` their curves last until the next chunk in it."""
        made = self._plan.run(self._draw(first=first, n=n), like=self._first, room=room)
        self._first = self._first or made
        return made

    @property
    def reads_off(self) -> bool:
        """Whether `add` reads curves off at once, and keeps none."""
        return self._plan.reads_off

    def add(self, first: int, n: int, sums: Sums, at: int, room: Room) -> None:
        """Simulate the `n` patients numbered from `first`, and add them as the `at`-th and following to the sums."""
        if not self.reads_off or self._first is None or n > MOST_READ:
            sums.add(self.simulate(first, n, room), at)
            return
        drawn, series = self._draw(first=first, n=n), sums.tally.names
        sums.add(self._plan.read(drawn, like=self._first, room=room, series=series, histogram=HISTOGRAM), at)


@dataclass(frozen=True, eq=False)
class Extent:
    """The bounds of a population that was not kept: lowest and highest age and weight, and the numbers drawn."""

    index: NDArray[np.int64]
    age_y: NDArray[np.float64]
    weight_kg: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.index[1])


@dataclass(frozen=True, eq=False)
class Summary(Simulation):
    """A simulation whose trajectories were counted and not kept; its `job` can make them again."""

    tally: Tally = field(default_factory=lambda: Tally((), 0))
    job: Job | None = None

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs that were counted."""
        return self.tally.names

    def bands(self, name: str, quantiles: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean (t,) and quantiles (q, t) over patients of one output, quantiles within 0.4 %."""
        return self.tally.mean(name), self.tally.quantiles(name, quantiles)

    def quantiles(self, name: str, quantiles: Sequence[float]) -> NDArray[np.float64]:
        """Quantiles (q, t) over patients of one output, within 0.4 %."""
        return self.tally.quantiles(name, quantiles)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the result rests on, how it was summed up among it."""
        return (*super().assumptions, *self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not kept of every patient, in sentences."""
        kept = self.events.count
        few = f"amounts and vials of drugs and cells are those of the first {kept:,} patients"
        return (HISTOGRAMS, few) if kept < len(self.population) else (HISTOGRAMS,)

    def held(self, most: int) -> Simulation:
        """The first `most` patients, solved again."""
        assert self.job is not None, "a summary without its job cannot be solved again"
        return self.job.chunk(0, min(most, len(self.population)))


class Sums:
    """What chunks add up to."""

    def __init__(self, example: Simulation, n: int) -> None:
        self.n = n
        self.tally = Tally(example.output_names, example.times_d.size)
        self.values: dict[str, NDArray[np.float64]] = {}
        self.open_end: dict[str, int] = {}
        self._guard = threading.Lock()
        self.low = np.full(2, np.inf)
        self.high = np.full(2, -np.inf)

    def add(self, part: Simulation, at: int) -> None:
        """One chunk, whose first patient is the `at`-th of these; from any thread."""
        measured = measure(part)
        if part.readings:
            for name, bins in part.readings.bins.items():
                self.tally.add_bins(name, bins)
        else:
            for name, values in part.outputs.items():
                self.tally.add(name, values)
        with self._guard:
            for name, found in measured.items():
                self.values.setdefault(name, np.empty(self.n))[at : at + len(found.values)] = found.values
                self.open_end[name] = self.open_end.get(name, 0) + found.open_end
            bodies = np.array([part.population.age_y, part.population.weight_kg])
            self.low, self.high = np.minimum(self.low, bodies.min(axis=1)), np.maximum(self.high, bodies.max(axis=1))

    def summary(self, example: Simulation, templates: dict[str, Values], first: int) -> Summary:
        """All of it as a simulation; `templates` give names, units and reasons of the metrics."""
        measured = {
            name: Values(name, t.unit, self.values[name], t.missing, self.open_end[name])
            for name, t in templates.items()
        }
        (age0, weight0), (age1, weight1) = self.low, self.high
        extent = Extent(np.array([first, self.n]), np.array([age0, age1]), np.array([weight0, weight1]))
        nothing, none = np.zeros(0), np.zeros(0, dtype=np.intp)
        kept = {f.name: getattr(example, f.name) for f in fields(Simulation)}
        kept["population"] = cast(Any, extent)
        kept["solution"] = Solution(example.times_d, {}, nothing, nothing, Steps(none, none))
        kept["measured"] = measured
        return Summary(**kept, tally=self.tally)


def ranges(first: int, n: int, size: int) -> Iterator[tuple[int, int]]:
    """First number and length of each chunk."""
    for start in range(first, first + n, size):
        yield start, min(size, first + n - start)


def summarise(
    job: Job, n: int, *, first: int = 0, workers: int = 1, chunk: int = 0, progress: Progress | None = None
) -> Summary:
    """Simulate `n` patients numbered from `first` on `workers` threads, at most `chunk` at a time, and sum them up."""
    chunks = job.chunks()
    example = chunks.simulate(first, 1)
    templates = measure(example)
    times, reads_off = example.times_d.size, chunks.reads_off
    chunk = chunk or chunk_of(times, reads_off=reads_off)
    refuse_too_large(n, times, workers, chunk, reads_off=reads_off)
    todo, guard, sums, done = ranges(first, n, even(n, workers, chunk)), threading.Lock(), Sums(example, n), 0

    def work(_: int) -> None:
        nonlocal done
        room = Room()
        while True:
            with guard:
                start, count = next(todo, (0, 0))
            if not count:
                return
            chunks.add(start, count, sums, start - first, room)
            with guard:
                done += count
                if progress:
                    progress(done, n)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    return sums.summary(example, templates, first)
