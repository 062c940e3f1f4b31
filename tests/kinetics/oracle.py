"""A thousand random patients with regimens of their own, as the reference solver follows them: `thousand.npz`.

The file holds what goes in (body, parameters of either model, doses) beside what comes out, so that whatever is done to
a solver or to a parameter set is judged by the same numbers; only a change of the equations asks for a new file:
`python tests/kinetics/oracle.py` makes it in some two minutes (SciPy's LSODA, rtol 1e-10, atol 1e-13, steps of at most
a quarter of a day). Values are kept to the seven digits of single precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kinetic_cases import Case

from nksim.kinetics.events import TARGETS, Covariates, EventTable
from nksim.kinetics.parameters import draw, load

FILE = Path(__file__).with_name("thousand.npz")
COUNT, GROUP, TIMES = 1000, 125, 16
OUTPUTS = ("donor_nk", "host_nk", "alc", "il15")
# Doses start and end on a grid of 84 s, on which no sum is rounded: cuts coincide exactly or are apart.
TICK_D = 1 / 1024
Doses = list[tuple[float, float, str, float]]


@dataclass(frozen=True)
class Group:
    """Patients solved in one call, times of their own, and what the reference found: outputs (n, t), areas (n, 2)."""

    case: Case
    times_d: np.ndarray
    exact: dict[str, np.ndarray]
    areas: np.ndarray


def anything(rng: np.random.Generator, weight: float, bsa: float) -> Doses:
    """Up to 14 doses of anything on any of 40 days, overlapping or not, some of them nothing."""
    full = {"cy": 40 * weight, "flu": 40 * bsa, "il2": 3e6 * bsa}
    doses = []
    for target in ["cells", *rng.choice(list(TARGETS), rng.integers(2, 14))]:
        amount = full[target] * rng.uniform() if target in full else 10 ** rng.uniform(3, 8.5) * weight
        length = 0.0 if target == "il2" else float(rng.choice([0.0, 0.02, 0.04, 1.0]))
        doses.append((float(rng.uniform(-10, 30)), length, str(target), float(amount * (rng.uniform() < 0.9))))
    return doses


def a_trial(rng: np.random.Generator, weight: float, bsa: float) -> Doses:
    """Lymphodepletion, one to six infusions, and IL-2 every day or every other."""
    cy, start = rng.uniform(10, 60) * weight, -7
    doses = [(start + i, 1 / 24, "cy", cy) for i in range(rng.integers(1, 4))]
    doses += [
        (day, 0.5 / 24, "flu", rng.uniform(20, 35) * bsa) for day in range(start + 1, start + 1 + rng.integers(3, 6))
    ]
    cells, every = 10 ** rng.uniform(5, 8) * weight, rng.choice([1, 3, 7, 14])
    doses += [(float(i * every), 0.25 / 24, "cells", cells) for i in range(rng.integers(1, 7))]
    il2, gap = rng.choice([1e6, 6e6]) * bsa, rng.integers(1, 3)
    return doses + [(float(i * gap), 0.0, "il2", il2) for i in range(rng.integers(0, 10))]


def drawn() -> dict[str, np.ndarray]:
    """Everything that goes in, as it is kept."""
    rng = np.random.default_rng(20270301)
    weight = np.exp(rng.uniform(np.log(8), np.log(110), COUNT))
    body = np.stack([weight, 0.1 * weight**0.67 * rng.uniform(0.95, 1.05, COUNT), rng.uniform(40, 140, COUNT)])
    values, doses = [], []
    for i in range(COUNT):
        parameter_set = load(("model1", "model2")[i % 2])
        preset = str(rng.choice(parameter_set.preset_ids))
        normals = {name: rng.standard_normal(1) for name in parameter_set.varying(preset)}
        values.append({name: x[0] for name, x in draw(parameter_set.parameters(preset), normals).items()})
        for time, length, target, amount in (anything, a_trial)[i // 2 % 2](rng, body[0, i], body[1, i]):
            doses.append((i, round(time / TICK_D), round(length / TICK_D), TARGETS.index(target), amount))
    names = sorted(values[0])
    times = np.sort(np.round(rng.uniform(-9, 60, (COUNT // GROUP, TIMES)), 3), axis=1)
    return {
        "body": body.astype(np.float32),
        "names": np.array(names),
        "values": np.array([[v[name] for name in names] for v in values], dtype=np.float32).T,
        "when": np.array([d[:4] for d in doses], dtype=np.int32).T,
        "amount": np.array([d[4] for d in doses], dtype=np.float32),
        "times_d": times,
    }


def groups(kept: dict[str, np.ndarray]) -> Iterator[tuple[Case, np.ndarray]]:
    """The patients that are solved together, and their times."""
    patient, start, length, target = kept["when"]
    for g, times in enumerate(kept["times_d"]):
        who = slice(g * GROUP, (g + 1) * GROUP)
        own = np.flatnonzero((patient >= who.start) & (patient < who.stop))
        own = own[np.argsort(start[own], kind="stable")]
        amount = np.zeros((GROUP, own.size))
        amount[patient[own] - who.start, np.arange(own.size)] = kept["amount"][own]
        events = EventTable(start[own] * TICK_D, length[own] * TICK_D, tuple(TARGETS[i] for i in target[own]), amount)
        values = {str(name): row[who].astype(float) for name, row in zip(kept["names"], kept["values"], strict=True)}
        yield Case(events, values, Covariates(*kept["body"][:, who].astype(float))), times


def stored() -> list[Group]:
    """The groups with what the reference found."""
    with np.load(FILE) as file:
        kept = dict(file)
    found = []
    for g, (case, times) in enumerate(groups(kept)):
        who = slice(g * GROUP, (g + 1) * GROUP)
        exact = {name: kept[f"out.{name}"][who].astype(float) for name in OUTPUTS}
        found.append(Group(case, times, exact, kept["areas"][who]))
    return found


def main() -> None:
    """Draws the patients, follows each with the reference and writes the file."""
    kept = drawn()
    solved = [case.reference(times, outputs=OUTPUTS) for case, times in groups(kept)]
    outputs = {f"out.{name}": np.concatenate([s[name] for s in solved]).astype(np.float32) for name in OUTPUTS}
    areas = np.concatenate([np.stack([s.cy_auc, s.f_ara_a_auc], axis=1) for s in solved])
    np.savez_compressed(FILE, **kept, **outputs, areas=areas)


if __name__ == "__main__":
    main()
