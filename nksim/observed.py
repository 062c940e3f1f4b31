"""Observed values from a CSV, to be laid over modelled curves."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from nksim.errors import InvalidInput, shorten
from nksim.textfile import bytes_of, decoded

COLUMNS = ("trial", "arm", "day", "analyte", "statistic", "value", "unit", "n", "source")
_DAY = re.compile(r"(-?\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?")
# What each analyte is among the outputs, and the factor of each unit to the output's own.
_COUNTS = {"cells/uL": 1.0, "cells/µL": 1.0, "cells/mL": 1e-3, "10^9/L": 1e3}
_PARTS = {"%": 0.01, "fraction": 1.0, "1": 1.0}
_ANALYTES: dict[str, tuple[str, dict[str, float]]] = {
    "donor_nk": ("donor_nk", _COUNTS),
    "donor_nk_count": ("donor_nk", _COUNTS),
    "host_nk": ("host_nk", _COUNTS),
    "nk_chimerism": ("nk_chimerism", _PARTS),
    "donor_chimerism_in_nk": ("nk_chimerism", _PARTS),
    "donor_nk_pct": ("nk_chimerism", _PARTS),
    "alc": ("alc", _COUNTS),
    "il15": ("il15", {"pg/mL": 1.0}),
}


@dataclass(frozen=True)
class Observed:
    """One published or measured value of an output, in the output's unit, on a day or a range of days."""

    output: str
    day: float
    earliest: float
    latest: float
    value: float
    who: str
    text: str
    source: str


def read_observed(path: str | Path) -> tuple[Observed, ...]:
    """Values of a CSV with the columns trial, arm, day, analyte, statistic, value, unit, n, source.

    Rows without a numbered day (or range, 7-14) or of an analyte that is no output are passed over. Raises
    `UnreadableInput` NK100 or `InvalidInput` NK101 for a file that cannot be read, NK721 (columns) or NK722 (a value or
    unit that is none, with its line).
    """
    text = decoded(bytes_of(path), str(path), save_as="CSV in UTF-8")
    rows = csv.DictReader(text.splitlines())
    missing = [c for c in COLUMNS if c not in (rows.fieldnames or ())]
    if missing:
        raise InvalidInput("NK721", f"{shorten(path)} has no column {missing[0]}", help=f"columns {', '.join(COLUMNS)}")
    return tuple(o for row in rows if (o := _one(row, f"{path}:{rows.line_num}")) is not None)


def _one(row: dict[str, str], where: str) -> Observed | None:
    output, units = _ANALYTES.get(row["analyte"].strip().casefold(), ("", {}))
    day = _DAY.fullmatch(row["day"].strip())
    if not output or day is None:
        return None
    ends = (float(day[1]), float(day[2] or day[1]))
    try:
        value = float(row["value"]) * units[row["unit"].strip()]
    except (KeyError, ValueError):
        found = f"{row['value']} {row['unit']}"
        help_ = f"a number with one of the units {', '.join(units)}"
        raise InvalidInput("NK722", f"{where}: {shorten(found)} is not a value of {output}", help=help_) from None
    who = " ".join(filter(None, (row["trial"], row["arm"])))
    text = f"{who}, day {row['day']}: {row['statistic']} {row['value']} {row['unit']} (n = {row['n'] or 'not given'})"
    return Observed(output, (ends[0] + ends[1]) / 2, *ends, value, who, text, row["source"])
