"""Laws that the curves must keep on any machine, and the engines against SciPy's solver at tight tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.doses import event_table, sizes_of
from nksim.kinetics import Floats, reference
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.parameters import load, typical
from nksim.plan import parameter_values, simulate
from nksim.population import virtual_population
from nksim.protocol.catalog import load as load_protocol
from nksim.protocol.choice import choose
from nksim.qualification.check import Check
from nksim.qualification.drugs import engines
from nksim.settings import Settings
from nksim.simulation import age_range

OUTPUTS = ("donor_nk", "host_nk", "alc", "il15")
ARMS = (("nkaml", None), ("umn-haplo-nk", "cohort1"), ("umn-haplo-nk", "cohort3"))
PATIENTS, SEED = 8, 1
# Counts below one cell in a litre of blood are compared as differences, not as parts of themselves.
FLOOR = 1e-6
DAYS = np.arange(-7.0, 45.01, 1.0)
ENGINE_LIMIT = 1e-4
ADULT = Covariates(np.array([70.0]), np.array([1.8]), np.array([100.0]))


@dataclass(frozen=True)
class _Patients:
    events: EventTable
    values: dict[str, Floats]
    covariates: Covariates

    def only(self, rows: NDArray[np.intp]) -> _Patients:
        own = {name: column[rows] for name, column in self.values.items()}
        return _Patients(self.events.patients(rows), own, self.covariates.patients(rows))


def _patients(protocol: str, arm: str | None) -> _Patients:
    """Virtual patients of a catalogue entry, every parameter drawn."""
    choice = choose(load_protocol(protocol), arm=arm).answered(accept_assumed=True)
    people = virtual_population(PATIENTS, seed=SEED, age_range_y=age_range(choice))
    base = simulate(choice, people.subset([0]), seed=SEED, settings=Settings(days=1))
    values = parameter_values(base.parameter_set.parameters(base.preset), people.index, SEED)
    bsa = np.sqrt(people.height_cm * people.weight_kg / 3600)
    return _Patients(
        event_table(choice, sizes_of(people))[0], values, Covariates(people.weight_kg, bsa, people.egfr_ml_min_1_73m2)
    )


def checks() -> Iterator[Check]:
    """Every law by every engine that is here."""
    groups = [_patients(*arm) for arm in ARMS]
    oracle = [reference.solve(p.events, p.values, p.covariates, DAYS, outputs=OUTPUTS) for p in groups]
    for name, solve in engines().items():
        found = [solve(p.events, p.values, p.covariates, DAYS, outputs=OUTPUTS) for p in groups]
        errors = [
            float((np.abs(f[o] - r[o]) / np.maximum(np.abs(r[o]), FLOOR)).max())
            for f, r in zip(found, oracle, strict=True)
            for o in OUTPUTS
        ]
        yield Check(
            "engines",
            f"the {name} engine against SciPy at 1e-11",
            f"{len(groups) * PATIENTS} virtual patients of three arms",
            "relative",
            max(errors),
            ENGINE_LIMIT,
            len(groups) * PATIENTS * len(DAYS) * len(OUTPUTS),
        )
        p, whole = groups[0], found[0]
        order = np.random.default_rng(SEED).permutation(PATIENTS)
        parts = [p.only(order[i : i + 5]) for i in range(0, PATIENTS, 5)]
        pieces = [solve(x.events, x.values, x.covariates, DAYS, outputs=OUTPUTS) for x in parts]
        differ = sum(not np.array_equal(np.concatenate([x[o] for x in pieces]), whole[o][order]) for o in OUTPUTS)
        yield _law(name, "any batch and order gives the same bits", differ, "outputs that differ", 0.0, len(OUTPUTS))
        more = _doubled(p, after=0.0)
        early = solve(more.events, more.values, more.covariates, DAYS, outputs=OUTPUTS)
        before = DAYS <= 0
        moved = max(float(np.abs(early[o][:, before] - whole[o][:, before]).max()) for o in OUTPUTS)
        yield _law(name, "a later dose changes nothing before it", moved, "cells/µL, pg/mL", 0.0, int(before.sum()))
        still = _Patients(EventTable.none(1), typical(load().parameters("haplo_fresh")), ADULT)
        rest = solve(still.events, still.values, still.covariates, np.linspace(0, 100, 51), outputs=("alc", "il15"))
        drift = max(float(np.abs(rest[o] / rest[o][:, :1] - 1).max()) for o in ("alc", "il15"))
        yield _law(name, "without a dose nothing moves", drift, "relative", 1e-9, 102)
        yield _law(
            name,
            "no count is negative",
            -min(float(f[o].min()) for f in found for o in OUTPUTS),
            "cells/µL",
            0.0,
            len(found),
        )


def _law(engine: str, name: str, worst: float, measure: str, limit: float, count: int) -> Check:
    return Check("laws", f"{name} ({engine})", "reference cases", measure, max(0.0, worst) + 0.0, limit, count)


def _doubled(p: _Patients, after: float) -> _Patients:
    """The same patients with twice the doses from day `after` on."""
    amount = p.events.amount.copy()
    amount[:, p.events.time_d >= after] *= 2.0
    events = EventTable(p.events.time_d, p.events.duration_d, p.events.target, amount)
    return _Patients(events, p.values, p.covariates)
