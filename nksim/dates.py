"""Dates as people write them."""

from __future__ import annotations

import datetime as dt
import re

from nksim.errors import InvalidInput, shorten


def parse_date(text: str) -> dt.date:
    """A date written YYYY-MM-DD, from 1990 to 2150; raises `InvalidInput` NK406.

    >>> parse_date("2028-02-29")
    datetime.date(2028, 2, 29)
    """
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise InvalidInput("NK406", f"{shorten(text)} is not a date", help="write YYYY-MM-DD")
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("NK406", f"there is no date {shorten(text)}", help="is the day in that month?") from None
    if not 1990 <= date.year <= 2150:
        raise InvalidInput("NK406", f"the year of {text} is not plausible", help="a date from 1990 to 2150")
    return date
