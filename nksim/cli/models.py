"""`nksim models`: the parameter sets of the kinetic model, and where every value stands."""

from __future__ import annotations

import click

_preset = click.option("--product", "preset", metavar="NAME", help="A product's values, e.g. ipsc.")


@click.group()
def models() -> None:
    """Parameter sets: every value with its basis, range, spread and source."""


@models.command("list")
def list_() -> None:
    """Shipped sets, their products, and how many of their parameters are published, derived, assumed or calibrated."""
    from nksim.kinetics.parameters import load, names
    from nksim.output.models import listing

    click.echo(listing([load(name) for name in names()]))


@models.command()
@click.argument("name", metavar="SET")
@_preset
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(name: str, preset: str | None, as_json: bool) -> None:
    """Every parameter of a set, for its first product unless --product names another."""
    from nksim.kinetics.parameters import load
    from nksim.output import models as words

    click.echo((words.as_json if as_json else words.in_full)(load(name), preset), nl=False)


@models.command()
@click.argument("name", metavar="SET")
@click.argument("parameter")
@_preset
def why(name: str, parameter: str, preset: str | None) -> None:
    """What is known of one parameter: value, range, basis, reason and source, and how products differ."""
    from nksim.kinetics.parameters import load
    from nksim.output import models as words

    click.echo(words.why(load(name), parameter, preset), nl=False)
