"""What each protocol of the catalogue states, against tables written by hand from the registrations and papers.

A fact that moves from one table to another here is a clinical change: go back to the source before changing a line.
"""

import re
from pathlib import Path

import pytest

from nksim.errors import UsageError
from nksim.patient import Patient
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import change, choose, facts_of
from nksim.protocol.doses import DoseByLevel
from nksim.protocol.facts import Fact
from nksim.schedule.expansion import expand
from nksim.schedule.safety import findings

_FT516 = {
    "population.age": "18 years and older", "ritux.dose": "375 mg/m²", "ritux.days": "day −4",
    "cells.dose": "3E7 cells to 9E8 cells", "cells.days": "days 1, 8, 15", "il2.dose": "6,000,000 IU", "il2.route": "SC",
}  # fmt: skip
_CD33 = {"population.age": "18 to 65 years", "flu.dose": "30 mg/m²", "cy.dose": "300 mg/m² to 500 mg/m²"}
# Stated facts by path, as they are to be read. Text of each registration: NCT number in the comment.
STATED = {
    # NCT05519384: "cyclophosphamide 60mg/kg day -7, intravenous infusion of fludarabine 25mg/㎡/day day -6 to -2 days
    # […] subcutaneously injected with 100WU/ m2 of interleukin (IL)-2 0.5h-1h in advance, for a total of 6 doses";
    # DLT 28 days; response up to 24 months after the first injection; MRD 24 months.
    "jk500": {
        "population.age": "0 to 18 years",
        "cy.dose": "60 mg/kg", "cy.route": "IV", "cy.days": "day −7",
        "flu.dose": "25 mg/m²", "flu.route": "IV", "flu.days": "days −6 to −2",
        "il2.dose": "1,000,000 IU/m²", "il2.route": "SC", "il2.before": "30 to 60 min before the start of each cells",
        "il2.count": "6", "dlt.for": "28 d", "orr.from": "first cells", "orr.for": "24 mo", "mrd.for": "24 mo",
    },
    # NCT06702098: "Intravenous infusion of iNK cells […] 5*108 to 1*109 cells/dose, two doses per week, a total of 8
    # doses. And then 1*109 cells/dose, one doses every 4 weeks, a total of 5 doses"; every outcome 12 months.
    "ink-aml": {
        "population.age": "18 to 80 years",
        "induction.dose": "5E8 cells to 1E9 cells", "induction.route": "IV", "induction.count": "8",
        "maintenance.dose": "1E9 cells", "maintenance.route": "IV", "maintenance.count": "5",
        "teae.for": "12 mo", "mrd.for": "12 mo", "pfs.for": "12 mo", "os.for": "12 mo", "chimerism.for": "12 mo",
    },
    # NCT05734898 states no dose, no day and no time frame.
    "nkg2d-carnk": {"population.age": "3 to 75 years"},
    # NCT06641648 states no dose and no day; time frames stand in fuller copies of the record.
    "donor-nk-il2": {
        "population.age": "18 years and older",
        "dlt.for": "1 mo", "ae.for": "1 mo", "cr.for": "3 mo", "mrd.for": "3 mo", "cmax.for": "3 mo",
    },
    # NCT05574608: "infusion (1x10^9, 1-2x10^7/kg) after precondition chemotherapy"; DLT 1 month, adverse events, CR,
    # MRD, AUC and Cmax 3 months, PFS and OS 12 months.
    "cd123-carnk": {
        "population.age": "18 years and older",
        "cells.dose": "1E9 cells", "cells.restated": "1E7 cells/kg to 2E7 cells/kg", "dlt.for": "1 mo",
        "teae.for": "3 mo", "trae.for": "3 mo", "pk.for": "3 mo", "cr.for": "3 mo", "mrd.for": "3 mo",
        "pfs.for": "12 mo", "os.for": "12 mo",
    },
    # NCT00187096 and Rubnitz 2010: cyclophosphamide 60 mg/kg day -7, fludarabine 25 mg/m2 days -6 to -2, six doses of
    # IL-2 at 1 million U/m2, chimerism on days 2, 7, 14, 21 and 28.
    "nkaml": {
        "population.age": "0.7 to 21 years", "numbering.anchor": "first cells",
        "cy.dose": "60 mg/kg", "cy.route": "IV", "cy.days": "day −7",
        "flu.dose": "25 mg/m²", "flu.route": "IV", "flu.days": "days −6 to −2", "cells.days": "day 0",
        "il2.dose": "1,000,000 IU/m²", "il2.route": "SC", "il2.count": "6", "chimerism.days": "days 2, 7, 14, 21, 28",
    },
    # Bachanova 2014, legend of figure 1: fludarabine 25 mg/m2 days -6 to -2, cyclophosphamide 60 mg/kg days -5 and -4,
    # IL-2 9 million units flat from 4 h after the cells, every other day x 6; chimerism on days 7, 14 and 28.
    "umn-haplo-nk": {
        "population.age": "2 years and older", "numbering.anchor": "first cells", "flu.dose": "25 mg/m²", "flu.days": "days −6 to −2",
        "cy.dose": "60 mg/kg", "cy.days": "days −5, −4", "cells.days": "day 0", "il2.dose": "9,000,000 IU",
        "il2.route": "SC", "il2.days": "6 doses, every 2 d, the first 4 h after the end of first cells",
        "chimerism.days": "days 7, 14, 28",
    },
    # NCT00187096, stratum 2: "Clofarabine 40 mg/m2 IV, days -6 through -2; Etoposide 100 mg/m2 IV, days -6 through -2;
    # Cyclophosphamide 400 mg/m2 IV, days -6 through 02"; cells on day 0; IL-2 as in stratum 1.
    "nkaml-2": {
        "numbering.anchor": "first cells",
        **{f"{line}.route": "IV" for line in ("clo", "eto", "cy", "cells")},
        **{f"{line}.days": "days −6 to −2" for line in ("clo", "eto", "cy")},
        "clo.dose": "40 mg/m²", "eto.dose": "100 mg/m²", "cy.dose": "400 mg/m²", "cells.days": "day 0",
        "il2.dose": "1,000,000 IU/m²", "il2.route": "SC", "il2.count": "6",
    },
    # NCT01370213, results: fludarabine 40 mg/m2 days -22 to -19, cyclophosphamide 50 mg/kg days -20 and -19, irradiation
    # 200 cGy twice, 6 h apart, on day -18, cells on day -17, IL-2 6 MU every other day x 6 from that evening, rabbit ATG
    # 0.5 mg/kg on day -6 and 3 mg/kg on day -5 before the transplantation; engraftment on day 28.
    "umn-nk-hct": {
        "numbering.anchor": "first hct", "flu.dose": "40 mg/m²", "flu.days": "days −22 to −19",
        "cy.dose": "50 mg/kg", "cy.days": "days −20, −19", "tbi.dose": "200 cGy", "tbi.days": "day −18",
        "tbi2.dose": "200 cGy", "tbi2.after": "at least 6 h after the start of each tbi", "cells.days": "day −17",
        "il2.dose": "6,000,000 IU", "il2.route": "SC", "il2.count": "6",
        "atg.dose": "0.5 mg/kg, then 3 mg/kg", "atg.days": "days −6, −5", "hct.days": "day 0", "engraftment.days": "day 28",
    },
    # NCT01520558 and Fehniger 2018: one infusion at 3e5, 1e6 or 3e6 cells/kg after fludarabine and cyclophosphamide
    # whose doses are not in the abstract; donor NK on days 7 and 14; adults.
    "cndo109": {
        "population.age": "18 years and older", "cells.dose": "the dose of the level", "cells.count": "1",
        "chimerism.days": "days 7, 14", "escalation.levels": "3E5 cells/kg, 1E6 cells/kg, 3E6 cells/kg",
    },
    # NCT03019666, ASH 2021: cyclophosphamide 400 mg/m2 IV x 3 d, fludarabine 30 mg/m2/d IV x 3 d, rituximab 375 mg/m2 on
    # days -8, +1 and +11, cells on days 0 and 2, IL-2 6 million units under the skin on days 0, 2 and 4.
    "gda201": {
        "numbering.zero": "True", "cy.dose": "400 mg/m²", "cy.route": "IV", "cy.count": "3", "flu.dose": "30 mg/m²",
        "flu.route": "IV", "flu.count": "3", "ritux.dose": "375 mg/m²", "ritux.days": "days −8, 1, 11",
        "cells.days": "days 0, 2", "il2.dose": "6,000,000 IU", "il2.route": "SC", "il2.days": "days 0, 2, 4",
        "il2.count": "3",
    },
    # Strati 2025 and the meeting abstract: fludarabine 30 and cyclophosphamide 500 mg/m2 on days -5 to -3, or bendamustine
    # 90 mg/m2 on days -4 and -3; rituximab 375 mg/m2 on day -4; 3e7 to 9e8 cells on days 1, 8 and 15, IL-2 6 MIU with each.
    "ft516/flu-cy": {
        "flu.dose": "30 mg/m²", "flu.days": "days −5 to −3", "cy.dose": "500 mg/m²", "cy.days": "days −5 to −3", **_FT516,
    },
    "ft516/bendamustine": {"benda.dose": "90 mg/m²", "benda.days": "days −4, −3", **_FT516},
    # Ghobadi 2025: cyclophosphamide 500 and fludarabine 30 mg/m2 IV on days -5 to -3, 3e7 viable cells on day 1, 3+3.
    "ft596": {
        "population.age": "18 years and older", "cy.dose": "500 mg/m²", "cy.route": "IV", "cy.days": "days −5 to −3",
        "flu.dose": "30 mg/m²", "flu.route": "IV", "flu.days": "days −5 to −3", "cells.dose": "3E7 cells",
        "cells.days": "day 1", "escalation.design": "3+3",
    },
    # NCT05008575, ASH: 18 to 65 years, fludarabine 30 and cyclophosphamide 300-500 mg/m2 for 3 to 5 days by tumour burden;
    # group 1 6e8, 1.2e9, 1.8e9 cells 7 days apart, group 2 1.8e9 once, group 3 1.8e9 three times 7 days apart.
    "cd33-carnk/group1": {
        **_CD33, "cells.dose": "6E8 cells, then 1.2E9 cells, then 1.8E9 cells", "cells.days": "3 doses, every 7 d",
    },
    "cd33-carnk/group2": {**_CD33, "cells.dose": "1.8E9 cells"},
    "cd33-carnk/group3": {**_CD33, "cells.dose": "1.8E9 cells", "cells.days": "3 doses, every 7 d"},
    # Silla 2021: after FLAG, 1e6 to 1e7 cells/kg per infusion in three cohorts, three infusions a week, six in all.
    "fc21-nk": {"cells.dose": "1E6 cells/kg to 1E7 cells/kg", "cells.count": "6"},
    # Shah 2017: lenalidomide 10 mg days -8 to -2, melphalan 200 mg/m2 day -7, cells day -5 at 5e6, 1e7, 5e7 or 1e8/kg,
    # autologous transplantation on day 0.
    "cb-nk-mm": {
        "numbering.anchor": "first hct", "numbering.zero": "True", "len.dose": "10 mg", "len.days": "days −8 to −2",
        "mel.dose": "200 mg/m²", "mel.days": "day −7", "cells.dose": "the dose of the level", "cells.days": "day −5",
        "hct.days": "day 0", "escalation.levels": "5E6 cells/kg, 1E7 cells/kg, 5E7 cells/kg, 1E8 cells/kg",
    },
    # NCT02763475, abstract: IL-2 1e6 IU/m2 under the skin every 48 h for 2 weeks; the cells' 36.44e6/kg are a median given.
    "nkae-aml": {"il2.dose": "1,000,000 IU/m²", "il2.route": "SC"},
}  # fmt: skip
# What no registration says and nobody may make up: protocol-format.md, column "unknown or ambiguous".
UNKNOWN = {
    "jk500": {"cells.dose", "cells.days"},
    "ink-aml": {"chimerism.days"},
    "nkg2d-carnk": {"dlt.for", *(f"escalation.{name}" for name in ("design", "within", "between", "replace"))},
    "donor-nk-il2": {"cells.dose", "cells.days", "il2.dose", "il2.days", "escalation.levels", "escalation.design"},
    "cd123-carnk": {"cy.dose", "cy.days", "flu.dose", "flu.days", "pk.days"},
    "nkaml": set(),
    "umn-haplo-nk": set(),
    "nkaml-2": {"cells.dose"},
    "umn-nk-hct": {"cells.dose"},
    "cndo109": {"flu.dose", "flu.days", "cy.dose", "cy.days", "escalation.design"},
    "gda201": {"cy.days", "flu.days"},
    "ft516": {"escalation.levels", "escalation.design"},
    "ft596": {"escalation.levels"},
    "cd33-carnk": {"flu.days", "cy.days"},
    "fc21-nk": {"flu.dose", "flu.days", "arac.dose", "arac.days", "gcsf.dose", "gcsf.days"},
    "cb-nk-mm": {"escalation.design"},
    "nkae-aml": {"cells.days", "il2.days"},
}
REGISTRATIONS = {
    "jk500": "NCT05519384", "ink-aml": "NCT06702098", "nkg2d-carnk": "NCT05734898", "donor-nk-il2": "NCT06641648",
    "cd123-carnk": "NCT05574608", "nkaml": "NCT00187096", "umn-haplo-nk": "NCT00274846 and NCT01106950",
    "nkaml-2": "NCT00187096", "umn-nk-hct": "NCT01370213", "cndo109": "NCT01520558", "gda201": "NCT03019666",
    "ft516": "NCT04023071", "ft596": "NCT04245722", "cd33-carnk": "NCT05008575", "fc21-nk": "NCT02809092",
    "cb-nk-mm": "doi:10.1111/bjh.14570", "nkae-aml": "NCT02763475",
}  # fmt: skip
# Ages and numbers of patients of the registrations and papers; 120 stands for no upper limit.
PATIENTS = {
    "jk500": (0, 18, 12), "ink-aml": (18, 80, 10), "nkg2d-carnk": (3, 75, 30), "donor-nk-il2": (18, 120, 12),
    "cd123-carnk": (18, 120, 12), "nkaml": (0.7, 21, 10), "umn-haplo-nk": (2, 120, 57),
    "cndo109": (18, 120, 12), "ft516": (18, 120, 55), "ft596": (18, 120, 86), "cd33-carnk": (18, 65, 10),
}  # fmt: skip
LINES = {
    "cy", "flu", "clo", "eto", "arac", "benda", "len", "mel", "tbi", "tbi2", "atg", "ritux", "gcsf", "il2", "il2dt", "cells",
    "induction", "maintenance",
}  # fmt: skip
ARMS = [(name, arm) for name in catalog() for arm in load(name).arms]


def facts(name, arm, basis):
    return {path: fact for path, fact in facts_of(load(name), arm) if fact.basis == basis}


def spelled(value):
    return ", ".join(map(str, value)) if type(value) is tuple else str(value)


def test_the_catalogue_has_these_protocols_and_no_other():
    assert set(catalog()) == {key.split("/")[0] for key in STATED} == set(UNKNOWN) == set(REGISTRATIONS)
    assert len(catalog()) >= 15


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_what_is_stated_is_what_the_source_states_and_no_more(name, arm):
    expected = STATED.get(f"{name}/{arm}") or STATED[name]
    assert {path: spelled(f.value) for path, f in facts(name, arm, "stated").items()} == expected


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_what_no_source_says_is_unknown_and_has_a_question(name, arm):
    unknown = facts(name, arm, "unknown")
    assert set(unknown) == UNKNOWN[name]
    assert all(f.value is None and f.ask and "?" in f.ask for f in unknown.values())


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_every_assumption_says_why(name, arm):
    assumed = facts(name, arm, "assumed")
    assert assumed
    assert all(f.why and len(f.why) > 5 for f in assumed.values())


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_a_protocol_has_its_registration(name):
    assert (load(name).id, load(name).registration) == (name, REGISTRATIONS[name])


# What a record or abstract does not say about ages is a marked assumption, with its reason.
@pytest.mark.parametrize("name", sorted(set(REGISTRATIONS) - set(PATIENTS)))
def test_ages_that_are_not_in_the_texts_are_assumed(name):
    ages = load(name).population.ages
    assert (ages.basis, bool(ages.why)) == ("assumed", True)


@pytest.mark.parametrize("name", catalog())
def test_every_source_is_used_and_what_is_not_assumed_has_one(name):
    protocol = load(name)
    held = [f for arm in protocol.arms for _, fact in facts_of(protocol, arm) for f in (fact, fact.use) if f]
    # The source of jk500 stands behind a reading that its file gives in words: what "W" in a dose means.
    used = {f.source for f in held} - {None} | ({"nkaml"} if name == "jk500" else set())
    assert used == set(protocol.sources)
    registered = protocol.registration.startswith("NCT")
    assert [f for f in held if f.basis in ("stated", "derived") and not f.source and not registered] == []


# A schedule for every patient of the trial's ages whose doses and days are known, and the file again after a round trip
# through its facts: a child and an adult where both are admitted.
ANSWERS = {
    "jk500": {"cells.dose": "1e7 cells/kg", "cells.days": "0, 7, 14, 21, 28, 35"},
    "donor-nk-il2": {"cells.dose": "1e7 cells/kg", "cells.days": "0", "il2.dose": "5e5 IU", "il2.days": "1"},
    "cd123-carnk": {"cy.dose": "300 mg/m^2", "cy.days": "-5..-3", "flu.dose": "30 mg/m^2", "flu.days": "-5..-3"},
    "nkaml-2": {"cells.dose": "1e7 cells/kg"},
    "umn-nk-hct": {"cells.dose": "1e7 cells/kg"},
    "cndo109": {"cy.dose": "50 mg/kg", "cy.days": "-5", "flu.dose": "25 mg/m^2", "flu.days": "-5..-3"},
    "gda201": {"cy.days": "-5..-3", "flu.days": "-5..-3"},
    "cd33-carnk": {"cy.dose": "300 mg/m^2", "cy.days": "-5..-3", "flu.days": "-5..-3"},
    "fc21-nk": {
        "flu.dose": "30 mg/m^2", "flu.days": "-7..-3", "arac.dose": "2 g/m^2", "arac.days": "-7..-3",
        "gcsf.dose": "5 mcg/kg", "gcsf.days": "-8..-3", "cells.dose": "1e6 cells/kg",
    },
    "nkae-aml": {"cells.days": "0", "il2.days": "1, 3, 5, 7, 9, 11, 13"},
}  # fmt: skip
SIZES = {
    1: ("10 kg", "75 cm"),
    10: ("32 kg", "138 cm"),
    17: ("62 kg", "172 cm"),
    30: ("75 kg", "175 cm"),
    70: ("70 kg", "165 cm"),
}


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_every_arm_expands_over_the_ages_of_its_trial(name, arm):
    protocol, answers = load(name), tuple(ANSWERS.get(name, {}).items())
    by_level = any(isinstance(x.dose.value, DoseByLevel) for x in protocol.arms[arm].lines)
    choice = choose(protocol, arm=arm, level=1 if by_level else None, settings=answers).answered(accept_assumed=True)
    ages = [age for age in SIZES if protocol.population.age.youngest <= age <= protocol.population.age.oldest]
    assert ages
    for age in ages:
        weight, height = SIZES[age]
        schedule = expand(choice, Patient(weight=weight, height=height, age=f"{age} y", sex="F"))
        assert {e.line for e in schedule.doses} == {x.id for x in choice.arm.lines}
        assert all(e.amount > 0 for e in schedule.doses)
        assert [str(f) for f in findings(schedule)] == []


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_a_fact_written_again_as_its_text_is_read_as_the_same_value(name, arm):
    for path, fact in facts_of(load(name), arm):
        if fact.value is not None and path.split(".")[0] not in ("numbering", "population"):
            again = dict(facts_of(change(load(name), path, fact.text), arm))[path]
            assert again.chosen.value == fact.value or fact.use is not None


@pytest.mark.parametrize("name", catalog())
def test_a_protocol_that_was_read_once_is_not_passed_off_as_read_twice(name):
    second = {"jk500", "ink-aml", "nkg2d-carnk", "donor-nk-il2", "cd123-carnk", "nkaml", "umn-haplo-nk"}
    assert load(name).reading == ("second" if name in second else "provisional")


@pytest.mark.parametrize("name", PATIENTS)
def test_a_protocol_has_the_patients_of_its_trial(name):
    population = load(name).population
    assert (*population.age, population.enrolment) == PATIENTS[name]
    assert population.ages.basis == "stated"


# NCT06641648: hormones 3 days (inhaled excepted), anti-tumour therapy 2 weeks or 5 half-lives whichever is shorter,
# radiotherapy 4 weeks, DLI 6 weeks, intrathecal 1 week, CAR-T or CAR-NK 6 months.
def test_the_washouts_of_the_donor_nk_trial_are_those_registered():
    found = [(str(w.by.value), w.half_lives, w.whichever, w.unless) for w in load("donor-nk-il2").washout]
    assert found == [
        ("3 d", None, None, "inhaled"),
        ("2 wk", 5, "shorter", None),
        ("4 wk", None, None, None),
        ("6 wk", None, None, None),
        ("1 wk", None, None, None),
        ("6 mo", None, None, None),
    ]


# NCT05247957, the terminated sister trial of another sponsor.
def test_the_levels_of_nkg2d_are_a_sourced_assumption():
    levels = load("nkg2d-carnk").escalation.levels
    assert ([int(q.number) for q in levels.value], levels.value[0].per) == ([2_000_000, 6_000_000, 18_000_000], "kg")
    assert (levels.basis, load("nkg2d-carnk").sources[levels.source].nct) == ("assumed", "NCT05247957")


# Cell doses of the three cohorts as reviewed (Curr Opin Organ Transplant 2015;20:671): 9.6e6, 3.4e6 and 2.6e7 per kg.
@pytest.mark.parametrize(
    ("arm", "cells"), [("cohort1", "9.6E6 cells/kg"), ("cohort2", "3.4E6 cells/kg"), ("cohort3", "2.6E7 cells/kg")]
)
def test_the_cell_doses_of_minnesota_are_assumed_from_what_was_given(arm, cells):
    fact = dict(facts_of(load("umn-haplo-nk"), arm))["cells.dose"]
    assert (str(fact.value), fact.basis, fact.source) == (cells, "assumed", "review2015")


def test_the_toxin_of_cohort_3_is_read_in_micrograms():
    fact: Fact = dict(facts_of(load("umn-haplo-nk"), "cohort3"))["il2dt.dose"]
    assert (str(fact.value), fact.basis, fact.printed) == ("12 mcg/kg", "assumed", "12 or 18 mg/kg")


@pytest.mark.parametrize("name", catalog())
def test_lines_have_the_same_names_across_the_catalogue(name):
    for arm in load(name).arms.values():
        assert {line.id for line in arm.lines} <= LINES


@pytest.mark.parametrize("name", catalog())
def test_no_printed_token_is_a_sentence_of_the_registration(name):
    for arm in load(name).arms:
        assert all(len(f.printed) <= 60 for _, f in facts_of(load(name), arm) if f.printed)


@pytest.mark.parametrize(
    ("text", "word"),
    [("jk50", "did you mean jk500?"), ("JK500", "did you mean jk500?|one of"), ("zzz", "one of cb-nk-mm, cd123-carnk")],
)
def test_an_unknown_id_is_refused_with_the_nearest(text, word):
    with pytest.raises(UsageError, match=word):
        load(text)


def test_the_readme_of_the_protocols_lists_each_with_its_registration_and_reading():
    table = (Path(__file__).parents[1] / "protocols" / "README.md").read_text()
    found = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", table, re.MULTILINE))
    listed = {name: cells for name, cells in found.items() if name in catalog()}
    assert set(listed) == set(catalog())
    for name, cells in listed.items():
        columns = cells.split(" | ")
        assert (columns[0].replace(", ", " and "), columns[-1]) == (load(name).registration, load(name).reading)
