"""Drug concentrations against closed forms (50 digits) and against NONMEM's printed results."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from nksim.kinetics import Floats, engine, native
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.parameters import load, typical
from nksim.qualification.check import Check

Row = dict[str, str]
_BSA_M2 = 1.0
_BODY = Covariates(np.array([25.0]), np.array([_BSA_M2]), np.array([140.0]))
# The textbook patient of `pk_closed_forms.csv`, in the terms of nksim's own drugs; body size plays no part.
TEXTBOOK = {
    "cy_cl": 10, "cy_v": 50, "cy_day2": 1, "cy_day3": 1, "f_molar": 1, "f_cl_nonrenal": 10, "f_cl_renal": 0,
    "f_v1": 50, "f_v2": 100, "f_v3": 150, "f_q2": 5, "f_q3": 3, "il2_f": 1, "il2_lag": 0, "il2_ka": 0.5,
    "il2_ke": 0.2, "il2_cl": 10, "f_weight": 25, "cy_bsa": _BSA_M2, "il2_bsa": _BSA_M2,
}  # fmt: skip
NONMEM = {
    "cy_cl": 1.1, "cy_v": 20, "cy_day2": 1, "cy_day3": 1, "cy_bsa": _BSA_M2, "il2_f": 1, "il2_lag": 0, "il2_ka": 1.5,
    "il2_ke": 1.1 / 20, "il2_cl": 1.1, "il2_bsa": _BSA_M2,
}  # fmt: skip


@dataclass(frozen=True)
class Dosing:
    """Equal doses at hours `starts`, lag and bioavailability worked in, for the rows from `since` to before `until`."""

    target: str
    starts: Sequence[float]
    amount: float
    length_h: float = 0.0
    since: float = 0.0
    until: float = np.inf


def _every(interval_h: float, first: float, more: int, *, steady: bool = False) -> list[float]:
    """The first dose and so many more; a steady state is 60 earlier ones."""
    return [first + interval_h * i for i in range(-60 if steady else 0, more + 1)]


# A reset starts anew. What of the table does not apply is said in `nonmem_dosing.csv`.
SCENARIOS: dict[str, tuple[Dosing, ...]] = {
    "1": (Dosing("il2", _every(24, 0, 3), 100),),
    "2": (Dosing("cy", _every(24, 12.13, 3), 223),),
    "3": (Dosing("cy", _every(24, 0, 3), 100, 10),),
    "4": (Dosing("cy", [0.0], 240, 24),),
    "5": (Dosing("cy", [0.0], 240, 48),),
    "7": (Dosing("cy", _every(24, 4.15, 3), 100, 10),),
    "8": (Dosing("cy", _every(24, 3.25, 3), 41.2, 4.12),),
    "9": (Dosing("cy", _every(24, 3.16, 3, steady=True), 41.2, 4.12),),
    "10": (Dosing("cy", _every(12, 0, 4, steady=True), 81.2, 40.6),),
    "11": (Dosing("cy", _every(12, 0, 3, steady=True), 100, 50),),
    "12": (Dosing("cy", _every(6, 0, 12, steady=True), 100, 100 / 8.3333),),
    "13": (Dosing("cy", _every(10, 0, 8, steady=True), 41.2, 10),),
    "14": (Dosing("cy", _every(10, 0, 8, steady=True), 100, 10),),
    "15": (Dosing("cy", _every(24, 4, 3, steady=True), 41.2),),
    "16": (Dosing("cy", _every(24, 5, 3), 41.2),),
    "17": (Dosing("cy", [1.0], 100, until=13),),
    "18": (Dosing("cy", _every(24, 5, 3), 61, 9),),
    "19": (Dosing("cy", _every(24, 0, 3, steady=True), 61, 9),),
    "20": (Dosing("il2", _every(12, 50, 3), 120, since=50),),
    "21": (Dosing("il2", _every(12, 0, 0, steady=True), 100),),
    "22": (Dosing("il2", _every(12, 0, 2, steady=True), 100),),
    "23": (Dosing("cy", _every(12, 10, 0, steady=True), 100),),
    "24": (Dosing("cy", _every(12, 10, 2, steady=True), 100),),
    "25": tuple(
        Dosing("cy", _every(12, at + 5, 0, steady=True), 100 * i, since=at, until=at + 12 if i < 3 else np.inf)
        for i, at in ((1, 0), (2, 12), (3, 24))
    ),
    "26": (Dosing("il2", _every(16, 54, 2), 120, since=50),),
    "27": (Dosing("il2", _every(16, 54, 2), 120, since=50),),
    # The second steady state comes about at its own record, on top of the first.
    "28": (
        Dosing("il2", _every(24, 0, 3, steady=True), 100),
        Dosing("il2", _every(24, 12, 3, steady=True), 50, since=12),
    ),
}


@cache
def rows(name: str) -> tuple[Row, ...]:
    """The rows of a file in `reference/`, without its comments."""
    text = resources.files("nksim.qualification").joinpath("reference", name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def engines() -> dict[str, Callable[..., Any]]:
    """The engines that are here, by name."""
    return {"numpy": engine.solve, **({"native": native.solve} if native.available() else {})}


def levels(
    solve: Callable[..., Any],
    parameters: dict[str, float],
    target: str,
    doses: Sequence[tuple[float, float, float]],
    hours: Floats,
) -> Floats:
    """Concentrations (t,) in the body of the reference cases after doses (hour, length in h, amount)."""
    values = typical(load().parameters("haplo_fresh"))
    values.update({name: np.array([float(value)]) for name, value in parameters.items()})
    events = EventTable(
        np.array([h / 24 for h, _, _ in doses]),
        np.array([length / 24 for _, length, _ in doses]),
        (target,) * len(doses),
        np.array([[amount for _, _, amount in doses]]),
    )
    output = {"il2": "il2", "cy": "cy", "flu": "f_ara_a"}[target]
    order = np.argsort(hours, kind="stable")
    found = np.empty(hours.size)
    solution = solve(events, values, _BODY, hours[order] / 24, outputs=(output,))
    found[order] = solution[output][0]
    return found


def closed_form(case: str, solve: Callable[..., Any]) -> tuple[Floats, Floats]:
    """Found and expected concentrations of one case of `pk_closed_forms.csv`."""
    compartments, way, regimen = case.split("_")
    target = "il2" if way == "depot" else "cy" if compartments == "1c" else "flu"
    amount = 100_000.0 if target == "il2" else 100.0  # IU/mL are a thousandth of IU/L
    count = {"sd": 1, "md": 10, "ss12": 240}[regimen]
    doses = [(12.0 * i, 1.0 if way == "inf1h" else 0.0, amount) for i in range(count)]
    # Two compartments are three of which the last is out of reach.
    patient = {**TEXTBOOK, "f_q3": 1e-15} if compartments == "2c" else TEXTBOOK
    expected = sorted((float(r["t"]), float(r["C"])) for r in rows("pk_closed_forms.csv") if r["case"] == case)
    last = 12 * (count - 1)
    hours = np.array([t for t, _ in expected]) + (last if regimen == "ss12" else 0)
    found = levels(solve, patient, target, doses, hours)
    # At the time of a dose the file has the value after it, nksim the one before, which is D / V less.
    at_dose = (way == "bolus") & (hours % 12 == 0) & (hours <= last)
    return found, np.array([c for _, c in expected]) - 2 * at_dose


def nonmem(scenario: str, solve: Callable[..., Any]) -> tuple[Floats, Floats]:
    """Found and printed concentrations of one scenario of `nonmem_dosing.csv`, where it applies; two at once add up."""
    printed = {float(r["t_h"]): float(r["CP"]) for r in rows("nonmem_dosing.csv") if r["scenario"] == scenario}
    total = dict.fromkeys((t for t in printed if any(d.since <= t < d.until for d in SCENARIOS[scenario])), 0.0)
    for d in SCENARIOS[scenario]:
        hours = np.array([t for t in total if d.since <= t < d.until])
        doses = [(h, d.length_h, d.amount) for h in d.starts]
        found = levels(solve, NONMEM, d.target, doses, hours) * (1e6 if d.target == "il2" else 1e3)
        for t, level in zip(hours.tolist(), found.tolist(), strict=True):
            # At the time of a dose the table has the value after it, nksim the one before: into blood, 1000 D / V less.
            at_once = d.target == "cy" and not d.length_h and t in d.starts
            total[t] += level + (1e3 * d.amount / NONMEM["cy_v"] if at_once else 0.0)
    return np.array(list(total.values())), np.array([printed[t] for t in total])


def checks() -> Iterator[Check]:
    """Every case by every engine that is here."""
    for name, solve in engines().items():
        cases = list(dict.fromkeys(r["case"] for r in rows("pk_closed_forms.csv")))
        found = [closed_form(case, solve) for case in cases]
        yield _relative(
            f"concentrations by the {name} engine",
            "closed forms with 50 digits (mpmath); PKPDsim at 23 h",
            found,
            1e-12,
        )
        yield _relative(
            f"dosing scenarios by the {name} engine",
            "NONMEM, printed to 5 digits (mrgsolve/nmtests dosing/1001)",
            [nonmem(s, solve) for s in SCENARIOS],
            5e-5,
        )


def _relative(name: str, source: str, found: Sequence[tuple[Floats, Floats]], limit: float) -> Check:
    got, expected = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(expected == 0, np.abs(got), np.abs(got / expected - 1))
    return Check("drugs", name, source, "relative", float(error.max()), limit, got.size)
