"""The catalogue of shipped protocols, and the one door to a protocol by id or path."""

from __future__ import annotations

import difflib
import os.path
from importlib import resources

from nksim.errors import UsageError, shorten
from nksim.protocol.model import Protocol
from nksim.protocol.reading import parse_protocol, read_bytes


def catalog() -> tuple[str, ...]:
    """Ids of the shipped protocols, in alphabetical order.

    >>> catalog()[:4]
    ('cb-nk-mm', 'cd123-carnk', 'cd33-carnk', 'cndo109')
    """
    files = resources.files("nksim.protocols_data").iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def source(id_or_path: str) -> tuple[bytes, str]:
    """The bytes of a shipped protocol, or of a file of your own, and the name by which faults call it.

    Raises `UsageError` NK503 for an id that is not in the catalogue, `UnreadableInput` NK100.
    """
    if id_or_path in catalog():
        name = f"{id_or_path}.yaml"
        return resources.files("nksim.protocols_data").joinpath(name).read_bytes(), f"protocols/{name}"
    if id_or_path.endswith((".yaml", ".yml")) or "/" in id_or_path or os.path.exists(id_or_path):
        return read_bytes(id_or_path), id_or_path
    near = difflib.get_close_matches(id_or_path, catalog(), n=1)
    raise UsageError(
        "NK503",
        f"no protocol {shorten(id_or_path)} in the catalogue",
        help=f"did you mean {near[0]}?" if near else f"one of {', '.join(catalog())}, or a path ending in .yaml",
    )


def load(id_or_path: str) -> Protocol:
    """A shipped protocol by its id, or one of your own by the path of its file.

    Raises `UsageError` NK503 for an id that is not in the catalogue, and what reading raises.

    >>> load("jk500").registration
    'NCT05519384'
    """
    return parse_protocol(*source(id_or_path))


def file_of(id_or_path: str) -> str | None:
    """The path of a protocol of one's own; None for one of the catalogue.

    >>> file_of("jk500") is None, file_of("mine.yaml")
    (True, 'mine.yaml')
    """
    return None if id_or_path in catalog() else id_or_path
