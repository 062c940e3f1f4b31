"""`nksim simulate`: modelled persistence and chimerism of one regimen."""

from __future__ import annotations

from typing import Any

import click

from nksim.cli import options
from nksim.cli.cluster import executor
from nksim.cli.cluster import parts as kept_parts
from nksim.cli.modelled import announced, free_paths, handed_out, modelled, outlets, warned


@click.command()
@click.argument("protocol", metavar="PROTOCOL")
@options.choices
@options.waive
@modelled
@kept_parts
@click.option(
    "--uncertainty",
    type=click.IntRange(2, 1000),
    metavar="DRAWS",
    help="Draw the calibrated parameters so many times, and say how far the medians move.",
)
@outlets
def simulate(
    protocol: str,
    arm: str | None,
    level: int | None,
    settings: tuple[str, ...],
    assume: bool,
    strict: bool,
    waivers: tuple[str, ...],
    asked: dict[str, Any],
    parts: str | None,
    cluster: str | None,
    uncertainty: int | None,
    as_json: bool,
    chart: str | None,
    outputs: tuple[str, ...],
    force: bool,
) -> int:
    """Modelled cell counts and chimerism of one regimen in virtual patients.

    Assumed doses and days are used and named; unknown ones must be set. -o writes .html or .pdf (report),
    .csv (summary over time), .svg or .png (chart), .json or .txt (metrics), .parquet (every patient's curves).

    \b
    nksim simulate nkaml -n 1000 -o curve.svg -o summary.csv
    """
    from nksim.run import simulate as run

    paths = free_paths(outputs, chart, force=force)
    answers = options.parsed_settings(settings)
    chosen = options.regimen(protocol, arm=arm, level=level, settings=answers, assume=assume, waivers=waivers)
    with executor(cluster, asked.pop("workers")) as where:
        announced(paths, 1, asked)
        made = run(chosen, **asked, **where, parts=parts, uncertainty=uncertainty or 0)
        handed_out(made, paths, chart, as_json=as_json, force=force, where=where)
    return warned([made.simulation], made.provenance.waivers, strict=strict, assume=assume)
