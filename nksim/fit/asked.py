"""The arms that observations are of: those that come with nksim, or those of anybody's protocol file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nksim.errors import Fault, InvalidInput, UsageError, shorten
from nksim.fit.observations import Observation, parse_observations
from nksim.fit.trial import Part, arm_of, observations_of_the_package, specs
from nksim.fit.validation import TrialArm
from nksim.kinetics.assay import Assay
from nksim.protocol.model import Protocol

__all__ = ["Asked", "asked_of", "shipped"]

# How protocols write the cells that an assay looks at, in lower case.
_ALL_LYMPHOCYTES = ("unseparated", "pbmc", "lymphocyte", "mononuclear", "whole blood", "leukocyte")


@dataclass(frozen=True)
class Asked:
    """Observations with the arms they are of, by trial and arm, and what is assumed about the trials."""

    observations: tuple[Observation, ...]
    arms: dict[tuple[str, str], TrialArm]
    assumed: tuple[str, ...]

    @property
    def choices(self) -> list[Part]:
        """Every part once."""
        return [part for arm in self.arms.values() for part in arm.parts]


def shipped() -> Asked:
    """The observations that come with nksim and how each trial was run."""
    observations = parse_observations(observations_of_the_package(), "nksim/fit/observations.csv")
    arms = {
        (name, arm): TrialArm(parts, Assay(spec.lineage, spec.lod), spec.use)
        for name, spec in specs().items()
        for arm, parts in spec.arms.items()
    }
    return Asked(observations, arms, tuple(f"{name}: {spec.assumed}" for name, spec in specs().items()))


def asked_of(
    protocol: Protocol,
    observations: Sequence[Observation],
    *,
    trial: str | None = None,
    settings: Sequence[tuple[str, str]] = (),
    assay: Assay | None = None,
) -> Asked:
    """Somebody's observations of a trial that ran as `protocol` says; none of it has the calibration seen.

    The assay is one of the cells that the protocol samples, with a limit of 1 %, unless it is given. The column `arm`
    names arms of the protocol, which is not needed where it has one. Raises `UsageError` NK678 where the file is of
    several trials and none is named, `InvalidInput` NK678 with the place of each arm not known.
    """
    trials = list(dict.fromkeys(o.trial for o in observations))
    if trial is None and len(trials) > 1:
        raise UsageError("NK678", f"the file is of {len(trials)} trials", help=f"--trial {' or '.join(trials)}")
    if trial is not None and trial not in trials:
        raise UsageError("NK678", f"the file has no trial {shorten(trial)}", help=f"one of {', '.join(trials)}")
    kept = tuple(o for o in observations if trial is None or o.trial == trial)
    _check_arms(protocol, kept)
    found: dict[tuple[str, str], TrialArm] = {}
    for o in kept:
        n = max(x.n for x in kept if x.arm == o.arm)
        name = o.arm if o.arm in protocol.arms else next(iter(protocol.arms))
        if (o.trial, o.arm) not in found:
            part = arm_of(protocol, name, n=max(n, 1), settings=settings)
            found[o.trial, o.arm] = TrialArm((part,), assay or Assay(_lineage(part)), "validation")
    says = str(next(iter(found.values())).assay)
    facts = sorted({f"{path} = {f.chosen.text}" for a in found.values() for path, f in a.parts[0].choice.assumed()})
    return Asked(kept, found, (says, *([f"by the protocol file: {'; '.join(facts)}"] if facts else [])))


def _check_arms(protocol: Protocol, kept: Sequence[Observation]) -> None:
    if len(protocol.arms) == 1 and len({o.arm for o in kept}) == 1:
        return
    known = f"arms of {protocol.id}: {', '.join(protocol.arms)}"
    faults = [
        Fault("NK678", f"{protocol.id} has no arm {shorten(o.arm)}", o.place, known)
        for o in kept
        if o.arm not in protocol.arms
    ]
    if faults:
        raise InvalidInput(faults)


def _lineage(part: Part) -> str:
    """The cells that the protocol's chimerism is of; NK cells where it does not say."""
    said = " ".join((x.lineage or "") for x in part.choice.arm.assess).casefold()
    return "lymphocytes" if any(word in said for word in _ALL_LYMPHOCYTES) else "NK"
