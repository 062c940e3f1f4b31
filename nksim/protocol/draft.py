"""A new protocol file to fill in: the commented template, or another protocol's text under a new id."""

from __future__ import annotations

import re
from importlib import resources

from nksim.errors import InvalidInput, UsageError, shorten
from nksim.protocol.catalog import catalog, source
from nksim.protocol.reading import parse_protocol


def draft(new_id: str, origin: str | None = None) -> str:
    """The text of a new protocol file, which reads without a fault; `origin` is the id or path to copy.

    Raises `UsageError` NK507 for an id that cannot be used or a file whose id cannot be replaced, and what reading
    `origin` raises.

    >>> parse_protocol(draft("mine").encode(), "mine.yaml").id
    'mine'
    >>> copied = parse_protocol(draft("mine", "jk500").encode(), "mine.yaml")
    >>> copied.id, copied.registration, copied.reading
    ('mine', 'NCT05519384', 'provisional')
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", new_id):
        raise UsageError(
            "NK507", f"{shorten(new_id)} is not usable as an id", help="lower-case letters, digits, _ and -"
        )
    if new_id in catalog():
        raise UsageError("NK507", f"{new_id} is a protocol of the catalogue", help="take another id")
    if origin is None:
        text = resources.files("nksim.protocol").joinpath("template.yaml").read_text(encoding="utf-8")
        return text.replace("TEMPLATE", new_id)
    data, name = source(origin)
    before = parse_protocol(data, name)
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    text = re.sub(r"(?m)^id:.*$", f"id: {new_id}", text, count=1)
    text = re.sub(r"(?m)^reading:.*$", "reading: provisional", text, count=1)
    head = (
        f"# Copied from {before.id}, sha256 {before.sha256[:12]}: read every fact again in the sources of {new_id}.\n"
    )
    text = head + text
    try:
        after = parse_protocol(text.encode(), name)
    except InvalidInput:
        after = before
    if (after.id, after.reading) != (new_id, "provisional"):
        raise UsageError(
            "NK507",
            f"the id of {shorten(name)} cannot be replaced",
            help="write id: and reading: on lines of their own",
        )
    return text
