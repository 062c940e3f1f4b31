"""The limits of the safety checks and where each stands: the one reader of `limits.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from nksim.shipped import shipped

_NUMBER = r"\d+(?:\.\d+)?(?:e\d+)?"
Severity = Literal["stop", "hold", "warning"]


@dataclass(frozen=True)
class LimitSource:
    """Where a limit stands: a title and the place within it."""

    title: str
    where: str
    url: str | None = None

    def __str__(self) -> str:
        return f"{self.title}: {self.where}"


@dataclass(frozen=True)
class Limit:
    """A number, or a lowest and a highest, with its unit; `standing` is published or proposal."""

    name: str
    low: Decimal
    high: Decimal
    unit: str
    text: str
    source: LimitSource
    standing: str
    why: str | None = None


@dataclass(frozen=True)
class Check:
    """A safety check: what it finds, and whether that stops, holds or only warns.

    A `stop` cannot be waived; a `hold` gives no calendar until it is waived with a reason. Checks `of_drugs` use the
    limits of each drug (`drug_limits`).
    """

    code: str
    severity: Severity
    what: str
    sources: tuple[LimitSource, ...]
    limits: tuple[Limit, ...]
    of_drugs: bool


def limit(name: str) -> Limit:
    """One limit by its name.

    >>> limit("rounding").high, limit("rounding").unit, limit("weight").low
    (Decimal('10'), '%', Decimal('0.4'))
    """
    held = _content()["limits"][name]
    match = re.fullmatch(rf"({_NUMBER})(?:\.\.({_NUMBER}))? ?(.*)", held["value"])
    assert match is not None, f"limit {name} in limits.yaml is not a number"
    low, high = Decimal(match[1]), Decimal(match[2] or match[1])
    return Limit(name, low, high, match[3], held["value"], source(held["source"]), held["standing"], held.get("why"))


@cache
def checks() -> dict[str, Check]:
    """Every safety check by its code.

    >>> checks()["NK310"].severity
    'stop'
    """
    return {
        code: Check(
            code,
            held["severity"],
            held["what"],
            tuple(source(s) for s in held["sources"]),
            tuple(limit(name) for name in held.get("limits", ())),
            held.get("of_drugs") == "yes",
        )
        for code, held in _content()["checks"].items()
    }


def drug_limits() -> dict[str, dict[str, Any]]:
    """What `limits.yaml` says of each drug, as text; `nksim.protocol.drugs` reads it into doses."""
    found: dict[str, dict[str, Any]] = _content()["drugs"]
    return found


def source(key: str) -> LimitSource:
    """One source of `limits.yaml`."""
    held = _content()["sources"][key]
    return LimitSource(held["title"], held["where"], held.get("url"))


@cache
def _content() -> dict[str, Any]:
    return shipped("nksim", "limits.yaml")
