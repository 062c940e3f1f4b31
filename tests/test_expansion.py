"""From a planned arm and a patient to single doses and assessments."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import choose, unanswered
from nksim.protocol.reading import parse_protocol
from nksim.schedule.expansion import expand

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
GOOD = parse_protocol(TEXT.encode(), "good.yaml")
CHILD = Patient(weight=25, height=128, age=8)


def schedule(protocol=GOOD, patient=CHILD, **settings):
    return expand(choose(protocol, settings=tuple((k.replace("_", ".", 1), v) for k, v in settings.items())), patient)


def jk500(**settings):
    return schedule(load("jk500"), **{"cells_dose": "1e7 cells/kg", "cells_days": "0, 2, 4", **settings})


def days(found, line):
    return [e.occasion.start.day for e in found.events if e.line == line]


def assessed(lines, **settings):
    """The good protocol with assessments."""
    return schedule(parse_protocol((TEXT + f"    assess:\n{lines}\n").encode(), "assessed.yaml"), **settings)


# NCT05519384: one dose of cyclophosphamide, five of fludarabine, IL-2 on the day of each infusion.
def test_every_planned_line_becomes_its_doses():
    found = jk500()
    assert {line: days(found, line) for line in ("cy", "flu", "cells", "il2")} == {
        "cy": [-7], "flu": [-6, -5, -4, -3, -2], "cells": [0, 2, 4], "il2": [0, 2, 4],
    }  # fmt: skip


@given(st.lists(st.integers(1, 60), min_size=0, max_size=10, unique=True).map(sorted))
def test_every_infusion_has_its_own_dose_before_it(later):
    found = jk500(cells_days=", ".join(map(str, [0, *later])))
    cells, il2 = ([e for e in found.doses if e.line == line] for line in ("cells", "il2"))
    assert [e.occasion.start.day for e in il2] == [e.occasion.start.day for e in cells] == [0, *later]
    assert {e.occasion.start.minutes for e in il2} == {Decimal(-45)}


def test_a_dose_carries_its_phase_product_route_and_length():
    cy = jk500().doses[0]
    assert (cy.phase, cy.line, cy.what, cy.route, str(cy.length)) == (
        "conditioning",
        "cy",
        "cyclophosphamide",
        "IV",
        "1 h",
    )
    assert (cy.kind, cy.amount, cy.occasion.number, cy.occasion.count) == ("dose", 1500, 1, 1)


def test_a_row_rests_on_its_weakest_fact():
    found = {e.line: e for e in jk500().doses}
    # The dose and day of cyclophosphamide are registered; its infusion time and the weight descriptor are not.
    assert found["cy"].basis == "assumed"
    assert {e.basis for e in schedule().doses} == {"stated"}


def test_the_notes_name_what_is_assumed_and_what_the_user_set():
    cells = next(e for e in jk500().doses if e.line == "cells")
    assert "assumed: weight, over, route, numbering, anchor" in cells.notes
    assert "set by the user: dose, days" in cells.notes


def test_the_token_that_the_registration_prints_is_kept_until_it_is_replaced():
    def il2(found):
        return next(e for e in found.doses if e.line == "il2").notes

    assert "printed '100WU/ m2'" in il2(jk500())
    assert not any("printed" in n for n in il2(jk500(il2_dose="2e5 IU/m^2")))


def test_a_backslash_in_print_stays_one_backslash():
    found = expand(choose(load("umn-nk-hct"), settings=[("cells.dose", "1e7 cells/kg")]), CHILD)
    flu = next(e for e in found.doses if e.line == "flu")
    # The results section of NCT01370213 prints 40 mg/m, a backslash, ^2 x 4 doses.
    assert r"printed '40 mg/m\^2 x 4 doses'" in flu.notes


def test_a_patient_without_height_is_asked_for_it():
    with pytest.raises(InvalidInput, match=r"NK405.*height"):
        schedule(patient=Patient(weight=25))


def test_a_window_of_follow_up_begins_with_each_dose_that_it_counts_from():
    found = assessed("      - {id: dlt, what: DLT window, from: each cells, for: 28 d}")
    dlt = [e for e in found.events if e.line == "dlt"]
    assert [(e.occasion.number, e.occasion.count, e.occasion.start.day, str(e.length)) for e in dlt] == [
        (1, 2, 0, "28 d"), (2, 2, 3, "28 d"),
    ]  # fmt: skip


@pytest.mark.parametrize(("which", "day"), [("first", 0), ("last", 3)])
def test_a_window_of_follow_up_may_count_from_one_dose(which, day):
    found = assessed(f"      - {{id: orr, what: response, from: {which} cells, for: 24 mo}}")
    assert days(found, "orr") == [day]


def test_samples_are_taken_on_their_days():
    found = assessed("      - {id: mrd, what: MRD, in: marrow, days: '-1, 7, 28'}")
    assert days(found, "mrd") == [-1, 7, 28]
    assert {(e.kind, e.amount, e.length) for e in found.events if e.line == "mrd"} == {("assessment", None, None)}


def test_samples_follow_a_numbering_without_day_0():
    lines = "      - {id: mrd, what: MRD, days: '-1, 1, 28'}"
    text = TEXT.replace("zero: yes", "zero: no").replace('"0, 3"', '"1, 4"') + f"    assess:\n{lines}\n"
    assert days(schedule(parse_protocol(text.encode(), "a.yaml")), "mrd") == [-1, 0, 27]


def test_an_assessment_without_days_is_an_open_question_and_no_row():
    found = assessed("      - {id: pk, what: PK, days: {unknown: days, ask: 'when?'}}")
    assert days(found, "pk") == []
    assert found.unplaced == ("pk.days is unknown: when?",)


@pytest.mark.parametrize("name", catalog())
def test_every_dose_of_the_catalogue_is_numbered_within_its_line(name):
    protocol = load(name)
    answers = {
        "cells.dose": "1e7 cells/kg", "cells.days": "0, 7", "cy.dose": "300 mg/m^2", "flu.dose": "25 mg/m^2",
        "cy.days": "-5..-3", "flu.days": "-5..-3", "il2.dose": "1e6 IU/m^2", "il2.days": "0, 7",
        "arac.dose": "2 g/m^2", "arac.days": "-5..-3", "gcsf.dose": "5 mcg/kg", "gcsf.days": "-6..-3",
    }  # fmt: skip
    arm = next(iter(protocol.arms))
    level = 1 if any(str(line.dose.value) == "the dose of the level" for line in protocol.arms[arm].lines) else None
    unknown = {p for p, f in choose(protocol, arm=arm, level=level).facts() if unanswered(p, f)}
    settings = tuple((k, v) for k, v in answers.items() if k in unknown)
    found = expand(
        choose(protocol, arm=arm, level=level, settings=settings),
        Patient(weight=70, height=170),
    )
    for line in {e.line for e in found.doses}:
        numbers = [(e.occasion.number, e.occasion.count) for e in found.doses if e.line == line]
        assert numbers == [(i, len(numbers)) for i in range(1, len(numbers) + 1)]
