"""Where an output comes from, so that the same command gives the same bytes again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nksim import __version__
from nksim.protocol.choice import Choice


@dataclass(frozen=True)
class Provenance:
    """Version, protocol files, answers, parameters, seed, command and waivers behind an output; never a clock time.

    `request` is, for calendars, everything else that is needed to make them again: see `nksim.rederivation`.
    `version` is nksim's own, or that of the file that is being checked.
    """

    protocols: tuple[tuple[str, str], ...]
    settings: tuple[str, ...]
    model: tuple[str, str] | None = None
    seed: int | None = None
    command: str | None = None
    waivers: Sequence[tuple[str, str]] = ()
    request: Mapping[str, Any] | None = None
    version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "nksim": self.version,
            "protocols": [{"id": name, "sha256": digest} for name, digest in self.protocols],
            "settings": list(self.settings),
            "parameter_set": {"id": self.model[0], "sha256": self.model[1]} if self.model else None,
            "seed": self.seed,
            "command": self.command,
            "waivers": [{"code": code, "reason": reason} for code, reason in self.waivers],
            **({"request": dict(self.request)} if self.request is not None else {}),
        }

    def line(self) -> str:
        """One line for the foot of a table or chart."""
        parts = [f"nksim {self.version}", *(f"{name} sha256 {digest[:12]}" for name, digest in self.protocols)]
        if self.model:
            parts.append(f"parameters {self.model[0]} sha256 {self.model[1][:12]}")
        if self.seed is not None:
            parts.append(f"seed {self.seed}")
        if self.waivers:
            parts.append(f"waived {', '.join(code for code, _ in self.waivers)}")
        return " · ".join(parts)


def provenance(
    *choices: Choice,
    model: tuple[str, str] | None = None,
    seed: int | None = None,
    command: str | None = None,
    waivers: Sequence[tuple[str, str]] = (),
    request: Mapping[str, Any] | None = None,
) -> Provenance:
    """The provenance of an output made from these choices."""
    protocols = tuple(dict.fromkeys((c.protocol.id, c.protocol.sha256) for c in choices))
    one = len(choices) == 1
    settings = tuple((f"{k}={v}" if one else f"{c.name}:{k}={v}") for c in choices for k, v in c.settings)
    return Provenance(protocols, settings, model, seed, command, waivers, request)
