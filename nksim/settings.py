"""How a simulation is run and read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nksim.errors import UsageError, shorten
from nksim.kinetics.assay import Assay

TIMING = ("planned", "sampled")
ENGINES = ("auto", "native", "numpy", "reference")


@dataclass(frozen=True)
class Settings:
    """How a simulation is run and read: horizon and grid in days, engine, parameter set, assay.

    `shifts` move parameters on their own scales, see `nksim.kinetics.parameters.perturbed`.
    """

    days: float = 90.0
    every_d: float = 0.25
    engine: str = "auto"
    model: str = "model2"
    lod: float = 0.01
    lineage: str = "NK"
    timing: str = "planned"
    loq: float | None = None
    sampled_cells: int | None = None
    other_cells: float | None = None
    copies_per_cell: float | None = None
    shifts: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.days <= 1000 or not 1 / 96 <= self.every_d <= 7:
            raise UsageError(
                "NK640",
                f"{self.days:g} days in steps of {self.every_d:g} days cannot be simulated",
                help="--days from 1 to 1000 and --every from 15min to 7d",
            )
        if self.engine not in ENGINES:
            raise UsageError("NK641", f"no engine {shorten(self.engine)}", help=f"one of {', '.join(ENGINES)}")
        if self.timing not in TIMING:
            raise UsageError("NK646", f"no timing {shorten(self.timing)}", help=f"one of {', '.join(TIMING)}")
        if self.copies_per_cell is not None and (not 0 < self.copies_per_cell <= 100 or self.lineage != "leukocytes"):
            raise UsageError(
                "NK634",
                "transgene copies per µg of DNA are those of all white cells",
                help="--copies-per-cell up to 100, with --lineage leukocytes and --other-cells",
            )
        assert self.assay

    @cached_property
    def assay(self) -> Assay:
        """The assay that chimerism is read with; raises `UsageError` as `Assay` does."""
        return Assay(self.lineage, self.lod, self.loq, self.sampled_cells, self.other_cells)
