"""A change of any one equation of the definition reaches every rendering of it, so that none can be stale unnoticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from kinetic_cases import child
from test_native import GENERATED

from nksim.kinetics import cplusplus
from nksim.kinetics import sbml as exported
from nksim.kinetics.model import MODEL
from nksim.kinetics.parameters import load, typical
from nksim.kinetics.rendering import for_arrays, for_floats, split

CONSTANT = {e.name for e in split(MODEL)[0]}
EQUATIONS = [
    *(("intermediates", i, "expression") for i in range(len(MODEL.intermediates))),
    *(("outputs", i, "expression") for i in range(len(MODEL.outputs))),
    *(
        ("states", i, part)
        for i, state in enumerate(MODEL.states)
        for part in ("derivative", "initial", "jump", "weighed")
        if getattr(state, part)
    ),
]
# Work on the whole model, which an equation too many or too few changes as well.
IDS = [f"{getattr(MODEL, group)[i].name} {part}" for group, i, part in EQUATIONS]


def changed(group, i, part):
    """The model with one expression as large again and a little more, so that 0 differs too."""
    rows = list(getattr(MODEL, group))
    rows[i] = replace(rows[i], **{part: f"2 * ({getattr(rows[i], part)}) + 0.001"})
    return replace(MODEL, **{group: tuple(rows)})


def numbers(rendering):
    """All that a rendering computes at one point at which every term counts."""
    values = {name: float(x[0]) for name, x in typical(load().parameters("carnk_il15")).items()} | {"weight_kg": 25.0}
    c = rendering.constants([values[name] for name in rendering.constant_inputs])
    y = [0.6, 300.0, 60.0, 20.0, 0.4, 3e8, 1e9, 5e10, 2e10]
    slope = [0.0] * len(y)
    rendering.derivative(y, c, (5.0, 0.5, 2.0, 3e9), slope)
    outputs = [output(y, c) for output in rendering.outputs.values()]
    return np.array(
        [*c, *slope, *rendering.initial(c), *rendering.jumps(c), *rendering.weights(y), *outputs], dtype=float
    )


@pytest.mark.parametrize(("group", "i", "part"), EQUATIONS, ids=IDS)
def test_every_equation_reaches_every_rendering(group, i, part, monkeypatch):
    other = changed(group, i, part)
    for rendering in (for_arrays, for_floats):
        assert (numbers(rendering(other)) != numbers(rendering(MODEL))).any()
    # What is fixed during a run, or given at once, the native engine is handed by NumPy's rendering.
    if part not in ("initial", "jump") and getattr(MODEL, group)[i].name not in CONSTANT:
        assert cplusplus.header(other) != cplusplus.header()
        if GENERATED.exists():
            assert cplusplus.header(other) != GENERATED.read_text(encoding="utf-8")
    # Others have error weights of their own.
    if part != "weighed":
        case = child().given([(0.0, 0.0, "cells", 1e9)])
        before = exported.sbml(case.events, case.parameters, case.covariates)
        monkeypatch.setattr(exported, "MODEL", other)
        assert exported.sbml(case.events, case.parameters, case.covariates) != before
