"""What the cell equations are fed at each stage of a step: drug concentrations and the rate of a cell infusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.kinetics import Floats
from nksim.kinetics.drugs import CourseOf
from nksim.kinetics.exponentials import chain2, chain3
from nksim.kinetics.timeline import Timeline

__all__ = ["Feed", "SegmentTable", "segment_table"]

# Rates of the IL-2 chain that differ by less than this part of the larger are not split into exponentials, because
# their coefficients would be large and of opposite sign.
_SPLIT = 0.1


@dataclass(frozen=True, eq=False)
class SegmentTable:
    """Everything that is constant within a segment, `rows` (m, n, 13), and within a run, `fixed` (6, n)."""

    rows: Floats
    fixed: Floats
    split: NDArray[np.bool_]


def segment_table(course: CourseOf, line: Timeline) -> SegmentTable:
    """Gather the course of the drugs so that one patient's segment is one row."""
    r = course.rates
    gaps = [np.abs(x - y) / np.maximum(x, y) for x, y in ((r.ka, r.ke), (r.ka, r.ke2), (r.ke, r.ke2))]
    split = (gaps[0] > _SPLIT) & (gaps[1] > _SPLIT) & (gaps[2] > _SPLIT)
    with np.errstate(divide="ignore", invalid="ignore"):
        through_depot = r.ka * course.depot / (r.ke - r.ka)
        by_ka = r.ke2 * through_depot / (r.ke2 - r.ka)
        by_ke = r.ke2 * (course.central - through_depot) / (r.ke2 - r.ke)
    # Patients whose rates are too close keep the plain amounts in the same three places.
    by_ka, by_ke = np.where(split, by_ka, course.depot), np.where(split, by_ke, course.central)
    by_ke2 = np.where(split, course.effect - by_ka - by_ke, course.effect)
    rows = (
        course.cy, course.cy_level, course.cy_rate, *course.f, *course.f_level, by_ka, by_ke, by_ke2,
        line.rate["cells"],
    )  # fmt: skip
    fixed = np.stack([*r.f_rates, r.ka, r.ke, r.ke2])
    return SegmentTable(np.ascontiguousarray(np.stack(rows, axis=-1)), fixed, split)


class Feed:
    """The inputs of the patients that are being integrated, each in a segment of its own."""

    def __init__(self, table: SegmentTable) -> None:
        self._table = table
        self._patients = np.arange(table.fixed.shape[1])
        self._row = np.zeros((table.rows.shape[2], table.fixed.shape[1]))
        self._fixed = table.fixed
        self._joint = np.flatnonzero(~table.split)

    def enter(self, chosen: NDArray[np.intp], segment: NDArray[np.intp]) -> None:
        """Patients at positions `chosen` enter their `segment`."""
        self._row[:, chosen] = self._table.rows[segment, self._patients[chosen]].T

    def keep(self, chosen: NDArray[np.intp]) -> None:
        """Go on with the patients at positions `chosen` only."""
        self._patients = self._patients[chosen]
        self._row = np.ascontiguousarray(self._row[:, chosen])
        self._fixed = np.ascontiguousarray(self._fixed[:, chosen])
        self._joint = np.flatnonzero(~self._table.split[self._patients])

    @property
    def cells_per_d(self) -> Floats:
        """What runs in during each patient's segment."""
        rate: Floats = self._row[12]
        return rate

    def at(self, t: Floats, chosen: NDArray[np.intp] | slice = slice(None)) -> tuple[Floats, Floats, Floats, Floats]:
        """Cy and F-ara-A in mg/L, IL-2 effect in IU/mL and cells per day, a time `t` after the segment's start."""
        row, fixed = self._row[:, chosen], self._fixed[:, chosen]
        fade = np.exp(-row[2] * t)
        cy = row[0] * fade + row[1] * (1.0 - fade)
        fades = np.exp(-fixed * t)
        f = row[3:6] * fades[:3] + row[6:9] * (1.0 - fades[:3])
        il2 = row[9:12] * fades[3:]
        effect = (il2[0] + il2[1]) + il2[2]
        if self._joint.size:
            self._amend(effect, row, fixed, t, chosen)
        return cy, (f[0] + f[1]) + f[2], effect, row[12]

    def _amend(self, effect: Floats, row: Floats, fixed: Floats, t: Floats, chosen: NDArray[np.intp] | slice) -> None:
        """The IL-2 effect of patients whose rates lie too close to be split, in place."""
        j = np.flatnonzero(~self._table.split[self._patients[chosen]])
        ka, ke, ke2, since = fixed[3, j], fixed[4, j], fixed[5, j], t[j]
        depot, central, start = row[9, j], row[10, j], row[11, j]
        effect[j] = (
            start * np.exp(-ke2 * since)
            + ke2 * central * chain2(ke, ke2, since)
            + ke2 * ka * depot * chain3(ka, ke, ke2, since)
        )
