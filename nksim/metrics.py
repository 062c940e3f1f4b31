"""Numbers that sum up a patient's trajectory: one function for each, with its formula and unit.

Each takes a `Simulation` and gives one value for each patient, with a reason wherever there is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError, shorten
from nksim.kinetics.readings import COUNTABLE_PER_UL, RECOVERED_PER_UL
from nksim.noncompartmental import Profile, auc_inf, last_index, profile, time_above
from nksim.simulation import Simulation

Floats = NDArray[np.float64]
Made = TypeVar("Made")
COUNT, AREA = "cells/µL", "cells·d/µL"
HIDDEN = "the NK donor is the graft's donor"
TOO_SHORT = "the run ends less than 24 h after the first infusion"


@dataclass(frozen=True, eq=False)
class Values:
    """A metric in every patient: `values` (n,) with nan where missing, and why.

    `open_end` counts the patients in whom the value is only a lower bound, because the run ended.
    """

    id: str
    unit: str
    values: Floats
    missing: str | None = None
    open_end: int = 0

    @property
    def note(self) -> str | None:
        """What qualifies the whole."""
        return f"{self.open_end} patients still above at the end" if self.open_end else None

    @property
    def n(self) -> int:
        """Patients in whom the metric exists."""
        return int(np.isfinite(self.values).sum())

    @property
    def median(self) -> float:
        """Median over the patients in whom it exists; for a fraction of patients, that fraction."""
        return self.quantile(0.5) if self.unit != "yes" else float(np.mean(self.values)) if self.n else float("nan")

    def quantile(self, q: float) -> float:
        """Quantile over the patients in whom it exists, linear between order statistics; nan if in none."""
        return self.quantiles([q])[0]

    def quantiles(self, wanted: Sequence[float]) -> list[float]:
        """Several of them at once, which takes no longer than one."""
        there = np.isfinite(self.values)
        found = self.values if there.all() else self.values[there]
        return np.quantile(found, wanted).tolist() if found.size else [float("nan")] * len(wanted)


def _once(read: Callable[[Simulation], Made]) -> Callable[[Simulation], Made]:
    """What several metrics read off the same simulation, worked out once for each."""
    known: WeakKeyDictionary[Simulation, Made] = WeakKeyDictionary()

    @wraps(read)
    def remembered(s: Simulation) -> Made:
        if s not in known:
            known[s] = read(s)
        return known[s]

    return remembered


def _read(s: Simulation, name: str, held: Callable[[], Floats]) -> Floats:
    """What was read off curves that are gone, or else what is `held`."""
    return s.readings.values[name] if s.readings else held()


def donor_nk_peak(s: Simulation) -> Values:
    """Highest donor NK count in blood at the end of any cell infusion, cells/µL: gone again within hours.

    Apart from `donor_nk_cmax` because the first moves with the length of the infusion and the second does not.
    """
    why = "with sampled timing infusions end at different times"
    return Values("donor_nk_peak", COUNT, s.infusion_ends.max(axis=1), why)


def donor_nk_cmax(s: Simulation) -> Values:
    """Highest donor NK count in blood at least 24 h after the start of the latest infusion, cells/µL.

    The peak at the end of an infusion is left out on purpose: it is `donor_nk_peak`.
    """
    if not s.marks.runs:
        return _none(s, "donor_nk_cmax", COUNT, TOO_SHORT)
    return Values("donor_nk_cmax", COUNT, _read(s, "donor_highest", lambda: _highest(s, "donor_nk")))


def donor_nk_tmax_d(s: Simulation) -> Values:
    """Day of `donor_nk_cmax`, from day 0."""
    if not s.marks.runs:
        return _none(s, "donor_nk_tmax_d", "d", TOO_SHORT)
    return Values("donor_nk_tmax_d", "d", _read(s, "donor_at", lambda: _peaks_d(s)))


def _peaks_d(s: Simulation) -> Floats:
    """Days (n,) of the highest donor NK counts that have settled, the first where there are several."""
    counts, rows = s.outputs["donor_nk"], np.arange(len(s.population))
    first, *later = (run.start + counts[:, run].argmax(axis=1) for run in s.marks.runs)
    for at in later:
        first = np.where(counts[rows, at] > counts[rows, first], at, first)
    return np.asarray(s.times_d[first])


def _highest(s: Simulation, name: str) -> Floats:
    """Highest value (n,) of an output at settled times."""
    values = s.outputs[name]
    return np.asarray(np.max([values[:, run].max(axis=1) for run in s.marks.runs], axis=0))


def donor_nk_auc_0_28(s: Simulation) -> Values:
    """Area under the donor NK count from day 0 to day 28, cells·d/µL, linear up and logarithmic down."""
    if s.times_d[-1] < 28:
        return _none(s, "donor_nk_auc_0_28", AREA, "the run ends before day 28")
    return Values("donor_nk_auc_0_28", AREA, _profile(s).to_day)


def donor_nk_auc_last(s: Simulation) -> Values:
    """Area from day 0 to the last count of at least 0.1 cells/µL, cells·d/µL, linear up and logarithmic down."""
    why = f"never at or above {COUNTABLE_PER_UL:g} cells/µL"
    return Values("donor_nk_auc_last", AREA, _profile(s).to_last, why)


def donor_nk_auc_inf(s: Simulation) -> Values:
    """`donor_nk_auc_last` + C_last · t½ / ln 2, cells·d/µL: the area to infinity; needs `donor_nk_half_life_d`."""
    p = _profile(s)
    why = f"no half-life: {donor_nk_half_life_d(s).missing}"
    return Values("donor_nk_auc_inf", AREA, auc_inf(p.to_last, p.last_value, p.half_life), why)


def donor_nk_half_life_d(s: Simulation) -> Values:
    """ln 2 / λ from a straight line through ln(donor NK) after the last infusion, d.

    From the highest value at least 24 h after the last infusion to the last above 0.1 cells/µL; at least 8 points
    that fall.
    """
    why = f"fewer than 8 falling points above {COUNTABLE_PER_UL:g} cells/µL"
    return Values("donor_nk_half_life_d", "d", _profile(s).half_life, why)


@_once
def _profile(s: Simulation) -> Profile:
    """Areas and half-lives of the donor NK counts from day 0 on."""
    if s.readings:
        return Profile(*(s.readings.values[f.name] for f in fields(Profile)))
    # A slice, not a mask: sums along a copied axis would depend on how many patients stand beside one another.
    chosen, m = slice(s.marks.zero, None), s.marks
    times, counts = s.times_d[chosen], s.outputs["donor_nk"][:, chosen]
    return profile(times, counts, m.upto, m.after, COUNTABLE_PER_UL, by_engine=s.engine == "native")


def persistence_d(s: Simulation) -> Values:
    """Last day on which the assay still finds donor cells, from day 0; 0 where it never does.

    Depends on the assay's lineage and limit of detection, which every output names.
    """
    if not s.chimerism_visible:
        return _none(s, "persistence_d", "d", HIDDEN)
    seen_at_end = _read(s, "seen_at_end", lambda: (s.outputs["nk_chimerism_assay"][:, -1] > 0).astype(np.float64))
    return Values("persistence_d", "d", _read(s, "seen_last", lambda: _last_seen_d(s)), open_end=int(seen_at_end.sum()))


def _last_seen_d(s: Simulation) -> Floats:
    """Days (n,) on which the assay last finds donor cells, 0 where it never does."""
    found = s.outputs["nk_chimerism_assay"]
    last = last_index(found, np.finfo(np.float64).smallest_subnormal, by_engine=s.engine == "native")
    return np.where(last >= 0, np.maximum(s.times_d[last], 0.0), 0.0)


def ever_detected(s: Simulation) -> Values:
    """Whether the assay ever finds donor cells at least 24 h after an infusion; summed up as a fraction."""
    if not s.chimerism_visible:
        return _none(s, "ever_detected", "yes", HIDDEN)
    if not s.marks.runs:
        return _none(s, "ever_detected", "yes", TOO_SHORT)
    found = _read(s, "assay_highest", lambda: _highest(s, "nk_chimerism_assay"))
    return Values("ever_detected", "yes", (found > 0).astype(np.float64))


def detected_d(s: Simulation) -> Values:
    """Days on which the true donor fraction lies above the assay's limit of detection, in all, d."""
    if not s.chimerism_visible:
        return _none(s, "detected_d", "d", HIDDEN)
    return Values("detected_d", "d", _read(s, "above_lod", lambda: _above_limit_d(s)))


def _above_limit_d(s: Simulation) -> Floats:
    """Days (n,) above the limit of detection."""
    seen = s.settings.assay.true(s.solution)
    return time_above(s.times_d, seen, s.settings.lod, by_engine=s.engine == "native")


def _chimerism_on(day: int) -> Callable[[Simulation], Values]:
    def on_day(s: Simulation) -> Values:
        name = f"nk_chimerism_d{day}"
        if not s.chimerism_visible:
            return _none(s, name, "fraction", HIDDEN)
        if s.times_d[-1] < day:
            return _none(s, name, "fraction", f"the run ends before day {day}")
        return Values(name, "fraction", _read(s, name, lambda: _at(day, s.times_d, s.outputs["nk_chimerism"])))

    on_day.__doc__ = f"True donor fraction of NK cells in blood on day {day}, before any dose of that moment."
    return on_day


def _at(day: float, times: Floats, values: Floats) -> Floats:
    """Values (n,) on a day, on the straight line between its neighbours in time."""
    right = int(np.searchsorted(times, day))
    if times[right] == day:
        return np.ascontiguousarray(values[:, right])
    part = (day - times[right - 1]) / (times[right] - times[right - 1])
    between: Floats = values[:, right - 1] + part * (values[:, right] - values[:, right - 1])
    return between


nk_chimerism_d7, nk_chimerism_d14, nk_chimerism_d28 = (_chimerism_on(day) for day in (7, 14, 28))


def nk_chimerism_max(s: Simulation) -> Values:
    """Highest true donor fraction of NK cells at least 24 h after an infusion."""
    if not s.chimerism_visible:
        return _none(s, "nk_chimerism_max", "fraction", HIDDEN)
    if not s.marks.runs:
        return _none(s, "nk_chimerism_max", "fraction", TOO_SHORT)
    return Values("nk_chimerism_max", "fraction", _read(s, "chimerism_highest", lambda: _highest(s, "nk_chimerism")))


def alc_nadir(s: Simulation) -> Values:
    """Lowest absolute lymphocyte count, cells/µL."""
    return Values("alc_nadir", "cells/µL", _read(s, "alc_lowest", lambda: s.outputs["alc"].min(axis=1)))


def alc_recovery_d(s: Simulation) -> Values:
    """First day after the nadir from which the lymphocyte count stays above 500/µL for three days."""
    why = "never at or below 500/µL, or not above it again before the end"
    return Values("alc_recovery_d", "d", _read(s, "alc_recovered", lambda: _recovered_d(s)), why)


def _recovered_d(s: Simulation) -> Floats:
    """Days (n,) of recovery, nan where there is none."""
    alc, times = s.outputs["alc"], s.times_d
    nadir = alc.argmin(axis=1)
    runs = _in_a_row(alc > RECOVERED_PER_UL, s.marks.need)
    later = runs & (np.arange(runs.shape[1], dtype=np.int32) >= nadir[:, None].astype(np.int32))
    fell = alc[np.arange(len(alc)), nadir] <= RECOVERED_PER_UL
    return np.where(fell & later.any(axis=1), times[later.argmax(axis=1)], np.nan)


def _in_a_row(yes: NDArray[np.bool_], need: int) -> NDArray[np.bool_]:
    """Where (n, t - need + 1) the next `need` of the values (n, t) are all true."""
    have = 1
    while have < need:
        more = min(have, need - have)
        yes = yes[:, : yes.shape[1] - more] & yes[:, more:]
        have += more
    return yes


def host_nk_nadir(s: Simulation) -> Values:
    """Lowest count of the patient's own NK cells, cells/µL."""
    return Values("host_nk_nadir", "cells/µL", _read(s, "host_lowest", lambda: s.outputs["host_nk"].min(axis=1)))


def il15_max(s: Simulation) -> Values:
    """Highest interleukin-15 concentration, pg/mL."""
    return Values("il15_max", "pg/mL", _read(s, "il15_highest", lambda: s.outputs["il15"].max(axis=1)))


def cy_auc(s: Simulation) -> Values:
    """Area under the cyclophosphamide concentration over the whole run, mg·h/L, in closed form."""
    return Values("cy_auc", "mg·h/L", s.solution.cy_auc)


def f_ara_a_auc(s: Simulation) -> Values:
    """Cumulative area under the F-ara-A concentration, mg·h/L, in closed form; 20 was best after 160 mg/m².

    Langenhorst 2019, Blood Adv (PMC6650734).
    """
    return Values("f_ara_a_auc", "mg·h/L", s.solution.f_ara_a_auc)


def cells_total(s: Simulation) -> Values:
    """All cells that the regimen gives, as the protocol counts them."""
    given = [t == "cells" for t in s.events.target]
    return Values("cells_total", "cells", s.events.amount[:, given].sum(axis=1))


def visits(s: Simulation) -> Values:
    """Different days on which anything is given."""
    days = {int(np.floor(e.occasion.start.from_anchor_d(s.typical.anchor_clock) + 10 / 24)) for e in s.typical.doses}
    return Values("visits", "d", np.full(len(s.population), float(len(days))))


def _none(s: Simulation, name: str, unit: str, why: str) -> Values:
    return Values(name, unit, np.full(len(s.population), np.nan), why)


METRICS: dict[str, Callable[[Simulation], Values]] = {
    "donor_nk_peak": donor_nk_peak,
    "donor_nk_cmax": donor_nk_cmax,
    "donor_nk_tmax_d": donor_nk_tmax_d,
    "donor_nk_auc_0_28": donor_nk_auc_0_28,
    "donor_nk_auc_last": donor_nk_auc_last,
    "donor_nk_auc_inf": donor_nk_auc_inf,
    "donor_nk_half_life_d": donor_nk_half_life_d,
    "persistence_d": persistence_d,
    "detected_d": detected_d,
    "ever_detected": ever_detected,
    "nk_chimerism_d7": nk_chimerism_d7,
    "nk_chimerism_d14": nk_chimerism_d14,
    "nk_chimerism_d28": nk_chimerism_d28,
    "nk_chimerism_max": nk_chimerism_max,
    "alc_nadir": alc_nadir,
    "alc_recovery_d": alc_recovery_d,
    "host_nk_nadir": host_nk_nadir,
    "il15_max": il15_max,
    "cy_auc": cy_auc,
    "f_ara_a_auc": f_ara_a_auc,
    "cells_total": cells_total,
    "visits": visits,
}


_ABOVE = re.compile(r"(\w+?)_days_above_(\d+(?:\.\d+)?)")


def measure(simulation: Simulation, metrics: Sequence[str] = ()) -> dict[str, Values]:
    """Every metric of a simulation by its id, or those asked for, see `metric`."""
    taken = simulation.measured
    if taken is None:
        return {name: metric(name)(simulation) for name in metrics or METRICS}
    gone = [name for name in metrics if name not in taken]
    if gone:
        raise UsageError("NK661", f"{gone[0]} is not taken in so large a population", help="fewer patients (-n)")
    return {name: taken[name] for name in metrics or taken}


def metric(name: str) -> Callable[[Simulation], Values]:
    """The function of a metric id of `METRICS`, or of `OUTPUT_days_above_NUMBER`, e.g. `donor_nk_days_above_10`.

    Raises `UsageError` NK661 for any other.
    """
    if name in METRICS:
        return METRICS[name]
    found = _ABOVE.fullmatch(name)
    if found is None:
        known = f"one of {', '.join(METRICS)}, or OUTPUT_days_above_NUMBER as in donor_nk_days_above_10"
        raise UsageError("NK661", f"no metric {shorten(name)}", help=known)

    def days_above(s: Simulation) -> Values:
        if found[1] not in s.outputs:
            why = HIDDEN if found[1].startswith("nk_chimerism") else f"no output is called {found[1]}"
            return _none(s, name, "d", why)
        return Values(
            name, "d", time_above(s.times_d, s.outputs[found[1]], float(found[2]), by_engine=s.engine == "native")
        )

    return days_above
