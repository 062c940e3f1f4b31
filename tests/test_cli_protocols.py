"""`nksim protocols`: the catalogue in words. Expected phrases come from the registrations and papers named."""

import re
from pathlib import Path

import pytest

from nksim.cli import run
from nksim.protocol.catalog import catalog

GOOD = str(Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml")
REGISTRATIONS = {
    "jk500": "NCT05519384",
    "ink-aml": "NCT06702098",
    "nkg2d-carnk": "NCT05734898",
    "donor-nk-il2": "NCT06641648",
    "cd123-carnk": "NCT05574608",
    "nkaml": "NCT00187096",
    "umn-haplo-nk": "NCT01106950",
    "nkaml-2": "NCT00187096",
    "umn-nk-hct": "NCT01370213",
    "cndo109": "NCT01520558",
    "gda201": "NCT03019666",
    "ft516": "NCT04023071",
    "ft596": "NCT04245722",
    "cd33-carnk": "NCT05008575",
    "fc21-nk": "NCT02809092",
    "cb-nk-mm": "10.1111/bjh.14570",
    "nkae-aml": "NCT02763475",
}


def said(capsys, *args):
    code = run(["protocols", *args])
    out, err = capsys.readouterr()
    return code, " ".join(out.split()), err


def test_the_list_has_every_protocol_with_its_registration(capsys):
    run(["protocols", "list"])
    lines = capsys.readouterr().out.splitlines()[1:]
    assert {line.split()[0] for line in lines} == set(catalog()) == set(REGISTRATIONS)
    assert all(REGISTRATIONS[line.split()[0]] in line for line in lines)
    assert all((" second " in line) != (" provisional " in line) for line in lines)


# Counted in the file: two unknown facts (dose and days of the cells) in jk500, none in the published NKAML; a dose that
# is only a range counts as well (cyclophosphamide of cd33-carnk, cells of fc21-nk).
@pytest.mark.parametrize(
    ("name", "arms", "unknown"),
    [
        ("jk500", 1, 2),
        ("nkaml ", 1, 0),
        ("umn-haplo-nk", 3, 0),
        ("cd123-carnk", 1, 5),
        ("cd33-carnk", 3, 3),
        ("fc21-nk", 1, 7),
    ],
)
def test_the_list_counts_arms_and_what_is_unknown(name, arms, unknown, capsys):
    run(["protocols", "list"])
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith(name))
    assert re.search(rf"NCT\d+ +{arms} +{unknown} ", line)


@pytest.mark.parametrize(
    ("name", "phrases"),
    [
        (
            "jk500",
            [
                "cy: cyclophosphamide, 60 mg/kg, IV, over 1 h*, day −7",
                "flu: fludarabine phosphate, 25 mg/m², IV, over 30 min*, days −6 to −2",
                "il2: aldesleukin, 1,000,000 units/m², SC, 30 to 60 min before the start of each cells, in all 6",
                "unknown (cells or cells/kg)?",
                "[printed: 60mg/kg; day -7]",
                "[printed: 25mg/㎡/day; day -6 to -2 days]",
                "[printed: 100WU/ m2; 0.5h-1h; 6 doses]",
                "[printed: 28 days]",
                "24 mo from first cells",
                "28 d from each cells*",
                "0 to 18 years, 12 patients",
            ],
        ),
        (
            "ink-aml",
            [
                "5E8 cells* (of 5E8 cells to 1E9 cells), IV",
                "in all 8 [printed: 5\\*108 to 1\\*109 cells/dose; two doses per week, a total of 8 doses]",
                "1E9 cells, IV",
                "every 28 d",
                "in all 5",
                "18 to 80 years, 10 patients",
            ],
        ),
        ("nkg2d-carnk", ["3 to 75 years, 30 patients", "maximum tolerated dose", "[2e6, 6e6, 1.8e7] cells/kg*"]),
        (
            "donor-nk-il2",
            [
                "18 years and older",
                "systemic corticosteroids (unless inhaled) within 3 d",
                "within 2 wk or 5 half-lives, whichever is shorter",
                "radiotherapy within 4 wk",
                "donor lymphocyte infusion within 6 wk",
                "intrathecal injection within 1 wk",
                "within 6 mo",
            ],
        ),
        (
            "cd123-carnk",
            [
                "1E9 cells",
                "also registered as 1E7 cells/kg to 2E7 cells/kg [printed: 1x10\\^9; 1-2x10\\^7/kg]",
                "DLT window, 1 mo",
            ],
        ),
        ("nkaml", ["60 mg/kg, IV, over 1 h*, day −7", "days −6 to −2", "1,000,000 units/m²"]),
        ("umn-haplo-nk", ["Arm cohort3", "9,000,000 units, SC", "4 h after the end of first cells", "days −5, −4"]),
    ],
)
def test_show_says_every_line_of_the_registration_in_words(name, phrases, capsys):
    code, out, err = said(capsys, "show", name)
    assert (code, err) == (0, "")
    assert [p for p in phrases if p not in " ".join(out.split())] == []
    assert not re.search(r"\d ?I?U\b(?!/)", out.split("printed")[0])


def test_show_can_be_of_one_arm(capsys):
    _, out, _ = said(capsys, "show", "umn-haplo-nk", "--arm", "cohort3")
    assert "Arm cohort3" in out
    assert "Arm cohort1" not in out


@pytest.mark.parametrize(
    ("name", "path", "phrases"),
    [
        (
            "jk500",
            "il2.dose",
            [
                "= 100 WU/m^2",
                "basis: stated",
                "read as: 1,000,000 IU/m²",
                "printed: 100WU/ m2",
                "the registration, NCT05519384",
            ],
        ),
        ("jk500", "cy.dose", ["= 60 mg/kg", "basis: stated", "the registration, NCT05519384"]),
        ("jk500", "cy.over", ["= 1 h", "basis: assumed", "why: not registered"]),
        ("jk500", "cells.days", ["= unknown", "ask: On which days is JK500 infused?"]),
        (
            "ink-aml",
            "induction.dose",
            [
                "= 5e8..1e9 cells",
                "basis: stated",
                r"printed: 5\*108 to 1\*109 cells/dose",
                "chosen = 5e8 cells basis: assumed",
            ],
        ),
        ("nkg2d-carnk", "escalation.levels", ["[2e6, 6e6, 1.8e7] cells/kg", "basis: assumed", "NCT05247957"]),
        ("nkaml", "numbering.zero", ["basis: derived", "from:", "doi:10.1186/s40425-019-0564-6"]),
        (
            "umn-haplo-nk",
            "il2.dose",
            ["9e6 IU", "doi:10.1182/blood-2013-10-532531, PMID 24719405", "arm: cohort1", "arm: cohort3"],
        ),
    ],
)
def test_why_says_where_a_fact_stands(name, path, phrases, capsys):
    code, out, _ = said(capsys, "why", name, path)
    assert code == 0
    assert [p for p in phrases if p not in out] == []


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["why", "jk500", "il2.dos"], "NK506", "did you mean il2.dose?"),
        (["why", "jk500", "nothing"], "NK506", "one of body.bsa"),
        (["why", "umn-haplo-nk", "cells.dose", "--arm", "cohort9"], "NK504", "cohort1, cohort2, cohort3"),
        (["show", "umn-haplo-nk", "--arm", "x"], "NK504", "cohort1"),
        (["show", "jk-500"], "NK503", "did you mean jk500?"),
        (["gaps", "nosuch"], "NK503", "one of cb-nk-mm, cd123-carnk"),
        (["cite", "x" * 5000], "NK503", "one of cb-nk-mm, cd123-carnk"),
    ],
)
def test_a_wrong_name_gets_the_right_ones(args, code, word, capsys):
    found, out, err = said(capsys, *args)
    assert (found, out) == (2, "")
    assert code in err
    assert word in err


def test_cite_names_the_registration_and_every_source(capsys):
    _, out, _ = said(capsys, "cite", "nkaml")
    # Rubnitz 2010 and Nguyen 2019, as PubMed has them.
    assert "1. NCT00187096." in out
    assert "doi:10.1200/JCO.2009.24.4590, PMID 20085940" in out
    assert "doi:10.1186/s40425-019-0564-6, PMID 30894213" in out


@pytest.mark.parametrize("name", catalog())
def test_every_command_says_something_of_every_protocol_the_same_way_twice(name, capsys):
    for command in ("show", "gaps", "cite", "validate"):
        first, second = said(capsys, command, name), said(capsys, command, name)
        assert first == second
        assert (first[0], first[2]) == (0, "")
        assert REGISTRATIONS[name] in first[1] or command == "validate"


def test_validate_says_ok_of_several_files_and_the_worst_of_them_is_the_exit_code(capsys, tmp_path):
    (tmp_path / "bad.yaml").write_text(Path(GOOD).read_text().replace("60 mg/kg", "60"))
    code, out, err = said(capsys, "validate", GOOD, str(tmp_path / "bad.yaml"), "jk500")
    assert code == 1
    assert f"{GOOD}: ok, ref-regimen, 1 arm" in out
    assert "jk500: ok, jk500, 1 arm" in out
    assert "bad.yaml:16:55: error[NK212]: '60' has no unit" in err
    assert said(capsys, "validate", str(tmp_path / "bad.yaml"), str(tmp_path / "none.yaml"))[0] == 3


def test_validate_without_a_file_is_a_wrong_call(capsys):
    assert said(capsys, "validate")[0] == 2
