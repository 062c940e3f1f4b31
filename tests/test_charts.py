"""Charts say what they show, what they rest on, and nothing that the data do not."""

import csv

import pytest

import nksim
from nksim.errors import UsageError
from nksim.output.charts import FLOORS, rendered
from nksim.simulation import Settings


@pytest.fixture(scope="module")
def nkaml():
    return nksim.protocol("nkaml").simulate(n=5, seed=1, settings=Settings(days=30, every_d=0.5))


def drawn(chart):
    """The records of the curve (CSV inside the chart) and of the dosing strip."""
    curve, strip = chart.to_dict()["vconcat"]
    text = (curve if "data" in curve else curve["layer"][0])["data"]["values"]
    numbers = (
        {k: v if k == "regimen" else float(v) if v else None for k, v in r.items()}
        for r in csv.DictReader(text.splitlines())
    )
    return list(numbers), strip["data"]["values"]


def test_the_curve_is_that_of_the_simulation(nkaml):
    s = nkaml.simulation
    curve, _ = drawn(nkaml.chart("alc"))
    at_7 = next(r for r in curve if r["time_d"] == 7)
    column = sorted(s.outputs["alc"][:, list(s.times_d).index(7)])
    assert at_7["p50"] == pytest.approx(column[2])


def test_the_strip_has_a_tick_for_every_dose(nkaml):
    _, strip = drawn(nkaml.chart())
    assert len(strip) == 13
    assert {r["line"] for r in strip} == {"cy", "flu", "cells", "il2"}


def test_a_median_below_the_axis_is_not_drawn_on_its_foot(nkaml):
    curve, _ = drawn(nkaml.chart())
    assert all(r["p50"] is None or r["p50"] >= FLOORS["nk_chimerism"] for r in curve)
    assert curve[0]["p50"] is None


def test_the_chart_names_assumed_doses_the_limit_and_its_provenance(nkaml):
    svg = rendered(nkaml.chart(), "svg").decode()
    for text in (
        "nkaml, assumed: cells.dose, il2.days",
        "limit of detection 1 %",
        "Modelled, not measured",
        "seed 1",
        nkaml.simulation.choice.protocol.sha256[:12],
    ):
        assert text in svg


def test_an_unknown_output_is_refused(nkaml):
    with pytest.raises(UsageError, match="no chart of"):
        nkaml.chart("mood")


def test_nothing_is_fetched_from_a_network(nkaml):
    assert "http" not in str(nkaml.chart().to_dict()).replace("https://vega.github.io/schema", "")
