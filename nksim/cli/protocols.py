"""`nksim protocols`: the catalogue, in words, with its gaps and sources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nksim.cli import options
from nksim.errors import NksimError, UsageError

if TYPE_CHECKING:
    from nksim.protocol.choice import Choice
    from nksim.protocol.model import Protocol


@click.group()
def protocols() -> None:
    """The catalogue: what each trial registers, and what it leaves open."""


@protocols.command("list")
def list_() -> None:
    """Shipped protocols with their registration, reading and number of open facts."""
    from nksim.output.protocols import listing
    from nksim.protocol.catalog import catalog, load

    click.echo(listing([load(name) for name in catalog()]))


@protocols.command()
@click.argument("protocol")
@click.option("--arm", metavar="NAME", help="One arm only.")
@options.lang
def show(protocol: str, arm: str | None, lang: str) -> None:
    """Every line of a protocol in words."""
    from nksim.output.description import in_full
    from nksim.output.language import language

    click.echo(in_full(_load(protocol), arm, language(lang)))


@protocols.command()
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Form of the faults.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def validate(files: tuple[str, ...], form: str, as_json: bool) -> int:
    """Checks protocol files (or ids); every fault of every file, exit code 1 if there is any."""
    from nksim.output.protocols import readings

    if as_json or form == "json":
        return _validate_as_json(files)
    worst = 0
    for file in files:
        try:
            found = _load(file)
        except NksimError as error:
            options.complain(error)
            worst = max(worst, error.exit_code)
        else:
            click.echo(f"{file}: ok, {found.id}, {len(found.arms)} arm{'s' if len(found.arms) > 1 else ''}")
            for reading in readings(found):
                click.echo(f"  {reading}")
    return worst


@protocols.command()
@click.argument("protocol")
@click.option("--rank", metavar="METRIC", help="Order by how much each moves METRIC in the model (takes seconds).")
@options.selection
def gaps(protocol: str, rank: str | None, arm: str | None, level: int | None, settings: tuple[str, ...]) -> None:
    """What is unknown or assumed, as a letter of questions to the sponsor.

    What --set answers is not asked; --arm asks about one arm alone.

    With --rank the questions come in the order of what they move; unknown doses and days need an answer to start
    from: nksim protocols gaps jk500 --rank persistence_d --set cells.dose="1e7 cells/kg" --set cells.days="0, 7, 14"
    """
    answers = options.parsed_settings(settings)
    if rank is None:
        from nksim.output.letter import letter
        from nksim.protocol.choice import answered_protocol

        if level is not None:
            raise UsageError(
                "NK505", "a letter is about all dose levels", help="leave --level out, or add --rank METRIC"
            )
        click.echo(letter(answered_protocol(_load(protocol), arm=arm, settings=answers)))
        return
    from nksim.output.inquiries import ranked_questions
    from nksim.run import rank_gaps

    chosen = options.regimen(protocol, arm=arm, level=level, settings=answers, assume=True)
    click.echo(ranked_questions(rank_gaps(chosen, rank), _load(protocol)))


@protocols.command()
@click.argument("protocol")
@click.argument("path")
@click.option("--arm", metavar="NAME", help="The arm, where they differ.")
def why(protocol: str, path: str, arm: str | None) -> None:
    """The basis and source of one fact, e.g. `nksim protocols why jk500 il2.dose`."""
    from nksim.output.protocols import standing

    click.echo(standing(_load(protocol), path, arm))


@protocols.command()
@click.argument("protocol")
@click.option("--bibtex", "as_bibtex", is_flag=True, help="As BibTeX, for reference managers.")
def cite(protocol: str, as_bibtex: bool) -> None:
    """The registration and the sources of a protocol."""
    if as_bibtex:
        from nksim.output.bibtex import bibtex

        entries = bibtex(_load(protocol))
        click.echo(entries, nl=False)
        if not entries:
            options.talk(f"{protocol} names no registry number and no source")
        return
    from nksim.output.protocols import citations

    click.echo(citations(_load(protocol)))


def _validate_as_json(files: tuple[str, ...]) -> int:
    """All files with their faults in one document on stdout."""
    from nksim.output.protocols import readings

    worst, listed = 0, []
    for file in files:
        entry: dict[str, Any] = {"file": file, "valid": True, "id": None, "readings": [], "faults": []}
        try:
            found = _load(file)
        except NksimError as error:
            entry |= {"valid": False, "faults": [fault.as_dict() for fault in error.faults]}
            worst = max(worst, error.exit_code)
        else:
            entry |= {"id": found.id, "readings": list(readings(found))}
        listed.append(entry)
    content = {"schema_version": 1, "kind": "validation", "files": listed}
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))
    return worst


@protocols.command()
def schema() -> None:
    """The format as JSON Schema, for completion in editors.

    Shipped as protocol.schema.json beside the protocols; the first line of a file names it to the editor:
    # yaml-language-server: $schema=protocol.schema.json
    """
    from nksim.protocol.schema import as_text

    click.echo(as_text(), nl=False)


@protocols.command()
@click.argument("new_id", metavar="ID")
@click.option("--from", "origin", metavar="PROTOCOL", help="Copy this protocol instead of the commented template.")
@click.option("-o", "--output", metavar="FILE", help="Where to write; ID.yaml unless given, - for stdout.")
def new(new_id: str, origin: str | None, output: str | None) -> None:
    """A protocol file to fill in, which reads without a fault; an existing file is never replaced."""
    from pathlib import Path

    from nksim.output.files import check_free, write
    from nksim.protocol.draft import draft

    path, text = Path(output or f"{new_id}.yaml"), draft(new_id, origin)
    if output == "-":
        click.echo(text, nl=False)
        return
    if path.exists():
        raise UsageError("NK701", f"{path} exists and is kept", help="name another file with -o")
    check_free(path, force=False)
    write(path, text)
    options.talk(f"wrote {path}; next: nksim protocols validate {path}")


@protocols.command()
@click.argument("first", metavar="A")
@click.argument("other", metavar="B")
@options.selection
@click.option("--other-arm", metavar="NAME", help="The arm of B, where it is not that of --arm.")
@options.body
@click.option("--json", "as_json", is_flag=True, help="Differences as JSON on stdout.")
@click.option("--strict", is_flag=True, help="Exit with 1 where they differ.")
def diff(
    first: str,
    other: str,
    arm: str | None,
    other_arm: str | None,
    level: int | None,
    settings: tuple[str, ...],
    as_json: bool,
    strict: bool,
    **measures: str | None,
) -> int:
    """Where two protocols differ: drug, dose, days, route, and what that means in mg and cells for a patient.

    Arms of the same name are compared with one another, the only arm of one protocol with every arm of the other.
    What is not known stays so. --set ID:PATH=VALUE answers a fact of one protocol; --strict exits with 1 where they
    differ.

    \b
    nksim protocols diff nkaml nkaml-2 --weight 25kg --height 128cm
    nksim protocols diff umn-haplo-nk umn-haplo-nk --arm cohort1 --other-arm cohort3
    """
    from nksim.cli.compare import answers_of
    from nksim.output import differences
    from nksim.output.provenance import provenance
    from nksim.protocol.catalog import load

    body = options.patient(**measures) if any(measures.values()) else None
    answers = answers_of({name: load(name) for name in (first, other)}, settings)
    pairs = _pairs(first, other, arm, other_arm)
    found = [
        differences.difference(_chosen(first, a, level, answers[first]), _chosen(other, b, level, answers[other]), body)
        for a, b in pairs
    ]
    made_of = provenance(*(c for d in found for c in (d.first, d.other)), command=options.command_line())
    text = (differences.as_json if as_json else differences.as_text)(found, made_of)
    click.echo(text, nl=False)
    return 1 if strict and not all(d.identical for d in found) else 0


def _pairs(first: str, other: str, arm: str | None, other_arm: str | None) -> list[tuple[str, str]]:
    """Which arms of two protocols are compared; raises `UsageError` NK504 where that is not clear."""
    left, right = _arms(_load(first), arm), _arms(_load(other), other_arm or arm, strict=other_arm is not None)
    if len(left) == 1 or len(right) == 1:
        return [(a, b) for a in left for b in right]
    if both := [(a, a) for a in left if a in right]:
        return both
    raise UsageError(
        "NK504",
        "both protocols have several arms, none of the same name",
        help=f"--arm with one of {', '.join(left)}, --other-arm with one of {', '.join(right)}",
    )


def _arms(protocol: Protocol, arm: str | None, *, strict: bool = False) -> list[str]:
    """The named arm, or all; a protocol with one arm has that one whatever the other's is called."""
    from nksim.protocol.choice import named_arm

    if arm is None or (len(protocol.arms) == 1 and not strict):
        return list(protocol.arms)
    return [str(named_arm(protocol, arm))]


def _chosen(name: str, arm: str, level: int | None, answers: list[tuple[str, str]]) -> Choice:
    """An arm with its answers; without --level a dose by level stays so."""
    from nksim.protocol.choice import choose, choose_arm
    from nksim.protocol.doses import DoseByLevel

    opened = choose_arm(_load(name), arm=arm, settings=tuple(answers))
    if level is None or not any(isinstance(x.dose.chosen.value, DoseByLevel) for x in opened.arm.lines):
        return opened
    return choose(_load(name), arm=arm, level=level, settings=tuple(answers))


def _load(name: str) -> Protocol:
    from nksim.protocol.catalog import load

    return load(name)
