"""Charts say what they show, what they rest on, and nothing that the data do not."""

import csv

import pytest

import nksim
from nksim.errors import UsageError
from nksim.output import charts
from nksim.output.charts import FLOORS, rendered
from nksim.settings import Settings


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


@pytest.fixture(scope="module")
def many():
    base = nksim.protocol("nkaml")
    days = ("0, 3", "0, 5", "0, 7", "0, 7, 14")
    return nksim.compare(
        base, *[base.change("cells.days", d) for d in days], n=6, settings=Settings(days=30, every_d=0.5),
        goals=["persistence_d >= 14"],
    )  # fmt: skip


def test_many_regimens_have_bars_on_days_of_their_own_and_no_bands(many):
    layers = many.chart("donor_nk").to_dict()["vconcat"][0]["layer"]
    assert "area" not in {layer["mark"]["type"] for layer in layers}
    text = next(layer["data"]["values"] for layer in layers if "letter" in str(layer.get("data")))
    bars = list(csv.DictReader(text.splitlines()))
    assert {b["letter"] for b in bars} == set("ABCDE")
    assert len({b["time_d"] for b in bars}) == len(bars)
    named = dict(zip("ABCDE", many.comparison.simulations, strict=True))
    for bar in bars:
        s = named[bar["letter"]]
        column = s.outputs["donor_nk"][:, list(s.times_d).index(float(bar["time_d"]))]
        # The 95 % of six values lies a quarter below the highest (numpy's linear rule, position 4.75).
        ordered = sorted(column)
        assert float(bar["p95"]) == pytest.approx(ordered[4] + 0.75 * (ordered[5] - ordered[4]), rel=1e-6)


def attainment_records(chart):
    found = chart.to_dict()["layer"]
    text = next(x["data"]["values"] for x in found if x["mark"]["type"] == "line")
    rules = [x["data"]["values"][0] for x in found if x["mark"]["type"] == "rule"]
    return list(csv.DictReader(text.splitlines())), rules


def test_a_reference_line_crosses_the_curve_at_the_probability_of_the_table(many):
    records, rules = attainment_records(many.chart("attainment"))
    assert [(r["x"], r["text"]) for r in rules] == [(14.0, ">= 14: your goal")]
    for letter, found in zip("ABCDE", many.comparison.metrics, strict=True):
        curve = [r for r in records if r["regimen"].startswith(letter)]
        reached = sum(v >= 14 for v in found["persistence_d"].values)
        at = min((float(r["share"]) for r in curve if float(r["x"]) < 14), default=1.0)
        after = max((float(r["share"]) for r in curve if float(r["x"]) >= 14), default=0.0)
        assert after == pytest.approx(reached / 6)
        assert at >= after


def test_published_cut_offs_are_reference_lines_and_regimens_of_one_area_share_a_curve(many):
    values = [m["f_ara_a_auc"] for m in many.comparison.metrics]
    made = charts.attainment(values, [s.label for s in many.comparison.simulations], many.provenance)
    records, rules = attainment_records(made)
    assert [r["text"] for r in rules] == ["13.8: Fabrizio 2022", "14: Dekker 2022", "20: Langenhorst 2019"]
    assert {r["regimen"] for r in records} == {"A, B, C, D, E  (the same)"}
    assert "the same in every regimen" in made.to_dict()["usermeta"]["notes"][0]


def test_a_chart_that_was_not_asked_for_says_what_to_add(many, nkaml):
    for made, name, words in (
        (many, "pareto", "--pareto"),
        (many, "tornado", "--sensitivity"),
        (nkaml, "forest", "compare"),
    ):
        with pytest.raises(UsageError, match="NK710") as refused:
            made.chart(name)
        assert words in str(refused.value)
    assert len(many.chart("strips").to_dict()["data"]["values"]) == sum(
        len(s.typical.doses) for s in many.comparison.simulations
    )
    assert "2 infusions" in str(many.chart("contributions").to_dict())
