"""The values of a protocol's keys: each a type that names what reads it, with the mend of what cannot be read."""

from __future__ import annotations

import datetime as dt
import re
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from nksim.errors import Misread, shorten, suggestion
from nksim.limits import limit
from nksim.patient import BSA_FORMULAS
from nksim.protocol import doses, supply, times
from nksim.protocol.delays import Delay, delay
from nksim.protocol.doses import AnyDose, DoseChoice, Rounding
from nksim.protocol.facts import Fact, fact_of
from nksim.protocol.record import Read
from nksim.protocol.renal import RenalRule, renal_rule
from nksim.protocol.samples import Months, Samples, months, samples
from nksim.protocol.supply import Vials, Volume
from nksim.protocol.times import Days, Recurrence, Reference, Relation, Window
from nksim.protocol.weights import WeightRule, weight_rule
from nksim.units import Duration, Quantity, duration, normalise, quantity
from nksim.words import phrase, said

# The designs of nksim.trial; a protocol may name another one in words, which nksim cannot run.
DESIGNS = ("3+3", "3+3-down", "boin", "tite-boin", "mtpi", "mtpi2", "i3+3", "crm")


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise Misread("NK202", f"{shorten(raw)} is not plain text", help="write one line of text")
    return " ".join(raw.split())


def _one_of(what: str, allowed: tuple[str, ...], raw: Any) -> str:
    if raw not in allowed:
        raise Misread("NK202", f"{what} {shorten(raw)} is not known", help=suggestion(raw, allowed))
    return str(raw)


def _yes_no(raw: Any) -> bool:
    if raw not in ("yes", "no"):
        raise Misread("NK202", f"{shorten(raw)} is neither yes nor no", help="write yes or no")
    return bool(raw == "yes")


def _cap(raw: Any) -> Quantity | None:
    """A BSA cap in m^2, or none."""
    if raw == "none":
        return None
    cap = quantity(_text(raw))
    if cap.unit != "m^2" or not 0 < cap.number < 4:
        raise Misread("NK215", f"BSA cap {shorten(raw)} is not a body surface", help="write none or 2.0 m^2")
    return cap


class Ages(NamedTuple):
    """Youngest and oldest age in years; 120 stands for no upper limit.

    >>> str(Ages(0.7, 21)), str(Ages(18, 120))
    ('0.7 to 21 years', '18 years and older')
    """

    youngest: float
    oldest: float

    def __str__(self) -> str:
        form = phrase("{low:g} to {high:g} years") if self.oldest < 120 else phrase("{low:g} years and older")
        return said(form, low=self.youngest, high=self.oldest)


def _age_range(raw: Any) -> Ages:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(?:\.\.|-) ?(\d+(?:\.\d+)?) ?y", normalise(_text(raw)))
    if match and float(match[1]) < float(match[2]) <= 120:
        return Ages(float(match[1]), float(match[2]))
    match = re.fullmatch(r">= ?(\d+(?:\.\d+)?) ?y", normalise(_text(raw)))
    if match and float(match[1]) < 120:
        return Ages(float(match[1]), 120.0)
    raise Misread("NK214", f"{shorten(raw)} is not an age range", help="write 0-18 y, or >= 18 y")


def _weight_range(raw: Any) -> tuple[float, float]:
    text = normalise(_text(raw))
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(?:\.\.|-) ?(\d+(?:\.\d+)?) ?kg", text)
    most = float(limit("weight").high)
    if match and float(match[1]) < float(match[2]) <= most:
        return float(match[1]), float(match[2])
    match = re.fullmatch(r">= ?(\d+(?:\.\d+)?) ?kg", text)
    if match and float(match[1]) < most:
        return float(match[1]), most
    raise Misread("NK214", f"{shorten(raw)} is not a range of weight", help="write 10-100 kg, or >= 10 kg")


def _length(raw: Any) -> Duration:
    return duration(_text(raw))


def _infusion_time(raw: Any) -> Duration:
    found = _length(raw)
    if found.unit in ("mo", "y"):
        raise Misread("NK214", f"{shorten(raw)} is not an infusion time", help="write it in min, h, d or wk")
    return found


def _levels(raw: Any) -> tuple[Quantity, ...]:
    """Dose levels from low to high, in one unit."""
    found = doses.dose_list(raw)
    for i, (low, high) in enumerate(pairwise(found), 1):
        if low.number >= high.number:
            raise Misread(
                "NK810",
                f"dose level {i + 1}, {high}, is not above level {i}, {low}",
                help="list the levels from low to high, each once",
            )
    return found


def _design(raw: Any) -> str:
    text = _text(raw)
    if text not in DESIGNS and not text.startswith("other: "):
        raise Misread(
            "NK810", f"design {shorten(text)} is not known", help=f"write one of {', '.join(DESIGNS)}, or other: …"
        )
    return text


def _share(raw: Any) -> float:
    found = quantity(_text(raw))
    if found.unit != "%" or not 0 < found.number < 100:
        raise Misread("NK810", f"{shorten(raw)} is not a probability of toxicity", help="write for example 30 %")
    return float(found.number) / 100


def _stagger(raw: Any) -> Duration:
    found = _length(raw)
    if found.unit not in ("d", "wk"):
        raise Misread("NK810", f"{shorten(raw)} is not a distance between patients", help="write it in d or wk")
    return found


def _whole_days(raw: Any) -> Duration:
    found = _length(raw)
    if found.unit not in ("d", "wk"):
        raise Misread("NK214", f"{shorten(raw)} is not whole days", help="write it in d or wk")
    return found


def _whole(raw: Any) -> int:
    """A count; one that was read before stays as it is."""
    return raw if isinstance(raw, int) else times.count(raw)


def _year(raw: Any) -> int:
    if not re.fullmatch(r"(19|20)[0-9][0-9]", _text(raw)):
        raise Misread("NK206", f"{shorten(raw)} is not a year", help="write YYYY")
    return int(raw)


Text = Annotated[str, BeforeValidator(_text)]
Key = Annotated[str, BeforeValidator(_text), Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Whole = Annotated[int, Read(_whole)]
Year = Annotated[int, Read(_year)]
WeightRange = Annotated[tuple[float, float], Read(_weight_range)]
RouteFact = Annotated[Fact[str], Read(fact_of(partial(_one_of, "route", ("IV", "SC", "PO", "IM", "IT", "external"))))]
DoseFact = Annotated[Fact[AnyDose], Read(fact_of(doses.dose_rule))]
LevelsFact = Annotated[Fact[tuple[Quantity, ...]], Read(fact_of(_levels))]
DesignFact = Annotated[Fact[str], Read(fact_of(_design))]
ShareFact = Annotated[Fact[float], Read(fact_of(_share))]
StaggeredFact = Annotated[Fact[str], Read(fact_of(partial(_one_of, "stagger", ("first patient", "each patient"))))]
StaggerFact = Annotated[Fact[Duration], Read(fact_of(_stagger))]
AmountFact = Annotated[Fact[Quantity], Read(fact_of(doses.amount))]
RangeFact = Annotated[Fact[DoseChoice], Read(fact_of(doses.dose_range))]
RoundingFact = Annotated[Fact[Rounding], Read(fact_of(doses.rounding))]
DaysFact = Annotated[Fact[Days | Recurrence], Read(fact_of(times.days))]
BeforeFact = Annotated[Fact[Relation], Read(fact_of(partial(times.relation, "before")))]
AfterFact = Annotated[Fact[Relation], Read(fact_of(partial(times.relation, "after")))]
StartsFact = Annotated[Fact[Relation], Read(fact_of(times.relation_to))]
SamplesFact = Annotated[Fact[Samples], Read(fact_of(samples))]
MonthsFact = Annotated[Fact[Months], Read(fact_of(months))]
FromFact = Annotated[Fact[Reference], Read(fact_of(times.reference))]
LengthFact = Annotated[Fact[Duration], Read(fact_of(_length))]
OverFact = Annotated[Fact[Duration], Read(fact_of(_infusion_time))]
DaysLengthFact = Annotated[Fact[Duration], Read(fact_of(_whole_days))]
ClockFact = Annotated[Fact[dt.time], Read(fact_of(times.clock))]
WindowFact = Annotated[Fact[Window], Read(fact_of(times.window))]
DelayFact = Annotated[Fact[Delay], Read(fact_of(delay))]
CountFact = Annotated[Fact[int], Read(fact_of(times.count))]
YesNoFact = Annotated[Fact[bool], Read(fact_of(_yes_no))]
WeightFact = Annotated[Fact[WeightRule], Read(fact_of(weight_rule))]
RenalFact = Annotated[Fact[RenalRule], Read(fact_of(renal_rule))]
VialsFact = Annotated[Fact[Vials], Read(fact_of(supply.vials))]
VolumeFact = Annotated[Fact[Volume], Read(fact_of(supply.volume))]
BsaFact = Annotated[Fact[str], Read(fact_of(partial(_one_of, "BSA formula", tuple(BSA_FORMULAS))))]
AgesFact = Annotated[Fact[Ages], Read(fact_of(_age_range))]
CapFact = Annotated[Fact[Quantity | None], Read(fact_of(_cap))]
