"""Where two regimens differ, line by line and in words: what is given, how much, when, how and over how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nksim.patient import Patient
from nksim.protocol.choice import Choice
from nksim.protocol.doses import DoseByLevel, DoseRule
from nksim.protocol.facts import BASES, Basis, Fact, weakest
from nksim.protocol.model import Administration, Arm, Protocol
from nksim.protocol.times import Recurrence, Relation
from nksim.schedule.dosing import dose_of
from nksim.schedule.expansion import anchor_line
from nksim.schedule.timing import Occasions, occasions, protocol_day


@dataclass(frozen=True)
class LineDifference:
    """One property of one line in two regimens; None where the regimen does not have the line.

    Each basis is the weakest of the facts behind the words beside it.
    """

    line: str
    what: str
    first: str | None
    other: str | None
    first_basis: Basis | None = None
    other_basis: Basis | None = None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.line}: only here: {self.other}"
        if self.other is None:
            return f"{self.line}: not here (there: {self.first})"
        return f"{self.line}: {self.what} {self.first} → {self.other}"


@dataclass(frozen=True)
class Given:
    """What a patient is given of one line: the amount of each dose in `unit`, or why it cannot be said.

    `doses` is None where the number of doses is open; `amounts` then holds the first dose alone.
    """

    line: str
    product: str
    unit: str | None
    amounts: tuple[Decimal, ...]
    doses: int | None
    basis: Basis
    gap: str | None = None

    @property
    def total(self) -> Decimal | None:
        """All doses together, None where a dose or their number is open."""
        return sum(self.amounts, Decimal(0)) if self.doses is not None and len(self.amounts) == self.doses else None


_NO_TIME = "no time given"
Pairs = tuple[tuple[str, Given | None, Given | None], ...]
_Words = tuple[str, Basis]


def schedule_differences(first: Choice, other: Choice) -> tuple[LineDifference, ...]:
    """Differences of two choices; lines are the same where they give the same product or cells for cells.

    What is not known is said to be so: it differs from what is, and in two protocols from itself. Days are the
    protocols' own where both count alike, else days from the first cells.

    >>> from nksim.protocol.catalog import load
    >>> from nksim.protocol.choice import choose
    >>> a = choose(load("nkaml")); b = choose(load("nkaml"), settings=(("cells.days", "0, 7"),))
    >>> [str(d) for d in schedule_differences(a, b)]
    ['cells: days 0 → 0, 7']
    """
    days = [_Days(first), _Days(other)]
    alike = days[0].counting == days[1].counting or None in (days[0].origin, days[1].origin)
    left, right = (_described(d, own=alike) for d in days)
    two = first.protocol.id != other.protocol.id
    found: list[LineDifference] = []
    for key, (line, mine) in left.items():
        if key not in right:
            found.append(LineDifference(line, "given", _whole(mine), None, _weakest(mine)))
            continue
        theirs = right[key][1]
        found += [
            LineDifference(line, what, words, theirs[what][0], basis, theirs[what][1])
            for what, (words, basis) in mine.items()
            if words != theirs[what][0] or (two and basis == theirs[what][1] == "unknown")
        ]
    found += [
        LineDifference(line, "given", None, _whole(x), None, _weakest(x))
        for key, (line, x) in right.items()
        if key not in left
    ]
    return tuple(found)


def frame_differences(first: Choice, other: Choice) -> tuple[LineDifference, ...]:
    """Where two protocols count days, or bring body size into a dose, in different ways.

    >>> from nksim.protocol.catalog import load
    >>> from nksim.protocol.choice import choose, choose_arm
    >>> [str(d) for d in frame_differences(choose(load("nkaml")), choose_arm(load("cb-nk-mm")))]
    ['day 0: is first cells → first hct']
    """
    a, b = first.protocol, other.protocol
    pairs: list[tuple[str, str, Fact[Any], Fact[Any]]] = [
        ("day 0", "exists", a.numbering.zero, b.numbering.zero),
        ("day 0", "is", a.numbering.anchor, b.numbering.anchor),
        ("body", "weight", a.body.weight, b.body.weight),
        ("body", "BSA formula", a.body.bsa, b.body.bsa),
        ("body", "BSA cap", a.body.bsa_cap, b.body.bsa_cap),
    ]
    return tuple(
        LineDifference(line, what, x.chosen.text, y.chosen.text, x.chosen.basis, y.chosen.basis)
        for line, what, x, y in pairs
        if x.chosen.value != y.chosen.value
    )


def amounts(first: Choice, other: Choice, patient: Patient) -> Pairs:
    """What each regimen gives `patient`, line beside line; raises `InvalidInput` NK405 where a measure is missing.

    >>> from nksim.protocol.catalog import load
    >>> from nksim.protocol.choice import choose_arm
    >>> child = Patient(weight="25 kg", height="128 cm")
    >>> pairs = amounts(choose_arm(load("nkaml")), choose_arm(load("nkaml-2")), child)
    >>> cy = next((a, b) for name, a, b in pairs if name == "cy")
    >>> str(cy[0].total), round(cy[1].total, 2), cy[1].doses
    ('1500', Decimal('1885.62'), 5)
    """
    left, right = (dict(_given(c, patient)) for c in (first, other))
    return tuple(
        ((mine or theirs).line, mine, theirs)  # type: ignore[union-attr]
        for key in dict.fromkeys((*left, *right))
        for mine, theirs in [(left.get(key), right.get(key))]
    )


class _Days:
    """When the lines of a choice are given, as far as it is known, and how the protocol counts."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.zero = bool(choice.protocol.numbering.zero.value)
        self.occasions = _occasions(choice)
        starts = [
            self.occasions[x.id][0].start.day
            for x in choice.arm.lines
            if _is_cells(choice.protocol, x) and x.id in self.occasions
        ]
        anchored = any(x.id == anchor_line(choice) and _is_cells(choice.protocol, x) for x in choice.arm.lines)
        self.origin = min(starts) if starts else 0 if anchored else None

    @property
    def counting(self) -> tuple[bool, int | None]:
        """Two choices of equal counting write the same day alike."""
        return self.zero, self.origin

    def words(self, line: Administration, *, own: bool) -> str:
        """The days of a line in order."""
        found = self.occasions.get(line.id)
        if found is None:
            return "unknown"
        numbers = [protocol_day(o.start.day, self.zero) if own else o.start.day - (self.origin or 0) for o in found]
        run = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        listed = f"{numbers[0]} to {numbers[-1]}" if run else ", ".join(map(str, numbers))
        return listed.replace("-", "−")


def _occasions(choice: Choice) -> Occasions:
    """Occasions of the lines whose time is known, whatever the others are."""
    known = {line.id for line in choice.arm.lines if line.timing.chosen.value is not None}
    while True:
        phases = [
            (p, tuple(x for x in p.give if x.id in known and _hangs_on(p, x) <= known)) for p in choice.arm.phases
        ]
        kept = {x.id for _, lines in phases for x in lines}
        if kept == known:
            break
        known = kept
    arm = choice.arm.model_copy(
        update={"phases": tuple(p.model_copy(update={"give": lines}) for p, lines in phases if lines)}
    )
    return occasions(arm, choice.protocol.numbering, anchor_line(choice)) if known else {}


def _hangs_on(phase: Any, line: Administration) -> set[str]:
    """The lines that a line's time is counted from."""
    value: Any = line.timing.chosen.value
    if isinstance(value, Recurrence):
        value = value.first or (phase.starts.chosen.value if phase.starts else None)
    elif not isinstance(value, Relation):
        value = phase.starts.chosen.value if phase.starts else None
    return {value.line} if isinstance(value, Relation) else set()


def _is_cells(protocol: Protocol, line: Administration) -> bool:
    product = protocol.products.get(line.product)
    return product is not None and product.kind == "nk"


def _keyed(protocol: Protocol, arm: Arm) -> Iterator[tuple[str, Administration]]:
    """Every line by what it gives; two lines of one product keep their own names."""
    seen: set[str] = set()
    for line in arm.lines:
        key = "cells" if _is_cells(protocol, line) else line.product
        yield (key if key not in seen else f"{key} {line.id}"), line
        seen.add(key)


def _described(days: _Days, *, own: bool) -> dict[str, tuple[str, dict[str, _Words]]]:
    protocol, arm = days.choice.protocol, days.choice.arm
    return {key: (line.id, _words(days, line, own=own)) for key, line in _keyed(protocol, arm)}


def _words(days: _Days, line: Administration, *, own: bool) -> dict[str, _Words]:
    dose, over = line.dose.chosen, line.over.chosen if line.over else None
    when = days.words(line, own=own)
    held = weakest(line.timing) if own else weakest(line.timing, days.choice.protocol.numbering.zero)
    return {
        "product": (line.product, "stated"),
        "dose": (_dose_words(days.choice, dose), dose.basis),
        ("days" if own else "days from the first cells"): (when, "unknown" if when == "unknown" else held),
        "time": _time_words(line),
        "route": (line.route.chosen.text, line.route.chosen.basis),
        "over": (over.text, over.basis) if over is not None else ("no duration", "stated"),
    }


def _time_words(line: Administration) -> _Words:
    """The time of day, or the dose of another line that this one is timed by."""
    value: Any = line.timing.chosen.value
    if value is None:
        return "unknown", "unknown"
    if isinstance(value, Recurrence) and value.first is not None:
        return f"the first {value.first}", line.timing.chosen.basis
    if isinstance(value, Relation):
        return str(value), line.timing.chosen.basis
    return (line.at.chosen.text, line.at.chosen.basis) if line.at else (_NO_TIME, "stated")


def _dose_words(choice: Choice, dose: Fact[Any]) -> str:
    if isinstance(dose.value, DoseByLevel):
        plan = choice.protocol.escalation
        return f"by level, {plan.levels.text}" if plan and plan.levels.value else "by level"
    return str(dose.value) if dose.value is not None else f"unknown ({dose.text})"


def _weakest(line: dict[str, _Words]) -> Basis:
    """The weakest basis of what `_whole` says."""
    return max((basis for what, (_, basis) in line.items() if what != "over"), key=BASES.index)


def _whole(line: dict[str, _Words]) -> str:
    what, days = next((what, words) for what, (words, _) in line.items() if what.startswith("days"))
    several = "," in days or " to " in days or days == "unknown"
    when = f"{'days' if several else 'day'} {days}{what.removeprefix('days')}"
    time = f", {line['time'][0]}" if line["time"][0] != _NO_TIME else ""
    return f"{line['product'][0]} {line['dose'][0]} {line['route'][0]}, {when}{time}"


def _given(choice: Choice, patient: Patient) -> Iterator[tuple[str, Given]]:
    found, protocol = _occasions(choice), choice.protocol
    for key, line in _keyed(protocol, choice.arm):
        timing, rule = found.get(line.id), line.dose.chosen
        planned = line.count.chosen.value if line.count else None
        doses = len(timing) if timing is not None else planned
        basis = weakest(line.dose, *((line.timing,) if timing is not None else ()))
        if not isinstance(rule.value, DoseRule):
            gap = "dose unknown" if rule.value is None else "dose to be chosen"
            yield key, Given(line.id, line.product, None, (), doses, basis, gap)
            continue
        product = protocol.products.get(line.product)
        made = [dose_of(line, n, patient, protocol.body, product) for n in range(1, (doses or 1) + 1)]
        unsaid = None if doses is not None else "number of doses unknown"
        yield key, Given(line.id, line.product, made[0].unit, tuple(d.amount for d in made), doses, basis, unsaid)
