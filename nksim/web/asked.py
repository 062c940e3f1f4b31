"""What a page's address asks for: regimens with answers, a patient without a name, dates, and how to simulate."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

from nksim.errors import UsageError, shorten

MOST_FIELDS, LONGEST_VALUE, LONGEST_QUERY = 300, 300, 16_000
MOST_PATIENTS, MOST_DAYS = 20_000, 365
# Patients times outputs in time times regimens: some ten seconds of two processors.
MOST_VALUES = 30_000_000
STEPS_A_DAY = 4
LANGUAGES = ("en", "zh")
PEOPLE = ("patient", "trial")
UPLOADED = re.compile(r"upload-[0-9a-f]{64}")
_BODY = ("weight", "height", "age", "sex", "creatinine", "ideal_weight")
_PATH = re.compile(r"[A-Za-z0-9_-]{1,40}([.][A-Za-z0-9_-]{1,40}){1,3}")
_PREFIXES = ("", "b.", "c.")


@dataclass(frozen=True)
class RegimenAsked:
    """A protocol by its id, or by the hash of an upload, with arm, level and answers."""

    protocol: str
    arm: str | None = None
    level: int | None = None
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Asked:
    """Everything that one view shows; `query` writes it as an address, `parse` reads it back."""

    regimens: tuple[RegimenAsked, ...] = ()
    assume: bool = False
    weight: str | None = None
    height: str | None = None
    age: str | None = None
    sex: str | None = None
    creatinine: str | None = None
    ideal_weight: str | None = None
    day0: str | None = None
    tz: str | None = None
    cells_at: str = "10:00"
    weekends: bool = False
    people: str = "patient"
    n: int = 200
    seed: int = 1
    days: int = 90
    output: str | None = None
    lang: str = "en"
    files: tuple[tuple[str, bytes], ...] = field(default=(), compare=False, repr=False)

    @property
    def body(self) -> dict[str, str | None]:
        """What is known of the patient, under the names that `nksim.Patient` takes."""
        return {name: getattr(self, name) for name in _BODY}

    @property
    def fixed(self) -> dict[str, str | None]:
        """What is fixed for every virtual patient."""
        return {name: getattr(self, name) if self.people == "patient" else None for name in _BODY[:-1]}

    def commands(self) -> dict[str, str]:
        """The command lines that give the same calendar and the same curves; without one where there is none."""
        first = self.regimens[0]
        accept = ["--assume"] if self.assume else []
        site = _flags({"day0": self.day0, "tz": self.tz, "cells_at": self.cells_at})
        site += ["--closed", "weekends"] if self.weekends else []
        found = {"calendar": ["calendar", first.protocol, *_options(first), *accept, *_flags(self.body), *site]}
        run = ["-n", str(self.n), "--seed", str(self.seed), "--days", str(self.days), *_flags(self.fixed), *accept]
        if len(self.regimens) == 1:
            found["simulate"] = ["simulate", first.protocol, *_options(first), *run]
        elif (several := _several(self.regimens)) is not None:
            found["simulate"] = ["compare", *several, *run]
        return {name: shlex.join(["nksim", *words]) for name, words in found.items()}


def _flags(values: Mapping[str, str | None]) -> list[str]:
    """Options of the command line, those with a value."""
    return [word for name, value in values.items() if value for word in (f"--{name.replace('_', '-')}", value)]


def _options(asked: RegimenAsked, whose: str = "") -> list[str]:
    found = ["--arm", asked.arm] if asked.arm else []
    found += ["--level", str(asked.level)] if asked.level else []
    for path, value in asked.answers:
        found += ["--set", f"{whose}{path}={value}"]
    return found


def _several(regimens: Sequence[RegimenAsked]) -> list[str] | None:
    """Arguments of `nksim compare`, where its options can tell the regimens apart."""
    names = [r.protocol for r in regimens]
    if len(set(names)) < len(names) or any(r.arm or r.level for r in regimens):
        return None
    return [*names, *(text for r in regimens for text in _options(r, f"{r.protocol}:"))]


def refuse(message: str, help: str) -> UsageError:
    """The error of an address that says what cannot be."""
    return UsageError("NK753", message, help=help)


def parse(query: str) -> Asked:
    """The view that a query string asks for; raises `UsageError` NK753 for what it cannot mean.

    >>> parse("protocol=jk500&weight=20&f.cells.days=0,+7").regimens[0].answers
    (('cells.days', '0, 7'),)
    """
    if len(query) > LONGEST_QUERY:
        raise refuse(f"the address has {len(query)} characters", f"at most {LONGEST_QUERY}")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise refuse("the address cannot be read", f"at most {MOST_FIELDS} fields of UTF-8 text") from None
    given: dict[str, str] = {}
    for name, raw in pairs:
        value = " ".join(raw.split())
        if len(value) > LONGEST_VALUE or not value.isprintable():
            raise refuse(f"{shorten(name)} holds what no field holds", f"at most {LONGEST_VALUE} printable characters")
        if name in given and value:
            raise refuse(f"{shorten(name)} stands twice in the address", "leave it once")
        if value:
            given[name] = value
    return _read(given)


def _read(given: dict[str, str]) -> Asked:
    regimens = tuple(found for prefix in _PREFIXES if (found := _regimen(given, prefix)))
    values: dict[str, Any] = {}
    for name in (f.name for f in fields(Asked) if f.name not in ("regimens", "files")):
        if (text := given.pop(name, None)) is None:
            continue
        if name in ("n", "seed", "days"):
            values[name] = _whole(name, text)
        elif name in ("assume", "weekends"):
            values[name] = _one_of(name, text, ("1",)) == "1"
        elif name in _CHOICES:
            values[name] = _one_of(name, text, _CHOICES[name])
        else:
            values[name] = text
    if given:
        raise refuse(f"no field {shorten(next(iter(given)))}", "go back to the page and fill in its fields")
    asked = Asked(regimens, **values)
    _check_size(asked)
    return asked


_CHOICES = {"people": PEOPLE, "lang": LANGUAGES, "sex": ("F", "M")}


def _regimen(given: dict[str, str], prefix: str) -> RegimenAsked | None:
    """The regimen whose fields begin with `prefix`; answers without a protocol are dropped."""
    marks = f"{prefix}f."
    answers = [(name.removeprefix(marks), given.pop(name)) for name in sorted(given) if name.startswith(marks)]
    for path, _ in answers:
        if not _PATH.fullmatch(path):
            raise refuse(f"{shorten(path)} names no fact", "go back to the page and fill in its fields")
    protocol, arm, level = (given.pop(f"{prefix}{name}", None) for name in ("protocol", "arm", "level"))
    if protocol is None:
        return None
    return RegimenAsked(protocol, arm, _whole("level", level) if level else None, tuple(answers))


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        raise refuse(f"{name} {shorten(text)} is not a whole number", "write digits only")
    return int(text)


def _one_of(name: str, text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        raise refuse(f"{name} {shorten(text)} is not known", f"one of {', '.join(allowed)}")
    return text


def _check_size(asked: Asked) -> None:
    """A run that would keep the machine for minutes belongs on the command line."""
    if not 1 <= asked.n <= MOST_PATIENTS or not 1 <= asked.days <= MOST_DAYS:
        raise UsageError(
            "NK757",
            f"{asked.n:,} patients over {asked.days:,} days are not for this page",
            help=f"1 to {MOST_PATIENTS:,} patients and 1 to {MOST_DAYS} days; larger ones with `nksim simulate`",
        )
    size = asked.n * asked.days * STEPS_A_DAY * max(1, len(asked.regimens))
    if size > MOST_VALUES:
        raise UsageError(
            "NK757",
            f"{size:,} values are too many for this page",
            help=f"fewer patients or days: at most {MOST_VALUES:,} patients x times; larger with `nksim simulate`",
        )


def pairs_of(asked: Asked) -> Iterator[tuple[str, str]]:
    """The fields of an address, in one order, without those at their default."""
    for prefix, r in zip(_PREFIXES, asked.regimens, strict=False):
        yield f"{prefix}protocol", r.protocol
        if r.arm:
            yield f"{prefix}arm", r.arm
        if r.level:
            yield f"{prefix}level", str(r.level)
        yield from ((f"{prefix}f.{path}", value) for path, value in r.answers)
    for f in fields(Asked):
        value = getattr(asked, f.name)
        if f.name not in ("regimens", "files") and value not in (f.default, None):
            yield f.name, "1" if value is True else str(value)


def query(asked: Asked, **changed: str) -> str:
    """The address of a view, which `parse` reads back.

    >>> query(parse("weight=20&protocol=nkaml"), lang="zh")
    'protocol=nkaml&weight=20&lang=zh'
    """
    found = dict(pairs_of(asked))
    found.update(changed)
    return urlencode(found)
