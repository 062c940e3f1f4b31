"""`nksim simulate`: modelled persistence and chimerism of one regimen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from nksim.cli import options
from nksim.cli.modelled import free_paths, handed_out, modelled, outlets, warned
from nksim.errors import UsageError, shorten

if TYPE_CHECKING:
    from concurrent.futures import Executor


@click.command()
@click.argument("protocol", metavar="PROTOCOL")
@options.choices
@modelled
@click.option("--parts", metavar="DIR", help="Keep a large run's parts there, and go on with those that are there.")
@click.option("--cluster", metavar="ADDRESS", help="Compute on a dask cluster, e.g. tcp://host:8786 (nksim[cluster]).")
@outlets
def simulate(
    protocol: str,
    arm: str | None,
    level: int | None,
    settings: tuple[str, ...],
    assume: bool,
    strict: bool,
    asked: dict[str, Any],
    parts: str | None,
    cluster: str | None,
    as_json: bool,
    chart: str | None,
    outputs: tuple[str, ...],
    force: bool,
) -> int:
    """Modelled cell counts and chimerism of one regimen in virtual patients.

    Assumed doses and days are used and named; unknown ones must be set. -o writes .html or .pdf (report),
    .csv (summary over time), .svg or .png (chart), .json or .txt (metrics).

    \b
    nksim simulate nkaml -n 1000 -o curve.svg -o summary.csv
    """
    from nksim.run import simulate as run

    paths = free_paths(outputs, chart, force=force)
    chosen = options.regimen(protocol, arm=arm, level=level, settings=options.parsed_settings(settings), assume=assume)
    with executor(cluster) as running:
        made = run(chosen, **asked, parts=parts, executor=running)
    handed_out(made, paths, chart, as_json=as_json, force=force)
    return warned([made.simulation], strict=strict, assume=assume)


@contextmanager
def executor(cluster: str | None) -> Iterator[Executor | None]:
    """The executor of a dask cluster, or None without one; raises `UsageError` NK720 where it cannot be reached."""
    if cluster is None:
        yield None
        return
    try:
        import distributed
    except ImportError:
        raise UsageError("NK720", "a cluster needs dask.distributed", help="pip install 'nksim[cluster]'") from None
    try:
        open_client: Any = distributed.Client
        client = open_client(cluster, timeout="10s")
    except (OSError, ValueError):
        raise UsageError(
            "NK720", f"no cluster answers at {shorten(cluster)}", help="start one with `dask scheduler`"
        ) from None
    with client:
        yield client.get_executor(retries=3)
