"""Cells that are fewer than a millionth of one are none, and nothing else changes by that."""

import numpy as np
import pytest
from kinetic_cases import CURRENT, ENGINES, GRID, child

from nksim.kinetics import native
from nksim.kinetics.model import MODEL

STATES = ("L", "B", "G", "X")


@pytest.fixture(params=list(ENGINES))
def case(request, monkeypatch):
    if request.param == "native" and not native.available():
        pytest.skip("the native engine was not built")
    monkeypatch.setitem(CURRENT, "solve", ENGINES[request.param])
    # Rejection of 3 per day leaves none of 5e7 cells/kg after two weeks.
    return child().having(kr0=3.0).given([(0.0, 0.01, "cells", 1.25e9), (40.0, 0.01, "cells", 1.25e9)])


def test_cells_vanish_together_and_come_back_with_the_next_infusion(case):
    found = case.solve(GRID, outputs=(*STATES, "donor_nk"))
    cells = sum(found[name][0] for name in STATES)
    gone = cells == 0
    assert not gone[(GRID > 0) & (GRID < 8)].any()
    assert gone[(GRID > 25) & (GRID <= 40)].all()
    assert not gone[(GRID > 40) & (GRID < 48)].any()
    # The step in which they become none is written to its end.
    assert cells[~gone].min() >= 0.01 * MODEL.cells.none_below
    assert (found["donor_nk"][0, gone] == 0).all()


def test_the_reference_which_follows_them_on_agrees(case):
    outputs = ("donor_nk", "host_nk", "alc", "il15", "S")
    found, truth = case.solve(GRID, outputs=outputs), case.reference(GRID, outputs=outputs)
    for name in outputs:
        np.testing.assert_allclose(found[name], truth[name], rtol=3e-5, atol=1e-10, err_msg=name)


def test_long_absence_costs_few_steps(case):
    end = np.array([39.9])
    steps = (
        case.solve(end, outputs=("donor_nk",)).steps.taken[0]
        - case.solve(end - 15, outputs=("donor_nk",)).steps.taken[0]
    )
    assert steps <= 60
