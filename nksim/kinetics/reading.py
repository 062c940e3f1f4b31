"""Reads a parameter set from its YAML file and refuses whatever is not exactly as it should be."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import yaml

from nksim.errors import InvalidInput
from nksim.kinetics.parameters import BASES, READ, TRANSFORMS, Override, Parameter, ParameterSet, Preset, Source

__all__ = ["read"]

_PARAMETER_KEYS = ("value", "unit", "range", "cv", "basis", "source", "why")


def read(content: bytes, name: str) -> ParameterSet:
    """The set in the bytes of a YAML file; InvalidInput names the parameter or preset that does not fit."""
    try:
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput("NK654", f"parameter set {name} is not YAML: {error}") from error
    _keys(tree, f"set {name}", ("title", "parameters", "presets", "sources"))
    sources = {key: _source(key, body) for key, body in _table(tree["sources"], "sources").items()}
    parameters = {key: _parameter(key, body, sources) for key, body in _table(tree["parameters"], "parameters").items()}
    for parameter in parameters.values():
        owner = parameters.get(parameter.normal)
        if owner is None or owner.normal != owner.name or (parameter.cv > 0) != (owner.cv > 0):
            raise _wrong(parameter.name, f"cannot share the random number of {parameter.normal!r}")
    presets = {key: _preset(key, body, parameters) for key, body in _table(tree["presets"], "presets").items()}
    for parameter in parameters.values():
        if parameter.basis == "published" and sources[parameter.source].read in ("nothing", "-"):
            raise _wrong(parameter.name, "is called published, but nothing of its source was read")
    return ParameterSet(
        name=name,
        title=_text(tree["title"], "title"),
        sha256=hashlib.sha256(content).hexdigest(),
        defaults=MappingProxyType(parameters),
        presets=MappingProxyType(presets),
        sources=MappingProxyType(sources),
    )


def _wrong(where: str, what: str) -> InvalidInput:
    return InvalidInput("NK655", f"{where}: {what}")


def _table(body: Any, where: str) -> dict[str, Any]:
    if not isinstance(body, dict) or not all(isinstance(key, str) for key in body):
        raise _wrong(where, "must be a table with names as keys")
    return body


def _keys(body: Any, where: str, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """The table, when it has all required keys and no unknown one."""
    table = _table(body, where)
    for key in required:
        if key not in table:
            raise _wrong(where, f"key {key!r} is missing")
    if unknown := sorted(set(table) - set(required) - set(optional)):
        raise _wrong(where, f"key {unknown[0]!r} is not known")
    return table


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(where, f"{value!r} is not a finite number")
    return float(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(where, f"{value!r} is not a text")
    return value


def _choice(value: Any, choices: tuple[str, ...], where: str) -> str:
    if value not in choices:
        raise _wrong(where, f"{value!r} is none of {', '.join(choices)}")
    return str(value)


def _source(key: str, body: Any) -> Source:
    where = f"source {key}"
    table = _keys(body, where, ("citation", "read"), ("doi", "pmid", "pmcid"))
    _choice(table["read"], READ, where)
    return Source(id=key, **{part: _text(text, where) for part, text in table.items()})


def _parameter(name: str, body: Any, sources: Mapping[str, Source]) -> Parameter:
    where = f"parameter {name}"
    table = _keys(body, where, _PARAMETER_KEYS, ("shares", "transform"))
    value, cv = _number(table["value"], where), _number(table["cv"], where)
    limits = table["range"]
    if not isinstance(limits, list) or len(limits) != 2:
        raise _wrong(where, "range must be [low, high]")
    low, high = (_number(limit, where) for limit in limits)
    if not 0 <= low <= value <= high:
        raise _wrong(where, f"value {value:g} is not within its range {low:g} to {high:g}, or the range is negative")
    if cv < 0:
        raise _wrong(where, f"cv {cv:g} is negative")
    transform = _choice(table.get("transform", "log"), TRANSFORMS, where)
    if transform == "logit" and not 0 < value < 1:
        raise _wrong(where, f"{value:g} is not a fraction between 0 and 1")
    return Parameter(
        name=name,
        value=value,
        unit=_text(table["unit"] if not isinstance(table["unit"], int) else str(table["unit"]), where),
        low=low,
        high=high,
        cv=cv,
        basis=_choice(table["basis"], BASES, where),
        source=_choice(table["source"], tuple(sources), where),
        why=_text(table["why"], where),
        transform=transform,
        normal=_text(table.get("shares", name), where),
    )


def _preset(key: str, body: Any, parameters: Mapping[str, Parameter]) -> Preset:
    table = _keys(body, f"preset {key}", ("title", "overrides"))
    overrides = {}
    for name, body_of in _table(table["overrides"], f"preset {key}").items():
        where = f"preset {key}, parameter {name}"
        if name not in parameters:
            raise _wrong(where, "is not in the set")
        change = _keys(body_of, where, ("value", "basis", "why"))
        value, default = _number(change["value"], where), parameters[name]
        if not default.low <= value <= default.high or (default.transform == "logit" and not 0 < value < 1):
            raise _wrong(where, f"value {value:g} is not within {default.low:g} to {default.high:g}")
        basis = _choice(change["basis"], BASES, where)
        overrides[name] = Override(value, basis, _text(change["why"], where))
    return Preset(key, _text(table["title"], f"preset {key}"), MappingProxyType(overrides))
