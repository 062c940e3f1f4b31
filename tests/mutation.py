"""How many planted slips the tests catch: `python tests/mutation.py [MODULE …] [--most N]`; not part of the suite.

Each mutant changes one operator, comparison, number or condition of a module and runs the tests of that module in a
forked process. What survives is printed with its line.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_DOSING = ["test_dosing", "test_weights", "test_kidney", "test_supply", "test_recheck"]
_TIMING = ["test_timing", "test_samples", "test_placing", "test_expansion"]
TESTS = {
    "nksim.schedule.dosing": _DOSING,
    "nksim.schedule.bodysize": _DOSING,
    "nksim.schedule.kidney": _DOSING,
    "nksim.schedule.rounding": _DOSING,
    "nksim.schedule.vials": _DOSING,
    "nksim.schedule.bags": _DOSING,
    "nksim.schedule.timing": _TIMING,
    "nksim.units": ["test_units", "test_dosing"],
}
_SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
SECONDS = 150


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, what was changed, and the changed source, for every place that can be changed."""
    tree = ast.parse(source)
    places = [n for n in ast.walk(tree) if not isinstance(n, ast.JoinedStr)]
    typed = {
        id(x) for n in places for a in ("annotation", "returns") if (t := getattr(n, a, None)) for x in ast.walk(t)
    }
    for index, node in enumerate(places):
        if id(node) in typed:
            continue
        for change in _changes(node):
            twin = copy.deepcopy(tree)
            other = [n for n in ast.walk(twin) if not isinstance(n, ast.JoinedStr)][index]
            what = change(other)
            yield getattr(node, "lineno", 0), what, ast.unparse(ast.fix_missing_locations(twin))


def _changes(node: ast.AST) -> Iterator[object]:
    if isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in _SWAPS:
        yield _swap_operator
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
        yield _swap_comparison
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield _add_one
    if isinstance(node, (ast.If, ast.IfExp)):
        yield _negate
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield _drop_sign


def _swap_operator(node: ast.BinOp | ast.BoolOp) -> str:
    before = ast.unparse(node)
    node.op = _SWAPS[type(node.op)]()
    return f"{before}  ->  {ast.unparse(node)}"


def _swap_comparison(node: ast.Compare) -> str:
    before = ast.unparse(node)
    node.ops[0] = _SWAPS[type(node.ops[0])]()
    return f"{before}  ->  {ast.unparse(node)}"


def _add_one(node: ast.Constant) -> str:
    node.value += 1
    return f"{node.value - 1}  ->  {node.value}"


def _negate(node: ast.If | ast.IfExp) -> str:
    before = ast.unparse(node.test)
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return f"if {before}  ->  if not ({before})"


def _drop_sign(node: ast.UnaryOp) -> str:
    before = ast.unparse(node)
    node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
    if isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
    return f"{before}  ->  without its sign"


class _Planted(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Loads one module from the changed source."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        return (
            importlib.util.spec_from_loader(name, self, origin=self.get_filename(name)) if name == self.name else None
        )

    def get_filename(self, fullname: str) -> str:
        return str(ROOT / (fullname.replace(".", "/") + ".py"))

    def get_data(self, path: str) -> bytes:
        return self.source.encode()


def killed(module: str, source: str) -> bool:
    """Whether the module's tests fail on the changed source; a run that never ends counts as caught."""
    child = os.fork()
    if child == 0:
        _run_tests(module, source)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(SECONDS)
    status = os.waitpid(child, 0)[1]
    signal.alarm(0)
    return status != 0


def _run_tests(module: str, source: str) -> None:
    import pytest
    from hypothesis import settings

    settings.register_profile("mutation", max_examples=20, deadline=None, database=None, derandomize=True)
    settings.load_profile("mutation")
    sys.meta_path.insert(0, _Planted(module, source))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    files = [str(ROOT / "tests" / f"{name}.py") for name in TESTS[module]]
    os._exit(
        int(
            pytest.main(
                [
                    "-x",
                    "-q",
                    "-W",
                    "ignore",
                    "-o",
                    "addopts=",
                    "-o",
                    "filterwarnings=",
                    "-p",
                    "no:cacheprovider",
                    *files,
                ]
            )
            != 0
        )
    )


def main() -> None:
    """Plants the slips and reports, module by module, how many were caught."""
    for name in ("click", "hypothesis", "icalendar", "pint", "pydantic", "pytest", "yaml"):
        importlib.import_module(name)  # once, before forking

    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--most", type=int, default=10_000, help="at most so many mutants of each module, at random")
    given = parser.parse_args()
    caught = total = 0
    for module in given.modules or TESTS:
        source = (ROOT / (module.replace(".", "/") + ".py")).read_text()
        planted = list(mutants(source))
        chosen = random.Random(1).sample(planted, min(given.most, len(planted)))
        if killed(module, source):
            raise SystemExit(f"{module}: its tests fail without any change")
        survivors = [(line, what) for line, what, changed in chosen if not killed(module, changed)]
        caught, total = caught + len(chosen) - len(survivors), total + len(chosen)
        print(f"{module}: {len(chosen) - len(survivors)} of {len(chosen)} caught ({len(planted)} in all)", flush=True)
        for line, what in sorted(survivors):
            print(f"  line {line}: {what}", flush=True)
    print(f"all: {caught} of {total} caught, {100 * caught / total:.1f} %")


if __name__ == "__main__":
    main()
