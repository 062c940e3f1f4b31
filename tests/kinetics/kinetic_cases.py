"""Patients and regimens that several kinetic tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from nksim.kinetics import engine, native, reference
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.parameters import draw, load, typical
from nksim.kinetics.solution import Solution

# What `Case.solve` runs; the fixture `each_engine` sets it to one engine after the other.
ENGINES = {"numpy": engine.solve, "native": native.solve}
CURRENT = {"solve": engine.solve}
built = pytest.mark.skipif(not native.available(), reason="the native engine was not built")
GRID = np.arange(-7.0, 60.01, 0.25)
STATES = tuple("PTHISLBGX")


@dataclass(frozen=True)
class Case:
    events: EventTable
    parameters: dict[str, np.ndarray]
    covariates: Covariates

    def solve(self, times_d: Sequence[float] = GRID, **more: object) -> Solution:
        return CURRENT["solve"](self.events, self.parameters, self.covariates, np.asarray(times_d), **more)

    def reference(self, times_d: Sequence[float] = GRID, **more: object) -> Solution:
        return reference.solve(self.events, self.parameters, self.covariates, np.asarray(times_d), **more)

    def only(self, chosen: Sequence[int]) -> Case:
        index = np.asarray(chosen)
        own = {name: values[index] for name, values in self.parameters.items()}
        return Case(self.events.patients(index), own, self.covariates.patients(index))

    def given(self, doses: Sequence[tuple[float, float, str, float]]) -> Case:
        """The same patients with other doses: (day, duration in days, target, amount for all or one each)."""
        return replace(self, events=table(doses, self.events.count))

    def having(self, **values: float) -> Case:
        """The same patients with some parameters changed."""
        other = {name: np.full(self.events.count, value) for name, value in values.items()}
        return replace(self, parameters={**self.parameters, **other})


def table(doses: Sequence[tuple[float, float, str, float]], count: int) -> EventTable:
    ordered = sorted(doses, key=lambda dose: dose[0])
    columns = [np.broadcast_to(np.asarray(dose[3], dtype=float), (count,)) for dose in ordered]
    return EventTable(
        time_d=[dose[0] for dose in ordered],
        duration_d=[dose[1] for dose in ordered],
        target=tuple(dose[2] for dose in ordered),
        amount=np.stack(columns, axis=1) if columns else np.zeros((count, 0)),
    )


def child(preset: str = "haplo_fresh", count: int = 1) -> Case:
    """A typical child of 25 kg and 125 cm (0.93 m2 by Mosteller) with normal kidneys, and no dose."""
    covariates = Covariates(np.full(count, 25.0), np.full(count, (125 * 25 / 3600) ** 0.5), np.full(count, 140.0))
    return Case(EventTable.none(count), typical(load().parameters(preset), count), covariates)


def nkaml_doses(cells_per_kg: float = 2.9e7, il2_per_m2: float = 1e6) -> list[tuple[float, float, str, float]]:
    """NKAML (Rubnitz 2010) for that child: Cy 60 mg/kg, Flu 25 mg/m2 x 5, NK cells, IL-2 1e6 IU/m2 x 6."""
    bsa = (125 * 25 / 3600) ** 0.5
    return [
        (-7.0, 1 / 24, "cy", 60 * 25),
        *((float(day), 0.5 / 24, "flu", 25 * bsa) for day in range(-6, -1)),
        (0.0, 0.25 / 24, "cells", cells_per_kg * 25),
        *((float(day), 0.0, "il2", il2_per_m2 * bsa) for day in (-1, 1, 3, 5, 7, 9)),
    ]


def mixed_case(count: int, seed: int) -> Case:
    """Patients of many sizes, both models and all products, with doses of their own, some of them zero, simultaneous or overlapping."""
    rng = np.random.default_rng(seed)
    weight = np.exp(rng.uniform(np.log(8), np.log(100), count))
    bsa = 0.1 * weight**0.67 * rng.uniform(0.95, 1.05, count)
    parts = []
    for i, preset in enumerate(rng.choice(load().preset_ids, count)):
        parameter_set = load(("model1", "model2")[i % 2])
        parameters = parameter_set.parameters(preset)
        parts.append(draw(parameters, {z: rng.standard_normal(1) for z in parameter_set.varying(preset)}))
    parameters = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    some = rng.uniform(size=(count, 2)) < 0.7
    doses = [
        (-7.0, 1 / 24, "cy", 60 * weight * rng.uniform(0.3, 1, count)),
        (-6.0, 1 / 24, "cy", 60 * weight * some[:, 0]),
        (-5.0, 2 / 24, "cy", 20 * weight),
        *((day, 0.5 / 24, "flu", 25 * bsa) for day in (-6.0, -5.0, -4.0, -3.0, -2.0)),
        (0.0, 0.25 / 24, "cells", 10 ** rng.uniform(5.5, 7.6, count) * weight),
        (0.005, 0.5 / 24, "cells", 1e6 * weight * some[:, 1]),
        (7.0, 0.0, "cells", 10 ** rng.uniform(5.5, 7.6, count) * weight),
        *((day, 0.0, "il2", 1e6 * bsa * some[:, 1]) for day in (0.0, 2.0, 4.0, 7.0)),
        (4.0, 0.0, "il2", 3e6 * bsa),
    ]
    return Case(table(doses, count), parameters, Covariates(weight, bsa, rng.uniform(40, 140, count)))
