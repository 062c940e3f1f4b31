"""`nksim amend` and `nksim verify` as they are typed."""

import json

import pytest

from nksim.cli import run

CALENDAR = [
    *"calendar jk500 --weight 20kg --height 110cm --age 6y --day0 2027-03-01 --tz Asia/Shanghai".split(),
    *("--set", "cells.dose=1e7 cells/kg", "--set", "cells.days=0, 7, 14"),
]
WHEN = ["--when", "2027-03-05T09:00"]


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert run([*CALENDAR, "-o", "a.json", "-o", "a.ics", "-o", "a.csv"]) == 0
    capsys.readouterr()
    return tmp_path


def test_several_changes_of_one_command_are_those_of_several_commands(folder, capsys):
    one, two = "delay cells 2 by 3 d: fever", "omit cells 3: progression"
    assert run(["amend", "a.json", one, two, *WHEN, "--who", "Li Na", "-o", "both.json"]) == 0
    assert run(["amend", "a.json", one, *WHEN, "--who", "Li Na", "-o", "first.json"]) == 0
    assert run(["amend", "first.json", two, *WHEN, "--who", "Li Na", "-o", "second.json"]) == 0
    assert (folder / "both.json").read_bytes() == (folder / "second.json").read_bytes()


@pytest.mark.parametrize("form", ["json", "ics", "csv"])
def test_a_calendar_is_amended_from_any_file_of_it(form, folder, capsys):
    assert run(["amend", f"a.{form}", "omit il2 2: refused", *WHEN, "-o", f"from_{form}.json"]) == 0
    assert run(["amend", "a.json", "omit il2 2: refused", *WHEN, "-o", "b.json"]) == 0
    assert (folder / f"from_{form}.json").read_bytes() == (folder / "b.json").read_bytes()
    capsys.readouterr()
    assert run(["verify", f"from_{form}.json"]) == 0
    assert "1 amendment; seal " in capsys.readouterr().out


def test_the_difference_is_data_on_stdout(folder, capsys):
    assert run(["amend", "a.json", "delay cells 2 by 3 d: fever", *WHEN, "--json"]) == 0
    out, err = capsys.readouterr()
    shown = json.loads(out)
    assert (shown["schema_version"], shown["kind"]) == (1, "calendar changes")
    (patient,) = shown["patients"]
    assert [(r["administration"], r["dose_number"]) for r in patient["rows"]] == [("il2", 2), ("cells", 2), ("dlt", 2)]
    assert patient["rows"][1]["fields"]["protocol_day"] == {"was": 7, "is": 10}
    assert patient["unchanged"] == 14
    assert shown["amendments"][0]["reason"] == "fever"
    assert "nothing is written: add -o FILE.json" in err
    assert sorted(p.name for p in folder.iterdir()) == ["a.csv", "a.csv-metadata.json", "a.ics", "a.json"]


def test_the_difference_in_words_shows_both_sides_and_what_is_new(folder, capsys):
    assert run(["amend", "a.json", "reduce flu 5 by 25 %: renal", "--when", "2027-02-26T12:00", "--who", "李娜"]) == 0
    out, _ = capsys.readouterr()
    assert "1 P001: 2027-02-26 12:00 reduce flu 5 by 25 %: renal (李娜)" in out
    # 19.5434 mg and three quarters of it.
    (line,) = [x for x in out.splitlines() if x.startswith("flu ")]
    assert line.split("  ")[-2:] == ["19.5434 mg", "14.6575 mg"]
    assert "16 of 17 rows are as before." in out


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["delay cells 2 by 3 d: x"], 2, "--when"),
        (["delay cells 2 by 0 d: x", *WHEN], 2, "NK520"),
        (["omit il2 2", *WHEN], 2, "NK521"),
        (["omit il2 2: x", "--when", "tomorrow"], 2, "NK522"),
        (["omit ils 2: x", *WHEN], 2, "did you mean il2?"),
        (["omit il2 1: x", *WHEN], 1, "NK525"),
        (["delay il2 2 by 1 h: x", *WHEN], 1, "NK351"),
        (["delay cells 1 by 1 d: x", "--when", "2027-02-28T12:00"], 1, "--deviation"),
        (["omit il2 2: x", *WHEN, "-o", "b.doc"], 2, "NK703"),
        (["omit il2 2: x", *WHEN, "-o", "a.json"], 2, "NK701"),
        (["omit il2 2: x", *WHEN, "--id", "P009"], 2, "NK527"),
        ([*WHEN], 2, "CHANGE"),
    ],
)
def test_what_cannot_be_done_says_why_and_writes_nothing(args, code, says, folder, capsys):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert run(["amend", "a.json", *args]) == code
    out, err = capsys.readouterr()
    assert (out, says in err) == ("", True)
    assert "Traceback" not in err
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_an_edited_calendar_is_not_amended(folder, capsys):
    text = (folder / "a.json").read_text()
    (folder / "a.json").write_text(text.replace('"dose": 1200.0', '"dose": 1300.0'))
    assert run(["verify", "a.json"]) == 1
    assert capsys.readouterr().out == "patients[0].rows[0].dose: file 1300.0, derived 1200.0\n"
    assert run(["amend", "a.json", "omit il2 2: x", *WHEN, "-o", "b.json"]) == 1
    assert "NK735" in capsys.readouterr().err
    assert not (folder / "b.json").exists()


def test_verify_has_an_exit_code_for_each_outcome(folder, capsys):
    assert run(["verify", "a.json"]) == run(["verify", "a.ics"]) == run(["verify", "a.csv"]) == 0
    assert run(["verify", "nothing.json"]) == 3
    assert run(["verify", "a.txt"]) == 2
    assert run(["verify", "a.json", "--seal", "000000000000"]) == 1
    assert run(["verify", "a.json", "--seal", "0"]) == 2
    capsys.readouterr()
    assert run(["verify", "a.json", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["same"], shown["differences"], shown["amendments"], len(shown["seal"])) == (True, [], 0, 64)


def test_the_clock_is_asked_only_when_told_and_may_be_set(folder, capsys, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1804208400")
    # 2027-03-05T01:00:00Z, by GNU date.
    assert run(["amend", "a.json", "omit il2 2: x", "--when", "now", "-o", "b.json"]) == 0
    entry = json.loads((folder / "b.json").read_text())["log"][1]
    assert entry["when"] == "2027-03-05T09:00:00+08:00"
    assert run([*CALENDAR, "-o", "c.json"]) == 0
    assert json.loads((folder / "c.json").read_text())["log"][0]["when"] == "2027-03-05T09:00:00+08:00"
    assert run(["verify", "c.json"]) == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert run(["amend", "a.json", "omit il2 2: x", "--when", "now"]) == 2


def test_the_same_command_gives_the_same_bytes(folder):
    for name in ("one", "two"):
        assert run(["amend", "a.json", "delay cells 2 by 3 d: x", *WHEN, "-o", f"{name}.ics"]) == 0
    assert (folder / "one.ics").read_bytes() == (folder / "two.ics").read_bytes()


def test_strict_ends_with_1_when_something_new_is_found(folder):
    assert run(["amend", "a.json", "omit cells 2..3: x", *WHEN, "--strict"]) == 1
    assert run(["amend", "a.json", "reduce cells 2 by 10 %: x", *WHEN, "--strict"]) == 0
