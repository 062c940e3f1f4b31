"""Patients from a CSV file, one row each, with all of its faults at once."""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nksim.errors import Fault, InvalidInput, NksimError, Place, shorten
from nksim.patient import Patient
from nksim.textfile import bytes_of, decoded

COLUMNS = ("id", "sex", "age_y", "birth_date", "weight_kg", "height_cm", "creatinine_umol_l", "weighed", "day0", "tz")
NEEDED = ("id", "weight_kg")
MOST_PATIENTS = 100_000


@dataclass(frozen=True)
class Entry:
    """A patient of the file with day 0 and zone where the row gives them."""

    patient: Patient
    day0: str | None
    tz: str | None
    place: Place
    columns: tuple[str, ...] = ()

    def at(self, column: str) -> Place:
        """The place of the patient's cell in a column, or of the row."""
        return _cell(self.place, self.columns, column)


@dataclass(frozen=True)
class Roster:
    """The patients of a file in its order, and the columns that were not used."""

    entries: tuple[Entry, ...]
    unused: tuple[str, ...]


def read_roster(path: str | Path) -> Roster:
    """The patients of a CSV file (UTF-8, comma separated, a header line).

    Columns: id and weight_kg are needed; sex, age_y or birth_date, height_cm, creatinine_umol_l, weighed, day0 and tz
    may be there. Raises `UnreadableInput` NK100, or `InvalidInput` naming each row and column at fault.
    """
    return parse_roster(bytes_of(path), str(path))


def parse_roster(data: bytes, file: str) -> Roster:
    """The patients written in `data`; `file` names it in faults.

    >>> parse_roster(b"id,weight_kg\\nP001,20\\n", "p.csv").entries[0].patient.weight_kg
    20.0
    """
    text = decoded(data, file, save_as="CSV in UTF-8")
    lines, source = list(_records(text, file)), text.splitlines()
    header, records = lines[0], lines[1:]
    names = [name.strip() for name in header[1]]
    _check_header(names, _row_place(file, header[0], source))
    faults: list[Fault] = []
    entries: list[Entry] = []
    first_line: dict[str, int] = {}
    for number, fields in records:
        place = _row_place(file, number, source)
        if len(fields) != len(names):
            faults.append(
                Fault(
                    "NK112",
                    f"{len(fields)} fields where the header has {len(names)}",
                    place,
                    "one field for each column",
                )
            )
            continue
        row = {n: f.strip() for n, f in zip(names, fields, strict=True)}
        try:
            entries.append(replace(_entry(row, place), columns=tuple(names)))
        except NksimError as error:
            faults += [replace(f, place=_cell_place(f, place, names)) for f in error.faults]
        if row["id"] in first_line:
            faults.append(
                Fault(
                    "NK113",
                    f"duplicate patient id {shorten(row['id'])}, first on line {first_line[row['id']]}",
                    place,
                    "one row for each patient",
                )
            )
        first_line.setdefault(row["id"], number)
    if not faults and not entries:
        faults.append(Fault("NK102", "the file has no patients", Place(file), "add a row below the header"))
    if faults:
        raise InvalidInput(faults)
    return Roster(tuple(entries), tuple(n for n in names if n not in COLUMNS))


def _row_place(file: str, line: int, source: list[str]) -> Place:
    """A whole row, with its text."""
    text = source[line - 1] if line <= len(source) else ""
    return Place(file, line, 1, max(1, len(text)), text)


# The first word of what is said about a patient names the column.
_ABOUT = {
    "id": "id",
    "weight": "weight_kg",
    "height": "height_cm",
    "age": "age_y",
    "creatinine": "creatinine_umol_l",
    **{name: name for name in COLUMNS},
}


def _cell_place(fault: Fault, row: Place, names: list[str]) -> Place:
    """The cell that a fault is about, or the row where it is about none, or where a row goes over several lines."""
    said = re.sub(r"^patient (?=id )|^patient .*?: ", "", fault.message)
    return _cell(row, names, _ABOUT.get(re.split(r"[ :]", said)[0], ""))


def _cell(row: Place, names: Sequence[str], column: str) -> Place:
    cells = list(re.finditer(r'("(?:[^"]|"")*"|[^,"]*)(?:,|$)', row.source_line or ""))
    if column not in names or len(cells) < len(names):
        return row
    cell = cells[names.index(column)]
    return Place(row.file, row.line, cell.start(1) + 1, max(1, len(cell[1])), row.source_line)


def _records(text: str, file: str) -> list[tuple[int, list[str]]]:
    """Non-empty records with the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for fields in reader:
            if any(f.strip() for f in fields):
                found.append((start, fields))
            start = reader.line_num + 1
            if len(found) > MOST_PATIENTS:
                raise InvalidInput(
                    "NK114", f"more than {MOST_PATIENTS} patients", place=Place(file), help="split the file"
                )
    except csv.Error as error:
        long = " too long" if "field larger" in str(error) else ""
        raise InvalidInput(
            "NK111",
            f"a field is{long or ' not CSV'}: {error}",
            place=Place(file, start),
            help="fields are short text, in double quotes where they hold a comma",
        ) from None
    if not found:
        raise InvalidInput("NK102", "the file is empty", place=Place(file), help="begin with a header: id,weight_kg,…")
    return found


def _check_header(names: list[str], place: Place) -> None:
    faults: list[Fault] = []
    if len(names) == 1 and re.search(r"[;\t|]", names[0]):
        separator = re.search(r"[;\t|]", names[0])
        faults.append(
            Fault(
                "NK110",
                f"the columns are separated by {shorten(separator[0] if separator else '')}",
                place,
                "save the file with commas",
            )
        )
    else:
        missing = [n for n in NEEDED if n not in names]
        for name in missing:
            others = {n.casefold(): n for n in names if n not in COLUMNS}
            near = difflib.get_close_matches(name, others, n=1)
            mend = f"is it {shorten(others[near[0]])}?" if near else f"columns: {', '.join(COLUMNS)}"
            faults.append(Fault("NK110", f"column {name} is missing", place, mend))
        faults += [
            Fault("NK110", f"column {shorten(n)} stands twice", place, "keep one")
            for n in sorted({n for n in names if names.count(n) > 1})
        ]
        if {"age_y", "birth_date"} <= set(names):
            faults.append(Fault("NK110", "columns age_y and birth_date are both there", place, "keep one"))
    if faults:
        raise InvalidInput(faults)


def _entry(row: dict[str, str], place: Place) -> Entry:
    patient = row["id"]
    faults: list[Fault] = []
    if not row["weight_kg"]:
        faults.append(Fault("NK405", f"patient {shorten(patient)}: weight_kg is empty", place, "give the weight in kg"))
    given = {name: row.get(name) or None for name in COLUMNS}
    day0, tz, age = given["day0"], given["tz"], given["age_y"]
    try:
        if day0 is not None:
            _date(day0, "day0", patient)
        if given["birth_date"] is not None:
            age = _age_on(_date(given["birth_date"], "birth_date", patient), day0, patient)
    except NksimError as error:
        faults += [Fault(f.code, f.message, place, f.help) for f in error.faults]
    try:
        found = Patient(
            id=patient,
            weight=given["weight_kg"],
            height=given["height_cm"],
            age=age,
            sex=given["sex"],
            creatinine=given["creatinine_umol_l"],
            weighed=given["weighed"],
            place=place,
        )
    except NksimError as error:
        faults += error.faults
    if faults:
        raise InvalidInput(faults)
    return Entry(found, day0, tz, place)


def _date(text: str, column: str, patient: str) -> dt.date:
    written = re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) is not None
    try:
        if written:
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    what, mend = (
        ("is no date of the calendar", "is the day in that month?")
        if written
        else ("is not a date", "write YYYY-MM-DD")
    )
    raise InvalidInput("NK406", f"patient {shorten(patient)}: {column} {shorten(text)} {what}", help=mend)


def _age_on(birth: dt.date, day0: str | None, patient: str) -> str:
    """Age in years on day 0, to a hundredth."""
    if day0 is None:
        raise InvalidInput(
            "NK403", f"patient {shorten(patient)}: birth_date needs day0 in the same row", help="give age_y"
        )
    days = (dt.date.fromisoformat(day0) - birth).days
    if days < 0:
        raise InvalidInput("NK403", f"patient {shorten(patient)} is born after day 0", help="check birth_date and day0")
    return f"{days / 365.25:.2f} y"
