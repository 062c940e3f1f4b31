"""`nksim compare`: modelled persistence and chimerism of one regimen."""

import click


@click.command()
def compare() -> None:
    """Stub while the engine is built."""
