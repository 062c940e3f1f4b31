"""The language in which a person reads an output; what has no translation is shown in English and marked as such."""

from __future__ import annotations

import gettext
import string
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources

from nksim.errors import UsageError, shorten
from nksim.protocol.drugs import name_in, tall_man_names
from nksim.protocol.model import Protocol
from nksim.words import Quoted, Said, phrase, said

LANGUAGES = ("en", "zh")
_IN_ENGLISH = phrase("[in English] ")
_UNREVIEWED = phrase(
    "This Chinese translation has not been reviewed by a pharmacist. The English text is authoritative."
)
# What the program says only by way of a variable: names of facts, phases, standings, routes and formulas.
_TERMS = tuple(map(phrase, (
    "stated", "derived", "assumed", "unknown", "set by the user",
    "dose", "weight", "bsa", "bsa cap", "days", "timing", "at", "over", "route", "numbering", "anchor", "phase start",
    "cap", "round", "volume", "vials", "renal", "bag", "viability", "recovery", "purity", "give", "from", "for",
    "months", "samples", "window", "age", "part", "whole, up", "whole, nearest", "first patient", "each patient",
    "conditioning", "treatment", "maintenance", "induction", "high-dose therapy", "transplantation",
    "IV", "SC", "PO", "IM", "IT", "external",
    "Mosteller", "DuBois", "Haycock", "Gehan-George", "Boyd", "Stevenson", "Fujimoto", ", ", "; ",
)))  # fmt: skip


@dataclass(frozen=True)
class Language:
    """A language by its code (`en`, `zh`) with its catalogues; English has none.

    >>> zh = language("zh")
    >>> zh.say(said(" × {weight} kg ({words})", weight=20, words=said("actual")))
    ' × 20 kg（实际体重）'
    >>> language("en").say("Dose")
    'Dose'
    """

    code: str
    program: gettext.NullTranslations = field(repr=False)
    protocols: gettext.NullTranslations = field(repr=False)

    def say(self, text: object, /, **parts: object) -> str:
        """A text in this language: a template with its parts, or text that was `said` or `Quoted` elsewhere.

        Text without letters needs no translation; English text that has none is marked.
        """
        if parts or type(text) is str:
            text = said(str(text), **parts)
        text = text if isinstance(text, str) else str(text)
        if self.code == "en":
            return str.__str__(text)
        if isinstance(text, Quoted):
            return self.protocols.gettext(text) or self._unsaid(text)
        if not isinstance(text, Said) or not text:
            return text
        template = self.program.gettext(text.template)
        if not template:
            if _has_words(text.template):
                return self._unsaid(text)
            template = text.template
        if not text.parts:
            return template
        return template.format(**{name: self._part(part) for name, part in text.parts.items()})

    def _part(self, part: object) -> object:
        """A part as the template formats it: numbers and dates as they are, text in this language."""
        if isinstance(part, (int, float, Decimal, date)) or type(part) is str:
            return part
        text = part if isinstance(part, str) else type(part).__str__(part)
        return text if type(text) is str else self.say(text)

    def _unsaid(self, text: str) -> str:
        return f"{self.program.gettext(_IN_ENGLISH)}{str.__str__(text)}"

    def quote(self, text: str | None) -> str:
        """Text of a protocol file in this language, marked where it is not translated."""
        return self.say(Quoted(text)) if text else ""

    @property
    def caution(self) -> str | None:
        """What a reader of a translation must know; None in English."""
        return None if self.code == "en" else self.say(_UNREVIEWED)

    def product(self, name: str, protocol: Protocol) -> str:
        """A drug by its name in this language with the English one, or a product of the protocol by its title."""
        product = protocol.products.get(name)
        if product is not None and product.title:
            return self.quote(product.title)
        own = name_in(self.code, name)
        if own:
            return f"{own} ({tall_man(name)})"
        return tall_man(name) if self.code == "en" else self._unsaid(tall_man(name))


def _has_words(template: str) -> bool:
    """Whether a template says anything beside its parts and signs."""
    literal = (text for text, *_ in string.Formatter().parse(template))
    return any(c.isalpha() for text in literal for c in text)


@cache
def language(code: str) -> Language:
    """The language of that code; raises `UsageError` NK704 where there is none."""
    if code not in LANGUAGES:
        raise UsageError("NK704", f"no language {shorten(code)}", help=f"one of {', '.join(LANGUAGES)}")
    if code == "en":
        return ENGLISH
    return Language(code, _catalogue(code, "nksim"), _catalogue(code, "protocols"))


ENGLISH = Language("en", gettext.NullTranslations(), gettext.NullTranslations())


class _Missing(gettext.NullTranslations):
    """What a catalogue without the message says: nothing, so that the gap can be marked."""

    def gettext(self, message: str) -> str:
        return ""


def _catalogue(code: str, domain: str) -> gettext.GNUTranslations:
    """The compiled messages of one domain."""
    with resources.files("nksim.languages").joinpath(code, f"{domain}.mo").open("rb") as file:
        found = gettext.GNUTranslations(file)
    found.add_fallback(_Missing())
    return found


def tall_man(name: str) -> str:
    """A drug name with the letters raised by which it is told from another.

    The names are those of `drugs.yaml` with their source; others stand as they are.

    >>> tall_man("daunorubicin"), tall_man("fludarabine phosphate")
    ('DAUNOrubicin', 'fludarabine phosphate')
    """
    raised = tall_man_names()
    return " ".join(raised.get(word, word) for word in name.split(" "))
