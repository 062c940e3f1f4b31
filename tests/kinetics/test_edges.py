"""Doses at the edge of what is sensible, by both engines: many at once, none, very late, very small and very large."""

from __future__ import annotations

import numpy as np
import pytest
from kinetic_cases import STATES, mixed_case

from nksim.kinetics.solution import OUTPUTS

ALL = (*OUTPUTS, *STATES)
CURVES = ("donor_nk", "host_nk", "alc", "il15")
# As in `test_thousand_patients`: of the value, and of a cell in a litre where the value is smaller.
LIMIT, PROMISED = 2.5e-5, 1e-4
pytestmark = pytest.mark.usefixtures("each_engine")


def error(case, times, **more):
    found, exact = case.solve(times, outputs=CURVES, **more), case.reference(times, outputs=CURVES)
    return max(float((np.abs(found[n] - exact[n]) / np.maximum(exact[n], 1e-6)).max()) for n in CURVES)


@pytest.mark.parametrize(
    ("ka", "ke", "ke2"),
    [
        (0.21, 0.21, 5.04), (0.21, 0.21 * (1 + 1e-9), 5.04), (0.21, 0.489, 0.489 * 24), (0.21, 0.22, 0.215 * 24),
        (0.21, 0.21 * 1.0999, 1.0), (0.21, 0.21 * 1.1001, 1.0), (0.05, 0.489, 1.2 * (1 - 1e-12)),
    ],
)  # fmt: skip
def test_rates_of_interleukin_2_may_be_near_or_equal(nkaml, ka, ke, ke2):
    case = nkaml(il2_per_m2=2e7).having(il2_ka=ka, il2_ke=ke, ke2=ke2)
    # So large a dose that acts within hours is the hardest there is to step over.
    assert error(case, np.arange(-1.0, 5.01, 0.5)) <= PROMISED
    # The effect is there: without it the curve is another.
    with_il2, without = (c.solve([5.0], outputs=("host_nk",))["host_nk"] for c in (case, case.having(il2_f=0.0)))
    assert abs(with_il2 / without - 1) > 0.005


def test_three_rates_within_a_thousandth_keep_their_digits(nkaml):
    # So near that a series takes the place of differences; its first term is a hundredth of a per cent of the curve.
    case = nkaml(il2_per_m2=2e7).having(il2_ka=0.21, il2_ke=0.21 * 1.001, ke2=0.21 * 24 * 1.002)
    assert error(case, np.arange(-1.0, 5.01, 0.5), rtol=1e-8) <= 1e-6


def test_doses_of_nothing_leave_the_baseline(mixed):
    case = mixed(5, 17)
    nothing = [
        (0.5 * i, d, target, 0.0) for i in range(20) for d, target in ((0.1, "cells"), (0.0, "il2"), (0.3, "cy"))
    ]
    found, idle = case.given(nothing).solve(outputs=ALL), case.given([]).solve(outputs=ALL)
    assert all(found[name].tobytes() == idle[name].tobytes() for name in ALL)
    assert (found["donor_nk"] == 0).all()
    assert (found["alc"] == (case.parameters["T0"] + case.parameters["H0"])[:, None]).all()


def test_patients_with_nothing_may_stand_between_others(mixed):
    case = mixed(6, 18)
    amount = case.events.amount.copy()
    amount[[0, 3]] = 0.0
    part = type(case.events)(case.events.time_d, case.events.duration_d, case.events.target, amount)
    found = type(case)(part, case.parameters, case.covariates).solve(outputs=ALL)
    whole = case.solve(outputs=ALL)
    for name in ALL:
        assert found[name][[1, 2, 4, 5]].tobytes() == whole[name][[1, 2, 4, 5]].tobytes()
    assert (found["donor_nk"][[0, 3]] == 0).all()


def test_a_hundred_overlapping_infusions_are_followed(typical_child):
    # At day 0.7 all of them run at once.
    many = [(0.007 * i, 1.0 + 0.003 * i, ("cells", "flu", "cy")[i % 3], (2e7, 0.7, 25.0)[i % 3]) for i in range(100)]
    case = typical_child().given(many)
    assert max(t for t, *_ in many) < 0.7 < min(t + d for t, d, *_ in many)
    assert error(case, np.arange(-0.013, 21, 0.25)) <= LIMIT


def test_a_hundred_overlapping_infusions_add_up(typical_child):
    many = [(0.01 * i, 0.5, target, 10.0 * (1 + i % 3)) for i in range(50) for target in ("flu", "cy")]
    patient, times = typical_child().having(cy_day2=1, cy_day3=1), np.arange(0.3, 3, 0.1)
    together = patient.given(many).solve(times, outputs=("cy", "f_ara_a"))
    alone = [patient.given([dose]).solve(times, outputs=("cy", "f_ara_a")) for dose in many]
    for name in ("cy", "f_ara_a"):
        np.testing.assert_allclose(together[name], sum(a[name] for a in alone), rtol=1e-11)


@pytest.mark.parametrize(
    "last",
    [
        [(20.0, 0.0, "cells", 1e9)], [(20.0, 0.1, "cells", 1e9)], [(20.0, 0.1, "cy", 1e3)], [(20.0, 0.0, "cy", 1e3)],
        [(20.0, 0.5, "flu", 30.0)], [(20.0, 0.0, "il2", 1e7)], [(20.0, 0.0, "cells", 1e9), (25.0, 0.1, "cells", 1e9)],
    ],
)  # fmt: skip
def test_a_dose_at_the_last_output_time_changes_nothing(nkaml, typical_child, last):
    plain, times = nkaml(), np.arange(-7.0, 20.01, 0.25)
    e = plain.events
    doses = [(t, d, target, a[0]) for t, d, target, a in zip(e.time_d, e.duration_d, e.target, e.amount.T, strict=True)]
    found, with_last = plain.solve(times, outputs=ALL), typical_child().given([*doses, *last]).solve(times, outputs=ALL)
    assert times[-1] == 20.0
    assert all(found[name].tobytes() == with_last[name].tobytes() for name in ALL)
    assert found.cy_auc.tobytes() == with_last.cy_auc.tobytes()


@pytest.mark.parametrize("target", ["cells", "cy", "flu"])
def test_an_infusion_that_ends_at_the_last_output_time_is_all_in(typical_child, target):
    amount = {"cells": 1e9, "cy": 1000.0, "flu": 25.0}[target]
    name, times = {"cells": "donor_nk", "cy": "cy", "flu": "f_ara_a"}[target], [0.5, 1.5]
    ends, goes_on = (typical_child().given([(0.5, d, target, amount * d)]).solve(times) for d in (1.0, 1.5))
    # Until then one that goes on at the same rate is the same.
    np.testing.assert_allclose(ends[name], goes_on[name], rtol=LIMIT)
    assert ends[name][0, 0] == 0 < ends[name][0, 1]


@pytest.mark.parametrize("cells_per_kg", [40.0, 400.0])
def test_a_dose_of_a_few_thousand_cells_is_followed_like_a_billion(nkaml, cells_per_kg):
    # A thousand and ten thousand cells in the child of 25 kg.
    case, times = nkaml(cells_per_kg=cells_per_kg), np.arange(-7.0, 60.01, 0.5)
    found, exact = case.solve(times)["donor_nk"][0], case.reference(times)["donor_nk"][0]
    assert 0 < found[times == 7.0] < 1e-2
    assert (found >= 0).all()
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-10)


def test_thousands_of_cells_in_a_microlitre_are_followed(nkaml):
    # 1e10 cells/kg, the capacity at which proliferation stops.
    case = nkaml(cells_per_kg=1e10)
    found = case.solve(outputs=ALL)
    assert found["donor_nk"].max() > 5000
    assert found["nk_chimerism"].max() <= 1
    assert error(case, np.arange(-7.0, 60.01, 0.5)) <= LIMIT


def test_thousands_of_infusions_in_a_row_are_the_one_they_make_up(typical_child, each_engine):
    # In two days; their sums are exact. NumPy is tried with hundreds.
    n = 4096 if each_engine == "native" else 512
    each, times = 2 / n, np.arange(-0.5, 12.01, 0.25)
    row, one = (
        typical_child().given(doses).solve(times, outputs=CURVES)
        for doses in ([(i * each, each, "cells", 1e9 / n) for i in range(n)], [(0.0, 2.0, "cells", 1e9)])
    )
    for name in CURVES:
        np.testing.assert_allclose(row[name], one[name], rtol=LIMIT, atol=1e-9)


def test_a_thousand_doses_of_cells_are_followed(typical_child):
    # One every half hour for three weeks, at once each.
    case = typical_child().given([(i / 48, 0.0, "cells", 1e6) for i in range(1008)])
    assert error(case, np.array([-1.0, 0.01, 1.01, 7.01, 20.99, 22.0, 30.0])) <= LIMIT


@pytest.mark.parametrize("rate", ["dD", "kr0"])
def test_cells_that_go_within_minutes_do_not_become_fewer_than_none(mixed, rate):
    found = mixed(4, 14).having(**{rate: 100.0}).solve(np.arange(-1.0, 8.01, 0.25), outputs=OUTPUTS)
    for name in OUTPUTS:
        assert np.isfinite(found[name]).all()
        assert (found[name] >= -1e-12).all(), name


def test_bodies_of_every_size_take_them_alike():
    # 8 to 100 kg, both models, every product.
    case = mixed_case(12, 41)
    per_kg = case.covariates.weight_kg
    many = case.given([(0.0, 0.02, "cells", 1e9 * per_kg), *((i / 8, 2.0, "cells", 1e5 * per_kg) for i in range(100))])
    assert error(many, np.arange(-0.05, 14, 1.0)) <= LIMIT
