"""Protocols that count their days from something they do not dose, as a transplantation, and drugs given at odds with
what was read. Days are worked out by hand from NCT01370213 and Shah 2017."""

import json
from pathlib import Path

import pytest

from nksim.cli import run
from nksim.errors import InvalidInput
from nksim.logistics import logistics
from nksim.patient import Patient
from nksim.protocol.catalog import load, source
from nksim.protocol.choice import choose, facts_of
from nksim.protocol.reading import parse_protocol
from nksim.regimen import protocol as regimen
from nksim.run import Bodies, simulate
from nksim.schedule.calendar import place
from nksim.schedule.expansion import expand
from nksim.schedule.safety import findings
from nksim.settings import Settings

ADULT = Patient(weight="80 kg", height="180 cm", age="50 y", sex="M")  # BSA sqrt(80 x 180 / 3600) = 2 m2 (Mosteller)


def text(name):
    return source(name)[0].decode()


def read(changed):
    return parse_protocol(changed.encode(), "changed.yaml")


def rows(name, day0, **how):
    schedule = expand(choose(load(name), **how).answered(accept_assumed=True), ADULT)
    return place(schedule, day0=day0, tz="America/Chicago").rows


# Day 0 on Monday 2027-03-22: 22 days before is 2027-02-28, 17 before 03-05, 6 before 03-16.
def test_days_count_from_the_transplantation():
    found = rows("umn-nk-hct", "2027-03-22", settings=(("cells.dose", "1e7 cells/kg"),))
    at = {(r.event.line, r.event.occasion.number): r.start.isoformat(timespec="minutes") for r in found}
    assert at["flu", 1] == "2027-02-28T10:00-06:00"
    assert at["tbi", 1] == "2027-03-04T10:00-06:00"
    assert at["tbi2", 1] == "2027-03-04T16:00-06:00"
    assert at["cells", 1] == "2027-03-05T10:00-06:00"
    assert at["il2", 1] == "2027-03-05T20:00-06:00"
    assert at["il2", 6] == "2027-03-15T20:00-05:00"  # ten days later, clocks changed on 2027-03-14
    assert at["atg", 1] == "2027-03-16T10:00-05:00"
    assert at["hct", 1] == "2027-03-22T10:00-05:00"
    assert {r.event.line: r.protocol_day for r in found}["hct"] == 0
    amounts = {(r.event.line, r.event.occasion.number): r.event.amount for r in found if r.event.dose}
    # 40 mg/m2 x 2 m2, 50 mg/kg x 80 kg, 200 cGy, 0.5 and 3 mg/kg x 80 kg.
    keys = (("flu", 1), ("cy", 2), ("tbi", 1), ("atg", 1), ("atg", 2))
    assert [float(amounts[k]) for k in keys] == pytest.approx([80, 4000, 2, 40, 240])


def test_a_second_fraction_that_is_timed_by_the_first_is_no_dose_written_twice():
    choice = choose(load("umn-nk-hct"), settings=(("cells.dose", "1e7 cells/kg"),))
    assert findings(expand(choice, ADULT)) == ()
    twice = choose(load("umn-nk-hct"), settings=(("cells.dose", "1e7 cells/kg"), ("tbi2.days", "-18")))
    assert [f.code for f in findings(expand(twice, ADULT))] == ["NK322"]


def test_conditioning_must_end_before_the_first_cells_whatever_day_0_is():
    late = choose(load("umn-nk-hct"), settings=(("cells.dose", "1e7 cells/kg"), ("cy.days", "-16")))
    assert [f.code for f in findings(expand(late, ADULT))] == ["NK317"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('transplantation, days: {stated: "0"', 'transplantation, days: {stated: "1"'),
        ('transplantation, days: {stated: "0"', 'transplantation, days: {stated: "0, 3"'),
        ("first hct", "last hct"),
        ("first hct", "first nothing"),
    ],
)
def test_an_anchor_must_stand_on_its_day(old, new):
    with pytest.raises(InvalidInput, match="is not the first dose of a line") as error:
        read(text("cb-nk-mm").replace(old, new))
    assert error.value.faults[0].code == "NK220"
    assert "first and one of" in str(error.value)


# Shah 2017: cells on day -5 of a transplantation on day 0. Curves of regimens meet at their cells.
def test_curves_and_metrics_count_from_the_first_cells():
    made = simulate(
        regimen("cb-nk-mm").level(4), n=3, bodies=Bodies("80 kg", "180 cm", "50 y"), settings=Settings(days=20)
    )
    assert made.simulation.infusions_d == pytest.approx([0.0])
    assert made.simulation.times_d[0] == 0
    assert (made.metrics()["donor_nk_tmax_d"].values >= 0).all()
    assert any("the protocol's own day -5" in a for a in made.simulation.assumptions)
    uses = {u.product: u for u in logistics(made.simulation).uses}
    assert (uses["lenalidomide"].amount, uses["melphalan"].amount) == (None, None)
    assert uses["cb-nk"].amount.median == pytest.approx(8e9)


def test_a_level_is_for_the_protocols_that_dose_by_it(capsys):
    args = [
        "compare",
        "cb-nk-mm",
        "ft596",
        "--level",
        "2",
        "--assume",
        "-n",
        "2",
        "--days",
        "3",
        "--metric",
        "cells_total",
    ]
    # 1e7 cells/kg at level 2 of Shah 2017 in 80 kg, 3e7 cells flat of Ghobadi 2025.
    assert run([*args, "--json", "--weight", "80kg", "--height", "180cm", "--age", "50y"]) == 0
    found = [r["metrics"]["cells_total"]["median"] for r in json.loads(capsys.readouterr().out)["regimens"]]
    assert found == pytest.approx([8e8, 3e7])


def test_irradiation_is_not_counted_as_cells():
    chosen = regimen("umn-nk-hct").change("cells.dose", "1e7 cells/kg").assume()
    made = simulate(chosen, n=2, bodies=Bodies("80 kg", "180 cm", "50 y"), settings=Settings(days=5))
    assert {u.product: u.amount for u in logistics(made.simulation).uses}["tbi"] is None


# NCT00187096 gives clofarabine in mg/m2 into a vein, NCT01729091 lenalidomide by mouth in mg.
@pytest.mark.parametrize(
    ("name", "how", "settings", "words"),
    [
        ("nkaml-2", {}, (("cells.dose", "1e7 cells/kg"), ("clo.dose", "40 mg/kg")), "given in mg/m^2"),
        ("nkaml-2", {}, (("cells.dose", "1e7 cells/kg"), ("eto.route", "PO")), "given in IV"),
        ("cb-nk-mm", {"level": 1}, (("len.route", "IV"),), "given in PO"),
    ],
)
def test_a_unit_or_route_in_which_no_regimen_gives_a_drug_is_looked_at(name, how, settings, words):
    found = findings(expand(choose(load(name), settings=settings, **how), ADULT))
    assert [f.code for f in found if f.code != "NK318"] == ["NK311"]
    assert words in str(found[0])


def test_ages_are_a_fact_that_cannot_be_unknown():
    with pytest.raises(InvalidInput, match="cannot be unknown"):
        read(
            text("jk500").replace("age: {stated: 0-18 y, source: record}", 'age: {unknown: years, ask: "Which ages?"}')
        )
    ages = dict(facts_of(choose(load("cb-nk-mm"), level=1, settings=(("population.age", "18-70 y"),)).protocol, "main"))
    assert str(ages["population.age"].value) == "18 to 70 years"


def test_a_calendar_of_a_protocol_read_once_says_so(tmp_path):
    shipped = (Path(__file__).parents[1] / "protocols" / "cb-nk-mm.yaml").read_text(encoding="utf-8")
    (tmp_path / "once.yaml").write_text(shipped.replace("reading: second", "reading: provisional"), encoding="utf-8")
    calendar = (
        regimen(str(tmp_path / "once.yaml")).level(1).assume().calendar(ADULT, day0="2027-03-22", tz="America/Chicago")
    )
    assert "read once" in str(calendar)
    second = regimen("nkaml").assume().calendar(ADULT, day0="2027-03-22", tz="America/Chicago")
    assert "read once" not in str(second)


# NCT01370213 counts from the transplantation, FT516 calls the first infusion day 1, NKAML has a day 0 of cells.
@pytest.mark.parametrize(
    ("name", "arm", "settings", "shown"),
    [
        (
            "umn-nk-hct",
            None,
            [("cells.dose", "1e7 cells/kg")],
            "· day 0 (haploidentical transplantation) Mon 2027-03-22 ·",
        ),
        ("ft516", "flu-cy", [], "· day 1 Mon 2027-03-22 ·"),
        ("nkaml", None, [], "· day 0 Mon 2027-03-22 ·"),
    ],
)
def test_a_calendar_says_what_its_date_is_the_date_of(name, arm, settings, shown):
    (asked,) = [r for r in regimen(name).arms() if arm in (None, r.choice().arm_name)]
    for path, value in settings:
        asked = asked.change(path, value)
    assert shown in str(asked.assume().calendar(ADULT, day0="2027-03-22", tz="America/Chicago"))
