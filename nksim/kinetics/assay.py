"""The measured thing beside the true thing: which cells an assay counts, how many, and what it can no longer see."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from nksim.errors import UsageError, shorten
from nksim.kinetics import Floats

__all__ = ["LINEAGES", "Assay", "Method", "copies_per_ug", "counted", "fraction", "methods"]

# What a donor fraction is a fraction of. The last two hold cells that the model does not follow.
LINEAGES = ("NK", "lymphocytes", "PBMC", "leukocytes")
WITH_OTHERS = {"PBMC": "monocytes", "leukocytes": "monocytes and granulocytes"}
# DNA of a diploid human cell: the usual round figure; 2 x 3.1e9 base pairs of 650 g/mol weigh 6.7 pg.
PG_PER_CELL = 6.6


@dataclass(frozen=True)
class Method:
    """A kind of assay, the limit taken for it (a fraction), what is reported, and where."""

    method: str
    lod: float
    reported: str
    source: str
    doi: str
    standing: str

    def __str__(self) -> str:
        return f"{self.method}, limit {100 * self.lod:g} % ({self.reported}: {self.source}; {self.standing})"


@cache
def methods() -> dict[str, Method]:
    """Kinds of assay by name, from `assays.csv`.

    >>> methods()["STR"].lod
    0.05
    """
    text = resources.files("nksim.kinetics").joinpath("assays.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {r["method"]: Method(**{**r, "lod": float(r["lod"])}) for r in rows}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Assay:
    """How donor cells are looked for in blood.

    `lod` and `loq` are fractions: below `lod` nothing is seen, below `loq` something is seen and no number is given.
    `sampled_cells` is how many cells of the lineage are looked at, None for so many that chance plays no part.
    `other_cells` is the count in cells/µL of the sample's cells that are no lymphocytes, which the model does not
    follow: monocytes in PBMC, monocytes and granulocytes in leukocytes. Raises `UsageError` NK642 (lineage), NK643
    (limits), NK632 (cells that are missing, or not asked for), NK633 (sampled cells).
    """

    lineage: str = "NK"
    lod: float = 0.01
    loq: float | None = None
    sampled_cells: int | None = None
    other_cells: float | None = None

    def __post_init__(self) -> None:
        if self.lineage not in LINEAGES:
            raise UsageError("NK642", f"no lineage {shorten(self.lineage)}", help=f"one of {', '.join(LINEAGES)}")
        if not 0 < self.lod < 1:
            raise UsageError(
                "NK643", f"a limit of detection of {self.lod:g} is not a fraction", help='write --lod "1 %"'
            )
        if self.loq is not None and not self.lod <= self.loq < 1:
            raise UsageError(
                "NK643",
                f"a limit of quantification of {self.loq:g} is not between the limit of detection and 1",
                help='write --loq "5 %"',
            )
        others = WITH_OTHERS.get(self.lineage)
        if others and self.other_cells is None:
            raise UsageError(
                "NK632",
                f"{self.lineage} hold {others}, which the model does not follow",
                help='give their count: --other-cells "300 cells/uL"',
            )
        if self.other_cells is not None and (not others or not 0 <= self.other_cells < 1e6):
            why = f"{self.other_cells:g} is no count" if others else f"{self.lineage} are lymphocytes alone"
            raise UsageError("NK632", f"other cells: {why}", help="they belong to PBMC or leukocytes, in cells/uL")
        if self.sampled_cells is not None and not 1 <= self.sampled_cells <= 10_000_000:
            raise UsageError("NK633", f"{self.sampled_cells} cells cannot be sampled", help="from 1 to 10,000,000")

    def true(self, outputs: Mapping[str, Floats]) -> Floats:
        """Donor fraction of the lineage in blood, of the shape of the outputs `donor_nk`, `host_nk` and `alc`.

        >>> cells = {"donor_nk": np.array([5.0]), "host_nk": np.array([15.0]), "alc": np.array([100.0])}
        >>> Assay("leukocytes", other_cells=900.0).true(cells).item()
        0.005
        """
        if self.lineage == "NK" and "nk_chimerism" in outputs:
            return outputs["nk_chimerism"]
        donor = outputs["donor_nk"]
        whole = donor + outputs["host_nk"] if self.lineage == "NK" else outputs["alc"] + (self.other_cells or 0.0)
        return fraction(donor, whole)

    def read(self, chimerism: Floats, uniforms: Floats | None = None, *, into: Floats | None = None) -> Floats:
        """What is reported for a true fraction: 0 below `lod`, half-way between the limits below `loq`, else the value.

        With `sampled_cells` the value is that of a binomial sample, at the quantiles `uniforms` of the same shape.
        The answer is written `into` an array of that shape where one is given.

        >>> Assay(lod=0.01, loq=0.05).read(np.array([0.004, 0.02, 0.3]))
        array([0.  , 0.03, 0.3 ])
        """
        seen = np.asarray(chimerism)
        if self.sampled_cells is not None:
            from scipy.stats import binom

            if uniforms is None:
                raise ValueError("a sample of cells needs random numbers")
            seen = binom.ppf(uniforms, self.sampled_cells, seen) / self.sampled_cells
        found = np.empty(seen.shape) if into is None else into
        np.copyto(found, seen)
        np.copyto(found, 0.0, where=seen < self.lod)
        if self.loq is not None:
            np.copyto(found, (self.lod + self.loq) / 2, where=(found > 0) & (found < self.loq))
        return found

    def __str__(self) -> str:
        whole = "donor NK cells" if self.lineage == "NK" else f"donor cells among {self.lineage}"
        others = f" (of which {self.other_cells:g}/µL are no lymphocytes, as given)" if self.other_cells else ""
        told = f" and of quantification of {100 * self.loq:g} %" if self.loq is not None else ""
        looked = f", {self.sampled_cells:,} cells looked at" if self.sampled_cells is not None else ""
        return f"an assay of {whole} in blood{others} with a limit of {100 * self.lod:g} %{told}{looked}"


def fraction(part: Floats, whole: Floats) -> Floats:
    """Part of the whole, and 0 where there is nothing at all.

    >>> fraction(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25, 0.  ])
    """
    if (np.asarray(whole) > 0).all():
        return np.asarray(part / whole)
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=np.asarray(whole) > 0)


def counted(outputs: Mapping[str, Floats], measured: Floats) -> Floats:
    """Donor NK cells/µL as trials reckon them: lymphocytes × NK among lymphocytes × the measured donor fraction.

    Where the donor fraction is taken among more than NK cells this is less than the truth (Bachanova 2014,
    doi 10.1182/blood-2013-10-532531, legend of figure 1: donor fraction of unseparated blood).

    >>> cells = {"donor_nk": np.array([5.0]), "host_nk": np.array([15.0])}
    >>> counted(cells, np.array([0.005])).item()
    0.1
    """
    counts: Floats = (outputs["donor_nk"] + outputs["host_nk"]) * measured
    return counts


def copies_per_ug(car_cells: Floats, white_cells: Floats, copies_per_cell: float) -> Floats:
    """Transgene copies per µg of DNA from CAR cells and all white cells of the sample, both in cells/µL.

    The white cells move a hundredfold around the nadir, and the copies with them, whatever the CAR cells do
    (doi 10.1038/s41598-020-74927-8).

    >>> copies_per_ug(np.array([1.0]), np.array([100.0]), 2.0).round()
    array([3030.])
    """
    return fraction(car_cells, white_cells) * (copies_per_cell * 1e6 / PG_PER_CELL)
