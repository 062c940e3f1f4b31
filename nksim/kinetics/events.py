"""What happens to a patient, as plain arrays: doses in canonical units and body measures.

Times are days from day 0, durations days, amounts mg (Cy), mg of fludarabine phosphate, IU (IL-2) and viable cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nksim.errors import InvalidInput
from nksim.kinetics import Floats

__all__ = ["TARGETS", "Covariates", "EventTable"]

TARGETS = ("cy", "flu", "il2", "cells")


def _frozen(values: object, name: str) -> Floats:
    """A read-only copy as floats; every value must be finite."""
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InvalidInput("NK610", f"{name} holds a value that is not finite")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class EventTable:
    """k doses of n patients: `time_d` (k,), `duration_d` (k,), `target` k names, `amount` (n, k).

    A duration of 0 is a dose given at once. IL-2 is subcutaneous: its duration must be 0. Doses of equal time may
    stand in any order. InvalidInput names what does not fit.

    >>> EventTable(time_d=[-7, 0], duration_d=[1 / 24, 0], target=("cy", "cells"), amount=[[1500, 7e8]]).count
    1
    """

    time_d: Floats
    duration_d: Floats
    target: tuple[str, ...]
    amount: Floats

    def __post_init__(self) -> None:
        for name in ("time_d", "duration_d", "amount"):
            object.__setattr__(self, name, _frozen(getattr(self, name), name))
        object.__setattr__(self, "target", tuple(self.target))
        k = len(self.target)
        if self.time_d.shape != (k,) or self.duration_d.shape != (k,) or self.amount.ndim != 2:
            raise InvalidInput("NK611", f"{k} targets need {k} times, {k} durations and a table of amounts")
        if self.amount.shape[1] != k:
            raise InvalidInput("NK611", f"amounts have {self.amount.shape[1]} columns for {k} doses")
        if unknown := sorted(set(self.target) - set(TARGETS)):
            raise InvalidInput("NK612", f"unknown target {unknown[0]!r}", help=f"use one of {', '.join(TARGETS)}")
        if (self.duration_d < 0).any() or (self.amount < 0).any():
            raise InvalidInput("NK613", "a duration or an amount is negative")
        if (np.diff(self.time_d) < 0).any():
            raise InvalidInput("NK614", "doses are not sorted by time")
        if any(t == "il2" and d > 0 for t, d in zip(self.target, self.duration_d, strict=True)):
            raise InvalidInput("NK615", "il2 is subcutaneous and has no duration", help="set its duration to 0")

    @property
    def count(self) -> int:
        """Number of patients."""
        return int(self.amount.shape[0])

    @classmethod
    def none(cls, count: int) -> EventTable:
        """No dose at all, for `count` patients."""
        empty: Sequence[float] = ()
        return cls(np.array(empty), np.array(empty), (), np.zeros((count, 0)))

    def patients(self, chosen: slice | NDArray[np.intp]) -> EventTable:
        """The same doses for some of the patients, in the order given."""
        return EventTable(self.time_d, self.duration_d, self.target, self.amount[chosen])


@dataclass(frozen=True, eq=False)
class Covariates:
    """Body measures of n patients, each (n,): weight in kg, body surface in m2, eGFR in mL/min per 1.73 m2.

    Messages name the patients by their `numbers` (n,), which are their positions unless given.
    """

    weight_kg: Floats
    bsa_m2: Floats
    egfr_ml_min_1_73m2: Floats
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        for name in ("weight_kg", "bsa_m2", "egfr_ml_min_1_73m2"):
            array = _frozen(getattr(self, name), name)
            if array.ndim != 1 or not (array > 0).all():
                raise InvalidInput("NK616", f"{name} must be one positive value per patient")
            object.__setattr__(self, name, array)
        if not self.weight_kg.shape == self.bsa_m2.shape == self.egfr_ml_min_1_73m2.shape:
            raise InvalidInput("NK616", "weight, body surface and eGFR differ in their number of patients")
        if not self.numbers.size:
            object.__setattr__(self, "numbers", np.arange(self.count))
        if self.numbers.shape != self.weight_kg.shape:
            raise InvalidInput("NK616", f"{len(self.numbers)} numbers for {self.count} patients")

    @property
    def count(self) -> int:
        """Number of patients."""
        return int(self.weight_kg.shape[0])

    def patients(self, chosen: slice | NDArray[np.intp]) -> Covariates:
        """The measures of some of the patients, in the order given."""
        numbers = self.numbers[chosen]
        return Covariates(self.weight_kg[chosen], self.bsa_m2[chosen], self.egfr_ml_min_1_73m2[chosen], numbers)

    def named(self, i: int) -> str:
        """What messages call the patient at position `i`."""
        return f"patient {self.numbers[i]}"
