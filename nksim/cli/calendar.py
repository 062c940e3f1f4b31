"""`nksim calendar`: a patient's dosing calendar."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from nksim.cli import options
from nksim.errors import InvalidInput, NksimError

if TYPE_CHECKING:
    import datetime as dt

    from nksim.patient import Patient

FORMATS = ("table", "csv", "json", "ics", "html")
FILES = ("txt", "csv", "json", "ics", "html", "pdf")


@click.command()
@click.argument("protocol", metavar="PROTOCOL")
@click.option(
    "--day0", metavar="DATE", help="Date of the protocol's day 0: the first cells, unless it counts from a transplant."
)
@click.option("--earliest", metavar="DATE", help="Find the first possible day 0 from this date on, in place of --day0.")
@click.option("--tz", metavar="ZONE", help="IANA time zone of the site, e.g. Asia/Shanghai.")
@click.option("--cells-at", default="10:00", show_default=True, metavar="HH:MM", help="Local start of the cells.")
@click.option("--closed", multiple=True, metavar="WHAT", help="weekends, a country as CN, or FILE.ics. Repeatable.")
@click.option("--hours", metavar="HH:MM-HH:MM", help="Hours in which the site gives doses.")
@click.option(
    "--shift",
    type=click.Choice(("nearest", "following", "preceding", "modified-following")),
    default="nearest",
    show_default=True,
    help="Where a dose goes within its window from a closed day.",
)
@click.option(
    "--prior", multiple=True, metavar="WHAT=DATE", help='Prior therapy, e.g. "radiotherapy=2027-02-01". Repeatable.'
)
@click.option("--issued", metavar="TIME", help="When it is issued, for calendar programs: 2027-02-01T09:00, or now.")
@click.option("--id", "patient_id", default="P001", show_default=True, help="Patient id.")
@options.body
@click.option("--ideal-weight", metavar="KG", help="Ideal weight where Devine's formula does not go, e.g. 30kg.")
@click.option("--patients", metavar="FILE.csv", help="Patients from a CSV file, one calendar each.")
@click.option("--weighed", metavar="DATE", help="Day of the weighing; a weight that is too old is pointed out.")
@options.choices
@options.waive
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="Format on stdout."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@options.lang
@options.outputs
def calendar(
    protocol: str,
    day0: str | None,
    earliest: str | None,
    tz: str | None,
    cells_at: str,
    closed: tuple[str, ...],
    hours: str | None,
    shift: str,
    prior: tuple[str, ...],
    issued: str | None,
    patient_id: str,
    patients: str | None,
    weight: str | None,
    height: str | None,
    age: str | None,
    sex: str | None,
    creatinine: str | None,
    ideal_weight: str | None,
    weighed: str | None,
    arm: str | None,
    level: int | None,
    settings: tuple[str, ...],
    assume: bool,
    strict: bool,
    waivers: tuple[str, ...],
    form: str,
    as_json: bool,
    lang: str,
    outputs: tuple[str, ...],
    force: bool,
) -> int:
    """A patient's dosing calendar: every dose with its calculation, every assessment, on real dates.

    -o FILE.html and FILE.pdf are sheets to print and sign. --lang zh is Simplified Chinese; CSV and JSON stay as
    they are, for programs.

    \b
    nksim calendar jk500 --weight 20kg --height 110cm --day0 2027-03-01 --tz Asia/Shanghai \\
        --set cells.dose="1e7 cells/kg" --set cells.days="0, 7"
    """
    paths = options.checked_outputs(outputs, FILES, force=force)
    given = {"weight": weight, "height": height, "age": age, "sex": sex, "creatinine": creatinine}
    given |= {"ideal_weight": ideal_weight, "weighed": weighed}
    if day0 and earliest:
        raise click.UsageError("--day0 and --earliest exclude each other")
    from_ = day0 or earliest
    who = (
        _from_file(patients, given, from_, tz)
        if patients
        else [(options.patient(id=patient_id, **given), *_placed(from_, tz))]
    )
    answers = options.parsed_settings(settings)
    chosen = options.regimen(protocol, arm=arm, level=level, settings=answers, assume=assume, waivers=waivers)
    from nksim.schedule.siterules import SiteRules

    rules = SiteRules(closed, hours, shift, prior)
    if issued is None and "SOURCE_DATE_EPOCH" in os.environ:
        issued = "now"
    stated = options.stated_time(issued) if issued else None
    made = chosen.calendars(who, cells_at=cells_at, site=rules, earliest=earliest is not None, issued=stated)
    if earliest:
        for c in made.calendars:
            options.talk(f"{c.schedule.patient.id}: earliest day 0 is {c.day0:%a %Y-%m-%d}")
    written = {path.suffix[1:] for path in paths} or {"json" if as_json else form}
    if lang != "en" and written <= {"csv", "json"}:
        options.talk("note: CSV and JSON are the same in every language")
    for path in paths:
        made.save(path, force=force, lang=lang)
        options.talk(f"wrote {path}")
    if not paths:
        text = made.render("json" if as_json else form, lang=lang)
        click.echo(text, nl=False)
    findings = [f for c in made.calendars for f in c.findings]
    options.report(findings, chosen.waivers)
    return 1 if strict and any(f.waived is None for f in findings) else 0


def _placed(day0: str | None, tz: str | None) -> tuple[str, str]:
    """Day 0 and zone, both of which must be said."""
    missing = [name for name, value in (("--day0", day0), ("--tz", tz)) if value is None]
    if missing:
        raise click.UsageError(f"missing {' and '.join(missing)}, e.g. --day0 2027-03-01 --tz Asia/Shanghai")
    return day0 or "", tz or ""


def _from_file(
    path: str, given: dict[str, str | None], day0: str | None, tz: str | None
) -> list[tuple[Patient, str | dt.date, str]]:
    """The patients of a file; a row's own day 0 and zone go before the options'."""
    from nksim.dates import parse_date
    from nksim.roster import read_roster
    from nksim.schedule.calendar import zone

    both = [name for name, value in given.items() if value is not None]
    if both:
        raise click.UsageError(f"--{both[0].replace('_', '-')} and --patients exclude each other")
    roster = read_roster(path)
    if roster.unused:
        options.talk(f"note: columns not used: {', '.join(roster.unused)}")
    faults = []
    for entry in roster.entries:
        for check, column, text in ((parse_date, "day0", entry.day0), (zone, "tz", entry.tz)):
            try:
                if text:
                    check(text)
            except NksimError as error:
                faults += [replace(fault, place=entry.at(column)) for fault in error.faults]
    if faults:
        raise InvalidInput(faults)
    return [(e.patient, *_placed(e.day0 or day0, e.tz or tz)) for e in roster.entries]
