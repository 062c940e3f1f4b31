"""The library's front door says the same as the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

import nksim
from nksim.cli import run as command
from nksim.errors import UsageError
from nksim.settings import Settings

CHILD = {"weight": "20 kg", "height": "110 cm", "age": "6 y"}
PLACE = {"day0": "2027-03-01", "tz": "Asia/Shanghai"}


def jk500():
    return nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 2, 4, 7, 9, 11")


def test_python_and_command_line_give_the_same_csv(capsys):
    cal = jk500().calendar(nksim.Patient(**CHILD), **PLACE)
    args = ["calendar", "jk500", "--weight", "20kg", "--height", "110cm", "--age", "6y", "--day0", "2027-03-01", "--tz", "Asia/Shanghai",
            "--set", "cells.dose=1e7 cells/kg", "--set", "cells.days=0, 2, 4, 7, 9, 11", "--format", "csv"]  # fmt: skip
    assert command(args) == 0
    assert capsys.readouterr().out == cal.render("csv")


def test_python_and_command_line_give_the_same_metrics(capsys):
    made = nksim.protocol("nkaml").assume().simulate(n=3, seed=2, settings=Settings(days=15))
    assert command(["simulate", "nkaml", "--assume", "-n", "3", "--seed", "2", "--days", "15"]) == 0
    assert capsys.readouterr().out == str(made)


def test_the_doses_of_the_plan_hold_at_full_precision():
    # 25 mg/m2 x sqrt(110 x 20 / 3600) m2, worked by hand with 20 digits: 19.543398999264292...
    rows = {
        r.event.line: r.event.amount for r in jk500().calendar(nksim.Patient(**CHILD), **PLACE).rows if r.event.dose
    }
    assert float(rows["cy"]) == 1200
    assert float(rows["flu"]) == pytest.approx(19.543398999264292, rel=1e-15)
    assert float(rows["cells"]) == 2e8


def test_every_change_gives_a_new_regimen():
    before = nksim.protocol("jk500")
    before.change("cells.days", "0")
    assert before.settings == ()


def test_a_wrong_change_is_refused_at_once():
    with pytest.raises(UsageError, match="nothing called"):
        nksim.protocol("jk500").change("cell.days", "0")


def test_the_door_opens_whatever_was_imported_before():
    code = "import nksim.protocol.catalog, nksim; print(nksim.protocol('nkaml').protocol.id)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "nkaml\n"


def test_importing_nksim_loads_no_science():
    code = "import sys, nksim; print([m for m in ('numpy', 'scipy', 'pint', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_results_are_saved_by_suffix(tmp_path: Path):
    cal = jk500().calendar(nksim.Patient(**CHILD), **PLACE)
    for name in ("c.txt", "c.csv", "c.json", "c.ics"):
        cal.save(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    with pytest.raises(UsageError, match="no calendar format"):
        cal.save(tmp_path / "c.docx")


def test_levels_and_arms_are_chosen_by_name():
    p = nksim.protocol("nkg2d-carnk").assume().level(3)
    cal = p.calendar(nksim.Patient(weight="50 kg", age="30 y"), **PLACE)
    assert [float(r.event.amount) for r in cal.rows] == [9e8, 9e8]
    assert nksim.protocol("umn-haplo-nk").arm("cohort2").choice().name == "umn-haplo-nk/cohort2"


def test_a_site_that_closes_is_the_same_word_in_python():
    p = (
        nksim.protocol("jk500")
        .change("cells.dose", "1e7 cells/kg")
        .change("cells.days", "0")
        .change("flu.days", "-6..-4")
    )
    child = nksim.Patient(weight="20 kg", height="110 cm")
    site = nksim.SiteRules(closed=("weekends",))
    found = p.calendar(child, day0="2027-03-06", tz="Asia/Shanghai", site=site, earliest=True)
    assert found.calendars[0].day0.isoformat() == "2027-03-08"
