"""Arm × patient → Schedule: every planned line becomes single doses, every assessment single rows, still dateless."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from nksim.patient import Patient
from nksim.protocol.choice import Choice
from nksim.protocol.facts import Basis, Fact, weakest
from nksim.protocol.model import Administration, Assessment
from nksim.protocol.times import Recurrence, Relation
from nksim.schedule.dosing import Dose, dose_of
from nksim.schedule.timing import (
    Moment,
    Occasion,
    Occasions,
    chosen_occasions,
    numbered,
    occasions,
    offset_of,
    sampled_occasions,
)
from nksim.units import Duration, respelled
from nksim.words import Quoted, listed, said

ANCHOR_CLOCK = dt.time(10, 0)


@dataclass(frozen=True)
class Event:
    """One dose or assessment of a schedule.

    `length` is the planned duration or follow-up (None: a moment); amount and unit are None for assessments;
    `facts` are the facts that the row rests on, by their short names; `share` is what amendments leave of the dose.
    """

    kind: Literal["dose", "assessment"]
    phase: str
    line: str
    what: str
    occasion: Occasion
    length: Duration | None
    route: str | None
    dose: Dose | None
    facts: tuple[tuple[str, Fact[Any]], ...]
    remarks: tuple[str, ...] = ()
    share: Decimal = Decimal(1)

    @property
    def amount(self) -> Decimal | None:
        """Amount in `unit`, None for an assessment."""
        return self.dose.amount if self.dose else None

    @property
    def basis(self) -> Basis:
        """The weakest basis among the facts of the row."""
        return weakest(*(fact for _, fact in self.facts))

    @property
    def notes(self) -> tuple[str, ...]:
        """Which of the row's facts are assumed, derived or set by the user, then its remarks."""
        marked: dict[str, list[str]] = {"assumed": [], "derived": [], "set by the user": []}
        for name, fact in self.facts:
            stand = "set by the user" if fact.chosen.setting else fact.chosen.basis
            if stand in marked:
                marked[stand].append(name.replace("_", " "))
        standing = (
            said("{basis}: {facts}", basis=said(stand), facts=listed(said(name) for name in names))
            for stand, names in marked.items()
            if names
        )
        return (*standing, *self.remarks)


@dataclass(frozen=True)
class Schedule:
    """All resolved doses and assessments of one patient, in the order of the protocol file.

    The calendar places these events on dates; the simulator turns the same events into its own.
    """

    choice: Choice
    patient: Patient
    anchor_clock: dt.time
    events: tuple[Event, ...]
    unplaced: tuple[str, ...]

    @property
    def doses(self) -> tuple[Event, ...]:
        """The administrations alone."""
        return tuple(e for e in self.events if e.kind == "dose")


def anchor_line(choice: Choice) -> str:
    """The line whose first dose is the anchor."""
    anchor = choice.protocol.numbering.anchor.value
    assert anchor is not None
    return anchor.line


def timed(choice: Choice) -> Occasions:
    """Occasions of every line of the chosen arm; they are the same for every patient."""
    return occasions(choice.arm, choice.protocol.numbering, anchor_line(choice))


def expand(choice: Choice, patient: Patient, *, anchor_clock: dt.time = ANCHOR_CLOCK) -> Schedule:
    """The schedule of a patient.

    `choice` must be answered (`Choice.answered`). Raises `InvalidInput` NK405 where the dose needs a body size that
    is not given, and what the dose rules raise.

    >>> from nksim.protocol.catalog import load
    >>> from nksim.protocol.choice import choose
    >>> c = choose(load("jk500"), settings=(("cells.dose", "1e7 cells/kg"), ("cells.days", "0")))
    >>> s = expand(c, Patient(weight="20 kg", height="110 cm"))
    >>> [(e.line, e.occasion.start.day, e.amount) for e in s.doses][0]
    ('cy', -7, Decimal('1200'))
    """
    found = timed(choice)
    frame = (("numbering", choice.protocol.numbering.zero), ("anchor", choice.protocol.numbering.anchor))
    events: list[Event] = []
    for phase in choice.arm.phases:
        around = (("phase start", phase.starts), *frame) if phase.starts else frame
        for line in phase.give:
            events += [_dose_event(choice, phase.phase, line, o, patient, around) for o in found[line.id]]
    unplaced: list[str] = []
    for item in choice.arm.assess:
        placed, missing = _assessed(choice, item, found, frame)
        events += placed
        unplaced += missing
    return Schedule(choice, patient, anchor_clock, tuple(events), tuple(unplaced))


def _dose_event(
    choice: Choice,
    phase: str,
    line: Administration,
    occasion: Occasion,
    patient: Patient,
    frame: tuple[tuple[str, Fact[Any]], ...],
) -> Event:
    product = choice.protocol.products.get(line.product)
    dose = dose_of(line, occasion.number, patient, choice.protocol.body, product)
    own = (
        ("days" if line.days else "timing", line.timing),
        ("at", line.at),
        ("over", line.over),
        ("route", line.route),
    )
    facts = (*dose.facts, *((n, f) for n, f in own if f is not None), *frame)
    length = line.over.chosen.value if line.over else None
    remarks = (
        *_readings(line),
        *dose.remarks,
        *_time_remarks(line, occasion),
        *((Quoted(line.note),) if line.note else ()),
    )
    return Event("dose", phase, line.id, line.product, occasion, length, line.route.chosen.value, dose, facts, remarks)


def _readings(line: Administration) -> tuple[str, ...]:
    """How a printed or unusually spelled dose was read, where the user has not replaced it."""
    fact = line.dose
    if fact.chosen.setting is not None:
        return ()
    printed, spelled = fact.printed or line.printed, respelled(fact.chosen.text)
    return (
        *((said("printed '{printed}'", printed=printed),) if printed else ()),
        *((said("read '{text}' as {value}", text=fact.chosen.text, value=fact.chosen.value),) if spelled else ()),
    )


def _time_remarks(line: Administration, occasion: Occasion) -> tuple[str, ...]:
    """What the protocol does not say about the time of a dose."""
    timing: Any = line.timing.chosen.value
    if isinstance(timing, Relation) and timing.by.low != timing.by.high and timing.by.high is not None:
        return (said("time: the middle of {range}", range=timing.by),)
    placed_by_day = occasion.start.clock is None and occasion.start.minutes == 0
    return (said("clock time is a placeholder"),) if placed_by_day else ()


def _assessed(
    choice: Choice, item: Assessment, found: Occasions, frame: tuple[tuple[str, Fact[Any]], ...]
) -> tuple[list[Event], list[str]]:
    """Rows of one assessment, and what cannot be placed because the file does not know it."""
    own = (("days", item.days), ("months", item.months), ("samples", item.samples), ("from", item.start),
           ("for", item.length), ("window", item.window))  # fmt: skip
    given = [(n, f) for n, f in own if f is not None]
    facts = (*((n, f) for n, f in given if f.chosen.basis != "unknown"), *frame)
    unknown: list[str] = [
        said("{fact} is unknown: {ask}", fact=f"{item.id}.{n}", ask=Quoted(f.ask))
        for n, f in given
        if f.chosen.basis == "unknown"
    ]
    what: str = Quoted(item.what)
    if item.lineage and item.lineage not in item.what:
        what = said("{what} ({lineage})", what=what, lineage=Quoted(item.lineage))
    length = item.length.chosen.value if item.length else None
    start = item.start.chosen.value if item.start else None
    rows: list[tuple[Occasion, Duration | None]] = []
    if start is not None and length is not None:
        # A window that a dose opens moves with that dose.
        rows += [(Occasion(0, 0, o.start, base=(start.line, o.number)), length) for o in chosen_occasions(found, start)]
    rows += [(o, None) for o in _listed(choice, item, found)]
    window = item.window.chosen.value if item.window else None
    remarked = (*unknown, *((Quoted(item.note),) if item.note else ()))
    events = []
    for i, (o, lasts) in enumerate(rows, 1):
        occasion = numbered(o, i, len(rows), window if lasts is None else None)
        remarks = (*((o.label,) if o.label else ()), *remarked)
        events.append(Event("assessment", "assessment", item.id, what, occasion, lasts, None, None, facts, remarks))
    return events, unknown if not rows else []


def _listed(choice: Choice, item: Assessment, found: Occasions) -> list[Occasion]:
    """The assessment's own days and months and its samples around doses, in order of time."""
    zero = bool(choice.protocol.numbering.zero.value)
    rows: list[Occasion] = []
    days = item.days.chosen.value if item.days else None
    if days is not None:
        offsets = days.offsets() if isinstance(days, Recurrence) else tuple(offset_of(d, zero) for d in days.days)
        rows += [Occasion(0, 0, Moment(day)) for day in offsets]
    if item.months is not None and item.months.chosen.value is not None:
        rows += [Occasion(0, 0, Moment(0, months=m)) for m in item.months.chosen.value.months]
    if item.samples is not None and item.samples.chosen.value is not None:
        rows += sampled_occasions(found, {x.id: x for x in choice.arm.lines}, item.samples.chosen.value)
    return sorted(rows, key=lambda o: o.start.from_anchor_d(ANCHOR_CLOCK))
