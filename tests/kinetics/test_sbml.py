"""The model as other programs read it: solved by libRoadRunner from SBML, it is the model."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from nksim.kinetics.model import MODEL
from nksim.kinetics.sbml import sbml

CORE = "{http://www.sbml.org/sbml/level3/version2/core}"


def text_of(case, **more):
    return sbml(case.events, case.parameters, case.covariates, **more)


def test_every_equation_of_the_model_is_in_it(mixed):
    root = ElementTree.fromstring(text_of(mixed(2, 31), patient=1))
    rates = {rule.get("variable") for rule in root.iter(f"{CORE}rateRule")}
    rules = {rule.get("variable") for rule in root.iter(f"{CORE}assignmentRule")}
    assert {state.name for state in MODEL.states} <= rates
    assert {e.name for e in (*MODEL.intermediates, *MODEL.outputs)} <= rules
    assert len(list(root.iter(f"{CORE}event"))) > 10


def test_notes_are_kept_as_text(mixed):
    root = ElementTree.fromstring(text_of(mixed(1, 31), notes=["T < 5 & assumed"]))
    assert [p.text for p in root.iter("{http://www.w3.org/1999/xhtml}p")] == ["T < 5 & assumed"]


@pytest.mark.parametrize("patient", [0, 1, 2])
def test_libroadrunner_solves_it_to_the_same_curves(mixed, patient):
    roadrunner = pytest.importorskip("roadrunner")
    # CVODE cannot start from its least step in every random patient; here it can, in all versions.
    case, days = mixed(3, 42), np.arange(-8.0, 30.01, 0.5)
    solver = roadrunner.RoadRunner(text_of(case, patient=patient, end_d=30.0))
    solver.integrator.absolute_tolerance, solver.integrator.relative_tolerance = 1e-12, 1e-11
    solver.integrator.maximum_time_step = 0.05
    names = ("donor_nk", "host_nk", "alc", "il15")
    found = solver.simulate(-8.0, 30.0, days.size, ["time", *names])
    exact = case.only([patient]).reference(days, outputs=names)
    # At the time of a dose SBML has the value after it.
    apart = ~np.isin(days, case.events.time_d)
    for i, name in enumerate(names, 1):
        np.testing.assert_allclose(found[apart, i], exact[name][0, apart], rtol=1e-6, atol=1e-9)
