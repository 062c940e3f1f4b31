"""Checks of a schedule that need no model: plain findings, each with a code, that travel with every output."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from nksim.errors import InvalidInput
from nksim.protocol.doses import DoseChoice, DoseRule
from nksim.protocol.drugs import Drug, drugs
from nksim.protocol.model import Administration
from nksim.protocol.times import Relation
from nksim.schedule.expansion import Event, Schedule
from nksim.units import Quantity, grouped

MIDNIGHT = dt.time(0)


@dataclass(frozen=True)
class Finding:
    """Something to look at before the calendar is used."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"warning[{self.code}]: {self.message}"


def findings(schedule: Schedule) -> tuple[Finding, ...]:
    """Everything that the checks find in a patient's schedule, in a fixed order.

    Raises `InvalidInput` NK310 for a dose that no protocol gives: it is a slip, not a choice.
    """
    found = list(regimen_findings(schedule))
    for line in schedule.choice.arm.lines:
        events = [e for e in schedule.doses if e.line == line.id]
        found += _most_per_dose(line, events)
        found += _cautions(events)
        found += _restated(line, events, schedule.patient.weight_kg)
    found += _outside_population(schedule)
    return tuple(found)


def regimen_findings(schedule: Schedule) -> tuple[Finding, ...]:
    """What the checks find in the regimen itself, whoever the patient is; raises as `findings` does."""
    found: list[Finding] = []
    for line in schedule.choice.arm.lines:
        found += _drug_range(line)
        found += _registered_range(line)
        events = [e for e in schedule.doses if e.line == line.id]
        found += _count(line, events)
        found += _listed(line, events)
        found += _least_gap(line, events, schedule.anchor_clock)
    found += _conditioning_after_cells(schedule)
    found += _same_drug_twice(schedule)
    found += _after_what_it_precedes(schedule)
    return tuple(found)


def _quantities(line: Administration) -> list[Quantity]:
    rule = line.dose.chosen.value
    return [d for case in rule.cases for d in case.doses] if isinstance(rule, DoseRule) else []


def _in_range(dose: Quantity, choice: DoseChoice) -> bool:
    low, high, own = choice.low.canonical(), choice.high.canonical(), dose.canonical()
    return low.number <= own.number <= high.number


def _drug_range(line: Administration) -> Iterator[Finding]:
    drug: Drug | None = drugs().get(line.product)
    for dose in _quantities(line) if drug else ():
        assert drug is not None
        own = dose.canonical()
        limit = drug.refuse_from.canonical() if drug.refuse_from else None
        if limit and (own.unit, own.per) == (limit.unit, limit.per) and own.number >= limit.number:
            raise InvalidInput(
                "NK310",
                f"{line.id}: {dose} of {line.product} is a dose that harms",
                help=f"refused from {limit} ({drug.source})",
            )
        same = [r for r in drug.ranges if (r.low.canonical().unit, r.low.per) == (own.unit, own.per)]
        usual = " or ".join(f"{r.low} to {r.high}" for r in drug.ranges)
        if not drug.ranges:
            yield from _unlike(line, drug, dose)
        elif not same:
            yield Finding("NK311", f"{line.id}: {line.product} is not usually dosed as {dose}; usual: {usual}")
        elif not any(_in_range(dose, r) for r in same):
            yield Finding("NK312", f"{line.id}: {dose} of {line.product} is outside the range of {usual}")


def _unlike(line: Administration, drug: Drug, dose: Quantity) -> Iterator[Finding]:
    """A unit or a route in which no regimen read gives a drug that has no proposed range."""
    own = dose.canonical()
    unit = own.unit + (f"/{own.per}" if own.per else "")
    for found, known in ((unit, drug.dosed_in), (line.route.chosen.value, drug.routes)):
        if known and found not in known:
            usual = " or ".join(known)
            yield Finding(
                "NK311", f"{line.id}: {line.product} is given in {usual} by the regimens read, not in {found}"
            )


def _most_per_dose(line: Administration, events: list[Event]) -> Iterator[Finding]:
    drug = drugs().get(line.product)
    most = drug.most_per_dose.canonical() if drug and drug.most_per_dose else None
    over = [e for e in events if most and e.dose and e.dose.unit == most.unit and e.dose.amount > most.number]
    if over and most:
        yield Finding(
            "NK313",
            f"{line.id}: {grouped(over[0].amount or Decimal(0))} {most.unit} in one dose is above "
            f"{grouped(most.number)} {most.unit}",
        )


def _cautions(events: list[Event]) -> Iterator[Finding]:
    """What the calculation of a line's doses warns of, each once."""
    found = dict.fromkeys((code, f"{e.line}: {words}") for e in events if e.dose for code, words in e.dose.cautions)
    yield from (Finding(code, words) for code, words in found)


def _restated(line: Administration, events: list[Event], weight_kg: float | None) -> Iterator[Finding]:
    """A flat dose that the registration also gives per kg must agree for this weight."""
    again = line.restated.chosen.value if line.restated else None
    if again is None or not events or weight_kg is None or again.low.per != "kg":
        return
    weight, amount = Decimal(repr(weight_kg)), events[0].amount or Decimal(0)
    if not again.low.canonical().number <= amount / weight <= again.high.canonical().number:
        per_kg = Quantity(amount / weight, "cells", "kg")
        yield Finding(
            "NK314",
            f"{line.id}: {Quantity(amount, 'cells')} is {grouped(per_kg.number)} cells/kg at {weight_kg:g} kg, but the "
            f"registration also says {again.low} to {again.high}",
        )


def _registered_range(line: Administration) -> Iterator[Finding]:
    registered = line.dose.value
    if isinstance(registered, DoseChoice) and line.dose.use is not None:
        for dose in _quantities(line):
            if not registered.holds(dose):
                yield Finding("NK315", f"{line.id}: {dose} is outside the registered {line.dose.text}")


def _count(line: Administration, events: list[Event]) -> Iterator[Finding]:
    planned = line.count.chosen.value if line.count else None
    if planned is not None and len(events) != planned:
        yield Finding("NK316", f"{line.id}: {len(events)} doses are planned, the registration has {planned}")


def _listed(line: Administration, events: list[Event]) -> Iterator[Finding]:
    """A list with more doses than administrations: the last ones are never given."""
    rule = line.dose.chosen.value
    listed = max((len(case.doses) for case in rule.cases), default=0) if isinstance(rule, DoseRule) else 0
    if listed > max(1, len(events)):
        yield Finding("NK319", f"{line.id}: {listed} doses are listed and {len(events)} planned: the rest is not given")


def _least_gap(line: Administration, events: list[Event], anchor_clock: dt.time) -> Iterator[Finding]:
    """Doses planned closer together than the file's own least gap."""
    gap = line.gap.chosen.value if line.gap else None
    starts = [e.occasion.start.from_anchor_d(anchor_clock) for e in events]
    apart = min((round((b - a) * 1440) for a, b in pairwise(sorted(starts))), default=None)
    if gap is not None and apart is not None and apart < gap.minutes:
        yield Finding("NK335", f"{line.id}: doses are planned {apart / 1440:g} d apart, at least {gap} is asked for")


def _conditioning_after_cells(schedule: Schedule) -> Iterator[Finding]:
    cells = {name for name, product in schedule.choice.protocol.products.items() if product.kind == "nk"}
    starts = [e.occasion.start.from_anchor_d(schedule.anchor_clock) for e in schedule.doses if e.what in cells]
    start = min(starts, default=math.inf)
    late = sorted(
        {
            e.line
            for e in schedule.doses
            if e.phase == "conditioning" and e.occasion.start.from_anchor_d(schedule.anchor_clock) >= start
        }
    )
    if late:
        yield Finding("NK317", f"conditioning does not end before the first cells: {', '.join(late)}")


def _same_drug_twice(schedule: Schedule) -> Iterator[Finding]:
    """Two lines of one drug on one day: a dose written twice looks just like this, unless one is timed by the other."""
    days: dict[tuple[str, int], list[str]] = {}
    gives = {line.id: line.product for line in schedule.choice.arm.lines}
    follows = {
        line.id
        for line in schedule.choice.arm.lines
        if isinstance(line.timing.chosen.value, Relation) and gives[line.timing.chosen.value.line] == line.product
    }
    for e in (e for e in schedule.doses if e.line not in follows):
        day = math.floor(e.occasion.start.from_anchor_d(MIDNIGHT))
        days.setdefault((e.what, day), []).append(e.line)
    twice = {(what, *sorted(set(lines))): day for (what, day), lines in reversed(days.items()) if len(set(lines)) > 1}
    for (what, *lines), day in reversed(twice.items()):
        yield Finding("NK322", f"{' and '.join(lines)} both give {what}, first on the same day {day} from the anchor")


def _after_what_it_precedes(schedule: Schedule) -> Iterator[Finding]:
    """A line that the file puts before another and that does not end before that one begins."""
    clock = schedule.anchor_clock
    for line in schedule.choice.arm.lines:
        fact = line.timing.replaced or line.timing
        relation = fact.chosen.value
        if not isinstance(relation, Relation) or relation.side != "before":
            continue
        minutes = line.over.chosen.value.minutes if line.over and line.over.chosen.value else Decimal(0)
        starts = {e.occasion.number: e.occasion.start.from_anchor_d(clock) for e in schedule.doses if e.line == line.id}
        later = {
            e.occasion.number: e.occasion.start.from_anchor_d(clock) for e in schedule.doses if e.line == relation.line
        }
        # The nth dose belongs to the nth, whatever was taken out before it.
        late = [n for n, at in starts.items() if n in later and at + float(minutes) / 1440 > later[n] + 1e-9]
        if late:
            yield Finding(
                "NK323",
                f"{line.id}: the file gives it before {relation.line}, and dose {late[0]} ends after that begins",
            )


def _outside_population(schedule: Schedule) -> Iterator[Finding]:
    low, high = schedule.choice.protocol.population.age
    age = schedule.patient.age_y
    # Trials count age in completed years: someone of 18.9 years belongs to a trial of 0 to 18 years.
    if age is not None and not low <= age < high + 1:
        ages = f"{low:g} to {high:g} years"
        if schedule.choice.protocol.population.ages.chosen.basis == "assumed":
            ages += ", which the file assumes"
        yield Finding("NK318", f"age {age:g} y is outside the trial's population of {ages}")
