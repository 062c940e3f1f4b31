"""Dying out at random: the last few hundred cells as a birth-death process whose mean is the model's own curve.

Below a number of cells each lives, divides and dies by itself. Of N0 cells at time 0, with death rate μ(t) and a mean
N(t), all are gone by t with probability (J/(1+J))^N0, J = ∫ μ N(0)/N dt (Kendall 1948, Ann Math Stat 19:1, with
exp ∫(μ-λ) = N(0)/N). One uniform number decides when; whoever is left has the mean N(t) divided by the
probability of being left, so that the mean over all is N(t).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nksim.kinetics import Floats

__all__ = ["extinction_chance", "factors", "windows"]


def extinction_chance(times_d: Floats, mean: Floats, death_per_d: Floats) -> Floats:
    """Probability (n, t) that none is left, from means (n, t) and death rates (n, t); 0 at the first time.

    Between two times the mean is taken as exponential, so that constant rates give the closed form exactly.
    """
    span = np.diff(times_d)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        fall = np.log(mean[:, :-1] / mean[:, 1:])
        # The integral of N(0)/N over a step from e^a to e^b is its length times (e^b - e^a)/(b - a).
        ratio = np.where(np.abs(fall) < 1e-9, 1.0, np.expm1(fall) / np.where(fall == 0, 1.0, fall))
        middle = 0.5 * (death_per_d[:, :-1] + death_per_d[:, 1:])
        # A cell line cannot shrink faster than it dies.
        middle = np.maximum(middle, fall / span)
        steps = middle * span * mean[:, :1] / mean[:, :-1] * ratio
        total = np.cumsum(np.where(np.isfinite(steps), steps, np.inf), axis=1)
        gone = np.exp(-mean[:, :1] * np.log1p(1.0 / total))
    return np.concatenate([np.zeros((len(mean), 1)), np.where(total > 0, gone, 0.0)], axis=1)


def factors(
    times_d: Floats,
    cells: Floats,
    death_per_d: Floats,
    infusions_d: Floats,
    below: float,
    uniform: Callable[[int], Floats],
) -> Floats:
    """What to multiply the modelled donor cells (n, t) with: 1 at first, 0 once they have died out.

    `cells` (n, t) are those in the body, `infusions_d` the starts of the infusions, after each of which all begins
    anew; `uniform(k)` gives a number (n,) between 0 and 1 for the k-th infusion.
    """
    made = np.ones_like(cells)
    for k, (first, end) in enumerate(windows(times_d, infusions_d)):
        few, drawn = cells[:, first:end] < below, uniform(k)
        for group, rows in _by_start(few):
            at = slice(first + group, end)
            chance = extinction_chance(times_d[at], cells[rows, at], death_per_d[rows, at])
            alive = drawn[rows, None] > chance
            with np.errstate(divide="ignore", invalid="ignore"):
                made[rows, at] = np.where(alive, 1.0 / (1.0 - chance), 0.0)
    return made


def windows(times_d: Floats, infusions_d: Floats) -> list[tuple[int, int]]:
    """The times, from and to, that belong to each infusion: those from a day after it until the next.

    On that day its cells are in blood, and after it the count in blood follows the cells in the body.
    """
    ends = [*np.searchsorted(times_d, infusions_d[1:], side="right").tolist(), times_d.size]
    starts = np.maximum(
        np.searchsorted(times_d, infusions_d, side="right"), np.searchsorted(times_d, infusions_d + 1.0)
    )
    return list(zip(starts.tolist(), ends, strict=True))


def _by_start(few: NDArray[np.bool_]) -> list[tuple[int, NDArray[np.intp]]]:
    """Patients grouped by the first time at which they have few cells."""
    first = np.where(few.any(axis=1), few.argmax(axis=1), -1)
    return [(int(at), np.flatnonzero(first == at)) for at in np.unique(first[first >= 0])]
