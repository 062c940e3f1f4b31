"""What each printed analyte is among the model's outputs, on which days it is read, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit, ndtr

from nksim.errors import InvalidInput, shorten
from nksim.fit.observations import Observation
from nksim.fit.readings import Amounts, Chances, LastDays, Reading
from nksim.fit.trial import Curves
from nksim.kinetics import Floats
from nksim.kinetics.assay import Assay, counted

__all__ = ["ANALYTES", "EXPANDED_PER_UL", "Question", "question"]

Days = tuple[float, ...]
Read = Callable[[Sequence[Curves]], Reading]

# Standard deviation of a measured count's logarithm, or of a measured fraction's logit: a third up or down. Assumed.
ERROR = 0.3
# The definition of an expansion in Bachanova 2014 (PMC4064329, legend of figure 1).
EXPANDED_PER_UL = 100.0
COUNTS = {"cells/uL": 1.0, "cells/µL": 1.0, "cells/mL": 1e-3, "10^9/L": 1e3}
PARTS = {"%": 0.01, "fraction": 1.0, "1": 1.0}
_IN_DAYS = {"day": 1.0, "d": 1.0, "days": 1.0, "week": 7.0, "month": 30.4375, "day_post_infusion": 1.0}
PATIENTS = {"patients": 1.0, "1": 1.0, "fraction": 1.0, "%": 0.01}


@dataclass(frozen=True)
class Question:
    """One printed value as a question to the model: the days to solve for, the value in the reading's unit, and the
    reading of curves that hold those days."""

    days: tuple[float, ...]
    value: float
    read: Read


@dataclass(frozen=True)
class _Kind:
    pattern: re.Pattern[str]
    units: dict[str, float]
    make: Callable[[re.Match[str], Assay, Days], Read]


def question(o: Observation, assay: Assay, sampled: Sequence[float]) -> Question | None:
    """The question that an observation asks, or None where its analyte is no output of the model.

    `sampled` are the trial's own sampling days. Raises `InvalidInput` NK673 (unit), NK679 (no day to look at).
    """
    for kind in _KINDS:
        found = kind.pattern.fullmatch(o.analyte.casefold())
        if found is None or o.statistic == "qualitative":
            continue
        if o.unit not in kind.units:
            raise InvalidInput(
                "NK673",
                f"{o.analyte} is not printed in {shorten(o.unit)}",
                place=o.place,
                help=f"one of {', '.join(kind.units)}",
            )
        days = _days(o, kind, sampled)
        # A count of patients stays one; a percentage of patients becomes a fraction.
        scale = 1.0 if o.statistic == "count" else kind.units[o.unit]
        return Question(days, o.value * scale, kind.make(found, assay, days))
    return None


def _days(o: Observation, kind: _Kind, sampled: Sequence[float]) -> tuple[float, ...]:
    """The days to look at: the printed one, the trial's samples within a printed span, or all of its samples."""
    if o.days is not None and o.days[0] == o.days[1]:
        return (o.days[0],)
    first, last = o.days or (0.0, np.inf)
    found = [d for d in sampled if first <= d <= last]
    if o.days is not None and last < np.inf:
        found += [first, last]
    if kind.units is _IN_DAYS and found and o.value * kind.units[o.unit] > max(found):
        # Cells were found on a day after the last planned sample: there was a sample on that day.
        found.append(o.value * kind.units[o.unit])
    if not found:
        raise InvalidInput(
            "NK679", f"no day to read {o.analyte} on", place=o.place, help="fill day, or give the protocol assess: days"
        )
    return tuple(sorted(set(found)))


def _output(curves: Curves, name: str, days: Sequence[float], assay: Assay | None = None) -> Floats:
    """An output (m, k) on days; with an assay, chimerism as it is defined, and donor counts as they are reckoned."""
    at = np.searchsorted(curves.times_d, days)
    if assay is None:
        return np.asarray(curves.outputs[name][:, at])
    there = {name: np.asarray(x[:, at]) for name, x in curves.outputs.items()}
    if name == "chimerism":
        return assay.true(there)
    # NK cells times the donor fraction of whatever the assay looks at: less than the truth but for an assay of NK.
    return counted(there, assay.true(there)) if name == "donor_nk" else there[name]


def _weights(all_: Sequence[Curves]) -> tuple[float, ...]:
    return tuple(c.weight for c in all_)


def _seen(curves: Curves, assay: Assay, days: Sequence[float]) -> Floats:
    """Probability (m, k) that the assay finds donor cells on each day."""
    true = np.clip(_output(curves, "chimerism", days, assay), 1e-12, 1 - 1e-12)
    return np.asarray(ndtr((logit(true) - logit(assay.lod)) / ERROR))


def _amount(name: str, days: Days, assay: Assay, floor: float | None = None) -> Read:
    fractions = name == "chimerism"

    def read(all_: Sequence[Curves]) -> Reading:
        parts = tuple(_output(c, name, days, assay).max(axis=1) for c in all_)
        return Amounts(parts, _weights(all_), ERROR, fractions, assay.lod if fractions else 0.0, floor)

    return read


def _count(m: re.Match[str], assay: Assay, days: Days) -> Read:
    name = {"donor_nk_count": "donor_nk", "cmax_donor_nk": "donor_nk"}.get(m[0], m[0])
    return _amount(name, days, assay)


def _expanders(m: re.Match[str], assay: Assay, days: Days) -> Read:
    return _amount("donor_nk", days, assay, EXPANDED_PER_UL)


def _chimerism(m: re.Match[str], assay: Assay, days: Days) -> Read:
    lineage = {"nk": "NK", "pbmc": "lymphocytes", "lymphocytes": "lymphocytes"}.get(m[1] or "", assay.lineage)
    others = assay.other_cells if lineage == assay.lineage else None
    return _amount("chimerism", days, replace(assay, lineage=lineage, other_cells=others))


def _nk_chimerism(m: re.Match[str], assay: Assay, days: Days) -> Read:
    return _amount("chimerism", days, replace(assay, lineage="NK", other_cells=None))


def _detected(m: re.Match[str], assay: Assay, days: Days) -> Read:
    def read(all_: Sequence[Curves]) -> Reading:
        parts = tuple(1 - np.prod(1 - _seen(c, assay, days), axis=1) for c in all_)
        return Chances(parts, _weights(all_))

    return read


def _above(m: re.Match[str], assay: Assay, days: Days) -> Read:
    name, limit = m[1], float(m[2])

    def read(all_: Sequence[Curves]) -> Reading:
        highest = (np.maximum(_output(c, name, days, assay).max(axis=1), 1e-12) for c in all_)
        return Chances(tuple(ndtr(np.log(x / limit) / ERROR) for x in highest), _weights(all_))

    return read


def _last(m: re.Match[str], assay: Assay, days: Days) -> Read:
    def read(all_: Sequence[Curves]) -> Reading:
        parts = []
        for c in all_:
            seen = _seen(c, assay, days)
            # Last found on a day: found then, and on no later one; never: found on none.
            later = np.cumprod((1 - seen)[:, ::-1], axis=1)[:, ::-1]
            after = np.concatenate([later[:, 1:], np.ones((len(later), 1))], axis=1)
            parts.append(np.concatenate([later[:, :1], seen * after], axis=1))
        return LastDays(np.array([0.0, *days]), tuple(parts), _weights(all_))

    return read


def _peak(m: re.Match[str], assay: Assay, days: Days) -> Read:
    def read(all_: Sequence[Curves]) -> Reading:
        parts = []
        for c in all_:
            highest = _output(c, "donor_nk", days).argmax(axis=1)
            parts.append(np.eye(len(days) + 1)[highest + 1])
        return LastDays(np.array([0.0, *days]), tuple(parts), _weights(all_))

    return read


def _kind(pattern: str, units: dict[str, float], make: Callable[[re.Match[str], Assay, Days], Read]) -> _Kind:
    return _Kind(re.compile(pattern), units, make)


_KINDS = (
    _kind("donor_nk_count_in_expanders", COUNTS, _expanders),
    _kind("donor_nk(?:_count)?|cmax_donor_nk|host_nk|alc", COUNTS, _count),
    _kind("il15", {"pg/mL": 1.0}, _count),
    _kind("donor_nk_pct|nk_chimerism", PARTS, _nk_chimerism),
    _kind("donor_chimerism(?:_in_(nk|pbmc|lymphocytes))?", PARTS, _chimerism),
    _kind(r"donor_(?:nk|chimerism)(?:_ever)?_detected", PATIENTS, _detected),
    _kind(r"frac_pts_(donor_nk|host_nk|alc)_gt(\d+(?:\.\d+)?)_per_ul", PATIENTS, _above),
    _kind("donor_persistence_duration|persistence(?:_d)?|last_detect|last_day_detected(?:_pb)?", _IN_DAYS, _last),
    _kind("tmax_(?:donor_nk|cells)", _IN_DAYS, _peak),
)
ANALYTES = (
    "donor_nk_count", "donor_nk_count_in_expanders", "cmax_donor_nk", "host_nk", "alc", "il15", "donor_nk_pct",
    "donor_chimerism", "donor_chimerism_in_nk", "donor_chimerism_in_pbmc", "donor_nk_detected",
    "donor_nk_ever_detected", "frac_pts_donor_nk_gt100_per_ul", "persistence", "tmax_donor_nk",
)  # fmt: skip
