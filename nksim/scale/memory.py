"""What the machine has, what a run will take of it, and how many patients are worked on at a time."""

from __future__ import annotations

import os
from pathlib import Path

from nksim.errors import InvalidInput

__all__ = [
    "CHUNK", "PROGRAM_BYTES", "available_bytes", "chunk_of", "cores", "even", "held_bytes", "measuring_bytes",
    "needed_bytes", "parts_bytes", "refuse_too_large", "refuse_without", "summed_bytes", "working_bytes",
]  # fmt: skip

CHUNK = 1250
# Where curves are read off at once, their bins alone are kept of a chunk: two bytes for each value.
CHUNK_READ = 4000
_MOST_ROWS, _MOST_READ = 1 << 20, 1 << 21
_METRICS = 19
_OUTPUTS = 9
# As measured: what Python, NumPy and SciPy take, and a tally for each output and time, in memory and packed.
PROGRAM_BYTES, _TALLY_BYTES_PER_SERIES, _PACKED_BYTES_PER_SERIES = 130e6, 22e3, 3e3
# Parameters, doses and rates of a patient, with what they are made of.
_DRAWN_BYTES = 4e3
_GROUPS = Path("/sys/fs/cgroup")


def chunk_of(times: int, *, reads_off: bool = False) -> int:
    """Patients whose curves at so many times are worked on together; more where they are read off at once.

    >>> chunk_of(389), chunk_of(10_000), chunk_of(389, reads_off=True)
    (1250, 104, 4000)
    """
    return max(1, min(CHUNK_READ, _MOST_READ // times) if reads_off else min(CHUNK, _MOST_ROWS // times))


def even(n: int, workers: int, most: int) -> int:
    """The size of chunks, at most so many, of which all workers get the same number.

    >>> even(9000, 2, 4000)
    2250
    """
    rounds = -(-n // (workers * most))
    return -(-n // (workers * rounds))


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def needed_bytes(n: int, times: int, workers: int, chunk: int = CHUNK, *, reads_off: bool = False) -> float:
    """Memory at the peak of a run of `n` patients that are summed up in chunks on `workers` threads, estimated."""
    return PROGRAM_BYTES + working_bytes(n, times, workers, chunk, reads_off=reads_off) + summed_bytes(n, times)


def working_bytes(n: int, times: int, workers: int, chunk: int, *, reads_off: bool = False) -> float:
    """What chunks of patients take while they are worked on: curves with what is made of them, or bins."""
    each = times * 2 * _OUTPUTS + _DRAWN_BYTES if reads_off else times * 8 * (_OUTPUTS + 3)
    return min(workers * even(n, workers, chunk), n) * each


def summed_bytes(n: int, times: int) -> float:
    """What is kept of a regimen whose patients were summed up: a tally, and the metrics of each."""
    return times * _OUTPUTS * _TALLY_BYTES_PER_SERIES + n * 8 * (_METRICS + 2)


def held_bytes(n: int, times: int) -> float:
    """What is kept of a regimen whose curves are held, with its drawn and derived columns."""
    return n * 8 * (times * (_OUTPUTS + 1) + _METRICS + 2)


def measuring_bytes(n: int, times: int) -> float:
    """What comes on top while held curves are measured."""
    return n * 8 * times * 4


def parts_bytes(times: int, workers: int, *, here: bool) -> float:
    """What parts take: two of each worker on their way as bytes, and in its memory, if `here`, a tally."""
    tallies = workers * times * _OUTPUTS * _TALLY_BYTES_PER_SERIES if here else 0.0
    return tallies + 2 * workers * times * _OUTPUTS * _PACKED_BYTES_PER_SERIES


def available_bytes() -> float:
    """Memory that system and control group can still give, or infinity where they do not say."""
    return min(_system_bytes(), *(_left(*group) for group in _control_groups()), float("inf"))


def refuse_too_large(n: int, times: int, workers: int, chunk: int, *, reads_off: bool = False) -> None:
    """`InvalidInput` NK645 when a run that is summed up in chunks needs more memory than there is."""
    refuse_without(needed_bytes(n, times, workers, chunk, reads_off=reads_off), n, times)


def refuse_without(needed: float, n: int, times: int, regimens: int = 1) -> None:
    """`InvalidInput` NK645 when there are not so many bytes for `n` patients at so many times."""
    there = available_bytes()
    if needed > there:
        under = f" under {regimens} regimens" if regimens > 1 else ""
        raise InvalidInput(
            "NK645",
            f"{n} patients at {times} times{under} need {needed / 1e6:.0f} MB, and {there / 1e6:.0f} MB are free",
            help="fewer patients (-n), a coarser grid (--every), fewer days (--days) or fewer --workers",
        )


def _system_bytes() -> float:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, AttributeError):
        return float("inf")


def _control_groups(membership: Path = Path("/proc/self/cgroup")) -> list[tuple[Path, str, str, str]]:
    """Directory of each control group that bounds this process's memory, its files of limit and use, and its cache."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found = []
    for _, kind, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        parts = Path(path.strip("/")).parts
        if kind == "":
            files, top = ("memory.max", "memory.current", "inactive_file"), _GROUPS
        elif kind == "memory":
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = _GROUPS / "memory"
        else:
            continue
        # A limit of any group above holds too.
        found += [(top.joinpath(*parts[:depth]), *files) for depth in range(len(parts) + 1)]
    return found


def _left(directory: Path, limit: str, used: str, cache: str) -> float:
    """Bytes that a control group may still take; what it holds of files can be dropped."""
    try:
        most, taken = (float((directory / name).read_text(encoding="ascii")) for name in (limit, used))
        stat = dict(line.split() for line in (directory / "memory.stat").read_text(encoding="ascii").splitlines())
        return max(0.0, most - taken + float(stat[cache]))
    except (OSError, ValueError, KeyError):
        return float("inf")
