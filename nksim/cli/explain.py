"""`nksim explain`: what a code means and how to mend it."""

from __future__ import annotations

import difflib
import json

import click

from nksim.errors import UsageError, shorten


@click.command()
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def explain(codes: tuple[str, ...], as_json: bool) -> None:
    """What a code means, why it is so, how to mend it, with an example; every code, where none is named.

    \b
    nksim explain NK312
    """
    from nksim.explain import explanations
    from nksim.output.explanations import as_record, in_full, listing

    known = explanations()
    wanted = [code.upper() for code in codes]
    for code in wanted:
        if code not in known:
            near = difflib.get_close_matches(code, known, n=1, cutoff=0.8)
            mend = f"did you mean {near[0]}?" if near else "`nksim explain` lists every code"
            raise UsageError("NK516", f"there is no code {shorten(code)}", help=mend)
    chosen = [known[code] for code in wanted] or list(known.values())
    if as_json:
        content = {"schema_version": 1, "kind": "explanations", "codes": [as_record(e) for e in chosen]}
        click.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        click.echo("\n\n".join(in_full(e) for e in chosen) if wanted else listing(chosen))
