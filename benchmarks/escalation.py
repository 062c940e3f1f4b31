"""How long simulated dose escalation takes on one core: `python benchmarks/escalation.py`.

The promise is 20,000 trials of a five-level BOIN (10 cohorts of 3) within 2 s on one core. Never part of the tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from nksim.trial.boin import Boin
from nksim.trial.conduct import Conduct
from nksim.trial.crm import Crm, skeleton_of
from nksim.trial.exact import enumerate_trials
from nksim.trial.outcomes import simulate
from nksim.trial.pace import Pace
from nksim.trial.rolling import simulate_rolling
from nksim.trial.three_plus_three import ThreePlusThree
from nksim.trial.timeline import timeline
from nksim.trial.tite import TiteBoin

TRUTH = (0.05, 0.15, 0.30, 0.45, 0.60)
TRIALS = 20_000
PACE = Pace(2, 28, lead_d=14, within_d=14, screen_failure=0.2, product_failure=0.05, not_evaluable=0.1, weekends=True)


def timed(name: str, work: Callable[[], object], repeats: int = 3) -> None:
    """Prints the least of some wall-clock times."""
    least = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - start)
    print(f"{name:55} {least:7.3f} s")


def main() -> None:
    """Every case once, the promised one first."""
    boin, crm = Conduct(Boin(0.30), 5), Crm(0.30, skeleton_of(0.30, 5, 3))
    simulated = simulate(boin, TRUTH, n=TRIALS, seed=1)
    timed("BOIN, 20,000 trials", lambda: simulate(Conduct(Boin(0.30), 5), TRUTH, n=TRIALS, seed=1))
    timed("3+3, 20,000 trials", lambda: simulate(ThreePlusThree(5), TRUTH, n=TRIALS, seed=1))
    timed("CRM, 20,000 trials", lambda: simulate(crm, TRUTH, n=TRIALS, seed=1))
    timed("times of 20,000 BOIN trials", lambda: timeline(simulated, PACE, 1))
    timed("TITE-BOIN with its times, 20,000 trials",
          lambda: simulate_rolling(TiteBoin(boin), TRUTH, PACE, n=TRIALS, seed=1))  # fmt: skip
    timed("BOIN, every course", lambda: enumerate_trials(boin, TRUTH))
    timed("CRM, every course", lambda: enumerate_trials(crm, TRUTH))


if __name__ == "__main__":
    main()
