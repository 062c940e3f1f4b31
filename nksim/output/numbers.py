"""Modelled numbers for a person's eye."""

from __future__ import annotations

import math
from decimal import Decimal

from nksim.units import grouped

WIDTH = 110


def number(value: float) -> str:
    """A modelled number at four significant digits, a dash where there is none.

    >>> number(5.8123), number(1234.5), number(2.9e8), number(0.000123), number(13.0)
    ('5.812', '1,234', '2.9E8', '1.23E-4', '13')
    """
    if not math.isfinite(value):
        return "–"
    if value and not 1e-3 <= abs(value) < 1e7:
        head, power = f"{value:.3E}".split("E")
        return f"{head.rstrip('0').rstrip('.')}E{int(power)}"
    return grouped(Decimal(f"{value:.4g}"))


def signed_number(value: float) -> str:
    """The same with its sign, a true minus.

    >>> signed_number(0.5), signed_number(-2.0), signed_number(0.0)
    ('+0.5', '−2', '0')
    """
    text = number(value)
    return f"+{text}" if value > 0 else text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text


def interval(low: float, high: float) -> str:
    """Both ends of an interval of differences, a dash where there is none."""
    return f"{signed_number(low)} to {signed_number(high)}" if math.isfinite(low) else "–"
