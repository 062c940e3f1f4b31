"""Doses against what is usual and what harms, drug by drug: the limits are those of `nksim/limits.yaml`."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

from nksim.errors import InvalidInput
from nksim.protocol.doses import DoseChoice, DoseRule
from nksim.protocol.drugs import DoseLimits, dose_limits
from nksim.protocol.model import Administration
from nksim.schedule.bodysize import surface
from nksim.schedule.expansion import Event, Schedule
from nksim.schedule.finding import Finding
from nksim.units import Quantity, grouped
from nksim.words import Said, listed, phrase, said

MIDNIGHT = dt.time(0)
# Prefixes that are mistaken for one another: mcg and mg differ by 10^3, IU and WU (wan units) by 10^4.
_SLIPS = {"mg": (Decimal(1000), phrase("mg and mcg")), "IU": (Decimal(10000), phrase("IU and WU"))}


def outside_the_usual(line: Administration) -> Iterator[Finding]:
    """Doses of a line outside what is usual for its drug; raises `InvalidInput` NK310 for one that harms."""
    drug = dose_limits().get(line.product)
    for dose in quantities(line) if drug else ():
        assert drug is not None
        own = dose.canonical()
        most = drug.refuse_from.canonical() if drug.refuse_from else None
        if most and (own.unit, own.per) == (most.unit, most.per) and own.number >= most.number:
            raise InvalidInput(
                "NK310",
                f"{line.id}: {dose} of {line.product} is a dose that harms",
                help=f"refused from {most} ({drug.refuse_source})",
            )
        same = [r for r in drug.ranges if (r.low.canonical().unit, r.low.per) == (own.unit, own.per)]
        usual = listed((said("{low} to {high}", low=r.low, high=r.high) for r in drug.ranges), phrase(" or "))
        named = {"line": line.id, "product": line.product, "dose": dose, "range": usual}
        if own.per in drug.never_per:
            yield Finding("NK328", said("{line}: {product} is never dosed as {dose}; usual: {range}", **named))
        elif not drug.ranges:
            yield from _unlike(line, drug, dose)
        elif not same:
            yield Finding("NK311", said("{line}: {product} is not usually dosed as {dose}; usual: {range}", **named))
        elif any(_in_range(dose, r) for r in same):
            continue
        elif slip := _slip(own, same):
            form = phrase("{line}: {dose} of {product} is outside the range of {range}; {slip}")
            yield Finding("NK337", said(form, slip=slip, **named))
        else:
            yield Finding("NK312", said("{line}: {dose} of {product} is outside the range of {range}", **named))


def quantities(line: Administration) -> list[Quantity]:
    """Every dose that a line may give, as its rule writes them; none where a level decides."""
    rule = line.dose.chosen.value
    return [d for case in rule.cases for d in case.doses] if isinstance(rule, DoseRule) else []


def _in_range(dose: Quantity, choice: DoseChoice) -> bool:
    low, high, own = choice.low.canonical(), choice.high.canonical(), dose.canonical()
    return low.number <= own.number <= high.number


def _slip(own: Quantity, ranges: Sequence[DoseChoice]) -> Said | None:
    """The prefix whose slip would bring a dose from its range to where it stands."""
    factor, names = _SLIPS.get(own.unit, (None, ""))
    more = phrase("{factor} times more lies within: {units} are mistaken for one another")
    less = phrase("{factor} times less lies within: {units} are mistaken for one another")
    for by, form in ((factor, more), (1 / factor, less)) if factor else ():
        if any(r.low.canonical().number <= own.number * by <= r.high.canonical().number for r in ranges):
            return said(form, factor=grouped(factor or by), units=said(names))
    return None


def _unlike(line: Administration, drug: DoseLimits, dose: Quantity) -> Iterator[Finding]:
    """A unit or a route in which no regimen read gives a drug that has no proposed range."""
    own = dose.canonical()
    unit = own.unit + (f"/{own.per}" if own.per else "")
    for found, known in ((unit, drug.dosed_in), (line.route.chosen.value, drug.routes)):
        if known and found not in known:
            form = phrase("{line}: {product} is given in {usual} by the regimens read, not in {found}")
            usual = listed(known, phrase(" or "))
            yield Finding("NK311", said(form, line=line.id, product=line.product, usual=usual, found=found))


def above_the_most(line: Administration, events: list[Event]) -> Iterator[Finding]:
    """A dose above the most that its drug is given in at once."""
    drug = dose_limits().get(line.product)
    most = drug.most_per_dose.canonical() if drug and drug.most_per_dose else None
    over = [e for e in events if most and e.dose and e.dose.unit == most.unit and e.dose.amount > most.number]
    if over and most:
        yield Finding(
            "NK313",
            said(
                "{line}: {amount} {unit} in one dose is above {most} {unit}",
                line=line.id,
                amount=grouped(over[0].amount or Decimal(0)),
                most=grouped(most.number),
                unit=most.unit,
            ),
        )


def refuse_harmful_days(schedule: Schedule) -> None:
    """Raises `InvalidInput` NK310 where a day's doses of a drug add up to what its label warns of."""
    days: dict[tuple[str, int], list[Event]] = {}
    for e in schedule.doses:
        days.setdefault((e.what, math.floor(e.occasion.start.from_anchor_d(MIDNIGHT))), []).append(e)
    for (what, day), events in days.items():
        drug: DoseLimits | None = dose_limits().get(what)
        most = drug.refuse_from.canonical() if drug and drug.refuse_from else None
        if drug is None or most is None or most.per != "m^2" or schedule.patient.height_cm is None:
            continue
        total = sum((e.dose.amount for e in events if e.dose and e.dose.unit == most.unit), Decimal(0))
        per_m2 = total / surface(schedule.patient, schedule.choice.protocol.body)[0]
        if per_m2 >= most.number * (1 - Decimal("1e-12")):
            raise InvalidInput(
                "NK310",
                f"{' and '.join(dict.fromkeys(e.line for e in events))}: {grouped(per_m2)} {most.unit}/m² of {what} on "
                f"day {day} from the anchor is a dose that harms",
                help=f"refused from {most} a day ({drug.refuse_source})",
            )
