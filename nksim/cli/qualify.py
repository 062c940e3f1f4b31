"""`nksim qualify`: the reference cases re-run on this machine."""

from __future__ import annotations

import click

from nksim.cli import options


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
@options.outputs
def qualify(as_json: bool, outputs: tuple[str, ...], force: bool) -> int:
    """Re-runs the reference cases on this machine: closed forms, other programs' numbers, laws, expected calendars.

    Exit code 1 when one fails. Published drug exposures are shown beside the model's, misses named; they fail nothing.
    -o writes .html or .pdf (report, nksim[charts] for .pdf), .json or .txt.

    \b
    nksim qualify -o qualification.html
    """
    from nksim.output import files
    from nksim.output import qualification as words
    from nksim.qualification.outcome import qualify as run

    paths = options.checked_outputs(outputs, words.SAVED_AS, force=force)
    found = run(options.progress("qualifying"))
    for path in paths:
        files.write(path, words.rendered(found, path.suffix[1:], options.command_line()))
        options.talk(f"wrote {path}")
    click.echo(words.as_json(found) if as_json else words.as_text(found), nl=False)
    return 1 if found.failed else 0
