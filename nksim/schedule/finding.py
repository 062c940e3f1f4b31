"""What a check finds in a schedule, as it travels with every output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nksim.limits import Check, checks
from nksim.words import phrase, said


@dataclass(frozen=True)
class Finding:
    """Something to look at before the calendar is used; `waived` is the reason why someone overruled it.

    `lines` are the lines that it is about; with none it is about the patient or the whole regimen.
    """

    code: str
    message: str
    lines: tuple[str, ...] = ()
    waived: str | None = None

    @property
    def check(self) -> Check:
        """What found it: its severity, its limits and their sources."""
        return checks()[self.code]

    def concerns(self, line: str) -> bool:
        """Whether whoever gives this line must know it."""
        return line in self.lines or not self.lines

    @property
    def note(self) -> str:
        """In one line, for a person who holds the output."""
        if self.waived is not None:
            form = phrase("check {code} waived ({reason}): {message}")
            return said(form, code=self.code, reason=self.waived, message=self.message)
        return said("check {code}: {message}", code=self.code, message=self.message)

    def as_dict(self) -> dict[str, Any]:
        """As plain data, with the severity, the sources and the reason of a waiver."""
        return {
            "code": self.code,
            "severity": self.check.severity,
            "message": self.message,
            "lines": list(self.lines),
            "waived": self.waived,
            "sources": [str(source) for source in self.check.sources],
        }

    def __str__(self) -> str:
        if self.waived is not None:
            return f"waived[{self.code}]: {self.message} (reason: {self.waived})"
        return f"warning[{self.code}]: {self.message}"
