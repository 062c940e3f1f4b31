"""The model and one patient's doses as SBML (level 3, version 2), which other simulators read.

The equations of the cells are rendered from the model's one definition; the drugs stand here as differential
equations, and every cut of the timeline is an event. Time is in days from day 0.
Hucka et al. 2019, J Integr Bioinform 16:20190021, doi:10.1515/jib-2019-0021.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from nksim.kinetics import Floats
from nksim.kinetics.drugs import DRUG_PARAMETERS
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import parse
from nksim.kinetics.timeline import Timeline, timeline

__all__ = ["sbml"]

# What holds at every moment, and what changes by how much per day; IL-2 in millions of units, because solvers with one
# absolute tolerance for all choke on large numbers that start from 0.
_DRUG_RULES = {
    "f_size": "weight_kg / f_weight",
    "f_flow": "24 * pow(f_size, f_power)",
    "cy_volume": "cy_v * bsa_m2 / cy_bsa",
    "f_volume": "f_v1 * f_size",
    "il2_ml": "1000 * il2_cl * bsa_m2 / il2_bsa / il2_ke",
    "f_to2": "f_q2 * f_flow * (c_f_ara_a - f2 / (f_v2 * f_size))",
    "f_to3": "f_q3 * f_flow * (c_f_ara_a - f3 / (f_v3 * f_size))",
    "c_cy": "cy_amount / cy_volume",
    "c_f_ara_a": "f1 / f_volume",
}
_DRUG_RATES = {
    "cy_amount": "cy_per_d - 24 * cy_cl * bsa_m2 / cy_bsa * cy_factor * c_cy",
    "f1": "f_molar * flu_per_d - (f_cl_nonrenal + f_cl_renal * egfr * 0.06) * f_flow * c_f_ara_a - f_to2 - f_to3",
    "f2": "f_to2",
    "f3": "f_to3",
    "il2_depot": "-24 * il2_ka * il2_depot",
    "il2_plasma": "24 * il2_ka * il2_depot - 24 * il2_ke * il2_plasma",
    "c_il2_effect": "ke2 * (1000000 * il2_plasma / il2_ml - c_il2_effect)",
}
# Set by the events: what runs in per day, and the clearance of Cy over that of the first day of a course.
_SWITCHES = {"cy_factor": 1.0, "cy_per_d": 0.0, "flu_per_d": 0.0, "cells_per_d": 0.0}

_OPERATORS = {ast.Add: "plus", ast.Sub: "minus", ast.Mult: "times", ast.Div: "divide"}
_FUNCTIONS = {"log": "ln", "exp": "exp", "pow": "power"}
_MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
_TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">time</csymbol>'


def sbml(
    events: EventTable,
    parameters: Mapping[str, Floats],
    covariates: Covariates,
    *,
    patient: int = 0,
    end_d: float = 90.0,
    notes: Sequence[str] = (),
) -> str:
    """SBML of one patient's run, to be started a while before the first dose; `notes` are sentences about it.

    A dose at the very start of another program's run is not given there.
    """
    values = {name: float(parameters[name][patient]) for name in (*MODEL.parameters, *DRUG_PARAMETERS)}
    values |= {name: float(getattr(covariates, name)[patient]) for name in ("weight_kg", "bsa_m2")}
    values["egfr"] = float(covariates.egfr_ml_min_1_73m2[patient])
    line = timeline(events.patients(np.array([patient])), np.array([values["il2_lag"] / 24.0]), end_d)
    rules = {**_DRUG_RULES, **{e.name: e.expression for e in (*MODEL.intermediates, *MODEL.outputs)}}
    rates = {**_DRUG_RATES, **{s.name: s.derivative for s in MODEL.states}}
    starts = {**dict.fromkeys(_DRUG_RATES, "0"), **{s.name: s.initial for s in MODEL.states}}
    about = {e.name: e.about for e in (*MODEL.intermediates, *MODEL.outputs)}
    about |= {s.name: f"{s.about}, {s.unit}" for s in MODEL.states}
    rows = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">',
        '<model id="nksim" name="Infused NK cells after lymphodepletion, time in days">',
        *_notes(notes),
        "<listOfParameters>",
        *(_parameter(name, value) for name, value in values.items()),
        *(_parameter(name, value, constant=False) for name, value in _SWITCHES.items()),
        *(_parameter(name, about=about.get(name), constant=False) for name in (*rates, *rules)),
        "</listOfParameters>",
        "<listOfInitialAssignments>",
        *(f'<initialAssignment symbol="{k}">{_math(v)}</initialAssignment>' for k, v in starts.items()),
        "</listOfInitialAssignments>",
        "<listOfRules>",
        *(f'<assignmentRule variable="{k}">{_math(v)}</assignmentRule>' for k, v in rules.items()),
        *(f'<rateRule variable="{k}">{_math(v)}</rateRule>' for k, v in rates.items()),
        "</listOfRules>",
        "<listOfEvents>",
        *_events(line, values),
        "</listOfEvents>",
        "</model>",
        "</sbml>",
    ]
    return "\n".join(rows) + "\n"


def _notes(sentences: Iterable[str]) -> list[str]:
    rows = [f"<p>{escape(sentence)}</p>" for sentence in sentences]
    return ["<notes>", '<body xmlns="http://www.w3.org/1999/xhtml">', *rows, "</body>", "</notes>"] if rows else []


def _parameter(name: str, value: float | None = None, *, about: str | None = None, constant: bool = True) -> str:
    said = f" name={quoteattr(about)}" if about else ""
    start = "" if value is None else f' value="{value!r}"'
    return f'<parameter id="{name}"{said}{start} constant="{str(constant).lower()}"/>'


def _math(expression: str) -> str:
    return f"{_MATH}{_node(parse(expression).body)}</math>"


def _node(node: ast.expr) -> str:
    """Content MathML of what `parse` lets through."""
    if isinstance(node, ast.Name):
        return f"<ci>{node.id}</ci>"
    if isinstance(node, ast.Constant):
        return _number(float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp):
        return f"<apply><minus/>{_node(node.operand)}</apply>"
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        return f"<apply><{_FUNCTIONS[node.func.id]}/>{''.join(map(_node, node.args))}</apply>"
    assert isinstance(node, ast.BinOp)
    return f"<apply><{_OPERATORS[type(node.op)]}/>{_node(node.left)}{_node(node.right)}</apply>"


def _number(value: float) -> str:
    digits, exponent, power = repr(value).partition("e")
    return f'<cn type="e-notation">{digits}<sep/>{power}</cn>' if exponent else f"<cn>{digits}</cn>"


def _events(line: Timeline, values: Mapping[str, float]) -> list[str]:
    """One event at the start of each segment: what is given at once, and the rates that run until the next."""
    made, factor = [], 1.0
    for s in range(int(line.segments[0])):
        day = float(line.cy_day[s, 0])
        factor = values["cy_day3"] if day >= 3 else values["cy_day2"] if day >= 2 else 1.0 if day >= 1 else factor
        given = {target: float(rows[s, 0]) for target, rows in line.bolus.items()}
        sets = {"cy_factor": repr(factor)}
        sets |= {f"{target}_per_d": repr(float(line.rate[target][s, 0])) for target in ("cy", "flu", "cells")}
        if given["cy"]:
            sets["cy_amount"] = f"cy_amount + {given['cy']!r}"
        if given["flu"]:
            sets["f1"] = f"f1 + f_molar * {given['flu']!r}"
        if given["il2"]:
            sets["il2_depot"] = f"il2_depot + il2_f * {given['il2'] / 1e6!r}"
        if given["cells"]:
            sets |= {x.name: f"{x.name} + ({x.jump}) * {given['cells']!r}" for x in MODEL.states if x.jump}
        made += [
            f'<event id="cut{s}" useValuesFromTriggerTime="true">',
            f'<trigger initialValue="true" persistent="true">{_MATH}<apply><geq/>{_TIME}'
            f"{_number(float(line.breaks[s, 0]))}</apply></math></trigger>",
            "<listOfEventAssignments>",
            *(f'<eventAssignment variable="{k}">{_math(v)}</eventAssignment>' for k, v in sets.items()),
            "</listOfEventAssignments>",
            "</event>",
        ]
    return made
