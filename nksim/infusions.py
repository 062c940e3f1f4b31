"""What each cell infusion does: its own peak, lasting maximum, area and trough, until the next one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nksim.metrics import AREA, COUNT, Values
from nksim.noncompartmental import auc
from nksim.simulation import Simulation


@dataclass(frozen=True, eq=False)
class Infusion:
    """Metrics of one infusion, from its start on `day` to the next infusion or the end of the run."""

    number: int
    day: float
    until: float
    metrics: dict[str, Values]


def per_infusion(s: Simulation) -> tuple[Infusion, ...]:
    """One record for each cell infusion that starts within the run.

    * `peak`: donor NK count at the end of the infusion, cells/µL
    * `cmax`, `tmax_d`: highest count from 24 h after the start, and how many days after it
    * `auc`: area until the next infusion, cells·d/µL, linear up and logarithmic down on the output grid
    * `trough`: count just before the next infusion (or at the end of the run), cells/µL
    """
    if s.measured is not None:
        # The curves of so many patients went by and were not kept.
        return ()
    starts = [float(t) for t in s.infusions_d if t < s.times_d[-1]]
    ends = [*starts[1:], float(s.times_d[-1])]
    return tuple(_one(s, i, day, end) for i, (day, end) in enumerate(zip(starts, ends, strict=True)))


def _one(s: Simulation, i: int, day: float, until: float) -> Infusion:
    counts = s.outputs["donor_nk"]
    inside = (s.times_d >= day - 1e-9) & (s.times_d <= until + 1e-9)
    later = inside & (s.times_d >= day + 1 - 1e-9)
    found = {
        "peak": Values("peak", COUNT, s.infusion_ends[:, i]),
        "auc": Values("auc", AREA, auc(s.times_d[inside], counts[:, inside])),
        "trough": Values("trough", COUNT, counts[:, np.flatnonzero(inside)[-1]]),
    }
    why = "less than 24 h to the next infusion or the end of the run"
    if later.any():
        highest = counts[:, later].argmax(axis=1)
        found["cmax"] = Values("cmax", COUNT, counts[:, later].max(axis=1))
        found["tmax_d"] = Values("tmax_d", "d", s.times_d[later][highest] - day)
    else:
        nothing = np.full(len(s.population), np.nan)
        found["cmax"] = Values("cmax", COUNT, nothing, why)
        found["tmax_d"] = Values("tmax_d", "d", nothing, why)
    return Infusion(i + 1, day, until, {k: found[k] for k in ("peak", "cmax", "tmax_d", "auc", "trough")})
