"""Options that several commands share, and how they become a regimen or a patient."""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nksim.errors import Fault, NksimError, UsageError, shorten

if TYPE_CHECKING:
    from nksim.patient import Patient
    from nksim.regimen import Regimen
    from nksim.schedule.finding import Finding

F = TypeVar("F", bound=Callable[..., Any])
MOST_FAULTS = 20
# A bar is for work that takes longer.
PATIENCE_S = 0.5


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, shown in this order."""

    def apply(function: F) -> F:
        for decorate in reversed(decorators):
            function = decorate(function)
        return function

    return apply


selection = together(
    click.option("--arm", metavar="NAME", help="The arm, where the protocol has several."),
    click.option("--level", type=int, metavar="N", help="The dose level, where the protocol escalates."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="PATH=VALUE",
        help='Answer a fact, e.g. --set cells.dose="1e7 cells/kg". Repeatable.',
    ),
)
choices = together(
    selection,
    click.option("--assume", is_flag=True, help="Accept the doses and days that the protocol file assumes."),
    click.option("--strict", is_flag=True, help="Exit with 1 when a check finds anything that is not waived."),
)
body = together(
    click.option("--weight", metavar="KG", help="Actual body weight, e.g. 20kg."),
    click.option("--height", metavar="CM", help="Height, e.g. 110cm."),
    click.option("--age", metavar="AGE", help="Age, e.g. 6y or 18mo."),
    click.option("--sex", metavar="F|M", help="F or M."),
    click.option("--creatinine", metavar="UMOL/L", help="Serum creatinine, e.g. 40umol/L; gives the eGFR."),
)
waive = click.option(
    "--waive",
    "waivers",
    multiple=True,
    metavar="CODE=REASON",
    help='Overrule a check, e.g. --waive NK312="agreed with the sponsor"; kept in every output. Repeatable.',
)
lang = together(
    click.option(
        "--lang",
        type=click.Choice(("en", "zh")),
        default="en",
        show_default=True,
        help="Language for a person's eye: English or Simplified Chinese.",
    )
)
outputs = together(
    click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        metavar="FILE",
        help="Write FILE in the format of its suffix. Repeatable.",
    ),
    click.option("--force", is_flag=True, help="Replace existing files."),
)


def command_line() -> str:
    """The command as typed, for provenance."""
    return shlex.join(["nksim", *click.get_current_context().find_root().obj])


def regimen(
    name: str,
    *,
    arm: str | None,
    level: int | None,
    settings: Sequence[tuple[str, str]],
    assume: bool,
    waivers: Sequence[str] = (),
) -> Regimen:
    """The regimen that the common options describe."""
    from nksim.protocol.catalog import file_of, load
    from nksim.regimen import Regimen
    from nksim.schedule.waivers import waivers as read

    return Regimen(
        load(name),
        arm,
        level,
        tuple(settings),
        assume,
        command=command_line(),
        waivers=read(waivers),
        file=file_of(name),
    )


def parsed_settings(settings: Sequence[str]) -> list[tuple[str, str]]:
    """`PATH=VALUE` pairs; raises `UsageError` NK506 where there is no `=`."""
    pairs = []
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals or "." not in path or not value.strip():
            raise UsageError(
                "NK506", f"--set {shorten(text)} is not PATH=VALUE", help='write --set cells.dose="1e7 cells/kg"'
            )
        pairs.append((path.strip(), value.strip()))
    return pairs


def patient(**given: str | None) -> Patient:
    """The patient that the body options describe."""
    from nksim.patient import Patient

    return Patient(**given)  # type: ignore[arg-type]


def stated_time(text: str) -> str:
    """A time as it was stated; `now` is SOURCE_DATE_EPOCH where that is set, otherwise the clock's, to the second.

    Raises `UsageError` NK522 for a SOURCE_DATE_EPOCH that is no number of seconds.
    """
    if text != "now":
        return text
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    if not (epoch.isascii() and epoch.isdigit() and int(epoch) < 4102444800):
        raise UsageError("NK522", f"SOURCE_DATE_EPOCH {shorten(epoch)} is not a time", help="seconds since 1970 in UTC")
    return f"{dt.datetime.fromtimestamp(int(epoch), dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def checked_outputs(outputs: Sequence[str], suffixes: Sequence[str], *, force: bool) -> list[Path]:
    """The output paths, each with a known suffix and free to be written, before any work is done."""
    from nksim.output.files import check_free

    paths = [Path(o) for o in outputs]
    for path in paths:
        if path.suffix[1:] not in suffixes:
            raise UsageError(
                "NK703",
                f"no format for {shorten(path.name)}",
                help=f"a name ending in {', '.join(f'.{s}' for s in suffixes)}",
            )
        check_free(path, force=force)
    if len(set(paths)) < len(paths):
        raise UsageError("NK703", "one file is named twice", help="name each output once")
    return paths


def complain(error: NksimError) -> None:
    """Prints the faults of an error, the first of them where there are very many."""
    for fault in error.faults[:MOST_FAULTS]:
        talk(fault)
    if len(error.faults) > MOST_FAULTS:
        talk(f"… and {len(error.faults) - MOST_FAULTS} more")


def wants_json(args: Sequence[str]) -> bool:
    """Whether a command line asks for JSON on stdout, and so for its errors in the same form."""
    pairs = pairwise([*args, ""])
    return any(a in ("--json", "--format=json") or (a, b) == ("--format", "json") for a, b in pairs)


def complain_as_json(faults: Iterable[Fault], exit_code: int) -> None:
    """Every fault as one JSON document on stderr."""
    listed = [fault.as_dict() for fault in faults]
    content = {"schema_version": 1, "kind": "error", "exit_code": exit_code, "faults": listed}
    talk(json.dumps(content, ensure_ascii=False, indent=2))


def report(findings: Iterable[Finding], waivers: Sequence[tuple[str, str]], *, of: str = "") -> None:
    """Says each finding once, and which waivers found nothing to waive."""
    from nksim.schedule.waivers import idle

    found = list(dict.fromkeys(findings))
    for finding in found:
        talk(f"{finding}{of}")
    for code in idle(found, waivers):
        talk(f"note: --waive {code} had nothing to waive")


def progress(label: str) -> Callable[[int, int], None] | None:
    """A bar on a terminal's stderr that goes with long work; nothing anywhere else, nor for what is done at once."""
    if not sys.stderr.isatty():
        return None
    started, shown = time.monotonic(), False

    def show(done: int, total: int) -> None:
        nonlocal shown
        if not shown and (done >= total or time.monotonic() - started < PATIENCE_S):
            return
        shown, width = True, 30
        filled = done * width // total
        end = "\n" if done >= total else ""
        click.echo(f"\r{label} [{'#' * filled}{'-' * (width - filled)}] {done:,} of {total:,}{end}", err=True, nl=False)

    return show


def talk(message: object) -> None:
    """Says something to the person at the terminal, away from the data."""
    click.echo(str(message), err=True)
