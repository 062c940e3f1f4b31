"""The measured thing beside the true thing: which cells an assay counts, and what it can no longer see.

A short tandem repeat assay sees donor cells down to 1-5 %, sequencing or digital PCR down to 0.01-0.1 %. Sampling
error is not modelled: a value above the limit is reported as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nksim.errors import InvalidInput
from nksim.kinetics import Floats

__all__ = ["LINEAGES", "fraction", "measured", "true_chimerism"]

LINEAGES = ("NK", "lymphocytes")


def fraction(part: Floats, whole: Floats) -> Floats:
    """Part of the whole, and 0 where there is nothing at all.

    >>> fraction(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25, 0.  ])
    """
    if (np.asarray(whole) > 0).all():
        return np.asarray(part / whole)
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=np.asarray(whole) > 0)


def true_chimerism(outputs: Mapping[str, Floats], lineage: str = "NK") -> Floats:
    """Donor fraction in blood among NK cells or among all lymphocytes, from `donor_nk`, `host_nk` and `alc`."""
    if lineage not in LINEAGES:
        raise InvalidInput("NK630", f"no lineage is called {lineage!r}", help=f"use one of {', '.join(LINEAGES)}")
    if lineage == "NK" and "nk_chimerism" in outputs:
        return outputs["nk_chimerism"]
    donor = outputs["donor_nk"]
    return fraction(donor, donor + outputs["host_nk"] if lineage == "NK" else outputs["alc"])


def measured(chimerism: Floats, lod: float) -> Floats:
    """What an assay with the limit of detection `lod` (a fraction) reports: 0 below the limit, else the true value.

    >>> measured(np.array([0.004, 0.05, 0.3]), lod=0.01)
    array([0.  , 0.05, 0.3 ])
    """
    if not 0.0 <= lod < 1.0:
        raise InvalidInput("NK631", f"limit of detection {lod} is not a fraction", help="write 1 % as 0.01")
    return np.where(np.asarray(chimerism) < lod, 0.0, chimerism)
