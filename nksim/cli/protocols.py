"""`nksim protocols`: the catalogue, in words, with its gaps and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nksim.cli import options
from nksim.errors import NksimError

if TYPE_CHECKING:
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
def validate(files: tuple[str, ...]) -> int:
    """Checks protocol files (or ids); every fault of every file, exit code 1 if there is any."""
    from nksim.output.protocols import readings

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
@options.answers
def gaps(protocol: str, rank: str | None, arm: str | None, level: int | None, settings: tuple[str, ...]) -> None:
    """What is unknown or assumed, as questions to the sponsor.

    With --rank the questions come in the order of what they move; unknown doses and days need an answer to start
    from: nksim protocols gaps jk500 --rank persistence_d --set cells.dose="1e7 cells/kg" --set cells.days="0, 7, 14"
    """
    from nksim.output.protocols import questions

    if rank is None:
        click.echo(questions(_load(protocol)))
        return
    from nksim.output.inquiries import ranked_questions
    from nksim.run import rank_gaps

    answers = options.parsed_settings(settings)
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
def cite(protocol: str) -> None:
    """The registration and the sources of a protocol."""
    from nksim.output.protocols import citations

    click.echo(citations(_load(protocol)))


def _load(name: str) -> Protocol:
    from nksim.protocol.catalog import load

    return load(name)
