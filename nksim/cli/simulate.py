"""`nksim simulate`: modelled persistence and chimerism of one regimen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from nksim.cli import options
from nksim.cli.assay import assay as assay_options
from nksim.errors import Misread, UsageError, shorten

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from nksim.simulation import Settings, Simulation


@click.command()
@click.argument("protocol", metavar="PROTOCOL")
@options.choices
@options.running
@assay_options
@options.body
@options.asking
@click.option("--parts", metavar="DIR", help="Keep a large run's parts there, and go on with those that are there.")
@click.option("--cluster", metavar="ADDRESS", help="Compute on a dask cluster, e.g. tcp://host:8786 (nksim[cluster]).")
@click.option(
    "--timing",
    type=click.Choice(("planned", "sampled")),
    default="planned",
    show_default=True,
    help="Doses as planned, or drawn from the file's windows and delays.",
)
@click.option("--json", "as_json", is_flag=True, help="Metrics as JSON on stdout.")
@options.outputs
def simulate(
    protocol: str,
    arm: str | None,
    level: int | None,
    settings: tuple[str, ...],
    assume: bool,
    strict: bool,
    n: int,
    seed: int,
    days: float,
    every: str,
    engine: str,
    workers: int | None,
    model: str,
    assay: dict[str, Any],
    weight: str | None,
    height: str | None,
    age: str | None,
    sex: str | None,
    creatinine: str | None,
    goals: tuple[str, ...],
    sensitivity: str | None,
    observed: str | None,
    parts: str | None,
    cluster: str | None,
    timing: str,
    as_json: bool,
    outputs: tuple[str, ...],
    force: bool,
) -> int:
    """Modelled cell counts and chimerism of one regimen in virtual patients.

    Assumed doses and days are used and named; unknown ones must be set. -o writes .html or .pdf (report),
    .csv (summary over time), .svg or .png (chart), .json or .txt (metrics).

    \b
    nksim simulate nkaml -n 1000 -o curve.svg -o summary.csv
    """
    from nksim.run import SAVED_AS, Bodies
    from nksim.run import simulate as run

    paths = options.checked_outputs(outputs, SAVED_AS, force=force)
    chosen = options.regimen(protocol, arm=arm, level=level, settings=options.parsed_settings(settings), assume=assume)
    with executor(cluster) as running:
        made = run(
            chosen,
            n=n,
            seed=seed,
            bodies=Bodies(weight, height, age, sex, creatinine),
            settings=replace(how(days, every, engine, model, assay), timing=timing),
            goals=goals,
            sensitivity=sensitivity,
            observed=observed,
            workers=workers,
            progress=options.progress("simulating"),
            parts=parts,
            executor=running,
        )
    for path in paths:
        made.save(path, force=force)
        options.talk(f"wrote {path}")
    click.echo(made.json() if as_json else str(made), nl=False)
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


def how(days: float, every: str, engine: str, model: str, assay: dict[str, Any]) -> Settings:
    """Settings from the options' text; raises `UsageError` NK640 for a step that is not one."""
    from nksim.simulation import Settings
    from nksim.units import duration

    try:
        step = float(duration(every).minutes) / 1440
    except (Misread, KeyError):
        raise UsageError("NK640", f"--every {shorten(every)} is not a step", help="write --every 6h") from None
    return Settings(days, step, engine, model, **assay)


def warned(done: list[Simulation] | tuple[Simulation, ...], *, strict: bool, assume: bool) -> int:
    """Names assumed doses and days and every finding on stderr; the exit code of the run."""
    found = False
    if done[0].settings.engine == "auto" and done[0].engine != "native":
        options.talk("note: the native engine was not built; the NumPy engine, which is slower, did the work")
    for s in done:
        assumed = [p for p, _ in s.choice.assumed() if p.split(".")[1] in ("dose", "days", "before", "after")]
        if assumed and not assume:
            options.talk(
                f"warning[NK502]: {s.choice.name}: doses or days are assumed by the file: {', '.join(assumed)}"
            )
        for finding in s.findings:
            found = True
            options.talk(f"{finding} ({s.choice.name})")
    return 1 if strict and found else 0
