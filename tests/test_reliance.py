"""What share of an answer hangs on assumed parameters. Expected shares are worked by hand from the ranges in the set."""

import math

import pytest

from nksim import protocol
from nksim.kinetics.parameters import load
from nksim.population import virtual_population
from nksim.reliance import reliance
from nksim.run import simulate
from nksim.settings import Settings


def nkaml():
    return protocol("nkaml").choice().answered(accept_assumed=True)


def child():
    return virtual_population(1, seed=1, age_y=8, weight_kg=25, height_cm=128, egfr=140)


def test_the_fludarabine_area_hangs_on_its_two_clearances_as_the_formula_says():
    """Area = dose / (3.24 + 0.782 x 0.06 eGFR): a share is (part of the clearance x ln(high/low))^2, over their sum."""
    (found,) = reliance(nkaml(), child(), names=("f_ara_a_auc",))
    renal = 0.782 * 140 * 0.06
    parts = {
        "f_cl_nonrenal": (3.24 / (3.24 + renal) * math.log(4.9 / 1.6)) ** 2,
        "f_cl_renal": (renal / (3.24 + renal) * math.log(1.0 / 0.57)) ** 2,
    }
    shares = dict(found.shares)
    for name, part in parts.items():
        assert shares[name] == pytest.approx(part / sum(parts.values()), rel=2e-3)
    assert found.spread == pytest.approx(math.sqrt(sum(parts.values())) / 3.919928, rel=2e-3)
    assert found.by_basis["published"] == pytest.approx(1.0, abs=1e-4)


def test_shares_are_of_one_whole_and_the_bases_are_those_of_the_set():
    parameters = load("model2").parameters("haplo_fresh")
    for r in reliance(nkaml(), child()):
        assert sum(share for _, share in r.shares) == pytest.approx(1)
        assert sum(r.by_basis.values()) == pytest.approx(1)
        assumed = sum(share for name, share in r.shares if parameters[name].basis == "assumed")
        assert r.by_basis["assumed"] == pytest.approx(assumed)
        assert [s for _, s in r.shares] == sorted((s for _, s in r.shares), reverse=True)


def test_what_can_not_be_moved_or_is_not_there_has_no_share():
    names = {name for name, _ in reliance(nkaml(), child())[0].shares}
    assert not names & {"f_molar", "f_weight", "atg", "antigen", "pCAR"}


def test_a_metric_that_is_missing_is_left_out():
    assert reliance(protocol("donor-nk-il2").change("cells.dose", "1e9 cells").change("cells.days", "0")
                    .change("il2.dose", "1e6 IU/m^2").change("il2.days", "1").choice().answered(accept_assumed=True),
                    child(), names=("nk_chimerism_d14",)) == ()  # fmt: skip


def test_every_output_says_it():
    run = simulate(protocol("nkaml"), n=3, settings=Settings(days=10))
    assert "of that variance hang" in " ".join(str(run).split())
    assert "of that variance hang" in run.json()
