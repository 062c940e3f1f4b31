"""What sheets need of a PDF beyond paragraphs and tables: two columns that split, and pages counted by sheet."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

GAP = 16.0


class Columns(Flowable):  # type: ignore[misc]
    """Blocks in two columns of about one height; a block is what must stay together, as a heading and an item."""

    def __init__(self, blocks: list[list[Any]]) -> None:
        super().__init__()
        self.blocks = blocks

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """The size in a frame so wide (reportlab's call)."""
        self.column = (width - GAP) / 2
        self.heights = [sum(_height(part, self.column, height) for part in block) for block in self.blocks]
        sums = [0.0, *accumulate(self.heights)]
        self.cut = min(range(len(sums)), key=lambda i: max(sums[i], sums[-1] - sums[i]))
        self.width, self.height = width, max(sums[self.cut], sums[-1] - sums[self.cut])
        return self.width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        """What fits into the height in two columns, and the rest (reportlab's call)."""
        self.wrap(width, height)
        room, used, taken = [height, height], 0, 0
        for each in self.heights:
            if each > room[used]:
                used += 1
            if used == 2 or each > room[used]:
                break
            room[used] -= each
            taken += 1
        if taken == len(self.blocks) or not taken:
            return [self] if taken else []
        return [Columns(self.blocks[:taken]), Columns(self.blocks[taken:])]

    def draw(self) -> None:
        """Draws the columns (reportlab's call)."""
        for x, blocks in ((0.0, self.blocks[: self.cut]), (self.column + GAP, self.blocks[self.cut :])):
            y = self.height
            for part in (part for block in blocks for part in block):
                y -= _height(part, self.column, self.height)
                part.drawOn(self.canv, x, y + part.getSpaceAfter())


def _height(part: Any, width: float, height: float) -> float:
    return float(part.wrap(width, height)[1] + part.getSpaceBefore() + part.getSpaceAfter())


class Marker(Flowable):  # type: ignore[misc]
    """Nothing to see: tells the canvas whose pages begin."""

    def __init__(self, of: object) -> None:
        super().__init__()
        self.of = of

    def wrap(self, *_: float) -> tuple[float, float]:
        """No size (reportlab's call)."""
        return 0, 0

    def draw(self) -> None:
        """Marks the page (reportlab's call)."""
        self.canv.marked = self.of


class Numbered(Canvas):  # type: ignore[misc]
    """A canvas that draws heads and feet when all is set and it is known how many pages each marked part has."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802
        """Keeps the page (reportlab's call)."""
        self.pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Writes the pages with their heads and feet (reportlab's call)."""
        marked = [page["marked"] for page in self.pages]
        number = 0
        for i, page in enumerate(self.pages):
            self.__dict__.update(page)
            number = number + 1 if i and marked[i] is marked[i - 1] else 1
            self.head_and_foot(marked[i], number, sum(m is marked[i] for m in marked))
            super().showPage()
        super().save()

    def head_and_foot(self, of: Any, number: int, pages: int) -> None:
        """Draws what stands around page `number` of `pages`."""
        raise NotImplementedError
