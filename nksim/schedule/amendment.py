"""A change of a calendar as a person says it: `delay cells 2 by 3 d: fever`."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from nksim.dates import parse_date
from nksim.errors import InvalidInput, Misread, UsageError, shorten
from nksim.schedule.calendar import zone
from nksim.units import Duration, duration, normalise, number, plain
from nksim.words import Said, said

LONGEST_REASON = 500
LONGEST_DELAY_D = 366
Verb = Literal["delay", "omit", "reduce", "cease"]
_FORMS = {
    "delay": "delay cells 2 by 3 d: REASON, or delay cells 2 to 2027-03-12: REASON",
    "omit": "omit il2 3: REASON",
    "reduce": "reduce flu 4 by 25 %: REASON, or reduce flu 4 to 75 %: REASON",
    "cease": "cease il2: REASON, or cease il2 from 4: REASON",
}


@dataclass(frozen=True)
class Change:
    """What is to change and why: which doses of a line, by what length, to what date or to what share.

    `first` and `last` are dose numbers; None is the only dose of the line, or with cease all that are to come.
    `share` is what remains, of the planned dose where `of_plan`, otherwise of the dose as it stands.
    """

    verb: Verb
    line: str
    reason: str
    first: int | None = None
    last: int | None = None
    by: Duration | None = None
    to: dt.date | None = None
    share: Decimal | None = None
    of_plan: bool = False

    @property
    def doses(self) -> str:
        """The doses as they are named: `cells 2`, `flu 3..5`, `il2 from 4`, `il2`."""
        if self.first is None:
            return self.line
        if self.verb == "cease":
            return f"{self.line} from {self.first}"
        return f"{self.line} {self.first}" + (f"..{self.last}" if self.last != self.first else "")

    def __str__(self) -> str:
        if self.verb == "delay":
            return f"delay {self.doses} " + (f"by {self.by}" if self.by else f"to {self.to}")
        if self.share is not None:
            percent = self.share * 100 if self.of_plan else 100 - self.share * 100
            return f"reduce {self.doses} {'to' if self.of_plan else 'by'} {plain(percent)} %"
        return f"{self.verb} {self.doses}"


@dataclass(frozen=True)
class Amendment:
    """A change that was decided: its number, when (aware, local), by whom, and what its author allowed.

    `past` lets it correct a dose that lies before `when`; `deviation` lets it leave what the protocol allows.
    """

    number: int
    when: dt.datetime
    change: Change
    who: str | None = None
    past: bool = False
    deviation: bool = False

    @property
    def name(self) -> Said:
        """How rows refer to it."""
        return said("amendment {number}", number=self.number)


def change(sentence: str) -> Change:
    """A change from its sentence; the reason after the colon is part of it.

    Raises `UsageError` NK520 for what is no change, and NK521 where the reason is missing.

    >>> found = change("delay cells 2 by 3 d: fever, 38.9 °C")
    >>> str(found), found.reason
    ('delay cells 2 by 3 d', 'fever, 38.9 °C')
    >>> str(change("reduce flu 3..5 by 25 %: creatinine rising"))
    'reduce flu 3..5 by 25 %'
    """
    head, *said_why = re.split("[:\N{FULLWIDTH COLON}]", sentence, maxsplit=1)
    words = " ".join(_normal(head).split())
    verb = words.partition(" ")[0]
    if verb not in _FORMS:
        raise UsageError("NK520", f"{shorten(sentence)} is not a change", help="delay, omit, reduce or cease a dose")
    reason = one_line("".join(said_why), f"the reason of {shorten(words)}")
    target = r" (?P<line>[a-z][a-z0-9_-]*)(?: (?P<first>\d{1,4})(?: ?\.\. ?(?P<last>\d{1,4}))?)?"
    match = re.fullmatch(
        {
            "delay": rf"delay{target} (?:by (?P<by>[^ ].*)|to (?P<to>\S+))",
            "omit": rf"omit{target}",
            "reduce": rf"reduce{target} (?P<how>by|to) (?P<percent>[\d.]+) ?%",
            "cease": r"cease (?P<line>[a-z][a-z0-9_-]*)(?: from (?P<first>\d{1,4}))?(?P<last>)",
        }[verb],
        words,
    )
    if match is None:
        raise UsageError("NK520", f"{shorten(words)} cannot be read", help=f"write {_FORMS[verb]}")
    held = match.groupdict()
    first, last = (int(held[k]) if held[k] else None for k in ("first", "last"))
    found = Change(verb, held["line"], reason, first, last if last is not None else first)  # type: ignore[arg-type]
    if first is not None and found.last is not None and not 1 <= first <= found.last:
        raise UsageError("NK520", f"doses {first} to {found.last} run backwards", help="number doses from 1 upwards")
    if verb == "delay":
        return _delay(found, held["by"], held["to"])
    return _reduce(found, held["how"], held["percent"]) if verb == "reduce" else found


def _normal(text: str) -> str:
    try:
        return normalise(text)
    except Misread as error:
        raise UsageError("NK520", error.message, help=error.help) from None


def _delay(found: Change, by: str | None, to: str | None) -> Change:
    if to is not None:
        if found.first != found.last:
            raise UsageError("NK520", "several doses cannot move to one date", help="delay them by a length: by 3 d")
        return replace(found, to=parse_date(to))
    try:
        length = duration(by or "")
    except Misread as error:
        raise UsageError("NK520", f"delay by {shorten(by)}: {error.message}", help=error.help) from None
    if length.unit in ("mo", "y") or not 0 < length.minutes <= LONGEST_DELAY_D * 1440:
        raise UsageError(
            "NK520",
            f"a delay by {length} is none",
            help=f"more than 0 and at most {LONGEST_DELAY_D} d, in min, h, d or wk",
        )
    return replace(found, by=length)


def _reduce(found: Change, how: str, percent: str) -> Change:
    try:
        value = number(percent)
    except Misread as error:
        raise UsageError("NK520", f"{shorten(percent)} %: {error.message}", help=error.help) from None
    if not 0 < value < 100:
        raise UsageError(
            "NK520", f"{plain(value)} % is no reduction", help="between 0 and 100 %; to leave a dose out, omit it"
        )
    share = (value if how == "to" else 100 - value) / 100
    return replace(found, share=share, of_plan=how == "to")


def one_line(text: str, what: str) -> str:
    """A reason or a name in one line of printable text; raises `UsageError` NK521 where it is missing or is none."""
    found = " ".join(unicodedata.normalize("NFC", text).split())
    if not found:
        raise UsageError("NK521", f"{what} is missing", help="say it after a colon: omit il2 3: refused by the patient")
    if len(found) > LONGEST_REASON or not found.isprintable():
        raise UsageError("NK521", f"{what} is not one line of text", help=f"at most {LONGEST_REASON} characters")
    return found


def moment(text: str, tz: str) -> dt.datetime:
    """When something was decided: `2027-03-05T09:00`, local to the zone unless it has an offset; to the second.

    Raises `UsageError` NK522.

    >>> moment("2027-03-05 09:00", "Asia/Shanghai").isoformat()
    '2027-03-05T09:00:00+08:00'
    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?", text, re.ASCII):
        try:
            parse_date(text[:10])
            found = dt.datetime.fromisoformat(text)
        except (ValueError, InvalidInput):
            found = None
        if found is not None:
            where = zone(tz)
            return found.astimezone(where) if found.tzinfo else found.replace(tzinfo=where)
    raise UsageError("NK522", f"{shorten(text)} is not a time", help="write 2027-03-05T09:00, or now")
