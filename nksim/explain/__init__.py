"""What every code means and how to mend it: the one reader of the explanations beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from nksim.shipped import shipped

HUNDREDS = "123456789"
THEMES = {
    "1": "the text of a file",
    "2": "what a protocol says",
    "3": "safety checks",
    "4": "patients, dates and zones",
    "5": "facts that are not answered, and the call itself",
    "6": "the kinetic model",
    "7": "outputs",
    "8": "dose escalation",
    "9": "nksim itself",
}


@dataclass(frozen=True)
class Explanation:
    """A code in words, with an example of what brings it about and the same mended.

    `kind` says what the example is: a `command`, a `line` or a `key` of a protocol file, a `patients` file, or `text`.
    """

    code: str
    means: str
    why: str
    mend: str
    kind: str
    example: str
    mended: str


def explanation(code: str) -> Explanation | None:
    """What a code means, or None where there is no such code.

    >>> explanation("NK204").means
    'A range of days runs backwards.'
    """
    return explanations(code[2:3]).get(code) if code[2:3] in THEMES else None


def explanations(hundreds: str = HUNDREDS) -> dict[str, Explanation]:
    """Every code of these hundreds, in order."""
    return {code: found for digit in hundreds for code, found in sorted(_of(digit).items())}


@cache
def _of(digit: str) -> dict[str, Explanation]:
    found = {}
    for code, held in shipped("nksim.explain", f"{digit}xx.yaml").items():
        example = dict(held["example"])
        mended = example.pop("mended")
        ((kind, wrong),) = example.items()
        found[code] = Explanation(code, held["means"], held["why"], held["mend"], kind, wrong, mended)
    return found
