"""Parameter sets: every value of the kinetic model with its unit, range, spread, standing and source.

The values stand in `sets/*.yaml`, never in code. Drawing is a pure function of standard normal numbers, so whoever
owns the random streams decides them.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from nksim.errors import InvalidInput
from nksim.kinetics import Floats

__all__ = [
    "BASES",
    "Override",
    "Parameter",
    "ParameterSet",
    "Preset",
    "Source",
    "draw",
    "load",
    "names",
    "typical",
    "varying",
]

BASES = ("published", "derived", "assumed", "calibrated")
TRANSFORMS = ("log", "logit")
READ = ("source", "secondary", "nothing", "-")


@dataclass(frozen=True)
class Source:
    """Where a value comes from; identifiers are empty when they are not known.

    `read` says where its values were read: in the `source` itself (its abstract, a table, a label), in a `secondary`
    account of it, in `nothing` (they are remembered), or `-` where there is nothing to read.
    """

    id: str
    citation: str
    read: str
    doi: str = ""
    pmid: str = ""
    pmcid: str = ""


@dataclass(frozen=True)
class Parameter:
    """One value: `low` and `high` bound what is plausible, `cv` is the spread between subjects, 0 for none.

    `normal` names the random number it varies with, which is its own name unless it shares another's.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    cv: float
    basis: str
    source: str
    why: str
    transform: str = "log"
    normal: str = ""

    @property
    def spread(self) -> str:
        """How patients differ in it, in words."""
        if self.cv == 0:
            return "the same for all"
        shared = "" if self.normal == self.name else f", moving with {self.normal}"
        return f"{'log-normal' if self.transform == 'log' else 'logit-normal'}, CV {self.cv:.0%}{shared}"

    def __str__(self) -> str:
        return f"{self.name} = {self.value:g} {self.unit} ({self.basis}; {self.low:g} to {self.high:g}): {self.why}"


@dataclass(frozen=True)
class Override:
    """What a preset changes about one parameter."""

    value: float
    basis: str
    why: str


@dataclass(frozen=True)
class Preset:
    """A product: its title and the parameters in which it differs from the default."""

    id: str
    title: str
    overrides: Mapping[str, Override]


@dataclass(frozen=True)
class ParameterSet:
    """A named set of parameters with its presets and sources; `sha256` is that of the file's bytes."""

    name: str
    title: str
    sha256: str
    defaults: Mapping[str, Parameter] = field(repr=False)
    presets: Mapping[str, Preset] = field(repr=False)
    sources: Mapping[str, Source] = field(repr=False)

    @property
    def preset_ids(self) -> tuple[str, ...]:
        """Ids of the presets in the order of the file."""
        return tuple(self.presets)

    def parameters(self, preset: str) -> dict[str, Parameter]:
        """All parameters of a product, by name."""
        if preset not in self.presets:
            known = ", ".join(self.presets)
            raise InvalidInput("NK650", f"no product preset is called {preset!r}", help=f"use one of {known}")
        made = dict(self.defaults)
        for name, other in self.presets[preset].overrides.items():
            made[name] = replace(made[name], value=other.value, basis=other.basis, source="authors", why=other.why)
        return made

    def assumed(self, preset: str) -> list[str]:
        """Names of the parameters that are assumptions for this product."""
        return [name for name, parameter in self.parameters(preset).items() if parameter.basis == "assumed"]

    def varying(self, preset: str) -> tuple[str, ...]:
        """Names of the standard normal numbers that `draw` needs for this product."""
        return varying(self.parameters(preset))


def names() -> tuple[str, ...]:
    """The sets that ship with nksim.

    >>> "model1" in names()
    True
    """
    found = importlib.resources.files("nksim.kinetics").joinpath("sets").iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in found if f.name.endswith(".yaml")))


@cache
def load(name: str = "model1") -> ParameterSet:
    """A set that ships with nksim, by name.

    >>> load().parameters("haplo_fresh")["kbt"].unit
    '1/d'
    """
    file = importlib.resources.files("nksim.kinetics").joinpath("sets", f"{name}.yaml")
    if not name.isidentifier() or not file.is_file():
        raise InvalidInput("NK653", f"there is no parameter set {name!r}", help=f"use {' or '.join(names())}")
    # YAML is loaded here and not above, because whoever holds a set already does not need it.
    from nksim.kinetics.reading import read

    return read(file.read_bytes(), name)


def varying(parameters: Mapping[str, Parameter]) -> tuple[str, ...]:
    """Names of the standard normal numbers that `draw` needs, each once and in order."""
    return tuple(dict.fromkeys(p.normal for p in parameters.values() if p.cv > 0))


def draw(parameters: Mapping[str, Parameter], normals: Mapping[str, Floats]) -> dict[str, Floats]:
    """Individual values (n,) of every parameter from standard normal numbers (n,) by name, see `varying`.

    A positive parameter is value * exp(w z) with w = sqrt(log(1 + cv^2)), so that `value` is its median. A fraction
    (transform logit) is 1 / (1 + exp(-(logit(value) + w z / (1 - value)))): it stays between 0 and 1, has the same
    median and, for small spread, the same cv. InvalidInput when a number is missing or superfluous.

    >>> kH = Parameter("kH", 0.07, "1/d", 0.03, 0.11, 0.3, "assumed", "authors", "", normal="kH")
    >>> draw({"kH": kH}, {"kH": np.array([0.0, 1.0])})["kH"].round(4)
    array([0.07  , 0.0939])
    """
    needed = varying(parameters)
    if set(needed) != set(normals):
        odd = sorted(set(needed) ^ set(normals))[0]
        state = "is missing" if odd in needed else "belongs to no parameter that varies"
        raise InvalidInput("NK651", f"the random number {odd} {state}", help=f"give exactly {', '.join(needed)}")
    shapes = {np.shape(z) for z in normals.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise InvalidInput("NK652", "random numbers must be one per patient and the same count for all names")
    count = next(iter(shapes))[0] if shapes else 1
    return {
        name: _spread(p, np.asarray(normals[p.normal], dtype=np.float64)) if p.cv > 0 else np.full(count, p.value)
        for name, p in parameters.items()
    }


def typical(parameters: Mapping[str, Parameter], count: int = 1) -> dict[str, Floats]:
    """Every parameter at its median, for `count` patients."""
    return {name: np.full(count, parameter.value) for name, parameter in parameters.items()}


def _spread(parameter: Parameter, z: Floats) -> Floats:
    width = np.sqrt(np.log1p(parameter.cv**2))
    value = parameter.value
    if parameter.transform == "log":
        positive: Floats = value * np.exp(width * z)
        return positive
    # value / (value + (1 - value) exp(-w z / (1 - value))) is the same logistic curve, exact at z = 0.
    part: Floats = value / (value + (1.0 - value) * np.exp(-width / (1.0 - value) * z))
    return part
