"""`nksim models`: what stands in a parameter set, in words. Values are those of the set's file and its sources."""

import json
from pathlib import Path

import pytest
import yaml

import nksim.kinetics
from nksim.cli import run
from nksim.errors import InvalidInput
from nksim.kinetics.reading import read

FILE = Path(nksim.kinetics.__file__).parent / "sets" / "model1.yaml"


def printed(capsys, *args, code=0):
    assert run(["models", *args]) == code
    found = capsys.readouterr()
    return " ".join((found.out if code == 0 else found.err).split())


def test_the_list_counts_parameters_by_where_they_stand(capsys):
    tree = yaml.safe_load(FILE.read_text())
    bases = [p["basis"] for p in tree["parameters"].values()]
    out = printed(capsys, "list")
    counts = " ".join(str(bases.count(b)) for b in ("published", "derived", "assumed", "calibrated"))
    assert f"model1 {tree['title']} {counts} haplo_fresh" in out


def test_every_parameter_is_shown_with_its_range_spread_and_source(capsys):
    out = printed(capsys, "show", "model1")
    tree = yaml.safe_load(FILE.read_text())
    assert all(f"{name} " in out for name in tree["parameters"])
    # Langenhorst 2019: 3.24 L/h (95 % 1.6 to 4.9), CV 23 %, read in nlmixr2lib's transcription.
    assert "f_cl_nonrenal 3.24 L/h 1.6–4.9 log-normal, CV 23% published langenhorst2019 (secondary)" in out
    assert "f_q2 8.6 L/h 7.2–10 log-normal, CV 23%, moving with f_cl_nonrenal" in out
    assert "I0 5 pg/mL 2–8 the same for all assumed kochenderfer2017 (remembered)" in out


def test_a_product_has_values_of_its_own(capsys):
    assert "pmax 0.11 1/d 0.1–0.9 log-normal, CV 30% assumed authors" in printed(
        capsys, "show", "model1", "--product", "ipsc"
    )
    shown = json.loads((run(["models", "show", "model1", "--product", "ipsc", "--json"]), capsys.readouterr().out)[1])
    (pmax,) = [p for p in shown["parameters"] if p["name"] == "pmax"]
    assert (pmax["value"], pmax["basis"], shown["preset"]) == (0.11, "assumed", "ipsc")


def test_why_tells_reason_source_and_how_products_differ(capsys):
    out = printed(capsys, "why", "model1", "pmax")
    assert "basis: calibrated" in out
    assert "tuned by hand to the donor NK count of NKAML on day 14" in out
    assert "J Clin Oncol 28:955; n = 10. · PMC2834435 · read in the source itself" in out
    assert "ciml: 0.5 1/d, assumed: They expand without cytokine given" in out
    assert "remembered, not read" in printed(capsys, "why", "model1", "I0")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("why", "model1", "pmx"), 2, "NK656]: model1 has no parameter 'pmx' help: did you mean pmax?"),
        (("show", "nope"), 1, "NK653]: there is no parameter set 'nope'"),
        (("show", "model1", "--product", "x"), 1, "NK650]"),
    ],
)
def test_what_is_not_there_is_refused(args, code, words, capsys):
    assert words in printed(capsys, *args, code=code)


def test_what_is_only_remembered_cannot_be_called_published():
    """Every published value was read somewhere; one resting on a source that was not is refused."""
    text = FILE.read_text()
    wrong = text.replace("basis: assumed, source: kochenderfer2017", "basis: published, source: kochenderfer2017", 1)
    assert wrong != text
    with pytest.raises(InvalidInput, match=r"I0.*nothing of its source was read"):
        read(wrong.encode(), "wrong")
