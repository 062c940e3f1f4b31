"""Sheets as one web page to print: nothing is loaded, nothing runs, and it reads the same in black and white."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from importlib import resources

from nksim.ledger import Entry
from nksim.output.language import Language
from nksim.output.provenance import Provenance
from nksim.output.sheet import Cell, Grid, Listing, Sheet, sheet
from nksim.output.text import printable
from nksim.schedule.calendar import Calendar

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_TAGS = {"en": "en", "zh": "zh-Hans"}


def as_html(calendars: Sequence[Calendar], provenance: Provenance, lang: Language, log: Sequence[Entry] = ()) -> str:
    """One HTML 5 document with a sheet for each calendar, each starting on a new A4 page."""
    sheets = [sheet(calendar, provenance, lang, log) for calendar in calendars]
    style = resources.files("nksim.output").joinpath("sheet.css").read_text(encoding="utf-8")
    pages = "".join(_page_rule(i, s) for i, s in enumerate(sheets, 1))
    title = " · ".join(dict.fromkeys((*(s.running for s in sheets), sheets[0].title)))
    return (
        f'<!DOCTYPE html>\n<html lang="{_TAGS[lang.code]}"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{style}{pages}</style></head>\n<body>\n"
        f"{''.join(_section(i, s) for i, s in enumerate(sheets, 1))}</body></html>\n"
    )


def _page_rule(number: int, s: Sheet) -> str:
    """The running head and foot of one patient's pages."""
    parts = s.page.replace("\x01", "\x00\x01\x00").replace("\x02", "\x00\x02\x00").split("\x00")
    counters = {"\x01": "counter(page)", "\x02": "counter(pages)"}
    count = " ".join(counters.get(p) or _css_text(p) for p in parts if p)
    small = "font: 7pt sans-serif;"
    return (
        f"#s{number} {{ page: p{number}; }}\n@page p{number} {{ "
        f"@top-left {{ content: {_css_text(s.running)}; {small} }} @top-right {{ content: {count}; {small} }} "
        f"@bottom-left {{ content: {_css_text(s.foot)}; {small} }} }}\n"
    )


def _text(text: str) -> str:
    return html.escape(printable(text))


def _css_text(text: str) -> str:
    """A CSS string; whatever is not plain is escaped, so that no text ends it or the style element."""
    text = printable(text)
    plain = "".join(c if c.isalnum() or c in " .,:;·-_()/" else f"\\{ord(c):x} " for c in text)
    return f'"{plain}"'


def _section(number: int, s: Sheet) -> str:
    parts = [
        f'<section id="s{number}">\n<h1>{_text(s.title)}</h1>\n<dl class="fields">{"".join(_fields(s))}</dl>\n',
        *map(_table, s.tables),
        *map(_listing, (*s.amended, s.listings[0])),
        f'<div class="columns">{"".join(map(_listing, s.listings[1:]))}</div>\n',
        "".join(f'<p class="closing">{_text(text)}</p>\n' for text in s.closing),
        _signatures(s),
        f"<footer>{_text(s.foot)}</footer>\n</section>\n",
    ]
    return "".join(parts)


def _fields(s: Sheet) -> Iterator[str]:
    for label, text in s.fields:
        wide = ' class="wide"' if len(text) > 34 else ""
        blank = "" if text else ' class="blank"'
        yield f"<div{wide}><dt>{_text(label)}</dt><dd{blank}>{_text(text)}</dd></div>"


def _table(grid: Grid) -> str:
    total = sum(grid.weights)
    widths = "".join(f'<col style="width:{100 * w / total:.2f}%">' for w in grid.weights)
    head = "".join(f'<th scope="col">{_text(c)}</th>' for c in grid.columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in grid.rows)
    return (
        f"<h2>{_text(grid.heading)}</h2>\n<table><colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead>\n"
        f"<tbody>{body}</tbody></table>\n"
    )


def _cell(cell: Cell) -> str:
    marks = "".join(f' <span class="mark">{_text(m)}</span>' for m in cell.marks)
    text = "<br>".join(map(_text, cell.text.split("\n")))
    text = f'<span class="keep">{text}</span>' if cell.kept else text
    return f"<td>{f'<b>{text}</b>' if cell.strong else text}{marks}</td>"


def _listing(listing: Listing) -> str:
    numbers = listing.numbers or ("",) * len(listing.items)
    items = "".join(_item(n, item) for n, item in zip(numbers, listing.items, strict=True))
    tag = "ol" if listing.numbers else "ul"
    return f"<h2>{_text(listing.heading)}</h2>\n<{tag}>{items}</{tag}>\n"


def _item(number: str, item: tuple[str, ...]) -> str:
    head = f"<b>{_text(number)}</b>" if number else "• "
    more = "".join(f"<small>{_text(text)}</small>" for text in item[1:] if text)
    return f"<li>{head}{_text(item[0])}{more}</li>\n"


def _signatures(s: Sheet) -> str:
    lines = "".join(f"<span>{_text(x)}</span>" for x in s.signed)
    blocks = "".join(f"<p><b>{_text(who)}</b>{lines}</p>" for who in s.signatures)
    return f'<div class="sign">{blocks}</div>\n'
