"""A trial as it was run: patients, doses and sampling days, solved for any parameters with the same random numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

import numpy as np
import yaml

from nksim.doses import event_table, preset_of, sizes_of
from nksim.kinetics import Floats
from nksim.kinetics.events import EventTable
from nksim.kinetics.parameters import ParameterSet, draw, perturbed
from nksim.patient import Patient
from nksim.plan import solved
from nksim.population import Population, normals, virtual_population
from nksim.protocol import catalog
from nksim.protocol.choice import Choice, choose
from nksim.protocol.model import Protocol
from nksim.protocol.reading import parse_protocol
from nksim.schedule.expansion import ANCHOR_CLOCK, expand
from nksim.simulation import age_range
from nksim.units import quantity

__all__ = ["Arm", "Curves", "Part", "Spec", "arm_of", "observations_of_the_package", "sampling_days", "specs"]

OUTPUTS = ("donor_nk", "host_nk", "nk_chimerism", "alc", "il15")


@dataclass(frozen=True)
class Part:
    """Patients of a trial's arm who had one regimen; `set_` replaces parameters that the model cannot follow."""

    choice: Choice
    n: int
    set_: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """How one trial of the package was run, by arm: parts, and the assay; `use` is its side of the split."""

    use: str
    arms: Mapping[str, tuple[Part, ...]]
    lod: float
    lineage: str
    assumed: str


@dataclass(frozen=True, eq=False)
class Curves:
    """Outputs (m, t) of one part's virtual patients at `times_d` (t,)."""

    times_d: Floats
    outputs: Mapping[str, Floats]
    weight: float


class Arm:
    """An arm with `m` virtual patients for each part, ready to be solved for any parameters.

    Patients and their random numbers are drawn once, so that two solutions differ by their parameters alone.
    """

    def __init__(self, parts: Sequence[Part], *, m: int, seed: int, times_d: Sequence[float]) -> None:
        self.parts = tuple(parts)
        self.times_d = np.array(sorted(set(times_d)), dtype=np.float64)
        self.seed = seed
        total = sum(p.n for p in parts)
        self.weights = tuple(p.n / total for p in parts)
        self._drawn: list[tuple[Population, EventTable, str]] = []
        for part in parts:
            people = virtual_population(m, seed=seed, age_range_y=age_range(part.choice))
            self._drawn.append((people, event_table(part.choice, sizes_of(people))[0], preset_of(part.choice)))
        self._normals: dict[str, Floats] = {}

    def curves(
        self, parameter_set: ParameterSet, shifts: Mapping[str, float] | None = None, engine: str = "auto"
    ) -> list[Curves]:
        """The curves of each part under a parameter set that is moved by `shifts`."""
        found = []
        for part, weight, (people, events, preset) in zip(self.parts, self.weights, self._drawn, strict=True):
            parameters = perturbed(parameter_set.parameters(preset), shifts or {})
            for name, value in part.set_.items():
                parameters[name] = replace(parameters[name], value=value)
            names = dict.fromkeys(p.normal for p in parameters.values() if p.cv > 0)
            for name in names:
                if name not in self._normals:
                    self._normals[name] = normals(self.seed, people.index, f"parameter {name}")
            values = draw(parameters, {name: self._normals[name] for name in names})
            solution, _ = solved(events, values, people, self.times_d, engine, OUTPUTS)
            found.append(Curves(self.times_d, dict(solution), weight))
        return found


def arm_of(
    protocol: Protocol,
    name: str | None,
    *,
    n: int = 1,
    set_: Mapping[str, float] | None = None,
    settings: Sequence[tuple[str, str]] = (),
) -> Part:
    """One arm of a protocol with the doses and days that its file states or assumes, or `settings` answer."""
    choice = choose(protocol, arm=name, settings=tuple(settings)).answered(accept_assumed=True)
    return Part(choice, n, set_ or {})


def sampling_days(choice: Choice) -> tuple[float, ...]:
    """Days on which the protocol samples blood for donor cells, in order; none where it does not say."""
    schedule = expand(choice, Patient(weight=70, height=170, age=30))
    days = {
        e.occasion.start.from_anchor_d(ANCHOR_CLOCK)
        for e in schedule.events
        if e.kind == "assessment" and ("chimerism" in f"{e.line} {e.what}".casefold() or "donor" in e.what.casefold())
    }
    # A sample of a day is taken before that day's doses; the clock of the day does not matter here.
    return tuple(sorted({float(round(d)) for d in days if d > 0}))


def specs() -> dict[str, Spec]:
    """Every trial of the package by its name in print."""
    home = resources.files("nksim.fit")
    tree: dict[str, Any] = yaml.safe_load(home.joinpath("trials.yaml").read_text(encoding="utf-8"))
    return {
        name: Spec(
            body["use"],
            {arm: tuple(_parts(spec)) for arm, spec in body["arms"].items()},
            float(quantity(body["lod"]).number) / 100,
            body["lineage"],
            body["assumed"],
        )
        for name, body in tree.items()
    }


def _parts(spec: Mapping[str, Any]) -> list[Part]:
    name = spec["protocol"]
    if name.startswith("trials/"):
        protocol = parse_protocol(resources.files("nksim.fit").joinpath(name).read_bytes(), name)
    else:
        protocol = catalog.load(name)
    return [arm_of(protocol, p["arm"], n=p["n"], set_=p.get("parameters")) for p in spec["parts"]]


def observations_of_the_package() -> bytes:
    """The bytes of the observations that come with nksim."""
    return resources.files("nksim.fit").joinpath("observations.csv").read_bytes()
