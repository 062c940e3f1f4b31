"""Explanations of codes, in words and as plain data."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from nksim.explain import THEMES, Explanation
from nksim.limits import Check, checks, drug_limits, source
from nksim.output.text import table

_SEVERITIES = {
    "stop": "stops, and cannot be waived",
    "hold": "no calendar until it is waived",
    "warning": "printed with the output; can be waived",
}
_WIDTH = 100


def listing(chosen: Sequence[Explanation]) -> str:
    """Every code with its meaning, by theme; checks with their severity."""
    parts = []
    for digit, theme in THEMES.items():
        rows = [[e.code, _severity(e.code), e.means] for e in chosen if e.code[2] == digit]
        if rows:
            parts.append(f"NK{digit}xx: {theme}\n" + table(["code", "", "means"], rows))
    return "\n\n".join(parts)


def in_full(e: Explanation) -> str:
    """One code: what it means, why, the mend, an example; for a check its severity, limits and sources."""
    check = checks().get(e.code)
    head = f"{e.code}  {e.means}" + (f" ({check.severity}: {_SEVERITIES[check.severity]})" if check else "")
    said = [f"{name}:  {text}" for name, text in (("why", e.why), ("mend", e.mend))]
    example = [f"  {word}\n{textwrap.indent(text or '(nothing)', '    ')}" for word, text in
               (("for example", e.example), ("mended", e.mended))]  # fmt: skip
    return "\n".join([_filled(head, ""), *(_filled(s, "  ") for s in said), *example, *_grounds(check)])


def as_record(e: Explanation) -> dict[str, Any]:
    """One code as plain data."""
    check = checks().get(e.code)
    return {
        "code": e.code,
        "theme": THEMES[e.code[2]],
        "means": e.means,
        "why": e.why,
        "mend": e.mend,
        "example": {"kind": e.kind, "wrong": e.example, "mended": e.mended},
        "check": None if check is None else _as_record(check),
    }


def _as_record(check: Check) -> dict[str, Any]:
    return {
        "severity": check.severity,
        "limits": [
            {"name": x.name, "value": x.text, "standing": x.standing, "source": str(x.source)} for x in check.limits
        ],
        "drugs": drug_limits() if check.of_drugs else {},
        "sources": [{"title": s.title, "where": s.where, "url": s.url} for s in check.sources],
    }


def _severity(code: str) -> str:
    return checks()[code].severity if code in checks() else ""


def _grounds(check: Check | None) -> list[str]:
    """The limits of a check and where they stand."""
    if check is None:
        return []
    limits = [_filled(f"{x.name} {x.text} ({x.standing}): {x.source}", "    ") for x in check.limits]
    if check.of_drugs:
        limits += [_filled(f"{drug}: {_of_drug(held)}", "    ") for drug, held in drug_limits().items()]
    sources = [_filled(str(s), "    ") for s in check.sources]
    return [*(["  limits", *limits] if limits else []), "  sources", *sources]


def _of_drug(held: dict[str, Any]) -> str:
    """The limits of one drug in words."""
    parts = [" or ".join(held.get("ranges") or [f"given in {' or '.join(held['dosed_in'])}, no range is proposed"])]
    parts += [f"never per {per}" for per in held.get("never_per", ())]
    parts += [f"at most {held['most_per_dose']} in one dose"] if "most_per_dose" in held else []
    usual = f"{', '.join(parts)} ({held['standing']})"
    if "refuse_from" not in held:
        return usual
    return f"{usual}; refused from {held['refuse_from']} in a day ({source(held['refuse_source']).title})"


def _filled(text: str, indent: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")
