"""A qualification as text, JSON and report: what passed, what was missed, on which machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from nksim.output.pages import Block, Page, Table, Text
from nksim.output.provenance import Provenance
from nksim.output.text import table
from nksim.qualification.check import Check
from nksim.qualification.exposures import Exposure
from nksim.qualification.outcome import Outcome, credibility

SAVED_AS = ("html", "pdf", "json", "txt")
_CHECKS = ("", "group", "reference case", "values", "worst", "limit", "in")
_EXPOSURES = ("", "drug", "given", "quantity", "unit", "published", "simulated (5–95 %)", "ratio")


def verdict(o: Outcome) -> str:
    """One line: how many reference cases hold here, and how many published exposures are met."""
    failed, missed = len(o.failed), len(o.missed)
    cases = f"{len(o.checks) - failed} of {len(o.checks)} reference cases hold on this machine"
    return f"{cases}; {len(o.exposures) - missed} of {len(o.exposures)} published drug exposures are met"


def as_text(o: Outcome) -> str:
    """Verdict, tables and machine for a terminal."""
    parts = [
        verdict(o),
        table(_CHECKS, _check_rows(o.checks), right=frozenset({3, 4, 5})),
        "Drugs against published numbers (met: median within 80 to 125 %, or within the published range):",
        table(_EXPOSURES, _exposure_rows(o.exposures), right=frozenset({5, 7})),
        *_misses(o),
        " · ".join(f"{k} {v}" for k, v in o.machine.items()),
    ]
    return "\n\n".join(parts) + "\n"


def as_json(o: Outcome) -> str:
    """The same with every digit."""
    content: dict[str, Any] = {
        "schema_version": 1,
        "passed": not o.failed,
        "machine": o.machine,
        "parameter_sets": dict(o.sets),
        "protocols": dict(o.protocols),
        "checks": [{**asdict(c), "passed": c.passed} for c in o.checks],
        "exposures": [{**asdict(e), "ratio": e.ratio, "met": e.met} for e in o.exposures],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def page(o: Outcome, command: str | None = None) -> Page:
    """The report: verdict, tables, credibility, machine and hashes."""
    sections: tuple[tuple[str, tuple[Block, ...]], ...] = (
        ("Result", (Text(verdict(o) + "."), *(Text(f"{c.group}: {c.name} fails.") for c in o.failed))),
        ("Reference cases", (Table(_CHECKS, tuple(map(tuple, _check_rows(o.checks))), 3), _sources(o))),
        (
            "Drugs against published numbers",
            (
                Text(
                    "Met: the median of 400 virtual patients within 80 to 125 % of the published one, or in its range."
                ),
                Table(_EXPOSURES, tuple(map(tuple, _exposure_rows(o.exposures))), 5),
                *map(Text, _misses(o)),
            ),
        ),
        *_credibility(),
        ("Machine and hashes", (_pairs(o.machine), _pairs(dict(o.sets)), _pairs(dict(o.protocols)))),
    )
    return Page("Qualification of nksim", sections, Provenance((), (), None, 1, command))


def rendered(o: Outcome, form: str, command: str | None = None) -> str | bytes:
    """The qualification in one of the formats of `SAVED_AS`."""
    if form == "html":
        from nksim.output.report import as_html

        return as_html(page(o, command))
    if form == "pdf":
        from nksim.output.report_pdf import as_pdf

        return as_pdf(page(o, command))
    return as_json(o) if form == "json" else as_text(o)


def _check_rows(checks: Sequence[Check]) -> list[list[str]]:
    return [
        [
            "holds" if c.passed else "FAILS",
            c.group,
            c.name,
            f"{c.count:,}",
            f"{c.worst:.2g}",
            f"{c.limit:.2g}",
            c.measure,
        ]
        for c in checks
    ]


def _exposure_rows(found: Sequence[Exposure]) -> list[list[str]]:
    return [
        [
            "met" if e.met else "MISSED",
            f"{e.drug}, {e.population}",
            e.regimen,
            e.quantity,
            e.unit,
            _published(e),
            f"{e.simulated:.3g} ({e.simulated_low:.3g}–{e.simulated_high:.3g})",
            "" if e.ratio is None else f"{e.ratio:.2f}",
        ]
        for e in found
    ]


def _published(e: Exposure) -> str:
    center = "" if e.published is None else f"{e.published:g}"
    ends = "" if e.low is None or e.high is None else f"({e.low:g}–{e.high:g})"
    return f"{center} {ends}".strip()


def _misses(o: Outcome) -> list[str]:
    """Every miss by name, with what is known of it."""
    return [
        f"Missed: {e.quantity} of {e.drug} in {e.population} ({e.source}, n = {e.n}): {_published(e)} {e.unit} "
        f"published, {e.simulated:.3g} simulated" + (f"; {e.known}" if e.known else "")
        for e in o.missed
    ]


def _sources(o: Outcome) -> Table:
    told = dict.fromkeys((c.name, c.source) for c in o.checks if c.group != "laws")
    return Table(("reference case", "where its values come from"), tuple(told), 2)


def _credibility() -> Iterator[tuple[str, tuple[Block, ...]]]:
    """The credibility page, one section for each of its headings."""
    for part in credibility().split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        lines = [" ".join(block.split()) for block in re.split(r"\n\n|\n(?=\* |\d\. )", body.strip())]
        yield heading, tuple(Text(line.replace("**", "")) for line in lines)


def _pairs(held: dict[str, str]) -> Table:
    return Table(("", ""), tuple(held.items()), 2)
