"""`nksim export`: a regimen for other programs."""

from __future__ import annotations

from dataclasses import replace

import click

from nksim.cli import options
from nksim.cli.modelled import warned

TARGETS = ("sbml",)


@click.command()
@click.argument("protocol", metavar="PROTOCOL")
@click.option("--to", "target", type=click.Choice(TARGETS), required=True, help="The format.")
@options.choices
@options.waive
@options.body
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the virtual patient.")
@click.option("--patient", type=click.IntRange(0), default=0, show_default=True, help="Number of the virtual patient.")
@click.option("--days", type=float, default=90, show_default=True, help="Last day of the run.")
@click.option("--model", default="model2", show_default=True, help="Parameter set.")
@click.option("-o", "--output", metavar="FILE", help="Write FILE (.xml or .sbml) instead of stdout.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def export(
    protocol: str,
    target: str,
    arm: str | None,
    level: int | None,
    settings: tuple[str, ...],
    assume: bool,
    strict: bool,
    waivers: tuple[str, ...],
    weight: str | None,
    height: str | None,
    age: str | None,
    sex: str | None,
    creatinine: str | None,
    seed: int,
    patient: int,
    days: float,
    model: str,
    output: str | None,
    force: bool,
) -> int:
    """One virtual patient's run for other programs: the model's equations, that patient's values, doses as events.

    sbml is level 3 version 2, for libRoadRunner, COPASI and others; start it some days before the first dose. What
    the format cannot carry is said on stderr and in the file.

    \b
    nksim export nkaml --to sbml --assume -o nkaml.xml
    """
    from nksim.output import files, sbml
    from nksim.output.provenance import provenance
    from nksim.plan import simulate
    from nksim.run import Bodies
    from nksim.schedule.waivers import waived
    from nksim.settings import Settings
    from nksim.simulation import age_range

    paths = options.checked_outputs([output] if output else [], ("xml", "sbml"), force=force)
    answers = options.parsed_settings(settings)
    chosen = options.regimen(protocol, arm=arm, level=level, settings=answers, assume=assume, waivers=waivers)
    choice = chosen.choice().answered(accept_assumed=True)
    population = Bodies(weight, height, age, sex, creatinine).population(1, seed, age_range(choice), patient)
    made = simulate(choice, population, seed=seed, settings=Settings(days=days, model=model))
    made = replace(made, findings=waived(made.findings, chosen.waivers))
    known = (made.parameter_set.name, made.parameter_set.sha256)
    about = provenance(choice, model=known, seed=seed, command=chosen.command, waivers=chosen.waivers)
    text = sbml.exported(made, about)
    for path in paths:
        files.write(path, text)
        options.talk(f"wrote {path}")
    if not paths:
        click.echo(text, nl=False)
    for sentence in sbml.NOT_CARRIED:
        options.talk(f"{target} does not carry {sentence}")
    return warned([made], chosen.waivers, strict=strict, assume=assume)
