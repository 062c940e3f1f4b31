"""`nksim escalate`: what a dose escalation finds, what it costs, how long it takes."""

from __future__ import annotations

from typing import Any

import click

from nksim.cli import options

CHARTS = ("characteristics", "tables", "length", "gantt")

_rule = options.together(
    click.option("--design", "designs", multiple=True, metavar="NAME",
                 help="3+3, 3+3-down, boin, tite-boin, mtpi, mtpi2, i3+3 or crm. Repeatable: side by side."),
    click.option("--target", type=float, metavar="P", help="Target probability of a DLT, e.g. 0.30."),
    click.option("--start", type=int, metavar="N", help="Starting level.  [default: the protocol's, or 1]"),
    click.option("--cohort", type=int, metavar="N", help="Patients in a cohort.  [default: the protocol's, or 3]"),
    click.option("--patients", type=int, metavar="N", help="Patients at most.  [default: the protocol's enrolment]"),
    click.option("--early-stop", type=int, metavar="N",
                 help="Stop with N patients at a level when the decision is to stay."),
    click.option("--extra-safe", type=float, metavar="X",
                 help="Stop where Pr(level 1 > target) passes 0.95 - X, e.g. 0.05."),
    click.option("--titrate", is_flag=True, help="Single patients until the first DLT."),
    click.option("--bounded", is_flag=True, help="Name no MTD estimated above the de-escalation boundary."),
    click.option("--skeleton", metavar="P,P,…", help="CRM's prior toxicities.  [default: Lee & Cheung 2009, ± 0.05]"),
)  # fmt: skip
_run = options.together(
    click.option("--truth", metavar="P,P,…", help="Assumed true probability of a DLT at each level."),
    click.option("-n", type=int, default=10_000, show_default=True, help="Simulated trials."),
    click.option("--seed", type=int, default=1, show_default=True, help="Seed; trial i depends on it and on i only."),
    click.option("--workers", type=int, default=1, show_default=True, help="Threads; results do not depend on it."),
    click.option("--exact", is_flag=True, help="Enumerate every course of the trial instead of simulating."),
    click.option("--table", "table_size", type=int, metavar="N",
                 help="Print the decision tables to N patients.  [without a truth: 18]"),
)  # fmt: skip
_time = options.together(
    click.option("--accrual", metavar="N", help="Candidates per month; gives the length of the trial."),
    click.option("--window", metavar="TIME", help="DLT window, e.g. 28d.  [default: the protocol's]"),
    click.option("--within", metavar="TIME", help="From the first patient of a cohort to the next, e.g. 14d."),
    click.option("--each", is_flag=True, help="--within holds from each patient to the next."),
    click.option("--between", metavar="TIME", help="At least, from the last patient of a cohort to the next cohort."),
    click.option("--lead", metavar="TIME", help="From entry to the first cells, e.g. 14d."),
    click.option("--screen-fail", metavar="PERCENT", help='Candidates who do not enter, e.g. "20 %".'),
    click.option("--product-fail", metavar="PERCENT", help="Products that fail when made or thawed; replaced."),
    click.option("--not-evaluable", metavar="PERCENT",
                 help="Patients who leave the window without a DLT; replaced unless the protocol says no."),
    click.option("--late", metavar="PERCENT", help="DLTs in the second half of the window.  [default: 50 %]"),
    click.option("--closed", multiple=True, metavar="WHAT",
                 help="No first cells, no decisions: weekends, a country as CN, or FILE.ics. Repeatable."),
    click.option("--opens", metavar="DATE", help="Date on which accrual opens; gives a sample trial on dates."),
    click.option("--sample", type=int, default=1, show_default=True, help="Which simulated trial is put on dates."),
    click.option("--tz", metavar="ZONE", help="IANA time zone of the site, for .ics."),
)  # fmt: skip
_exposure = options.together(
    click.option("--levels", multiple=True, metavar="DOSES",
                 help='Dose levels in place of the file\'s, e.g. "[2e6, 6e6] cells/kg". Repeatable with --risk-of.'),
    click.option("--risk-of", metavar="METRIC", help="Let P(DLT) follow a simulated metric, e.g. donor_nk_cmax."),
    click.option("--risk-at", metavar="X=P,X=P", help='Your assumption: two points, e.g. "0.5=5 %, 5=50 %".'),
    click.option("--virtual", type=int, default=200, show_default=True, help="Virtual patients for --risk-of."),
)  # fmt: skip


@click.command()
@click.argument("protocol", metavar="PROTOCOL")
@_rule
@_run
@_time
@_exposure
@click.option("--arm", metavar="NAME", help="The arm, where the protocol has several.")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Answer a fact. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON on stdout.")
@click.option("--chart", type=click.Choice(CHARTS), help="What .svg and .png show.  [default: characteristics]")
@options.outputs
def escalate(
    protocol: str, outputs: tuple[str, ...], force: bool, as_json: bool, chart: str | None, table_size: int | None,
    arm: str | None, settings: tuple[str, ...], **asked: Any,
) -> int:  # fmt: skip
    """Operating characteristics of a dose escalation, its decision tables, and its length.

    Without --truth (or --risk-of) the decision tables are printed alone. -o writes .txt, .csv, .json, .svg or .png,
    .ics with the sample trial's patients, and .html or .pdf with a report of everything.

    \b
    nksim escalate nkg2d-carnk --design boin --design 3+3 --target 0.30 --truth 0.05,0.15,0.30 -n 20000
    """
    from nksim.escalation import SAVED_AS, Escalation
    from nksim.protocol.catalog import load
    from nksim.trial.asked import Asked

    paths = options.checked_outputs(outputs, SAVED_AS, force=force)
    answers = options.parsed_settings(settings)
    made = Escalation(load(protocol), Asked(**asked), arm=arm, settings=answers, command=options.command_line())
    made.check(paths, chart)
    for path in paths:
        made.save(path, chart=chart, table_size=table_size, force=force)
        options.talk(f"wrote {path}")
    if as_json or not paths:
        click.echo(made.json(table_size) if as_json else made.text(table_size), nl=False)
    return 0
