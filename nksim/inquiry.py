"""What else was asked of a simulation or comparison beside its metrics, and the answers."""

from __future__ import annotations

from dataclasses import dataclass

from nksim.attainment import Goal
from nksim.pareto import Aim
from nksim.sensitivity import Sensitivity
from nksim.sweep import Swept


@dataclass(frozen=True)
class Inquiry:
    """Goals to be attained, a pair of aims for a Pareto front, sweeps and sensitivities; empty where not asked."""

    goals: tuple[Goal, ...] = ()
    aims: tuple[Aim, Aim] | None = None
    swept: tuple[Swept, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()


NOTHING_MORE = Inquiry()
