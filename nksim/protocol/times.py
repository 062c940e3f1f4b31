"""When: protocol days, recurrences, relations between lines and windows, with their grammar."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nksim.errors import Misread, shorten
from nksim.units import Duration, duration, normalise, plain
from nksim.words import phrase, said

MOST_DOSES = 1000
FARTHEST_DAY = 36500
_REFERENCES = {"first": phrase("first {line}"), "last": phrase("last {line}"), "each": phrase("each {line}")}
_RELATIONS = {
    ("before", "start"): phrase("{by} before the start of {reference}"),
    ("before", "end"): phrase("{by} before the end of {reference}"),
    ("after", "start"): phrase("{by} after the start of {reference}"),
    ("after", "end"): phrase("{by} after the end of {reference}"),
}


@dataclass(frozen=True)
class Days:
    """Days in the file's own numbering, in order.

    >>> days("-6..-2").days
    (-6, -5, -4, -3, -2)
    """

    days: tuple[int, ...]

    def __str__(self) -> str:
        shown = [str(day).replace("-", "\N{MINUS SIGN}") for day in self.days]
        if len(shown) > 2 and self.days[-1] - self.days[0] == len(shown) - 1:
            return said("days {first} to {last}", first=shown[0], last=shown[-1])
        return said("day {day}", day=shown[0]) if len(shown) == 1 else said("days {days}", days=", ".join(shown))


@dataclass(frozen=True)
class Span:
    """From a shortest to a longest length of time; no longest when open."""

    low: Duration
    high: Duration | None

    def nominal(self) -> Duration:
        """The middle of a range; the low end where it is open.

        >>> str(span("30..60 min").nominal()), str(span(">= 4 h").nominal())
        ('45 min', '4 h')
        """
        if self.high is None:
            return self.low
        return Duration((self.low.number + self.high.number) / 2, self.low.unit)

    def __str__(self) -> str:
        if self.high is None:
            return said("at least {time}", time=self.low)
        if self.low == self.high:
            return str(self.low)
        return said("{low} to {high}", low=plain(self.low.number), high=self.high)


@dataclass(frozen=True)
class Relation:
    """A time before or after the start or end of the first, last or each dose of another line."""

    side: str
    edge: str
    which: str
    line: str
    by: Span

    def __str__(self) -> str:
        return said(_RELATIONS[self.side, self.edge], by=self.by, reference=Reference(self.which, self.line))


@dataclass(frozen=True)
class Recurrence:
    """`count` doses in all: a pattern of day offsets repeated every so often, from the anchor or from `first`.

    With `previous` each counts from the dose before it, so that a late dose pushes the rest; otherwise days are fixed.

    >>> recurrence({"count": "4", "pattern": "0, 3", "every": "7 d"}).offsets()
    (0, 3, 7, 10)
    """

    count: int
    every: Duration
    pattern: tuple[int, ...] = (0,)
    first: Relation | None = None
    previous: bool = False

    def offsets(self) -> tuple[int, ...]:
        """Days of every dose after the first possible one."""
        step = self.every.days
        return tuple(step * (i // len(self.pattern)) + self.pattern[i % len(self.pattern)] for i in range(self.count))

    def __str__(self) -> str:
        offsets = ", ".join(map(str, self.pattern))
        where = "" if self.pattern == (0,) else said(" at offsets {offsets}", offsets=offsets)
        start = said(", the first {when}", when=self.first) if self.first else ""
        counted = said(", each counted from the dose before") if self.previous else ""
        return said(
            "{count} doses, every {every}{where}{start}{counted}",
            count=self.count,
            every=self.every,
            where=where,
            start=start,
            counted=counted,
        )


@dataclass(frozen=True)
class Reference:
    """Which administrations of a line something counts from: `first cells`, `each cells`."""

    which: str
    line: str

    def __str__(self) -> str:
        return said(_REFERENCES[self.which], line=self.line)


@dataclass(frozen=True)
class Window:
    """Earliest and latest shift around the nominal time: `-1..+3 d`."""

    earliest: Decimal
    latest: Decimal
    unit: str

    def __str__(self) -> str:
        early = plain(self.earliest).replace("-", "\N{MINUS SIGN}")
        return said("{low} to {high}", low=early, high=f"+{plain(self.latest)} {self.unit}")


def days(raw: Any) -> Days | Recurrence:
    """Day integers and inclusive ranges (`-6..-2`, `0, 3, 7`), or a recurrence `{count:, every:, …}`."""
    if isinstance(raw, dict):
        return recurrence(raw)
    text = normalise(_text(raw, "a list of days"))
    found: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"([+-]?\d{1,6})(?: ?\.\. ?([+-]?\d{1,6}))?", item.strip())
        if not match:
            raise Misread("NK206", f"{shorten(item.strip())} is not a day", help="write -7, or -6..-2, or 0, 3, 7")
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high:
            raise Misread("NK204", "day range runs backwards", help=f"write {high}..{low}")
        if max(abs(low), abs(high)) > FARTHEST_DAY:
            raise Misread("NK206", f"day {shorten(item.strip())} is beyond any trial", help=f"at most {FARTHEST_DAY}")
        found += range(low, high + 1)
        if len(found) > MOST_DOSES:
            raise Misread("NK208", f"more than {MOST_DOSES} days: above the limit of one line", help="is it a slip?")
    for i, day in enumerate(found[1:], 1):
        if day <= found[i - 1]:
            what = f"duplicate day {day}" if day in found[:i] else f"day {day} is out of order"
            raise Misread("NK209", what, help="list each day once, in rising order")
    return Days(tuple(found))


def recurrence(raw: Any) -> Recurrence:
    """`{count: 8, pattern: "0, 3", every: 7 d, first: {after: last induction, by: 28 d}}`."""
    known = {"count", "pattern", "every", "first", "from"}
    if not isinstance(raw, dict) or not {"count", "every"} <= set(raw) <= known:
        raise Misread(
            "NK202",
            "a recurrence needs count: and every:, and may have pattern:, first: and from:",
            help='write {count: 8, pattern: "0, 3", every: 7 d}',
        )
    every = duration(_text(raw["every"], "a duration"))
    if every.unit not in ("d", "wk") or every.days < 1:
        raise Misread("NK214", f"every {every} is not whole days", help="write every: 7 d")
    pattern = days(raw.get("pattern", "0"))
    if not isinstance(pattern, Days) or pattern.days[0] != 0 or pattern.days[-1] >= every.days:
        raise Misread(
            "NK206",
            "a pattern begins at 0 and ends before the next repeat",
            help=f'offsets from 0 to {every.days - 1}, as in pattern: "0, 3"',
        )
    first, from_ = raw.get("first"), raw.get("from", "plan")
    if from_ not in ("plan", "previous dose"):
        raise Misread("NK202", f"from: {shorten(from_)} is not known", help="write plan or previous dose")
    follows = relation_to(first) if first is not None else None
    found = Recurrence(count(raw["count"]), every, pattern.days, follows, from_ == "previous dose")
    if found.offsets()[-1] > FARTHEST_DAY:
        raise Misread(
            "NK208",
            f"the last dose, on day {found.offsets()[-1]}, is above the limit",
            help=f"at most day {FARTHEST_DAY}",
        )
    return found


def count(raw: Any) -> int:
    """A whole number of doses, 1 to the limit."""
    text = _text(raw, "a count")
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise Misread("NK208", f"count {shorten(text)} is not a whole number", help="write for example 8")
    if not 1 <= int(text) <= MOST_DOSES:
        raise Misread("NK208", f"count {shorten(text)} is outside the limit", help=f"from 1 to {MOST_DOSES} doses")
    return int(text)


def relation(side: str, raw: Any) -> Relation:
    """The value of `before:` or `after:`, as in `{start of: cells, by: 30..60 min}`."""
    edges = [k for k in ("start of", "end of") if isinstance(raw, dict) and k in raw]
    if len(edges) != 1 or not set(raw) <= {*edges, "by"} or "by" not in raw:
        raise Misread(
            "NK202",
            f"{side}: needs start of: or end of: a line, and by:",
            help=f"write {side}: {{start of: cells, by: 30..60 min}}",
        )
    ref = reference(raw[edges[0]], default="each")
    return Relation(side, edges[0].split()[0], ref.which, ref.line, span(raw["by"]))


def relation_to(raw: Any) -> Relation:
    """The value of `first:` of a recurrence, as in `{after: end of last induction, by: 28 d}`."""
    sides = [k for k in ("before", "after") if isinstance(raw, dict) and k in raw]
    if len(sides) != 1 or set(raw) != {sides[0], "by"}:
        raise Misread(
            "NK202",
            "first: needs before: or after: a line, and by:",
            help="write first: {after: last induction, by: 28 d}",
        )
    text = _text(raw[sides[0]], "a line")
    edge, name = text.split(" of ", 1) if re.match(r"(start|end) of ", text) else ("start", text)
    ref = reference(name, default="first")
    if ref.which == "each":
        raise Misread("NK220", "a first dose cannot follow each dose of a line", help=f"write first or last {ref.line}")
    return Relation(sides[0], edge, ref.which, ref.line, span(raw["by"]))


def reference(raw: Any, *, default: str = "first") -> Reference:
    """`first cells`, `last induction`, `each cells`, or the bare line.

    >>> reference("each cells")
    Reference(which='each', line='cells')
    """
    match = re.fullmatch(r"(?:(first|last|each) )?([a-z][a-z0-9_-]*)", _text(raw, "a line"))
    if not match:
        raise Misread("NK220", f"{shorten(raw)} does not name a line", help="write for example first cells")
    return Reference(match[1] or default, match[2])


def span(raw: Any) -> Span:
    """`45 min`, `30..60 min` or `>= 4 h`."""
    text = normalise(_text(raw, "a duration"))
    if re.search(r"(mo|y)$", text):
        raise Misread("NK214", f"{shorten(text)} is not a distance between doses", help="write it in min, h, d or wk")
    if text.startswith(">="):
        return Span(duration(text[2:].strip()), None)
    match = re.fullmatch(r"([\d.]+?) ?(?:\.\.|-) ?([\d.]+ ?[a-z]+)", text)
    if not match:
        length = duration(text)
        return Span(length, length)
    high = duration(match[2])
    low = duration(f"{match[1]} {high.unit}")
    if low.number > high.number:
        raise Misread("NK205", f"range {shorten(text)} runs backwards", help=f"write {plain(high.number)}..{low}")
    middle = Span(low, high).nominal()
    if not middle.elapsed and middle.number != int(middle.number):
        raise Misread(
            "NK214",
            f"the middle of {shorten(text)} is not a whole number of days",
            help="write the intended length, and the slack as window:",
        )
    return Span(low, high)


def window(raw: Any) -> Window:
    """`-1..+3 d` around the nominal time.

    >>> str(window("-1..+3 d"))
    '−1 to +3 d'
    """
    match = re.fullmatch(r"([+-]?[\d.]+) ?\.\. ?\+?([\d.]+) ?(min|h|d|wk)", normalise(_text(raw, "a window")))
    if not match:
        raise Misread("NK221", f"{shorten(raw)} is not a window", help="write for example -1..+3 d")
    early, late = duration(f"{match[1].lstrip('+-')} {match[3]}"), duration(f"{match[2]} {match[3]}")
    if not match[1].startswith("-") and early.number != 0:
        raise Misread("NK221", f"window {shorten(raw)} does not hold the nominal time", help=f"write -{early}..+{late}")
    return Window(-early.number, late.number, match[3])


def clock(raw: Any) -> dt.time:
    """A time of day, `20:00`.

    >>> clock("20:00")
    datetime.time(20, 0)
    """
    text = _text(raw, "a time of day")
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    if not match:
        raise Misread("NK222", f"{shorten(text)} is not a time of day", help="write HH:MM, as in 20:00")
    return dt.time(int(match[1]), int(match[2]))


def _text(raw: Any, what: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise Misread("NK206", f"{shorten(raw)} is not {what}", help="write it as plain text")
    return raw.strip()
