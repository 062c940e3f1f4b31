"""What metrics and tallies ask of curves, read off by the native engine while the next patients are being solved.

The curves themselves are never kept. The rules are those of `nksim.metrics` for curves that are held, and so are the
bits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim.errors import ModelFailure
from nksim.kinetics import Floats
from nksim.kinetics.curves import BINS, EXTINCTION, BinsOf
from nksim.kinetics.engine import RELATIVE_TOLERANCE
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.native import ADDRESS, Call, Room, address, library, structure
from nksim.kinetics.solution import Solution, checked

__all__ = ["COUNTABLE_PER_UL", "MOST_READ", "RECOVERED_PER_UL", "Dying", "Marks", "Readings", "follow"]

COUNTABLE_PER_UL, RECOVERED_PER_UL = 0.1, 500.0
# So many patients' bins can be counted at once: a count has 16 bits.
MOST_READ = 1 << 15
_DAYS = (7, 14, 28)
# As in native/reading.inc.
_NAMES = (
    "to_day", "to_last", "last_value", "half_life", "donor_highest", "donor_at", "chimerism_highest", "assay_highest",
    "seen_last", "seen_at_end", "above_lod", "alc_lowest", "alc_recovered", "host_lowest", "il15_highest",
)  # fmt: skip
_DERIVED = {"nk_chimerism": -1, "nk_chimerism_assay": -2}
_Reading = structure(
    "_Reading",
    ("times zero upto after need runs days ends series", ctypes.c_int64),
    ("lod loq between counted recovered", ctypes.c_double),
    ("extinction run_first run_end day_at day_part end_at donor_host_alc_il15_S source out bins", ADDRESS),
)


@dataclass(frozen=True)
class Marks:
    """Where metrics look at curves with these times: positions among them.

    `zero` is day 0; `upto` intervals from there end on day 28; `after` points from there the last infusion's cells have
    settled; `runs` are those at which the latest infusion's have; `need` counts in a row are three days.
    """

    zero: int
    upto: int
    after: int
    need: int
    runs: tuple[slice, ...]

    @classmethod
    def at(cls, times_d: Floats, infusion_spread_d: Floats, every_d: float) -> Marks:
        """The marks of a run whose infusions start between the two rows of `infusion_spread_d` (2, i)."""
        first, last = infusion_spread_d
        latest = np.searchsorted(first, times_d - 1e-9) - 1
        settled = (latest >= 0) & (times_d - last[np.maximum(latest, 0)] >= 1 - 1e-9)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], settled, [False]]).astype(np.int8)))
        zero = int(np.searchsorted(times_d, 0.0))
        return cls(
            zero,
            int(np.searchsorted(times_d[zero:], np.nextafter(28.0, 29.0))) - 1,
            int(np.searchsorted(times_d[zero:], last[-1] + 1 - 1e-9)),
            min(int(np.ceil(3 / every_d - 1e-9)) + 1, times_d.size),
            tuple(slice(int(start), int(end)) for start, end in edges.reshape(-1, 2)),
        )


@dataclass(frozen=True, eq=False)
class Dying:
    """How the last cells die out: see `nksim.kinetics.curves.die_out`, whose arguments these are."""

    windows: Sequence[tuple[int, int]]
    below: float
    uniform: Floats
    rates: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Readings:
    """What was read off curves of n patients: `values` by name, each (n,), and bins of the values of every output."""

    values: Mapping[str, Floats]
    bins: Mapping[str, BinsOf]


def follow(
    events: EventTable,
    parameters: Mapping[str, Floats],
    covariates: Covariates,
    times_d: Floats,
    *,
    outputs: Sequence[str],
    aside_d: Floats,
    marks: Marks,
    dying: Dying | None,
    limits: tuple[float, float | None],
    series: Sequence[str],
    histogram: tuple[int, int, int],
    room: Room,
) -> tuple[Solution, Floats, Readings]:
    """As `nksim.kinetics.native.solve`; gives donor NK counts (n, i) at the times `aside_d`, and readings for curves.

    `limits` are those of detection and quantification; `series` names the outputs whose values go into a `histogram` of
    so many octaves from a lowest on, of so many parts. Bins lie in the `room` until the next call.
    """
    _check_sizes()
    arrays, times = checked(events, parameters, covariates, times_d, outputs)
    n = events.count
    call = Call(events, arrays, covariates, times, aside_d, outputs, RELATIVE_TOLERANCE, room, read_off=True)
    record = list(call.record)
    on_days = [day for day in _DAYS if times[-1] >= day]
    right = np.searchsorted(times, on_days)
    left_d = times[right - 1]
    out = np.empty((len(_NAMES) + len(on_days) + aside_d.size, n))
    lod, loq = limits
    bins = {name: BinsOf.in_room(room, name, n, times.size, *histogram) for name in series}
    kept: dict[str, NDArray[Any]] = {
        "run_first": np.array([r.start for r in marks.runs], dtype=np.int64),
        "run_end": np.array([r.stop for r in marks.runs], dtype=np.int64),
        "day_at": right.astype(np.int64),
        "day_part": (on_days - left_d) / (times[right] - left_d),
        "end_at": np.ascontiguousarray(call.aside, dtype=np.int64),
        "donor_host_alc_il15_S": np.array(
            [record.index(x) if x in record else -1 for x in ("donor_nk", "host_nk", "alc", "il15", "S")],
            dtype=np.int64,
        ),
        "source": np.array([_DERIVED[x] if x in _DERIVED else record.index(x) for x in series], dtype=np.int64),
        "out": out,
    }
    extinction, _alive = _extinction(times, n, dying)
    each = (BINS * len(bins))(*(b.structure for b in bins.values()))
    reading = _Reading(
        times=times.size, zero=marks.zero, upto=marks.upto, after=marks.after, need=marks.need, runs=len(marks.runs),
        days=len(on_days), ends=aside_d.size, series=len(bins), lod=lod, loq=lod if loq is None else loq,
        between=0.0 if loq is None else (lod + loq) / 2, counted=COUNTABLE_PER_UL, recovered=RECOVERED_PER_UL,
        extinction=ctypes.addressof(extinction), bins=ctypes.addressof(each),
        **{name: address(array) for name, array in kept.items()},
    )  # fmt: skip
    call.problem.reading = ctypes.addressof(reading)
    call.run()
    names = (*_NAMES, *(f"nk_chimerism_d{day}" for day in on_days))
    made = Solution(times, {}, *call.drug_areas, call.steps)
    return made, out[len(names) :].T, Readings(dict(zip(names, out, strict=False)), bins)


@cache
def _check_sizes() -> None:
    engine = library()
    if engine is None or engine.nksim_size(7) != ctypes.sizeof(_Reading):
        raise ModelFailure("NK603", "the native engine was not built", help="--engine numpy, or a compiler")


def _extinction(times: Floats, n: int, dying: Dying | None) -> tuple[ctypes.Structure, list[NDArray[Any]]]:
    """The engine's structure, and the arrays that must live as long as it does."""
    windows = dying.windows if dying else ()
    arrays: dict[str, NDArray[Any]] = {
        "time": times,
        "first": np.array([w[0] for w in windows], dtype=np.int64),
        "end": np.array([w[1] for w in windows], dtype=np.int64),
    }
    if dying:
        arrays |= {name: np.ascontiguousarray(values) for name, values in dying.rates.items()}
        arrays["uniform"] = np.ascontiguousarray(dying.uniform)
    below = dying.below if dying else 0.0
    addresses = {name: address(array) for name, array in arrays.items()}
    return EXTINCTION(n=n, times=times.size, infusions=len(windows), below=below, **addresses), list(arrays.values())
