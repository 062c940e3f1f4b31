"""Who overruled a check and why: a waiver silences one code, and stays with everything that is printed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from nksim.errors import Fault, InvalidInput, UsageError, shorten
from nksim.limits import checks
from nksim.schedule.finding import Finding

Waivers = Sequence[tuple[str, str]]
LONGEST_REASON = 300


def waiver(text: str) -> tuple[str, str]:
    """Code and reason of `NK312=reason`.

    Raises `UsageError` NK515 where the code is no check, or one that stops, or the reason is missing.

    >>> waiver("NK312=agreed with the sponsor on 2027-02-01")
    ('NK312', 'agreed with the sponsor on 2027-02-01')
    """
    code, _, reason = (part.strip() for part in text.partition("="))
    check = checks().get(code)
    if check is None:
        near = difflib.get_close_matches(code.upper(), checks(), n=1)
        known = f"did you mean {near[0]}?" if near else "a check's code, as NK312 (nksim explain lists them)"
        raise UsageError("NK515", f"--waive {shorten(text)}: {shorten(code)} is no check", help=known)
    if check.severity == "stop":
        what = f"--waive {shorten(text)}: {code} ({check.what}) cannot be waived"
        raise UsageError("NK515", what, help=f"nksim explain {code} says how to mend it")
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise UsageError(
            "NK515",
            f"--waive {code} has no reason that can be kept",
            help=f'write --waive {code}="who decided it and why", on one line of at most {LONGEST_REASON} characters',
        )
    return code, reason


def waivers(texts: Iterable[str]) -> Waivers:
    """Every waiver; raises `UsageError` NK515 for all that are none, and where one code is waived twice."""
    found: dict[str, str] = {}
    faults: list[Fault] = []
    for text in texts:
        try:
            code, reason = waiver(text)
        except UsageError as error:
            faults += error.faults
            continue
        if code in found:
            faults.append(Fault("NK515", f"{code} is waived twice", help="give one reason for it"))
        found[code] = reason
    if faults:
        raise UsageError(faults)
    return tuple(found.items())


def waived(findings: Iterable[Finding], given: Waivers) -> tuple[Finding, ...]:
    """The findings, each with the reason for which it was waived."""
    reasons = dict(given)
    return tuple(replace(f, waived=reasons.get(f.code, f.waived)) for f in findings)


def idle(findings: Iterable[Finding], given: Waivers) -> list[str]:
    """Waived codes that no check found."""
    found = {f.code for f in findings}
    return [code for code, _ in given if code not in found]


def hold(findings: Sequence[Finding]) -> None:
    """Raises `InvalidInput` with every finding that must be waived before anything is handed out, and is not."""
    held = [f for f in findings if f.check.severity == "hold" and f.waived is None]
    if held:
        raise InvalidInput(
            Fault(f.code, f.message, help=f'mend it, or overrule the check with --waive {f.code}="who and why"')
            for f in dict.fromkeys(held)
        )
