"""What trials printed, from a CSV file, with all of its faults at once."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from nksim.errors import Fault, InvalidInput, Place, shorten
from nksim.textfile import bytes_of, decoded

__all__ = ["COLUMNS", "Observation", "parse_observations", "read_observations"]

COLUMNS = ("trial", "arm", "day", "analyte", "statistic", "value", "unit", "n", "source")
# Statistics that are compared, and those that only say that a value was printed.
QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
COUNTED = ("count", "fraction")
SINGLE = ("individual",)
BOUNDS = ("lower_bound", "upper_bound")
UNNAMED = ("reported", "reported_typical", "approx", "mean_or_median")
OTHER = ("mean", "geomean")
QUALITATIVE = ("qualitative",)
STATISTICS = (*QUANTILES, *OTHER, *COUNTED, *SINGLE, *BOUNDS, *UNNAMED, *QUALITATIVE)
# Of the rows of one key the values must rise in this order.
_RISING = ("min", "q25", "median", "q75", "max")
_DAY = re.compile(r"(>=)?(-?\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Observation:
    """One printed value; `days` is the first and last day it may belong to, None where no day is printed.

    `who` names the patient of an individual value; `n` is the number of patients behind it, 0 where not printed;
    `value` is nan for what was said in words.
    """

    trial: str
    arm: str
    days: tuple[float, float] | None
    analyte: str
    statistic: str
    who: str
    value: float
    unit: str
    n: int
    source: str
    level: str
    note: str
    place: Place

    @property
    def day_text(self) -> str:
        """The day as it would be written."""
        if self.days is None:
            return ""
        first, last = self.days
        return f"≥{first:g}" if last == float("inf") else f"{first:g}" if first == last else f"{first:g}–{last:g}"


def read_observations(path: str | Path) -> tuple[Observation, ...]:
    """The observations of a CSV file (UTF-8, comma separated) with the columns `COLUMNS`; level and note may follow.

    Raises `UnreadableInput` NK100, or `InvalidInput` with each line at fault.
    """
    return parse_observations(bytes_of(path), str(path))


def parse_observations(data: bytes, file: str) -> tuple[Observation, ...]:
    """The observations written in `data`; `file` names it in faults.

    >>> head = b"trial,arm,day,analyte,statistic,value,unit,n,source"
    >>> rows = parse_observations(head + b"\\nT,A,14,donor_nk_count,median,5.8,cells/uL,10,here", "o.csv")
    >>> rows[0].value, rows[0].days
    (5.8, (14.0, 14.0))
    """
    reader = csv.DictReader(io.StringIO(decoded(data, file, save_as="CSV in UTF-8"), newline=""), strict=True)
    try:
        _check_header(reader.fieldnames or (), file)
        records = [(reader.line_num, dict(row)) for row in reader]
    except csv.Error as error:
        raise InvalidInput(
            "NK111", f"not CSV: {error}", place=Place(file, reader.line_num), help="quote commas"
        ) from None
    faults: list[Fault] = []
    found: list[Observation] = []
    for line, row in records:
        place = Place(file, line)
        if None in row or None in row.values():
            faults.append(Fault("NK112", "more or fewer fields than the header has", place, "one for each column"))
            continue
        made, wrong = _observation({k: (v or "").strip() for k, v in row.items()}, place)
        faults += wrong
        if made is not None:
            found.append(made)
    faults += _contradictions(found)
    if not faults and not found:
        faults.append(Fault("NK102", "the file has no observations", Place(file), "add a row below the header"))
    if faults:
        raise InvalidInput(faults)
    return tuple(found)


def _check_header(names: Sequence[str], file: str) -> None:
    faults = [
        Fault("NK110", f"column {name} is missing", Place(file, 1), f"columns: {', '.join(COLUMNS)}")
        for name in COLUMNS
        if name not in names
    ]
    faults += [
        Fault("NK110", f"column {shorten(name)} stands twice", Place(file, 1), "keep one")
        for name in sorted({n for n in names if list(names).count(n) > 1})
    ]
    if faults:
        raise InvalidInput(faults)


def _observation(row: dict[str, str], place: Place) -> tuple[Observation | None, list[Fault]]:
    faults: list[Fault] = []
    kind, _, who = row["statistic"].partition(":")
    if kind == "range":
        faults.append(Fault("NK671", "a range is two values", place, "write a row for min and a row for max"))
    elif kind not in STATISTICS:
        known = f"one of {', '.join(STATISTICS)} (individual:PATIENT)"
        faults.append(Fault("NK671", f"no statistic {shorten(row['statistic'])}", place, known))
    days = _days(row["day"])
    if row["day"] and days is None:
        faults.append(Fault("NK672", f"day {shorten(row['day'])} is not a day", place, "write 14, 7-14 or >=14"))
    value = _number(row["value"])
    if value is None and kind not in QUALITATIVE:
        faults.append(Fault("NK673", f"value {shorten(row['value'])} is not a number", place, "write 5.8"))
    count = _number(row["n"]) if row["n"] else 0.0
    if count is None or count < 0 or count != int(count):
        faults.append(Fault("NK674", f"n {shorten(row['n'])} is not a number of patients", place, "write 10"))
    if not row["trial"] or not row["analyte"]:
        faults.append(Fault("NK110", "trial or analyte is empty", place, "name both"))
    if faults or count is None:
        return None, faults
    number, n = float("nan") if value is None or kind in QUALITATIVE else value, int(count)
    faults += _impossible(kind, number, row["unit"], n, place)
    made = Observation(
        row["trial"], row["arm"], days, row["analyte"], kind, who, number, row["unit"], n, row["source"],
        row.get("level", ""), row.get("note", ""), place,
    )  # fmt: skip
    return (None if faults else made), faults


def _impossible(kind: str, value: float, unit: str, n: int, place: Place) -> list[Fault]:
    """What a value cannot be, whatever it is of."""
    faults = []
    if value < 0:
        faults.append(Fault("NK675", f"a value of {value:g} is negative", place, "check the sign"))
    if kind in (*QUANTILES, *COUNTED, *OTHER) and n < 1:
        faults.append(Fault("NK674", f"a {kind} needs the number of patients", place, "give n"))
    if kind == "count" and (value > n > 0 or value != int(value)):
        faults.append(Fault("NK675", f"{value:g} of {n} patients cannot be", place, "a whole number up to n"))
    if kind == "fraction" and value > (100 if unit == "%" else 1):
        faults.append(
            Fault("NK675", f"a fraction of {value:g} cannot be", place, "0 to 1, or 0 to 100 with the unit %")
        )
    if unit == "%" and value > 100:
        faults.append(Fault("NK675", f"{value:g} % of cells cannot be", place, "0 to 100"))
    return faults


def _contradictions(found: Sequence[Observation]) -> list[Fault]:
    """Rows that cannot both be true: one thing said twice, or quantiles that do not rise."""
    faults: list[Fault] = []
    seen: dict[tuple[object, ...], Observation] = {}
    groups: dict[tuple[object, ...], dict[str, Observation]] = {}
    for o in found:
        key = (o.trial, o.arm, o.days, o.analyte, o.statistic, o.who)
        other = seen.setdefault(key, o)
        if other is not o and other.value != o.value:
            text = f"{o.analyte} {o.statistic} is {o.value:g} here and {other.value:g} on line {other.place.line}"
            faults.append(Fault("NK676", text, o.place, "keep one"))
        if o.statistic in _RISING:
            groups.setdefault((o.trial, o.arm, o.days, o.analyte, o.unit), {}).setdefault(o.statistic, o)
    for rows in groups.values():
        given = [rows[s] for s in _RISING if s in rows]
        for low, high in pairwise(given):
            if low.value > high.value:
                text = f"the {high.statistic} {high.value:g} is below the {low.statistic} {low.value:g}"
                faults.append(Fault("NK676", f"{text} of line {low.place.line}", high.place, "check both values"))
    return faults


def _days(text: str) -> tuple[float, float] | None:
    found = _DAY.fullmatch(text)
    if found is None or (found[1] and found[3]):
        return None
    first = float(found[2])
    last = float("inf") if found[1] else float(found[3] or found[2])
    return (first, last) if first <= last else None


def _number(text: str) -> float | None:
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII) is None:
        return None
    return float(text)
