"""Two protocols side by side: lines that differ, and what that means for a patient, as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from nksim.output.provenance import Provenance
from nksim.output.text import dose_text, in_words, table
from nksim.patient import Patient
from nksim.protocol.choice import Choice
from nksim.protocol.facts import Basis
from nksim.schedule_difference import (
    Given,
    LineDifference,
    Pairs,
    amounts,
    frame_differences,
    schedule_differences,
)
from nksim.units import plain

SCHEMA_VERSION = 1
_MARKS: dict[Basis, str] = {"assumed": "*", "unknown": "?"}
_WIDEST = 46


@dataclass(frozen=True)
class Difference:
    """One arm against another: what is planned differently, and what a patient gets of each line."""

    first: Choice
    other: Choice
    lines: tuple[LineDifference, ...]
    patient: Patient | None
    amounts: Pairs

    @property
    def identical(self) -> bool:
        """Whether both plan the same."""
        return not self.lines


def difference(first: Choice, other: Choice, patient: Patient | None) -> Difference:
    """Compares two arms; raises `InvalidInput` NK405 where the patient lacks a measure that a dose needs."""
    lines = (*frame_differences(first, other), *schedule_differences(first, other))
    return Difference(first, other, lines, patient, amounts(first, other, patient) if patient else ())


def as_text(found: Sequence[Difference], provenance: Provenance) -> str:
    """Every pair as a table of differences and, for a patient, a table of amounts."""
    parts = [_one(d) for d in found]
    marks = "* assumed by the file · ? unknown · see `nksim protocols why`"
    return "\n\n\n".join(parts) + f"\n\n{marks}\n{provenance.line()}\n"


def _one(d: Difference) -> str:
    parts = [f"A  {_name(d.first)}\nB  {_name(d.other)}"]
    if d.identical:
        parts.append("No difference: lines, doses, days, routes, lengths, numbering and body size are the same.")
    else:
        rows = [[x.line, x.what, _cell(x.first, x.first_basis), _cell(x.other, x.other_basis)] for x in d.lines]
        parts.append(_folded(["line", "what", "A", "B"], rows))
    if d.patient is not None:
        parts.append(f"For {_body(d.patient)}:\n{_amounts(d)}")
    return "\n\n".join(parts)


def _name(choice: Choice) -> str:
    protocol = choice.protocol
    return f"{choice.name}: {protocol.title} ({protocol.registration})"


def _cell(words: str | None, basis: Basis | None) -> str:
    if words is None:
        return "no such line"
    return in_words(words) + (_MARKS.get(basis, "") if basis else "")


def _folded(header: list[str], rows: list[list[str]]) -> str:
    """A table whose long cells go on in the next line."""
    folded = []
    for row in rows:
        cells = [textwrap.wrap(text, _WIDEST, break_on_hyphens=False) or [""] for text in row]
        folded += [[c[i] if i < len(c) else "" for c in cells] for i in range(max(map(len, cells)))]
    return table(header, folded)


def _body(patient: Patient) -> str:
    known = [
        f"{value:g} {unit}"
        for value, unit in ((patient.weight_kg, "kg"), (patient.height_cm, "cm"), (patient.age_y, "y"))
        if value is not None
    ]
    return f"a patient of {', '.join(known)}"


def _amounts(d: Difference) -> str:
    rows = [[line, _each(a), _total(a), _each(b), _total(b), _change(a, b)] for line, a, b in d.amounts]
    return _folded(["line", "A: doses", "A: in all", "B: doses", "B: in all", "B − A"], rows)


def _each(given: Given | None) -> str:
    """How many doses of how much, or one after the other where they differ."""
    if given is None:
        return "no such line"
    mark = _MARKS.get(given.basis, "")
    if given.unit is None:
        return f"{given.gap}{mark or '?'}"
    texts = [dose_text(a, given.unit) for a in given.amounts]
    if given.doses is None:
        return f"{texts[0]} each, {given.gap}?"
    return (_doses(given.doses, texts[0]) if len(set(texts)) == 1 else ", then ".join(texts)) + mark


def _doses(count: int, amount: str) -> str:
    """
    >>> _doses(1, "10 mg"), _doses(7, "10 mg")
    ('1 dose of 10 mg', '7 doses of 10 mg')
    """
    return f"{count} dose{'s' if count > 1 else ''} of {amount}"


def _total(given: Given | None) -> str:
    if given is None:
        return "–"
    return dose_text(given.total, given.unit) if given.total is not None and given.unit else "unknown"


def _change(a: Given | None, b: Given | None) -> str:
    """How much more B gives than A; a line that one of them does not have counts as nothing given."""
    known = [g for g in (a, b) if g is not None]
    if any(g.total is None for g in known) or len({g.unit for g in known}) != 1:
        return "unknown"
    less, more = (g.total if g is not None and g.total is not None else Decimal(0) for g in (a, b))
    step = more - less
    if step == 0:
        return "0"
    return ("+" if step > 0 else "\N{MINUS SIGN}") + dose_text(abs(step), known[0].unit or "")


def as_json(found: Sequence[Difference], provenance: Provenance) -> str:
    """The same as JSON: amounts are numbers in mg, IU, cells or Gy, null where they are not known."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": "protocol difference",
        "provenance": provenance.as_dict(),
        "identical": all(d.identical for d in found),
        "pairs": [_pair(d) for d in found],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _pair(d: Difference) -> dict[str, Any]:
    body = d.patient
    return {
        "first": _regimen(d.first),
        "other": _regimen(d.other),
        "identical": d.identical,
        "differences": [asdict(x) for x in d.lines],
        "patient": {"weight_kg": body.weight_kg, "height_cm": body.height_cm, "age_y": body.age_y} if body else None,
        "amounts": [{"line": line, "first": _plain(a), "other": _plain(b)} for line, a, b in d.amounts],
    }


def _regimen(choice: Choice) -> dict[str, Any]:
    return {
        "id": choice.protocol.id,
        "arm": choice.arm_name,
        "level": choice.level,
        "registration": choice.protocol.registration,
        "title": choice.protocol.title,
    }


def _plain(given: Given | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return {
        "product": given.product,
        "unit": given.unit,
        "amounts": [float(plain(a)) for a in given.amounts],
        "doses": given.doses,
        "total": float(plain(given.total)) if given.total is not None and given.unit else None,
        "basis": given.basis,
        "gap": given.gap,
    }
