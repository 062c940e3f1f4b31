"""What is assumed or unknown and how far it may lie from what is used: the inputs of a sensitivity analysis."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nksim.errors import NksimError
from nksim.kinetics.parameters import Parameter
from nksim.patient import BSA_CAUTIONS, BSA_NAMES
from nksim.protocol.choice import Choice, choose, facts_of
from nksim.protocol.facts import Fact
from nksim.protocol.times import Days
from nksim.units import plain

FACTOR = 2.0
# What a body fact could be instead; the grammar is the protocol file's. A formula without height has a warning of its
# own and is not tried.
_BODY = {
    "body.bsa": tuple(name for name in BSA_NAMES if name not in BSA_CAUTIONS),
    "body.bsa_cap": ("none", "2 m^2"),
}
_NOT_VARIED = {"body.weight": "not tried: ideal and adjusted weights are defined for adults of some height only"}


@dataclass(frozen=True)
class OpenParameter:
    """An assumed parameter of the model: between `low` and `high`, evenly in its logarithm where both are positive."""

    name: str
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class OpenDose:
    """An open dose: from half to twice what is used, evenly in its logarithm."""

    name: str
    line: str
    text: str


@dataclass(frozen=True)
class OpenChoice:
    """An open fact with the values that could stand there, in the grammar of the protocol file; `used` is its place."""

    name: str
    options: tuple[str, ...]
    used: int
    text: str

    @property
    def line(self) -> str:
        """The line that the fact belongs to, or `body`."""
        return self.name.split(".")[0]


OpenInput = OpenParameter | OpenDose | OpenChoice


def open_parameters(parameters: dict[str, Parameter]) -> list[OpenParameter]:
    """The assumed parameters that have a plausible range; one at 0 belongs to what the product does not have."""
    return [
        OpenParameter(p.name, p.low, p.high, f"{p.low:g} to {p.high:g} {p.unit}")
        for p in parameters.values()
        if p.basis == "assumed" and p.low < p.high and p.value > 0
    ]


def open_facts(choice: Choice, before: Choice) -> tuple[list[OpenDose | OpenChoice], list[tuple[str, str]]]:
    """Facts that the file assumes or does not know, as `before` any answer of the user has them.

    Second, the paths of those that move nothing in the model, each with the reason.
    """
    answered = dict(choice.facts())
    found: list[OpenDose | OpenChoice] = []
    idle: list[tuple[str, str]] = []
    for path, fact in facts_of(before.protocol, before.arm_name):
        if fact.chosen.basis not in ("assumed", "unknown"):
            continue
        one = _open(choice, path, answered.get(path, fact))
        if isinstance(one, str):
            idle.append((path, one))
        else:
            found.append(one)
    return found, idle


def _open(choice: Choice, path: str, fact: Fact[Any]) -> OpenDose | OpenChoice | str:
    """How a fact may vary, or why it moves nothing."""
    head, field = path.split(".", 1)
    if field == "dose":
        return OpenDose(path, head, f"half to twice {fact.chosen.text}")
    if path in _NOT_VARIED:
        return _NOT_VARIED[path]
    used = fact.chosen.text
    others = _BODY.get(path) or _others(choice, head, field, fact.chosen.value)
    options = _usable(choice, path, others if used in others else (*others[:1], used, *others[1:]) if others else ())
    if len(options) < 2:
        return "does not enter the model" if not options else "has no other value to try"
    return OpenChoice(path, options, options.index(used), " | ".join(options))


def _others(choice: Choice, head: str, field: str, value: Any) -> tuple[str, ...]:
    """Earlier or shorter, and later or longer, than the value of a timing fact of a line."""
    if head not in {line.id for line in choice.arm.lines} or value is None:
        return ()
    if field == "over":
        minutes = float(value.minutes)
        return tuple(f"{plain_number(minutes * f)} min" for f in (1 / FACTOR, FACTOR))
    if field == "at" and isinstance(value, dt.time):
        return tuple(f"{min(23, max(0, value.hour + h)):02d}:{value.minute:02d}" for h in (-6, 6))
    if field == "days" and isinstance(value, Days):
        return _other_days(tuple(value.days), anchor=head == _anchor(choice))
    return ()


def _other_days(days: tuple[int, ...], *, anchor: bool) -> tuple[str, ...]:
    """Doses half as far apart and twice as far apart; a single one a day earlier or later, unless it is the anchor."""
    if len(days) == 1:
        return () if anchor else (str(days[0] - 1), str(days[0] + 1))
    made = []
    for factor in (1 / FACTOR, FACTOR):
        spread = [days[0] + int((d - days[0]) * factor + 0.5) for d in days]
        if len(set(spread)) == len(days):
            made.append(", ".join(map(str, spread)))
    return tuple(made)


def _anchor(choice: Choice) -> str:
    anchor = choice.protocol.numbering.anchor.value
    return anchor.line if anchor is not None else ""


def plain_number(value: float) -> str:
    """A number without an exponent or a trailing zero.

    >>> plain_number(7.5), plain_number(30.0)
    ('7.5', '30')
    """
    from decimal import Decimal

    return plain(Decimal(f"{value:g}"))


def _usable(choice: Choice, path: str, options: Sequence[str]) -> tuple[str, ...]:
    """The options that the protocol accepts beside the other answers."""
    found = []
    for option in options:
        try:
            other_choice(choice, ((path, option),))
        except NksimError:
            continue
        found.append(option)
    return tuple(found)


def other_choice(choice: Choice, answers: tuple[tuple[str, str], ...]) -> Choice:
    """The same choice with further answers."""
    return choose(choice.protocol, arm=choice.arm_name, level=None, settings=answers)
