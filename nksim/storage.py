"""Calendars as they lie in files: what a JSON, CSV or ICS file of nksim says about how to make it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from nksim.errors import InvalidInput, Place, UsageError, shorten
from nksim.output.files import metadata_path
from nksim.output.language import LANGUAGES
from nksim.textfile import bytes_of

FORMS = ("json", "csv", "ics")


class _Door(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class AskedPatient(_Door):
    """A patient as the request of a calendar names one; units are in the names."""

    id: str
    weight_kg: float | None
    height_cm: float | None
    age_y: float | None
    sex: str | None
    creatinine_umol_l: float | None
    ideal_weight_kg: float | None
    weighed: str | None
    day0: str
    tz: str


class Asked(_Door):
    """What a calendar was asked for (`nksim.output.requests`)."""

    file: str | None
    arm: str | None
    level: int | None
    set: list[list[str]]
    assume: bool
    cells_at: str
    closed: list[str]
    closed_sha256: dict[str, str]
    hours: str | None
    shift: str
    prior: list[str]
    earliest: bool
    issued: str | None
    patients: list[AskedPatient]


class AskedChange(_Door):
    """An amendment as the log names it: what is needed to make it again."""

    model_config = ConfigDict(extra="ignore")

    when: str
    who: str | None
    patient: str
    change: str
    reason: str
    past: bool
    deviation: bool


class NamedProtocol(_Door):
    """The protocol behind a calendar."""

    id: str
    sha256: str


class KeptWaiver(_Door):
    """A check that was overruled, and why."""

    code: str
    reason: str


class Origin(_Door):
    """The provenance of a calendar."""

    nksim: str
    protocols: list[NamedProtocol]
    settings: list[str]
    parameter_set: None
    seed: None
    command: str | None
    waivers: list[KeptWaiver]
    request: Asked


@dataclass(frozen=True)
class Stored:
    """A calendar file: its format, its bytes, its whole content as plain data, and where it comes from.

    For a CSV content, origin and log stand in the metadata file beside it. `lang` is the language it is written in.
    """

    path: Path
    form: str
    data: bytes
    content: Any
    origin: Origin
    log: list[Any]
    changes: tuple[AskedChange, ...]
    lang: str = "en"


def opened(path: str | Path) -> Stored:
    """The calendar file at `path`.

    Raises `UnreadableInput` NK100 (no such file), `UsageError` NK730 (not a format that can be made again), or
    `InvalidInput` NK731 (not a calendar of nksim) and NK732 (a calendar without what is needed to make it again).
    """
    target = Path(path)
    form = target.suffix[1:]
    if form not in FORMS:
        raise UsageError(
            "NK730", f"no calendar of nksim is read from {shorten(target.name)}", help="a .json, .csv or .ics file"
        )
    data = bytes_of(target)
    if form == "json":
        content = parsed(data, target)
        if not isinstance(content, dict) or content.get("kind") != "calendar":
            raise InvalidInput(
                "NK731",
                "this is not a calendar of nksim",
                place=Place(str(target)),
                help="make one with nksim calendar -o x.json",
            )
        return _carrying(target, form, data, content.get("provenance"), content.get("log"), content)
    if form == "csv":
        about = metadata_path(target)
        held = parsed(bytes_of(about), about)
        source = held.get("dc:source") if isinstance(held, dict) else None
        source = source if isinstance(source, dict) else {}
        return _carrying(target, form, data, {k: v for k, v in source.items() if k != "log"}, source.get("log"), held)
    held = _record_of_ics(data, target)
    return _carrying(target, form, data, held.get("provenance"), held.get("log"), held)


def _carrying(path: Path, form: str, data: bytes, provenance: Any, log: Any, content: Any) -> Stored:
    if not isinstance(provenance, dict) or "request" not in provenance or not isinstance(log, list) or not log:
        raise InvalidInput(
            "NK732",
            "the file does not say how it was made: it lacks its request or its log",
            place=Place(str(path)),
            help="make it again with nksim calendar",
        )
    try:
        origin = Origin.model_validate(provenance)
        changes = tuple(AskedChange.model_validate(entry) for entry in log[1:])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(
            "NK732", f"its provenance or log cannot be read: {where}: {first['msg'].lower()}", place=Place(str(path))
        ) from None
    lang = content.get("lang", "en") if form == "ics" else "en"
    if lang not in LANGUAGES:
        raise InvalidInput("NK732", f"its language {shorten(lang)} is not known", place=Place(str(path)))
    return Stored(path, form, data, content, origin, log, changes, lang)


def parsed(data: bytes, path: Path) -> Any:
    """JSON from bytes; raises `InvalidInput` NK731 with the place where it stops being JSON."""
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refused, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidInput("NK731", f"byte {error.start} is not UTF-8", place=Place(str(path), line)) from None
    except json.JSONDecodeError as error:
        raise InvalidInput(
            "NK731", f"this is not JSON: {error.msg}", place=Place(str(path), error.lineno, error.colno)
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput("NK731", f"this is not JSON to rely on: {shorten(error)}", place=Place(str(path))) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: of two, one program reads the first and another the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)} is there twice")
    return found


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _record_of_ics(data: bytes, path: Path) -> dict[str, Any]:
    from icalendar import Calendar

    from nksim.output.ics import unpacked

    try:
        held = unpacked(str(Calendar.from_ical(data)["X-NKSIM-RECORD"]))
    except (ValueError, KeyError, AttributeError, TypeError, IndexError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise InvalidInput(
            "NK731", "this is not a calendar of nksim, or its record cannot be read", place=Place(str(path))
        )
    return held
