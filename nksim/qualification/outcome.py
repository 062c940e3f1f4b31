"""The reference cases re-run on this machine, with everything that a reader needs to judge or repeat them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, resources

from nksim import __version__
from nksim.kinetics import native
from nksim.kinetics.parameters import load, names
from nksim.protocol.catalog import catalog
from nksim.protocol.catalog import load as load_protocol
from nksim.qualification import calendars, drugs, laws, tables
from nksim.qualification.check import Check
from nksim.qualification.exposures import Exposure, exposures

GROUPS: tuple[Callable[[], Iterator[Check]], ...] = (drugs.checks, tables.checks, laws.checks, calendars.checks)
PACKAGES = ("numpy", "scipy", "pint", "pydantic", "PyYAML", "icalendar", "click")


@dataclass(frozen=True)
class Outcome:
    """Reference cases, drugs beside published numbers, and the machine, versions and hashes they were run with."""

    checks: tuple[Check, ...]
    exposures: tuple[Exposure, ...]
    machine: dict[str, str]
    sets: tuple[tuple[str, str], ...]
    protocols: tuple[tuple[str, str], ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """Checks beyond their limit."""
        return tuple(c for c in self.checks if not c.passed)

    @property
    def missed(self) -> tuple[Exposure, ...]:
        """Published exposures that the parameter set does not meet."""
        return tuple(e for e in self.exposures if not e.met)


def qualify(progress: Callable[[int, int], None] | None = None) -> Outcome:
    """Runs everything; takes some seconds.

    >>> qualify().failed
    ()
    """
    found: list[Check] = []
    for done, group in enumerate(GROUPS):
        if progress:
            progress(done, len(GROUPS) + 1)
        found += group()
    measured = exposures()
    if progress:
        progress(len(GROUPS) + 1, len(GROUPS) + 1)
    return Outcome(
        tuple(found),
        measured,
        machine(),
        tuple((name, load(name).sha256) for name in names()),
        tuple((name, load_protocol(name).sha256) for name in catalog()),
    )


def machine() -> dict[str, str]:
    """What the cases were run on: program, interpreter, system, engine, and versions of the packages beneath."""
    built = f"built, {native.variant()} instructions" if native.available() else "not built"
    return {
        "nksim": __version__,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "native engine": built,
        **{name: metadata.version(name) for name in PACKAGES},
    }


def credibility() -> str:
    """How far to believe the program: context of use, risk, what is verified, validated, and what is not."""
    return resources.files("nksim.qualification").joinpath("credibility.md").read_text(encoding="utf-8")
