"""`nksim export`: what other programs read is what nksim simulates."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from nksim.cli import run
from nksim.plan import simulate
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.run import Bodies
from nksim.settings import Settings
from nksim.simulation import age_range

EXPORT = ["export", "nkaml", "--to", "sbml", "--assume", "--days", "40"]


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "nkaml.xml"
    assert run([*EXPORT, "--seed", "3", "--patient", "5", "-o", str(path)]) == 0
    return path


def test_libroadrunner_runs_the_file_to_what_the_reference_simulates(written):
    roadrunner = pytest.importorskip("roadrunner")
    choice = choose(load("nkaml")).answered(accept_assumed=True)
    population = Bodies().population(1, 3, age_range(choice), 5)
    made = simulate(choice, population, seed=3, settings=Settings(days=40, engine="reference"))
    solver = roadrunner.RoadRunner(str(written))
    solver.integrator.absolute_tolerance, solver.integrator.relative_tolerance = 1e-10, 1e-9
    names = ("donor_nk", "host_nk", "alc", "il15")
    days = made.times_d
    found = solver.simulate(-10.0, 40.0, 201, ["time", *names])
    apart = [i for i, day in enumerate(days) if day not in made.events.time_d]
    rows = np.searchsorted(found[:, 0], days - 1e-6)
    assert np.abs(found[rows, 0] - days).max() < 1e-9
    for i, name in enumerate(names, 1):
        np.testing.assert_allclose(found[rows[apart], i], made.outputs[name][0, apart], rtol=1e-6, atol=1e-9)


def test_the_file_says_what_it_rests_on_and_what_it_does_not_carry(written):
    root = ElementTree.parse(written).getroot()
    notes = " ".join(p.text for p in root.iter("{http://www.w3.org/1999/xhtml}p"))
    assert "nkaml sha256" in notes
    assert "assumed: by the protocol file" in notes
    assert "virtual patient 5" in notes
    assert "not carried: the spread between patients" in notes


def test_the_same_command_gives_the_same_bytes_on_stdout(capsys):
    said = []
    for _ in range(2):
        assert run(EXPORT) == 0
        said.append(capsys.readouterr())
    assert said[0] == said[1]
    assert said[0].out.startswith('<?xml version="1.0"')
    assert "sbml does not carry the spread between patients" in said[0].err


def test_an_existing_file_is_kept(written, capsys):
    assert run([*EXPORT, "-o", str(written)]) == 2
    assert "NK701" in capsys.readouterr().err


def test_an_open_question_is_asked_first(capsys):
    assert run(["export", "jk500", "--to", "sbml"]) == 2
    assert "NK501" in capsys.readouterr().err


def test_a_curve_without_equations_is_not_exported(capsys):
    assert run(["export", "nkaml", "--to", "sbml", "--assume", "--model", "empirical"]) == 2
    assert "NK635" in capsys.readouterr().err
