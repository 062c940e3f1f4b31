"""`nksim verify`: whether a calendar file is what its provenance and its log give."""

from __future__ import annotations

import json

import click

from nksim.cli import options

MOST = 50


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--protocol", metavar="PROTOCOL", help="The protocol's id or file, where it has moved.")
@click.option(
    "--seal", metavar="HASH", help="The hash of the last log entry, as it was written down; 12 digits or more."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def verify(file: str, protocol: str | None, seal: str | None, as_json: bool) -> int:
    """Makes a calendar (.json, .csv with its metadata, .ics) again and compares every field. Exit code 1: it differs.

    \b
    nksim verify p001.json
    nksim verify p001.ics --seal 3f1c0a9b72de
    """
    from nksim import __version__
    from nksim.rederivation import differences
    from nksim.storage import opened

    if seal is not None and not (12 <= len(seal) <= 64 and set(seal) <= set("0123456789abcdef")):
        raise click.UsageError("--seal is 12 to 64 digits of the last hash, 0-9 and a-f")
    stored = opened(file)
    found = differences(stored, protocol=protocol, seal=seal)
    written = stored.origin.nksim
    if written != __version__:
        options.talk(f"note: written by nksim {written}, checked by {__version__}")
    last = stored.log[-1] if stored.log and isinstance(stored.log[-1], dict) else {}
    if as_json:
        shown = {
            "schema_version": 1,
            "kind": "verification",
            "file": file,
            "same": not found,
            "differences": found,
            "amendments": len(stored.log) - 1,
            "seal": last.get("hash"),
        }
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    elif found:
        for line in found[:MOST]:
            click.echo(line)
        if len(found) > MOST:
            click.echo(f"… and {len(found) - MOST} more")
        options.talk(f"error[NK735]: {file} is not what its provenance and log give")
    else:
        click.echo(f"{file}: every value is as its protocol, patient and log give it")
        count = len(stored.log) - 1
        click.echo(f"{count} amendment{'' if count == 1 else 's'}; seal {last['hash'][:12]}")
    return 1 if found else 0
