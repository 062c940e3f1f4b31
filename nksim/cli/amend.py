"""`nksim amend`: doses delayed, omitted, reduced or ceased on a calendar that has been handed out."""

from __future__ import annotations

import json

import click

from nksim.cli import options
from nksim.errors import InvalidInput


@click.command()
@click.argument("file", metavar="CALENDAR")
@click.argument("changes", metavar="CHANGE…", nargs=-1, required=True)
@click.option(
    "--when", required=True, metavar="TIME", help="When it was decided, 2027-03-05T09:00 (site time), or now."
)
@click.option("--who", metavar="NAME", help="Who decided it.")
@click.option("--id", "patient_id", metavar="ID", help="The patient, where the calendar has several.")
@click.option("--past", is_flag=True, help="Correct doses that lie before --when.")
@click.option("--deviation", is_flag=True, help="Leave what the protocol allows; the log says so.")
@click.option("--protocol", metavar="PROTOCOL", help="The protocol's id or file, where it has moved.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a check finds anything new.")
@click.option(
    "--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True, help="Format on stdout."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@options.lang
@options.outputs
def amend(
    file: str,
    changes: tuple[str, ...],
    when: str,
    who: str | None,
    patient_id: str | None,
    past: bool,
    deviation: bool,
    protocol: str | None,
    strict: bool,
    form: str,
    as_json: bool,
    lang: str,
    outputs: tuple[str, ...],
    force: bool,
) -> int:
    """Changes a calendar of nksim (.json, .csv, .ics) and prints what differs. Each CHANGE is a sentence with a reason:

    \b
    delay LINE N by 3 d: REASON      or  to 2027-03-12: REASON
    omit LINE N: REASON              it is not made up for
    reduce LINE N by 25 %: REASON    or  to 75 %: REASON
    cease LINE: REASON               or  from N: REASON
    N may be a range, 2..4, and is left out where a line has one dose.

    \b
    nksim amend p001.json "delay cells 2 by 3 d: fever" --when 2027-03-05T09:00 --who "Li Na" -o new.json -o new.ics
    """
    paths = options.checked_outputs(outputs, ("json", "ics", "csv", "txt", "html", "pdf"), force=force)
    from nksim.output import revisions
    from nksim.rederivation import differences, rederived
    from nksim.schedule.departures import unlike
    from nksim.storage import opened

    stored = opened(file)
    if found := differences(stored, protocol=protocol):
        raise InvalidInput(
            "NK735", f"{file} is not what its provenance and log give: {found[0]}", help=f"see nksim verify {file}"
        )
    old = new = rederived(stored, protocol=protocol)
    for change in changes:
        new = new.amend(change, when=options.stated_time(when), who=who, id=patient_id, past=past, deviation=deviation)
    entries = new.log[len(old.log) :]
    if as_json or form == "json":
        shown = revisions.as_data(old.calendars, new.calendars, entries)
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        click.echo(revisions.as_text(old.calendars, new.calendars, entries), nl=False)
    for path in paths:
        new.save(path, force=force, lang=lang)
        options.talk(f"wrote {path}")
    if paths:
        options.talk(f"seal {new.log[-1].hash[:12]}: note it apart from the files, and verify with --seal")
    else:
        options.talk("nothing is written: add -o FILE.json")
    found_now = [f for was, now in zip(old.calendars, new.calendars, strict=True) for f in unlike(now, was)]
    for finding in dict.fromkeys(found_now):
        options.talk(finding)
    return 1 if strict and any(f.waived is None for f in found_now) else 0
