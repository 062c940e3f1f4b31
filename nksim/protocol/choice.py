"""Choosing what to run: an arm of a protocol, a dose level, and the user's answers to open facts."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from nksim.errors import Fault, InvalidInput, Misread, Place, Unanswered, UsageError, shorten
from nksim.protocol.doses import DoseByLevel, DoseCase, DoseChoice, DoseRule
from nksim.protocol.facts import Fact, Misreads, weakest
from nksim.protocol.model import Administration, Arm, Assessment, Escalation, Phase, Protocol
from nksim.protocol.reading import inconsistencies
from nksim.protocol.record import Record
from nksim.protocol.yaml_tree import read_tree

_TIMINGS = ("days", "before", "after")
_ASSESSED = ("days", "months", "samples", "window")
_AMOUNTS = ("cap", "round", "weight", "renal", "vials", "volume")
_OPTIONAL = ("over", "at", "window", "gap", "delay", "count", *_AMOUNTS)
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Choice:
    """One arm of a protocol with the facts as the user answered them."""

    protocol: Protocol
    arm_name: str
    level: int | None
    settings: tuple[tuple[str, str], ...]

    @property
    def arm(self) -> Arm:
        """The chosen arm."""
        return self.protocol.arms[self.arm_name]

    @property
    def name(self) -> str:
        """The protocol's id, with arm and level where there is more than one."""
        arm = f"/{self.arm_name}" if len(self.protocol.arms) > 1 else ""
        return f"{self.protocol.id}{arm}" + (f" level {self.level}" if self.level else "")

    def facts(self) -> Iterator[tuple[str, Fact[Any]]]:
        """Every fact of the choice with the path by which a user names it."""
        yield from facts_of(self.protocol, self.arm_name)

    def assumed(self) -> list[tuple[str, Fact[Any]]]:
        """The facts that this file assumes."""
        return [(path, f) for path, f in self.facts() if f.chosen.basis == "assumed"]

    def answered(self, *, accept_assumed: bool) -> Choice:
        """This choice, once every dose and day is known.

        Raises `Unanswered` with NK501 for each that is unknown and, unless `accept_assumed`, NK502 for each that
        is only assumed.
        """
        faults = list(self._open(accept_assumed))
        if faults:
            raise Unanswered(faults)
        return self

    def _open(self, accept_assumed: bool) -> Iterator[Fault]:
        for path, fact in self.facts():
            needed = self._needed(path)
            if not needed:
                continue
            value, chosen = fact.chosen.value, fact.chosen
            if isinstance(value, DoseByLevel):
                levels = self.protocol.escalation.levels if self.protocol.escalation else fact
                yield Fault(
                    "NK501",
                    f"escalation.levels is unknown: {levels.ask}",
                    help=f'answer with --set {path}="<number> {levels.text}", or set escalation.levels',
                )
            elif isinstance(value, DoseChoice):
                unit = value.low.unit + (f"/{value.low.per}" if value.low.per else "")
                yield Fault(
                    "NK501",
                    f"{path} is a choice within {fact.text}: which dose is given?",
                    help=f'answer with --set {path}="<number> {unit}"',
                )
            elif chosen.basis == "unknown":
                yield Fault(
                    "NK501",
                    f"{path} is unknown: {chosen.ask}",
                    help=f'answer with --set {path}="{_example(path, chosen)}"',
                )
            elif chosen.basis == "assumed" and needed == "doses and days" and not accept_assumed:
                yield Fault(
                    "NK502",
                    f"{path} is assumed to be {chosen.text}: {chosen.why}",
                    help=f'accept what the file assumes with --assume, or answer with --set {path}="…"',
                )

    def _needed(self, path: str) -> str:
        """What a fact is needed for: doses and days of lines, the frame of the calendar, or nothing."""
        head, field = path.split(".", 1)
        if head in ("numbering", "body") or field.startswith(("bag.", "limits.")) or field in _AMOUNTS:
            return "the frame"
        if field == "starts":
            return "doses and days"
        lines = {line.id for line in self.arm.lines}
        return "doses and days" if head in lines and field in ("dose", *_TIMINGS) else ""


def _example(path: str, fact: Fact[Any]) -> str:
    """How an answer is written, without suggesting one."""
    return "<days, written as -6..-2 or 0, 3, 7>" if path.endswith(".days") else f"<number> {fact.text}"


def facts_of(protocol: Protocol, arm_name: str) -> Iterator[tuple[str, Fact[Any]]]:
    """Facts of one arm and of the protocol around it, by user path: `cells.dose`, `dlt.from`, `body.bsa`."""
    arm = protocol.arms[arm_name]
    for head, record in (
        ("population", protocol.population),
        ("numbering", protocol.numbering),
        ("body", protocol.body),
        *((line.id, line) for line in arm.lines),
        *((a.id, a) for a in arm.assess),
        *supplies(protocol, arm),
        *((phase.phase, phase) for phase in arm.phases if phase.starts is not None),
        *((("escalation", protocol.escalation),) if protocol.escalation else ()),
        *((("cohorts", protocol.cohorts),) if protocol.cohorts else ()),
    ):
        for name, field in type(record).model_fields.items():
            value = getattr(record, name)
            if isinstance(value, Fact):
                yield f"{head}.{field.alias or name}", value


def every_fact(protocol: Protocol) -> list[tuple[str, Fact[Any]]]:
    """Facts of all arms by path; arms that say the same count once, others are told apart by their name."""
    found: dict[str, Fact[Any]] = {}
    for arm in protocol.arms:
        for path, fact in facts_of(protocol, arm):
            shared = all(fact == dict(facts_of(protocol, a)).get(path, fact) for a in protocol.arms)
            found[path if shared or len(protocol.arms) == 1 else f"{path} ({arm})"] = fact
    return list(found.items())


def unanswered(path: str, fact: Fact[Any]) -> bool:
    """Whether a fact has no value to go on: it is unknown, or a dose within a range that nobody has chosen."""
    chosen = fact.chosen
    dose = path.split(" (", 1)[0].endswith(".dose")
    return chosen.basis == "unknown" or (dose and isinstance(chosen.value, DoseChoice))


def supplies(protocol: Protocol, arm: Arm) -> Iterator[tuple[str, Record]]:
    """Bags and limits of the products that an arm gives, by the path under which a user names them."""
    for name in dict.fromkeys(line.product for line in arm.lines):
        product = protocol.products.get(name)
        if product is not None and product.release is not None:
            yield name, product
        for part in ("bag", "limits"):
            record = getattr(product, part, None)
            if record is not None:
                yield f"{name}.{part}", record


def choose(
    protocol: Protocol, *, arm: str | None = None, level: int | None = None, settings: tuple[tuple[str, str], ...] = ()
) -> Choice:
    """An arm (the only one, or the one named) and level of a protocol, with the user's settings applied.

    Raises `UsageError` NK504 (arm), NK505 (level), NK506 (path), or `InvalidInput` for a value that is not one.

    >>> from nksim.protocol.catalog import load
    >>> choose(load("jk500"), settings=(("cells.dose", "1e7 cells/kg"),)).arm.lines[2].dose.text
    '1e7 cells/kg'
    """
    open_level = choose_arm(protocol, arm=arm, settings=settings)
    leveled = _at_level(open_level.protocol, open_level.arm_name, level)
    return replace(open_level, protocol=leveled, level=level)


def choose_arm(protocol: Protocol, *, arm: str | None = None, settings: tuple[tuple[str, str], ...] = ()) -> Choice:
    """As `choose`, with the dose level left open: a line that is dosed by level stays so."""
    names = list(protocol.arms)
    if named_arm(protocol, arm) is None and len(names) > 1:
        raise UsageError("NK504", f"{protocol.id} has several arms", help=f"choose one with --arm: {', '.join(names)}")
    for path, text in settings:
        protocol = change(protocol, path, text)
    # Several answers may need one another, so that only their sum must be consistent.
    where = Place("--set " + " --set ".join(f"{path}={text}" for path, text in settings))
    if settings and (faults := [misread.at(where) for _, _, misread in inconsistencies(protocol)]):
        raise InvalidInput(faults)
    return Choice(protocol, arm or names[0], None, settings)


def by_level(protocol: Protocol) -> bool:
    """Whether any line is given at the dose of an escalation's level.

    >>> from nksim.protocol.catalog import load
    >>> by_level(load("cb-nk-mm")), by_level(load("ft596"))
    (True, False)
    """
    return any(isinstance(x.dose.chosen.value, DoseByLevel) for arm in protocol.arms.values() for x in arm.lines)


def answered_protocol(
    protocol: Protocol, *, arm: str | None = None, settings: Sequence[tuple[str, str]] = ()
) -> Protocol:
    """The protocol with some facts answered and, where one is named, one arm alone; raises as `choose` does."""
    name = named_arm(protocol, arm)
    for path, text in settings:
        protocol = change(protocol, path, text)
    return protocol.model_copy(update={"arms": {name: protocol.arms[name]}}) if name else protocol


def named_arm(protocol: Protocol, arm: str | None) -> str | None:
    """The name as given; raises `UsageError` NK504 where the protocol has no such arm."""
    if arm is not None and arm not in protocol.arms:
        raise UsageError("NK504", f"{protocol.id} has no arm {shorten(arm)}", help=f"one of {', '.join(protocol.arms)}")
    return arm


def change(protocol: Protocol, path: str, text: str) -> Protocol:
    """The protocol with one fact answered by the user, in the grammar of the file.

    >>> from nksim.protocol.catalog import load
    >>> change(load("jk500"), "body.bsa", "dubois").body.bsa.value
    'dubois'
    """
    head, _, field = path.partition(".")
    field = "days" if field == "day" else field
    if (
        head in ("population", "body", "numbering", "escalation", "cohorts")
        and getattr(protocol, head, None) is not None
    ):
        return protocol.model_copy(update={head: _with(getattr(protocol, head), field, path, text)})
    if head in protocol.products and field == "release":
        changed = _with(protocol.products[head], field, path, text)
        return protocol.model_copy(update={"products": {**protocol.products, head: changed}})
    if head in protocol.products and field.split(".")[0] in ("bag", "limits"):
        return _supplied(protocol, head, field, path, text)
    found = False
    arms: dict[str, Arm] = {}
    for name, arm in protocol.arms.items():
        found = found or head in {*(line.id for line in arm.lines), *(item.id for item in arm.assess)}
        phases = tuple(_in_phase(p, head, field, path, text) for p in arm.phases)
        found = found or phases != arm.phases
        arms[name] = arm.model_copy(update={"phases": phases, "assess": _changed(arm.assess, head, field, path, text)})
    if not found:
        heads = sorted({p.split(".")[0] for a in protocol.arms for p, _ in facts_of(protocol, a)})
        near = difflib.get_close_matches(head, heads, n=1)
        raise UsageError(
            "NK506",
            f"{protocol.id} has nothing called {shorten(head)}",
            help=f"did you mean {near[0]}.{field}?" if near else f"one of {', '.join(heads)}",
        )
    return protocol.model_copy(update={"arms": arms})


def _in_phase(phase: Phase, head: str, field: str, path: str, text: str) -> Phase:
    """The phase with its start, or one of its lines, answered."""
    if head == phase.phase and field == "starts" and phase.starts is not None:
        return _with(phase, field, path, text)
    return phase.model_copy(update={"give": _changed(phase.give, head, field, path, text)})


def _supplied(protocol: Protocol, name: str, field: str, path: str, text: str) -> Protocol:
    """The protocol with one fact of a product's bag or limits answered."""
    part, _, inner = field.partition(".")
    product = protocol.products[name]
    record = getattr(product, part)
    if record is None:
        raise UsageError("NK506", f"product {shorten(name)} has no {part}", help="write it in the protocol file")
    changed = product.model_copy(update={part: _with(record, inner, path, text)})
    return protocol.model_copy(update={"products": {**protocol.products, name: changed}})


def _changed(items: tuple[R, ...], head: str, field: str, path: str, text: str) -> tuple[R, ...]:
    return tuple(_with(i, field, path, text) if getattr(i, "id", None) == head else i for i in items)


def _with(record: R, field: str, path: str, text: str) -> R:
    """The record with one fact replaced by the user's answer; another way of timing gives way to it."""
    fields = type(record).model_fields
    name = next((n for n, f in fields.items() if field == (f.alias or n)), None)
    if name is None or not _is_fact(record, name):
        known = [f.alias or n for n, f in fields.items() if _is_fact(record, n)]
        near = difflib.get_close_matches(field, known, n=1)
        raise UsageError(
            "NK506",
            f"{shorten(path)} is not a fact that can be set",
            help=f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}",
        )
    values = {(f.alias or n): getattr(record, n) for n, f in fields.items()}
    if field in _TIMINGS and isinstance(record, Administration):
        values.update(dict.fromkeys(_TIMINGS))
        if field != "days":
            values["at"] = None
    place = Place(f"--set {path}={text}")
    raw: Any = read_tree(f"value: {text}".encode(), place.file).content["value"] if text.startswith("{") else text
    values[field] = {"stated": raw, "why": "set by the user"}
    try:
        changed = type(record).model_validate({k: v for k, v in values.items() if v is not None})
    except ValidationError as error:
        causes: list[Any] = [e.get("ctx", {}).get("error") for e in error.errors()]
        found = [m for c in causes for m in ([x for _, x in c.found] if isinstance(c, Misreads) else [c])]
        raise InvalidInput(m.at(place) for m in found if isinstance(m, Misread)) from None
    answer = _answer(getattr(record, name), getattr(changed, name), f"{path}={text}")
    if isinstance(record, Administration) and field in _TIMINGS and getattr(record, name) is None:
        answer = replace(answer, replaced=record.timing.replaced or record.timing)
    return changed.model_copy(update={name: answer})


def _is_fact(record: Record, name: str) -> bool:
    timing = (isinstance(record, Administration) and name in _TIMINGS) or (
        isinstance(record, Assessment) and name in _ASSESSED
    )
    optional = (isinstance(record, Administration) and name in _OPTIONAL) or name == "release"
    escalating = isinstance(record, Escalation) and name != "goal"
    return timing or optional or escalating or isinstance(getattr(record, name), Fact)


def _answer(old: Fact[Any] | None, new: Fact[Any], setting: str) -> Fact[Any]:
    """The user's answer; within a registered range it stands as the choice, so that the range stays visible."""
    why = f"set by the user; the file has it {old.basis}: {old.text}" if old else "set by the user"
    answer = Fact(new.value, "stated", new.text, why=why, setting=setting)
    if old is not None and isinstance(old.value, DoseChoice):
        return Fact(old.value, old.basis, old.text, old.source, old.why, printed=old.printed, use=answer)
    return answer


def _at_level(protocol: Protocol, arm_name: str, level: int | None) -> Protocol:
    """Lines dosed by level get the dose of the chosen level."""
    by_level = [line for line in protocol.arms[arm_name].lines if isinstance(line.dose.chosen.value, DoseByLevel)]
    levels = protocol.escalation.levels if protocol.escalation else None
    if not by_level:
        if level is not None:
            if protocol.escalation is None:
                raise UsageError("NK505", f"{protocol.id} has no dose levels", help="leave --level out")
            raise UsageError(
                "NK505",
                f"no line of {protocol.id} is dosed by level",
                help="tie a line to them: --set cells.dose=level",
            )
        return protocol
    if levels is None or levels.value is None:
        return protocol
    listed = "; ".join(f"{i} = {dose}" for i, dose in enumerate(levels.value, 1))
    if level is None or not 1 <= level <= len(levels.value):
        found = "needs a dose level" if level is None else f"has no dose level {level}"
        raise UsageError("NK505", f"{protocol.id} {found}", help=f"--level N: {listed}")
    for line in by_level:
        dose = levels.value[level - 1]
        basis = weakest(line.dose, levels)
        fact: Fact[Any] = Fact(
            DoseRule((DoseCase((dose,)),)),
            basis,
            f"{dose} (level {level})",
            levels.source,
            levels.why or line.dose.why,
            setting=levels.setting,
        )
        protocol = _replace_dose(protocol, arm_name, line.id, fact)
    return protocol


def _replace_dose(protocol: Protocol, arm_name: str, line_id: str, fact: Fact[Any]) -> Protocol:
    arm = protocol.arms[arm_name]
    phases = tuple(
        p.model_copy(
            update={"give": tuple(x.model_copy(update={"dose": fact}) if x.id == line_id else x for x in p.give)}
        )
        for p in arm.phases
    )
    return protocol.model_copy(update={"arms": {**protocol.arms, arm_name: arm.model_copy(update={"phases": phases})}})
