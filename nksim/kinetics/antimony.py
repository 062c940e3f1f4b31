"""The model and one patient's doses as Antimony text, from which other programs make SBML.

The equations of the cells are rendered from the model's one definition; the drugs stand here as differential
equations, and every cut of the timeline is an event. Time is in days from day 0.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

import numpy as np

from nksim.kinetics import Floats
from nksim.kinetics.drugs import DRUG_PARAMETERS
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import parse
from nksim.kinetics.timeline import Timeline, timeline

__all__ = ["antimony"]

_DRUGS = """\
  f_size := weight_kg / f_weight;
  f_flow := 24 * f_size ^ f_power;
  cy_volume := cy_v * bsa_m2 / cy_bsa;
  f_volume := f_v1 * f_size;
  il2_ml := 1000 * il2_cl * bsa_m2 / il2_bsa / il2_ke;
  cy_amount' = cy_per_d - 24 * cy_cl * bsa_m2 / cy_bsa * cy_factor * c_cy;
  f1' = f_molar * flu_per_d - (f_cl_nonrenal + f_cl_renal * egfr * 0.06) * f_flow * c_f_ara_a - f_to2 - f_to3;
  f_to2 := f_q2 * f_flow * (c_f_ara_a - f2 / (f_v2 * f_size));
  f_to3 := f_q3 * f_flow * (c_f_ara_a - f3 / (f_v3 * f_size));
  f2' = f_to2;
  f3' = f_to3;
  il2_depot' = -24 * il2_ka * il2_depot;
  il2_plasma' = 24 * il2_ka * il2_depot - 24 * il2_ke * il2_plasma;
  c_il2_effect' = ke2 * (il2_plasma / il2_ml - c_il2_effect);
  c_cy := cy_amount / cy_volume;
  c_f_ara_a := f1 / f_volume;
  cy_amount = 0; f1 = 0; f2 = 0; f3 = 0; il2_depot = 0; il2_plasma = 0; c_il2_effect = 0;
"""
_STARTS = ("cy_factor = 1", "cy_per_d = 0", "flu_per_d = 0", "cells_per_d = 0")


# Names that mean something else in Antimony.
_TAKEN = {"volume": "blood_volume"}


class _Formula(ast.NodeTransformer):
    """Names as Antimony wants them, that of the natural logarithm among them."""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(_TAKEN.get(node.id, node.id), node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "log":
            node.func.id = "ln"
        return node


def _text(expression: str) -> str:
    return ast.unparse(_Formula().visit(parse(expression)))


def antimony(
    events: EventTable,
    parameters: Mapping[str, Floats],
    covariates: Covariates,
    *,
    patient: int = 0,
    end_d: float = 90.0,
) -> str:
    """Antimony text of one patient's run; start it a while before the first dose, in the steady state."""
    names = (*MODEL.parameters, *DRUG_PARAMETERS)
    values = {name: float(parameters[name][patient]) for name in names}
    values |= {name: float(getattr(covariates, name)[patient]) for name in ("weight_kg", "bsa_m2")}
    values["egfr"] = float(covariates.egfr_ml_min_1_73m2[patient])
    chosen = np.array([patient])
    line = timeline(events.patients(chosen), np.array([values["il2_lag"] / 24.0]), end_d)
    parts = [
        "model nksim()",
        *(f"  {name} = {value!r};" for name, value in values.items()),
        *(f"  var {start};" for start in _STARTS),
        _DRUGS.rstrip("\n"),
        *(f"  {_TAKEN.get(e.name, e.name)} := {_text(e.expression)};" for e in MODEL.intermediates),
        *(f"  {s.name}' = {_text(s.derivative)};" for s in MODEL.states),
        *(f"  {s.name} = {_text(s.initial)};" for s in MODEL.states),
        *(f"  {o.name} := {_text(o.expression)};" for o in MODEL.outputs),
        *_events(line, values),
        "end",
    ]
    return "\n".join(parts) + "\n"


def _events(line: Timeline, values: Mapping[str, float]) -> list[str]:
    """One event at the start of each segment: what is given at once, and the rates that run until the next."""
    made, factor = [], 1.0
    for s in range(int(line.segments[0])):
        day = float(line.cy_day[s, 0])
        factor = values["cy_day3"] if day >= 3 else values["cy_day2"] if day >= 2 else 1.0 if day >= 1 else factor
        given = {target: float(rows[s, 0]) for target, rows in line.bolus.items()}
        sets = [f"cy_factor = {factor!r}"]
        sets += [f"{target}_per_d = {float(line.rate[target][s, 0])!r}" for target in ("cy", "flu", "cells")]
        if given["cy"]:
            sets.append(f"cy_amount = cy_amount + {given['cy']!r}")
        if given["flu"]:
            sets.append(f"f1 = f1 + f_molar * {given['flu']!r}")
        if given["il2"]:
            sets.append(f"il2_depot = il2_depot + il2_f * {given['il2']!r}")
        if given["cells"]:
            sets += [f"{x.name} = {x.name} + {_text(x.jump)} * {given['cells']!r}" for x in MODEL.states if x.jump]
        made.append(f"  cut{s}: at (time >= {float(line.breaks[s, 0])!r}), t0=true: {', '.join(sets)};")
    return made
