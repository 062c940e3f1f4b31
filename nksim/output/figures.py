"""Every chart of a simulation or comparison by its name, for files and notebooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nksim.contributions import contributions
from nksim.errors import UsageError, shorten
from nksim.metrics import measure
from nksim.output import charts
from nksim.output.pages import Results


def chart(r: Results, name: str) -> Any:
    """A curve by the name of its output, or one of `OTHERS`; raises `UsageError` NK710 where it cannot be drawn."""
    check(name)
    if name in OTHERS:
        return OTHERS[name](r)
    return charts.curve(r.simulations, name, r.provenance, r.observed)


def check(name: str) -> None:
    """Raises `UsageError` NK710 for a name that no chart has."""
    known = (*charts.TITLES, *OTHERS)
    if name not in known:
        raise UsageError("NK710", f"no chart of {shorten(name)}", help=f"one of {', '.join(known)}")


def _strips(r: Results) -> Any:
    return charts.calendar_strips(r.simulations)


def _forest(r: Results) -> Any:
    if r.comparison is None:
        raise UsageError("NK710", "a forest plot needs two regimens", help="nksim compare")
    return charts.forest(r.comparison, r.provenance)


def _attainment(r: Results) -> Any:
    name = r.inquiry.goals[0].metric if r.inquiry.goals else "f_ara_a_auc"
    found = [measure(s, [name])[name] for s in r.simulations]
    return charts.attainment(found, [s.label for s in r.simulations], r.provenance, r.inquiry.goals)


def _contributions(r: Results) -> Any:
    several = [s for s in r.simulations if len(s.infusions_d) > 1]
    if not several:
        raise UsageError("NK710", "no regimen has several cell infusions", help="chart donor_nk")
    return charts.added(contributions(several[0]), r.provenance)


def _pareto(r: Results) -> Any:
    if r.inquiry.aims is None:
        raise UsageError("NK710", "no Pareto front was asked for", help='add --pareto "persistence_d,-cells_total"')
    return charts.pareto(r.simulations, r.inquiry.aims, r.provenance)


def _sweep(r: Results) -> Any:
    if not r.inquiry.swept:
        raise UsageError("NK710", "no sweep was asked for", help="add --sweep age=3..75")
    return charts.swept_curve(r.inquiry.swept, r.provenance)


def _tornado(r: Results) -> Any:
    if not r.inquiry.sensitivities:
        raise UsageError("NK710", "no sensitivity was asked for", help="add --sensitivity persistence_d")
    return charts.tornado(r.inquiry.sensitivities[0], r.provenance)


# Of contributions and tornados, which belong to one regimen, the first is drawn; its title names the regimen.
OTHERS: dict[str, Callable[[Results], Any]] = {
    "strips": _strips,
    "forest": _forest,
    "attainment": _attainment,
    "contributions": _contributions,
    "pareto": _pareto,
    "sweep": _sweep,
    "tornado": _tornado,
}
