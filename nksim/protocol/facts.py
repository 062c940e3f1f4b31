"""A fact: a clinical value and where it stands (stated, derived, assumed or unknown)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from nksim.errors import Misread, shorten

T = TypeVar("T")
Basis = Literal["stated", "derived", "assumed", "unknown"]
# From the firmest to the weakest; a calendar row shows the weakest that it rests on.
BASES: tuple[Basis, ...] = ("stated", "derived", "assumed", "unknown")
_MAY_HOLD = {
    "stated": {"source", "why", "printed", "use"},
    "derived": {"from", "why", "source", "printed", "use"},
    "assumed": {"why", "source", "printed", "use"},
    "unknown": {"ask", "why", "source", "printed"},
}
_MUST_HOLD = {"derived": {"from", "why"}, "assumed": {"why"}, "unknown": {"ask"}}


@dataclass(frozen=True)
class Fact(Generic[T]):
    """A value with its basis; `value` is None when it is unknown.

    `text` is the value as the file writes it (for an unknown fact: the unit or kind that is asked for), `source`
    a key of the file's sources or None for the registration itself, `setting` the --set text that replaced it,
    `replaced` the timing of another kind that this one took the place of.
    """

    value: T | None
    basis: Basis
    text: str
    source: str | None = None
    why: str | None = None
    derived_from: str | None = None
    ask: str | None = None
    printed: str | None = None
    use: Fact[T] | None = None
    setting: str | None = None
    replaced: Fact[Any] | None = None

    @property
    def chosen(self) -> Fact[T]:
        """The fact that calculations use: the choice made within a registered range, or this fact itself."""
        return self.use or self


class Misreads(ValueError):
    """Several misread values inside one fact, each with the key below which it stands."""

    def __init__(self, found: list[tuple[str | None, Misread]]) -> None:
        super().__init__("; ".join(m.message for _, m in found))
        self.found = found


def fact_of(parse: Callable[[Any], T]) -> Callable[[Any], Fact[T]]:
    """A reader of facts whose value is read by `parse`.

    >>> from nksim.units import duration
    >>> fact_of(duration)({"assumed": "1 h", "why": "labels give 1-2 h"}).basis
    'assumed'
    """

    def read(raw: Any) -> Fact[T]:
        if isinstance(raw, Fact):
            return raw
        basis = next((b for b in BASES if isinstance(raw, dict) and b in raw), None)
        if basis is None:
            return Fact(_parsed(parse, raw, None), "stated", _spelled(raw))
        return _marked(parse, raw, basis)

    return read


def _marked(parse: Callable[[Any], T], raw: dict[str, Any], basis: Basis) -> Fact[T]:
    faults: list[tuple[str | None, Misread]] = []
    for key in sorted(raw.keys() - _MAY_HOLD[basis] - {basis}):
        other = f"a fact is {basis} or {key}, not both" if key in BASES else f"unknown key {shorten(key)} in a fact"
        mend = "put text with a comma in quotes" if " " in key else f"keys here: {', '.join(sorted(_MAY_HOLD[basis]))}"
        faults.append((key, Misread("NK202", other, help=mend)))
    for key in sorted(_MUST_HOLD.get(basis, set()) - raw.keys()):
        faults.append((basis, Misread("NK203", f"a fact that is {basis} needs {key}:", help=f"add {key}: …")))
    for key in sorted(raw.keys() & {"source", "why", "from", "ask", "printed"}):
        if not isinstance(raw[key], str) or not raw[key].strip():
            faults.append((key, Misread("NK202", f"{key}: is not plain text", help="write one line of text")))
    value: T | None = None
    use: Fact[T] | None = None
    try:
        value = None if basis == "unknown" else _parsed(parse, raw[basis], basis)
        use = fact_of(parse)(raw["use"]) if "use" in raw else None
    except Misreads as error:
        faults += error.found
    if faults:
        raise Misreads(faults)
    return Fact(
        value,
        basis,
        _spelled(raw[basis]),
        raw.get("source"),
        raw.get("why"),
        raw.get("from"),
        raw.get("ask"),
        raw.get("printed"),
        use,
    )


def _parsed(parse: Callable[[Any], T], raw: Any, key: str | None) -> T:
    try:
        return parse(raw)
    except Misread as error:
        raise Misreads([(key, error)]) from None


def _spelled(raw: Any) -> str:
    """A value as a person would type it again, maps and lists in flow style.

    >>> _spelled({"count": "8", "pattern": "0, 3", "every": "7 d"}), _spelled("0, 3")
    ('{count: 8, pattern: "0, 3", every: 7 d}', '0, 3')
    """
    if isinstance(raw, dict):
        return "{" + ", ".join(f"{k}: {_inside(v)}" for k, v in raw.items()) + "}"
    if isinstance(raw, list):
        return "[" + ", ".join(_inside(v) for v in raw) + "]"
    return str(raw)


def _inside(raw: Any) -> str:
    """A value inside a map or list, in quotes where YAML would take it for something else."""
    text = _spelled(raw)
    return f'"{text}"' if isinstance(raw, str) and re.search(r"[][{},:#]|^[>&*!|%@`?]", text) else text


def weakest(*facts: Fact[Any] | None) -> Basis:
    """The weakest basis among the facts that are there.

    >>> weakest(Fact(1, "stated", "1"), Fact(2, "assumed", "2"), None)
    'assumed'
    """
    found = [f.chosen.basis for f in facts if f is not None]
    return max(found, key=BASES.index, default="stated")
