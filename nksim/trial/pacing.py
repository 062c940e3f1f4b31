"""The pace of a trial from what the user asks, else from the protocol."""

from __future__ import annotations

import datetime as dt
from typing import Any

from nksim.errors import Misread, UsageError, shorten
from nksim.schedule.calendar import parse_date, zone
from nksim.schedule.closures import Site, site_of
from nksim.trial.asked import Asked
from nksim.trial.opendays import open_days
from nksim.trial.pace import Pace
from nksim.trial.plan import Plan, needed
from nksim.units import duration, quantity


def first(*values: Any) -> Any:
    """The first value that is there."""
    return next((value for value in values if value is not None), None)


def pace_of(asked: Asked, plan: Plan) -> Pace:
    """The pace that options and protocol describe; raises `UsageError` NK811, NK812 or NK814 where they do not."""
    window = needed(first(_days(asked, "window"), plan.window_d), "the DLT window", "--window 28d")
    opens = opening(asked)
    site = site_for(asked)
    holidays = None
    if site is not None and asked.closed != ("weekends",):
        holidays = open_days(site, needed(opens, "the day on which accrual opens", "--opens 2027-03-01"))
    return Pace(
        _number(asked.accrual), window, plan.counted_from_d, _share(asked, "screen_fail"),
        _share(asked, "product_fail"), _share(asked, "not_evaluable"), _days(asked, "lead") or 0.0,
        first(_days(asked, "within"), plan.within_d, 0.0), asked.each,
        first(_days(asked, "between"), plan.between_d, 0.0), _share(asked, "late", 0.5),
        "weekends" in asked.closed, opens.weekday() if opens else 0, plan.replace is not False, holidays)  # fmt: skip


def opening(asked: Asked) -> dt.date | None:
    """The date on which accrual opens, where it is given."""
    return parse_date(asked.opens) if asked.opens else None


def site_for(asked: Asked) -> Site | None:
    """The site with what closes it, None where nothing does."""
    return site_of(asked.closed, tz=zone(asked.tz) if asked.tz else dt.UTC) if asked.closed else None


def _number(given: str | float | None) -> float:
    head = str(given).strip().removesuffix("/mo").strip()
    try:
        return float(head)
    except ValueError:
        raise UsageError(
            "NK811", f"--accrual {shorten(head)} is not a number", help="candidates per month: 2"
        ) from None


def _days(asked: Asked, name: str) -> float | None:
    text: str | None = getattr(asked, name)
    if text is None:
        return None
    try:
        return float(duration(text).minutes) / 1440
    except (Misread, KeyError):
        raise UsageError(
            "NK811", f"--{name} {shorten(text)} is not a length of time", help=f"write it in d or wk: --{name} 28d"
        ) from None


def _share(asked: Asked, name: str, default: float = 0.0) -> float:
    option = name.replace("_", "-")
    text: str | None = getattr(asked, name)
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
