"""Tables as HTML, for reports and notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int, words: int = 0) -> str:
    """A table whose columns from `numbers` on are right-aligned (class `n`), but for the last so many of `words`.

    >>> table_html(["a", "b"], [["x<", "1"]], numbers=1).count("&lt;")
    1
    """

    def cells(tag: str, row: Sequence[str]) -> str:
        kind = [
            ' class="n" style="text-align:right"' if numbers <= i < len(row) - words else ' style="text-align:left"'
            for i in range(len(row))
        ]
        return "".join(f"<{tag}{k}>{html.escape(c)}</{tag}>" for k, c in zip(kind, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', header)}</tr></thead><tbody>{body}</tbody></table>"


def shown(title: str, table: str, foot: str) -> str:
    """A table with a title above and what it rests on below, for a notebook."""
    return f"<p><b>{html.escape(title)}</b></p>{table}<p style='font-size:smaller'>{html.escape(foot)}</p>"
