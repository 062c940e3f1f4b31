"""`nksim validate`: what trials printed against what the model says that such trials print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from nksim.cli import options
from nksim.cli.assay import assay as with_assay
from nksim.errors import UsageError

if TYPE_CHECKING:
    from nksim.fit.asked import Asked


# What describes the assay; where none is given it is that of the protocol's own samples.
_ASSAY = ("method", "lod", "loq", "lineage", "sampled_cells", "other_cells", "copies_per_cell")


@click.command()
@click.option("--protocol", metavar="FILE", help="The trial as it was run: an id or a protocol file.")
@click.option("--observations", metavar="FILE.csv", help="What it printed.")
@click.option("--trial", metavar="NAME", help="The trial to take, where the observations are of several.")
@click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Answer a fact of the protocol. Repeatable."
)
@with_assay
@click.option("--model", default="model2", show_default=True, help="Parameter set.")
@click.option("-n", type=click.IntRange(100, 100_000), default=1000, show_default=True, help="Virtual patients.")
@click.option("--trials", type=click.IntRange(200, 100_000), default=1000, show_default=True, help="Simulated trials.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed.")
@click.option("--engine", default="auto", show_default=True, help="auto, native, numpy or reference (slow).")
@click.option(
    "--uncertainty", type=click.IntRange(0, 1000), default=0, metavar="DRAWS",
    help="Draw the calibrated parameters so many times from their uncertainty.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a printed value is not inside.")
@options.outputs
def validate(
    protocol: str | None,
    observations: str | None,
    trial: str | None,
    settings: tuple[str, ...],
    assay: dict[str, Any],
    model: str,
    n: int,
    trials: int,
    seed: int,
    engine: str,
    uncertainty: int,
    as_json: bool,
    strict: bool,
    outputs: tuple[str, ...],
    force: bool,
) -> int:
    """Observed against predicted: each trial simulated as run, with the 90 % interval of the printed statistic.

    Without a protocol and observations, the trials that come with nksim, in and out of sample apart.
    -o writes .txt or .json. Columns of the observations: trial, arm, day, analyte, statistic, value, unit, n, source.

    \b
    nksim validate --protocol umn-haplo-nk --observations mine.csv
    """
    from nksim.fit.asked import shipped
    from nksim.fit.validation import Plan
    from nksim.fit.validation import validate as compare
    from nksim.kinetics.parameters import load
    from nksim.output import files, validations
    from nksim.output.provenance import provenance

    paths = options.checked_outputs(outputs, ("txt", "json"), force=force)
    if (protocol is None) != (observations is None):
        raise UsageError("NK670", "a protocol needs observations and observations a protocol", help="give both")
    given = [k for k in _ASSAY if click.get_current_context().get_parameter_source(k) != ParameterSource.DEFAULT]
    if protocol is None and (trial or settings or given):
        raise UsageError(
            "NK670", "the trials that come with nksim are run as they were", help="give --protocol as well"
        )
    asked = (
        shipped() if protocol is None else _own(protocol, str(observations), trial, settings, assay if given else None)
    )
    parameter_set, plan = load(model), Plan(n, trials, seed, uncertainty, engine)
    if uncertainty and parameter_set.uncertainty is None:
        raise UsageError(
            "NK668", f"{model} was not calibrated: it has no uncertainty to draw from", help="--model model2"
        )
    rows = compare(asked.observations, asked.arms, parameter_set, plan)
    made = provenance(
        *(part.choice for part in asked.choices),
        model=(parameter_set.name, parameter_set.sha256),
        seed=seed,
        command=options.command_line(),
    )
    forms = {"txt": validations.validation_table, "json": validations.validation_json}
    for path in paths:
        files.write(path, forms[path.suffix[1:]](rows, plan, asked.assumed, made))
        options.talk(f"wrote {path}")
    click.echo(forms["json" if as_json else "txt"](rows, plan, asked.assumed, made), nl=False)
    return 1 if strict and any(r.inside is False for r in rows) else 0


def _own(
    protocol: str, observations: str, trial: str | None, settings: tuple[str, ...], assay: dict[str, Any] | None
) -> Asked:
    from nksim.fit.asked import asked_of
    from nksim.fit.observations import read_observations
    from nksim.kinetics.assay import Assay
    from nksim.protocol.catalog import load

    for name in ("copies_per_cell", "loq", "sampled_cells"):
        if assay is not None and assay.pop(name) is not None:
            option = name.replace("_", "-")
            raise UsageError("NK670", f"--{option} plays no part in a validation", help="leave it out")
    return asked_of(
        load(protocol),
        read_observations(observations),
        trial=trial,
        settings=options.parsed_settings(settings),
        assay=None if assay is None else Assay(**assay),
    )
