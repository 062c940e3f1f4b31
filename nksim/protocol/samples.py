"""Samples around doses, `pre-dose, +1 h, +24 h`, and follow-up in calendar months."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nksim.errors import Misread, shorten
from nksim.protocol.times import Reference, reference
from nksim.units import Duration, duration, normalise
from nksim.words import listed, phrase, said

_EXAMPLE = 'write {end of: each cells, at: "pre-dose, +1 h, +24 h, +72 h"}'
MOST_MONTHS = 1200


@dataclass(frozen=True)
class Samples:
    """Times around the first, last or each dose of a line; None is pre-dose, the rest count from start or end."""

    edge: str
    of: Reference
    points: tuple[Duration | None, ...]

    def __str__(self) -> str:
        points = listed(said("pre-dose") if p is None else f"+{p}" for p in self.points)
        form = phrase("{points} from the start of {reference}")
        if self.edge == "end":
            form = phrase("{points} from the end of {reference}")
        return said(form, points=points, reference=self.of)


@dataclass(frozen=True)
class Months:
    """Calendar months from the anchor, each counted from the anchor itself."""

    months: tuple[int, ...]

    def __str__(self) -> str:
        form = (
            phrase("months {months} from the anchor")
            if len(self.months) > 1
            else phrase("month {months} from the anchor")
        )
        return said(form, months=", ".join(map(str, self.months)))


def samples(raw: Any) -> Samples:
    """`{end of: each cells, at: "pre-dose, +1 h, +24 h"}`; pre-dose is just before the start of the dose.

    >>> str(samples({"end of": "each cells", "at": "pre-dose, +1 h, +3 d"}))
    'pre-dose, +1 h, +3 d from the end of each cells'
    """
    edges = [k for k in ("start of", "end of") if isinstance(raw, dict) and k in raw]
    if len(edges) != 1 or set(raw) != {edges[0], "at"} or not isinstance(raw["at"], str):
        raise Misread("NK202", "samples: needs start of: or end of: a line, and at:", help=_EXAMPLE)
    points = tuple(_point(item.strip()) for item in normalise(raw["at"]).split(","))
    if len(set(points)) < len(points):
        raise Misread("NK209", f"a time stands twice in {shorten(raw['at'])}", help="list each time once")
    return Samples(edges[0].split()[0], reference(raw[edges[0]], default="each"), points)


def _point(text: str) -> Duration | None:
    if text in ("pre-dose", "predose"):
        return None
    if not text.startswith("+"):
        raise Misread("NK214", f"{shorten(text)} is not a time around a dose", help=_EXAMPLE)
    found = duration(text[1:])
    if found.unit in ("mo", "y"):
        raise Misread("NK214", f"{shorten(text)} is not a time around a dose", help="write it in min, h, d or wk")
    return found


def months(raw: Any) -> Months:
    """`3, 6, 12`: whole months in rising order.

    >>> months("3, 6, 12").months
    (3, 6, 12)
    """
    text = raw.strip() if isinstance(raw, str) else ""
    if not re.fullmatch(r"[1-9]\d{0,3}( ?, ?[1-9]\d{0,3})*", text, re.ASCII):
        raise Misread("NK206", f"{shorten(raw)} are not months", help="write months: 3, 6, 12")
    found = tuple(int(item) for item in text.split(","))
    if list(found) != sorted(set(found)) or found[-1] > MOST_MONTHS:
        raise Misread("NK209", f"months {shorten(raw)} do not rise", help="list each once, in rising order")
    return Months(found)
