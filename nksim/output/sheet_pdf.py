"""The same sheets as PDF on A4, set without a browser; the font's glyphs that are used stand in the file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import CondPageBreak, KeepTogether, PageBreak, Paragraph, SimpleDocTemplate, Table

from nksim.errors import UsageError
from nksim.ledger import Entry
from nksim.output.language import Language
from nksim.output.pdf_parts import Columns, Marker, Numbered
from nksim.output.provenance import Provenance
from nksim.output.sheet import Cell, Grid, Listing, Sheet, sheet
from nksim.output.text import printable, shortened
from nksim.schedule.calendar import Calendar

_MM = 72 / 25.4
_PAGE = (297 * _MM, 210 * _MM)
_SIDE, _TOP, _BOTTOM = 12 * _MM, 14 * _MM, 15 * _MM
_WIDE = _PAGE[0] - 2 * _SIDE
# A heading, the head of a table and its first two rows.
_HEADED = 100.0
_LONGEST_CELL, _LONGEST_PIECE = 300, 1200
_FONTS = {"NotoSansSC": "NotoSansSC-Regular.ttf", "NotoSansSC-Bold": "NotoSansSC-Bold.ttf"}


def as_pdf(calendars: Sequence[Calendar], provenance: Provenance, lang: Language, log: Sequence[Entry] = ()) -> bytes:
    """One PDF with a sheet for each calendar; the same calendars give the same bytes.

    Raises `UsageError` NK712 for a character that the font does not have.
    """
    sheets = [sheet(calendar, provenance, lang, log) for calendar in calendars]
    _fonts()
    story: list[Any] = []
    for i, s in enumerate(sheets):
        story += [PageBreak()] if i else []
        story += [Marker(s), *_flow(s)]
    out = io.BytesIO()
    about = {"title": " · ".join(s.running for s in sheets), "author": "", "creator": "nksim", "producer": "nksim"}
    document = SimpleDocTemplate(
        out, pagesize=_PAGE, leftMargin=_SIDE, rightMargin=_SIDE, topMargin=_TOP, bottomMargin=_BOTTOM, invariant=1,
        lang=lang.code, **about,
    )  # fmt: skip
    document.build(story, canvasmaker=_Pages)
    return out.getvalue()


@cache
def _fonts() -> None:
    for name, file in _FONTS.items():
        with resources.files("nksim.output").joinpath("fonts", file).open("rb") as data:
            pdfmetrics.registerFont(TTFont(name, io.BytesIO(data.read())))


@cache
def _glyphs(font: str) -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(font).face.charToGlyph)


class _Pages(Numbered):
    """Pages of sheets: patient and plan above, the version and what it is not below."""

    def head_and_foot(self, of: Sheet, number: int, pages: int) -> None:
        """Draws what stands around page `number` of `pages`."""
        self.setFont("NotoSansSC", 7)
        top = _PAGE[1] - 9 * _MM
        self.drawString(_SIDE, top, _covered(of.running))
        self.drawRightString(_PAGE[0] - _SIDE, top, of.page.replace("\x01", str(number)).replace("\x02", str(pages)))
        self.drawString(_SIDE, 8 * _MM, _covered(of.foot))


def _flow(s: Sheet) -> Iterator[Any]:
    """The parts of a sheet from the title to the signatures."""
    yield _text(_bold(s.title), s, 13, after=4)
    yield _fields(s)
    for grid in s.tables:
        # Kept with the next, the heading would take the whole table to a new page.
        yield CondPageBreak(_HEADED)
        yield _text(_bold(grid.heading), s, 9.5, before=7, after=2)
        yield _table(grid, s)
    calculations, *others = s.listings
    for listing in (*s.amended, calculations):
        for block in _listing(listing, s):
            yield KeepTogether(block)
    yield Columns([block for listing in others for block in _listing(listing, s)])
    closing = [_text(_plain(text), s, 8, before=3) for text in s.closing]
    yield KeepTogether([*closing, _signatures(s)])


def _covered(text: str) -> str:
    """The text, once the font has a glyph for every character of it."""
    text = printable(text)
    missing = [c for c in dict.fromkeys(text) if ord(c) not in _glyphs("NotoSansSC")]
    if missing:
        named = ", ".join(f"{c} (U+{ord(c):04X})" for c in missing[:5])
        raise UsageError(
            "NK712", f"the font of PDF sheets has no glyph for {named}", help="write .html and print it from a browser"
        )
    return text


def _plain(text: str) -> str:
    return escape(_covered(text))


def _bold(text: str) -> str:
    """Markup with the bold font, where it has every glyph of the text."""
    markup = _plain(text)
    strong = all(ord(c) in _glyphs("NotoSansSC-Bold") for c in text)
    return f'<font name="NotoSansSC-Bold">{markup}</font>' if strong else markup


def _text(markup: str, s: Sheet, size: float, *, before: float = 0, after: float = 0, **more: Any) -> Any:
    bullet = more.pop("bullet", None)
    style = ParagraphStyle(
        "text", fontName="NotoSansSC", fontSize=size, leading=size * 1.28, spaceBefore=before, spaceAfter=after,
        wordWrap="CJK" if s.language == "zh" else None, bulletFontName="NotoSansSC-Bold", bulletFontSize=size, **more,
    )  # fmt: skip
    return Paragraph(markup, style, bulletText=bullet)


def _heading(text: str, s: Sheet) -> Any:
    return _text(_bold(text), s, 9.5, before=7, after=2, keepWithNext=1)


def _fields(s: Sheet) -> Any:
    """Label and value in four columns; a long value takes two."""
    rows: list[list[Any]] = [[]]
    spans: list[tuple[Any, ...]] = []
    for label, text in s.fields:
        cell = _text(f"{_bold(label)}: {_plain(shortened(text, _LONGEST_CELL)) if text else '_' * 24}", s, 8)
        width = 2 if len(text) > 34 else 1
        if len(rows[-1]) + width > 4:
            rows.append([])
        at = (len(rows[-1]), len(rows) - 1)
        rows[-1] += [cell, *[""] * (width - 1)]
        spans += [("SPAN", at, (at[0] + 1, at[1]))] if width == 2 else []
    filled = [row + [""] * (4 - len(row)) for row in rows]
    look = [("BOX", (0, 0), (-1, -1), 0.6, "black"), *_tight(1.2)]
    return Table(filled, colWidths=[_WIDE / 4] * 4, style=[*look, *spans])


def _tight(by: float) -> list[tuple[Any, ...]]:
    everywhere = ((0, 0), (-1, -1))
    return [("VALIGN", *everywhere, "TOP"), ("TOPPADDING", *everywhere, by), ("BOTTOMPADDING", *everywhere, by + 0.8),
            ("LEFTPADDING", *everywhere, 3), ("RIGHTPADDING", *everywhere, 3)]  # fmt: skip


def _table(grid: Grid, s: Sheet) -> Any:
    """A table whose header stands on every page and of which no row is left alone."""
    rows = [[_text(_bold(c), s, 8) for c in grid.columns], *([_cell(c, s) for c in row] for row in grid.rows)]
    widths = [_WIDE * w / sum(grid.weights) for w in grid.weights]
    look = [
        ("GRID", (0, 0), (-1, -1), 0.4, "#555555"),
        ("LINEBELOW", (0, 0), (-1, 0), 1, "black"),
        ("BACKGROUND", (0, 0), (-1, 0), "#eeeeee"),
        *_tight(1),
    ]
    if len(rows) > 2:
        look += [("NOSPLIT", (0, 0), (-1, 2)), ("NOSPLIT", (0, -2), (-1, -1))]
    return Table(rows, colWidths=widths, repeatRows=1, style=look)


def _cell(cell: Cell, s: Sheet) -> Any:
    text = shortened(cell.text, _LONGEST_CELL)
    text = text.replace(" ", "\N{NO-BREAK SPACE}") if cell.kept else text
    apart = "<br/>" if len(cell.text) > 10 else " "
    marks = "".join(f"{apart}[{_plain(mark)}]" for mark in cell.marks)
    markup = "<br/>".join(map(_bold if cell.strong else _plain, text.split("\n")))
    return _text(markup + marks, s, 8)


def _listing(listing: Listing, s: Sheet) -> Iterator[list[Any]]:
    """The heading with the first item, from which it never parts, and the other items; very long ones in pieces."""
    indent = 18 if listing.numbers else 9
    numbers = listing.numbers or ("•",) * len(listing.items)
    blocks = []
    for number, (first, *more) in zip(numbers, listing.items, strict=True):
        sizes = [(first, 8.0), *((text, 7.0) for text in more)]
        parts = [
            _text(_plain(piece), s, size, leftIndent=indent, bulletIndent=0, bullet=None if k or at else number)
            for k, (text, size) in enumerate(sizes)
            for at, piece in enumerate(_pieces(text))
        ]
        blocks += [parts] if len(parts) <= len(sizes) else [[part] for part in parts]
    yield [_heading(listing.heading, s), *blocks[0]]
    yield from blocks[1:]


def _pieces(text: str) -> list[str]:
    """A text in pieces that fit a column of a page."""
    return [text[i : i + _LONGEST_PIECE] for i in range(0, len(text), _LONGEST_PIECE)]


def _signatures(s: Sheet) -> Any:
    """A line for each who prepares and verifies: name, signature, date and time."""
    row: list[Any] = []
    for who in s.signatures:
        row.append(_text(_bold(who), s, 8))
        for text in s.signed:
            row += [_text(_plain(text), s, 7), ""]
    widths = [0.08, *[0.125, 0.015] * len(s.signed)] * len(s.signatures)
    space = [""] * len(row)
    return Table([space, row], colWidths=[_WIDE * w for w in widths], rowHeights=[24, None], spaceBefore=6, style=[
        ("BOX", (0, 0), (-1, -1), 0.6, "black"), *_tight(1.5),
        *(("LINEABOVE", (x, 1), (x, 1), 0.5, "black") for x, cell in enumerate(row) if cell and x % 7),
    ])  # fmt: skip
