"""Whether weight and height fit the age: the growth charts without NumPy, so that a calendar starts quickly."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from importlib import resources

from nksim.limits import limit
from nksim.patient import Patient
from nksim.words import Said, phrase, said

POUNDS_PER_KG = 2.20462
_LAST_Y = 20.0
_UNITS = {"weight": "kg", "height": "cm"}


def body_slips(patient: Patient) -> Iterator[tuple[str, Said]]:
    """NK342 and NK336 with their words: a body that does not fit its age, and a weight that looks like pounds."""
    if patient.age_y is None:
        return
    checked = _child(patient, patient.age_y) if patient.age_y < _LAST_Y else _adult(patient)
    yield from checked


def growth_score(measure: str, size: float, *, age_y: float, sex: str) -> float:
    """Standard score of a child's weight in kg or height in cm, by L, M and S of the CDC 2000 charts.

    ((size/M)^L - 1)/(L·S), or ln(size/M)/S where L is 0; L, M and S linear in age between the published months.

    >>> round(growth_score("height", 115.0, age_y=6.0, sex="F"), 2)
    0.06
    """
    months, table = age_y * 12, _chart(measure, sex)
    i = min(max(bisect_right(table[0], months) - 1, 0), len(table[0]) - 2)
    share = min(max((months - table[0][i]) / (table[0][i + 1] - table[0][i]), 0.0), 1.0)
    power, median, spread = (column[i] + share * (column[i + 1] - column[i]) for column in table[1:])
    ratio = size / median
    return math.log(ratio) / spread if abs(power) < 1e-9 else (ratio**power - 1) / (power * spread)


def _child(patient: Patient, age_y: float) -> Iterator[tuple[str, Said]]:
    sexes = (patient.sex,) if patient.sex else ("F", "M")
    sizes = {phrase("weight"): patient.weight_kg, phrase("height"): patient.height_cm}
    for measure, size in sizes.items():
        if size is None:
            continue
        # Without the sex only what fits neither is pointed out.
        score = min((growth_score(measure, size, age_y=age_y, sex=s) for s in sexes), key=abs)
        as_kg = min((growth_score(measure, size / POUNDS_PER_KG, age_y=age_y, sex=s) for s in sexes), key=abs)
        found = {"measure": said(measure), "size": size, "unit": _UNITS[measure], "age": age_y}
        if measure == "weight" and score > limit("pounds").low and abs(as_kg) <= 2:
            form = phrase(
                "{measure} {size:g} {unit} at {age:g} y looks like pounds: {kilograms:.1f} kg would be ordinary"
            )
            yield "NK336", said(form, kilograms=size / POUNDS_PER_KG, **found)
        elif abs(score) > limit("growth").low:
            form = phrase(
                "{measure} {size:g} {unit} does not fit {age:g} y: {far:.1f} standard deviations below the median"
            )
            if score > 0:
                form = phrase(
                    "{measure} {size:g} {unit} does not fit {age:g} y: {far:.1f} standard deviations above the median"
                )
            yield "NK342", said(form, far=abs(score), **found)


def _adult(patient: Patient) -> Iterator[tuple[str, Said]]:
    if patient.weight_kg is None or patient.height_cm is None:
        return
    bmi, usual = patient.weight_kg / (patient.height_cm / 100) ** 2, limit("usual BMI")
    found = {"weight": patient.weight_kg, "height": patient.height_cm, "bmi": bmi}
    if bmi > limit("pounds BMI").low and bmi / POUNDS_PER_KG >= usual.low:
        form = phrase(
            "weight {weight:g} kg with height {height:g} cm (BMI {bmi:.1f}) looks like pounds: {kilograms:.1f} kg?"
        )
        yield "NK336", said(form, kilograms=patient.weight_kg / POUNDS_PER_KG, **found)
    elif not usual.low <= bmi <= usual.high:
        form = phrase("weight {weight:g} kg with height {height:g} cm is unusual for an adult (BMI {bmi:.1f})")
        yield "NK342", said(form, **found)


@cache
def _chart(measure: str, sex: str) -> tuple[list[float], ...]:
    """Months of age, L, M and S."""
    name = f"growth/cdc2000_{measure}_{_UNITS[measure]}.csv"
    lines = resources.files("nksim").joinpath(name).read_text(encoding="utf-8").splitlines()
    rows = [row for row in csv.DictReader(lines) if row["sex"] == sex]
    return tuple([float(row[key]) for row in rows] for key in ("age_months", "L", "M", "S"))
