"""The registration and the sources of a protocol as BibTeX, for reference managers and LaTeX."""

from __future__ import annotations

import re

from nksim.protocol.model import Protocol, Source

# Braces count in BibTeX even behind a backslash, so that they are written as commands.
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", **{c: rf"\{c}" for c in "&%$#_"},
}  # fmt: skip


def bibtex(protocol: Protocol) -> str:
    """One @misc entry for each registry number and each source, in UTF-8; @misc, since authors are not kept.

    >>> from nksim.protocol.catalog import load
    >>> print(bibtex(load("ink-aml")).split(",")[0])
    @misc{ink-aml-NCT06702098
    """
    entries = [
        _entry(
            f"{protocol.id}-{number}",
            title=protocol.title,
            howpublished=f"ClinicalTrials.gov, {number}",
            url=f"https://clinicaltrials.gov/study/{number}",
            note="Supports every fact of the protocol file that names no other source. The title is the file's",
        )
        for number in re.findall(r"NCT\d{8}", protocol.registration)
    ]
    return "\n".join([*entries, *(_source(protocol, key, source) for key, source in protocol.sources.items())])


def _source(protocol: Protocol, key: str, source: Source) -> str:
    where = source.url or (f"https://clinicaltrials.gov/study/{source.nct}" if source.nct else None)
    number = f"PMID {source.pmid}. " if source.pmid else ""
    return _entry(
        f"{protocol.id}-{key}",
        title=source.title,
        year=str(source.year) if source.year else None,
        doi=source.doi,
        howpublished=f"ClinicalTrials.gov, {source.nct}" if source.nct and not source.doi else None,
        url=None if source.doi else where or f"https://pubmed.ncbi.nlm.nih.gov/{source.pmid}",
        note=f"{number}Supports: {source.supports}",
    )


def _entry(key: str, **fields: str | None) -> str:
    """An entry; the key keeps letters, digits, dot, hyphen and underscore, the title keeps its capitals."""
    lines = [f"@misc{{{re.sub(r'[^A-Za-z0-9._-]', '-', key)},"]
    for name, value in fields.items():
        if value:
            text = _address(value) if name in ("doi", "url") else escaped(value)
            lines.append(f"  {name} = {{{{{text}}}}}," if name == "title" else f"  {name} = {{{text}}},")
    return "\n".join([*lines, "}\n"])


def escaped(text: str) -> str:
    r"""Text for a BibTeX field, with LaTeX's special characters written out.

    >>> print(escaped("50 % of A&B_1 {x}"))
    50 \% of A\&B\_1 \textbraceleft{}x\textbraceright{}
    """
    return "".join(_SPECIAL.get(c, c) for c in text)


def _address(text: str) -> str:
    """A DOI or address as it is, but for what would end the field."""
    return text.replace("\\", "%5C").replace("{", "%7B").replace("}", "%7D")
