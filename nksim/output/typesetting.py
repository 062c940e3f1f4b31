"""Text and tables set on paper: how wide a word is, where a line breaks, what a table's columns need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

SANS, MONO = "Liberation Sans, sans-serif", "Liberation Mono, monospace"
MONO_ASPECT = 0.6
# Widths in thousandths of the size, as Liberation Sans 2 has them (those of Arial); what is not here has 1000.
_WIDTHS = {
    191: "'", 222: "ijl", 260: "|", 278: " !,./:;I[\\]ft·", 333: "()-`r²³", 334: "{}", 355: '"', 389: "*", 400: "°",
    469: "^", 500: "Jcksvxyz", 549: "≥≤±", 556: "#$0123456789?L_abdeghnopqu–", 576: "µ", 584: "+<=>~−×", 611: "FTZ",
    667: "&ABEKPSVXY", 722: "CDHNRUw", 778: "GOQ", 833: "Mm", 834: "½", 889: "%", 944: "W", 1015: "@",
}  # fmt: skip
_WIDE = {letter: width for width, letters in _WIDTHS.items() for letter in letters}
_BOLDER, _GAP, _LINE = 1.07, 7.0, 1.32


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Points that a text takes in Liberation Sans of this size; for bold letters an upper guess.

    >>> round(width_of("0 mg", 10), 2)
    22.23
    """
    thousandths = sum(_WIDE.get(letter, 1000) for letter in text)
    return thousandths * size / 1000 * (_BOLDER if bold else 1)


def wrapped(text: str, room: float, size: float, *, bold: bool = False) -> list[str]:
    """Lines of a text that fit into so many points; a word that does not is cut.

    >>> wrapped("one two three", 40, 10)
    ['one two', 'three']
    """
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width_of(longer, size, bold=bold) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while width_of(line, size, bold=bold) > room and len(line) > 1:
            cut = max(i for i in range(1, len(line)) if i == 1 or width_of(line[:i], size, bold=bold) <= room)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line]


def text_svg(
    text: str, x: float, y: float, size: float, *, bold: bool = False, mono: bool = False, right: bool = False
) -> str:
    """One line of text with its baseline at y, from x on or (`right`) up to it."""
    look = f'font-family="{MONO if mono else SANS}" font-size="{size:.2f}"'
    look += ' font-weight="bold"' if bold else ""
    look += ' text-anchor="end"' if right else ""
    # Spaces that align columns must not be folded together.
    return f'<text xml:space="preserve" x="{x:.2f}" y="{y:.2f}" {look}>{escape(text)}</text>'


@dataclass(frozen=True)
class Row:
    """One row of a table as drawn: its SVG from the top left corner, and its height in points."""

    svg: str
    height: float


@dataclass(frozen=True)
class Grid:
    """The columns of a table on paper: their widths in points, and which of them end flush right."""

    widths: tuple[float, ...]
    size: float
    right: frozenset[int]

    @property
    def total(self) -> float:
        """Points from the left edge of the first column to the right edge of the last."""
        return sum(self.widths) + _GAP * (len(self.widths) - 1)

    def row(self, cells: Sequence[str], *, bold: bool = False) -> Row:
        """A row with its rule below; text that is too long for its column goes on in further lines."""
        columns = [wrapped(c, w, self.size, bold=bold) for c, w in zip(cells, self.widths, strict=True)]
        lines = max(map(len, columns))
        parts, x = [], 0.0
        for i, (column, width) in enumerate(zip(columns, self.widths, strict=True)):
            right = i in self.right
            for j, line in enumerate(column):
                y = self.size * (_LINE * j + 1)
                parts.append(text_svg(line, x + width if right else x, y, self.size, bold=bold, right=right))
            x += width + _GAP
        height = self.size * (_LINE * lines + 0.25)
        shade, weight = ("#555555", 0.8) if bold else ("#d5d5d5", 0.4)
        rule = f'<path d="M0 {height:.2f}H{self.total:.2f}" stroke="{shade}" stroke-width="{weight}"/>'
        return Row("".join(parts) + rule, height + self.size * 0.15)


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int], size: float, room: float) -> Grid:
    """Columns as wide as their widest cell; where that is too wide, columns of text give way, numbers never."""
    needs = [
        max(width_of(header[i], size, bold=True), *(width_of(r[i], size) for r in rows)) + 0.5
        for i in range(len(header))
    ]
    # A column is no narrower than its longest word.
    words = [
        [
            *(width_of(word, size, bold=True) for word in header[i].split(" ")),
            *(width_of(word, size) for r in rows for word in r[i].split(" ")),
        ]
        for i in range(len(header))
    ]
    least = [max(found) + 0.5 for found in words]
    over = sum(needs) + _GAP * (len(needs) - 1) - room
    for i in sorted(set(range(len(needs))) - right, key=lambda i: -needs[i]):
        given = min(max(over, 0.0), max(0.0, needs[i] - max(least[i], 0.2 * room)))
        needs[i] -= given
        over -= given
    return Grid(tuple(needs), size, right)
