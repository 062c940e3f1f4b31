"""The exceptions and warnings a user can meet, each fault with a stable code.

Codes: NK1xx the text of a file · NK2xx what a protocol says · NK3xx safety checks · NK4xx patients, dates and
zones · NK5xx facts that are not answered, and the call · NK6xx the kinetic model · NK7xx writing outputs · NK8xx dose
escalation · NK900 a bug. `nksim explain CODE` explains each.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, order=True)
class Place:
    """Where in a text something stands; line and column count from 1 and are 0 when they do not apply.

    >>> str(Place("mine.yaml", 12, 11))
    'mine.yaml:12:11'
    """

    file: str
    line: int = 0
    column: int = 0
    length: int = field(default=1, compare=False)
    source_line: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.file + (f":{self.line}" if self.line else "") + (f":{self.column}" if self.column else "")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: its code, what was found, where, and what would do.

    >>> print(Fault("NK204", "day range runs backwards", Place("a.yaml", 3, 5), "write -6..-2"))
    a.yaml:3:5: error[NK204]: day range runs backwards
      help: write -6..-2
    """

    code: str
    message: str
    place: Place | None = None
    help: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data; a place that does not apply is None."""
        at = self.place or Place("")
        return {
            "code": self.code,
            "message": self.message,
            "file": at.file or None,
            "line": at.line or None,
            "column": at.column or None,
            "length": at.length if at.column else None,
            "source_line": at.source_line,
            "help": self.help,
        }

    def __str__(self) -> str:
        head = f"{self.place}: " if self.place else ""
        lines = [f"{head}error[{self.code}]: {self.message}"]
        if self.place and self.place.source_line is not None:
            lines += _excerpt(self.place)
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


def _excerpt(place: Place, most: int = 100) -> list[str]:
    """The source line with carets under the fault; a long line is cut around it."""
    text = (place.source_line or "").rstrip("\r\n").replace("\t", " ")
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    start = max(0, place.column - 1)
    cut = max(0, start - most // 2) if len(text) > most else 0
    shown = text[cut : cut + most]
    pad = display_width(shown[: start - cut])
    carets = max(1, display_width(shown[start - cut : start - cut + place.length]))
    number = str(place.line)
    return [f"  {number:>3} | {shown}", f"  {'':>3} | {'':>{pad}}{'^' * carets}"]


def display_width(text: str) -> int:
    """Columns that `text` takes on a terminal, where Chinese characters take two.

    >>> display_width("100万")
    5
    """
    return sum(_columns(c) for c in text)


def _columns(c: str) -> int:
    if unicodedata.category(c) in ("Mn", "Mc", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def suggestion(found: object, known: Iterable[str], otherwise: str | None = None) -> str:
    """The mend of a word that is not known: the nearest that is, or all of them, or what else would do.

    >>> suggestion("rout", ["route", "dose"]), suggestion("x", ["IV", "SC"])
    ('did you mean route?', 'write one of IV, SC')
    """
    words = list(known)
    folded = {w.casefold(): w for w in reversed(words)}
    near = difflib.get_close_matches(str(found).strip().casefold(), folded, n=1)
    if near:
        return f"did you mean {folded[near[0]]}?"
    return otherwise or f"write {'one of ' if len(words) > 1 else ''}{', '.join(words)}"


def shorten(found: object, most: int = 60) -> str:
    """What was found, printable and short enough for an error message."""
    text = ascii(found) if not str(found).isprintable() else repr(str(found))
    return text if len(text) <= most else text[: most - 4] + "...'"


class NksimError(Exception):
    """Base of all errors that are the input's and not nksim's; carries every fault found."""

    exit_code = 1

    def __init__(
        self, code: str | Iterable[Fault], message: str = "", *, help: str | None = None, place: Place | None = None
    ) -> None:
        given = (Fault(code, message, place, help),) if isinstance(code, str) else tuple(code)
        self.faults: tuple[Fault, ...] = tuple(sorted(given, key=lambda f: (f.place or Place(""), f.code)))
        super().__init__("\n".join(str(f) for f in self.faults))


class Misread(ValueError):
    """A text that is not a value of its grammar; whoever knows the place turns it into a `Fault`."""

    def __init__(self, code: str, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help

    def at(self, place: Place | None) -> Fault:
        """The same complaint with its place."""
        return Fault(self.code, self.message, place, self.help)


class InvalidInput(NksimError):
    """A file, a patient or a value says something that cannot be."""


class Unanswered(NksimError):
    """A dose or a day is unknown, or assumed and not accepted; the help names the option that answers it."""

    exit_code = 2


class UsageError(NksimError):
    """The call itself is wrong: an unknown id, arm, path or option value."""

    exit_code = 2


class UnreadableInput(NksimError):
    """A file is missing, may not be read, or cannot be written."""

    exit_code = 3


class ModelFailure(NksimError):
    """The kinetic model or its solver could not give an answer."""

    exit_code = 4


class Disagreement(NksimError):
    """Two ways of reckoning one dose differ: a fault of nksim's own, and nothing may be printed."""

    exit_code = 70
