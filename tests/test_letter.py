"""`nksim protocols gaps`: the letter of questions. What must be asked comes from the registrations and papers named."""

import re
from pathlib import Path

import pytest

from nksim.cli import run
from nksim.output.letter import letter
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import facts_of, unanswered

STOPS = "Without an answer no calendar can be made"
ASSUMED = "Taken to be so meanwhile"


def sections(name):
    text = " ".join(letter(load(name)).split())
    found = re.split(r" ([ABC])\. (?=[A-Z])", text)
    return {found[i + 1].split("  ")[0][:20]: found[i + 1] for i in range(1, len(found), 2)}


def section(name, title):
    return next((text for head, text in sections(name).items() if title.startswith(head[:9])), "")


# NCT05519384 gives neither the cell dose nor the days of infusion; its IL-2 dose is printed as "100WU/ m2".
def test_the_letter_on_jk500_asks_first_for_dose_and_days_of_the_cells():
    stops = section("jk500", STOPS)
    assert "1. JK500 cell injection: What is the JK500 cell dose per infusion" in stops
    assert "2. JK500 cell injection: On which days is JK500 infused?" in stops
    assert "3." not in stops
    assert "[cells.dose]" in stops
    assumed = section("jk500", ASSUMED)
    assert "Is it reckoned by the formula of Mosteller? [body.bsa]" in assumed
    assert "it enters every dose per m²: flu, il2." in assumed
    assert "nksim assumes so: no BSA formula is registered." in assumed
    assert "Does 100WU/m2 mean 100 x 10^4" in section("jk500", "Also open")


# Silla 2021 prints a range of cell doses and no choice within it; ASH (NCT05008575) a range of cyclophosphamide doses.
@pytest.mark.parametrize(
    ("name", "ask"),
    [
        (
            "fc21-nk",
            "Which dose is given within 1e6..1e7 cells/kg? (In print: 106 -107 cells/kg/infusion.) [cells.dose]",
        ),
        ("cd33-carnk", "Which dose is given within 300..500 mg/m^2? (In print: 300-500mg/m2.) [cy.dose]"),
    ],
)
def test_a_registered_range_without_a_choice_is_a_question(name, ask):
    assert ask in section(name, STOPS)


def test_a_rule_of_body_size_that_enters_no_dose_is_not_asked_about():
    text = letter(load("ink-aml"))  # all doses flat
    assert "body.bsa" not in text
    assert "body.weight" not in text
    assert "per kg: cy, cells." in " ".join(letter(load("nkaml")).split())


def test_one_reason_for_several_lines_is_one_question():
    assert "[flu.route, cy.route, ritux.route, benda.route]" in section("ft516", ASSUMED)


def test_arms_that_differ_are_asked_about_one_by_one():
    asked = section("umn-haplo-nk", ASSUMED)
    assert all(f"[cells.dose (cohort{i})]" in asked for i in (1, 2, 3))


@pytest.mark.parametrize("name", catalog())
def test_every_open_fact_is_in_the_letter_with_why_and_what_happens_meanwhile(name):
    protocol, text = load(name), " ".join(letter(load(name)).split())
    open_ = {
        p for a in protocol.arms for p, f in facts_of(protocol, a) if unanswered(p, f) or f.chosen.basis == "assumed"
    }
    groups = re.findall(r"\[([a-z0-9_-]+\.[a-z_]+[a-z0-9_., ()-]*)\]", text)
    asked = {p.split(" (")[0] for group in groups for p in group.split(", ")}
    assert {p for p in open_ - asked if not p.startswith("body.")} == set()
    assert asked <= open_
    items = re.split(r"(?m)^ {1,2}\d+\. ", letter(protocol).rsplit("What is stated and where", 1)[0])[1:]
    assert all("Why it matters:" in item for item in items)
    assert sum("Meanwhile:" in item for item in items) == len(groups)


@pytest.mark.parametrize("name", catalog())
def test_questions_are_numbered_without_a_gap(name, capsys):
    assert run(["protocols", "gaps", name]) == 0
    out = capsys.readouterr().out
    numbers = re.findall(r"^ {1,2}(\d+)\. ", out, re.MULTILINE)
    assert [int(n) for n in numbers] == list(range(1, len(numbers) + 1))
    assert max(map(len, out.splitlines()[3:])) <= 110


def test_what_a_user_has_answered_is_not_asked_again(capsys):
    assert run(["protocols", "gaps", "jk500", "--set", "cells.dose=1e7 cells/kg"]) == 0
    out = capsys.readouterr().out
    assert "[cells.dose]" not in out
    assert "[cells.days]" in out


def test_the_letter_can_be_about_one_arm(capsys):
    run(["protocols", "gaps", "ft516", "--arm", "bendamustine"])
    out = capsys.readouterr().out
    assert "benda.over" in out
    assert "flu.over" not in out
    assert run(["protocols", "gaps", "ft516", "--arm", "x"]) == 2
    assert run(["protocols", "gaps", "nkg2d-carnk", "--level", "1"]) == 2


def test_every_rule_that_a_file_can_hold_has_its_question():
    text = letter(load(str(Path(__file__).parent / "everything" / "everything.yaml")))
    items = re.split(r"(?m)^ {1,2}\d+\. ", text)[1:]
    assert "[haplo-nk.release]" in text
    assert all("Why it matters:" in item or "Meanwhile:" not in item for item in items)
