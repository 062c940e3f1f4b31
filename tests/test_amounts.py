"""The doses of many patients at once are, patient by patient, those of the calendar."""

import numpy as np
import pytest

from nksim.doses import sizes_of
from nksim.population import virtual_population
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import choose, unanswered
from nksim.schedule.amounts import amounts_of
from nksim.schedule.dosing import dose_of

ANSWERS = {
    "cells.dose": "1e7 cells/kg", "cells.days": "0, 7", "cy.dose": "300 mg/m^2", "cy.days": "-5..-3",
    "flu.dose": "25 mg/m^2", "flu.days": "-5..-3", "il2.dose": "1e6 IU/m^2", "il2.days": "1, 3",
    "arac.dose": "2 g/m^2", "arac.days": "-5..-3", "gcsf.dose": "5 mcg/kg", "gcsf.days": "-6..-3",
}  # fmt: skip
PEOPLE = virtual_population(40, seed=11, age_range_y=(16, 70), height_cm=175)


def equal_one_by_one(line, number, protocol):
    sizes = sizes_of(PEOPLE)
    together = amounts_of(line, number, sizes, protocol)
    product = protocol.products.get(line.product)
    people = [sizes.patient(i) for i in range(len(PEOPLE))]
    single = [float(dose_of(line, number, p, protocol.body, product).amount) for p in people]
    np.testing.assert_allclose(together, single, rtol=1e-14)


ARMS = [(name, arm) for name in catalog() for arm in load(name).arms]


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_every_line_of_the_catalogue_gives_the_calendars_doses(name, arm):
    protocol = load(name)
    by_level = [line for line in protocol.arms[arm].lines if line.dose.text == "level"]
    unknown = [p for p, f in choose(protocol, arm=arm, level=1 if by_level else None).facts() if unanswered(p, f)]
    settings = tuple((k, v) for k, v in ANSWERS.items() if k in unknown)
    choice = choose(protocol, arm=arm, level=1 if by_level else None, settings=settings)
    for line in choice.arm.lines:
        equal_one_by_one(line, 1, choice.protocol)


@pytest.mark.parametrize(
    "settings",
    [
        {"cy.cap": "2 g"},
        {"body.bsa_cap": "1.5 m^2"},
        {"body.bsa": "boyd"},
        {"body.bsa": "chinese-paediatric"},
        {"cells.weight": "adjusted 50 % at >= 120 % of ideal"},
        {"flu.round": "{to: 1 mg, within: 10 %}"},
        {"cells.dose": "[1e7, 2e7] cells/kg", "cells.days": "0, 7"},
    ],
    ids=str,
)
def test_caps_formulas_rounding_and_lists_give_the_calendars_doses(settings):
    choice = choose(load("nkaml"), settings=tuple(settings.items()))
    for line in choice.arm.lines:
        for number in (1, 2):
            equal_one_by_one(line, number, choice.protocol)
