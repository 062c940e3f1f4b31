"""Protocols in words: listing, every line, open questions, where a fact stands, sources."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from nksim.errors import UsageError, shorten
from nksim.output.description import check_arm
from nksim.output.text import table
from nksim.protocol.choice import every_fact, facts_of, unanswered
from nksim.protocol.facts import Fact
from nksim.protocol.model import Protocol, Source
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
    check_arm(protocol, arm_name)
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
