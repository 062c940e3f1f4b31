"""Doses and tables for a person's eye, in the spelling of the ISMP list of error-prone abbreviations."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from decimal import Decimal

from nksim.errors import display_width
from nksim.units import grouped

_KEEP = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"


def dose_text(amount: Decimal, unit: str) -> str:
    """An amount as it may stand on a calendar: units spelled out, cells also in E-notation.

    >>> dose_text(Decimal("1200.00"), "mg"), dose_text(Decimal("2E8"), "cells")
    ('1,200 mg', '2 × 10^8 (2E8) cells')
    >>> dose_text(Decimal("781735.96"), "IU"), dose_text(Decimal("9000000"), "IU")
    ('781,736 units', '9 million units (9,000,000)')
    """
    if unit == "cells":
        power = amount.adjusted()
        head = grouped(amount.scaleb(-power))
        return f"{head} × 10^{power} ({head}E{power}) cells"
    if unit != "IU":
        return f"{grouped(amount)} {unit}"
    # Words only where they say the dose exactly; otherwise one rounding is enough.
    if amount >= 1_000_000 and amount % 10_000 == 0:
        return f"{grouped(amount / 1_000_000)} million units ({grouped(amount)})"
    return f"{grouped(amount)} units"


def in_words(calculation: str) -> str:
    """A calculation for a person: units for IU.

    >>> in_words("1,000,000 IU/m² × 0.781736 m²")
    '1,000,000 units/m² × 0.781736 m²'
    >>> in_words("unknown (IU or IU/m^2)?")
    'unknown (units or units/m^2)?'
    """
    return re.sub(r"(?<![^ (])IU\b", "units", calculation)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning where it is too long for its place.

    >>> shortened("a long name", 7)
    'a long…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def printable(text: str) -> str:
    """Text that can stand on a page: other blanks as spaces, control characters as a sign that something was there.

    >>> printable(f"a b{chr(0)}") == f"a b{chr(0xFFFD)}"
    True
    """
    blank = "".join(" " if c.isspace() and c != _KEEP else c for c in text)
    return "".join(c if c.isprintable() or c == _KEEP else "\N{REPLACEMENT CHARACTER}" for c in blank)


def signed(day: int) -> str:
    """A day number with a true minus sign.

    >>> signed(-7)
    '−7'
    """
    return str(day).replace("-", _MINUS)


def folded(text: str, width: int, *, first: str = "", rest: str = "") -> str:
    """A paragraph in lines of at most `width` columns; Chinese text breaks between any two characters.

    >>> print(folded("环磷酰胺 60 mg/kg，静脉输注", 14, rest="  "))
    环磷酰胺 60
      mg/kg，静脉
      输注
    """
    if not re.search("[\u4e00-\u9fff]", text):
        return textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest)
    lines, line = [], first
    for piece in re.findall(r"\s+|[!-\u2e7f]+|[（【]*.[，。；：、）】！？]*", text):
        if display_width(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = rest + piece.lstrip()
        else:
            line += piece
    return "\n".join([*lines, line.rstrip()])


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Aligned columns under a header line; columns in `right` are right-aligned.

    >>> print(table(["id", "n"], [["a", "1"], ["bb", "10"]], right=frozenset({1})))
    id   n
    a    1
    bb  10
    """
    widths = [max(display_width(r[i]) for r in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [_padded(text, widths[i], i in right) for i, text in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space
