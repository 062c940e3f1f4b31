"""What stops an engine: a value that is no number, steps that become too small or too many; and a machine without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kinetic_cases import CURRENT, ENGINES, GRID, built, mixed_case

from nksim.cli import run
from nksim.errors import ModelFailure, UsageError
from nksim.kinetics import native, reference, stepping
from nksim.settings import Settings
from nksim.simulation import engine_used

ROOT = Path(__file__).parents[2]
SMALL = ["simulate", "nkaml", "--assume", "-n", "3", "--days", "10", "--every", "12h"]


def with_extreme(rows=(3,), **values):
    case = mixed_case(5, 14)
    for name, value in values.items():
        case.parameters[name][list(rows)] = value
    return case


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize(
    ("extreme", "named"),
    [
        # Killing so fast that a stage overshoots below 0, whose logarithm is no number, however small the step.
        ({"kf": 1e200}, r"kf=1e\+200"),
        ({"kf": 1.7e308}, r"kf=1\.7e\+308"),
        # Killing within less than the smallest step.
        ({"kc": 1e16}, r"kc=1e\+16"),
    ],
)
def test_a_step_that_cannot_be_taken_names_patient_and_parameters(extreme, named, monkeypatch):
    # The patient's number is that in the whole call, whatever the engine makes its parts of.
    monkeypatch.setattr("nksim.kinetics.engine._CHUNK", 2)
    case = with_extreme(**extreme)
    with pytest.raises(ModelFailure, match=rf"(?s)NK601.*patient 3: .* at day -[67] .*{named}") as caught:
        case.solve()
    assert caught.value.faults[0].code == "NK601"
    assert "T0=" in str(caught.value)
    # The others can be solved.
    assert case.only([0, 1, 2, 4]).solve()["alc"].shape == (4, GRID.size)


@pytest.mark.usefixtures("each_engine")
def test_a_patient_keeps_its_number_among_others():
    with pytest.raises(ModelFailure, match=r"NK601.*patient 3: "):
        with_extreme(kc=1e16).only([4, 3]).solve()


@pytest.mark.usefixtures("each_engine")
def test_too_many_steps_are_stopped_and_name_patient_and_parameters(monkeypatch):
    # IL-15 that comes and goes 1e7 times a day is stable only in steps of a hundredth of a second.
    monkeypatch.setattr(stepping, "MOST_STEPS", 1000)
    limit = 1000 if CURRENT["solve"] is ENGINES["numpy"] else 100_000
    with pytest.raises(
        ModelFailure, match=rf"(?s)NK601.*patient 3: {limit + 1} steps came no farther than day .*kI=1e\+07"
    ):
        with_extreme(kI=1e7).solve()


@built
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("instructions", native.VARIANTS)
def test_the_first_hopeless_patient_is_named_whatever_the_threads(threads, instructions):
    case = mixed_case(30, 14)
    case.parameters["kf"][[11, 23]] = 1e200
    with pytest.raises(ModelFailure, match=r"(?s)NK601.*patient 11:.*kf=1e\+200"):
        native.solve(case.events, case.parameters, case.covariates, GRID, threads=threads, instructions=instructions)


@pytest.mark.parametrize("value", [1e200, 1e30])
def test_the_reference_names_patient_and_parameters(value):
    case = with_extreme(kf=value)
    with pytest.raises(ModelFailure, match=r"(?s)NK602.*patient 3: .* after day -6.*kf=1e\+"):
        reference.solve(case.events, case.parameters, case.covariates, np.array([-7.0, 0.0, 5.0]))


def test_without_it_auto_is_numpy_and_asking_for_it_is_refused(monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    assert engine_used("auto") == "numpy"
    with pytest.raises(UsageError, match="NK646"):
        engine_used(Settings(engine="native").engine)
    case = mixed_case(1, 1)
    with pytest.raises(ModelFailure, match="NK603"):
        native.solve(case.events, case.parameters, case.covariates, GRID)
    assert native.variant() == "none"


ANSWERS = ["--set", "jk500:cells.dose=1e7 cells/kg", "--set", "jk500:cells.days=0"]


@pytest.mark.parametrize(
    "args",
    [SMALL, ["compare", "nkaml", "jk500", *ANSWERS, *SMALL[2:]], [*SMALL, "--parts", "parts"]],
    ids=["simulate", "compare", "parts"],
)
def test_the_fallback_says_so_once(args, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(native, "library", lambda: None)
    assert run(args) == 0
    assert capsys.readouterr().err.count("native engine was not built") == 1


def test_who_asks_for_numpy_is_told_nothing(monkeypatch, capsys):
    monkeypatch.setattr(native, "library", lambda: None)
    assert run([*SMALL, "--engine", "numpy"]) == 0
    assert capsys.readouterr().err == ""


def test_a_whole_process_without_it_gives_what_numpy_gives():
    def printed(*more, **environment):
        done = subprocess.run(
            [sys.executable, "-c", "from nksim.cli import main; main()", *SMALL, *more],
            env={**os.environ, **environment}, capture_output=True, encoding="utf-8", check=True,
        )  # fmt: skip
        return done.stdout, done.stderr

    plain, asked = printed(NKSIM_NATIVE="0"), printed("--engine", "numpy")
    assert plain[1].count("native engine was not built") == 1
    assert asked[1] == ""
    assert [line for line in plain[0].splitlines() if "engine" not in line] == [
        line for line in asked[0].splitlines() if "engine" not in line
    ]


# Builds what setup.py asks for and nothing else, as an installation does.
BUILD = """
import runpy, sys, setuptools
asked = {}
setuptools.setup = lambda **more: asked.update(more)
runpy.run_path("setup.py")
command = setuptools.Distribution({"name": "nksim", **asked}).get_command_obj("build_ext")
command.build_lib = command.build_temp = sys.argv[1]
command.ensure_finalized()
command.run()
"""


@pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="an installed package is not built")
def test_without_a_compiler_the_build_goes_on_without_the_native_engine(tmp_path):
    # The whole installation without one is tried by .ci/run.
    pytest.importorskip("setuptools")
    environment = {**os.environ, "CC": "false", "CXX": "false"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nksim.kinetics._native" in done.stdout + done.stderr
    assert list(tmp_path.rglob("_native*")) == []
