"""The pace of a trial from the options of `nksim escalate`, else from the protocol."""

from __future__ import annotations

from typing import Any

from nksim.dates import parse_date
from nksim.errors import Misread, UsageError, shorten
from nksim.trial.pace import Pace
from nksim.trial.plan import Plan, needed
from nksim.units import duration, quantity


def first(*values: Any) -> Any:
    """The first value that is there."""
    return next((value for value in values if value is not None), None)


def pace_of(given: dict[str, Any], plan: Plan) -> Pace:
    """The pace that options and protocol describe; raises `UsageError` NK811, NK812 or NK814 where they do not."""
    if plan.replace is False and given["not_evaluable"]:
        raise UsageError("NK814", "the protocol does not replace patients who are not evaluable, and nksim does",
                         help="leave --not-evaluable out")  # fmt: skip
    window = needed(first(_days(given, "window"), plan.window_d), "the DLT window", "--window 28d")
    opens = parse_date(given["opens"]) if given["opens"] else None
    return Pace(
        _number(given["accrual"]), window, plan.counted_from_d, _share(given, "screen_fail"),
        _share(given, "product_fail"), _share(given, "not_evaluable"), _days(given, "lead") or 0.0,
        first(_days(given, "within"), plan.within_d, 0.0), given["each"],
        first(_days(given, "between"), plan.between_d, 0.0), _share(given, "late", 0.5),
        given["closed"] == "weekends", opens.weekday() if opens else 0)  # fmt: skip


def _number(text: str) -> float:
    head = text.strip().removesuffix("/mo").strip()
    try:
        return float(head)
    except ValueError:
        raise UsageError(
            "NK811", f"--accrual {shorten(text)} is not a number", help="candidates per month: 2"
        ) from None


def _days(given: dict[str, Any], name: str) -> float | None:
    text = given[name]
    if text is None:
        return None
    try:
        return float(duration(text).minutes) / 1440
    except (Misread, KeyError):
        raise UsageError(
            "NK811", f"--{name} {shorten(text)} is not a length of time", help=f"write it in d or wk: --{name} 28d"
        ) from None


def _share(given: dict[str, Any], name: str, default: float = 0.0) -> float:
    text, option = given[name], name.replace("_", "-")
    if text is None:
        return default
    try:
        found = quantity(text)
        if found.unit != "%":
            raise Misread("NK811", "not a percentage")
    except Misread:
        raise UsageError(
            "NK811", f"--{option} {shorten(text)} is not a percentage", help=f'write --{option} "20 %"'
        ) from None
    return float(found.number) / 100
