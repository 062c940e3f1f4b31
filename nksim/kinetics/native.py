"""The native engine: the algorithm of the NumPy engine in C++, with patients in vector lanes and any number of threads.

It is built at install where a C++ compiler is; without one `available` is False and the NumPy engine does the work.
A patient's numbers are the same bits in any batch, order and thread, and on every processor with the same `arithmetic`.
"""

from __future__ import annotations

import ctypes
import importlib.machinery
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nksim.errors import ModelFailure
from nksim.kinetics import Floats
from nksim.kinetics.drugs import drug_rates
from nksim.kinetics.engine import RELATIVE_TOLERANCE
from nksim.kinetics.events import TARGETS, Covariates, EventTable
from nksim.kinetics.levels import DRUG_OUTPUTS
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import for_arrays
from nksim.kinetics.solution import OUTPUTS, Solution, Steps, checked, stuck, with_chimerism
from nksim.kinetics.stepping import MOST_STEPS
from nksim.kinetics.timeline import merged

__all__ = [
    "ADDRESS", "VARIANTS", "Call", "Room", "address", "arithmetic", "array_in", "available", "library", "solve",
    "structure", "variant",
]  # fmt: skip

VARIANTS = ("baseline", "narrow", "avx2", "avx512")
# Where an array begins; whoever calls keeps the array alive.
ADDRESS = ctypes.c_void_p
_SLOTS = (*(s.name for s in MODEL.states), *(o.name for o in MODEL.outputs), *DRUG_OUTPUTS)


def structure(name: str, *groups: tuple[str, Any]) -> type[ctypes.Structure]:
    """A structure of native/engine.cpp: names of fields in their order, with the type of each group."""
    return type(name, (ctypes.Structure,), {"_fields_": [(f, kind) for names, kind in groups for f in names.split()]})


_Problem = structure(
    "_Problem",
    ("n keys times slots_wanted width", ctypes.c_int64),
    ("key_time key_duration key_target amount drugs held initial jumps time place", ADDRESS),
    ("end rtol", ctypes.c_double),
    ("slot record areas taken refused next failed failed_at reading", ADDRESS),
    ("rows", ctypes.c_int64),
)
# A patient in each lane of two runs of lanes, and as many on the way from the one to the other, see native/lanes.inc.
_MOST_ROWS = 48


@cache
def library() -> ctypes.CDLL | None:
    """The compiled engine beside this module, or None where it was not built."""
    if os.environ.get("NKSIM_NATIVE") == "0":
        return None
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_native{suffix}")
        if path.is_file():
            found = ctypes.CDLL(str(path))
            if not hasattr(found, "nksim_size") or found.nksim_size(0) != ctypes.sizeof(_Problem):
                return None
            found.nksim_solve.argtypes = (ctypes.POINTER(_Problem), ctypes.c_int)
            found.nksim_functions.argtypes = (ctypes.c_int, ctypes.c_int64, ADDRESS, ADDRESS, ADDRESS)
            return found
    return None


class Room:
    """Arrays that calls of one thread use one after the other, instead of asking the system for memory each time.

    They are cut from large blocks, for which NumPy asks for large pages: those are many times faster to come by.
    """

    _BLOCK = 32 << 17  # floats, 32 MB

    def __init__(self) -> None:
        self._arrays: dict[str, Floats] = {}
        self._left = np.empty(0)

    def array(self, name: str, shape: tuple[int, int]) -> Floats:
        """An array of this shape with anything in it, in the same place for the same name as long as it fits there."""
        size = shape[0] * shape[1]
        held = self._arrays.get(name)
        if held is None or held.size < size:
            if self._left.size < size:
                self._left = np.empty(max(size, self._BLOCK))
            held, self._left = self._left[:size], self._left[size:]
            self._arrays[name] = held
        return held[:size].reshape(shape)


def array_in(room: Room | None, name: str, shape: tuple[int, int]) -> Floats:
    """An array in a room, or one of its own where none is given."""
    return room.array(name, shape) if room else np.empty(shape)


def available() -> bool:
    """Whether the native engine was built for this installation."""
    return library() is not None


def variant() -> str:
    """The instruction set that is used here, of `VARIANTS`."""
    engine = library()
    return VARIANTS[engine.nksim_widest()] if engine else "none"


def arithmetic() -> str:
    """ "fused" where a product and a sum are rounded once, else "plain": the last digits of the two differ."""
    engine = library()
    return "none" if engine is None else "fused" if engine.nksim_fused() else "plain"


def solve(
    events: EventTable,
    parameters: Mapping[str, Floats],
    covariates: Covariates,
    times_d: Floats,
    *,
    outputs: Sequence[str] = OUTPUTS,
    rtol: float = RELATIVE_TOLERANCE,
    aside_d: Floats | None = None,
    threads: int = 1,
    instructions: str | None = None,
    room: Room | None = None,
) -> Solution:
    """As `nksim.kinetics.engine.solve`, with the same arguments, accuracy and errors.

    `Solution.aside` holds the values at the further times `aside_d`; none of the others is copied for that.
    A `room` lends its arrays, so that the next call with it overwrites the curves of this one.
    `threads` share the patients; `instructions` names one of `VARIANTS`; the widest that helps is taken otherwise.
    """
    engine = library()
    if engine is None:
        raise ModelFailure("NK603", "the native engine was not built", help="--engine numpy, or a compiler")
    arrays, own_d = checked(events, parameters, covariates, times_d, outputs)
    call = Call(events, arrays, covariates, own_d, aside_d, outputs, rtol, room)
    call.run(threads, instructions)
    found = with_chimerism(outputs, call.record)
    return Solution(
        own_d,
        {name: values[:, : own_d.size] for name, values in found.items()},
        *call.drug_areas,
        call.steps,
        {name: values[:, call.aside] for name, values in found.items()} if call.aside.size else {},
    )


class Call:
    """The arrays of one call, kept alive beside the pointers to them.

    Outputs are wanted at the times `own_d` and, in the columns `aside` of the records, at `aside_d`. What is `read_off`
    at once has records of `rows` patients only.
    """

    def __init__(
        self,
        events: EventTable,
        parameters: Mapping[str, Floats],
        covariates: Covariates,
        own_d: Floats,
        aside_d: Floats | None,
        outputs: Sequence[str],
        rtol: float,
        room: Room | None,
        *,
        read_off: bool = False,
    ) -> None:
        n = events.count
        further_d = np.zeros(0) if aside_d is None else np.asarray(aside_d, dtype=np.float64)
        times = np.union1d(own_d, further_d) if further_d.size else own_d
        place = np.argsort(np.argsort(~np.isin(times, own_d), kind="stable"))
        self.aside = place[np.searchsorted(times, further_d)]
        self._named, self._given = covariates.named, parameters
        rows = min(n, _MOST_ROWS) if read_off else n
        rendering = for_arrays(MODEL)
        given = {**parameters, "weight_kg": covariates.weight_kg}
        held = np.array(rendering.constants([given[name] for name in rendering.constant_inputs]))
        r = drug_rates(parameters, covariates)
        drugs = np.array(
            [
                *(r.cy_cl, r.cy_v, *r.cy_factor[1:], *r.f_rates, *r.f_parts, r.f_per_mg),
                *(r.il2_lag_d, r.ka, r.ke, r.ke2, r.il2_per_iu),
            ]
        )
        keys, amounts = merged(events)
        wanted = [name for name in _SLOTS if name in outputs]
        if "nk_chimerism" in outputs:
            wanted = [name for name in _SLOTS if name in wanted or name in ("donor_nk", "host_nk")]
        self.record = {name: array_in(room, name, (rows, times.size)) for name in wanted}
        self.areas = np.zeros((2, n))
        self.taken, self.refused = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.next, self.failed = np.zeros(1, dtype=np.int64), np.full(1, n, dtype=np.int64)
        self.failed_at = np.zeros(n)
        self._kept = {
            "key_time": np.array([key[0] for key in keys], dtype=np.float64),
            "key_duration": np.array([key[2] for key in keys], dtype=np.float64),
            "key_target": np.array([TARGETS.index(key[1]) for key in keys], dtype=np.int64),
            "amount": np.array(amounts, dtype=np.float64).reshape(len(keys), n),
            "drugs": drugs,
            "held": held,
            "initial": _rows(rendering.initial(list(held)), n),
            "jumps": _rows(rendering.jumps(list(held)), n),
            "time": times,
            "place": np.ascontiguousarray(place, dtype=np.int64),
            "slot": np.array([_SLOTS.index(name) for name in wanted], dtype=np.int64),
            "areas": self.areas,
            "taken": self.taken,
            "refused": self.refused,
            "next": self.next,
            "failed": self.failed,
            "failed_at": self.failed_at,
        }
        self._kept["record"] = np.array([address(array) for array in self.record.values()], dtype=np.uintp)
        self.problem = _Problem(
            n=n,
            keys=len(keys),
            times=times.size,
            width=times.size,
            slots_wanted=len(wanted),
            end=float(times[-1]) if times.size else -np.inf,
            rtol=rtol,
            rows=rows,
            **{name: address(array) for name, array in self._kept.items()},
        )

    def run(self, threads: int = 1, instructions: str | None = None) -> None:
        """Solve all patients; `ModelFailure` NK601 for the first that cannot be."""
        engine, n = library(), self.taken.size
        assert engine is not None
        # Wide vectors with one patient in them are slower than narrow ones; the numbers are the same.
        wanted = VARIANTS[3 if n > 8 else 2 if n > 4 else 1] if instructions is None else instructions
        chosen = min(VARIANTS.index(wanted), engine.nksim_widest())
        if threads == 1:
            codes = [engine.nksim_solve(self.problem, chosen)]
        else:
            with ThreadPoolExecutor(threads) as pool:
                codes = list(pool.map(lambda _: engine.nksim_solve(self.problem, chosen), range(threads)))
        if any(codes):
            raise MemoryError
        i = int(self.failed[0])
        if i < n:
            steps = int(self.taken[i] + self.refused[i])
            raise stuck(self._named(i), self._given, i, float(self.failed_at[i]), steps, MOST_STEPS)

    @property
    def drug_areas(self) -> tuple[Floats, Floats]:
        """Areas (n,) under Cy and F-ara-A in mg·h/L."""
        return self.areas[0] * 24.0, self.areas[1] * 24.0

    @property
    def steps(self) -> Steps:
        """Steps taken and refused."""
        return Steps(self.taken.astype(np.intp), self.refused.astype(np.intp))


def _rows(values: Sequence[object], n: int) -> Floats:
    """One row per state, numbers spread over all patients."""
    return np.array([np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)) for value in values])


def address(array: NDArray[Any]) -> int:
    """Where an array of floats or integers lies."""
    found: int = array.ctypes.data
    return found
