"""Where an output comes from, so that the same command gives the same bytes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nksim import __version__
from nksim.protocol.choice import Choice


@dataclass(frozen=True)
class Provenance:
    """Version, protocol files, answers, parameters, seed, command and waivers behind an output; never a clock time."""

    protocols: tuple[tuple[str, str], ...]
    settings: tuple[str, ...]
    model: tuple[str, str] | None = None
    seed: int | None = None
    command: str | None = None
    waivers: Sequence[tuple[str, str]] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "nksim": __version__,
            "protocols": [{"id": name, "sha256": digest} for name, digest in self.protocols],
            "settings": list(self.settings),
            "parameter_set": {"id": self.model[0], "sha256": self.model[1]} if self.model else None,
            "seed": self.seed,
            "command": self.command,
            "waivers": [{"code": code, "reason": reason} for code, reason in self.waivers],
        }

    def line(self) -> str:
        """One line for the foot of a table or chart."""
        parts = [f"nksim {__version__}", *(f"{name} sha256 {digest[:12]}" for name, digest in self.protocols)]
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
) -> Provenance:
    """The provenance of an output made from these choices."""
    protocols = tuple(dict.fromkeys((c.protocol.id, c.protocol.sha256) for c in choices))
    one = len(choices) == 1
    settings = tuple((f"{k}={v}" if one else f"{c.name}:{k}={v}") for c in choices for k, v in c.settings)
    return Provenance(protocols, settings, model, seed, command, waivers)
