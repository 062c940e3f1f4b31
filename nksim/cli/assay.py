"""The assay that chimerism is read with, as options of a command."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from nksim.cli.options import together
from nksim.errors import Misread, UsageError, shorten

_options = together(
    click.option("--assay", "method", metavar="METHOD", help="STR, NGS, qPCR or dPCR, with the limit reported for it."),
    click.option("--lod", metavar="PERCENT", help="Limit of detection of the chimerism assay.  [default: 1 %]"),
    click.option("--loq", metavar="PERCENT", help="Limit of quantification: below it only seen or not seen."),
    click.option(
        "--lineage",
        default="NK",
        show_default=True,
        metavar="CELLS",
        help="Cells that donor cells are a fraction of: NK, lymphocytes, PBMC or leukocytes (unseparated blood).",
    ),
    click.option("--sampled-cells", type=int, metavar="N", help="Cells looked at in a sample; all unless given."),
    click.option(
        "--other-cells", metavar="COUNT", help='Cells of PBMC or leukocytes that are no lymphocytes: "300/uL".'
    ),
    click.option(
        "--copies-per-cell", type=float, metavar="N", help="Transgene copies per CAR cell: gives copies/µg DNA."
    ),
)


def assay(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets the fields of `Settings` that they decide, as `assay`."""

    @functools.wraps(command)
    def with_assay(
        *args: Any,
        method: str | None,
        lod: str | None,
        loq: str | None,
        lineage: str,
        sampled_cells: int | None,
        other_cells: str | None,
        copies_per_cell: float | None,
        **others: Any,
    ) -> Any:
        chosen = {
            "lod": _limit(method, lod),
            "lineage": lineage,
            "loq": None if loq is None else _percentage("--loq", loq),
            "sampled_cells": sampled_cells,
            "other_cells": None if other_cells is None else _count(other_cells),
            "copies_per_cell": copies_per_cell,
        }
        return command(*args, assay=chosen, **others)

    return _options(with_assay)


def _limit(method: str | None, lod: str | None) -> float:
    from nksim.kinetics.assay import methods

    if method is None:
        return _percentage("--lod", lod or "1 %")
    if lod is not None:
        raise UsageError("NK643", "--assay and --lod both name a limit", help="give one of the two")
    if method not in methods():
        raise UsageError("NK643", f"no assay {shorten(method)}", help=f"one of {', '.join(methods())}, or --lod")
    return methods()[method].lod


def _percentage(option: str, text: str) -> float:
    from nksim.units import quantity

    try:
        limit = quantity(text)
    except Misread:
        limit = None
    if limit is None or limit.unit != "%":
        raise UsageError("NK643", f"{option} {shorten(text)} is not a percentage", help=f'write {option} "1 %"')
    return float(limit.number) / 100


def _count(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(?:cells)? ?/ ?(?:uL|µL|μL)", text, re.ASCII | re.IGNORECASE)
    if not match:
        raise UsageError(
            "NK632", f"--other-cells {shorten(text)} is no count", help='write --other-cells "300 cells/uL"'
        )
    return float(match[1])
