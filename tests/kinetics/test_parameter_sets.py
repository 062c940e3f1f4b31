"""The parameter set that ships, its reader, and the drawing of individuals."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml

import nksim.kinetics
from nksim.errors import InvalidInput
from nksim.kinetics.drugs import DRUG_PARAMETERS
from nksim.kinetics.model import MODEL
from nksim.kinetics.parameters import draw, load, typical
from nksim.kinetics.reading import read

FILE = Path(nksim.kinetics.__file__).parent / "sets" / "model1.yaml"
PRESETS = ("haplo_fresh", "haplo_expanded", "ciml", "ipsc", "ipsc_il15rf", "carnk", "carnk_il15", "graft_donor")


def test_the_set_holds_exactly_the_parameters_of_model_and_drugs():
    assert set(load().defaults) == {*MODEL.parameters, *DRUG_PARAMETERS}


def test_every_source_is_used_and_every_parameter_says_why():
    parameter_set = load()
    text = FILE.read_text()
    assert all(p.why and p.source in parameter_set.sources for p in parameter_set.defaults.values())
    assert all(text.count(name) >= 2 for name in parameter_set.sources)


def test_the_hash_is_that_of_the_file():
    assert load().sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()


def test_products_differ_from_the_default_where_the_file_says_so():
    assert load().preset_ids == PRESETS
    assert load().parameters("ciml")["E15"].value == 20
    assert load().parameters("ciml")["kL"] == load().defaults["kL"]
    assert load().parameters("graft_donor")["kr0"].value == load().parameters("graft_donor")["krS"].value == 0


def test_assumptions_are_counted_by_product():
    assert "kr0" in load().assumed("haplo_fresh")
    assert "f_v1" not in load().assumed("haplo_fresh")
    # pmax is calibrated for the product of NKAML and assumed for the others.
    assert "pmax" not in load().assumed("haplo_fresh")
    assert "pmax" in load().assumed("carnk")


def test_an_unknown_set_or_product_is_refused():
    with pytest.raises(InvalidInput, match=r"(?s)NK650.*haplo_fresh"):
        load().parameters("magic")
    with pytest.raises(InvalidInput, match="NK653"):
        load("../secret")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t["parameters"]["kc"].pop("basis"), "parameter kc: key 'basis' is missing"),
        (lambda t: t["parameters"]["kc"].update(note="x"), "parameter kc: key 'note' is not known"),
        (lambda t: t["parameters"]["kc"].update(value=float("nan")), "parameter kc: nan is not a finite number"),
        (lambda t: t["parameters"]["kc"].update(value=True), "parameter kc: True is not a finite number"),
        (lambda t: t["parameters"]["kc"].update(value=9), "parameter kc: value 9 is not within its range"),
        (lambda t: t["parameters"]["kc"].update(cv=-1), "parameter kc: cv -1 is negative"),
        (lambda t: t["parameters"]["kc"].update(basis="guess"), "parameter kc: 'guess' is none of published"),
        (lambda t: t["parameters"]["kc"].update(source="nobody"), "parameter kc: 'nobody' is none of"),
        (lambda t: t["parameters"]["kc"].update(shares="nobody"), "kc: cannot share the random number of 'nobody'"),
        (lambda t: t["parameters"]["kbt"].update(transform="logit"), "kbt: 10 is not a fraction"),
        (lambda t: t["presets"]["ipsc"]["overrides"]["pmax"].update(value=8), "preset ipsc, parameter pmax: value 8"),
        (lambda t: t["presets"]["ipsc"]["overrides"].update(zz={}), "preset ipsc, parameter zz: is not in the set"),
        (lambda t: t.pop("sources"), "set x: key 'sources' is missing"),
    ],
)
def test_a_faulty_set_is_refused_by_name(change, complaint):
    tree = yaml.safe_load(FILE.read_text())
    change(tree)
    with pytest.raises(InvalidInput) as error:
        read(yaml.safe_dump(tree).encode(), "x")
    assert complaint in str(error.value)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\xff", b"[]", b""])
def test_bytes_that_are_no_set_are_refused(content):
    with pytest.raises(InvalidInput, match="NK65"):
        read(content, "x")


def test_draws_have_the_stated_median_and_spread():
    parameters = load().parameters("haplo_fresh")
    rng = np.random.default_rng(1)
    drawn = draw(parameters, {name: rng.standard_normal(200_000) for name in load().varying("haplo_fresh")})
    for name in ("T0", "kr0", "f_v1", "kc"):
        assert np.median(drawn[name]) == pytest.approx(parameters[name].value, rel=0.01)
        assert drawn[name].std() / drawn[name].mean() == pytest.approx(parameters[name].cv, rel=0.03)
    assert np.unique(drawn["kbt"]).tolist() == [10.0]


@pytest.mark.parametrize("name", ["fsurv", "fb", "il2_f"])
def test_fractions_stay_fractions_however_extreme_the_patient(name):
    parameters = load().parameters("haplo_fresh")
    z = np.array([-8.0, 0.0, 8.0])
    value = draw(parameters, dict.fromkeys(load().varying("haplo_fresh"), z))[name]
    assert 0 < value[0] < value[1] < value[2] < 1
    assert value[1] == parameters[name].value


def test_a_fraction_has_the_stated_spread_on_the_scale_of_its_odds():
    # By hand: sqrt(log(1 + 0.4^2)) / (1 - 0.5) = 0.77050, and 1 / (1 + exp(-0.77050)) = 0.68363.
    parameters = load().parameters("haplo_fresh")
    drawn = draw(parameters, dict.fromkeys(load().varying("haplo_fresh"), np.ones(1)))
    assert drawn["fsurv"][0] == pytest.approx(0.68363, abs=2e-5)


def test_shared_random_numbers_move_parameters_together():
    parameters = load().parameters("haplo_fresh")
    rng = np.random.default_rng(2)
    drawn = draw(parameters, {name: rng.standard_normal(9) for name in load().varying("haplo_fresh")})
    ratio = {name: drawn[name] / p.value for name, p in parameters.items() if p.value > 0}
    for name in ("f_cl_renal", "f_q2", "f_q3"):
        np.testing.assert_allclose(ratio[name], ratio["f_cl_nonrenal"], rtol=1e-12)
    np.testing.assert_allclose(ratio["f_v2"], ratio["f_v1"], rtol=1e-12)
    assert not np.allclose(ratio["f_v1"], ratio["f_cl_nonrenal"])


@pytest.mark.parametrize("normals", [{}, {"kc": np.zeros(1)}, {"zz": np.zeros(1)}])
def test_missing_and_superfluous_random_numbers_are_refused(normals):
    with pytest.raises(InvalidInput, match="NK651"):
        draw(load().parameters("haplo_fresh"), normals)


def test_a_typical_patient_is_everybodys_median():
    parameters = load().parameters("ciml")
    middle = draw(parameters, {name: np.zeros(2) for name in load().varying("ciml")})
    for name, value in typical(parameters, 2).items():
        np.testing.assert_allclose(middle[name], value, rtol=1e-14)
