"""`nksim qualify`: the reference cases hold, a slip is found, and published exposures stand beside the model's."""

import csv
import json
import math
from importlib import resources

import numpy as np
import pytest

from nksim import patient
from nksim.cli import run
from nksim.kinetics import engine
from nksim.output import qualification as words
from nksim.qualification import drugs, laws, tables
from nksim.qualification.check import Check
from nksim.qualification.exposures import NEAR, exposures
from nksim.qualification.outcome import credibility, qualify


@pytest.fixture(scope="module")
def outcome():
    return qualify()


@pytest.fixture(scope="module")
def by_id():
    return {e.id: e for e in exposures()}


def test_everything_holds_and_nothing_is_empty(outcome):
    assert outcome.failed == ()
    assert {c.group for c in outcome.checks} == {"drugs", "tables", "engines", "laws", "calendars"}
    assert min(c.count for c in outcome.checks) >= 2
    assert sum(c.count for c in outcome.checks if c.group == "drugs") >= 170


def test_a_slip_in_a_body_surface_is_found(monkeypatch):
    monkeypatch.setitem(patient.BSA_FORMULAS, "dubois", lambda h, w: 0.007184 * h**0.725 * w**0.4251)
    monkeypatch.setattr(tables, "BSA_FORMULAS", patient.BSA_FORMULAS)
    assert [c.name for c in tables.checks() if not c.passed] == ["body surface by six formulas"]


def test_a_slip_in_a_clearance_is_found(monkeypatch):
    monkeypatch.setitem(drugs.TEXTBOOK, "cy_cl", 10.0001)
    monkeypatch.setattr(drugs, "engines", lambda: {"numpy": engine.solve})
    assert [c.passed for c in drugs.checks()] == [False, True]


def test_an_engine_that_looks_at_its_neighbours_is_found(monkeypatch):
    def nosy(events, values, covariates, times, **more):
        return engine.solve(
            events, {**values, "dD": np.full_like(values["dD"], values["dD"].mean())}, covariates, times, **more
        )

    monkeypatch.setattr(laws, "engines", lambda: {"nosy": nosy})
    failed = [c.name for c in laws.checks() if not c.passed]
    assert failed == ["the nosy engine against SciPy at 1e-11", "any batch and order gives the same bits (nosy)"]


@pytest.mark.parametrize(
    ("worst", "count", "passed"), [(0.0, 1, True), (1.0, 1, True), (1.1, 1, False), (0.0, 0, False)]
)
def test_a_check_passes_up_to_its_limit_and_never_when_empty(worst, count, passed):
    assert Check("g", "n", "s", "m", worst, 1.0, count).passed == passed


def test_exposures_follow_from_the_published_parameters(by_id):
    """Induction is 1.88 and 2.25 (Chinnaswamy 2011); IL-2 absorbed at 0.21/h and gone at 0.489/h peaks 0.45 + ln(0.489/0.21)/0.279 h on."""
    assert by_id["cy_induction_2"].simulated == pytest.approx(1.88, rel=1e-6)
    assert by_id["cy_induction_3"].simulated == pytest.approx(2.25, rel=1e-6)
    assert by_id["il2_tmax"].simulated == pytest.approx(0.45 + math.log(0.489 / 0.21) / (0.489 - 0.21), abs=0.06)
    # Median AUC = F x dose / CL with CL = 17.4 L/h x BSA / 1.8: the same for every body where the dose is per m2.
    assert by_id["il2_auc_once"].simulated == pytest.approx(0.37 * 20e6 / (17.4 / 1.8) / 1000, rel=0.05)
    assert by_id["cy_half_life_1"].simulated == pytest.approx(math.log(2) * 28.5 / 4.3, rel=0.05)


def test_every_line_names_its_source_and_what_was_read():
    text = resources.files("nksim.qualification").joinpath("reference", "exposures.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(x for x in text.splitlines() if not x.startswith("#")))
    assert len(lines) == len({x["id"] for x in lines}) >= 15
    assert all(x["source"] and x["read"] in ("source", "secondary") and int(x["n"]) > 0 for x in lines)
    assert all(x["center"] or (x["low"] and x["high"]) for x in lines)


def test_a_miss_is_a_median_outside_80_to_125_percent_or_outside_the_range(by_id):
    assert NEAR == (0.8, 1.25)
    assert by_id["f_auc_adults"].met
    assert not by_id["cy_half_life_4"].met
    assert by_id["il2_cmax_18"].published is None
    assert by_id["il2_cmax_18"].met == (21.9 <= by_id["il2_cmax_18"].simulated <= 112.9)


def test_every_miss_is_named_in_every_format(outcome):
    page, text = words.page(outcome), words.as_text(outcome)
    held = json.loads(words.as_json(outcome))
    assert outcome.missed
    for e in outcome.missed:
        assert f"Missed: {e.quantity} of {e.drug} in {e.population}" in text
        assert any(
            e.quantity in b.text and e.drug in b.text
            for _, bs in page.sections
            for b in bs
            if isinstance(b, words.Text)
        )
    assert [e["id"] for e in held["exposures"] if not e["met"]] == [e.id for e in outcome.missed]
    assert held["passed"] is True


def test_the_report_says_what_it_is_for_and_what_was_not_done(outcome):
    headings = [h for h, _ in words.page(outcome).sections]
    for heading in ("Context of use", "Verification", "Validation", "What was not done", "Machine and hashes"):
        assert heading in headings
    assert "proves nothing" in credibility()


def test_the_command_writes_its_report_and_fails_with_a_failing_case(tmp_path, capsys, monkeypatch, outcome):
    monkeypatch.setattr("nksim.qualification.outcome.qualify", lambda progress=None: outcome)
    file = tmp_path / "q.html"
    assert run(["qualify", "-o", str(file), "-o", str(tmp_path / "q.json")]) == 0
    assert "reference cases hold on this machine" in capsys.readouterr().out
    html = file.read_text(encoding="utf-8")
    assert '<h2 id="s1">Result</h2>' in html
    assert "<script" not in html
    broken = type(outcome)(
        (*outcome.checks, Check("laws", "made to fail", "here", "x", 2.0, 1.0, 1)),
        outcome.exposures, outcome.machine, outcome.sets, outcome.protocols,
    )  # fmt: skip
    monkeypatch.setattr("nksim.qualification.outcome.qualify", lambda progress=None: broken)
    assert run(["qualify"]) == 1
    assert "FAILS" in capsys.readouterr().out
