"""Operating characteristics: how often each level is chosen, how many patients and toxicities it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nksim.trial.estimates import Estimate, mean, proportion, ratio
from nksim.trial.exact import Enumeration
from nksim.trial.outcomes import Outcomes
from nksim.trial.timeline import Timeline

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Characteristics:
    """What a design does under one truth; `selection` counts from none, the other columns from level 1.

    `overdosed` is the share of all patients who were given a level whose true toxicity is above the target (None where
    there is no target). Patients are all who were treated, whether they could be evaluated or not. `trials` is the
    number simulated, or of distinct courses where `method` is exact.
    """

    method: Literal["simulated", "exact"]
    trials: int
    truth: tuple[float, ...]
    selection: tuple[Estimate, ...]
    patients: tuple[Estimate, ...]
    toxicities: tuple[Estimate, ...]
    all_patients: Estimate
    all_toxicities: Estimate
    overdosed: Estimate | None


@dataclass(frozen=True)
class Length:
    """How long trials last, in days, and how many candidates they need."""

    mean_d: Estimate
    quantiles_d: tuple[float, ...]
    enrolled: Estimate
    screen_failures: Estimate
    product_failures: Estimate
    left: Estimate


def of_simulated(outcomes: Outcomes, truth: Sequence[float], target: float | None) -> Characteristics:
    """The characteristics of simulated trials, each with its interval."""
    n, levels = len(outcomes), outcomes.n.shape[1]
    given = [outcomes.treated(k) for k in range(levels)]
    patients = np.sum(given, axis=0)
    above = _above(truth, target)
    return Characteristics(
        "simulated",
        n,
        tuple(truth),
        tuple(proportion(int((outcomes.mtd == k).sum()), n) for k in range(levels + 1)),
        tuple(mean(found) for found in given),
        tuple(mean(outcomes.y[:, k]) for k in range(levels)),
        mean(patients),
        mean(outcomes.y.sum(axis=1, dtype=np.int64)),
        None if above is None else ratio(sum((given[k] for k in above), np.zeros_like(patients)), patients),
    )


def of_exact(found: Enumeration, truth: Sequence[float], target: float | None) -> Characteristics:
    """The characteristics of every course with its probability.

    >>> from nksim.trial.exact import enumerate_trials
    >>> from nksim.trial.three_plus_three import ThreePlusThree
    >>> truth = [.05, .10, .20, .30, .50]
    >>> exact = of_exact(enumerate_trials(ThreePlusThree(5), truth), truth, None)
    >>> [round(e.value, 4) for e in exact.selection], round(exact.all_patients.value, 3)
    ([0.0266, 0.0914, 0.257, 0.3161, 0.2558, 0.0531], 14.675)
    """
    p, levels = found.probability, found.n.shape[1]
    patients, toxicities = p @ found.n, p @ found.y
    above = _above(truth, target)
    return Characteristics(
        "exact",
        len(p),
        tuple(truth),
        tuple(Estimate(float(p[found.mtd == k].sum())) for k in range(levels + 1)),
        tuple(Estimate(float(x)) for x in patients),
        tuple(Estimate(float(x)) for x in toxicities),
        Estimate(float(patients.sum())),
        Estimate(float(toxicities.sum())),
        None if above is None else Estimate(float(patients[above].sum() / patients.sum())),
    )


def length_of(timeline: Timeline) -> Length:
    """The distribution of the length of simulated trials."""
    return Length(
        mean(timeline.length_d),
        tuple(float(q) for q in np.quantile(timeline.length_d, QUANTILES)),
        mean(timeline.enrolled),
        mean(timeline.screen_failures),
        mean(timeline.product_failures),
        mean(timeline.left),
    )


def _above(truth: Sequence[float], target: float | None) -> list[int] | None:
    """Levels from 0 whose true toxicity is above the target."""
    return None if target is None else [i for i, p in enumerate(truth) if p > target + 1e-12]
