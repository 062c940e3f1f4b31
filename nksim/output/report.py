"""A report as one web page that needs nothing else: no network, charts to point at, ready to print."""

from __future__ import annotations

import html
import json
from functools import cache
from importlib import resources
from typing import Any

from nksim.output.charts import library
from nksim.output.markup import table_html
from nksim.output.pages import Block, Figure, Page, Table, Text, notes_of

# Nothing may be loaded from anywhere; the chart library compiles its expressions, which needs `unsafe-eval`.
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
# Tables of more columns are printed on a page that lies across.
_MOST_UPRIGHT = 9


def as_html(page: Page) -> str:
    """The page as HTML 5 with its style, its data and the chart library (Vega, BSD-3-Clause) inside."""
    ids = {heading: f"s{i}" for i, (heading, _) in enumerate(page.sections, 1)}
    drawn = any(isinstance(block, Figure) for _, blocks in page.sections for block in blocks)
    links = "".join(f'<a href="#{i}">{html.escape(h)}</a>' for h, i in ids.items())
    body = "".join(
        f'<section><h2 id="{ids[heading]}">{html.escape(heading)}</h2>{"".join(map(_block, blocks))}</section>\n'
        for heading, blocks in page.sections
    )
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(page.title)}</title><style>{_resource('report.css')}</style></head><body>",
        f"<h1>{html.escape(page.title)}</h1><nav>{links}</nav>\n",
        "<noscript><p>The charts need JavaScript; a report.pdf holds them as pictures.</p></noscript>\n" * drawn,
        body,
        f"<footer>{html.escape(page.provenance.line())}</footer>\n",
        f"<script>{_bundle()}</script>\n<script>{_resource('report.js')}</script>" if drawn else "",
        "</body></html>\n",
    ]
    return "".join(parts)


def _block(block: Block) -> str:
    if isinstance(block, Text):
        text = html.escape(block.text)
        return f"<pre>{text}</pre>" if block.kept else f"<p>{text}</p>"
    if isinstance(block, Table):
        made = table_html(block.header, block.rows, numbers=block.numbers, words=block.words)
        return f'<div class="scroll{" wide" if len(block.header) > _MOST_UPRIGHT else ""}">{made}</div>'
    return _figure(block)


def _figure(figure: Figure) -> str:
    """The chart without its title: the page wraps title and notes better than a chart can."""
    # Charts are checked against the schema when they are made; to do it again for the whole costs half a second.
    spec: dict[str, Any] = figure.chart.to_dict(validate=False)
    first, *rest = map(html.escape, notes_of(spec))
    more = f"<details><summary>what it rests on</summary>{'<br>'.join(rest)}</details>" if rest else ""
    # `</` would end the script element in the middle of the data.
    data = json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    kind = ' class="curve"' if "vconcat" in spec else ""
    return (
        f"<figure{kind}><figcaption>{html.escape(figure.title)}</figcaption>"
        f'<div class="why">{first}{more}</div>'
        f'<div class="chart" role="img" aria-label="{html.escape(figure.title)}"></div>'
        f'<script type="application/json">{data}</script></figure>'
    )


def _resource(name: str) -> str:
    return resources.files("nksim.output").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as vl-convert carries them."""
    import vl_convert

    version = ".".join(str(library().SCHEMA_VERSION).lstrip("v").split(".")[:2])
    made: str = vl_convert.javascript_bundle(snippet="window.vegaEmbed = vegaEmbed;", vl_version=version)
    return made.replace("</script", "<\\/script")
