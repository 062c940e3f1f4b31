"""The log of a calendar: numbered entries, each sealed by the SHA-256 of its content and of the entry before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

NOTHING_BEFORE = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One thing that happened to a calendar: number 0 is its issue, every other an amendment.

    `calendar` is the SHA-256 of provenance and patients as they stood afterwards, `previous` the seal of the entry
    before, `hash` the SHA-256 of everything else in the entry.
    """

    number: int
    when: str | None
    who: str | None
    patient: str | None
    change: str
    reason: str | None
    past: bool
    deviation: bool
    effects: tuple[str, ...]
    calendar: str
    previous: str
    hash: str

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain data, for JSON."""
        return {**asdict(self), "effects": list(self.effects)}


def digest(value: object) -> str:
    """SHA-256 of plain data in one spelling: keys in order, no spaces, UTF-8.

    >>> digest({"b": 1, "a": "药"}) == digest({"a": "药", "b": 1})
    True
    """
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sealed(
    log: Sequence[Entry],
    *,
    calendar: str,
    change: str,
    when: str | None,
    who: str | None = None,
    patient: str | None = None,
    reason: str | None = None,
    past: bool = False,
    deviation: bool = False,
    effects: Sequence[str] = (),
) -> tuple[Entry, ...]:
    """The log with one more entry at its end.

    >>> log = sealed((), calendar="c0", change="issued", when=None)
    >>> log = sealed(log, calendar="c1", change="omit il2 3", when="2027-03-05T09:00:00+08:00")
    >>> [e.number for e in log], log[1].previous == log[0].hash, list(faults([e.as_dict() for e in log]))
    ([0, 1], True, [])
    """
    content: dict[str, Any] = {
        "number": len(log),
        "when": when,
        "who": who,
        "patient": patient,
        "change": change,
        "reason": reason,
        "past": past,
        "deviation": deviation,
        "effects": tuple(effects),
        "calendar": calendar,
        "previous": log[-1].hash if log else NOTHING_BEFORE,
    }
    return (*log, Entry(**content, hash=digest({**content, "effects": list(effects)})))


def faults(log: Sequence[Any]) -> Iterator[str]:
    """What is wrong with a log as it was read, in words: numbers, seals, and the chain between them."""
    if not log or not all(isinstance(e, dict) for e in log):
        yield "log: there is no log of entries"
        return
    for i, entry in enumerate(log):
        if entry.get("number") != i or isinstance(entry.get("number"), bool):
            yield f"log: entry {i} is numbered {entry.get('number')!r}"
        if entry.get("hash") != digest({k: v for k, v in entry.items() if k != "hash"}):
            yield f"log: entry {i} has been changed: its content does not give its hash"
    for i, (before, after) in enumerate(pairwise([{"hash": NOTHING_BEFORE}, *log])):
        if after.get("previous") != before.get("hash"):
            yield f"log: entry {i} does not follow the one before: an entry was changed, moved or taken out"
