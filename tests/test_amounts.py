"""The doses of many patients at once are, patient by patient, those of the calendar."""

import numpy as np
import pytest

from nksim.patient import Patient
from nksim.population import virtual_population
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import choose
from nksim.schedule.amounts import Sizes, amounts_of
from nksim.schedule.dosing import dose_of

ANSWERS = {
    "cells.dose": "1e7 cells/kg", "cells.days": "0, 7", "cy.dose": "300 mg/m^2", "cy.days": "-5..-3",
    "flu.dose": "25 mg/m^2", "flu.days": "-5..-3", "il2.dose": "1e6 IU/m^2", "il2.days": "1, 3",
}  # fmt: skip
PEOPLE = virtual_population(40, seed=11, age_range_y=(1, 70))


def patients():
    columns = (PEOPLE.index, PEOPLE.weight_kg, PEOPLE.height_cm, PEOPLE.age_y, PEOPLE.male)
    return [
        Patient.known(f"V{i}", weight_kg=float(w), height_cm=float(h), age_y=float(a), sex="M" if m else "F")
        for i, w, h, a, m in zip(*columns, strict=True)
    ]


def equal_one_by_one(line, number, body):
    together = amounts_of(line, number, Sizes.of(patients()), body)
    single = [float(dose_of(line, number, p, body).amount) for p in patients()]
    np.testing.assert_allclose(together, single, rtol=4e-16)


ARMS = [(name, arm) for name in catalog() for arm in load(name).arms]


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_every_line_of_the_catalogue_gives_the_calendars_doses(name, arm):
    protocol = load(name)
    by_level = [line for line in protocol.arms[arm].lines if line.dose.text == "level"]
    unknown = [p for p, f in choose(protocol, arm=arm, level=1 if by_level else None).facts() if f.basis == "unknown"]
    settings = tuple((k, v) for k, v in ANSWERS.items() if k in unknown)
    choice = choose(protocol, arm=arm, level=1 if by_level else None, settings=settings)
    for line in choice.arm.lines:
        equal_one_by_one(line, 1, choice.protocol.body)


@pytest.mark.parametrize(
    "settings",
    [
        {"cy.cap": "2 g"},
        {"body.bsa_cap": "1.5 m^2"},
        {"body.bsa": "boyd"},
        {"flu.round": "{to: 1 mg, within: 10 %}"},
        {"cells.dose": "[1e7, 2e7] cells/kg", "cells.days": "0, 7"},
    ],
    ids=str,
)
def test_caps_formulas_rounding_and_lists_give_the_calendars_doses(settings):
    choice = choose(load("nkaml"), settings=tuple(settings.items()))
    for line in choice.arm.lines:
        for number in (1, 2):
            equal_one_by_one(line, number, choice.protocol.body)
