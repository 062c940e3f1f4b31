"""The empirical curve against its own formula worked out by hand, and what holds for it as for the other model."""

from __future__ import annotations

import numpy as np
import pytest

from nksim.errors import InvalidInput
from nksim.kinetics.empirical import PARAMETERS, curve
from nksim.regimen import protocol
from nksim.run import simulate
from nksim.settings import Settings

# Stein 2019 as transcribed in nlmixr2lib: Cmax 24,000, Tmax 9.3 d, foldx 3,900, alpha 0.16, FB 0.0079, beta 0.0032.
STEIN = {k: np.array([v]) for k, v in zip(PARAMETERS, (24000.0, 9.3, 3900.0, 0.16, 0.0079, 0.0032), strict=True)}
SHORT = Settings(days=30, every_d=1, model="empirical")


def at(day):
    return float(curve(np.array([[day]]), STEIN)[0, 0])


def test_the_curve_starts_at_the_peak_over_the_fold_and_doubles_as_printed():
    assert at(1e-9) == pytest.approx(24000 / 3900)
    # The abstract prints a doubling time of 0.78 d.
    assert np.log(2) / np.log(at(5) / at(4)) == pytest.approx(0.78, abs=0.005)


def test_the_peak_is_at_tmax_and_the_declines_are_the_two_printed():
    assert at(9.3) == pytest.approx(24000)
    # By hand: 24,000 (0.9921 e^-1.6 + 0.0079 e^-0.032) ten days later.
    assert at(19.3) == pytest.approx(24000 * (0.9921 * np.exp(-1.6) + 0.0079 * np.exp(-0.032)))
    # Long after, the half-life is that of beta, 217 d (220 printed).
    assert np.log(2) / np.log(at(400) / at(401)) == pytest.approx(np.log(2) / 0.0032, rel=1e-3)


def test_nothing_is_there_before_the_dose():
    assert at(0.0) == at(-3.0) == 0


def donor(*settings):
    made = protocol("nkaml")
    for path, value in settings:
        made = made.change(path, value)
    return simulate(made, n=5, settings=SHORT).simulation


def test_doses_add_up_and_scale():
    once, ten = donor(("cells.dose", "1e6 cells/kg")), donor(("cells.dose", "1e7 cells/kg"))
    np.testing.assert_allclose(ten.outputs["donor_nk"], 10 * once.outputs["donor_nk"], rtol=1e-12)
    twice = donor(("cells.dose", "1e6 cells/kg"), ("cells.days", "0, 7"))
    shifted = np.zeros_like(once.outputs["donor_nk"])
    shifted[:, 7:] = once.outputs["donor_nk"][:, :-7]
    np.testing.assert_allclose(twice.outputs["donor_nk"], once.outputs["donor_nk"] + shifted, rtol=1e-9)


def test_it_answers_every_output_of_the_other_model():
    made = donor(("cells.dose", "1e6 cells/kg"))
    assert set(made.outputs) == set(simulate(protocol("nkaml"), n=2, settings=Settings(days=3)).simulation.outputs)
    chimerism = made.outputs["donor_nk"] / (made.outputs["donor_nk"] + made.outputs["host_nk"])
    np.testing.assert_allclose(made.outputs["nk_chimerism"], chimerism)


def test_a_set_of_ones_own_may_extend_one_that_ships(tmp_path):
    # Peak on day 2 at 3 cells/uL per 1e6 cells/kg, without spread: 30 after 1e7 cells/kg.
    own = tmp_path / "mine.yaml"
    own.write_text(
        "title: my product\nextends: empirical\nparameters:\n  e_cmax: {value: 3, cv: 0}\n  e_tmax: {value: 2, cv: 0}\n"
        "presets: {}\nsources: {}\n"
    )
    made = simulate(
        protocol("nkaml").change("cells.dose", "1e7 cells/kg").change("cells.over", "0 min"),
        n=3,
        settings=Settings(days=10, every_d=1, model=str(own)),
    ).simulation
    np.testing.assert_allclose(made.outputs["donor_nk"][:, np.searchsorted(made.times_d, 2)], 30, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: x\nextends: nothing\n", "NK653"),
        ("title: x\nextends: model1\nparameters: {pmxx: {value: 1}}\n", "parameter pmxx: key 'unit' is missing"),
        (
            "title: x\nextends: model1\nextinction: {below: 0.5, basis: assumed, why: x}\n",
            "not between 1 and a million",
        ),
    ],
)
def test_a_faulty_set_of_ones_own_is_refused(tmp_path, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=words):
        simulate(protocol("nkaml"), n=1, settings=Settings(days=1, model=str(tmp_path / "mine.yaml")))


def test_a_peak_at_once_is_refused():
    from nksim.kinetics import empirical, engine
    from nksim.kinetics.events import Covariates, EventTable

    bad = {**STEIN, "e_tmax": np.array([0.0])}
    one = EventTable([0.0], [0.0], ("cells",), [[1e6]])
    with pytest.raises(InvalidInput, match="NK623"):
        empirical.solve(engine.solve, one, bad, Covariates([25.0], [0.93], [140.0]), np.array([0.0, 1.0]))
