"""What a protocol says about its escalation, read as the numbers that a design needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nksim.errors import UsageError, shorten
from nksim.protocol.choice import Choice, choose
from nksim.protocol.facts import Fact
from nksim.protocol.model import Protocol
from nksim.schedule.expansion import ANCHOR_CLOCK, anchor_line, timed
from nksim.schedule.timing import Moment
from nksim.trial.pace import DAYS_PER_MONTH
from nksim.units import Duration


@dataclass(frozen=True)
class Plan:
    """The escalation of a protocol: None wherever neither the file nor the user says.

    `doses` are the levels in words; `facts` every fact that was used, by the path under which a user finds it;
    `by_level` whether a line of the arm is dosed by level.
    """

    doses: tuple[str, ...] | None
    design: str | None
    start: int | None
    target: float | None
    cohort: int | None
    patients: int | None
    enough: int | None
    replace: bool | None
    window_d: float | None
    counted_from_d: float
    within_d: float | None
    between_d: float | None
    by_level: bool
    facts: tuple[tuple[str, Fact[Any]], ...]


def plan_of(protocol: Protocol, *, arm: str | None = None, answers: Sequence[tuple[str, str]] = ()) -> Plan:
    """The plan of an arm with the user's answers; raises `UsageError` NK813 where the protocol does not escalate.

    >>> from nksim.protocol.catalog import load
    >>> plan = plan_of(load("nkg2d-carnk"))
    >>> plan.doses, plan.patients, plan.window_d
    (('2E6 cells/kg', '6E6 cells/kg', '1.8E7 cells/kg'), 30, None)
    """
    if protocol.escalation is None:
        raise UsageError(
            "NK813",
            f"{protocol.id} has no escalation",
            help="add escalation: to the file, with levels and design (protocols/README.md)",
        )
    choice = _chosen(protocol, arm, answers)
    plan = choice.protocol.escalation
    assert plan is not None
    facts = {f"escalation.{name}": getattr(plan, name) for name in type(plan).model_fields if name != "goal"}
    window = next((a for a in choice.arm.assess if a.id == "dlt" and a.length is not None), None)
    if window is not None and window.start is not None:
        facts |= {"dlt.for": window.length, "dlt.from": window.start}
    value = {path: fact.chosen.value for path, fact in facts.items() if fact is not None}
    levels, patients = value["escalation.levels"], value.get("escalation.patients")
    length = value.get("dlt.for")
    return Plan(
        tuple(str(dose) for dose in levels) if levels else None,
        value["escalation.design"],
        value.get("escalation.start"),
        value.get("escalation.target"),
        value.get("escalation.cohort"),
        patients or protocol.population.enrolment,
        value.get("escalation.enough"),
        value.get("escalation.replace"),
        _days(length) if length else None,
        counted_from(choice) if length else 0.0,
        _days(value.get("escalation.within")),
        _days(value.get("escalation.between")),
        choice.level is not None,
        tuple((path, fact) for path, fact in facts.items() if fact is not None and fact.chosen.value is not None),
    )


def _chosen(protocol: Protocol, arm: str | None, answers: Sequence[tuple[str, str]]) -> Choice:
    """The arm with its answers, at level 1 where there are levels; how the other levels differ is their dose alone."""
    try:
        return choose(protocol, arm=arm, settings=tuple(answers))
    except UsageError as error:
        if error.faults[0].code != "NK505":
            raise
    return choose(protocol, arm=arm, level=1, settings=tuple(answers))


def counted_from(choice: Choice) -> float:
    """Days from day 0 to the dose that the DLT window counts from: the last one where it counts from each.

    >>> from nksim.protocol.catalog import load
    >>> counted_from(choose(load("jk500"), settings=(("cells.dose", "1e7 cells/kg"), ("cells.days", "0, 7"))))
    7.0
    """
    window = next((a for a in choice.arm.assess if a.id == "dlt"), None)
    reference = window.start.chosen.value if window is not None and window.start is not None else None
    anchor = choice.protocol.numbering.anchor.chosen.value
    if reference is None or anchor is None or (reference.line == anchor.line and reference.which == "first"):
        return 0.0
    choice = choice.answered(accept_assumed=True)
    found = timed(choice).get(reference.line)
    if not found:
        raise UsageError(
            "NK813", f"the DLT window counts from {reference}, which has no days", help="--set dlt.from=…, or its days"
        )
    start: Moment = (found[0] if reference.which == "first" else found[-1]).start
    return max(0.0, start.from_anchor_d(ANCHOR_CLOCK))


def cell_days(
    protocol: Protocol, *, arm: str | None = None, answers: Sequence[tuple[str, str]] = ()
) -> tuple[int, ...]:
    """Days of the cells counted from the first of them; raises `Unanswered` where the file leaves them open.

    >>> from nksim.protocol.catalog import load
    >>> cell_days(load("nkg2d-carnk"))
    (0, 7)
    """
    choice = _chosen(protocol, arm, answers).answered(accept_assumed=True)
    cells = timed(choice)[anchor_line(choice)]
    return tuple(math.floor(o.start.from_anchor_d(ANCHOR_CLOCK)) for o in cells)


def _days(length: Duration | None) -> float | None:
    """A length in days; calendar months as the longest that they can be on average, 30.4 d, rounded up."""
    if length is None:
        return None
    if length.unit in ("mo", "y"):
        return float(math.ceil(length.months * DAYS_PER_MONTH))
    return float(length.minutes) / 1440


def needed(value: Any, what: str, option: str) -> Any:
    """The value, or `UsageError` NK814 that says which option gives it."""
    if value is None:
        raise UsageError("NK814", f"{what} is not known", help=f"{option}; the protocol file does not say it")
    return value


def read_numbers(text: str, what: str, example: str) -> tuple[float, ...]:
    """Numbers between commas; raises `UsageError` NK802.

    >>> read_numbers("0.05, 0.15", "--truth", "")
    (0.05, 0.15)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            "NK802", f"{what} {shorten(text)} is not a list of numbers", help=f"write for example {example}"
        ) from None
