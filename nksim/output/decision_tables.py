"""Decision tables for the eye, as CSV rows and as JSON: what a design does after every result."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from nksim.output.text import table
from nksim.trial.crm import Crm
from nksim.trial.decisions import MEANINGS, DecisionTable
from nksim.trial.designs import AnyDesign, decision_table
from nksim.trial.paths import Transition, transitions
from nksim.trial.tite import PendingRow, TiteBoin

COLUMNS = ("design", "n", "y", "pending", "decision", "escalate_from", "deescalate_upto", "goes_to", "mtd")
_WIDTH = 110
# A page holds so many lines of a table that grows with the data; the files hold all.
_SHOWN_PATHS, _SHOWN_PENDING = 9, 12


def as_text(designs: list[AnyDesign], most: int) -> str:
    """Every design's table up to `most` patients, one after the other."""
    return "\n\n".join(part for design in designs for part in _parts(design, most)) + "\n"


def beside_chart(design: AnyDesign, most: int) -> str:
    """The table of a design whose letters a chart shows: its boundaries, its pending patients, its states."""
    return "\n\n".join(_parts(design, most, letters=False))


def _parts(design: AnyDesign, most: int, *, letters: bool = True) -> Iterator[str]:
    yield textwrap.fill(design.title, _WIDTH)
    found = decision_table(design, most)
    if isinstance(design, Crm):
        yield _paths(design, min(most, _SHOWN_PATHS), most)
    elif found is not None:
        if letters:
            yield _letters(found)
        if any(found.rows) and all(found.rows):
            yield _boundaries(found)
        if isinstance(design, TiteBoin):
            yield _pending(design, min(most, _SHOWN_PENDING), most)
        yield _legend(found)


def _letters(found: DecisionTable) -> str:
    most = max(len(row) for row in found.rows)
    rows = [[str(n), *row, *[""] * (most - len(row))] for n, row in enumerate(found.rows, 1) if row]
    head = ["n \\ DLT", *(str(y) for y in range(most))]
    return table(head, rows, right=frozenset(range(most + 1)))


def _boundaries(found: DecisionTable) -> str:
    columns = list(zip(*found.boundaries(), strict=True))
    names = ("escalate if DLT at most", "de-escalate if DLT at least", "exclude if DLT at least")
    rows = [
        [name, *("–" if y is None else str(y) for y in column)] for name, column in zip(names, columns, strict=True)
    ]
    return table(["patients at the level", *(str(n) for n in range(1, found.most + 1))], rows,
                 right=frozenset(range(1, found.most + 1)))  # fmt: skip


def _legend(found: DecisionTable) -> str:
    used = "".join(found.rows)
    meanings = MEANINGS
    if found.design.startswith("3+3"):
        meanings = {**MEANINGS, "S": "three more patients", "X": "too toxic: no further escalation"}
    return " · ".join(f"{letter} {words}" for letter, words in meanings.items() if letter in used)


def _paths(design: Crm, shown: int, most: int) -> str:
    """CRM looks at all levels together: its table is that of every state it can reach."""
    rows = [_path(t) for t in transitions(design, shown)]
    levels = [f"level {i}" for i in range(1, design.levels + 1)]
    note = (
        f"\nDLT/patients at each level. Up to {shown} of {most} patients; -o FILE.csv or .json has all."
        if shown < most
        else ""
    )
    return table(["patients", *levels, "last at", "next"], rows, right=frozenset({0})) + note


def _path(t: Transition) -> list[str]:
    seen = [f"{y}/{n}" if n else "–" for n, y in zip(t.n, t.y, strict=True)]
    ends = "stop, no MTD" if t.mtd == 0 else f"stop, MTD {t.mtd}"
    return [str(t.patients), *seen, str(t.level), ends if t.goes_to is None else f"level {t.goes_to}"]


def _pending(design: TiteBoin, shown: int, most: int) -> str:
    """With patients pending: the standardised follow-up that each decision needs."""
    size = design.conduct.size
    rows = []
    for n in range(size, shown + 1, size):
        for y in range(n + 1):
            lines = [design.row(n, y, c) for c in range(1, n - y + 1)]
            if lines and lines[0].decision != "X":
                rows.append([str(n), str(y), "; ".join(_in_words(line) for line in lines)])
    head = table(
        ["n", "DLT", "by number of pending patients (follow-up in windows, summed over them)"],
        rows,
        right=frozenset({0, 1}),
    )
    note = (
        f"\nW wait. Whole cohorts up to {shown} of {most} patients; -o FILE.csv or .json has all."
        if shown < most
        else ""
    )
    return head + note


def _in_words(row: PendingRow) -> str:
    if row.decision:
        return f"{row.pending} {row.decision}"
    parts = []
    if row.deescalate_upto is not None:
        parts.append("D" if row.deescalate_upto >= row.pending else f"D to {row.deescalate_upto:.2f}")
    if row.escalate_from is not None:
        parts.append("E" if row.escalate_from <= 0 else f"E from {row.escalate_from:.2f}")
    return f"{row.pending} " + (" / ".join(parts) or "S")


def rows(design: AnyDesign, most: int) -> Iterator[list[Any]]:
    """Lines of the CSV: by n, DLT and pending, or for CRM by what was seen at each level."""
    if isinstance(design, Crm):
        for t in transitions(design, most):
            yield [
                design.name,
                _joined(t.n),
                _joined(t.y),
                "",
                "",
                "",
                "",
                t.goes_to or "",
                "" if t.mtd is None else t.mtd,
            ]
    elif isinstance(design, TiteBoin):
        for row in design.rows(most):
            yield [design.name, row.n, row.y, row.pending, row.decision or "", _edge(row.escalate_from),
                   _edge(row.deescalate_upto), "", ""]  # fmt: skip
    else:
        found = decision_table(design, most)
        for n, letters in enumerate(found.rows if found else (), 1):
            yield from ([design.name, n, y, "", letter, "", "", "", ""] for y, letter in enumerate(letters))


def _joined(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


def _edge(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def plain(design: AnyDesign, most: int) -> dict[str, Any]:
    """A design's table as plain data, for JSON."""
    found = decision_table(design, most)
    content: dict[str, Any] = {"design": design.name, "title": design.title}
    if found is not None:
        content["table"] = [{"n": n, "decisions": list(row)} for n, row in enumerate(found.rows, 1) if row]
    if isinstance(design, TiteBoin):
        content["pending"] = [{"n": r.n, "dlt": r.y, "pending": r.pending, "decision": r.decision,
                               "escalate_from": r.escalate_from, "deescalate_upto": r.deescalate_upto}
                              for r in design.rows(most)]  # fmt: skip
    if isinstance(design, Crm):
        content["transitions"] = [{"n": list(t.n), "dlt": list(t.y), "last": t.level, "next": t.goes_to, "mtd": t.mtd}
                                  for t in transitions(design, most)]  # fmt: skip
    return content
