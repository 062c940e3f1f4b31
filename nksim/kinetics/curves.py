"""What the native engine reads off curves: areas, half-lives, times above a threshold, dying out, counts by size.

The rules are those of `nksim.noncompartmental`, `nksim.kinetics.extinction` and `nksim.scale.tally`, which do the work
where the engine was not built. Curves are arrays (n, t) whose times stand side by side.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim.errors import ModelFailure
from nksim.kinetics import Floats
from nksim.kinetics.native import ADDRESS, Room, address, array_in, library, structure

__all__ = ["BINS", "EXTINCTION", "BinsOf", "count", "count_bins", "die_out", "last_index", "profiles", "time_above"]


# As in native/engine.cpp and native/curves.inc.
_BLOCK = 32
_Profiles = structure(
    "_Profiles",
    ("n times stride upto after", ctypes.c_int64),
    ("limit", ctypes.c_double),
    ("time counts to_day to_last last_value half_life", ADDRESS),
)
EXTINCTION = structure(
    "EXTINCTION",
    ("n times stride infusions", ctypes.c_int64),
    ("below", ctypes.c_double),
    ("time first end uniform scale dD kr0 krS T0 host S donor alc chimerism", ADDRESS),
)
_Above = structure(
    "_Above", ("n times stride", ctypes.c_int64), ("threshold", ctypes.c_double), ("time values out", ADDRESS)
)
_Last = structure("_Last", ("n times stride", ctypes.c_int64), ("limit", ctypes.c_double), ("values out", ADDRESS))
BINS = structure(
    "BINS",
    ("n times padded first_bin", ctypes.c_int64),
    ("lowest_value highest_value", ctypes.c_double),
    ("bin high low over", ADDRESS),
)
_Tally = structure(
    "_Tally",
    ("n times stride octaves first_bin", ctypes.c_int64),
    ("lowest_value highest_value", ctypes.c_double),
    ("values counts sums range under over", ADDRESS),
)


def profiles(times_d: Floats, counts: Floats, upto: int, after: int, limit: float) -> tuple[Floats, ...]:
    """Areas (n,) over the first `upto` intervals and to the last count of at least `limit`, that count, half-lives.

    Half-lives are those from the point `after` on, as in `nksim.noncompartmental.half_lives`; nan where there is none.
    """
    counts = _side_by_side(counts)
    made = tuple(np.empty(len(counts)) for _ in range(4))
    names = ("to_day", "to_last", "last_value", "half_life")
    given = {"time": times_d, "counts": counts, **dict(zip(names, made, strict=True))}
    _call("nksim_profiles", _Profiles, counts, given, upto=upto, after=after, limit=limit)
    return made


def time_above(times_d: Floats, values: Floats, threshold: float) -> Floats:
    """As `nksim.noncompartmental.time_above`."""
    values, made = _side_by_side(values), np.empty(len(values))
    given = {"time": times_d, "values": values, "out": made}
    _call("nksim_time_above", _Above, values, given, threshold=threshold)
    return made


def last_index(values: Floats, limit: float) -> NDArray[np.int64]:
    """As `nksim.noncompartmental.last_index`."""
    values, made = _side_by_side(values), np.empty(len(values), dtype=np.int64)
    _call("nksim_last_index", _Last, values, {"values": values, "out": made}, limit=limit)
    return made


def die_out(
    times_d: Floats,
    curves: dict[str, Floats],
    rates: dict[str, Floats],
    windows: Sequence[tuple[int, int]],
    below: float,
    uniform: Floats,
    room: Room | None = None,
) -> Floats:
    """Take the donor cells that have died out from `donor_nk` and `alc` of `curves`, in place; give NK chimerism.

    Needs `host_nk` and the state `S` as well, all of one layout. `rates` holds dD, kr0, krS, T0 and the cells in the
    body for each cell/µL, `scale`, each (n,); `windows` the points that follow each infusion, and `uniform` (i, n) a
    number for each. See `nksim.kinetics.extinction.factors`.
    """
    donor = curves["donor_nk"]
    # The stride of a single row may be anything.
    wide = max(donor.strides[0] // donor.itemsize, donor.shape[1])
    chimerism = array_in(room, "nk_chimerism", (len(donor), wide))[:, : donor.shape[1]]
    first, end = (np.array([w[k] for w in windows], dtype=np.int64) for k in (0, 1))
    given = {
        **{name: np.ascontiguousarray(values) for name, values in rates.items()},
        **{"time": times_d, "first": first, "end": end, "uniform": np.ascontiguousarray(uniform)},
        **{"host": curves["host_nk"], "S": curves["S"], "donor": donor, "alc": curves["alc"], "chimerism": chimerism},
    }
    _call("nksim_extinct", EXTINCTION, donor, given, infusions=len(windows), below=below)
    return chimerism


def count(values: Floats, lowest: int, octaves: int, into: dict[str, NDArray[Any]]) -> bool:
    """Add values (n, t) to histograms by time, see `nksim.scale.tally`; False where the native engine was not built."""
    if library() is None:
        return False
    values = _side_by_side(values)
    size = {"octaves": octaves, "first_bin": (1023 + lowest) * into["counts"].shape[2]}
    limits = {"lowest_value": 2.0**lowest, "highest_value": 2.0 ** (lowest + octaves)}
    _call("nksim_tally", _Tally, values, {"values": values, **into}, **size, **limits)
    return True


@dataclass(frozen=True, eq=False)
class BinsOf:
    """Bins of the values (n, t) of one output and their sums, on their way into a histogram by time."""

    structure: ctypes.Structure
    kept: tuple[NDArray[Any], ...]
    times: int

    @classmethod
    def in_room(cls, room: Room, name: str, n: int, times: int, lowest: int, octaves: int, parts: int) -> BinsOf:
        """Room for them, with anything in it."""
        padded = -(-times // _BLOCK) * _BLOCK
        bin_ = room.array(f"{name} bins", (1, -(-n * padded // 4))).view(np.uint16)
        sums = np.empty((3, padded), dtype=np.int64)
        made = BINS(
            n=n, times=times, padded=padded, first_bin=(1023 + lowest) * parts, lowest_value=2.0**lowest,
            highest_value=2.0 ** (lowest + octaves), bin=address(bin_), high=address(sums[0]), low=address(sums[1]),
            over=address(sums[2]),
        )  # fmt: skip
        return cls(made, (bin_, sums), times)


def count_bins(bins: BinsOf, octaves: int, into: dict[str, NDArray[Any]]) -> None:
    """Add values whose bins have been found to histograms by time, see `nksim.scale.tally`."""
    given = {name: address(array) for name, array in into.items()}
    asked = _Tally(n=bins.structure.n, times=bins.times, octaves=octaves, **given)
    if _engine().nksim_count(ctypes.byref(asked), ctypes.byref(bins.structure), _widest()):
        raise MemoryError


def _call(
    name: str, kind: type[ctypes.Structure], like: Floats, arrays: dict[str, NDArray[Any]], **numbers: float
) -> None:
    """Call a function of the engine with arrays that lie as those of `like` do."""
    shape = {"n": like.shape[0], "times": like.shape[1], "stride": like.strides[0] // like.itemsize}
    held = {key: np.ascontiguousarray(array) if array.ndim == 1 else array for key, array in arrays.items()}
    pointers = {key: address(array) for key, array in held.items()}
    if getattr(_engine(), name)(ctypes.byref(kind(**shape, **numbers, **pointers)), _widest()):
        raise MemoryError


@cache
def _engine() -> ctypes.CDLL:
    found = library()
    sizes = [ctypes.sizeof(kind) for kind in (_Profiles, EXTINCTION, _Above, _Last, _Tally, BINS)]
    if found is None or sizes != [found.nksim_size(k) for k in (1, 2, 3, 4, 5, 6)]:
        raise ModelFailure("NK603", "the native engine was not built", help="--engine numpy, or a compiler")
    return found


def _widest() -> int:
    widest: int = _engine().nksim_widest()
    return widest


def _side_by_side(values: Floats) -> Floats:
    return values if values.strides[1] == values.itemsize else np.ascontiguousarray(values)
