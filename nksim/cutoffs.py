"""Published cut-offs of metrics, drawn and printed as reference lines; `cutoffs.csv` holds them with their source."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Cutoff:
    """A value that a publication found to matter, in whom, and how closely the publication was read."""

    metric: str
    sign: str
    value: float
    unit: str
    meaning: str
    population: str
    n: int
    source: str
    standing: str

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit} ({self.source}; {self.population}, n = {self.n}): {self.meaning}"


@cache
def cutoffs(metric: str) -> tuple[Cutoff, ...]:
    """Published cut-offs of a metric, smallest first; none for most.

    >>> [c.value for c in cutoffs("f_ara_a_auc")]
    [13.8, 14.0, 20.0]
    """
    text = resources.files("nksim").joinpath("cutoffs.csv").read_text(encoding="utf-8")
    rows = [r for r in csv.DictReader(text.splitlines()) if r["metric"] == metric]
    found = [Cutoff(**{**r, "value": float(r["value"]), "n": int(r["n"])}) for r in rows]  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda c: c.value))
