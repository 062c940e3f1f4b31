"""`nksim simulate`: modelled persistence and chimerism of one regimen."""

import click


@click.command()
def simulate() -> None:
    """Stub while the engine is built."""
