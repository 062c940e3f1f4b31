"""Drug concentrations against closed forms (50 digits) and against NONMEM's printed results."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
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
# Hours of the doses, amount, duration: lag and bioavailability worked in, a steady state as 60 earlier doses.
SCENARIOS: dict[str, tuple[str, list[float], float, float]] = {
    "1": ("il2", [24.0 * i for i in range(4)], 100, 0),
    "2": ("cy", [24 * i + 12.13 for i in range(4)], 223, 0),
    "4": ("cy", [0.0], 240, 24),
    "9": ("cy", [24 * i + 3.16 for i in range(-60, 4)], 41.2, 4.12),
    "12": ("cy", [6.0 * i for i in range(-60, 13)], 100, 12),
    "15": ("cy", [24.0 * i + 4 for i in range(-60, 4)], 41.2, 0),
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
    """Found and printed concentrations of one scenario of `nonmem_dosing.csv`."""
    target, starts, amount, length = SCENARIOS[scenario]
    # At the time of a dose the table has the value after it, nksim the one before.
    printed = [r for r in rows("nonmem_dosing.csv") if r["scenario"] == scenario and float(r["t_h"]) not in starts]
    hours = np.array([float(r["t_h"]) for r in printed])
    found = levels(solve, NONMEM, target, [(h, length, amount) for h in starts], hours)
    return found * (1e6 if target == "il2" else 1000), np.array([float(r["CP"]) for r in printed])


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
