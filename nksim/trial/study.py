"""Designs side by side under one truth: what each finds, at what cost, and how long it takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from nksim.errors import UsageError
from nksim.trial.characteristics import Characteristics, Length, length_of, of_exact, of_simulated
from nksim.trial.designs import AnyDesign
from nksim.trial.exact import enumerate_trials
from nksim.trial.exposure import Exposures
from nksim.trial.outcomes import checked_truth, simulate
from nksim.trial.pace import Pace
from nksim.trial.rolling import simulate_rolling
from nksim.trial.sample import SampleTrial, sample_trial
from nksim.trial.three_plus_three import ThreePlusThree
from nksim.trial.timeline import timeline
from nksim.trial.tite import TiteBoin


@dataclass(frozen=True)
class Run:
    """How a study is made: trials, seed, workers, or every course with its probability; the pace where time counts.

    `cell_days` are the days of the cells from the first of them, for the sample trial.
    """

    n: int = 10_000
    seed: int = 1
    workers: int = 1
    exact: bool = False
    pace: Pace | None = None
    opens: dt.date | None = None
    sample: int = 1
    cell_days: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """What one design does; `length` and `sample` where the pace is known."""

    design: AnyDesign
    characteristics: Characteristics
    length: Length | None = None
    sample: SampleTrial | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """Results of all designs for one set of dose levels; `doses` in words where the protocol has them."""

    doses: tuple[str, ...] | None
    truth: tuple[float, ...]
    target: float | None
    run: Run
    results: tuple[Result, ...]
    exposures: Exposures | None = None


def study(
    designs: Sequence[AnyDesign], truth: Sequence[float], target: float | None, run: Run,
    doses: tuple[str, ...] | None = None, exposures: Exposures | None = None,
) -> Study:  # fmt: skip
    """Runs every design under the same truth, in the same patients.

    >>> from nksim.trial.designs import Numbers, design
    >>> made = study([design("3+3", Numbers(2))], [0.1, 0.5], None, Run(exact=True))
    >>> [round(e.value, 4) for e in made.results[0].characteristics.selection]
    [0.0939, 0.7504, 0.1557]
    """
    values = checked_truth(truth, designs[0].levels)
    results = tuple(_result(one, values, target, run) for one in designs)
    return Study(doses, values, target, run, results, exposures)


def _result(design: AnyDesign, truth: tuple[float, ...], target: float | None, run: Run) -> Result:
    lost = run.pace.lost if run.pace else 0.0
    _check_lost(design, lost, exact=run.exact)
    sample = None
    if run.pace is not None and run.opens is not None:
        if not 1 <= run.sample <= run.n:
            raise UsageError(
                "NK805", f"there is no trial {run.sample} among {run.n}", help=f"--sample from 1 to {run.n}"
            )
        sample = sample_trial(design, truth, run.pace, seed=run.seed, number=run.sample, opens=run.opens,
                              cell_days=run.cell_days)  # fmt: skip
    if isinstance(design, TiteBoin):
        return _rolling(design, truth, target, run, sample)
    if run.exact:
        found = of_exact(enumerate_trials(design, truth), truth, target)
        return Result(design, found, _length(design, truth, run), sample)
    outcomes = simulate(design, truth, n=run.n, seed=run.seed, workers=run.workers, lost=lost)
    length = length_of(timeline(outcomes, run.pace, run.seed)) if run.pace else None
    return Result(design, of_simulated(outcomes, truth, target), length, sample)


def _check_lost(design: AnyDesign, lost: float, *, exact: bool) -> None:
    """Raises `UsageError` where patients who are not replaced leave a design or a method without a rule."""
    if lost and isinstance(design, ThreePlusThree):
        raise UsageError(
            "NK814",
            "3+3 decides on three and on six evaluable patients, and the protocol does not replace the others",
            help="--set escalation.replace=yes, leave --not-evaluable out, or another --design",
        )
    if lost and exact:
        raise UsageError(
            "NK806", "patients who are not replaced are simulated, not enumerated", help="leave --exact out"
        )


def _length(design: AnyDesign, truth: tuple[float, ...], run: Run) -> Length | None:
    """Beside exact characteristics: time is simulated all the same."""
    if run.pace is None or isinstance(design, TiteBoin):
        return None
    outcomes = simulate(design, truth, n=run.n, seed=run.seed, workers=run.workers)
    return length_of(timeline(outcomes, run.pace, run.seed))


def _rolling(
    design: TiteBoin, truth: tuple[float, ...], target: float | None, run: Run, sample: SampleTrial | None
) -> Result:
    if run.exact:
        raise UsageError(
            "NK806", "TITE-BOIN hangs on times and cannot be enumerated", help="leave --exact out to simulate it"
        )
    if run.pace is None:
        raise UsageError(
            "NK814",
            "TITE-BOIN needs the pace of the trial: accrual and DLT window",
            help="add --accrual 2 (candidates per month) and --window 28d",
        )
    outcomes, times = simulate_rolling(design, truth, run.pace, n=run.n, seed=run.seed, workers=run.workers)
    return Result(design, of_simulated(outcomes, truth, target), length_of(times), sample)
