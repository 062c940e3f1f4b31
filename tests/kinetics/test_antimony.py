"""The model as other programs read it: solved by libRoadRunner from SBML, it is the model."""

from __future__ import annotations

import numpy as np
import pytest

from nksim.kinetics.antimony import antimony
from nksim.kinetics.model import MODEL


def test_every_equation_of_the_model_is_in_the_text(mixed):
    case = mixed(2, 31)
    text = antimony(case.events, case.parameters, case.covariates, patient=1)
    for state in MODEL.states:
        assert f"\n  {state.name}' = " in text
    assert "ln(T0 / T)" in text
    assert text.count(": at (time >= ") > 10


@pytest.mark.parametrize("patient", [0, 1, 2])
def test_libroadrunner_solves_it_to_the_same_curves(mixed, patient):
    translator, roadrunner = pytest.importorskip("antimony"), pytest.importorskip("roadrunner")
    case, days = mixed(3, 32), np.arange(-8.0, 30.01, 0.5)
    translator.clearPreviousLoads()
    text = antimony(case.events, case.parameters, case.covariates, patient=patient, end_d=30.0)
    assert translator.loadAntimonyString(text) >= 0, translator.getLastError()
    solver = roadrunner.RoadRunner(translator.getSBMLString("nksim"))
    solver.integrator.absolute_tolerance, solver.integrator.relative_tolerance = 1e-10, 1e-9
    solver.integrator.maximum_time_step = 0.25
    names = ("donor_nk", "host_nk", "alc", "il15")
    found = solver.simulate(-8.0, 30.0, days.size, ["time", *names])
    exact = case.only([patient]).reference(days, outputs=names)
    # At the time of a dose SBML has the value after it.
    apart = ~np.isin(days, case.events.time_d)
    for i, name in enumerate(names, 1):
        np.testing.assert_allclose(found[apart, i], exact[name][0, apart], rtol=1e-5, atol=1e-7)
