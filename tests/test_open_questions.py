"""Sensitivities, sweeps and contributions: what is open, and how much it moves."""

import numpy as np
import pytest

import nksim
from nksim.contributions import contributions
from nksim.errors import UsageError
from nksim.growth import z_score
from nksim.open_inputs import open_facts
from nksim.population import fitting_ages
from nksim.run import Bodies, simulate
from nksim.sensitivity import _indices, sensitivity
from nksim.settings import Settings
from nksim.simulation import age_range
from nksim.sweep import span, sweep

SHORT = Settings(days=15, every_d=0.5)


def saltelli_points(d, n):
    from scipy.stats import qmc

    points = qmc.Sobol(2 * d, scramble=False).random_base2(int(np.log2(n)))
    return points[:, :d].T, points[:, d:].T


def test_the_indices_of_a_straight_line_are_its_squared_slopes():
    # y = x1 + 2 x2 + 0 x3 with equal variances: 1/5, 4/5 and 0, alone and in total.
    a, b = saltelli_points(3, 1024)
    f = lambda x: x[0] + 2 * x[1]  # noqa: E731
    mixed = [f(np.array([b[j] if j == i else a[j] for j in range(3)])) for i in range(3)]
    first, total, low, high = _indices(np.concatenate([f(a), f(b), *mixed]), 3, 1024)
    assert first == pytest.approx([0.2, 0.8, 0.0], abs=0.02)
    assert total == pytest.approx([0.2, 0.8, 0.0], abs=0.02)
    assert (low <= total + 1e-12).all()
    assert (total <= high + 1e-12).all()


def test_the_indices_of_ishigami_are_the_published_ones():
    # Ishigami and Homma 1990, a = 7, b = 0.1: S = 0.3139, 0.4424, 0; T = 0.5576, 0.4424, 0.2437 (Saltelli 2008, 4.5).
    a, b = saltelli_points(3, 4096)
    scaled = lambda x: 2 * np.pi * x - np.pi  # noqa: E731
    f = lambda x: np.sin(scaled(x[0])) + 7 * np.sin(scaled(x[1])) ** 2 + 0.1 * scaled(x[2]) ** 4 * np.sin(scaled(x[0]))  # noqa: E731
    mixed = [f(np.array([b[j] if j == i else a[j] for j in range(3)])) for i in range(3)]
    first, total, _, _ = _indices(np.concatenate([f(a), f(b), *mixed]), 3, 4096)
    assert first == pytest.approx([0.3139, 0.4424, 0.0], abs=0.02)
    assert total == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.02)


@pytest.fixture(scope="module")
def jk500():
    before = nksim.protocol("jk500")
    choice = before.change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 7, 14").choice()
    population = Bodies().population(21, 1, age_range(choice))
    return sensitivity(choice, before.choice(), population, "cells_total", settings=SHORT, samples=16)


def test_all_cells_hang_on_their_dose_and_on_nothing_else(jk500):
    found = {i.input.name: i for i in jk500.influences}
    assert jk500.influences[0].input.name == "cells.dose"
    assert found["cells.dose"].total > 0.5  # 1 with many points; these are 16
    assert found["cells.days"].total == 0
    assert found["dD"].total == 0


def test_the_tornado_of_a_dose_runs_from_half_to_twice(jk500):
    dose = jk500.influences[0]
    assert (dose.metric_low / jk500.base, dose.metric_high / jk500.base) == pytest.approx((0.5, 2.0))


def test_open_facts_are_those_that_the_file_does_not_state():
    # protocols/nkaml.yaml: cells.dose, il2.days and il2.at are assumed; cells.days and all doses of drugs are stated.
    choice = nksim.protocol("nkaml").choice()
    found, idle = open_facts(choice, choice)
    names = {x.name for x in found}
    assert {"cells.dose", "il2.days", "il2.at", "cy.over"} <= names
    assert not names & {"cells.days", "cy.dose", "flu.dose", "il2.dose"}
    assert ("cells.route", "does not enter the model") in idle
    assert dict(idle)["body.weight"].startswith("not tried")


def test_a_metric_that_nothing_open_moves_has_no_sensitivity():
    choice = nksim.protocol("nkaml").choice()
    population = Bodies().population(3, 1, age_range(choice))
    with pytest.raises(UsageError, match="does not move"):
        sensitivity(choice, choice, population, "visits", settings=SHORT, samples=4)


def test_per_kg_per_m2_and_flat_cells_over_age_are_what_body_size_makes_them():
    base = nksim.protocol("nkaml")
    doses = ("1e7 cells/kg", "3e8 cells/m^2", "5e8 cells")
    over = span("age=3..75")
    parts = [Bodies(age=f"{a} y").population(5, 1, (a, a)) for a in over.values]
    choices = [(d, base.change("cells.dose", d).choice()) for d in doses]
    per_kg, per_m2, flat = sweep(
        choices, parts, over, "cells_total", seed=1, settings=Settings(days=2, every_d=0.5), ages=(0.7, 21.0)
    )
    for i, part in enumerate(parts):
        np.testing.assert_allclose(per_kg.values[i].values, 1e7 * part.weight_kg, rtol=1e-9)
        bsa = np.sqrt(part.weight_kg * part.height_cm / 3600)  # Mosteller 1987
        np.testing.assert_allclose(per_m2.values[i].values, 3e8 * bsa, rtol=1e-9)
        np.testing.assert_allclose(flat.values[i].values, 5e8)


def test_a_swept_weight_comes_with_ages_of_the_trials_at_which_it_is_no_rarity():
    base = nksim.protocol("nkaml")
    made = nksim.compare(
        base,
        base.change("cells.dose", "5e8 cells"),
        n=20,
        settings=SHORT,
        metrics=["cells_total"],
        sweep="weight=8..90",
    )
    first = made.inquiry.swept[0]
    assert "0.7 to 21 years" in first.note
    for weight, values in zip(first.span.values, first.values, strict=True):
        np.testing.assert_allclose(values.values, 2.9e7 * float(f"{weight:g}"), rtol=1e-9)
        low, high = fitting_ages(weight, (0.7, 21.0))
        ends = np.array([low, high])
        for male in (False, True):
            z = z_score("weight_kg", age_y=ends, male=np.full(2, male), size=np.full(2, weight))
            assert (np.abs(z) <= 2).all()


def test_a_weight_that_hardly_anyone_has_is_refused_and_an_age_sweep_says_where_it_leaves_the_trials():
    base = nksim.protocol("nkaml")
    both = (base, base.change("cells.days", "0, 7"))
    with pytest.raises(UsageError, match="hardly anyone"):
        nksim.compare(*both, n=3, settings=SHORT, sweep="weight=10..300")
    made = nksim.compare(*both, n=3, settings=SHORT, sweep="age=3..75")
    assert "The trials admit 0.7 to 21 years: beyond" in str(made)


@pytest.mark.parametrize("text", ["age=3", "age=75..3", "height=3..5", "age=a..b", "weight=0..3"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(UsageError, match="is not a span"):
        span(text)


def test_a_curve_follows_the_whole_regimen_until_the_first_left_out_infusion():
    s = simulate(nksim.protocol("nkaml").change("cells.days", "0, 7"), n=5, settings=SHORT).simulation
    found = contributions(s)
    early = found.times_d <= 7
    np.testing.assert_allclose(found.medians[0][early], found.medians[1][early], rtol=1e-4)  # the engines' error
    assert found.medians[1][-1] > found.medians[0][-1]
    assert found.days == (0.0, 7.0)
