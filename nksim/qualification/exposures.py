"""Published exposures of the drugs beside what the parameter set gives in virtual patients, misses named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

from nksim.kinetics import Floats, engine, native
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.parameters import load
from nksim.kinetics.solution import Solution
from nksim.plan import parameter_values
from nksim.population import Population, virtual_population
from nksim.qualification.drugs import rows

# As near as two formulations must be to be called equivalent: the usual 80 to 125 %.
NEAR = (0.8, 1.25)
NAMES = {"f_ara_a": "F-ara-A", "cy": "cyclophosphamide", "il2": "interleukin-2"}
WORDS = {"auc": "AUC", "auc_24": "AUC to 24 h", "cmax": "Cmax", "tmax": "Tmax", "half_life": "half-life"}
PATIENTS = 400
SEED = 1


@dataclass(frozen=True)
class Exposure:
    """One published number or range, and the median and 5–95 % of 400 virtual patients given the same doses."""

    id: str
    drug: str
    population: str
    regimen: str
    quantity: str
    unit: str
    published: float | None
    low: float | None
    high: float | None
    n: int
    source: str
    read: str
    known: str
    simulated: float
    simulated_low: float
    simulated_high: float

    @property
    def ratio(self) -> float | None:
        """Simulated over published median."""
        return None if self.published is None else self.simulated / self.published

    @property
    def met(self) -> bool:
        """Whether the median is within 80 to 125 % of the published one or, where only a range is, within the range."""
        if self.ratio is not None:
            return NEAR[0] <= self.ratio <= NEAR[1]
        return self.low is not None and self.high is not None and self.low <= self.simulated <= self.high


@dataclass(frozen=True)
class _Course:
    """Doses of one drug in a population, on hours from the first dose, and the curve on a grid."""

    population: Population
    values: dict[str, Floats]
    amount: Floats
    starts: Floats
    over_h: float
    hours: Floats
    levels: Floats
    solution: Solution

    def window(self, day: int, after: float, until: float) -> tuple[Floats, Floats]:
        """Hours since dose `day`, and levels, from `after` to `until`."""
        since = self.hours - self.starts[day - 1]
        held = (since >= after) & (since <= until)
        return since[held], self.levels[:, held]


def exposures(model: str = "model1") -> tuple[Exposure, ...]:
    """Every line of `reference/exposures.csv` beside a simulation with the parameter set `model`."""
    return tuple(_exposure(row, model) for row in rows("exposures.csv"))


def _exposure(row: dict[str, str], model: str) -> Exposure:
    course = _course(row, model)
    values = QUANTITIES[row["quantity"]](course, row["drug"], int(row["day"] or 1))
    low, median, high = (float(x) for x in np.quantile(values, [0.05, 0.5, 0.95]))
    doses = f"{row['doses']} × " if row["doses"] != "1" else ""
    every = f" every {row['every_h']} h" if row["doses"] != "1" else ""
    day = f", dose {row['day']}" if row["day"] else ""
    return Exposure(
        id=row["id"],
        drug=NAMES[row["drug"]],
        population=row["population"],
        regimen=f"{doses}{float(row['dose']):,.12g} {row['unit'].replace('IU', 'units')}{every}",
        quantity=WORDS.get(row["quantity"], row["quantity"]) + day,
        unit=row["in"],
        published=_number(row["center"]),
        low=_number(row["low"]),
        high=_number(row["high"]),
        n=int(row["n"]),
        source=row["source"],
        read=row["read"],
        known=row["known"],
        simulated=median,
        simulated_low=low,
        simulated_high=high,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _course(row: dict[str, str], model: str) -> _Course:
    ages = (float(row["ages_low"]), float(row["ages_high"]))
    people = virtual_population(PATIENTS, seed=SEED, age_range_y=ages)
    bsa = np.sqrt(people.height_cm * people.weight_kg / 3600)
    size = {"mg/kg": people.weight_kg, "mg/m2": bsa, "IU/m2": bsa, "IU": np.ones(PATIENTS)}[row["unit"]]
    amount = float(row["dose"]) * size
    starts = float(row["every_h"]) * np.arange(int(row["doses"]), dtype=np.float64)
    over = float(row["over_h"])
    parameters = load(model).parameters("haplo_fresh")
    values = parameter_values(parameters, people.index, SEED)
    target = {"f_ara_a": "flu"}.get(row["drug"], row["drug"])
    events = EventTable(
        starts / 24,
        np.full(starts.size, over / 24),
        (target,) * starts.size,
        np.repeat(amount[:, None], starts.size, axis=1),
    )
    # A fine grid while anything moves, and a last time when all has gone.
    hours = np.concatenate([np.arange(0.0, starts[-1] + 48, 0.1), [starts[-1] + 1440]])
    solve = native.solve if native.available() else engine.solve
    covariates = Covariates(people.weight_kg, bsa, people.egfr_ml_min_1_73m2)
    solution = solve(events, values, covariates, hours / 24, outputs=(row["drug"],))
    return _Course(people, values, amount, starts, over, hours, solution[row["drug"]], solution)


def _auc(c: _Course, drug: str, day: int) -> Floats:
    return c.solution.f_ara_a_auc if drug == "f_ara_a" else c.solution.cy_auc


def _auc_24(c: _Course, drug: str, day: int) -> Floats:
    hours, levels = c.window(1, 0, 24.0)
    area: Floats = trapezoid(levels, hours, axis=1)
    return area


def _cmax(c: _Course, drug: str, day: int) -> Floats:
    peak: Floats = c.levels.max(axis=1)
    return peak


def _tmax(c: _Course, drug: str, day: int) -> Floats:
    found: Floats = c.hours[c.levels.argmax(axis=1)]
    return found


def _trough(c: _Course, drug: str, day: int) -> Floats:
    found: Floats = c.window(day, 23.95, 24.05)[1][:, 0]
    return found


def _half_life(c: _Course, drug: str, day: int) -> Floats:
    """From the fall between 8 and 16 h after the end of a dose."""
    hours, levels = c.window(day, c.over_h + 8, c.over_h + 16)
    fall = np.log(levels[:, 0] / levels[:, -1]) / (hours[-1] - hours[0])
    half: Floats = np.log(2) / fall
    return half


def _clearance(c: _Course, drug: str, day: int) -> Floats:
    """Rate of elimination × volume, L/h."""
    bsa = np.sqrt(c.population.height_cm * c.population.weight_kg / 3600)
    volume = c.values["cy_v"] * bsa / c.values["cy_bsa"]
    found: Floats = np.log(2) / _half_life(c, drug, day) * volume
    return found


def _induction(c: _Course, drug: str, day: int) -> Floats:
    found: Floats = _half_life(c, drug, 1) / _half_life(c, drug, day)
    return found


QUANTITIES: dict[str, Callable[[_Course, str, int], Floats]] = {
    "auc": _auc,
    "auc_24": _auc_24,
    "cmax": _cmax,
    "tmax": _tmax,
    "trough": _trough,
    "half_life": _half_life,
    "clearance": _clearance,
    "induction": _induction,
}
