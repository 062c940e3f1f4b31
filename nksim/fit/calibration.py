"""Estimates of the kinetic model's parameters from what the calibration trials printed.

Maximum of the posterior: the likelihood of `nksim.fit.likelihood` and normal priors on each parameter's own scale (the
logarithm, of fractions the logit). Patients and their random numbers are the same for every trial of values, so that
the objective is a smooth function and two runs give the same numbers. The covariance is the inverse of the second
derivatives at the maximum (Laplace).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import yaml
from scipy.optimize import minimize

from nksim.fit.analytes import Question, question
from nksim.fit.likelihood import log_likelihood
from nksim.fit.observations import Observation, parse_observations
from nksim.fit.trial import Arm, observations_of_the_package, sampling_days, specs
from nksim.kinetics import Floats
from nksim.kinetics.assay import Assay
from nksim.kinetics.parameters import ParameterSet, Uncertainty, load

__all__ = ["Calibration", "Fitted", "Objective", "Prior", "calibrate", "plan"]

# A step for slopes that is far above rounding. That for curvatures, in deviations of the prior, is wide enough that the
# few virtual patients who expand most do not decide it by themselves.
_SLOPE, _CURVE = 1e-3, 0.3


@dataclass(frozen=True)
class Prior:
    """A parameter to fit (` cv` behind its name for its spread): deviation of the prior around the set's value."""

    name: str
    sd: float
    why: str


@dataclass(frozen=True)
class Plan:
    """What is fitted to what: the set to start from, priors, ties, virtual patients for each part, seed."""

    start: str
    priors: tuple[Prior, ...]
    ties: Mapping[str, str]
    patients: int
    seed: int


@dataclass(frozen=True)
class Fitted:
    """One estimate: shift on its own scale, its deviation, and how much of the prior's the data took away."""

    name: str
    value: float
    shift: float
    sd: float
    prior_sd: float

    @property
    def learned(self) -> float:
        """1 - posterior variance / prior variance: 0 where the data say nothing."""
        return 1.0 - (self.sd / self.prior_sd) ** 2


@dataclass(frozen=True)
class Calibration:
    """The estimates with their covariance, the objective at start and end, and how often the model was run."""

    fitted: tuple[Fitted, ...]
    uncertainty: Uncertainty
    start: float
    end: float
    runs: int
    rows: tuple[tuple[Observation, float], ...]

    @property
    def correlation(self) -> Floats:
        """Posterior correlations (k, k)."""
        c = np.array(self.uncertainty.covariance)
        sd = np.sqrt(np.diag(c))
        return np.asarray(c / np.outer(sd, sd))


def plan() -> Plan:
    """The calibration that ships with nksim, `nksim/fit/calibration.yaml`."""
    tree: dict[str, Any] = yaml.safe_load(
        resources.files("nksim.fit").joinpath("calibration.yaml").read_text(encoding="utf-8")
    )
    priors = tuple(Prior(name, body["sd"], body["why"]) for name, body in tree["priors"].items())
    return Plan(tree["start"], priors, tree["ties"], tree["patients"], tree["seed"])


class Objective:
    """Minus the logarithm of the posterior at shifts (k,) from the set's values; counts its own calls."""

    def __init__(
        self,
        observed: Sequence[tuple[Observation, str]],
        arms: Mapping[str, tuple[Sequence[Any], Assay]],
        parameter_set: ParameterSet,
        a: Plan,
    ) -> None:
        self.set, self.plan, self.runs = parameter_set, a, 0
        self.prior_sd = np.array([p.sd for p in a.priors])
        asked: dict[str, list[tuple[Observation, Question]]] = {}
        for o, key in observed:
            parts, assay = arms[key]
            found = question(o, assay, sampling_days(parts[0].choice))
            if found is not None:
                asked.setdefault(key, []).append((o, found))
        self.asked = asked
        self.arms = {
            key: Arm(arms[key][0], m=a.patients, seed=a.seed, times_d=[d for _, q in found for d in q.days])
            for key, found in asked.items()
        }

    def shifts(self, x: Floats) -> dict[str, float]:
        """Shifts by name, of what is tied as well."""
        own = dict(zip((p.name for p in self.plan.priors), x.tolist(), strict=True))
        return own | {name: own[owner] for name, owner in self.plan.ties.items()}

    def rows(self, x: Floats) -> list[tuple[Observation, float]]:
        """The logarithm of each observation's likelihood."""
        self.runs += 1
        found = []
        for key, asked in self.asked.items():
            curves = self.arms[key].curves(self.set, self.shifts(x))
            found += [(o, log_likelihood(o, q.read(curves), q.value)) for o, q in asked]
        return found

    def __call__(self, x: Floats) -> float:
        """Minus log posterior, up to a constant."""
        return -sum(found for _, found in self.rows(x)) + 0.5 * float(np.sum((x / self.prior_sd) ** 2))


def shipped(a: Plan | None = None, patients: int | None = None) -> Objective:
    """The objective of the calibration that ships with nksim."""
    a = a or plan()
    if patients is not None:
        a = Plan(a.start, a.priors, a.ties, patients, a.seed)
    known = specs()
    arms: dict[str, tuple[Sequence[Any], Assay]] = {}
    observed = []
    for o in parse_observations(observations_of_the_package(), "nksim/fit/observations.csv"):
        spec = known[o.trial]
        # Values whose statistic a review does not name never set a parameter.
        if spec.use == "calibration" and o.statistic != "reported_typical":
            key = f"{o.trial} {o.arm}"
            arms[key] = (spec.arms[o.arm], Assay(spec.lineage, spec.lod))
            observed.append((o, key))
    return Objective(observed, arms, load(a.start), a)


def calibrate(objective: Objective, progress: Callable[[str], None] = lambda _: None) -> Calibration:
    """The maximum of the posterior and the covariance around it; the same numbers on every run."""
    k = len(objective.plan.priors)

    def slope(x: Floats) -> Floats:
        steps = np.eye(k) * _SLOPE
        return np.array([(objective(x + h) - objective(x - h)) / (2 * _SLOPE) for h in steps])

    start = objective(np.zeros(k))
    progress(f"start: {start:.3f}")

    def say(x: Floats) -> None:
        progress(f"run {objective.runs}: {objective(x):.4f} at {np.array2string(x, precision=3)}")

    found = minimize(
        objective, np.zeros(k), jac=slope, method="BFGS", callback=say, options={"gtol": 2e-3, "maxiter": 40}
    )
    x = np.asarray(found.x)
    covariance = _covariance(slope, x, objective.prior_sd)
    names = tuple(p.name for p in objective.plan.priors)
    uncertainty = Uncertainty(names, tuple(map(tuple, covariance.tolist())), dict(objective.plan.ties))
    fitted = tuple(
        Fitted(p.name, _moved(objective.set, p.name, float(x[i])), float(x[i]), float(np.sqrt(covariance[i, i])), p.sd)
        for i, p in enumerate(objective.plan.priors)
    )
    return Calibration(fitted, uncertainty, start, float(found.fun), objective.runs, tuple(objective.rows(x)))


def _covariance(slope: Callable[[Floats], Floats], x: Floats, prior_sd: Floats) -> Floats:
    """The inverse of the second derivatives; a direction in which the data say nothing keeps the prior."""
    steps = np.diag(_CURVE * prior_sd)
    h = np.array([(slope(x + s) - slope(x - s)) / (2 * s[i]) for i, s in enumerate(steps)])
    # In units of the prior: no direction may be known worse than the prior knew it.
    scaled = 0.5 * (h + h.T) * np.outer(prior_sd, prior_sd)
    values, vectors = np.linalg.eigh(scaled)
    inverse = vectors @ np.diag(1 / np.maximum(values, 1.0)) @ vectors.T
    return np.asarray(inverse * np.outer(prior_sd, prior_sd))


def _moved(parameter_set: ParameterSet, name: str, shift: float) -> float:
    parameter = parameter_set.defaults[name.removesuffix(" cv")]
    if name.endswith(" cv"):
        return parameter.cv * float(np.exp(shift))
    if parameter.transform == "logit":
        odds = parameter.value / (1 - parameter.value) * np.exp(shift)
        return float(odds / (1 + odds))
    return parameter.value * float(np.exp(shift))
