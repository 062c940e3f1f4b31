"""Arms, levels and the user's answers."""

import re
from pathlib import Path

import pytest

from nksim.errors import InvalidInput, Unanswered, UsageError
from nksim.protocol.catalog import load
from nksim.protocol.choice import change, choose
from nksim.protocol.reading import parse_protocol

GOOD = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
BY_LEVEL = GOOD.replace("1.0e+9 cells", "level") + "escalation:\n  goal: MTD\n  design: 3+3\n  levels: "


def unanswered(choice, *, accept_assumed=False):
    with pytest.raises(Unanswered) as found:
        choice.answered(accept_assumed=accept_assumed)
    return found.value


def doses(choice):
    return {line.id: str(line.dose.chosen.value) for line in choice.arm.lines}


# NCT05519384 states neither the cell dose nor the days of infusion.
def test_what_is_unknown_is_refused_with_the_question_and_the_answer_s_form():
    error = unanswered(choose(load("jk500")))
    assert [f.code for f in error.faults] == ["NK501", "NK501"]
    assert "What is the JK500 cell dose per infusion" in str(error)
    assert re.findall(r'--set ([a-z0-9.]+)="', str(error)) == ["cells.dose", "cells.days"]


def test_what_is_unknown_cannot_be_assumed():
    assert [f.code for f in unanswered(choose(load("jk500")), accept_assumed=True).faults] == ["NK501", "NK501"]


# NCT06702098 prints a range of doses, two doses a week and no gap before the four-weekly doses.
def test_what_is_assumed_is_refused_unless_it_is_accepted():
    choice = choose(load("ink-aml"))
    error = unanswered(choice)
    assert {f.code for f in error.faults} == {"NK502"}
    assert {f.message.split(" is ")[0] for f in error.faults} == {
        "induction.dose",
        "induction.days",
        "maintenance.days",
    }
    assert all("--assume" in f.help and "--set" in f.help for f in error.faults)
    assert choice.answered(accept_assumed=True) == choice


def test_an_answer_is_stated_and_remembers_that_a_user_gave_it():
    choice = choose(load("jk500"), settings=(("cells.dose", "1e7 cells/kg"), ("cells.days", "0, 2")))
    facts = dict(choice.answered(accept_assumed=False).facts())
    assert (facts["cells.dose"].basis, facts["cells.dose"].setting) == ("stated", "cells.dose=1e7 cells/kg")
    assert facts["cy.dose"].setting is None


def test_the_last_answer_to_a_question_counts():
    choice = choose(load("jk500"), settings=(("cells.dose", "1e7 cells/kg"), ("cells.dose", "2e7 cells/kg")))
    assert doses(choice)["cells"] == "2E7 cells/kg"


@pytest.mark.parametrize(
    ("path", "value", "line", "field", "shown"),
    [
        ("cy.dose", "50 mg/kg", 0, "dose", "50 mg/kg"),
        ("cy.day", "-6", 0, "days", "day −6"),
        ("flu.days", "-5..-2", 1, "days", "days −5 to −2"),
        ("flu.over", "1 h", 1, "over", "1 h"),
        ("cy.cap", "3 g", 0, "cap", "3 g"),
        ("cy.at", "20:00", 0, "at", "20:00:00"),
        ("il2.before", "{start of: cells, by: 45 min}", 3, "before", "45 min before the start of each cells"),
        ("il2.days", "0, 2", 3, "days", "days 0, 2"),
    ],
)
def test_a_line_s_field_is_set_in_the_grammar_of_the_file(path, value, line, field, shown):
    changed = change(load("jk500"), path, value).arms["main"].lines[line]
    assert str(getattr(changed, field).value) == shown


def test_another_way_of_timing_gives_way_to_the_answer():
    il2 = change(load("jk500"), "il2.days", "0, 2").arms["main"].lines[3]
    assert il2.before is None
    assert change(load("nkaml"), "il2.before", "{start of: cells, by: 1 h}").arms["main"].lines[3].at is None


@pytest.mark.parametrize(
    ("path", "value"), [("body.bsa", "dubois"), ("body.bsa_cap", "2.0 m^2"), ("numbering.zero", "yes")]
)
def test_the_frame_is_set_like_a_line(path, value):
    head, field = path.split(".")
    assert getattr(getattr(change(load("jk500"), path, value), head), field).text == value


@pytest.mark.parametrize(
    ("path", "help"),
    [
        ("cell.dose", "did you mean cells.dose?"),
        ("cells.dosis", "did you mean dose?"),
        ("body.bsa_kap", "did you mean bsa_cap?"),
        ("nothing.dose", "one of body, cells, cy"),
        ("cells.product", "did you mean route?"),
        ("cells", "one of"),
    ],
)
def test_a_wrong_path_gets_the_nearest_right_one(path, help):
    with pytest.raises(UsageError) as found:
        change(load("jk500"), path, "x")
    (fault,) = found.value.faults
    assert fault.code == "NK506"
    assert help in fault.help


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"cells.dose": "1e7"}, "NK212"),
        ({"cells.dose": "10 mg/kg"}, "NK229"),
        ({"cy.dose": "1e9 cells"}, "NK229"),
        ({"cells.dose": "level"}, "NK203"),
        ({"cells.days": "0, 0"}, "NK209"),
        ({"cells.route": "iv"}, "NK202"),
        ({"cy.cap": "5e6 IU"}, "NK215"),
        ({"cy.cap": "20 mg/kg"}, "NK215"),
        ({"cells.over": "1 mo"}, "NK214"),
        ({"il2.before": "{start of: nosuch, by: 1 h}"}, "NK220"),
        ({"il2.before": "{start of: il2, by: 1 h}"}, "NK207"),
        ({"cells.after": "{start of: cy, by: 1 h}"}, "NK207"),
        ({"numbering.zero": "no", "cells.days": "0"}, "NK227"),
        ({"numbering.anchor": "last cells"}, "NK220"),
        ({"numbering.anchor": "first nosuch"}, "NK220"),
        ({"il2.before": "{start of: cells"}, "NK103"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_and_names_the_option(settings, code):
    with pytest.raises(InvalidInput) as found:
        choose(load("jk500"), settings=tuple(settings.items()))
    assert code in [f.code for f in found.value.faults]
    assert all(str(f.place).startswith("--set ") for f in found.value.faults)


def test_answers_that_need_one_another_may_come_in_any_order():
    pairs = (("cells.days", "1, 3"), ("numbering.zero", "no"))
    for settings in (pairs, pairs[::-1]):
        assert choose(load("jk500"), settings=settings).protocol.numbering.zero.value is False


def test_several_arms_need_one_to_be_named():
    for arm in (None, "cohort9"):
        with pytest.raises(UsageError, match="NK504") as found:
            choose(load("umn-haplo-nk"), arm=arm)
        assert "cohort1, cohort2, cohort3" in str(found.value)
    assert choose(load("umn-haplo-nk"), arm="cohort2").name == "umn-haplo-nk/cohort2"


# NCT05247957, the sister trial: 2e6, 6e6 and 1.8e7 cells/kg.
@pytest.mark.parametrize(("level", "dose"), [(1, "2E6 cells/kg"), (2, "6E6 cells/kg"), (3, "1.8E7 cells/kg")])
def test_a_level_gives_its_dose_with_the_basis_of_the_levels(level, dose):
    choice = choose(load("nkg2d-carnk"), level=level)
    assert doses(choice) == {"cells": dose}
    assert dict(choice.facts())["cells.dose"].basis == "assumed"
    assert choice.name == f"nkg2d-carnk level {level}"


@pytest.mark.parametrize("level", [None, 0, 4, -1])
def test_a_level_that_is_not_there_is_refused_with_those_that_are(level):
    with pytest.raises(UsageError, match="NK505") as found:
        choose(load("nkg2d-carnk"), level=level)
    assert "1 = 2E6 cells/kg; 2 = 6E6 cells/kg; 3 = 1.8E7 cells/kg" in str(found.value)


def test_a_level_where_nothing_escalates_is_refused():
    with pytest.raises(UsageError, match="no dose levels"):
        choose(load("jk500"), level=1)


def test_unknown_levels_are_asked_for():
    protocol = parse_protocol((BY_LEVEL + '{unknown: cells/kg, ask: "which levels?"}\n').encode(), "a.yaml")
    error = unanswered(choose(protocol))
    assert "which levels?" in str(error)
    assert "escalation.levels" in str(error)
    set_by_user = choose(protocol, level=2, settings=(("escalation.levels", "[1e6, 2e6] cells/kg"),))
    assert doses(set_by_user)["cells"] == "2E6 cells/kg"


def test_levels_of_cells_cannot_be_in_mg():
    with pytest.raises(InvalidInput, match="NK229"):
        parse_protocol((BY_LEVEL + '"[10, 20] mg/kg"\n').encode(), "a.yaml")


def test_a_dose_within_a_registered_range_must_be_chosen():
    ranged = parse_protocol(GOOD.replace("1.0e+9 cells", "5e8..1e9 cells").encode(), "a.yaml")
    assert "cells.dose is a choice within 5e8..1e9 cells" in str(unanswered(choose(ranged), accept_assumed=True))
    chosen = choose(ranged, settings=(("cells.dose", "6e8 cells"),)).answered(accept_assumed=False)
    assert doses(chosen)["cells"] == "6E8 cells"


def test_a_chosen_dose_leaves_the_registered_range_in_sight():
    fact = dict(choose(load("ink-aml"), settings=(("induction.dose", "6e8 cells"),)).facts())["induction.dose"]
    assert (fact.text, fact.basis, fact.chosen.text) == ("5e8..1e9 cells", "stated", "6e8 cells")


def test_answers_never_change_the_catalogue():
    choose(load("jk500"), settings=(("cells.dose", "1e7 cells/kg"),))
    assert load("jk500").arms["main"].lines[2].dose.basis == "unknown"
