"""What `simulate` and `compare` share: virtual patients, settings and questions, and how results are handed out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nksim.cli import options
from nksim.cli.assay import assay
from nksim.errors import Misread, UsageError, shorten

if TYPE_CHECKING:
    from nksim.run import ComparedRuns, Run
    from nksim.settings import Settings
    from nksim.simulation import Simulation

_how = options.together(
    click.option("--days", type=float, default=90, show_default=True, help="Last day of the run."),
    click.option("--every", default="6h", show_default=True, metavar="STEP", help="Step between outputs."),
    click.option("--engine", default="auto", show_default=True, help="auto, native, numpy or reference (slow)."),
    click.option("--model", default="model2", show_default=True, help="Parameter set."),
    click.option(
        "--timing",
        type=click.Choice(("planned", "sampled")),
        default="planned",
        show_default=True,
        help="Doses as planned, or drawn from the file's windows and delays.",
    ),
)
_options = options.together(
    click.option("-n", type=click.IntRange(1, 10_000_000), default=200, show_default=True, help="Virtual patients."),
    click.option("--seed", type=int, default=1, show_default=True, help="Seed; patient i depends on it and on i only."),
    _how,
    click.option(
        "--workers",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="Threads, or workers of a cluster; all unless given.",
    ),
    options.body,
    click.option(
        "--goal", "goals", multiple=True, metavar="GOAL", help='How many patients reach it: "nk_chimerism_d14 >= 1 %".'
    ),
    click.option("--observed", metavar="FILE.csv", help="Lay observed values over the curves."),
    click.option(
        "--sensitivity", metavar="METRIC", help="Rank what is assumed or unknown by how much it moves METRIC (slow)."
    ),
)
LARGE = 100e6
_BODY = ("weight", "height", "age", "sex", "creatinine")
_HOW = ("days", "every", "engine", "model", "timing", "assay")
_PASSED = ("n", "seed", "workers", "goals", "observed", "sensitivity")
outlets = options.together(
    click.option("--json", "as_json", is_flag=True, help="Metrics as JSON on stdout."),
    click.option(
        "--chart",
        metavar="NAME",
        help="What .svg and .png show: an output, or strips, forest, attainment, contributions, pareto, sweep or "
        "tornado.  [default: nk_chimerism]",
    ),
    options.outputs,
)


def modelled(command: Callable[..., int]) -> Callable[..., int]:
    """The options of a modelled run; the command gets them as `asked`, the keyword arguments of `nksim.run`."""

    @wraps(command)
    def call(**given: Any) -> int:
        from nksim.run import Bodies

        asked = {name: given.pop(name) for name in _PASSED}
        asked["bodies"] = Bodies(**{name: given.pop(name) for name in _BODY})
        asked["settings"] = _settings(**{name: given.pop(name) for name in _HOW})
        return command(asked=asked | {"progress": options.progress("simulating")}, **given)

    return _options(assay(call))


def _settings(days: float, every: str, engine: str, model: str, timing: str, assay: dict[str, Any]) -> Settings:
    """Settings from the options' text; raises `UsageError` NK640 for a step that is not one."""
    from nksim.settings import Settings
    from nksim.units import duration

    try:
        step = float(duration(every).minutes) / 1440
    except (Misread, KeyError):
        raise UsageError("NK640", f"--every {shorten(every)} is not a step", help="write --every 6h") from None
    return Settings(days, step, engine, model, timing=timing, **assay)


def free_paths(outputs: Sequence[str], chart: str | None, *, force: bool) -> list[Path]:
    """The output paths, checked before any work is done, and a chart's name with them."""
    from nksim.run import SAVED_AS

    paths = options.checked_outputs(outputs, SAVED_AS, force=force)
    if chart is not None:
        from nksim.output.figures import check

        check(chart)
        if not any(p.suffix in (".svg", ".png") for p in paths):
            raise UsageError("NK703", "--chart is for pictures", help="add -o FILE.svg or -o FILE.png")
    return paths


def announced(paths: Sequence[Path], regimens: int, asked: dict[str, Any]) -> None:
    """Says how large a large Parquet file will be; raises before any work is done if it cannot be written at all."""
    for path in paths:
        if path.suffix != ".parquet":
            continue
        from nksim.output import trajectories
        from nksim.simulation import curve_values

        trajectories.library()
        size = trajectories.check_room(path, regimens * curve_values(asked["n"], asked["settings"]))
        if size > LARGE:
            options.talk(f"note: {path} will take about {trajectories.shown(size)}")


def handed_out(
    made: Run | ComparedRuns,
    paths: Sequence[Path],
    chart: str | None,
    *,
    as_json: bool,
    force: bool,
    where: dict[str, Any],
) -> None:
    """Writes the files and prints the numbers; `where` is what curves that were not kept are made again on."""
    for path in paths:
        made.save(path, force=force, chart=chart, progress=options.progress("writing"), **where)
        options.talk(f"wrote {path}")
    click.echo(made.json() if as_json else str(made), nl=False)


def warned(done: Sequence[Simulation], waivers: Sequence[tuple[str, str]], *, strict: bool, assume: bool) -> int:
    """Names assumed doses and days and every finding on stderr; the exit code of the run."""
    if done[0].settings.engine == "auto" and done[0].engine != "native":
        options.talk("note: the native engine was not built; the NumPy engine, which is slower, did the work")
    for s in done:
        assumed = [p for p, _ in s.choice.assumed() if p.split(".")[1] in ("dose", "days", "before", "after")]
        if assumed and not assume:
            options.talk(
                f"warning[NK502]: {s.choice.name}: doses or days are assumed by the file: {', '.join(assumed)}"
            )
        options.report(s.findings, (), of=f" ({s.choice.name})")
    findings = [f for s in done for f in s.findings]
    options.report([], [(code, why) for code, why in waivers if code not in {f.code for f in findings}])
    found = any(f.waived is None for f in findings)
    return 1 if strict and found else 0
