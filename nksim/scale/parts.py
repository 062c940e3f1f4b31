"""A run in parts that outlives its process: each part a file with its hash, a manifest that says whose parts they are.

Parts are keyed by the number of their first patient and computed through anything with the interface of
`concurrent.futures.Executor`: threads, processes, or the executor of a dask cluster. A run that was stopped goes on
with the parts that are there and whole; the result is that of a run that was never stopped, to the bit.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim import __version__
from nksim.errors import InvalidInput, UnreadableInput
from nksim.kinetics import native
from nksim.kinetics.native import Room
from nksim.metrics import measure
from nksim.scale.memory import chunk_of
from nksim.scale.summary import Job, Progress, Summary, Sums, ranges
from nksim.simulation import engine_used

__all__ = ["PART", "agree", "check", "compute", "identity", "kept_alive", "maker", "run_parts"]

PART = 10_000
_MANIFEST = "manifest.json"
# Counts up whenever what stands in a part changes.
_LAYOUT = 3


def compute(job: Job, first: int, n: int) -> bytes:
    """One part: SHA-256 of `first` and what follows, then metrics, tallies and bounds of `n` patients, an .npz file."""
    chunks, room = job.chunks(), Room()
    example = chunks.simulate(first, 1)
    sums = Sums(example, n)
    for start, count in ranges(first, n, chunk_of(example.times_d.size, reads_off=chunks.reads_off)):
        chunks.add(start, count, sums, start - first, room)
    arrays: dict[str, NDArray[Any]] = {
        "bounds": np.array([sums.low, sums.high]),
        "maker": np.array(maker(job)),
        "open_end": np.array(list(sums.open_end.values()), dtype=np.int64),
        **{f"metric.{name}": values for name, values in sums.values.items()},
        **{f"tally.{name}": values for name, values in sums.tally.packed().items()},
    }
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return _hash(first, out.getvalue()) + out.getvalue()


@contextmanager
def kept_alive() -> Iterator[None]:
    """Raise InvalidInput NK649 where a part is lost with its worker, or with the whole cluster."""
    try:
        yield
    except (BrokenExecutor, CancelledError):
        raise InvalidInput(
            "NK649",
            "a part was lost with its worker",
            help="run it again; in --parts DIR the parts that are done are kept",
        ) from None


@kept_alive()
def run_parts(
    job: Job,
    n: int,
    executor: Executor,
    *,
    directory: Path | None = None,
    workers: int = 2,
    size: int = PART,
    progress: Progress | None = None,
) -> Summary:
    """Simulate `n` patients in parts of `size` on `executor`, at most two parts for each worker on the way.

    With a `directory` each part is kept there, and those that are already there and whole are used. InvalidInput
    NK647 when they are of another run, UnreadableInput NK648 when the directory cannot be written.
    """
    example = job.chunk(0, 1)
    store = None if directory is None else _Store(directory, job, n, size)
    sums, done, here = Sums(example, n), 0, maker(job)

    def take(first: int, part: bytes) -> None:
        nonlocal done
        done += _add(sums, part, first, here)
        if progress:
            progress(done, n)

    todo = []
    for first, count in ranges(0, n, size):
        kept = store.read(first) if store else None
        if kept is None:
            todo.append((first, count))
        else:
            take(first, kept)
    running: dict[Future[bytes], int] = {}
    try:
        while todo or running:
            while todo and len(running) < 2 * workers:
                first, count = todo.pop(0)
                running[executor.submit(compute, job, first, count)] = first
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                first, part = running.pop(future), future.result()
                if not _whole(first, part):
                    raise InvalidInput("NK649", f"the part from patient {first} came back damaged", help="run it again")
                if store:
                    store.write(first, part)
                take(first, part)
    finally:
        for future in running:
            future.cancel()
    return sums.summary(example, measure(example), 0)


def check(job: Job, n: int, directory: Path, size: int = PART) -> None:
    """Raise InvalidInput NK647 where a directory holds parts of another run, UnreadableInput NK648 where it cannot."""
    _Store(directory, job, n, size)


def _hash(first: int, content: bytes) -> bytes:
    """Of a part's content and its place, so that no part is taken for another."""
    return hashlib.sha256(first.to_bytes(8, "big") + content).digest()


def _whole(first: int, part: bytes) -> bool:
    return _hash(first, part[32:]) == part[:32]


def agree(theirs: str, ours: str) -> None:
    """Raise `InvalidInput` NK659 where a part was not made as it would be here."""
    if theirs != ours:
        raise InvalidInput(
            "NK659",
            f"a worker has {theirs}, and here it is {ours}: the last digits would not agree",
            help="one version on all machines; --engine numpy, which is the same everywhere, or workers like this one",
        )


def _add(sums: Sums, part: bytes, first: int, here: str) -> int:
    """Add a part, and say of how many patients it is; InvalidInput NK659 if it was not made as `here`."""
    with np.load(io.BytesIO(part[32:]), allow_pickle=False) as arrays:
        agree(str(arrays["maker"]), here)
        names = [name.removeprefix("metric.") for name in arrays.files if name.startswith("metric.")]
        count = 0
        for name, still in zip(names, arrays["open_end"].tolist(), strict=True):
            values = arrays[f"metric.{name}"]
            count = len(values)
            sums.values.setdefault(name, np.empty(sums.n))[first : first + count] = values
            sums.open_end[name] = sums.open_end.get(name, 0) + still
        sums.tally.unpack({name.removeprefix("tally."): arrays[name] for name in arrays.files if name[:6] == "tally."})
        low, high = arrays["bounds"]
    sums.low, sums.high = np.minimum(sums.low, low), np.maximum(sums.high, high)
    return count


class _Store:
    """The directory of one run's parts."""

    def __init__(self, directory: Path, job: Job, n: int, size: int) -> None:
        self.directory = directory
        wanted = identity(job, n, size)
        manifest = directory / _MANIFEST
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if not manifest.exists():
                self._put(manifest, json.dumps(wanted, indent=2, sort_keys=True).encode())
            found = json.loads(manifest.read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise ValueError(f"{_MANIFEST} is none")
        except (OSError, ValueError) as error:
            raise UnreadableInput("NK648", f"{directory} cannot hold the parts of a run: {error}") from None
        if found != wanted:
            other = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
            raise InvalidInput(
                "NK647",
                f"{directory} holds parts of another run: {', '.join(other)} differ",
                help="name another directory, or remove this one",
            )

    def read(self, first: int) -> bytes | None:
        """The part that starts with this patient, if it is there and whole."""
        path = self._path(first)
        part = path.read_bytes() if path.is_file() else b""
        return part if len(part) > 32 and _whole(first, part) else None

    def write(self, first: int, part: bytes) -> None:
        """Keep a part; what a full disk leaves behind is not taken for one."""
        try:
            self._put(self._path(first), part)
        except OSError as error:
            raise UnreadableInput("NK648", f"{self.directory} cannot hold the parts of a run: {error}") from None

    def _path(self, first: int) -> Path:
        return self.directory / f"part-{first:010d}"

    def _put(self, path: Path, content: bytes) -> None:
        """Write to a name beside it, to the disk, then rename."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _engine(job: Job) -> str:
    """The engine and what decides its last digits, which differ between some processors."""
    used = engine_used(job.settings.engine)
    return f"native, {native.arithmetic()}" if used == "native" else used


def maker(job: Job) -> str:
    """Version and engine that compute a part, which must be the same for all parts of a run."""
    return f"nksim {__version__} with engine {_engine(job)}"


def identity(job: Job, n: int, size: int) -> dict[str, Any]:
    """What must be the same for two runs to share parts, in words and hashes."""
    example = job.chunk(0, 1)
    population = example.population
    body = b"".join(np.asarray(getattr(population, name)).tobytes() for name in population.__dataclass_fields__)
    doses = b"".join(a.tobytes() for a in (example.events.time_d, example.events.duration_d, example.events.amount))
    return {
        "nksim": __version__,
        "layout": _LAYOUT,
        "engine": _engine(job),
        "protocol": job.choice.protocol.id,
        "protocol_sha256": job.choice.protocol.sha256,
        "regimen": [list(pair) for pair in job.choice.settings],
        "arm": job.choice.name,
        "doses_sha256": hashlib.sha256(doses + repr(example.events.target).encode()).hexdigest(),
        "patient_0_sha256": hashlib.sha256(body).hexdigest(),
        "parameters_sha256": example.parameter_set.sha256,
        "settings": repr(job.settings),
        "seed": job.seed,
        "patients": n,
        "part": size,
    }
