"""Chimerism of virtual patients as an assay reads it: samples of cells, other lineages, transgene copies."""

import json

import numpy as np
import pytest

from nksim import protocol
from nksim.cli import run as cli
from nksim.errors import UsageError
from nksim.plan import simulate
from nksim.population import virtual_population
from nksim.run import simulate as run
from nksim.settings import Settings

DAYS = Settings(days=28, every_d=1.0, sampled_cells=150)


def nkaml():
    return protocol("nkaml").choice().answered(accept_assumed=True)


def test_a_patient_s_samples_depend_on_nobody_else_and_not_on_the_grid():
    everyone = virtual_population(12, seed=4, age_range_y=(2, 18))
    together = simulate(nkaml(), everyone, seed=4, settings=DAYS).outputs["nk_chimerism_assay"]
    few = everyone.subset([7, 3])
    apart = simulate(nkaml(), few, seed=4, settings=DAYS).outputs["nk_chimerism_assay"]
    assert np.array_equal(together[[7, 3]], apart)
    fine = simulate(nkaml(), everyone, seed=4, settings=Settings(days=28, every_d=0.5, sampled_cells=150))
    assert np.array_equal(fine.outputs["nk_chimerism_assay"][:, ::2], together)
    assert not np.array_equal(
        simulate(nkaml(), everyone, seed=5, settings=DAYS).outputs["nk_chimerism_assay"], together
    )


def test_samples_scatter_around_the_truth_and_no_more_than_a_binomial_does():
    s = simulate(nkaml(), virtual_population(300, seed=1, age_range_y=(2, 18)), seed=1, settings=DAYS)
    day14 = int(np.searchsorted(s.times_d, 7.0))
    true, seen = s.outputs["nk_chimerism"][:, day14], s.outputs["nk_chimerism_assay"][:, day14]
    clear = true > 0.1
    z = (seen - true)[clear] / np.sqrt(true * (1 - true) / 150)[clear]
    assert clear.sum() > 50
    assert abs(z.mean()) < 3 / np.sqrt(clear.sum())
    assert 0.7 < z.std() < 1.3


def test_the_sampling_is_said(capsys):
    assert cli(["simulate", "nkaml", "-n", "3", "--days", "10", "--sampled-cells", "1000", "--loq", "5 %"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "a limit of 1 % and of quantification of 5 %, 1,000 cells looked at" in out
    assert "1,000 cells are looked at anew at every output, every 6 h" in out


def test_counts_and_copies_of_unseparated_blood(tmp_path, capsys):
    """On every line: counted = NK x donor / (lymphocytes + 900), copies = donor x 2 x 151,515 / (lymphocytes + 900)."""
    settings = Settings(days=10, lineage="leukocytes", other_cells=900.0, lod=1e-9, copies_per_cell=2.0)
    regimen = protocol("cd123-carnk")
    for path, value in {
        "cy.dose": "300 mg/m^2", "cy.days": "-5..-3", "flu.dose": "30 mg/m^2", "flu.days": "-5..-3",
    }.items():  # fmt: skip
        regimen = regimen.change(path, value)
    outputs = run(regimen, n=3, settings=settings).simulation.outputs
    donor, host, alc = outputs["donor_nk"], outputs["host_nk"], outputs["alc"]
    shown = donor / (alc + 900) >= 1e-9
    expected = np.where(shown, (donor + host) * donor / (alc + 900), 0)
    assert outputs["donor_nk_counted"] == pytest.approx(expected, rel=1e-12)
    assert outputs["car_copies"] == pytest.approx(donor * 2 * 151515.1515 / (alc + 900), rel=1e-9)


def test_copies_are_of_a_transgene():
    settings = Settings(lineage="leukocytes", other_cells=900.0, copies_per_cell=2.0)
    with pytest.raises(UsageError, match="NK634"):
        run(protocol("nkaml"), n=1, settings=settings)


@pytest.mark.parametrize(
    ("options", "limit"),
    [(["--assay", "STR"], 0.05), (["--assay", "dPCR"], 0.001), (["--lod", "2 %"], 0.02), ([], 0.01)],
)
def test_an_assay_by_name_has_the_limit_reported_for_it(options, limit, capsys):
    assert cli(["simulate", "nkaml", "-n", "1", "--days", "5", "--json", *options]) == 0
    assay = json.loads(capsys.readouterr().out)["regimens"][0]["assay"]
    assert assay == {
        "lineage": "NK", "limit_of_detection": limit, "limit_of_quantification": None, "sampled_cells": None,
        "other_cells_per_ul": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--assay", "STR", "--lod", "1 %"], "NK643"),
        (["--assay", "PCR"], "NK643"),
        (["--loq", "3"], "NK643"),
        (["--lineage", "PBMC"], "NK632"),
        (["--lineage", "PBMC", "--other-cells", "300"], "NK632"),
        (["--other-cells", "300/uL"], "NK632"),
        (["--sampled-cells", "0"], "NK633"),
        (["--copies-per-cell", "2"], "NK634"),
    ],
)
def test_what_is_no_assay_is_refused(options, code, capsys):
    assert cli(["simulate", "nkaml", "-n", "1", "--days", "5", *options]) == 2
    assert f"error[{code}]" in capsys.readouterr().err
