"""What a registration leaves open, as a letter of numbered questions to the sponsor."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nksim import __version__
from nksim.output.text import in_words
from nksim.protocol.choice import every_fact, unanswered
from nksim.protocol.doses import DoseByLevel, DoseRule
from nksim.protocol.facts import Fact
from nksim.protocol.model import Administration, Assessment, Protocol
from nksim.protocol.times import Reference

_WIDTH = 110
_TIMINGS = ("days", "before", "after")
_GROUPS = (
    "Without an answer no calendar can be made",
    "Taken to be so meanwhile: please confirm or correct",
    "Also open",
)


@dataclass(frozen=True)
class _Point:
    """One question: what it is about, its facts by path, what is asked, why it matters, what nksim does meanwhile."""

    about: str
    paths: tuple[str, ...]
    ask: str
    matters: str | None
    meanwhile: str | None


def letter(protocol: Protocol) -> str:
    """The questions in three groups, numbered through: what stops a calendar, what is assumed, what else is open."""
    found = every_fact(protocol)
    stops, others = _unknown(protocol, found)
    groups = (stops, [*_assumed(protocol, found)], [*others, *_questions(protocol)])
    parts = [
        f"To the sponsor of {protocol.registration}\nRe: {protocol.title}",
        _fold(
            "From what is public we are preparing dosing calendars and simulations of this trial with nksim "
            f"{__version__}. The points below are not in the texts that were read, or can be read in two ways. Please "
            "answer by number; an answer enters the protocol file with its date as its source. In brackets is the name "
            "by which the file knows the value."
        ),
    ]
    number = 0
    asked = [(title, points) for title, points in zip(_GROUPS, groups, strict=True) if points]
    for section, (title, points) in zip("ABC", asked, strict=False):
        lines = [_said(number + i, point) for i, point in enumerate(points, 1)]
        number += len(points)
        parts.append(f"{section}. {title}\n\n" + "\n".join(lines))
    parts.append(
        f"What is stated and where: nksim protocols show {protocol.id}; sources: nksim protocols cite {protocol.id}."
    )
    return in_words("\n\n".join(parts))


def _said(number: int, point: _Point) -> str:
    known_as = f" [{', '.join(point.paths)}]" if point.paths else ""
    name = point.about
    name = name[:1].upper() + name[1:] if name.split()[0].islower() else name
    lines = [_fold(f"{number:>3}. {name}: {point.ask}{known_as}", "     ")]
    for label, text in (("Why it matters", point.matters), ("Meanwhile", point.meanwhile)):
        if text:
            lines.append(_fold(f"     {label}: {text}", "     "))
    return "\n".join(lines)


def _fold(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _unknown(protocol: Protocol, found: list[tuple[str, Fact[Any]]]) -> tuple[list[_Point], list[_Point]]:
    """What is not known: that which stops a calendar, and the rest."""
    stops: list[_Point] = []
    others: list[_Point] = []
    for path, fact in found:
        if unanswered(path, fact):
            ask = (fact.chosen.ask or f"Which dose is given within {fact.text}?") + _in_print(fact)
            stopping = _stops(protocol, path)
            meanwhile = _set(path) if stopping else _without(path)
            point = _Point(_about(protocol, [path]), (path,), ask, _matters(protocol, [path]), meanwhile)
            (stops if stopping else others).append(point)
    return stops, others


def _set(path: str) -> str:
    return f'none is assumed; a user must give one, as in --set {_bare(path)}="…", and every output says so.'


def _bare(path: str) -> str:
    """A path without the arm that it is of."""
    return path.split(" (", 1)[0]


def _without(path: str) -> str:
    if path.startswith("escalation."):
        return "none is assumed; nksim escalate asks for it."
    return "none is assumed; what hangs on it stays off the calendar."


def _stops(protocol: Protocol, path: str) -> bool:
    head, field = _bare(path).split(".", 1)
    return (
        head in ("numbering", "body")
        or field == "starts"
        or (head in _lines(protocol) and field in ("dose", *_TIMINGS))
    )


def _assumed(protocol: Protocol, found: list[tuple[str, Fact[Any]]]) -> Iterator[_Point]:
    """Assumed facts, doses and days first; what is assumed of several lines for one reason is asked once."""
    entries = {*_lines(protocol), *_items(protocol)}
    together: dict[tuple[str, str, str], list[tuple[str, Fact[Any]]]] = {}
    for path, fact in found:
        if fact.chosen.basis == "assumed" and not _idle(protocol, path):
            field = path.rpartition(".")[2]
            key = (field if path.split(".")[0] in entries else path, fact.chosen.text, fact.chosen.why or "")
            together.setdefault(key, []).append((path, fact))
    for (_, _, why), held in sorted(together.items(), key=lambda item: not _stops(protocol, item[1][0][0])):
        paths, fact = [path for path, _ in held], held[0][1]
        ask = _confirm(protocol, paths[0], fact) + _in_print(fact)
        yield _Point(_about(protocol, paths), tuple(paths), ask, _matters(protocol, paths), f"nksim assumes so: {why}.")


def _confirm(protocol: Protocol, path: str, fact: Fact[Any]) -> str:
    """An assumed value as a question that yes or no answers."""
    field, value, text = _bare(path).rpartition(".")[2], fact.chosen.value, fact.chosen.text
    within = f" (within {fact.text})" if fact.use is not None else ""
    if field == "zero":
        called = "day 0" if value else "day 1, with no day 0 before it"
        return f"Is the day of the {protocol.numbering.anchor.text} called {called}?"
    if field == "bsa_cap":
        return "Is it used without a cap?" if value is None else f"Is it capped at {text}?"
    if field == "bsa":
        return f"Is it reckoned by the formula of {text.capitalize()}?"
    if field == "dose" and isinstance(value, DoseByLevel):
        return "Is it the dose of the escalation's level?"
    if field == "from" and isinstance(value, Reference):
        counted = f"each dose of {value.line}" if value.which == "each" else f"the {text}"
        return f"Does it count from {counted}?"
    form = _CONFIRM.get(field, "Is it {}?")
    return form.format(value if field in _SPELLED else text) + within


_SPELLED = ("dose", "days", "before", "after", "age")
_CONFIRM = {
    **dict.fromkeys(_TIMINGS, "Is the plan: {}?"),
    "dose": "Is the dose {}?",
    "route": "Is the route {}?",
    "over": "Is it given over {}?",
    "at": "Is the time {}?",
    "anchor": "Do the days of the protocol count from the {}?",
    "weight": "Is it the {} weight?",
    "age": "Is it {}?",
    "for": "Does it last {}?",
}


def _about(protocol: Protocol, paths: list[str]) -> str:
    """What the facts are facts of, as a person would call it."""
    head, field = _bare(paths[0]).split(".", 1)
    lines, items = _lines(protocol), _items(protocol)
    if head in lines:
        return _named(dict.fromkeys(_product(protocol, lines[p.split(".")[0]]) for p in paths))
    if head in items:
        return _named(dict.fromkeys(_called(items[p.split(".")[0]]) for p in paths))
    return _ABOUT.get(f"{head}.{field}", f"{head}, {field.replace('_', ' ')}")


_ABOUT = {
    "population.age": "age of the patients",
    "numbering.anchor": "day numbering",
    "numbering.zero": "day numbering",
    "body.weight": "weight behind doses per kg",
    "body.bsa": "body surface area",
    "body.bsa_cap": "body surface area",
}


def _in_print(fact: Fact[Any]) -> str:
    return f" (In print: {fact.printed}.)" if fact.printed else ""


def _questions(protocol: Protocol) -> Iterator[_Point]:
    for q in protocol.questions:
        line = _lines(protocol).get(q.about)
        about = _product(protocol, line) if line else q.about
        yield _Point(about, (), q.ask, f"{q.why}." if q.why else None, None)


def _lines(protocol: Protocol) -> dict[str, Administration]:
    return {line.id: line for arm in protocol.arms.values() for line in arm.lines}


def _items(protocol: Protocol) -> dict[str, Assessment]:
    return {item.id: item for arm in protocol.arms.values() for item in arm.assess}


def _matters(protocol: Protocol, paths: list[str]) -> str | None:
    """What changes with the answer."""
    head, field = _bare(paths[0]).split(".", 1)
    lines = _lines(protocol)
    if head in lines:
        names = _named(dict.fromkeys(_product(protocol, lines[p.split(".")[0]]) for p in paths))
        return _LINE.get(field, "what is given of {}, and when, depends on it").format(names) + "."
    if head == "body":
        return _body(field, protocol)
    items = _items(protocol)
    if head in items:
        names = _named(dict.fromkeys(_called(items[p.split(".")[0]]) for p in paths))
        return f"the calendar's dates of {names} follow from it."
    if head in protocol.products:
        return f"what is drawn and given of {head} depends on it."
    if field == "starts":
        return f"every date of {head} follows from it."
    return {
        "numbering.anchor": "every date on the calendar counts from it.",
        "numbering.zero": "with a day 0 all that comes before day 1 lies a day further from it than without one.",
        "population.age": "patients outside it are pointed out, and virtual patients are drawn from it.",
    }.get(f"{head}.{field}", _ELSE.get(head))


_LINE = {
    "dose": "the amount of every dose of {} follows from it",
    **dict.fromkeys(_TIMINGS, "the dates of {} follow from it"),
    "route": "the preparation of {} depends on it",
    "over": "the end of each infusion of {}, and all that is timed by it, follows from it",
    "at": "the clock time of {} is taken from it",
    "count": "how many doses of {} are planned depends on it",
}
_ELSE = {
    "escalation": "the levels, the length and the error rates of the escalation depend on it.",
    "cohorts": "when the next patient may begin depends on it.",
}


def _named(names: dict[str, None]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _product(protocol: Protocol, line: Administration) -> str:
    product = protocol.products.get(line.product)
    return product.title if product and product.title else line.product


def _called(item: Assessment) -> str:
    return item.what.replace(" (followed until)", "")


def _idle(protocol: Protocol, path: str) -> bool:
    """Whether a rule of body size enters no dose, all doses being known and none of them per kg or m²."""
    head, field = _bare(path).split(".", 1)
    doses = [x.dose.chosen.value for x in _lines(protocol).values()]
    levels = protocol.escalation.levels.value if protocol.escalation else ()
    known = all(isinstance(d, DoseRule) or (isinstance(d, DoseByLevel) and levels) for d in doses)
    return head == "body" and known and not _using(field, protocol)


def _using(field: str, protocol: Protocol) -> list[str]:
    """The lines whose dose is per kg (weight) or per m² (BSA and its cap)."""
    per = "kg" if field == "weight" else "m^2"
    levels = (protocol.escalation.levels.value if protocol.escalation else None) or ()
    found = []
    for name, line in _lines(protocol).items():
        rule = line.dose.chosen.value
        doses = [d for case in rule.cases for d in case.doses] if isinstance(rule, DoseRule) else []
        if any(d.per == per for d in (levels if isinstance(rule, DoseByLevel) else doses)):
            found.append(name)
    return found


def _body(field: str, protocol: Protocol) -> str:
    """Which lines a rule of body size enters."""
    using = _using(field, protocol)
    unit = "kg" if field == "weight" else "m²"
    if not using:
        return f"no dose that is known here is per {unit}."
    return f"it enters every dose per {unit}: {', '.join(using)}."
