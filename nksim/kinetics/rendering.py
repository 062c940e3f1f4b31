"""Python code from a model definition; the one place where expressions are parsed.

The generated functions act on any sequence of rows: NumPy arrays of one value per patient, or plain floats. Thus the
engine and the reference solver run the same text, with NumPy's functions in the one and `math` in the other.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from nksim.kinetics.model import Equation, Model

__all__ = ["Rendering", "dependencies", "for_arrays", "for_floats", "needed", "parse", "split"]

# A two-dimensional array, a list of arrays or a list of floats: whatever yields rows when it is indexed.
Rows = Any
FUNCTIONS = ("log", "exp", "pow")
_ALLOWED = (
    ast.Expression, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.UnaryOp, ast.USub, ast.Name, ast.Load,
    ast.Call, ast.Constant,
)  # fmt: skip


@dataclass(frozen=True)
class Rendering:
    """Callable form of a model.

    constants(p) takes the rows named in `constant_inputs` and returns those named in `held`, fixed during a run;
    derivative(y, c, u, out) fills `out` with the derivatives per day at state rows y, constants c and inputs u;
    initial(c) and jumps(c) give one row per state, weights(y) what its error is weighed against; outputs[name](y, c)
    gives one output, from `output_states[name]`.
    """

    states: tuple[str, ...]
    constant_inputs: tuple[str, ...]
    held: tuple[str, ...]
    constants: Callable[[Rows], list[Any]]
    derivative: Callable[[Rows, Rows, Rows, Any], None]
    initial: Callable[[Rows], list[Any]]
    jumps: Callable[[Rows], list[Any]]
    weights: Callable[[Rows], list[Any]]
    outputs: Mapping[str, Callable[[Rows, Rows], Any]]
    output_states: Mapping[str, tuple[str, ...]]


def parse(expression: str) -> ast.Expression:
    """The tree of one expression; ValueError when it holds anything but plain arithmetic.

    >>> sorted(dependencies(parse("kc * c_cy + log(T0 / T)")))
    ['T', 'T0', 'c_cy', 'kc']
    >>> parse("T ** 2")
    Traceback (most recent call last):
    ValueError: Pow is not allowed in 'T ** 2'
    """
    tree = ast.parse(expression, mode="eval")
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ValueError(f"{type(node).__name__} is not allowed in {expression!r}")
        if isinstance(node, ast.Constant) and not _is_number(node.value):
            raise ValueError(f"{node.value!r} is not a finite number in {expression!r}")
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords
        ):
            raise ValueError(f"only {', '.join(FUNCTIONS)} may be called, in {expression!r}")
    return tree


def _is_number(value: object) -> bool:
    """A finite number; True and False are integers in Python but not here."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def dependencies(tree: ast.Expression) -> set[str]:
    """Names that an expression needs, functions left out."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - set(FUNCTIONS)


def needed(wanted: Iterable[str], equations: Sequence[Equation]) -> tuple[list[Equation], set[str]]:
    """The equations, in order, that the wanted expressions lead back to, and all names they touch."""
    names = set().union(*(dependencies(parse(text)) for text in wanted))
    kept: list[Equation] = []
    for equation in reversed(equations):
        if equation.name in names:
            kept.insert(0, equation)
            names |= dependencies(parse(equation.expression))
    return kept, names


def split(model: Model) -> tuple[list[Equation], list[Equation]]:
    """Intermediates that are fixed during a run, and those that are not; every name must be known by then."""
    fixed = {*model.parameters, *model.covariates}
    moving = {*model.inputs, *(state.name for state in model.states)}
    constant: list[Equation] = []
    varying: list[Equation] = []
    for equation in model.intermediates:
        names = dependencies(parse(equation.expression))
        if unknown := names - fixed - moving:
            raise ValueError(f"{equation.name} uses {sorted(unknown)} before they are defined")
        if equation.name in fixed | moving:
            raise ValueError(f"{equation.name} is defined twice")
        (constant if names <= fixed else varying).append(equation)
        (fixed if names <= fixed else moving).add(equation.name)
    return constant, varying


def _unpack(names: Sequence[str], source: str) -> str:
    return "".join(f"    {name} = {source}[{i}]\n" for i, name in enumerate(names))


def _assign(equations: Iterable[Equation]) -> str:
    return "".join(f"    {equation.name} = {equation.expression}\n" for equation in equations)


def _sources(model: Model) -> dict[str, str]:
    """Python source of every function of the rendering, by name."""
    constant, varying = split(model)
    given = (*model.parameters, *model.covariates)
    held = (*given, *(equation.name for equation in constant))
    states = tuple(state.name for state in model.states)

    def function(head: str, body: list[Equation], names: set[str], tail: str) -> str:
        used = [f"    {name} = c[{i}]\n" for i, name in enumerate(held) if name in names]
        rows = [f"    {name} = y[{i}]\n" for i, name in enumerate(states) if name in names]
        fed = [f"    {name} = u[{i}]\n" for i, name in enumerate(model.inputs) if name in names]
        return f"def {head}:\n" + "".join(used + rows + fed) + _assign(body) + tail

    rest = _assign(constant) + f"    return [{', '.join(held)}]\n"
    sources = {"constants": "def constants(p):\n" + _unpack(given, "p") + rest}
    derivatives = [state.derivative for state in model.states]
    tail = "".join(f"    out[{i}] = {text}\n" for i, text in enumerate(derivatives))
    sources["derivative"] = function("derivative(y, c, u, out)", *needed(derivatives, varying), tail)
    for name, texts in {
        "initial": [state.initial for state in model.states],
        "jumps": [state.jump or "0" for state in model.states],
    }.items():
        _, names = needed(texts, ())
        sources[name] = function(f"{name}(c)", [], names, f"    return [{', '.join(texts)}]\n")
    weights = ", ".join(state.weighed or state.name for state in model.states)
    sources["weights"] = f"def weights(y):\n    {', '.join(states)} = y\n    return [{weights}]\n"
    for output in model.outputs:
        body, names = needed([output.expression], varying)
        head = f"output_{output.name}(y, c)"
        sources[f"output_{output.name}"] = function(head, body, names, f"    return {output.expression}\n")
    return sources


def _render(model: Model, functions: Mapping[str, Callable[..., Any]]) -> Rendering:
    """Compile the sources; they were generated from parsed arithmetic, so nothing else can be in them."""
    scope: dict[str, Any] = {"__builtins__": {}, **functions}
    for name, source in _sources(model).items():
        exec(compile(source, f"<model: {name}>", "exec"), scope)
    states = tuple(state.name for state in model.states)
    constant, varying = split(model)
    touched = {output.name: needed([output.expression], varying)[1] for output in model.outputs}
    return Rendering(
        states=states,
        constant_inputs=(*model.parameters, *model.covariates),
        held=(*model.parameters, *model.covariates, *(equation.name for equation in constant)),
        constants=scope["constants"],
        derivative=scope["derivative"],
        initial=scope["initial"],
        jumps=scope["jumps"],
        weights=scope["weights"],
        outputs={output.name: scope[f"output_{output.name}"] for output in model.outputs},
        output_states={name: tuple(s for s in states if s in names) for name, names in touched.items()},
    )


@cache
def for_arrays(model: Model) -> Rendering:
    """The rendering whose rows are arrays with one value per patient."""
    return _render(model, {"log": np.log, "exp": np.exp, "pow": np.power})


@cache
def for_floats(model: Model) -> Rendering:
    """The rendering whose rows are single floats."""
    return _render(model, {"log": math.log, "exp": math.exp, "pow": math.pow})
