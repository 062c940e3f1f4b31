"""What else was asked of a simulation or comparison beside its metrics, and the answers."""

from __future__ import annotations

from dataclasses import dataclass

from nksim.attainment import Goal
from nksim.pareto import Aim
from nksim.sensitivity import Sensitivity
from nksim.sweep import Swept
from nksim.uncertain import Uncertain


@dataclass(frozen=True)
class Inquiry:
    """Goals, a pair of aims for a Pareto front, sweeps, sensitivities, draws of uncertain parameters, as asked."""

    goals: tuple[Goal, ...] = ()
    aims: tuple[Aim, Aim] | None = None
    swept: tuple[Swept, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()
    uncertain: tuple[Uncertain, ...] = ()


NOTHING_MORE = Inquiry()
