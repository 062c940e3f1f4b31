"""The bar: on a terminal, for long work, for all regimens together, and nowhere else."""

import re
from types import SimpleNamespace

import pytest

from nksim.cli import options, run
from nksim.scale import held

ARGS = "nkaml --assume -n 25 --days 20 --every 1d --engine numpy".split()
SIMULATE, COMPARE = ["simulate", *ARGS], ["compare", *ARGS, "--vary", "cells.days=0|0, 7"]


@pytest.fixture
def long(monkeypatch):
    """Ten patients at a time, and no time is too short for a bar."""
    monkeypatch.setattr("nksim.scale.memory.CHUNK", 10)
    monkeypatch.setitem(held._CHUNKS, "numpy", 10)
    monkeypatch.setattr(options, "PATIENCE_S", 0)


@pytest.fixture(params=["held", "summed"])
def either(request, monkeypatch):
    if request.param == "summed":
        monkeypatch.setattr("nksim.simulation.MOST_VALUES", 1)
    return request.param


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(options, "sys", SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True)))


def bars(err):
    return [tuple(map(int, found)) for found in re.findall(r"simulating \[[#-]{30}\] (\d+) of (\d+)", err)]


@pytest.mark.parametrize("args", [SIMULATE, COMPARE], ids=["simulate", "compare"])
def test_no_bar_is_drawn_where_nobody_looks(long, either, capsys, args):
    assert run(args) == 0
    assert capsys.readouterr().err == ""


def test_simulate_draws_a_bar_to_its_end(long, either, terminal, capsys):
    assert run([*SIMULATE, "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    # What is summed up is shared out evenly.
    assert bars(err) == [(k, 25) for k in ((10, 20, 25) if either == "held" else (9, 18, 25))]
    assert err.endswith(f"simulating [{'#' * 30}] 25 of 25\n")
    assert "simulating" not in out


def test_compare_draws_one_bar_for_all_regimens(long, either, terminal, capsys):
    assert run([*COMPARE, "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    ends = (10, 20, 25) if either == "held" else (9, 18, 25)
    assert bars(err) == [(before + k, 50) for before in (0, 25) for k in ends]
    assert err.count("\n") == 1
    assert "simulating" not in out


@pytest.mark.parametrize("args", [SIMULATE, COMPARE], ids=["simulate", "compare"])
def test_parts_draw_it_too(long, terminal, capsys, monkeypatch, tmp_path, args):
    monkeypatch.setattr("nksim.scale.execution.PART", 10)
    assert run([*args, "--workers", "1", "--parts", str(tmp_path / "p")]) == 0
    drawn = bars(capsys.readouterr().err)
    assert drawn[-1] == ((25, 25) if args is SIMULATE else (50, 50))
    assert drawn == sorted(drawn)


def test_writing_curves_has_a_bar_of_its_own(long, terminal, capsys, monkeypatch, tmp_path):
    pytest.importorskip("pyarrow")
    assert run([*SIMULATE, "-o", str(tmp_path / "x.parquet")]) == 0
    assert f"writing [{'#' * 30}] 25 of 25\n" in capsys.readouterr().err


def test_what_is_done_at_once_has_none(terminal, capsys):
    assert run(SIMULATE) == 0
    assert capsys.readouterr().err == ""
