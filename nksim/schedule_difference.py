"""Where two regimens differ, line by line and in words: what is given, how much, when, how and over how long."""

from __future__ import annotations

from dataclasses import dataclass

from nksim.protocol.choice import Choice
from nksim.protocol.model import Administration
from nksim.schedule.expansion import timed
from nksim.schedule.timing import Occasion, protocol_day


@dataclass(frozen=True)
class LineDifference:
    """One property of one line in two regimens; None where the regimen does not have the line."""

    line: str
    what: str
    first: str | None
    other: str | None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.line}: only here: {self.other}"
        if self.other is None:
            return f"{self.line}: not here (there: {self.first})"
        return f"{self.line}: {self.what} {self.first} → {self.other}"


def schedule_differences(first: Choice, other: Choice) -> tuple[LineDifference, ...]:
    """Differences of two answered choices; lines are the same where they give the same product or cells for cells.

    >>> from nksim.protocol.catalog import load
    >>> from nksim.protocol.choice import choose
    >>> a = choose(load("nkaml")); b = choose(load("nkaml"), settings=(("cells.days", "0, 7"),))
    >>> [str(d) for d in schedule_differences(a, b)]
    ['cells: days 0 → 0, 7']
    """
    left, right = _described(first), _described(other)
    found: list[LineDifference] = []
    for key, mine in left.items():
        if key not in right:
            found.append(LineDifference(mine["line"], "given", _whole(mine), None))
            continue
        theirs = right[key]
        found += [
            LineDifference(mine["line"], what, mine[what], theirs[what])
            for what in ("product", "dose", "days", "route", "over")
            if mine[what] != theirs[what]
        ]
    found += [LineDifference(x["line"], "given", None, _whole(x)) for key, x in right.items() if key not in left]
    return tuple(found)


def _described(choice: Choice) -> dict[str, dict[str, str]]:
    """Every line in words by what it gives; two lines of one product keep their own names."""
    occasions, found = timed(choice), {}
    for line in choice.arm.lines:
        product = choice.protocol.products.get(line.product)
        key = "cells" if product is not None and product.kind == "nk" else line.product
        found[key if key not in found else f"{key} {line.id}"] = _words(choice, line, occasions[line.id])
    return found


def _words(choice: Choice, line: Administration, occasions: tuple[Occasion, ...]) -> dict[str, str]:
    zero = bool(choice.protocol.numbering.zero.value)
    days = ", ".join(str(protocol_day(o.start.day, zero)).replace("-", "−") for o in occasions)
    dose, over = line.dose.chosen, line.over.chosen if line.over else None
    return {
        "line": line.id,
        "product": line.product,
        "dose": str(dose.value) if dose.value is not None else dose.text,
        "days": days,
        "route": line.route.chosen.text,
        "over": over.text if over is not None else "no duration",
    }


def _whole(line: dict[str, str]) -> str:
    return f"{line['product']} {line['dose']} {line['route']}, days {line['days']}"
