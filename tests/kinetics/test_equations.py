"""The definition of the model against formulas written by hand, and its renderings against each other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nksim.kinetics.model import MODEL, Equation
from nksim.kinetics.parameters import draw, load
from nksim.kinetics.rendering import dependencies, for_arrays, for_floats, parse

STATES = tuple(state.name for state in MODEL.states)


def by_hand(p: dict[str, float], weight: float, y: dict[str, float], u: tuple[float, ...]) -> list[float]:
    """Derivatives as printed in the model's description, term by term."""
    c_cy, c_f, c2e, cells = u
    kill = p["kc"] * c_cy + p["kf"] * c_f
    P, T, H, il15, S, L, B, G, X = (y[name] for name in STATES)
    donor_per_ul = (B + p["fb"] * X) / (p["bv"] * 1e3 * weight)
    lym = (T + H + donor_per_ul) / (p["T0"] + p["H0"])
    a15 = il15**2 / (p["E15"] ** 2 + il15**2)
    a15_0 = p["I0"] ** 2 / (p["E15"] ** 2 + p["I0"] ** 2)
    a2 = c2e / (c2e + p["E2"])
    sig = 1 - (1 - a15) * (1 - a2) * (1 - p["atg"])
    treg = p["fTr"] + (1 - p["fTr"]) * T / p["T0"]
    tr = (1 + 1 / p["KTr"]) / (1 + treg * (1 + p["eTr"] * c2e / (c2e + p["E2T"])) / p["KTr"])
    D = L + B + G + X
    rej = (p["kr0"] + p["krS"] * S) * T / p["T0"]
    pro = (p["pmax"] * sig * tr + p["pCAR"] * p["antigen"] + p["phome"]) * (1 - D / (p["Kcap"] * weight))
    ex = p["kx"] * pro / p["pmax"]
    loss = p["dD"] + rej + p["wD"] * kill
    ktb = p["kbt"] * p["fb"] / (1 - p["fb"])
    dP = p["rP"] * P * (1 - P) - p["wP"] * kill * P
    dT = p["rT"] * (p["fP"] + (1 - p["fP"]) * P) * T * math.log(p["T0"] / T) - kill * T
    growth = p["pH"] * tr * (a15 - a15_0 + 0.5 * a2 * (1 - a15)) * H
    dH = p["kH"] * p["H0"] * P + growth - p["kH"] * H - p["wH"] * kill * H
    dI = p["kI"] * (p["Imax"] - il15 * (1 + (p["Imax"] / p["I0"] - 1) * lym))
    dS = p["ksens"] * T / p["T0"] * D / (D + p["D50"] * weight) * (1 - S) - p["koffS"] * S
    dL = p["fsurv"] * p["flung"] * cells - (p["kL"] + p["dD"] + p["wD"] * kill) * L
    into_blood = p["fsurv"] * (1 - p["flung"]) * cells + p["kL"] * L
    dB = into_blood + (pro - ex - loss - p["kbt"]) * B + ktb * G
    dG = (pro - ex - loss - ktb) * G + p["kbt"] * B
    dX = ex * (B + G) - (p["dX"] + rej + p["wD"] * kill) * X
    return [dP, dT, dH, dI, dS, dL, dB, dG, dX]


def random_point(seed: int) -> tuple[dict[str, float], float, dict[str, float], tuple[float, float, float, float]]:
    """A point at which every parameter, state and input matters, so that no flipped sign can hide."""
    rng = np.random.default_rng(seed)
    p = {name: float(q.value or 0.3) * float(rng.uniform(0.7, 1.3)) for name, q in load().defaults.items()}
    scales = {"P": 0.6, "T": 300, "H": 60, "I": 20, "S": 0.4, "L": 3e8, "B": 1e9, "G": 5e10, "X": 2e10}
    y = {name: scale * float(rng.uniform(0.5, 1.5)) for name, scale in scales.items()}
    return p, 25.0, y, (float(rng.uniform(1, 9)), float(rng.uniform(0.1, 1)), float(rng.uniform(0.1, 5)), 3e9)


@pytest.mark.parametrize("seed", range(20))
def test_derivatives_equal_formulas_written_by_hand(seed):
    p, weight, y, u = random_point(seed)
    rendering = for_floats(MODEL)
    constants = rendering.constants([{**p, "weight_kg": weight}[name] for name in rendering.constant_inputs])
    got = [0.0] * len(STATES)
    rendering.derivative([y[name] for name in STATES], constants, u, got)
    assert got == pytest.approx(by_hand(p, weight, y, u), rel=1e-10)


def test_outputs_equal_formulas_written_by_hand():
    p, weight, y, _ = random_point(1)
    rendering = for_floats(MODEL)
    constants = rendering.constants([{**p, "weight_kg": weight}[name] for name in rendering.constant_inputs])
    got = {name: make([y[s] for s in STATES], constants) for name, make in rendering.outputs.items()}
    donor = (y["B"] + p["fb"] * y["X"]) / (weight * p["bv"] * 1000)
    assert got == pytest.approx({"donor_nk": donor, "host_nk": y["H"], "alc": y["T"] + y["H"] + donor, "il15": y["I"]})


def test_a_dose_at_once_puts_the_surviving_cells_into_lung_and_blood():
    p, weight, _, _ = random_point(2)
    rendering = for_floats(MODEL)
    constants = rendering.constants([{**p, "weight_kg": weight}[name] for name in rendering.constant_inputs])
    jumps = dict(zip(STATES, rendering.jumps(constants), strict=True))
    assert jumps.pop("L") == pytest.approx(p["fsurv"] * p["flung"])
    assert jumps.pop("B") == pytest.approx(p["fsurv"] * (1 - p["flung"]))
    assert set(jumps.values()) == {0}


def test_the_state_without_events_does_not_move_at_all():
    rendering, count = for_arrays(MODEL), 500
    parameter_set = load()
    rng = np.random.default_rng(0)
    normals = {name: rng.standard_normal(count) for name in parameter_set.varying("carnk_il15")}
    own = {**draw(parameter_set.parameters("carnk_il15"), normals), "weight_kg": rng.uniform(5, 100, count)}
    constants = rendering.constants([own[name] for name in rendering.constant_inputs])
    start = [np.broadcast_to(np.asarray(row, dtype=float), (count,)) for row in rendering.initial(constants)]
    slope = np.empty((len(STATES), count))
    rendering.derivative(start, constants, [np.zeros(count)] * 4, slope)
    assert (slope == 0).all()


def test_every_name_of_the_definition_is_used():
    texts = [e.expression for e in (*MODEL.intermediates, *MODEL.outputs)]
    texts += [text for s in MODEL.states for text in (s.initial, s.derivative, s.jump or "0")]
    used = set().union(*(dependencies(parse(text)) for text in texts))
    defined = {*MODEL.parameters, *MODEL.covariates, *MODEL.inputs, *(e.name for e in MODEL.intermediates)}
    assert defined <= used


@pytest.mark.parametrize(
    "text",
    ["T ** 2", "T if T else H", "T.real", "__import__('os')", "log(T, base=2)", "max(T, H)", "T[0]", "'a'", "1e999",
     "T > 0", "True"],
)  # fmt: skip
def test_anything_but_plain_arithmetic_is_refused(text):
    with pytest.raises(ValueError, match=r"not allowed|may be called|not a finite number"):
        parse(text)


def test_a_name_used_before_it_is_defined_is_refused():
    broken = replace(MODEL, intermediates=(Equation("early", "kill * 2", ""), *MODEL.intermediates))
    with pytest.raises(ValueError, match="early uses"):
        for_floats(broken)
