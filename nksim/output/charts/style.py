"""What all charts share: colours, dashes, sizes, titles, and how they become files."""

from __future__ import annotations

import csv
import io
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nksim.errors import UsageError

if TYPE_CHECKING:
    import altair as alt

# Okabe and Ito 2008: told apart by colour-blind readers; dashes and shapes tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C7A00")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 2], [1, 3], [10, 4], [3, 1, 1, 1])
INK, MUTED, GRID = "#222222", "#555555", "#e5e5e5"
WIDTH, HEIGHT = 640, 320
_WRAP = 108


def library() -> Any:
    """The chart library; raises `UsageError` NK711 where it is not installed."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError:
        raise UsageError("NK711", "charts need the chart library", help="pip install 'nksim[charts]'") from None
    return altair


def letters(count: int) -> list[str]:
    """A short name for each of several regimens.

    >>> letters(28)[-3:]
    ['Z', 'AA', 'AB']
    """
    single = [chr(ord("A") + i) for i in range(26)]
    return [*single, *(a + b for a in single for b in single)][:count]


def lettered(labels: Sequence[str]) -> list[str]:
    """Labels with their letters in front, as in the tables; a single one keeps its own name."""
    names = letters(len(labels))
    return [f"{n}  {label}" for n, label in zip(names, labels, strict=True)] if len(labels) > 1 else list(labels)


def palette(names: Sequence[str]) -> tuple[list[str], list[list[int]]]:
    """A colour and a dash for each name; the ninth begins again, with another dash."""
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(names))]
    dashes = [list(DASHES[(i + i // len(COLOURS)) % len(DASHES)]) for i in range(len(names))]
    return colours, dashes


def legend(alt: Any, names: Sequence[str], **more: Any) -> Any:
    """A legend above the chart in as many columns as the names leave room for; None for a single name."""
    if len(names) < 2:
        return None
    columns = max(1, min(len(names), 100 // (max(map(len, names)) + 6)))
    return alt.Legend(title=None, orient="top", columns=columns, labelLimit=0, symbolOpacity=1, **more)


def finished(alt: Any, chart: Any, title: str, subtitle: Sequence[str]) -> Any:
    """The chart with its title, what it rests on as subtitle, and quiet axes."""
    notes = list(subtitle)
    heading = alt.TitleParams(
        title,
        subtitle=[part for text in notes for part in textwrap.wrap(text, _WRAP)],
        anchor="start",
        fontSize=15,
        subtitleFontSize=11,
        subtitleColor="#444444",
        offset=12,
    )
    return (
        # A page wraps the notes itself, at its own width.
        chart.properties(title=heading, padding=12, usermeta={"notes": notes})
        .configure_view(stroke=None)
        .configure_axis(grid=True, gridColor=GRID, labelFontSize=11, titleFontSize=12, labelLimit=0, titleLimit=0)
    )


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from `low` to `high`, for the ticks of a log axis.

    >>> decades(0.01, 5)
    [0.01, 0.1, 1.0]
    """
    return [10.0**i for i in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)]


def number_axis(alt: Any) -> Any:
    """An axis of plain numbers, of powers of ten from a million."""
    return alt.Axis(labelExpr="abs(datum.value) >= 1e6 ? format(datum.value, '.2~e') : format(datum.value, '~g')")


def inline(alt: Any, records: Sequence[Mapping[str, Any]], *texts: str) -> Any:
    """Many records as CSV inside the chart, where the fields `texts` stay text: a list of objects costs seconds.

    A missing number is an empty field, which the chart reads as null.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    names = list(records[0])
    writer.writerow(names)
    writer.writerows([r[n] for n in names] for r in records)
    parse = {n: "string" if n in texts else "number" for n in names}
    return alt.Data(values=out.getvalue(), format={"type": "csv", "parse": parse})


def short(value: float) -> float:
    """A number at seven significant digits: more would only make the page heavier."""
    return float(f"{value:.7g}")


def rendered(chart: alt.TopLevelMixin, suffix: str) -> bytes:
    """The chart as the bytes of an `svg`, `png` or `pdf` file."""
    import vl_convert

    if suffix == "svg":
        return renumbered(str(vl_convert.vegalite_to_svg(chart.to_dict()))).encode()
    if suffix == "pdf":
        return bytes(vl_convert.vegalite_to_pdf(chart.to_dict()))
    return bytes(vl_convert.vegalite_to_png(chart.to_dict(), scale=2))


def renumbered(svg: str) -> str:
    """The SVG with ids counted from 1: the drawing library goes on counting from one chart to the next."""
    found = {name: f"clip-{i}" for i, name in enumerate(dict.fromkeys(re.findall(r'id="(clip\d+)"', svg)), 1)}
    return re.sub(r"\bclip\d+\b", lambda m: found.get(m[0], m[0]), svg)
