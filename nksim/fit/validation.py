"""A trial as run, simulated again and again: does what it printed lie within what the model says such a trial prints?

The interval is that of the printed statistic of n patients, not of a patient: the median of ten patients varies less
than one patient, and the largest of ten more. It holds the spread between patients, the chance of sampling n of them
and the error of the assay; with `draws` of the calibration's estimates it holds what these do not know as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nksim.errors import Fault, InvalidInput
from nksim.fit.analytes import ANALYTES, Question, question
from nksim.fit.observations import BOUNDS, COUNTED, QUANTILES, SINGLE, UNNAMED, Observation
from nksim.fit.readings import LastDays, Reading
from nksim.fit.trial import Arm, Part, sampling_days
from nksim.kinetics import Floats
from nksim.kinetics.assay import Assay
from nksim.kinetics.parameters import ParameterSet
from nksim.plan import parameter_draws

__all__ = ["Plan", "Row", "TrialArm", "predicted", "validate"]

LOW, HIGH = 0.05, 0.95


@dataclass(frozen=True)
class Plan:
    """How to validate: virtual patients of each part, trials simulated, seed, draws of uncertain parameters, engine."""

    patients: int = 1000
    trials: int = 1000
    seed: int = 1
    draws: int = 0
    engine: str = "auto"


@dataclass(frozen=True)
class TrialArm:
    """An arm of print: the parts it was run in, its assay, and whether the calibration has seen the trial."""

    parts: tuple[Part, ...]
    assay: Assay
    use: str


@dataclass(frozen=True)
class Row:
    """An observation beside what the model predicts of the statistic; `inside` is None where nothing is compared.

    `observed`, `low`, `middle` and `high` are in the unit that was printed.
    """

    observation: Observation
    use: str
    statistic: str
    observed: float
    low: float
    middle: float
    high: float
    inside: bool | None
    why: str


def validate(
    observations: Sequence[Observation],
    arms: Mapping[tuple[str, str], TrialArm],
    parameter_set: ParameterSet,
    plan: Plan | None = None,
) -> list[Row]:
    """One row for each observation, in their order; `arms` by trial and arm as printed.

    Raises `InvalidInput` with the place of every row of which the unit, the day or n does not fit.
    """
    plan = plan or Plan()
    asked: dict[tuple[str, str], list[tuple[int, Question]]] = {}
    rows: dict[int, Row] = {}
    faults: list[Fault] = []
    for i, o in enumerate(observations):
        arm = arms[o.trial, o.arm]
        try:
            found = question(o, arm.assay, sampling_days(arm.parts[0].choice))
        except InvalidInput as error:
            faults += error.faults
            continue
        if found is None:
            rows[i] = _not_compared(o, arm.use)
        else:
            faults += _unfit(o, arm)
            asked.setdefault((o.trial, o.arm), []).append((i, found))
    if faults:
        raise InvalidInput(faults)
    for key, questions in asked.items():
        arm = arms[key]
        solved = Arm(arm.parts, m=plan.patients, seed=plan.seed, times_d=[d for _, q in questions for d in q.days])
        shifts: list[dict[str, float]] = parameter_draws(parameter_set, plan.draws, plan.seed) or [{}]
        read: dict[int, list[Reading]] = {i: [] for i, _ in questions}
        for shift in shifts:
            curves = solved.curves(parameter_set, shift, plan.engine)
            for i, q in questions:
                read[i].append(q.read(curves))
        sizes = tuple(p.n for p in arm.parts)
        for i, q in questions:
            rows[i] = _row(observations[i], arm.use, q, read[i], sizes, replace(plan, seed=plan.seed + i))
    return [rows[i] for i in range(len(observations))]


def _not_compared(o: Observation, use: str) -> Row:
    """A row that only stands there: said in words, or of something that the model has no output for."""
    near = difflib.get_close_matches(o.analyte.casefold(), ANALYTES, n=1, cutoff=0.7)
    why = "said in words" if o.statistic == "qualitative" else "not compared: no output of the model"
    if o.statistic != "qualitative" and near:
        why += f"; is it {near[0]}?"
    nothing = float("nan")
    return Row(o, use, o.statistic, o.value, nothing, nothing, nothing, None, why)


def _unfit(o: Observation, arm: TrialArm) -> list[Fault]:
    enrolled = sum(p.n for p in arm.parts)
    if o.statistic in COUNTED and o.n > enrolled > 1:
        return [Fault("NK674", f"{o.n} patients in an arm of {enrolled}", o.place, "check n, or the arm")]
    return []


def _row(o: Observation, use: str, q: Question, read: Sequence[Reading], sizes: Sequence[int], plan: Plan) -> Row:
    found = predicted(o, read, sizes, plan)
    found = found[np.isfinite(found)]
    scale = o.value / q.value if q.value else _scale(o)
    if found.size < 20:
        nothing = float("nan")
        return Row(
            o, use, _named(o), o.value, nothing, nothing, nothing, False, "the model hardly ever makes such patients"
        )
    low, middle, high = (float(x) for x in np.quantile(found, (LOW, 0.5, HIGH)))
    inside, why = _verdict(o, q, read[0], low, high)
    # Three digits of a printed value are all that are ever compared.
    return Row(o, use, _named(o), o.value, low * scale, middle * scale, high * scale, inside, why)


def _scale(o: Observation) -> float:
    return 100.0 if o.unit == "%" else 1.0


def _named(o: Observation) -> str:
    """The statistic that is predicted: the median where print names none, the largest or least for a bound."""
    if o.statistic in BOUNDS:
        return f"{'max' if o.statistic == 'lower_bound' else 'min'} ({o.statistic})"
    return f"median ({o.statistic})" if o.statistic in UNNAMED else o.statistic


def _verdict(o: Observation, q: Question, reading: Reading, low: float, high: float) -> tuple[bool, str]:
    value, slack = q.value, 0.0
    if o.statistic == "lower_bound":
        return high >= value, "a lower bound: the longest or largest must reach it"
    if o.statistic == "upper_bound":
        return low <= value, "an upper bound: the shortest or least must keep it"
    if isinstance(reading, LastDays):
        # Cells last found on one sampling day were lost before the next, and any day between may be printed.
        later = reading.days[reading.days > high]
        return low <= value and (value <= high or (later.size > 0 and value < later[0])), "days are those of samples"
    if o.statistic == "fraction":
        # A printed fraction is a count over n, rounded.
        slack = 0.5 / o.n if o.n else 0.0
    rounding = 0.005 * abs(value) + 1e-12
    why = "print names no statistic; not fitted" if o.statistic in UNNAMED else ""
    return low - slack - rounding <= value <= high + slack + rounding, why


def predicted(o: Observation, read: Sequence[Reading], sizes: Sequence[int], plan: Plan) -> Floats:
    """The statistic of an observation in each of `plan.trials` simulated trials, over readings of the same arm.

    Each trial takes its n patients from the parts in proportion to `sizes`; nan where it has none.
    """
    rng = np.random.Generator(np.random.Philox(plan.seed))
    n = 1 if o.statistic in SINGLE else max(o.n, 1)
    share = [round(n * s / sum(sizes)) for s in np.cumsum(sizes)]
    counts = np.diff([0, *share])
    each = -(-plan.trials // len(read))
    found = []
    for reading in read:
        pools = reading.pools(rng)
        if n == 1:
            # One patient is of any part, as often as the parts have patients.
            chosen = rng.choice(len(sizes), size=each, p=np.array(sizes) / sum(sizes))
            sample = np.array([[rng.choice(pools[c]) if len(pools[c]) else np.nan] for c in chosen])
        else:
            columns = [
                pool[rng.integers(len(pool), size=(each, k))] if len(pool) else np.full((each, k), np.nan)
                for pool, k in zip(pools, counts, strict=True)
            ]
            sample = np.concatenate(columns, axis=1)
        found.append(_statistic(o.statistic, sample))
    return np.concatenate(found)[: max(plan.trials, 1)]


def _statistic(name: str, sample: Floats) -> Floats:
    """A statistic of each row of patients (trials, n)."""
    if name in QUANTILES:
        return np.asarray(np.quantile(sample, QUANTILES[name], axis=1))
    if name in BOUNDS:
        return np.asarray(sample.max(axis=1) if name == "lower_bound" else sample.min(axis=1))
    if name in ("mean", "fraction"):
        return np.asarray(sample.mean(axis=1))
    if name == "geomean":
        return np.asarray(np.exp(np.log(np.maximum(sample, 1e-12)).mean(axis=1)))
    if name == "count":
        return np.asarray(sample.sum(axis=1))
    return np.asarray(np.median(sample, axis=1))
