"""What the doors of the kinetic package refuse."""

from __future__ import annotations

import numpy as np
import pytest

from nksim.errors import InvalidInput
from nksim.kinetics.events import Covariates, EventTable

GOOD = {"time_d": [0, 1], "duration_d": [0.1, 0], "target": ("cy", "il2"), "amount": [[1, 2], [3, 4]]}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("NK610", {"time_d": [0, np.nan]}),
        ("NK610", {"amount": [[1, np.inf], [3, 4]]}),
        ("NK611", {"time_d": [0, 1, 2]}),
        ("NK611", {"amount": [1, 2]}),
        ("NK611", {"amount": [[1, 2, 3]]}),
        ("NK612", {"target": ("cy", "il-2")}),
        ("NK613", {"amount": [[1, -2], [3, 4]]}),
        ("NK613", {"duration_d": [-0.1, 0]}),
        ("NK614", {"time_d": [1, 0]}),
        ("NK615", {"duration_d": [0, 0.1]}),
    ],
)
def test_events_that_cannot_be_are_refused(code, change):
    with pytest.raises(InvalidInput, match=code):
        EventTable(**{**GOOD, **change})


def test_events_cannot_be_changed_behind_their_back():
    amount = np.array(GOOD["amount"], dtype=float)
    events = EventTable(**{**GOOD, "amount": amount})
    amount[0, 0] = 99
    assert events.amount[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        events.amount[0, 0] = 99


@pytest.mark.parametrize("weight", [[0.0], [np.nan], [[25.0]], [25.0, 30.0]])
def test_bodies_that_cannot_be_are_refused(weight):
    with pytest.raises(InvalidInput, match=r"NK61[06]"):
        Covariates(weight, [1.0], [140.0])


def test_numbers_that_do_not_fit_the_patients_are_refused():
    with pytest.raises(InvalidInput, match=r"NK616.*3 numbers for 2 patients"):
        Covariates([20.0, 30.0], [0.8, 1.0], [140.0, 140.0], np.arange(3))
