"""Toxicity that follows simulated exposure: a link that the user assumes, and what it makes of each dose level."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.errors import UsageError, shorten
from nksim.metrics import METRICS
from nksim.plan import simulate
from nksim.population import Population
from nksim.protocol.choice import choose
from nksim.protocol.model import Protocol
from nksim.settings import Settings

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Link:
    """P(DLT) of a patient whose exposure is x: logit P = a + b ln x, through two points that the user assumes.

    >>> link = Link.read("donor_nk_cmax", "10=5 %, 1000=50 %")
    >>> [round(float(p), 3) for p in link.risk(np.array([10.0, 100.0, 1000.0]))]
    [0.05, 0.187, 0.5]
    """

    metric: str
    low: tuple[float, float]
    high: tuple[float, float]

    @classmethod
    def read(cls, metric: str, points: str) -> Link:
        """A link from its text, `EXPOSURE=P %, EXPOSURE=P %`; raises `UsageError` NK820 where it is none."""
        if metric not in METRICS:
            raise UsageError("NK820", f"no exposure {shorten(metric)}", help=f"one of {', '.join(METRICS)}")
        found = [re.fullmatch(r"\s*([0-9.eE+-]+)\s*=\s*([0-9.]+)\s*(%?)\s*", part) for part in points.split(",")]
        try:
            (x1, p1), (x2, p2) = [
                (float(m[1]), float(m[2]) / (100 if m[3] else 1)) for m in found if m is not None and len(found) == 2
            ]
        except ValueError:
            raise UsageError(
                "NK820", f"{shorten(points)} is not two points of a link", help='write --risk-at "100=10 %, 2000=40 %"'
            ) from None
        if not (0 < x1 < x2 < math.inf and 0 < p1 < p2 < 1):
            raise UsageError(
                "NK820",
                f"the link {shorten(points)} does not rise from one point to the other",
                help='exposure above 0 and probability between 0 % and 100 %, both rising: "100=10 %, 2000=40 %"',
            )
        return cls(metric, (x1, p1), (x2, p2))

    def risk(self, exposure: Floats) -> Floats:
        """The probability of a DLT at these exposures; 0 where there is no exposure."""
        (x1, p1), (x2, p2) = self.low, self.high
        slope = (_logit(p2) - _logit(p1)) / math.log(x2 / x1)
        with np.errstate(divide="ignore"):
            z = _logit(p1) + slope * (np.log(exposure) - math.log(x1))
        return np.asarray(1 / (1 + np.exp(-np.clip(z, -700, 700)))) * (exposure > 0)

    def __str__(self) -> str:
        (x1, p1), (x2, p2) = self.low, self.high
        return (f"P(DLT) is {p1:.3g} at {self.metric} = {x1:g} and {p2:.3g} at {x2:g}, "
                "with logit P linear in the logarithm of exposure")  # fmt: skip


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


@dataclass(frozen=True, eq=False)
class LevelExposure:
    """One level in the virtual patients: the dose, exposure and risk of each patient (n,)."""

    dose: str
    unit: str
    exposure: Floats
    risk: Floats
    age_y: Floats

    @property
    def truth(self) -> float:
        """The mean risk: what a patient drawn from this population meets at this level."""
        return math.fsum(self.risk) / len(self.risk)

    def quantile(self, q: float) -> float:
        """Quantile of the exposure over patients."""
        return float(np.nanquantile(self.exposure, q))

    def risk_between(self, low_y: float, high_y: float) -> float | None:
        """Mean risk of patients of these ages, None where there are none."""
        chosen = (self.age_y >= low_y) & (self.age_y < high_y)
        return float(self.risk[chosen].mean()) if chosen.any() else None


@dataclass(frozen=True, eq=False)
class Exposures:
    """Every level of one set of doses under a link, and what the simulations rest on."""

    link: Link
    levels: tuple[LevelExposure, ...]
    assumptions: tuple[str, ...]
    model: tuple[str, str]

    @property
    def truth(self) -> tuple[float, ...]:
        """The mean risk of every level."""
        return tuple(level.truth for level in self.levels)


def exposures(
    protocol: Protocol, link: Link, population: Population, *, arm: str | None, answers: Sequence[tuple[str, str]],
    levels: Sequence[str], seed: int, settings: Settings
) -> Exposures:  # fmt: skip
    """Simulates every level in the same virtual patients and reads their risks off the link.

    Patients enter a trial at random, so that the mean risk of a level is the toxicity that its patients meet. An
    exposure that does not exist in a patient (nan) counts as none.
    """
    found: list[LevelExposure] = []
    assumptions: tuple[str, ...] = ()
    model = ("", "")
    for number, dose in enumerate(levels, 1):
        choice = choose(protocol, arm=arm, level=number, settings=tuple(answers)).answered(accept_assumed=True)
        done = simulate(choice, population, seed=seed, settings=settings)
        measured = METRICS[link.metric](done)
        seen = np.nan_to_num(measured.values, nan=0.0)
        found.append(LevelExposure(dose, measured.unit, measured.values, link.risk(seen), population.age_y))
        assumptions, model = done.assumptions, (done.parameter_set.name, done.parameter_set.sha256)
    return Exposures(link, tuple(found), assumptions, model)
