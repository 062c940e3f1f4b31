"""Checks of a schedule that need no model: plain findings, each with a code, that travel with every output."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from nksim.limits import limit
from nksim.patient import Patient
from nksim.protocol.doses import DoseChoice, DoseRule
from nksim.protocol.model import Administration
from nksim.protocol.times import Relation
from nksim.schedule.bodycheck import body_slips
from nksim.schedule.dosing import dose_of
from nksim.schedule.drug_doses import MIDNIGHT, above_the_most, outside_the_usual, quantities, refuse_harmful_days
from nksim.schedule.expansion import Event, Schedule
from nksim.schedule.finding import Finding
from nksim.units import Quantity, grouped
from nksim.words import listed, phrase, said


def findings(schedule: Schedule) -> tuple[Finding, ...]:
    """Everything that the checks find in a patient's schedule, in a fixed order.

    Raises `InvalidInput` NK310 for a dose that no protocol gives: it is a slip, not a choice. What is to be held back
    until it is waived (`Check.severity`) is among the findings; `nksim.schedule.waivers` holds it.
    """
    found = list(regimen_findings(schedule))
    for line in schedule.choice.arm.lines:
        events = [e for e in schedule.doses if e.line == line.id]
        own = (
            *above_the_most(line, events),
            *_cautions(events),
            *_restated(line, events, schedule.patient.weight_kg),
            *_windows_overlap(line, events, schedule.anchor_clock),
            *_more_than_an_adult(schedule, line, events),
        )
        found += (replace(f, lines=(line.id,)) for f in own)
    refuse_harmful_days(schedule)
    found += _outside_population(schedule)
    found += body_findings(schedule.patient)
    return tuple(found)


def regimen_findings(schedule: Schedule) -> tuple[Finding, ...]:
    """What the checks find in the regimen itself, whoever the patient is; raises as `findings` does."""
    found: list[Finding] = []
    for line in schedule.choice.arm.lines:
        events = [e for e in schedule.doses if e.line == line.id]
        own = (
            *outside_the_usual(line),
            *_registered_range(line),
            *_count(line, events),
            *_listed(line, events),
            *_least_gap(line, events, schedule.anchor_clock),
        )
        found += (replace(f, lines=(line.id,)) for f in own)
    found += _conditioning_after_cells(schedule)
    found += _same_drug_twice(schedule)
    found += _after_what_it_precedes(schedule)
    return tuple(found)


def _windows_overlap(line: Administration, events: list[Event], clock: dt.time) -> Iterator[Finding]:
    """Two doses of a line whose windows allow the later one first."""
    for one, other in pairwise(e.occasion for e in events):
        if one.latest is None or other.earliest is None:
            continue
        if one.latest.from_anchor_d(clock) > other.earliest.from_anchor_d(clock) + 1e-9:
            form = phrase("{line}: the windows of doses {one} and {other} overlap")
            yield Finding("NK334", said(form, line=line.id, one=one.number, other=other.number))
            return


def _more_than_an_adult(schedule: Schedule, line: Administration, events: list[Event]) -> Iterator[Finding]:
    """A child's dose above what the same line gives an adult of ordinary size: is a cap meant?"""
    grown, patient = limit("adult"), schedule.patient
    if patient.age_y is None or patient.age_y >= grown.low or line.renal is not None:
        return
    weight, height = limit("adult weight"), limit("adult height")
    adult = Patient(weight=weight.text, height=height.text, age=grown.text, sex="M")
    bare = line.model_copy(update={"round": None, "volume": None, "vials": None})
    for e in events:
        most = dose_of(bare, e.occasion.number, adult, schedule.choice.protocol.body, share=e.share)
        if e.dose and e.dose.unit == most.unit and e.dose.target > most.amount:
            yield Finding(
                "NK338",
                said(
                    "{line}: {amount} {unit} is more than {most} {unit} for an adult of {weight} and {height}: "
                    "is a cap meant?",
                    line=line.id,
                    amount=grouped(e.dose.target),
                    unit=most.unit,
                    most=grouped(most.amount),
                    weight=weight.text,
                    height=height.text,
                ),
            )
            return


def _cautions(events: list[Event]) -> Iterator[Finding]:
    """What the calculation of a line's doses warns of, each once."""
    found = dict.fromkeys(
        (code, said("{line}: {caution}", line=e.line, caution=words))
        for e in events
        if e.dose
        for code, words in e.dose.cautions
    )
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
            said(
                "{line}: {amount} is {per_kg} cells/kg at {weight:g} kg, but the registration also says {range}",
                line=line.id,
                amount=Quantity(amount, "cells"),
                per_kg=grouped(per_kg.number),
                weight=weight_kg,
                range=again,
            ),
        )


def _registered_range(line: Administration) -> Iterator[Finding]:
    registered = line.dose.value
    if isinstance(registered, DoseChoice) and line.dose.use is not None:
        for dose in quantities(line):
            if not registered.holds(dose):
                yield Finding(
                    "NK315",
                    said(
                        "{line}: {dose} is outside the registered {range}",
                        line=line.id,
                        dose=dose,
                        range=line.dose.text,
                    ),
                )


def _count(line: Administration, events: list[Event]) -> Iterator[Finding]:
    planned = line.count.chosen.value if line.count else None
    if planned is not None and len(events) != planned:
        form = phrase("{line}: {count} doses are planned, the registration has {planned}")
        if len(events) == 1:
            form = phrase("{line}: one dose is planned, the registration has {planned}")
        yield Finding("NK316", said(form, line=line.id, count=len(events), planned=planned))


def _listed(line: Administration, events: list[Event]) -> Iterator[Finding]:
    """A list with more doses than administrations: the last ones are never given."""
    rule = line.dose.chosen.value
    most = max((len(case.doses) for case in rule.cases), default=0) if isinstance(rule, DoseRule) else 0
    if most > max(1, len(events)):
        words = said(
            "{line}: {listed} doses are listed and {count} planned: the rest is not given",
            line=line.id,
            listed=most,
            count=len(events),
        )
        yield Finding("NK319", words)


def _least_gap(line: Administration, events: list[Event], anchor_clock: dt.time) -> Iterator[Finding]:
    """Doses planned closer together than the file's own least gap."""
    gap = line.gap.chosen.value if line.gap else None
    starts = [e.occasion.start.from_anchor_d(anchor_clock) for e in events]
    apart = min((round((b - a) * 1440) for a, b in pairwise(sorted(starts))), default=None)
    if gap is not None and apart is not None and apart < gap.minutes:
        form = phrase("{line}: doses are planned {apart:g} d apart, at least {gap} is asked for")
        yield Finding("NK335", said(form, line=line.id, apart=apart / 1440, gap=gap))


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
        words = said("conditioning does not end before the first cells: {lines}", lines=listed(late))
        yield Finding("NK317", words, tuple(late))


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
        form = phrase("{lines} both give {product}, first on the same day {day} from the anchor")
        both = said(form, lines=listed(lines, phrase(" and ")), product=what, day=day)
        yield Finding("NK322", both, tuple(lines))


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
                said(
                    "{line}: the file gives it before {other}, and dose {number} ends after that begins",
                    line=line.id,
                    other=relation.line,
                    number=late[0],
                ),
                (line.id,),
            )


def _outside_population(schedule: Schedule) -> Iterator[Finding]:
    low, high = schedule.choice.protocol.population.age
    age = schedule.patient.age_y
    # Trials count age in completed years: someone of 18.9 years belongs to a trial of 0 to 18 years.
    if age is not None and not low <= age < high + 1:
        form = phrase("age {age:g} y is outside the trial's population of {ages}")
        if schedule.choice.protocol.population.ages.chosen.basis == "assumed":
            form = phrase("age {age:g} y is outside the trial's population of {ages}, which the file assumes")
        yield Finding("NK318", said(form, age=age, ages=schedule.choice.protocol.population.age))
    weight, allowed = schedule.patient.weight_kg, schedule.choice.protocol.population.weight
    if weight is not None and allowed is not None and not allowed[0] <= weight <= allowed[1]:
        form = phrase("weight {weight:g} kg is outside the trial's population of {low:g} to {high:g} kg")
        yield Finding("NK333", said(form, weight=weight, low=allowed[0], high=allowed[1]))


def body_findings(patient: Patient) -> tuple[Finding, ...]:
    """What the checks find in the patient's own measures."""
    return tuple(Finding(code, words) for code, words in body_slips(patient))


def weight_age_findings(patient: Patient, first_dose: dt.date) -> tuple[Finding, ...]:
    """A weight that was taken too long before the first dose, or after it."""
    if patient.weighed is None:
        return ()
    days, most = (first_dose - patient.weighed).days, limit("weight age")
    if 0 <= days <= most.high:
        return ()
    form = phrase("weighed on {date}, {days} days before the first dose: at most {most} before")
    if days <= 0:
        form = phrase("weighed on {date}, after the first dose: at most {most} before")
    return (Finding("NK339", said(form, date=str(patient.weighed), days=days, most=most.text)),)
