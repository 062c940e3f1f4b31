"""Waivers: a check is overruled with a reason, which stays with everything that is handed out."""

import csv
import io
import json
from pathlib import Path

import icalendar
import pytest

import nksim
from nksim.cli import run
from nksim.errors import InvalidInput, UsageError
from nksim.schedule.waivers import waivers

GOOD = str(Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml")
CHILD = ["--weight", "25kg", "--height", "128cm", "--day0", "2027-03-01", "--tz", "Asia/Shanghai"]
LOW = ["calendar", GOOD, *CHILD, "--set", "cy.dose=6 mg/kg"]
WHY = "agreed with Dr. 李 on 2027-02-01"
WAIVE = ["--waive", f"NK312={WHY}"]


def test_a_finding_is_printed_with_the_calendar_and_does_not_stop_it(capsys):
    assert run(LOW) == 0
    out, err = capsys.readouterr()
    assert "Checks:\n  check NK312: cy: 6 mg/kg" in out
    assert "warning[NK312]: cy: 6 mg/kg" in err
    assert run([*LOW, "--strict"]) == 1


def test_a_waiver_stays_in_the_table_with_its_reason_and_satisfies_strict(capsys):
    assert run([*LOW, *WAIVE, "--strict"]) == 0
    out, err = capsys.readouterr()
    assert f"  check NK312 waived ({WHY}): cy: 6 mg/kg" in out
    assert "waived[NK312]: cy: 6 mg/kg of cyclophosphamide is outside the range of 10 mg/kg to 60 mg/kg" in err
    assert f"(reason: {WHY})" in err


def test_a_waiver_stays_in_the_csv_in_the_notes_of_its_line_and_in_the_provenance(tmp_path):
    assert run([*LOW, *WAIVE, "-o", str(tmp_path / "c.csv")]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text(encoding="utf-8"))))
    marked = {r["administration"] for r in rows if f"check NK312 waived ({WHY})" in r["notes"]}
    assert marked == {"cy"}
    (beside,) = (p for p in tmp_path.iterdir() if p.name != "c.csv")
    assert json.loads(beside.read_text(encoding="utf-8"))["dc:source"]["waivers"] == [{"code": "NK312", "reason": WHY}]


def test_a_waiver_stays_in_the_json(capsys):
    assert run([*LOW, *WAIVE, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["provenance"]["waivers"] == [{"code": "NK312", "reason": WHY}]
    (finding,) = found["patients"][0]["findings"]
    assert (finding["code"], finding["severity"], finding["waived"]) == ("NK312", "warning", WHY)
    assert finding["sources"]


def test_a_waiver_stays_in_the_calendar_file(tmp_path):
    assert run([*LOW, *WAIVE, "-o", str(tmp_path / "c.ics")]) == 0
    ics = icalendar.Calendar.from_ical((tmp_path / "c.ics").read_bytes())
    marked = [e for e in ics.walk("VEVENT") if f"check NK312 waived ({WHY})" in e["DESCRIPTION"]]
    assert [str(e["SUMMARY"]).split(":")[0] for e in marked] == ["P001 day −7 cyclophosphamide"]


def test_what_is_about_two_lines_stands_at_the_doses_of_both_and_of_no_other():
    p = nksim.protocol(GOOD).change("flu.days", "0").change("cy.dose", "6 mg/kg")
    made = p.calendar(nksim.Patient(weight="25 kg", height="128 cm"), day0="2027-03-01", tz="Asia/Shanghai")
    rows = csv.DictReader(io.StringIO(str(made.render("csv"))))
    assert {(r["administration"], "NK317" in r["notes"], "NK312" in r["notes"]) for r in rows} == {
        ("cy", False, True),
        ("flu", True, False),
        ("cells", False, False),
    }


def test_a_notebook_shows_what_was_waived_and_why():
    p = nksim.protocol(GOOD).change("cy.dose", "6 mg/kg").waive("NK312", WHY)
    made = p.calendar(nksim.Patient(weight="25 kg", height="128 cm"), day0="2027-03-01", tz="Asia/Shanghai")
    assert f"check NK312 waived ({WHY})" in made._repr_html_()


def test_what_is_about_the_patient_stands_at_every_dose(capsys):
    assert run([*LOW, "--age", "90y", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert all("NK318" in r["notes"] for r in rows if r["event"] == "dose")


def test_simulations_keep_waivers_too(capsys):
    use = [
        "simulate",
        GOOD,
        "-n",
        "2",
        "--days",
        "8",
        "--engine",
        "numpy",
        "--set",
        "cy.dose=6 mg/kg",
        *WAIVE,
        "--json",
    ]
    assert run([*use, "--strict"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["provenance"]["waivers"] == [{"code": "NK312", "reason": WHY}]
    assert [f["waived"] for f in found["regimens"][0]["findings"]] == [WHY]


@pytest.mark.parametrize("dose", ["cy.dose=60 mcg/kg", "flu.dose=0.8 mg/kg"])
def test_a_held_calendar_is_given_only_with_a_waiver(dose, capsys):
    code = {"cy": "NK337", "flu": "NK328"}[dose[: dose.index(".")]]
    use = ["calendar", GOOD, *CHILD, "--set", dose]
    assert run(use) == 1
    out, err = capsys.readouterr()
    assert (out, f"error[{code}]" in err, f"--waive {code}=" in err) == ("", True, True)
    assert run([*use, "--waive", f"{code}=read in the protocol, page 31"]) == 0
    assert f"check {code} waived (read in the protocol, page 31)" in capsys.readouterr().out


def test_a_waiver_that_waives_nothing_is_said(capsys):
    assert run(["calendar", GOOD, *CHILD, *WAIVE]) == 0
    assert "note: --waive NK312 had nothing to waive" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("NK312", "no reason"),
        ("NK312=", "no reason"),
        ("NK312=  ", "no reason"),
        ("NK312=two\nlines", "no reason"),
        ("NK999=because", "is no check"),
        ("NK212=because", "is no check"),
        ("nk312=because", "did you mean NK312?"),
        ("because", "is no check"),
        ("NK310=because", "cannot be waived"),
        ("NK302=because", "cannot be waived"),
    ],
)
def test_a_waiver_without_reason_or_of_what_cannot_be_waived_is_refused(text, word, capsys):
    assert run([*LOW, "--waive", text]) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith("error[NK515]: "), "  help: " in err) == ("", True, True)
    assert word in err


def test_all_that_is_wrong_with_waivers_is_said_at_once():
    with pytest.raises(UsageError) as found:
        waivers(["NK1=a", "NK312", "NK318=a", "NK318=b"])
    assert [f.code for f in found.value.faults] == ["NK515"] * 3


def test_no_waiver_lets_a_harmful_dose_through(capsys):
    use = ["calendar", GOOD, *CHILD, "--set", "flu.dose=25 mg/kg", "--waive", "NK328=sure"]
    assert run(use) == 1
    out, err = capsys.readouterr()
    assert (out, "NK310" in err) == ("", True)


def test_the_library_waives_in_the_same_words():
    p = nksim.protocol(GOOD).change("cy.dose", "60 mcg/kg")
    child = nksim.Patient(weight="25 kg", height="128 cm")
    with pytest.raises(InvalidInput, match="NK337"):
        p.calendar(child, day0="2027-03-01", tz="Asia/Shanghai")
    made = p.waive("NK337", "a microdose study").calendar(child, day0="2027-03-01", tz="Asia/Shanghai")
    assert [(f.code, f.waived) for f in made.calendars[0].findings] == [("NK337", "a microdose study")]
    with pytest.raises(UsageError, match="NK515"):
        p.waive("NK310", "no")
