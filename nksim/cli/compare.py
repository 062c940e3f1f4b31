"""`nksim compare`: regimens side by side in the same virtual patients."""

from __future__ import annotations

import click

from nksim.cli import options
from nksim.cli.simulate import how, warned
from nksim.errors import UsageError, shorten


@click.command()
@click.argument("protocols", metavar="PROTOCOL PROTOCOL...", nargs=-1, required=True)
@options.choices
@options.running
@options.body
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
    lod: str,
    lineage: str,
    weight: str | None,
    height: str | None,
    age: str | None,
    sex: str | None,
    creatinine: str | None,
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
    """
    from nksim.run import Bodies
    from nksim.run import compare as run

    paths = options.checked_outputs(outputs, ("csv", "json", "svg", "png", "txt"), force=force)
    answers = _answers(protocols, settings)
    chosen = [
        options.regimen(name, arm=_arm(name, arm), level=_level(name, level), settings=answers[name], assume=assume)
        for name in protocols
    ]
    made = run(
        *chosen,
        n=n,
        seed=seed,
        bodies=Bodies(weight, height, age, sex, creatinine),
        settings=how(days, every, engine, model, lod, lineage),
        workers=workers,
        progress=options.progress("simulating"),
        metrics=metrics,
    )
    for path in paths:
        made.save(path, force=force)
        options.talk(f"wrote {path}")
    click.echo(made.json() if as_json else str(made), nl=False)
    return warned(made.comparison.simulations, strict=strict, assume=assume)


def _answers(protocols: tuple[str, ...], settings: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """The --set answers of each protocol; one without an id goes to every protocol that has the line."""
    from nksim.protocol.catalog import load
    from nksim.protocol.choice import facts_of

    loaded = {name: load(name) for name in protocols}
    heads = {name: {path.split(".")[0] for a in p.arms for path, _ in facts_of(p, a)} for name, p in loaded.items()}
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in protocols}
    for path, value in options.parsed_settings(settings):
        whose, colon, fact = path.rpartition(":")
        targets = (
            [n for n in found if whose in (n, loaded[n].id)]
            if colon
            else [n for n in found if path.split(".")[0] in heads[n]]
        )
        if not targets:
            raise UsageError(
                "NK506",
                f"--set {shorten(path)} fits none of {', '.join(protocols)}",
                help="write --set ID:cells.dose=…",
            )
        for name in targets:
            found[name].append((fact, value))
    return found


def _arm(name: str, arm: str | None) -> str | None:
    """The named arm for the protocols that have it."""
    from nksim.protocol.catalog import load

    return arm if arm is not None and (arm in load(name).arms or len(load(name).arms) > 1) else None


def _level(name: str, level: int | None) -> int | None:
    """The level for the protocols that escalate."""
    from nksim.protocol.catalog import load

    return level if load(name).escalation is not None else None
