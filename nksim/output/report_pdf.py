"""The same report on A4 pages, as PDF: text set line by line, charts as vector drawings; wide tables lie across."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from nksim.errors import UsageError
from nksim.output.charts.style import renumbered
from nksim.output.pages import Block, Figure, Page, Table, notes_of
from nksim.output.typesetting import MONO_ASPECT, SANS, Row, grid, text_svg, wrapped

# A4 in points, with a margin on every side and a line at the foot.
_SHORT, _LONG, _MARGIN, _FOOT = 595.0, 842.0, 42.0, 24.0
_TEXT, _SMALL, _CELL, _KEPT = 10.0, 7.5, 8.0, 7.7
_LEAD = 1.35
# Points for a pixel: the letters of charts are 11 pixels high.
_CHART_SCALE, _NARROWER, _LOWER = 0.72, 0.88, 0.64
# The drawing library has no glyph for it.
_SPELLED = str.maketrans({"㎡": "m²"})


@dataclass(frozen=True)
class _Piece:
    """Something with a height: a line of text, a row or a drawing, as SVG at the origin.

    `keep` holds it on the page of the next piece; `wide` puts it on a page that lies across; `head` is repeated above
    it where it is the first on a page.
    """

    svg: str
    height: float
    keep: bool = False
    wide: bool = False
    head: Row | None = None


def as_pdf(page: Page) -> bytes:
    """The page as PDF; the same page gives the same bytes. Raises `UsageError` NK711 without the libraries."""
    try:
        import vl_convert
        from pypdf import PdfReader, PdfWriter
    except ImportError:
        raise UsageError(
            "NK711", "a PDF report needs the chart libraries", help="pip install 'nksim[charts]'"
        ) from None
    writer = PdfWriter()
    sheets = list(_sheets(list(_pieces(page))))
    for number, sheet in enumerate(sheets, 1):
        drawn = vl_convert.svg_to_pdf(_svg(sheet, f"{number} of {len(sheets)} · {page.provenance.line()}"))
        read = PdfReader(io.BytesIO(drawn))
        # The drawing library names fonts and colour spaces in no fixed order.
        resources: Any = read.pages[0]["/Resources"]
        for resource in (x.get_object() for x in resources.values()):
            if isinstance(resource, dict):
                ordered = sorted(resource.items())
                resource.clear()
                resource.update(ordered)
        writer.append(read)
    writer.add_metadata({"/Title": page.title, "/Producer": "nksim"})
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _room(*, wide: bool) -> tuple[float, float]:
    """Width and height of a page between its margins."""
    across, down = (_LONG, _SHORT) if wide else (_SHORT, _LONG)
    return across - 2 * _MARGIN, down - 2 * _MARGIN - _FOOT


def _pieces(page: Page) -> Iterator[_Piece]:
    told: set[str] = set()
    yield from _lines(page.title, 17, bold=True, keep=True)
    for heading, blocks in page.sections:
        yield _Piece("", 14, keep=True)
        yield from _lines(heading, 13, bold=True, keep=True)
        for block in blocks:
            yield from _block(block, told)
            yield _Piece("", 7)


def _block(block: Block, told: set[str]) -> Iterator[_Piece]:
    """The pieces of a block; `told` are the notes of charts that need not be told again."""
    if isinstance(block, Figure):
        yield from _drawing(block, told)
    elif isinstance(block, Table):
        yield from _table(block)
    elif block.kept:
        yield from _kept(block.text.translate(_SPELLED).split("\n"))
    else:
        yield from _lines(block.text, _TEXT)


def _lines(text: str, size: float, *, bold: bool = False, keep: bool = False) -> Iterator[_Piece]:
    """A paragraph from margin to margin of an upright page."""
    for line in wrapped(" ".join(text.translate(_SPELLED).split()), _room(wide=False)[0], size, bold=bold):
        yield _Piece(text_svg(line, 0, size, size, bold=bold), size * _LEAD, keep)


def _table(table: Table) -> Iterator[_Piece]:
    """Rows under a header that is repeated on every page; a row that begins with nothing stays with the one above."""
    rows = [[cell.translate(_SPELLED) for cell in row] for row in table.rows]
    across = _room(wide=False)[0]
    made = grid(table.header, rows, table.right, _CELL, across)
    wide = made.total > across
    if wide:
        across = _room(wide=True)[0]
        made = grid(table.header, rows, table.right, _CELL, across)
        if made.total > across:
            made = grid(table.header, rows, table.right, _CELL * across / made.total, across)
    head = made.row(table.header, bold=True)
    yield _Piece(head.svg, head.height, keep=True, wide=wide)
    for i, row in enumerate(rows):
        drawn = made.row(row)
        together = i + 1 < len(rows) and not rows[i + 1][0]
        yield _Piece(drawn.svg, drawn.height, together, wide, head)


def _kept(lines: Sequence[str]) -> Iterator[_Piece]:
    """Lines as they stand; the longest go on in a second line."""
    most = int(_room(wide=False)[0] / (MONO_ASPECT * _KEPT))
    for line in lines:
        for part in textwrap.wrap(line, most, subsequent_indent="      ", drop_whitespace=False) or [""]:
            yield _Piece(text_svg(part, 0, _KEPT, _KEPT, mono=True), _KEPT * _LEAD)


def _drawing(figure: Figure, told: set[str]) -> Iterator[_Piece]:
    """Title, what is seen, the drawing, and below it the notes that no chart above has told."""
    import vl_convert

    spec = _smaller(figure.chart.to_dict(validate=False))
    first, *rest = notes_of(spec)
    yield from _lines(figure.title, 11, bold=True, keep=True)
    yield from _lines(first, _SMALL, keep=True)
    svg = renumbered(str(vl_convert.vegalite_to_svg(spec)))
    width, height = (float(x) for x in re.findall(r'<svg[^>]*? width="([\d.]+)"[^>]*? height="([\d.]+)"', svg)[0])
    across, down = _room(wide=False)
    scale = min(_CHART_SCALE, across / width, (down - 70) / height)
    notes = [note for note in rest if note not in told]
    told.update(notes)
    scaled = f'<g transform="scale({scale:.5f})">{svg[svg.index("<svg") :]}</g>'
    yield _Piece(scaled, height * scale, keep=bool(notes))
    for note in notes:
        yield from _lines(note, _SMALL)


def _smaller(node: Any) -> Any:
    """A specification with smaller plots and letters as they were: two curves with their strips fill a page."""
    if isinstance(node, list):
        return [_smaller(x) for x in node]
    if not isinstance(node, dict):
        return node
    rows = node.get("encoding", {})
    # Rows with a name each have no height to spare.
    named = rows.get("y", {}).get("type") == "nominal" and "yOffset" not in rows
    parts = {"width": _NARROWER, "height": 1.0 if named else _LOWER}
    made = {k: v if k in ("data", "datasets") else _smaller(v) for k, v in node.items()}
    return made | {k: node[k] * part for k, part in parts.items() if isinstance(node.get(k), int | float)}


def _sheets(pieces: list[_Piece]) -> Iterator[tuple[bool, list[tuple[float, _Piece]]]]:
    """Pages, upright or across, with their pieces from the top down."""
    sheet: list[tuple[float, _Piece]] = []
    y, across = 0.0, False
    for i, piece in enumerate(pieces):
        # A gap has no side of its own; what is kept with the next goes where the next goes.
        wide = next((p.wide for p in pieces[i:] if not p.keep and p.svg), across)
        needed, j = piece.height, i
        while pieces[j].keep and j + 1 < len(pieces):
            j += 1
            needed += pieces[j].height
        if sheet and (y + min(needed, _room(wide=wide)[1]) > _room(wide=wide)[1] or (wide != across and piece.svg)):
            yield across, sheet
            sheet, y = [], 0.0
        if not sheet:
            across = wide
            if piece.head is not None:
                sheet.append((0.0, _Piece(piece.head.svg, piece.head.height)))
                y = piece.head.height
        if sheet or piece.svg:
            sheet.append((y, piece))
            y += piece.height
    if sheet:
        yield across, sheet


def _svg(sheet: tuple[bool, list[tuple[float, _Piece]]], foot: str) -> str:
    wide, pieces = sheet
    page_w, page_h = (_LONG, _SHORT) if wide else (_SHORT, _LONG)
    placed = [f'<g transform="translate({_MARGIN} {_MARGIN + y:.2f})">{p.svg}</g>' for y, p in pieces]
    size = min(6.5, _room(wide=wide)[0] / (0.5 * len(foot)))
    look = f'font-family="{SANS}" font-size="{size:.2f}"'
    bottom = f'<text x="{_MARGIN}" y="{page_h - 26}" {look}>{escape(foot)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{page_w}" '
        f'height="{page_h}" viewBox="0 0 {page_w} {page_h}"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(placed)}{bottom}</svg>"
    )
