"""Reports, comparison charts and observed points: complete, self-contained, the same bytes again."""

import io
import json
import re

import pytest

import nksim
from nksim.contributions import contributions
from nksim.errors import InvalidInput, UnreadableInput
from nksim.observed import read_observed
from nksim.output import charts
from nksim.output.report import as_html
from nksim.output.report_pdf import as_pdf
from nksim.run import simulate
from nksim.settings import Settings

pytest.importorskip("vl_convert")
SHORT = Settings(days=30, every_d=0.5)
POINTS = """trial,arm,day,analyte,statistic,value,unit,n,source
NKAML,CR1,14,donor_nk_count,median,5.8,cells/uL,10,Rubnitz 2010
NKAML,CR1,14,donor_nk_count,median,5800,cells/mL,10,Rubnitz 2010
UMN,IL2DT,7-14,donor_nk_count,median,1000,cells/uL,4,Bachanova 2014
NKAML,CR1,,donor_chimerism_in_NK,typical,7,%,10,review
NKAML,CR1,14,donor_chimerism_in_NK,typical,7,%,10,review
CIML,all,leukapheresis,ALC,min,600,cells/uL,8,Cubitt
NKAML,CR1,0,nk_dose,median,29000000,cells/kg,10,Rubnitz 2010
"""


@pytest.fixture(scope="module")
def pair():
    base = nksim.protocol("nkaml")
    return nksim.compare(
        base, base.change("cells.days", "0, 7"), n=12, settings=SHORT, goals=["persistence_d >= 14"],
        pareto="persistence_d,-cells_total", sweep="age=3..75", metrics=["persistence_d", "f_ara_a_auc", "cells_total", "ever_detected"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(pair):
    return as_html(pair.report())


def test_the_page_answers_in_the_order_of_the_questions(page):
    assert re.findall(r'<h2 id="s\d+">(.*?)</h2>', page) == [
        "Question", "Regimens in words", "Calendars", "Curves", "Numbers", "Further questions", "What it asks of a hospital",
        "Assumptions and gaps", "How far to believe the model", "Provenance",
    ]  # fmt: skip


def test_the_page_loads_nothing_from_anywhere(page):
    # The chart library may speak of images in a string; the page itself has none, and its policy forbids them.
    markup = re.sub(r"<script(?: [^>]*)?>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=[\"'](?!#)|@import|url\(", markup)
    assert not re.findall(r"<script[^>]+src=", re.sub(r">.*?</script>", ">", page, flags=re.DOTALL))
    assert "default-src 'none'" in page


def test_every_figure_of_the_page_holds_a_chart_that_can_be_drawn(page):
    import vl_convert

    specs = [
        json.loads(s.replace("<\\/", "</"))
        for s in re.findall(r'<script type="application/json">(.*?)</script>', page, flags=re.DOTALL)
    ]
    assert len(specs) == page.count("<figure") >= 11
    for spec in specs[:2]:
        assert vl_convert.vegalite_to_svg(spec).startswith("<svg")


def test_what_the_user_wrote_cannot_become_markup(pair):
    assert "<script>alert" not in as_html(pair.report()).replace("&lt;script&gt;alert", "")


def test_the_page_carries_the_numbers_of_the_comparison(page, pair):
    from nksim.output.numbers import number

    for found in pair.comparison.metrics:
        assert f">{number(found['persistence_d'].median)}</td>" in page
    assert pair.provenance.protocols[0][1] in page


def test_the_same_report_gives_the_same_bytes(pair, page):
    assert as_html(pair.report()) == page
    assert as_pdf(pair.report()) == as_pdf(pair.report())


def test_the_pdf_has_pages_with_text(pair):
    from pypdf import PdfReader

    pages = PdfReader(io.BytesIO(as_pdf(pair.report()))).pages
    text = " ".join(" ".join(p.extract_text() for p in pages).split())
    assert len(pages) >= 8
    for words in ("Question", "Provenance", "Assumptions and gaps"):
        assert words in text


def test_wide_tables_lie_across_under_a_header_on_every_page_and_no_letter_is_too_small_to_read(pair):
    from pypdf import PdfReader

    from nksim.output.report_pdf import _pieces

    pages = PdfReader(io.BytesIO(as_pdf(pair.report()))).pages
    across = [p for p in pages if p.mediabox.width > p.mediabox.height]
    assert across
    assert all("higher in" in " ".join(p.extract_text().split()) for p in across)
    own = [p.svg for p in _pieces(pair.report()) if "<svg" not in p.svg]
    assert min(float(size) for svg in own for size in re.findall(r'font-size="([\d.]+)"', svg)) >= 7.5


def test_the_forest_shows_the_ratios_of_the_comparison(pair):
    spec = pair.forest().to_dict()
    shown = next(iter(layer["data"]["values"] for layer in spec["layer"] if len(layer["data"]["values"]) > 1))
    assert {r["metric"]: r["ratio"] for r in shown}["cells_total"] == pytest.approx(2.0)
    assert "ever_detected" not in {r["metric"] for r in shown}


def test_the_front_of_two_regimens_is_drawn_as_computed(pair):
    made = charts.pareto(pair.comparison.simulations, pair.inquiry.aims, pair.provenance).to_dict()
    records = (made if "data" in made else made["layer"][0])["data"]["values"]
    assert [r["letter"] for r in records] == ["A", "B"]
    assert records[1]["y"] == pytest.approx(2 * records[0]["y"])


def test_assumed_doses_are_open_in_the_strip():
    s = simulate(nksim.protocol("nkaml"), n=2, settings=SHORT).simulation
    strip = charts.calendar_strips([s]).to_dict()["data"]["values"]
    assert {r["line"] for r in strip if r["assumed"]} == {"cells", "il2"}


def test_observed_points_lie_in_the_units_of_the_curve(tmp_path):
    (tmp_path / "points.csv").write_text(POINTS, encoding="utf-8")
    found = read_observed(tmp_path / "points.csv")
    assert [(o.output, o.day, o.value) for o in found] == [
        ("donor_nk", 14, 5.8), ("donor_nk", 14, pytest.approx(5.8)), ("donor_nk", 10.5, 1000), ("nk_chimerism", 14, pytest.approx(0.07)),
    ]  # fmt: skip
    run = simulate(nksim.protocol("nkaml"), n=2, settings=SHORT, observed=tmp_path / "points.csv")
    svg = charts.rendered(run.chart("donor_nk"), "svg").decode()
    assert "Observed, black: ■ NKAML CR1 (Rubnitz 2010); ♦ UMN IL2DT (Bachanova 2014)" in svg


def test_observations_that_cannot_be_read_are_refused_with_their_line(tmp_path):
    path = tmp_path / "points.csv"
    with pytest.raises(UnreadableInput, match="cannot read"):
        read_observed(path)
    path.write_text("day,value\n1,2\n")
    with pytest.raises(InvalidInput, match="no column trial"):
        read_observed(path)
    path.write_text(POINTS + "NKAML,CR1,14,donor_nk_count,median,5.8,mg,10,x\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"points.csv:9: .* is not a value of donor_nk"):
        read_observed(path)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_every_chart_becomes_a_file(pair, form):
    found = contributions(pair.comparison.simulations[1])
    first = {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}[form]
    for chart in (charts.added(found, pair.provenance), charts.swept_curve(pair.inquiry.swept, pair.provenance)):
        assert charts.rendered(chart, form).startswith(first)


def test_results_show_themselves_as_tables_in_a_notebook(pair):
    run = simulate(nksim.protocol("nkaml"), n=2, settings=SHORT)
    calendar = nksim.protocol("nkaml").assume().calendar(
        nksim.Patient(weight="25 kg", height="128 cm", age="8 y"), day0="2027-03-01", tz="Asia/Shanghai"
    )  # fmt: skip
    for made, words in ((run, "persistence_d"), (pair, "ratio to A"), (calendar, "1,500 mg")):
        text = made._repr_html_()
        assert "<table>" in text
        assert words in text
        assert "seed" in text or made is calendar
