"""What each protocol of the catalogue states, against tables written by hand from the registrations and papers.

A fact that moves from one table to another here is a clinical change: go back to the source before changing a line.
"""

import pytest

from nksim.errors import UsageError
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import facts_of
from nksim.protocol.facts import Fact

# Stated facts by path, as they are to be read. Text of each registration: NCT number in the comment.
STATED = {
    # NCT05519384: "cyclophosphamide 60mg/kg day -7, intravenous infusion of fludarabine 25mg/㎡/day day -6 to -2 days
    # […] subcutaneously injected with 100WU/ m2 of interleukin (IL)-2 0.5h-1h in advance, for a total of 6 doses";
    # DLT 28 days; response up to 24 months after the first injection; MRD 24 months.
    "jk500": {
        "cy.dose": "60 mg/kg", "cy.route": "IV", "cy.days": "day −7",
        "flu.dose": "25 mg/m²", "flu.route": "IV", "flu.days": "days −6 to −2",
        "il2.dose": "1,000,000 IU/m²", "il2.route": "SC", "il2.before": "30 to 60 min before the start of each cells",
        "il2.count": "6", "dlt.for": "28 d", "orr.from": "first cells", "orr.for": "24 mo", "mrd.for": "24 mo",
    },
    # NCT06702098: "Intravenous infusion of iNK cells […] 5*108 to 1*109 cells/dose, two doses per week, a total of 8
    # doses. And then 1*109 cells/dose, one doses every 4 weeks, a total of 5 doses"; every outcome 12 months.
    "ink-aml": {
        "induction.dose": "5E8 cells to 1E9 cells", "induction.route": "IV", "induction.count": "8",
        "maintenance.dose": "1E9 cells", "maintenance.route": "IV", "maintenance.count": "5",
        "teae.for": "12 mo", "mrd.for": "12 mo", "pfs.for": "12 mo", "os.for": "12 mo", "chimerism.for": "12 mo",
    },
    # NCT05734898 states no dose, no day and no time frame.
    "nkg2d-carnk": {},
    # NCT06641648 states no dose and no day; time frames stand in fuller copies of the record.
    "donor-nk-il2": {"dlt.for": "1 mo", "ae.for": "1 mo", "cr.for": "3 mo", "mrd.for": "3 mo", "cmax.for": "3 mo"},
    # NCT05574608: "infusion (1x10^9, 1-2x10^7/kg) after precondition chemotherapy"; DLT 1 month, adverse events, CR,
    # MRD, AUC and Cmax 3 months, PFS and OS 12 months.
    "cd123-carnk": {
        "cells.dose": "1E9 cells", "cells.restated": "1E7 cells/kg to 2E7 cells/kg", "dlt.for": "1 mo",
        "teae.for": "3 mo", "trae.for": "3 mo", "pk.for": "3 mo", "cr.for": "3 mo", "mrd.for": "3 mo",
        "pfs.for": "12 mo", "os.for": "12 mo",
    },
    # NCT00187096 and Rubnitz 2010: cyclophosphamide 60 mg/kg day -7, fludarabine 25 mg/m2 days -6 to -2, six doses of
    # IL-2 at 1 million U/m2, chimerism on days 2, 7, 14, 21 and 28.
    "nkaml": {
        "numbering.anchor": "first cells",
        "cy.dose": "60 mg/kg", "cy.route": "IV", "cy.days": "day −7",
        "flu.dose": "25 mg/m²", "flu.route": "IV", "flu.days": "days −6 to −2", "cells.days": "day 0",
        "il2.dose": "1,000,000 IU/m²", "il2.route": "SC", "il2.count": "6", "chimerism.days": "days 2, 7, 14, 21, 28",
    },
    # Bachanova 2014, legend of figure 1: fludarabine 25 mg/m2 days -6 to -2, cyclophosphamide 60 mg/kg days -5 and -4,
    # IL-2 9 million units flat from 4 h after the cells, every other day x 6; chimerism on days 7, 14 and 28.
    "umn-haplo-nk": {
        "numbering.anchor": "first cells", "flu.dose": "25 mg/m²", "flu.days": "days −6 to −2",
        "cy.dose": "60 mg/kg", "cy.days": "days −5, −4", "cells.days": "day 0", "il2.dose": "9,000,000 IU",
        "il2.route": "SC", "il2.days": "6 doses, every 2 d, the first 4 h after the end of first cells",
        "chimerism.days": "days 7, 14, 28",
    },
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
}
REGISTRATIONS = {
    "jk500": "NCT05519384", "ink-aml": "NCT06702098", "nkg2d-carnk": "NCT05734898", "donor-nk-il2": "NCT06641648",
    "cd123-carnk": "NCT05574608", "nkaml": "NCT00187096", "umn-haplo-nk": "NCT00274846 and NCT01106950",
}  # fmt: skip
# Ages and numbers of patients of the registrations and papers; 120 stands for no upper limit.
PATIENTS = {
    "jk500": (0, 18, 12), "ink-aml": (18, 80, 10), "nkg2d-carnk": (3, 75, 30), "donor-nk-il2": (18, 120, 12),
    "cd123-carnk": (18, 120, 12), "nkaml": (0.7, 21, 10), "umn-haplo-nk": (2, 120, 57),
}  # fmt: skip
ARMS = [(name, arm) for name in catalog() for arm in load(name).arms]


def facts(name, arm, basis):
    return {path: fact for path, fact in facts_of(load(name), arm) if fact.basis == basis}


def test_the_catalogue_has_these_protocols_and_no_other():
    assert set(catalog()) == set(STATED) == set(UNKNOWN) == set(REGISTRATIONS)


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_what_is_stated_is_what_the_source_states_and_no_more(name, arm):
    assert {path: str(f.value) for path, f in facts(name, arm, "stated").items()} == STATED[name]


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
def test_a_protocol_has_its_registration_and_was_read_twice(name):
    protocol = load(name)
    assert (protocol.id, protocol.registration, protocol.reading) == (name, REGISTRATIONS[name], "second")


@pytest.mark.parametrize("name", PATIENTS)
def test_a_protocol_has_the_patients_of_its_trial(name):
    population = load(name).population
    assert (*population.age, population.enrolment) == PATIENTS[name]


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
        assert {line.id for line in arm.lines} <= {"cy", "flu", "il2", "il2dt", "cells", "induction", "maintenance"}


@pytest.mark.parametrize("name", catalog())
def test_no_printed_token_is_a_sentence_of_the_registration(name):
    for arm in load(name).arms:
        assert all(len(f.printed) <= 60 for _, f in facts_of(load(name), arm) if f.printed)


@pytest.mark.parametrize(
    ("text", "word"),
    [("jk50", "did you mean jk500?"), ("JK500", "did you mean jk500?|one of"), ("zzz", "one of cd123-carnk")],
)
def test_an_unknown_id_is_refused_with_the_nearest(text, word):
    with pytest.raises(UsageError, match=word):
        load(text)
