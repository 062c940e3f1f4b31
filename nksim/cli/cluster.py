"""Runs beyond one process: parts that outlive it, and a dask cluster that computes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from nksim.cli import options
from nksim.errors import InvalidInput, UsageError, shorten

if TYPE_CHECKING:
    from concurrent.futures import Executor

parts = options.together(
    click.option("--parts", metavar="DIR", help="Keep a large run's parts there, and go on with those that are there."),
    click.option(
        "--cluster", metavar="ADDRESS", help="Compute on a dask cluster, e.g. tcp://host:8786 (nksim[cluster])."
    ),
)


@contextmanager
def executor(address: str | None, workers: int | None) -> Iterator[dict[str, Any]]:
    """`executor` and `workers` of a dask cluster with all its threads, or of this machine without one.

    Raises `UsageError` NK720 where the cluster cannot be reached.
    """
    if address is None:
        yield {"executor": None, "workers": workers}
        return
    try:
        import distributed
    except ImportError:
        raise UsageError("NK720", "a cluster needs dask.distributed", help="pip install 'nksim[cluster]'") from None
    try:
        open_client: Any = distributed.Client
        client = open_client(address, timeout="10s")
    except (OSError, ValueError):
        raise UsageError(
            "NK720", f"no cluster answers at {shorten(address)}", help="start one with `dask scheduler`"
        ) from None
    with client:
        there: Executor = client.get_executor(retries=3)
        try:
            yield {"executor": there, "workers": workers or sum(client.nthreads().values()) or 1}
        except distributed.KilledWorker:
            raise InvalidInput(
                "NK649", "a part was lost with every worker that tried it", help="workers with more memory"
            ) from None
