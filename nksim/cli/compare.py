"""`nksim compare`: regimens side by side in the same virtual patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from nksim.cli import options
from nksim.cli.cluster import executor
from nksim.cli.cluster import parts as kept_parts
from nksim.cli.modelled import announced, free_paths, handed_out, modelled, outlets, warned
from nksim.errors import UsageError, shorten

if TYPE_CHECKING:
    from nksim.protocol.model import Protocol


@click.command()
@click.argument("protocols", metavar="PROTOCOL PROTOCOL...", nargs=-1, required=True)
@options.choices
@options.waive
@modelled
@kept_parts
@click.option(
    "--vary", "axes", multiple=True, metavar="PATH=A|B", help='A grid: --vary cells.days="0|0, 7|0, 7, 14". Repeatable.'
)
@click.option("--pareto", metavar="X,-Y", help="Regimens that none beats in two metrics; a minus wants less.")
@click.option("--sweep", metavar="SPAN", help="Follow the first --metric over age=3..75 or weight=10..90.")
@click.option("--metric", "metrics", multiple=True, metavar="ID", help="Show this metric only. Repeatable.")
@outlets
def compare(
    protocols: tuple[str, ...],
    arm: str | None,
    level: int | None,
    settings: tuple[str, ...],
    assume: bool,
    strict: bool,
    waivers: tuple[str, ...],
    asked: dict[str, Any],
    parts: str | None,
    cluster: str | None,
    axes: tuple[str, ...],
    pareto: str | None,
    sweep: str | None,
    metrics: tuple[str, ...],
    as_json: bool,
    chart: str | None,
    outputs: tuple[str, ...],
    force: bool,
) -> int:
    """Regimens side by side, paired by virtual patient, each against the first.

    Patients are of the ages that all the trials admit. A protocol with several arms enters with all of them unless
    --arm names one. --set ID:PATH=VALUE answers a fact of one protocol, --set PATH=VALUE of all that have it.

    \b
    nksim compare nkaml umn-haplo-nk --arm cohort1 -n 500
    nksim compare jk500 --set cells.dose="1e7 cells/kg" --vary cells.days="0|0, 7|0, 7, 14" --goal "persistence_d >= 14"
    """
    from nksim.protocol.catalog import load
    from nksim.regimen import Regimen
    from nksim.run import compare as run
    from nksim.schedule.waivers import waivers as read

    paths = free_paths(outputs, chart, force=force)
    loaded = {name: load(name) for name in protocols}
    answers, varied, line = answers_of(loaded, settings), _varied(loaded, axes), options.command_line()
    chosen = [
        variant
        for name in protocols
        for variant in Regimen(
            loaded[name],
            _arm(loaded[name], arm),
            _level(loaded[name], level),
            tuple(answers[name]),
            assume,
            command=line,
            waivers=read(waivers),
        ).vary(*varied[name])
    ]
    with executor(cluster, asked.pop("workers")) as where:
        announced(paths, sum(len(one.arms()) for one in chosen), asked)
        made = run(*chosen, **asked, **where, parts=parts, metrics=metrics, pareto=pareto, sweep=sweep)
        handed_out(made, paths, chart, as_json=as_json, force=force, where=where)
    return warned(made.comparison.simulations, made.provenance.waivers, strict=strict, assume=assume)


def answers_of(loaded: Mapping[str, Protocol], settings: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """The --set answers of each protocol; one without an id goes to every protocol that has the line."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in loaded}
    for path, value in options.parsed_settings(settings):
        whose, colon, fact = path.rpartition(":")
        for name in _targets(loaded, whose if colon else None, fact, f"--set {shorten(path)}"):
            found[name].append((fact, value))
    return found


def _varied(loaded: Mapping[str, Protocol], axes: tuple[str, ...]) -> dict[str, list[str]]:
    """The --vary axes of each protocol, by the same rule."""
    from nksim.variants import axis

    found: dict[str, list[str]] = {name: [] for name in loaded}
    for text in axes:
        one = axis(text)
        for name in _targets(loaded, one.whose, one.path, f"--vary {shorten(text)}"):
            found[name].append(f"{one.path}={'|'.join(one.values)}")
    return found


def _targets(loaded: Mapping[str, Protocol], whose: str | None, fact: str, option: str) -> list[str]:
    """The protocols that an option is for; raises `UsageError` NK506 where there is none."""
    from nksim.protocol.choice import facts_of

    heads = {name: {path.split(".")[0] for a in p.arms for path, _ in facts_of(p, a)} for name, p in loaded.items()}
    if whose is not None:
        targets = [n for n in loaded if whose in (n, loaded[n].id)]
    else:
        targets = [n for n in loaded if fact.split(".", maxsplit=1)[0] in heads[n]]
    if not targets:
        raise UsageError("NK506", f"{option} fits none of {', '.join(loaded)}", help="write --set ID:cells.dose=…")
    return targets


def _arm(protocol: Protocol, arm: str | None) -> str | None:
    """The named arm for the protocols that have it."""
    return arm if arm is not None and (arm in protocol.arms or len(protocol.arms) > 1) else None


def _level(protocol: Protocol, level: int | None) -> int | None:
    """The level for the protocols that dose a line by it."""
    from nksim.protocol.choice import by_level

    return level if by_level(protocol) else None
