"""A population summed up in chunks is the population, whatever the chunks."""

import numpy as np
import pytest
from scale_cases import SETTINGS, job

from nksim.contributions import contributions
from nksim.errors import UsageError
from nksim.logistics import logistics
from nksim.metrics import measure
from nksim.regimen import protocol
from nksim.run import compare, simulate
from nksim.scale.summary import summarise

N = 70


@pytest.fixture(scope="module")
def whole():
    return summarise(job(), N)


def test_metrics_are_those_of_the_population_held_whole(whole):
    held = measure(job().chunk(0, N))
    for name, values in whole.measured.items():
        assert values.values.tobytes() == held[name].values.tobytes(), name
        assert (values.unit, values.missing, values.note) == (held[name].unit, held[name].missing, held[name].note)


def test_bands_are_those_of_the_population_held_whole_within_half_a_percent(whole):
    held = job().chunk(0, N)
    assert whole.output_names == held.output_names
    for name in held.output_names:
        (mean, bands), (means, quantiles) = whole.bands(name, (0.05, 0.5, 0.95)), held.bands(name, (0.05, 0.5, 0.95))
        np.testing.assert_allclose(mean, means, rtol=1e-8, atol=2e-12)
        np.testing.assert_allclose(bands, quantiles, rtol=0.004, atol=2e-12)


def test_the_bounds_of_the_population_are_kept(whole):
    held = job().chunk(0, N).population
    assert len(whole.population) == N
    assert whole.population.age_y.tolist() == [held.age_y.min(), held.age_y.max()]
    assert whole.population.weight_kg.tolist() == [held.weight_kg.min(), held.weight_kg.max()]


def test_progress_is_told_to_the_last_patient():
    told = []
    summarise(job(), 30, chunk=8, progress=lambda done, total: told.append((done, total)))
    assert told == [(8, 30), (16, 30), (24, 30), (30, 30)]


@pytest.fixture
def small(monkeypatch):
    """Few patients already count as many."""
    monkeypatch.setattr("nksim.simulation.MOST_VALUES", 1000)


def test_a_large_run_prints_what_a_small_one_prints_and_says_how(small, monkeypatch):
    large = simulate(protocol("nkaml"), n=25, seed=3, settings=SETTINGS)
    monkeypatch.undo()
    held = simulate(protocol("nkaml"), n=25, seed=3, settings=SETTINGS)
    note = "  quantiles by time come from histograms and are within 0.4 % of the exact ones\n"
    assert str(large).replace(note, "") == str(held)
    assert note in str(large)
    assert large.summary_csv().splitlines()[0] == held.summary_csv().splitlines()[0]
    assert large.chart("donor_nk").to_dict()["vconcat"]


def test_large_regimens_are_compared_in_the_same_patients(small, monkeypatch):
    p = protocol("nkaml")
    large = compare(p, p.change("cells.days", "0, 7"), n=25, settings=SETTINGS)
    monkeypatch.undo()
    held = compare(p, p.change("cells.days", "0, 7"), n=25, settings=SETTINGS)
    assert repr(large.comparison.differences) == repr(held.comparison.differences)


def test_drugs_cells_and_vials_of_a_large_run_are_those_of_its_patients(small, monkeypatch):
    p = protocol("nkaml")
    large = simulate(p, n=25, seed=3, settings=SETTINGS)
    monkeypatch.setattr("nksim.scale.execution.MOST_DOSED", 10)
    larger = simulate(p, n=25, seed=3, settings=SETTINGS)
    monkeypatch.undo()
    held = simulate(p, n=25, seed=3, settings=SETTINGS)
    ours, theirs = ([u.amount.values.tolist() for u in logistics(r.simulation).uses] for r in (large, held))
    assert ours == theirs
    assert [u.amount.values.tolist() for u in logistics(larger.simulation).uses] == [x[:10] for x in theirs]
    note = "amounts and vials of drugs and cells are those of the first 10 patients"
    assert [note in r.simulation.assumptions for r in (large, larger, held)] == [False, True, False]


def test_a_large_run_has_its_report_and_says_whose_curves_each_infusion_s_are(small, monkeypatch, tmp_path):
    pytest.importorskip("altair")
    p = protocol("nkaml").change("cells.days", "0, 7")
    large = simulate(p, n=25, seed=3, settings=SETTINGS)
    monkeypatch.setattr("nksim.contributions.MOST_PATIENTS", 10)
    large.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "What each infusion adds: nkaml" in page
    assert "steps a patient" not in page
    found, chart = contributions(large.simulation), large.contributions()
    monkeypatch.undo()
    few = simulate(p, n=10, seed=3, settings=SETTINGS)
    assert [m.tolist() for m in found.medians] == [m.tolist() for m in contributions(few.simulation).medians]
    assert "Median of the first 10 virtual patients" in str(chart.to_dict()["title"])
    assert "Median of the same virtual patients" in str(few.contributions().to_dict()["title"])


@pytest.mark.parametrize("asked", [{"sensitivity": "persistence_d"}, {"uncertainty": 2}])
def test_what_needs_curves_says_that_parts_do_not_hold_them(asked, tmp_path):
    with pytest.raises(UsageError, match=r"NK6(47|69).*\n.*no --parts"):
        simulate(protocol("nkaml"), n=5, settings=SETTINGS, parts=tmp_path, **asked)
