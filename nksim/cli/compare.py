"""`nksim compare`: regimens side by side in the same virtual patients."""

from __future__ import annotations

from typing import Any

import click

from nksim.cli import options
from nksim.cli.assay import assay as assay_options
from nksim.cli.simulate import how, warned
from nksim.errors import UsageError, shorten


@click.command()
@click.argument("protocols", metavar="PROTOCOL PROTOCOL...", nargs=-1, required=True)
@options.choices
@options.running
@assay_options
@options.body
@options.asking
@click.option(
    "--vary", "axes", multiple=True, metavar="PATH=A|B", help='A grid: --vary cells.days="0|0, 7|0, 7, 14". Repeatable.'
)
@click.option("--pareto", metavar="X,-Y", help="Regimens that none beats in two metrics; a minus wants less.")
@click.option("--sweep", metavar="SPAN", help="Follow the first --metric over age=3..75 or weight=10..90.")
@click.option("--metric", "metrics", multiple=True, metavar="ID", help="Show this metric only. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Metrics and differences as JSON on stdout.")
@options.outputs
def compare(
    protocols: tuple[str, ...],
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
    axes: tuple[str, ...],
    pareto: str | None,
    sweep: str | None,
    metrics: tuple[str, ...],
    as_json: bool,
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
    from nksim.run import SAVED_AS, Bodies
    from nksim.run import compare as run

    paths = options.checked_outputs(outputs, SAVED_AS, force=force)
    answers = _answers(protocols, settings)
    varied = _varied(protocols, axes)
    chosen = [
        variant
        for name in protocols
        for variant in options.regimen(
            name, arm=_arm(name, arm), level=_level(name, level), settings=answers[name], assume=assume
        ).vary(*varied[name])
    ]
    made = run(
        *chosen,
        n=n,
        seed=seed,
        bodies=Bodies(weight, height, age, sex, creatinine),
        settings=how(days, every, engine, model, assay),
        workers=workers,
        progress=options.progress("simulating"),
        metrics=metrics,
        goals=goals,
        pareto=pareto,
        sweep=sweep,
        sensitivity=sensitivity,
        observed=observed,
    )
    for path in paths:
        made.save(path, force=force)
        options.talk(f"wrote {path}")
    click.echo(made.json() if as_json else str(made), nl=False)
    return warned(made.comparison.simulations, strict=strict, assume=assume)


def _answers(protocols: tuple[str, ...], settings: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """The --set answers of each protocol; one without an id goes to every protocol that has the line."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in protocols}
    for path, value in options.parsed_settings(settings):
        whose, colon, fact = path.rpartition(":")
        for name in _targets(protocols, whose if colon else None, fact, f"--set {shorten(path)}"):
            found[name].append((fact, value))
    return found


def _varied(protocols: tuple[str, ...], axes: tuple[str, ...]) -> dict[str, list[str]]:
    """The --vary axes of each protocol, by the same rule."""
    from nksim.variants import axis

    found: dict[str, list[str]] = {name: [] for name in protocols}
    for text in axes:
        one = axis(text)
        for name in _targets(protocols, one.whose, one.path, f"--vary {shorten(text)}"):
            found[name].append(f"{one.path}={'|'.join(one.values)}")
    return found


def _targets(protocols: tuple[str, ...], whose: str | None, fact: str, option: str) -> list[str]:
    """The protocols that an option is for; raises `UsageError` NK506 where there is none."""
    from nksim.protocol.catalog import load
    from nksim.protocol.choice import facts_of

    loaded = {name: load(name) for name in protocols}
    heads = {name: {path.split(".")[0] for a in p.arms for path, _ in facts_of(p, a)} for name, p in loaded.items()}
    if whose is not None:
        targets = [n for n in loaded if whose in (n, loaded[n].id)]
    else:
        targets = [n for n in loaded if fact.split(".", maxsplit=1)[0] in heads[n]]
    if not targets:
        raise UsageError("NK506", f"{option} fits none of {', '.join(protocols)}", help="write --set ID:cells.dose=…")
    return targets


def _arm(name: str, arm: str | None) -> str | None:
    """The named arm for the protocols that have it."""
    from nksim.protocol.catalog import load

    return arm if arm is not None and (arm in load(name).arms or len(load(name).arms) > 1) else None


def _level(name: str, level: int | None) -> int | None:
    """The level for the protocols that escalate."""
    from nksim.protocol.catalog import load

    return level if load(name).escalation is not None else None
