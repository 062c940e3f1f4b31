"""What a file with faults would say without them, so that its other faults come out in the same run.

Every part that holds a fault is replaced by one that holds none and keeps its name and place; what is then found
within such a part is not reported.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from nksim.protocol.model import Protocol
from nksim.protocol.yaml_tree import Path

_LINE = {"product": "cyclophosphamide", "dose": "1 mg", "route": "IV", "days": "1"}
_TIMINGS = ("days", "day", "before", "after")
_WHOLE: dict[str, Any] = {
    "format": "1",
    "id": "x",
    "title": "x",
    "registration": "x",
    "reading": "provisional",
    "population": {"age": "0-100 y", "disease": "x"},
    "body": {"weight": "actual", "bsa": "mosteller", "bsa_cap": "none"},
    "escalation": {"goal": "x", "levels": "[1e6, 2e6] cells/kg", "design": "3+3"},
}
_NUMBERING = {"anchor": "first cells", "zero": "yes"}
_OPTIONAL = ("washout", "cohorts", "questions")


def without_faults(content: Any, faults: Sequence[Path]) -> tuple[Protocol, set[Path]] | None:
    """The protocol that is left when the parts at fault are replaced, and the paths of those; None where none is.

    First only the keys at fault are replaced; where what is left still does not hold together, their whole lines.
    """
    for whole_lines in (False, True):
        left, replaced = copy.deepcopy(content), set[Path]()
        for path in faults:
            part = None if whole_lines else _without_key(left, path)
            part = part or _replace(left, path)
            if part is None:
                return None
            replaced.add(part)
        try:
            return Protocol.model_validate(left), replaced
        except ValidationError:
            continue
    return None


def _without_key(content: Any, path: Path) -> Path | None:
    """Replaces one key of a line, and names it."""
    match path:
        case ("arms", arm, "phases", p, "give", int(g), str(key), *_):
            line = content["arms"][arm]["phases"][p]["give"][g]
        case _:
            return None
    if key in line and key != "id":
        gone = _TIMINGS if key in _TIMINGS else (key,)
        for name in gone:
            line.pop(name, None)
        line.update({k: v for k, v in _LINE.items() if k in gone})
        return path[:7]
    return None


def _replace(content: Any, path: Path) -> Path | None:
    """Replaces the smallest replaceable part around a path, and names it."""
    match path:
        case ("arms", arm, "phases", p, "give", int(g), *_):
            lines = content["arms"][arm]["phases"][p]["give"]
            lines[g] = {"id": _name(lines[g], f"x{g}"), **_LINE}
            return path[:6]
        case ("arms", arm, "assess", int(a), *_):
            entries = content["arms"][arm]["assess"]
            entries[a] = {"id": _name(entries[a], f"x{a}"), "what": "x", "days": "1"}
            return path[:4]
        case ("arms", arm, "phases", int(p), "phase", *_):
            content["arms"][arm]["phases"][p]["phase"] = "x"
            return path[:5]
        case ("arms", arm, "phases", int(p), str(key), *_) if key != "give":
            content["arms"][arm]["phases"][p].pop(key, None)
            return path[:5]
        case ("numbering", str(key), *_):
            content["numbering"].pop(key, None)
            content["numbering"] |= {k: v for k, v in _NUMBERING.items() if k == key}
            return path[:2]
        case ("numbering",):
            content["numbering"] = dict(_NUMBERING)
        case ("products", str(name), *_):
            content["products"][name] = {"kind": "drug"}
        case ("sources", str(name), *_):
            content["sources"][name] = {"url": "x", "title": "x", "supports": "x"}
        case (str(key), *_) if key in _WHOLE:
            content[key] = copy.deepcopy(_WHOLE[key])
        case (str(key), *_) if key in _OPTIONAL or key not in Protocol.model_fields:
            content.pop(key, None)
            return path[:1]
        case _:
            return None
    return path[:2] if path[0] in ("products", "sources") else path[:1]


def _name(part: Any, otherwise: str) -> str:
    found = part.get("id") if isinstance(part, dict) else None
    return found if isinstance(found, str) and found.replace("-", "").replace("_", "").isalnum() else otherwise
