"""Parameter sets in words: what there is, every value of one product, and where one value stands."""

from __future__ import annotations

import difflib
import json
import textwrap
from collections import Counter
from typing import Any

from nksim.errors import UsageError, shorten
from nksim.kinetics.parameters import BASES, Parameter, ParameterSet, Source
from nksim.output.text import table

WIDTH = 110


def listing(sets: list[ParameterSet]) -> str:
    """One line for each set: how many parameters of each basis its first product has, and its products."""
    rows = []
    for s in sets:
        counts = Counter(p.basis for p in s.parameters(s.preset_ids[0]).values())
        rows.append([s.name, s.title, *(str(counts[b]) for b in BASES), ", ".join(s.preset_ids)])
    header = ["set", "title", *BASES, "products"]
    return table(header, rows, right=frozenset(range(2, 2 + len(BASES))))


def in_full(s: ParameterSet, preset: str | None) -> str:
    """Every parameter of one product of a set (its first unless named), by basis counted."""
    preset = preset or s.preset_ids[0]
    parameters = s.parameters(preset)
    rows = [
        [p.name, f"{p.value:g}", p.unit, f"{p.low:g}–{p.high:g}", p.spread, p.basis, _read(p, s)]
        for p in parameters.values()
    ]
    counts = Counter(p.basis for p in parameters.values())
    told = ", ".join(f"{counts[b]} {b}" for b in BASES if counts[b])
    return (
        f"{s.title} ({s.name} sha256 {s.sha256[:12]})\n{preset}: {s.presets[preset].title}\n"
        f"{len(parameters)} parameters: {told}\n\n"
        + table(
            ["parameter", "value", "unit", "range", "between patients", "basis", "source"], rows, right=frozenset({1})
        )
        + f"\n\nproducts: {', '.join(s.preset_ids)} · `nksim models why {s.name} PARAMETER` says why\n"
    )


def _read(p: Parameter, s: ParameterSet) -> str:
    source = s.sources[p.source]
    how = {"source": "", "-": "", "secondary": " (secondary)", "nothing": " (remembered)"}[source.read]
    return f"{source.id}{how}"


def why(s: ParameterSet, name: str, preset: str | None) -> str:
    """All that is known of one parameter, in the default and in every product that differs from it."""
    p = _parameter(s, name, preset)
    source = s.sources[p.source]
    lines = [
        f"{p.name} = {p.value:g} {p.unit}" + (f" for {preset}" if preset else ""),
        f"  basis: {p.basis}",
        f"  range: {p.low:g} to {p.high:g} {p.unit}",
        f"  between patients: {p.spread}",
        *_wrapped("why", p.why),
        *_wrapped("source", _cited(source)),
    ]
    others = [(n, x.overrides[name]) for n, x in s.presets.items() if name in x.overrides and n != preset]
    lines += [x for n, o in others for x in _wrapped(f"{n}", f"{o.value:g} {p.unit}, {o.basis}: {o.why}")]
    return "\n".join(lines) + "\n"


def _parameter(s: ParameterSet, name: str, preset: str | None) -> Parameter:
    parameters = s.parameters(preset or s.preset_ids[0]) if preset else dict(s.defaults)
    if name not in parameters:
        near = difflib.get_close_matches(name, parameters, n=1)
        raise UsageError(
            "NK656",
            f"{s.name} has no parameter {shorten(name)}",
            help=f"did you mean {near[0]}?" if near else f"nksim models show {s.name}",
        )
    return parameters[name]


def _cited(source: Source) -> str:
    ids = [f"doi {source.doi}" if source.doi else "", f"PMID {source.pmid}" if source.pmid else "", source.pmcid]
    read = {
        "source": "read in the source itself",
        "secondary": "read in another text's account",
        "nothing": "remembered, not read",
        "-": "",
    }[source.read]
    return " · ".join(filter(None, [source.citation, *ids, read]))


def _wrapped(key: str, text: str) -> list[str]:
    return textwrap.wrap(f"{key}: {text}", WIDTH, initial_indent="  ", subsequent_indent="    ")


def as_json(s: ParameterSet, preset: str | None) -> str:
    """One product of a set as JSON."""
    preset = preset or s.preset_ids[0]
    content: dict[str, Any] = {
        "schema_version": 1,
        "set": s.name,
        "sha256": s.sha256,
        "preset": preset,
        "parameters": [
            {
                "name": p.name,
                "value": p.value,
                "unit": p.unit,
                "low": p.low,
                "high": p.high,
                "cv": p.cv,
                "distribution": p.transform,
                "moves_with": p.normal if p.normal != p.name else None,
                "basis": p.basis,
                "why": p.why,
                "source": p.source,
                "read": s.sources[p.source].read,
            }
            for p in s.parameters(preset).values()
        ],
        "sources": {k: _cited(v) for k, v in s.sources.items()},
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"
