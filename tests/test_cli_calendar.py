"""`nksim calendar` as a user types it: options, files, exit codes, and what is loaded to run it."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import icalendar
import pytest

from nksim.cli import run

GOOD = str(Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml")
CHILD = ["--weight", "20kg", "--height", "110cm", "--age", "6y", "--sex", "F"]
PLACED = ["--day0", "2027-03-01", "--tz", "Asia/Shanghai"]
ANSWERS = ["--set", "cells.dose=1e7 cells/kg", "--set", "cells.days=0, 2, 4, 7, 9, 11"]
JK500 = ["calendar", "jk500", *CHILD, *PLACED, *ANSWERS]


def said(capfd, *args):
    code = run(list(args))
    return code, *capfd.readouterr()


@pytest.fixture
def jk500(capfd):
    """Runs the calendar of jk500 with more options."""
    return lambda *more: said(capfd, *JK500, *more)


def test_the_calendar_is_on_stdout_and_nothing_on_stderr(jk500):
    code, out, err = jk500()
    assert (code, err) == (0, "")
    assert "1,200 mg" in out


@pytest.mark.parametrize("form", ["table", "csv", "json", "ics"])
def test_the_same_command_gives_the_same_bytes(jk500, form):
    assert jk500("--format", form) == jk500("--format", form)


def test_json_is_short_for_its_format(jk500):
    short, long = json.loads(jk500("--json")[1]), json.loads(jk500("--format", "json")[1])
    assert short["patients"] == long["patients"]
    assert short["provenance"]["command"].endswith("--json")


def test_a_file_is_written_in_the_format_of_its_suffix(jk500, tmp_path):
    names = ["c.txt", "c.csv", "c.json", "c.ics"]
    code, out, err = jk500(*[x for n in names for x in ("-o", str(tmp_path / n))])
    assert (code, out) == (0, "")
    assert all(f"wrote {tmp_path / n}" in err for n in names)
    assert (tmp_path / "c.txt").read_text().startswith("JK500")
    assert (tmp_path / "c.csv").read_bytes().startswith(b"patient,event,phase,")
    assert json.loads((tmp_path / "c.json").read_text())["kind"] == "calendar"
    assert icalendar.Calendar.from_ical((tmp_path / "c.ics").read_bytes()).errors == []


def test_a_file_holds_the_bytes_of_stdout(jk500, tmp_path):
    jk500("-o", str(tmp_path / "c.csv"))
    shown = jk500("--format", "csv")[1]
    assert (tmp_path / "c.csv").read_bytes().decode().replace("\r\n", "\n") == shown.replace("\r\n", "\n")


def test_an_existing_file_is_kept_unless_forced(jk500, tmp_path):
    kept = tmp_path / "c.csv"
    kept.write_text("mine")
    code, _, err = jk500("-o", str(kept))
    assert (code, kept.read_text()) == (2, "mine")
    assert "NK701" in err
    assert "--force" in err
    assert jk500("-o", str(kept), "--force")[0] == 0
    assert kept.read_text().startswith("patient,")


def test_no_partial_file_is_left_where_the_input_is_at_fault(capfd, tmp_path):
    code, *_ = said(capfd, "calendar", "jk500", *CHILD, *PLACED, "-o", str(tmp_path / "c.csv"))
    assert code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("c.docx", "NK703"),
        ("c", "NK703"),
        ("c.CSV", "NK703"),
        ("nowhere/c.csv", "NK701"),
        ("", "NK703"),
        ("folder.csv", "NK701"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(jk500, tmp_path, name, code):
    (tmp_path / "folder.csv").mkdir()
    exit_code, out, err = jk500("-o", f"{tmp_path}/{name}")
    assert (exit_code, out) == (2, "")
    assert code in err
    assert "  help: " in err


def test_one_output_cannot_be_named_twice(jk500, tmp_path):
    assert "named twice" in jk500("-o", str(tmp_path / "c.csv"), "-o", str(tmp_path / "c.csv"))[2]


def test_unknown_facts_are_asked_for_with_exit_code_2(capfd):
    code, out, err = said(capfd, "calendar", "jk500", *CHILD, *PLACED)
    assert (code, out) == (2, "")
    assert "cells.dose is unknown: What is the JK500 cell dose per infusion" in err
    assert '--set cells.dose="<number> cells or cells/kg"' in err


def test_assumed_facts_need_assume(capfd):
    code, _, err = said(capfd, "calendar", "ink-aml", *CHILD[:4], *PLACED)
    assert (code, err.count("--assume")) == (2, 3)
    assert said(capfd, "calendar", "ink-aml", *CHILD[:4], *PLACED, "--assume")[0] == 0


def test_a_finding_stands_on_the_calendar_and_on_stderr_and_strict_makes_it_the_exit_code(capfd):
    few = ["calendar", "jk500", *CHILD, *PLACED, "--set", "cells.dose=1e7 cells/kg", "--set", "cells.days=0"]
    code, out, err = said(capfd, *few)
    assert (code, "warning[NK316]" in err, "check NK316: il2" in out) == (0, True, True)
    assert said(capfd, *few, "--strict")[0] == 1


def test_strict_is_silent_where_nothing_is_found(jk500):
    assert jk500("--strict")[0] == 0


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["nosuch"], 2, "in the catalogue"),
        (["jk5000"], 2, "did you mean jk500?"),
        (["a" * 5000], 2, "in the catalogue"),
        (["nosuch.yaml"], 3, "cannot read"),
        (["."], 3, "directory"),
        ([GOOD, "--day0", "2027-02-30"], 1, "no date"),
        ([GOOD, "--day0", "1. March 2027"], 1, "YYYY-MM-DD"),
        ([GOOD, "--tz", "Mars/Olympus"], 2, "no time zone"),
        ([GOOD, "--tz", "CST6"], 2, "no time zone"),
        ([GOOD, "--cells-at", "25:00"], 2, "HH:MM"),
        ([GOOD, "--cells-at", "9:00"], 2, "HH:MM"),
        ([GOOD, "--weight", "44lb"], 1, "kilograms"),
        ([GOOD, "--height", "1.10m"], 1, "centimetres"),
        ([GOOD, "--id", "../x"], 1, "not usable"),
        ([GOOD, "--sex", "W"], 1, "F or M"),
        ([GOOD, "--arm", "b"], 2, "has no arm"),
        ([GOOD, "--level", "1"], 2, "no dose levels"),
        ([GOOD, "--set", "cells"], 2, "PATH=VALUE"),
        ([GOOD, "--set", "cells.dose="], 2, "PATH=VALUE"),
        ([GOOD, "--set", "cell.dose=1e9 cells"], 2, "did you mean cells.dose?"),
        ([GOOD, "--set", "cells.dose=1,000 cells"], 1, "comma"),
        ([GOOD, "--format", "pdf"], 2, "pdf"),
        ([GOOD, "--patients", "x.csv"], 2, "exclude each other"),
    ],
)
def test_a_wrong_call_has_its_exit_code_and_says_what_would_do(args, code, word, capfd):
    found, out, err = said(capfd, "calendar", args[0], *CHILD, *PLACED, *args[1:])
    assert (found, out) == (code, "")
    assert word in err
    assert "Traceback" not in err


@pytest.mark.parametrize("missing", ["--day0", "--tz"])
def test_day_0_and_zone_must_be_said(missing, capfd):
    i = PLACED.index(missing)
    code, _, err = said(capfd, "calendar", GOOD, *CHILD, *PLACED[:i], *PLACED[i + 2 :])
    assert (code, f"missing {missing}" in err) == (2, True)


def test_a_protocol_of_one_s_own_is_used_by_its_path(capfd):
    code, out, _ = said(capfd, "calendar", GOOD, *CHILD, *PLACED, "--format", "csv")
    assert (code, len(out.splitlines())) == (0, 9)


def test_each_patient_of_a_file_has_a_calendar_of_its_own(capfd, tmp_path):
    (tmp_path / "p.csv").write_text(
        "id,weight_kg,height_cm,day0,tz\nP1,25,128,2026-03-02,Asia/Shanghai\nP2,70,170,,\n", encoding="utf-8"
    )
    _, out, _ = said(capfd, "calendar", GOOD, "--patients", str(tmp_path / "p.csv"), *PLACED, "--format", "csv")
    rows = [r for r in csv.DictReader(io.StringIO(out)) if r["administration"] == "cy"]
    # 60 mg/kg; a row's own day 0 goes before the option's.
    assert [(r["patient"], r["dose"], r["date"]) for r in rows] == [
        ("P1", "1500", "2026-02-23"),
        ("P2", "4200", "2027-02-22"),
    ]


def test_a_patient_of_a_file_without_day_0_needs_the_option(capfd, tmp_path):
    (tmp_path / "p.csv").write_text("id,weight_kg,height_cm\nP1,25,128\n")
    code, _, err = said(capfd, "calendar", GOOD, "--patients", str(tmp_path / "p.csv"))
    assert (code, "missing --day0 and --tz" in err) == (2, True)


def loaded_after(*args):
    """The modules that a process has loaded when the command is done."""
    code = "import sys; from nksim.cli import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("args", [["--help"], ["calendar", "--help"], ["protocols", "list"]])
def test_help_and_listing_load_no_numerical_library(args):
    assert not loaded_after(*args) & {"numpy", "scipy", "pint", "icalendar"}


def test_a_command_loads_no_other_command():
    assert {m for m in loaded_after("calendar", "--help") if m.startswith("nksim.cli.")} == {
        "nksim.cli.calendar",
        "nksim.cli.options",
    }


@pytest.mark.parametrize(("name", "word"), [("calender", "did you mean calendar?"), ("xyz", "write one of amend, ")])
def test_a_command_that_there_is_not_is_a_usage_error_with_its_mend(name, word, capfd):
    code, out, err = said(capfd, name)
    assert (code, out, word in err) == (2, "", True)


def test_a_call_without_a_command_says_which_there_are(capfd):
    # Where and with which code click says it has changed with its versions.
    _, out, err = said(capfd)
    assert "Commands:\n  amend" in out + err
    assert "NK900" not in err


@pytest.mark.parametrize("form", ["table", "csv", "json", "ics"])
def test_a_calendar_loads_no_model(form):
    loaded = loaded_after(*JK500, "--format", form)
    assert not loaded & {"numpy", "scipy", "nksim.kinetics", "nksim.simulation", "nksim.run"}
    assert not [m for m in loaded if m.startswith("nksim.kinetics.")]


def test_the_command_line_is_the_provenance_of_its_output():
    code = "from nksim.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *JK500, "--json"], capture_output=True, check=True)
    provenance = json.loads(done.stdout.decode())["provenance"]
    assert provenance["command"].startswith("nksim calendar jk500 --weight 20kg --height 110cm")


def test_every_patient_of_a_file_who_lacks_a_height_is_named_with_the_line(capfd, tmp_path):
    file = tmp_path / "p.csv"
    file.write_text("id,weight_kg,height_cm\nA,20,\nB,25,120\nC,30,\n")
    code, out, err = said(capfd, "calendar", GOOD, "--patients", str(file), *PLACED)
    assert (code, out) == (1, "")
    assert [line for line in err.splitlines() if "NK405" in line] == [
        f"{file}:2:1: error[NK405]: patient A: the height is needed for this dose and is not given",
        f"{file}:4:1: error[NK405]: patient C: the height is needed for this dose and is not given",
    ]


def test_an_ideal_weight_may_be_given_for_a_child(capfd):
    code, out, err = said(
        capfd, "calendar", GOOD, *CHILD, "--ideal-weight", "19kg", *PLACED, "--set", "body.weight=ideal"
    )
    assert (code, err) == (0, "")
    assert "60 mg/kg × 19 kg (ideal 19 kg as given, actual 20 kg)" in out


WEEKDAYS = ["--set", "flu.days=-6..-4", "--set", "cells.days=0, 5"]
WINDOW = ["--set", "cells.window=-1..+1 d"]


def test_a_closed_day_is_flagged_and_a_window_moves_off_it(capfd):
    code, out, err = said(capfd, "calendar", GOOD, *CHILD, *PLACED, *WEEKDAYS, "--closed", "weekends")
    assert (code, err) == (0, "warning[NK330]: cells 2/2 on Sat 2027-03-06: weekend\n")
    code, out, err = said(capfd, "calendar", GOOD, *CHILD, *PLACED, *WEEKDAYS, *WINDOW, "--closed", "weekends")
    assert (code, err) == (0, "")
    assert "cells 2/2 on Fri 2027-03-05: moved from Sat 2027-03-06: weekend" in out


def test_the_earliest_day_0_is_found_and_said(capfd):
    placed = ["--earliest", "2027-03-06", "--tz", "Asia/Shanghai", "--closed", "weekends"]
    code, out, err = said(capfd, "calendar", GOOD, *CHILD, *placed, *WEEKDAYS, *WINDOW)
    assert (code, err) == (0, "P001: earliest day 0 is Mon 2027-03-08\n")
    assert "day 0 Mon 2027-03-08" in out
    code, out, err = said(capfd, "calendar", GOOD, *CHILD, *placed)
    assert (code, out) == (1, "")
    assert err.startswith("error[NK340]: no day 0 from 2027-03-06 to 2028-03-05: these exclude one another: cy (")


def test_a_washout_that_day_0_violates_is_a_finding(capfd):
    answers = ["cells.dose=1e7 cells/kg", "cells.days=0", "il2.dose=1e6 IU", "il2.days=1"]
    settings = [x for a in answers for x in ("--set", a)]
    args = ["calendar", "donor-nk-il2", "--weight", "70kg", *PLACED, *settings, "--prior", "radiotherapy=2027-02-10"]
    code, _, err = said(capfd, *args, "--strict")
    assert code == 1
    assert "warning[NK331]: washout of radiotherapy: last on 2027-02-10, 4 wk, day 0 not before 2027-03-10" in err


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--earliest", "2027-03-01"], "exclude each other"),
        (["--closed", "sundays"], "NK510"),
        (["--hours", "8-18"], "NK511"),
        (["--prior", "radiotherapy"], "NK513"),
        (["--prior", "radiotherapy=2027-01-01"], "NK514"),
        (["--shift", "later"], "--shift"),
    ],
)
def test_what_cannot_be_placed_is_a_usage_error(capfd, more, word):
    code, out, err = said(capfd, "calendar", GOOD, *CHILD, *PLACED, *more)
    assert (code, out) == (2, "")
    assert word in err
