"""The same report on A4 pages, as PDF: text set line by line, charts as vector drawings."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from nksim.errors import UsageError
from nksim.output.charts.style import renumbered
from nksim.output.pages import Block, Figure, Page, Table
from nksim.output.text import table as aligned

# A4 in points, with a margin; a character of Liberation Mono is 0.6 of its size wide.
_PAGE_W, _PAGE_H, _MARGIN = 595.0, 842.0, 42.0
_WIDE, _FOOT = _PAGE_W - 2 * _MARGIN, 24.0
_MONO_ASPECT, _SMALLEST, _TEXT_SIZE = 0.6, 4.2, 10.0
_TEXT_COLUMNS = 98


@dataclass(frozen=True)
class _Piece:
    """Something with a height: a line of text or a drawing, as SVG at the origin; a heading keeps the next piece."""

    svg: str
    height: float
    heading: bool = False


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


def _pieces(page: Page) -> Iterator[_Piece]:
    for line in textwrap.wrap(page.title, 52):
        yield _line(line, 17, bold=True, heading=True)
    for heading, blocks in page.sections:
        yield _Piece("", 14)
        yield _line(heading, 13, bold=True, heading=True)
        for block in blocks:
            yield from _block(block)
            yield _Piece("", 7)


def _block(block: Block) -> Iterator[_Piece]:
    if isinstance(block, Figure):
        yield _drawing(block)
        return
    if isinstance(block, Table):
        shown = [
            [textwrap.shorten(c, 120, placeholder=" …") if len(block.header) > 5 else c for c in row]
            for row in block.rows
        ]
        right = frozenset(range(block.numbers, len(block.header)))
        yield from _kept(aligned(block.header, shown, right=right).split("\n"))
        return
    if block.kept:
        yield from _kept(block.text.split("\n"))
        return
    for line in textwrap.wrap(block.text, _TEXT_COLUMNS):
        yield _line(line, _TEXT_SIZE)


def _kept(lines: list[str]) -> Iterator[_Piece]:
    """Lines as they stand, as small as the widest needs; what would become too small goes on in a second line."""
    widest = max(len(line) for line in lines)
    size = min(8.0, max(_SMALLEST, _WIDE / (_MONO_ASPECT * widest)))
    most = int(_WIDE / (_MONO_ASPECT * size))
    for line in lines:
        for part in textwrap.wrap(line, most, subsequent_indent="      ", drop_whitespace=False) or [""]:
            yield _line(part, size, mono=True)


def _line(text: str, size: float, *, bold: bool = False, mono: bool = False, heading: bool = False) -> _Piece:
    family = "Liberation Mono, monospace" if mono else "Liberation Sans, sans-serif"
    weight = ' font-weight="bold"' if bold else ""
    # Spaces that align columns must not be folded together.
    svg = (
        f'<text xml:space="preserve" x="0" y="{size:.2f}" font-family="{family}" font-size="{size:.2f}"{weight}>'
        f"{escape(text)}</text>"
    )
    return _Piece(svg, size * 1.35, heading)


def _drawing(figure: Figure) -> _Piece:
    import vl_convert

    svg = renumbered(str(vl_convert.vegalite_to_svg(figure.chart.to_dict())))
    width, height = (float(x) for x in re.findall(r'<svg[^>]*? width="([\d.]+)"[^>]*? height="([\d.]+)"', svg)[0])
    scale = min(_WIDE / width, (_PAGE_H - 2 * _MARGIN - _FOOT - 60) / height)
    return _Piece(f'<g transform="scale({scale:.5f})">{svg[svg.index("<svg") :]}</g>', height * scale)


def _sheets(pieces: list[_Piece]) -> Iterator[list[tuple[float, _Piece]]]:
    """Pieces on pages from the top down; a heading is never the last thing on a page."""
    room = _PAGE_H - 2 * _MARGIN - _FOOT
    sheet: list[tuple[float, _Piece]] = []
    y = 0.0
    for i, piece in enumerate(pieces):
        follows = pieces[i + 1].height if piece.heading and i + 1 < len(pieces) else 0.0
        if sheet and y + piece.height + follows > room:
            yield sheet
            sheet, y = [], 0.0
        if sheet or piece.svg:
            sheet.append((y, piece))
            y += piece.height
    if sheet:
        yield sheet


def _svg(sheet: list[tuple[float, _Piece]], foot: str) -> str:
    placed = [f'<g transform="translate({_MARGIN} {_MARGIN + y:.2f})">{p.svg}</g>' for y, p in sheet]
    size = min(6.5, _WIDE / (0.5 * len(foot)))
    look = f'font-family="Liberation Sans" font-size="{size:.2f}"'
    bottom = f'<text x="{_MARGIN}" y="{_PAGE_H - 26}" {look}>{escape(foot)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{_PAGE_W}" '
        f'height="{_PAGE_H}" viewBox="0 0 {_PAGE_W} {_PAGE_H}"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(placed)}{bottom}</svg>"
    )
