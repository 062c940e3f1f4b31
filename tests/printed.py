"""Printed text compared word by word, modelled numbers within what another engine or machine may change."""

import re

NUMBER = re.compile(r"[+\N{MINUS SIGN}-]?\d[\d,]*(?:\.\d+)?(?:E-?\d+)?")
WITHIN = 5e-3


def same_text(found: str, expected: str) -> bool:
    """Whether two texts say the same: equal words, and numbers within half a per cent of one another.

    Whole numbers below 1,000 and everything else must be equal.
    """
    if found == expected:
        return True
    a, b = NUMBER.findall(found), NUMBER.findall(expected)
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (found, expected)]
    return words[0] == words[1] and len(a) == len(b) and all(map(_same_number, a, b))


def _same_number(a: str, b: str) -> bool:
    if a == b:
        return True
    x, y = (float(t.replace(",", "").replace("\N{MINUS SIGN}", "-")) for t in (a, b))
    modelled = any(c in a + b for c in ".,E")
    return modelled and abs(x - y) <= WITHIN * max(abs(x), abs(y))
