"""Protocols in words: listing, every line, open questions, where a fact stands, sources."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from nksim.errors import UsageError, shorten
from nksim.output.text import in_words, table
from nksim.protocol.choice import every_fact, facts_of, unanswered
from nksim.protocol.facts import Fact
from nksim.protocol.model import Administration, Arm, Assessment, Cohorts, Escalation, Product, Protocol, Source
from nksim.units import respelled

_WIDTH = 110


def listing(found: Sequence[Protocol]) -> str:
    """One line for each protocol: how much of it is unknown, assumed, read twice."""
    rows = []
    for p in found:
        bases = ["unknown" if unanswered(path, f) else f.chosen.basis for path, f in every_fact(p)]
        rows.append(
            [
                p.id,
                p.registration,
                str(len(p.arms)),
                str(bases.count("unknown")),
                str(bases.count("assumed")),
                p.reading,
                p.title,
            ]
        )
    return table(
        ["id", "registration", "arms", "unknown", "assumed", "reading", "title"], rows, right=frozenset({2, 3, 4})
    )


def in_full(protocol: Protocol, arm_name: str | None) -> str:
    """Every line in words; assumed values are marked *, unknown ones ?."""
    _check_arm(protocol, arm_name)
    ages = f"{protocol.population.age}{_mark(protocol.population.ages)}"
    enrolment = f", {protocol.population.enrolment} patients" if protocol.population.enrolment else ""
    zero = protocol.numbering.zero
    day = "day 0" if zero.value else "day 1, without a day 0"
    parts = [
        f"{protocol.title}\n{protocol.registration} · {protocol.population.disease} · {ages}{enrolment}",
        f"Day numbering: {_anchor(protocol)}{_mark(protocol.numbering.anchor)} on {day}{_mark(zero)}.\n"
        f"Body size: {protocol.body.weight.chosen.value} weight{_mark(protocol.body.weight)}, "
        f"BSA by {protocol.body.bsa.text}{_mark(protocol.body.bsa)}, "
        f"BSA cap {protocol.body.bsa_cap.text}{_mark(protocol.body.bsa_cap)}.",
    ]
    parts += ["\n".join(_arm(protocol, name, arm)) for name, arm in protocol.arms.items() if arm_name in (None, name)]
    supplied = [words for name, p in protocol.products.items() for words in _supply(name, p)]
    if supplied:
        fold = [textwrap.fill(w, _WIDTH, initial_indent="  ", subsequent_indent="    ") for w in supplied]
        parts.append("Products:\n" + "\n".join(fold))
    if protocol.washout:
        parts.append("Before the first cells, without:\n" + "\n".join(f"  {_washout(w)}" for w in protocol.washout))
    if protocol.escalation:
        parts.append("\n".join(_folded(line) for line in _escalation(protocol.escalation)))
    if protocol.cohorts:
        parts.append(_cohorts(protocol.cohorts))
    if protocol.questions:
        parts.append("Open:\n" + "\n".join(_folded(f"  {q.about}: {q.ask}") for q in protocol.questions))
    parts.append("* assumed by the protocol file, not registered · ? unknown, to be set · see `nksim protocols gaps`")
    return in_words("\n\n".join(parts))


def _anchor(protocol: Protocol) -> str:
    """What the days count from: a dose of a line, or in its own words an assessment that stands for an event."""
    anchor = protocol.numbering.anchor
    events = {item.id: item.what for arm in protocol.arms.values() for item in arm.assess}
    line = anchor.value.line if anchor.value else ""
    return f"{events[line]} ({line})" if line in events else anchor.text


def _folded(text: str) -> str:
    """A long line that goes on with a deeper indent."""
    return textwrap.fill(text, _WIDTH, subsequent_indent="    ", drop_whitespace=True, break_on_hyphens=False)


def _arm(protocol: Protocol, name: str, arm: Arm) -> Iterator[str]:
    if len(protocol.arms) > 1:
        yield f"Arm {name}" + (f": {arm.title}" if arm.title else "")
    for phase in arm.phases:
        first = "day 0" if protocol.numbering.zero.value else "day 1"
        yield phase.phase.capitalize() + (f" ({first} is {_value(phase.starts)})" if phase.starts else "") + ":"
        for line in phase.give:
            yield textwrap.fill(_line(protocol, line), _WIDTH, initial_indent="  ", subsequent_indent="    ")
    if arm.assess:
        yield "Assessments:"
        for item in arm.assess:
            yield textwrap.fill(_assessment(item), _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _escalation(plan: Escalation) -> Iterator[str]:
    """Levels, design and its numbers, in words."""
    levels = f"{plan.levels.text}{_mark(plan.levels)}" if plan.levels.value else f"unknown? {plan.levels.ask}"
    design = f"{plan.design.text}{_mark(plan.design)}" if plan.design.value else f"unknown? {plan.design.ask}"
    yield f"Dose escalation for the {plan.goal}: levels {levels}; design {design}"
    for label, fact in (("starting at level", plan.start), ("target toxicity", plan.target),
                        ("patients in a cohort", plan.cohort), ("patients at most", plan.patients),
                        ("from the first patient of a cohort to the next", plan.within),
                        ("from the last patient of a cohort to the next cohort", plan.between),
                        ("patients who cannot be evaluated are replaced", plan.replace),
                        ("enough patients at a level", plan.enough)):  # fmt: skip
        if fact is not None:
            yield f"  {label}: {fact.text + _mark(fact) if fact.value is not None else f'unknown? {fact.ask}'}"


def _line(protocol: Protocol, line: Administration) -> str:
    product = protocol.products.get(line.product)
    name = product.title if product and product.title else line.product
    choose = " (to be chosen)?" if unanswered(f"{line.id}.dose", line.dose) and line.dose.value else ""
    parts = [f"{line.id}: {name}, {_value(line.dose)}{choose}", f"{_value(line.route)}"]
    if line.over is not None:
        parts.append(f"over {_value(line.over)}")
    parts.append(_value(line.timing))
    if line.at is not None:
        parts.append(f"at {line.at.text}{_mark(line.at)}")
    for form, fact in (
        ("window {}", line.window),
        ("doses at least {} apart", line.gap),
        ("may come {}", line.delay),
        ("with release tests {}", product.release if product else None),
        ("in all {}", line.count),
        ("weight for this line {}", line.weight),
        ("renal function {}", line.renal),
        ("capped at {}", line.cap),
        ("rounded half up {}", line.round),
        ("drawn up {}", line.volume),
        ("from vials of {}", line.vials),
        ("also registered as {}", line.restated),
    ):
        if fact is not None:
            parts.append(form.format(_value(fact)))
    printed = [p for p in (line.dose.printed or line.printed, line.timing.printed) if p]
    tail = f" [printed: {'; '.join(printed)}]" if printed else ""
    return ", ".join(parts) + tail + (f". {line.note}" if line.note else "")


def _supply(name: str, product: Product) -> Iterator[str]:
    """What a product's bags hold and may not exceed, in words."""
    counted = f" (counted: {product.counted_as})" if product.counted_as else ""
    if product.bag is not None:
        bag = product.bag
        brings = [
            f"{_value(fact)} {what}"
            for what, fact in (("% T cells", bag.t_cells), ("DMSO", bag.dmso), ("endotoxin", bag.endotoxin))
            if fact is not None
        ]
        with_it = f"; it brings {', '.join(brings)}" if brings else ""
        yield (
            f"{name}{counted}: a bag holds {_value(bag.cells)}, {_value(bag.viability)} % viable, "
            f"{_value(bag.recovery)} % recovered, {_value(bag.purity)} % pure; "
            f"bags are given {_value(bag.give)}{with_it}"
        )
    if product.limits is not None:
        held = product.limits
        most = [
            f"{what} at most {_value(fact)}"
            for what, fact in (("T cells", held.t_cells), ("DMSO", held.dmso), ("endotoxin", held.endotoxin))
            if fact is not None
        ]
        least = [f"viability at least {_value(held.viability)} %"] if held.viability else []
        yield f"{name} limits: {', '.join([*most, *least])}"


def _cohorts(cohorts: Cohorts) -> str:
    stagger = f", {_value(cohorts.stagger)} after {_value(cohorts.after)} of the cohort" if cohorts.stagger else ""
    return f"Cohorts of {_value(cohorts.size)}{stagger}; the next cohort after the windows {cohorts.dlt} of the last."


def _assessment(item: Assessment) -> str:
    words = f"{item.id}: {item.what}"
    if item.lineage and item.lineage not in item.what:
        words += f", in {item.lineage}"
    if item.start is not None and item.length is not None:
        words += f", {_value(item.length)} from {_value(item.start)}"
    for fact in (item.days, item.months, item.samples):
        if fact is not None:
            words += f", {_value(fact)}"
    return words + (f", window {_value(item.window)}" if item.window else "")


def _washout(washout: Any) -> str:
    limit = str(washout.by.chosen.value)
    if washout.half_lives:
        limit += f" or {washout.half_lives} half-lives, whichever is {washout.whichever}"
    return f"{washout.what}{f' (unless {washout.unless})' if washout.unless else ''} within {limit}"


def _value(fact: Fact[Any]) -> str:
    """A fact in words with its mark; a choice shows the range that it lies in."""
    chosen = fact.chosen
    if chosen.basis == "unknown":
        return f"unknown ({fact.text})?"
    within = f" (of {fact.value})" if fact.use is not None else ""
    return f"{chosen.value}{_mark(fact)}{within}"


def _mark(fact: Fact[Any]) -> str:
    return {"assumed": "*", "unknown": "?"}.get(fact.chosen.basis, "")


def open_questions(protocol: Protocol) -> list[tuple[str, str]]:
    """Each unknown or assumed fact by its path, as a question."""
    found = []
    for arm in protocol.arms:
        for path, f in facts_of(protocol, arm):
            if f.chosen.basis == "unknown":
                found.append((path, str(f.chosen.ask)))
            elif f.chosen.basis == "assumed":
                found.append((path, f"is it {f.chosen.text}? nksim assumes so: {f.chosen.why}."))
    return found


def readings(protocol: Protocol) -> list[str]:
    """Values whose spelling was changed in reading them, with what they were read as."""
    found = [(path, f) for path, f in every_fact(protocol) if f.basis != "unknown" and path.endswith(".dose")]
    return [f"{path}: read {f.text!r} as {f.value}" for path, f in found if respelled(f.text)]


def standing(protocol: Protocol, path: str, arm_name: str | None) -> str:
    """What a fact is, how firmly it stands, and on what."""
    _check_arm(protocol, arm_name)
    parts = []
    for arm in [arm_name] if arm_name else protocol.arms:
        fact = dict(facts_of(protocol, arm)).get(path)
        if fact is not None:
            text = "\n".join(_standing(protocol, path, fact))
            parts.append(text if len(protocol.arms) == 1 else f"{text}\n  arm: {arm}")
    if not parts:
        known = sorted({p for arm in protocol.arms for p, _ in facts_of(protocol, arm)})
        near = difflib.get_close_matches(path, known, n=1)
        raise UsageError(
            "NK506",
            f"{protocol.id} has no fact {shorten(path)}",
            help=f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}",
        )
    return "\n".join(parts)


def _standing(protocol: Protocol, path: str, fact: Fact[Any]) -> Iterator[str]:
    yield f"{path} = {fact.text if fact.basis != 'unknown' else 'unknown'}"
    yield f"  basis: {fact.basis}"
    if fact.basis != "unknown" and str(fact.value) != fact.text:
        yield f"  read as: {fact.value}"
    for label, text in (("printed", fact.printed), ("from", fact.derived_from), ("why", fact.why), ("ask", fact.ask)):
        if text:
            yield f"  {label}: {text}"
    if fact.source is not None:
        yield f"  source: {_source(protocol.sources[fact.source])}"
    elif fact.basis == "stated":
        yield f"  source: the registration, {protocol.registration}"
    if fact.use is not None:
        yield from (f"  {line}" for line in _standing(protocol, "chosen", fact.use))


def citations(protocol: Protocol) -> str:
    """The registration and every source with what it supports."""
    lines = [f"{protocol.registration}. {protocol.title}. Supports: every fact of the file that names no other source."]
    lines += [f"{_source(s)} Supports: {s.supports}." for s in protocol.sources.values()]
    return "\n".join(
        textwrap.fill(f"{i}. {line}", _WIDTH, subsequent_indent="   ", break_on_hyphens=False, break_long_words=False)
        for i, line in enumerate(lines, 1)
    )


def _source(source: Source) -> str:
    found = [
        f"doi:{source.doi}" if source.doi else "",
        f"PMID {source.pmid}" if source.pmid else "",
        source.nct or "",
        source.url or "",
    ]
    year = f" ({source.year})" if source.year else ""
    return f"{source.title.rstrip('.')}{year}. {', '.join(filter(None, found))}."


def _check_arm(protocol: Protocol, arm_name: str | None) -> None:
    if arm_name is not None and arm_name not in protocol.arms:
        raise UsageError(
            "NK504", f"{protocol.id} has no arm {shorten(arm_name)}", help=f"one of {', '.join(protocol.arms)}"
        )
