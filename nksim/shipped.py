"""The YAML files that come with nksim: written by us and held by tests, so that they are read quickly, not strictly."""

from __future__ import annotations

from importlib import resources
from typing import Any


def shipped(package: str, name: str) -> dict[str, Any]:
    """The content of one file; every value is text, as in a protocol.

    >>> shipped("nksim.protocol", "drugs.yaml")["drugs"]["melphalan"]["names"]
    {'zh': '美法仑'}
    """
    import yaml

    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    return found
