"""`nksim escalate` as a user types it."""

import csv
import io
import json
import re

import icalendar
import pytest

from nksim.cli import run

THREE = ["escalate", "nkg2d-carnk", "--truth", "0.05,0.15,0.30", "--target", "0.30", "-n", "400"]
FIVE = ["escalate", "donor-nk-il2", "--truth", "0.05,0.15,0.30,0.45,0.60", "--target", "0.30", "--patients", "30"]
TIMED = [*THREE, "--accrual", "2", "--window", "28d", "--within", "14d", "--lead", "14d", "--screen-fail", "20 %",
         "--product-fail", "10 %", "--not-evaluable", "10 %", "--closed", "weekends", "--opens", "2027-03-01"]  # fmt: skip


def ran(capsys, *args, code=0):
    found = run([str(a) for a in args])
    out, err = capsys.readouterr()
    assert found == code, err
    assert "Traceback" not in out + err
    return out, err


def of(capsys, *args):
    return json.loads(ran(capsys, *args, "--json")[0])


# Exact 3+3 probabilities enumerated independently of this code.
def test_exact_3_plus_3_is_printed_to_four_digits(capsys):
    out, _ = ran(capsys, *FIVE, "--design", "3+3", "--exact")
    assert "2.66 %  18.13 %  40.06 %  29.98 %  8.42 %  0.76 %" in out
    assert "12.709" in out
    assert "2.735" in out


# 20,000 trials simulated independently of this code.
def test_boin_is_simulated_within_a_point_of_its_reference(capsys):
    found = of(capsys, *FIVE, "--design", "boin", "-n", "20000", "--seed", "1")["selection"]
    assert list(found) == ["none", "1", "2", "3", "4", "5"]
    assert list(found.values()) == pytest.approx([0.0, 0.012, 0.231, 0.546, 0.196, 0.015], abs=0.01)


def test_designs_stand_side_by_side_with_their_intervals(capsys):
    designs = ["3+3", "3+3-down", "boin", "mtpi", "mtpi2", "i3+3", "crm"]
    args = [x for name in designs for x in ("--design", name)]
    out, _ = ran(capsys, *THREE, *args)
    assert [line.split()[0] for line in out.splitlines() if "chosen as MTD" in line] == designs
    assert out.count("95 % interval") == len(designs)
    found = of(capsys, *THREE, *args)["studies"][0]["designs"]
    for d in found:
        assert sum(d["selection"].values()) == pytest.approx(1)
        for level, (low, high) in d["selection_interval"].items():
            assert low <= d["selection"][level] <= high


def test_doses_truth_and_what_is_assumed_are_named(capsys):
    out, _ = ran(capsys, *THREE, "--design", "boin")
    assert "2E6 cells/kg  6E6 cells/kg  1.8E7 cells/kg" in out
    assert "the true probability of a DLT at each level is the user's, not data" in out
    assert "escalation.levels = [2e6, 6e6, 1.8e7]" in out
    assert "at most 30 patients, the enrolment of the registration" in out


def test_without_a_truth_the_decision_tables_are_printed_alone(capsys):
    out, _ = ran(capsys, "escalate", "nkg2d-carnk", "--design", "boin", "--target", "0.30")
    assert "escalate if DLT at most      0  0  0  0  1  1  1  1  2   2   2   2   3   3   3   3   4   4" in out
    assert "need a truth" in out


@pytest.mark.parametrize("name", ["3+3", "3+3-down", "boin", "tite-boin", "mtpi", "mtpi2", "i3+3", "crm"])
def test_every_design_prints_and_saves_its_whole_table(capsys, tmp_path, name):
    args = ["escalate", "nkg2d-carnk", "--design", name, "--target", "0.30"]
    out, _ = ran(capsys, *args)
    assert re.search(r"^ +3 ", out, re.MULTILINE)
    ran(capsys, *args, "-o", tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    if name in ("boin", "mtpi", "mtpi2", "i3+3"):
        assert len(rows) == sum(n + 1 for n in range(1, 19))
    if name == "crm":
        assert max(sum(map(int, r["n"].split())) for r in rows) == 18
    if name == "tite-boin":
        assert len(rows) == sum((n + 1) * (n + 2) // 2 for n in range(1, 19))


def test_time_gives_the_length_and_a_trial_on_dates(capsys):
    out, _ = ran(capsys, *TIMED, "--design", "boin", "--design", "tite-boin")
    assert "months to the last decision" in out
    assert "Sample trial 1 of boin, opened 2027-03-01" in out
    assert re.search(r"P001 +1 +1  2E6 cells/kg", out)
    lengths = {
        d["design"]: d["length_d"]
        for d in of(capsys, *TIMED, "--design", "boin", "--design", "tite-boin")["studies"][0]["designs"]
    }
    assert lengths["tite-boin"]["p50"] < lengths["boin"]["p50"]
    assert lengths["boin"]["p05"] < lengths["boin"]["p50"] < lengths["boin"]["p95"]


def test_the_sample_trial_is_a_calendar_with_every_patient_s_doses(capsys, tmp_path):
    ran(capsys, *TIMED, "--design", "boin", "--tz", "Asia/Shanghai", "-o", tmp_path / "trial.ics")
    events = icalendar.Calendar.from_ical((tmp_path / "trial.ics").read_bytes()).walk("VEVENT")
    sample = of(capsys, *TIMED, "--design", "boin")["studies"][0]["designs"][0]["sample"]
    infused = [p for p in sample["patients"] if p["infused"]]
    # Days 0 and 7, and the DLT window of the option, for each patient who was infused.
    assert len(events) == 3 * len(infused)
    starts = {
        str(e["SUMMARY"]).split()[0]: e["DTSTART"].dt.date().isoformat() for e in events if " 1/2" in str(e["SUMMARY"])
    }
    assert starts == {p["id"]: p["infused"] for p in infused}
    levels = {str(e["SUMMARY"]).split()[0]: str(e["DESCRIPTION"]).split(",")[0] for e in events}
    assert levels == {p["id"]: f"nkg2d-carnk level {p['level']}" for p in infused}


@pytest.mark.parametrize("chart", ["characteristics", "tables", "length", "gantt"])
def test_every_chart_is_drawn_with_what_it_rests_on(capsys, tmp_path, chart):
    ran(
        capsys,
        *TIMED,
        "--design",
        "boin",
        "--design",
        "3+3",
        "--chart",
        chart,
        "-o",
        tmp_path / "c.svg",
        "-o",
        tmp_path / "c.png",
    )
    svg = (tmp_path / "c.svg").read_text()
    assert "nkg2d-carnk sha256" in svg
    assert {"characteristics": "the truth is assumed by the user", "tables": "BOIN, target 0.3", "length": "user's assumptions",
            "gantt": "P001"}[chart] in svg.replace("’", "'").replace("&#39;", "'")  # fmt: skip
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_exposure_as_the_reason_for_toxicity_is_marked_as_the_user_s_assumption(capsys):
    args = ["escalate", "nkg2d-carnk", "--design", "boin", "--target", "0.30", "-n", "200", "--virtual", "20", "--risk-of", "donor_nk_cmax",
            "--risk-at", "0.5=5 %, 5=50 %", "--levels", "[2e6, 6e6, 1.8e7] cells/kg", "--levels", "[1.4e8, 4.2e8, 1.26e9] cells"]  # fmt: skip
    out, _ = ran(capsys, *args)
    assert out.count("USER'S ASSUMPTION, not data") == 2
    assert "P(DLT) by your link" in out
    assert "under 18 y" in out
    found = of(capsys, *args)
    kg, flat = (s["exposure"]["levels"][2]["p_dlt_by_age"] for s in found["studies"])
    assert flat["under 18 y"] > kg["under 18 y"]
    assert "assumption_of_the_user" in found["studies"][0]["exposure"]
    assert found["studies"][0]["truth"] == [v["p_dlt"] for v in found["studies"][0]["exposure"]["levels"]]


def test_the_csv_holds_every_number_of_the_json(capsys, tmp_path):
    ran(capsys, *TIMED, "--design", "boin", "-o", tmp_path / "c.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text())))
    d = of(capsys, *TIMED, "--design", "boin")["studies"][0]["designs"][0]
    chosen = {
        ("none" if r["level"] == "0" else r["level"]): float(r["value"]) for r in rows if r["quantity"] == "selection"
    }
    assert chosen == pytest.approx(d["selection"])
    assert {r["quantity"] for r in rows} >= {
        "patients",
        "dlts",
        "above_target",
        "length_d_mean",
        "length_d_p50",
        "true_dlt",
    }


def test_workers_change_no_number(capsys):
    one, three = (
        of(capsys, *TIMED, "--design", "boin", "--design", "tite-boin", "--workers", w)["studies"] for w in (1, 3)
    )
    assert one == three


def test_the_same_call_gives_the_same_bytes(capsys, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        ran(
            capsys,
            *TIMED,
            "--design",
            "boin",
            "--chart",
            "gantt",
            "-o",
            tmp_path / name / "g.svg",
            "-o",
            tmp_path / name / "t.txt",
        )
    for file in ("g.svg", "t.txt"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("level", [1, 2, 3])
def test_calendar_follows_the_level(capsys, level):
    out, _ = ran(capsys, "calendar", "nkg2d-carnk", "--assume", "--level", level, "--weight", "50kg", "--day0", "2027-03-01",
                 "--tz", "Asia/Shanghai")  # fmt: skip
    assert {1: "(1E8) cells", 2: "(3E8) cells", 3: "(9E8) cells"}[level] in out


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (["--truth", "0.1,0.2"], "NK802"), (["--truth", "0.3,0.2,0.1"], "NK802"), (["--truth", "a"], "NK802"), (["--truth", ""], "NK802"),
        (["--target", "1.3"], "NK801"), (["--target", "0"], "NK801"), (["--design", "bion"], "NK808"), (["--start", "4"], "NK803"),
        (["--cohort", "0"], "NK803"), (["--patients", "2"], "NK803"), (["--early-stop", "1"], "NK804"), (["--extra-safe", "2"], "NK804"),
        (["-n", "0"], "NK805"), (["--workers", "0"], "NK805"), (["--table", "0"], "NK805"), (["--sample", "0", "--opens", "2027-03-01"], "NK805"),
        (["--design", "crm", "--skeleton", "0.2,0.1,0.3"], "NK807"), (["--accrual", "many"], "NK811"), (["--accrual", "0"], "NK811"),
        (["--window", "soon"], "NK811"), (["--within", "29d"], "NK812"), (["--between", "7d"], "NK812"), (["--screen-fail", "20"], "NK811"),
        (["--late", "200 %"], "NK811"), (["--opens", "soon"], "NK406"), (["--risk-of", "donor_nk_cmax", "--risk-at", "1=5%,2=6%"], "NK820"),
        (["--levels", "[6e6, 2e6] cells/kg"], "NK810"), (["--levels", "[1e6] cells", "--levels", "[2e6] cells"], "NK814"),
        (["--set", "escalation.start=9"], "NK810"), (["-o", "x.ics"], "NK814"), (["--design", "tite-boin", "--exact"], "NK806"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else v,
)  # fmt: skip
def test_a_wrong_option_is_refused_with_a_code_and_a_mend(capsys, wrong, code):
    assert run([*THREE, "--design", "boin", "--accrual", "2", "--window", "28d", *wrong]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error[{code}]" in err
    assert "help:" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [(["escalate", "jk500", "--design", "boin"], "has no escalation"), (["escalate", "nkg2d-carnk"], "the design is not known"),
     (["escalate", "nkg2d-carnk", "--design", "boin"], "needs a target"),
     (["escalate", "donor-nk-il2", "--design", "boin", "--target", "0.3"], "the number of levels is not known"),
     ([*THREE, "--design", "tite-boin"], "needs the pace"), ([*THREE, "--design", "boin", "--accrual", "2"], "DLT window is not known")],
)  # fmt: skip
def test_what_is_missing_is_asked_for(capsys, args, said):
    _, err = ran(capsys, *args, code=2)
    assert said in err
    assert "help:" in err
