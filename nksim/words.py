"""English text that remembers how it was put together, so that another language can say it anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Said(str):
    """English text with the template and the parts that it was made from; everywhere else a plain `str`."""

    template: str
    parts: Mapping[str, object]


class Quoted(str):
    """Text of a protocol file, as its author wrote it."""


def said(template: str, /, **parts: object) -> Said:
    """`template` filled in with its parts, which may be said in their turn.

    >>> text = said("{drug} × {share:.1f} %", drug=said("aldesleukin"), share=12.345)
    >>> text, text.template
    ('aldesleukin × 12.3 %', '{drug} × {share:.1f} %')
    """
    made = Said(template.format(**parts) if parts else template)
    made.template, made.parts = template, parts
    return made


def phrase(template: str) -> str:
    """The template itself: marks it for the catalogues where it is chosen before it is filled in."""
    return template


def listed(items: Iterable[object], between: str = ", ") -> Said:
    """The items one after another.

    >>> listed(["a", "b"])
    'a, b'
    """
    found = list(items)
    if len(found) == 1:
        return found[0] if isinstance(found[0], Said) else said("{item}", item=found[0])
    named = {f"item{i}": item for i, item in enumerate(found)}
    return said("{between}".join(f"{{{name}}}" for name in named), between=said(between), **named)
