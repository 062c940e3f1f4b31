"""The simulate and compare commands as a user types them."""

import csv
import json

import pytest

import nksim
from nksim.cli import run
from nksim.settings import Settings

FEW = ["-n", "3", "--days", "15", "--every", "12h"]
OUTPUTS = ["donor_nk", "host_nk", "nk_chimerism", "nk_chimerism_assay", "alc", "il15", "cy", "f_ara_a", "il2"]


def ran(capsys, *args, code=0):
    found = run([str(a) for a in args])
    out, err = capsys.readouterr()
    assert found == code, err
    assert "Traceback" not in out + err
    return out, err


def test_simulate_prints_the_metrics_and_names_what_is_assumed(capsys):
    out, err = ran(capsys, "simulate", "nkaml", *FEW)
    assert "nk_chimerism_d14" in out
    assert "cells.dose = 2.9e7 cells/kg" in out
    assert "with a limit of 1 %" in " ".join(out.split())
    assert "warning[NK502]: nkaml: doses or days are assumed by the file: cells.dose, il2.days" in err


def test_accepted_assumptions_give_no_warning(capsys):
    _, err = ran(capsys, "simulate", "nkaml", "--assume", "--engine", "numpy", *FEW)
    assert err == ""


def test_an_unknown_dose_is_refused_with_the_question_and_the_answer(capsys):
    _, err = ran(capsys, "simulate", "jk500", *FEW, code=2)
    assert "error[NK501]: cells.dose is unknown: What is the JK500 cell dose per infusion" in err
    assert '--set cells.dose="' in err


def test_the_summary_has_the_columns_and_outputs_of_the_contract(capsys, tmp_path):
    ran(capsys, "simulate", "nkaml", "--assume", *FEW, "-o", tmp_path / "summary.csv")
    rows = list(csv.DictReader((tmp_path / "summary.csv").read_text().splitlines()))
    assert list(rows[0]) == "regimen time_d output unit n mean p05 p25 p50 p75 p95".split()
    assert list(dict.fromkeys(r["output"] for r in rows)) == OUTPUTS
    assert {(r["output"], r["time_d"]) for r in rows if float(r["p05"]) > float(r["p95"])} == set()
    assert {r["n"] for r in rows} == {"3"}


def test_a_csv_has_its_provenance_beside_it(capsys, tmp_path):
    ran(capsys, "simulate", "nkaml", "--assume", *FEW, "--seed", 4, "-o", tmp_path / "s.csv")
    about = json.loads((tmp_path / "s.csv-metadata.json").read_text())["dc:source"]
    assert about["seed"] == 4
    assert about["protocols"][0]["id"] == "nkaml"
    assert len(about["protocols"][0]["sha256"]) == len(about["parameter_set"]["sha256"]) == 64


def test_json_gives_every_metric_with_reasons_for_the_missing(capsys):
    out, _ = ran(capsys, "simulate", "nkaml", "--assume", *FEW, "--json")
    found = json.loads(out)
    assert (found["schema_version"], found["kind"]) == (1, "simulation")
    metrics = found["regimens"][0]["metrics"]
    assert metrics["nk_chimerism_d28"]["median"] is None
    assert "before day 28" in metrics["nk_chimerism_d28"]["missing"]
    assert metrics["cells_total"]["median"] > 1e7


def test_the_same_command_gives_the_same_bytes(capsys, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        ran(
            capsys,
            "simulate",
            "nkaml",
            "--assume",
            *FEW,
            "-o",
            tmp_path / name / "s.csv",
            "-o",
            tmp_path / name / "c.svg",
        )
    for file in ("s.csv", "c.svg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_existing_files_are_kept_unless_forced(capsys, tmp_path):
    target = tmp_path / "s.csv"
    target.write_text("mine")
    _, err = ran(capsys, "simulate", "nkaml", "--assume", *FEW, "-o", target, code=2)
    assert "exists and is kept" in err
    assert target.read_text() == "mine"
    ran(capsys, "simulate", "nkaml", "--assume", *FEW, "-o", target, "--force")
    assert target.read_text().startswith("regimen,")


@pytest.mark.parametrize("name", ["c.svg", "c.png"])
def test_the_chart_is_written_as_a_picture(capsys, tmp_path, name):
    ran(capsys, "simulate", "nkaml", "--assume", *FEW, "-o", tmp_path / name)
    start = (tmp_path / name).read_bytes()[:8]
    assert start == b"\x89PNG\r\n\x1a\n" if name.endswith("png") else start.startswith(b"<svg")


def test_a_lower_limit_of_detection_sees_cells_for_longer(capsys):
    days = []
    for limit in ("5 %", "0.1 %"):
        out, _ = ran(capsys, "simulate", "nkaml", "--assume", "-n", "5", "--days", "40", "--lod", limit, "--json")
        days.append(json.loads(out)["regimens"][0]["metrics"]["persistence_d"]["median"])
    assert days[0] < days[1]


def test_lymphocyte_chimerism_is_lower_than_that_of_nk_cells(capsys):
    # Donor cells over all lymphocytes are fewer than over NK cells alone.
    days = []
    for lineage in ("NK", "lymphocytes"):
        out, _ = ran(capsys, "simulate", "nkaml", "--assume", "-n", "5", "--days", "40", "--lineage", lineage, "--json")
        days.append(json.loads(out)["regimens"][0]["metrics"]["persistence_d"]["median"])
    assert days[0] > days[1]


def test_both_engines_print_nearly_the_same(capsys):
    found = []
    for engine in ("numpy", "reference"):
        out, _ = ran(capsys, "simulate", "nkaml", "--assume", "-n", "1", "--days", "15", "--engine", engine, "--json")
        found.append(json.loads(out)["regimens"][0]["metrics"])
    for metric in ("donor_nk_cmax", "alc_nadir", "il15_max", "f_ara_a_auc"):
        assert found[0][metric]["median"] == pytest.approx(found[1][metric]["median"], rel=1e-4)


def test_a_finding_fails_a_strict_run_only(capsys):
    args = ["simulate", "jk500", *FEW, "--set", "cells.dose=1e7 cells/kg", "--set", "cells.days=0"]
    _, err = ran(capsys, *args)
    assert "warning[NK316]: il2: one dose is planned, the registration has 6 (jk500)" in err
    ran(capsys, *args, "--strict", code=1)


@pytest.mark.parametrize(
    "wrong",
    [
        ["-n", "0"], ["--days", "0"], ["--every", "soon"], ["--every", "1 mo"], ["--engine", "warp"], ["--model", "nope"],
        ["--lod", "1"], ["--lod", "150 %"], ["--lineage", "T"], ["--seed", "-1"], ["--weight", "0"], ["-o", "x.docx"],
        ["--set", "cells.doze=1e7 cells/kg"], ["--set", "cells.dose"], ["--arm", "b"], ["--level", "2"], ["--creatinine", "40umol/L"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_option_is_refused_with_a_mend(capsys, wrong):
    assert run(["simulate", "nkaml", "--assume", *FEW, *wrong]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "help:" in err or "Error:" in err


def test_compare_prints_paired_differences_with_intervals(capsys):
    out, _ = ran(
        capsys,
        "compare",
        "nkaml",
        "umn-haplo-nk",
        "--arm",
        "cohort1",
        "-n",
        "8",
        "--days",
        "15",
        "--assume",
        "--metric",
        "cy_auc",
    )
    assert "A  nkaml" in out
    assert "B  umn-haplo-nk/cohort1" in out
    assert "8 of 8" in out
    assert "paired by virtual patient" in out


def test_compare_sets_a_fact_of_one_regimen_only(capsys):
    out, _ = ran(
        capsys, "compare", "nkaml", "jk500", *FEW, "--assume", "--json",
        "--set", "jk500:cells.dose=1e7 cells/kg", "--set", "jk500:cells.days=0", "--metric", "cells_total",
    )  # fmt: skip
    nkaml, jk500 = (r["metrics"]["cells_total"]["median"] for r in json.loads(out)["regimens"])
    assert nkaml / jk500 == pytest.approx(2.9)


def test_compare_sets_a_fact_of_all_regimens_that_have_it(capsys):
    out, _ = ran(
        capsys, "compare", "nkaml", "jk500", *FEW, "--json", "--set", "cells.dose=1e7 cells/kg", "--set", "cells.days=0"
    )
    nkaml, jk500 = (r["metrics"]["cells_total"]["median"] for r in json.loads(out)["regimens"])
    assert nkaml == jk500


def test_a_setting_that_fits_no_regimen_is_refused(capsys):
    _, err = ran(capsys, "compare", "nkaml", "jk500", *FEW, "--set", "other:cells.dose=1e7 cells/kg", code=2)
    assert "fits none of nkaml, jk500" in err


def test_json_of_a_comparison_holds_the_differences(capsys):
    out, _ = ran(
        capsys, "compare", "nkaml", "umn-haplo-nk", "--arm", "cohort2", *FEW, "--assume", "--json", "--metric", "cy_auc"
    )
    found = json.loads(out)
    assert found["differences"][0]["to"] == "nkaml"
    assert found["differences"][0]["metrics"]["cy_auc"]["pairs"] == 3


def test_timing_is_planned_or_sampled(capfd):
    args = [
        "simulate",
        "nkaml",
        "-n",
        "4",
        "--days",
        "14",
        "--every",
        "1d",
        "--assume",
        "--set",
        "cells.window=-0..+3 d",
    ]
    assert run([*args, "--timing", "sampled"]) == 0
    sampled = capfd.readouterr().out
    assert run(args) == 0
    planned = capfd.readouterr().out
    assert sampled != planned
    assert "20 timings" in " ".join(sampled.split())
    assert "20 timings" not in " ".join(planned.split())


def test_a_grid_of_variants_names_each_by_what_differs(capsys):
    out, _ = ran(
        capsys, "compare", "jk500", *FEW, "--json", "--set", "cells.dose=1e7 cells/kg", "--metric", "cells_total",
        "--vary", "cells.days=0|0,7", "--vary", "cells.dose=5e6 cells/kg|1e7 cells/kg",
    )  # fmt: skip
    found = {r["regimen"]: r["metrics"]["cells_total"]["median"] for r in json.loads(out)["regimens"]}
    assert list(found) == [
        f"jk500 (cells.dose={dose} cells/kg; cells.days={days})" for days in ("0", "0,7") for dose in ("5e6", "1e7")
    ]
    least, *others = found.values()
    assert [x / least for x in others] == pytest.approx([2, 2, 4])


def test_a_goal_is_answered_with_an_interval(capsys):
    out, _ = ran(capsys, "simulate", "nkaml", "--assume", *FEW, "--goal", "visits >= 13", "--json")
    (found,) = json.loads(out)["goals"]
    # Three of three: Clopper and Pearson's lower end is 0.025^(1/3).
    assert (found["reached"], found["patients"], found["low"]) == (3, 3, pytest.approx(0.025 ** (1 / 3)))


def test_each_infusion_has_its_own_numbers(capsys):
    out, _ = ran(capsys, "simulate", "nkaml", "--assume", *FEW, "--set", "cells.days=0, 7", "--json")
    first, second = json.loads(out)["regimens"][0]["infusions"]
    assert (first["day"], first["until"], second["day"], second["until"]) == (0, 7, 7, 15)
    assert first["metrics"]["peak"]["median"] > first["metrics"]["cmax"]["median"] > 0


def test_a_sweep_and_a_front_are_printed(capsys):
    out, _ = ran(
        capsys, "compare", "nkaml", "--assume", "-n", "2", "--days", "5", "--every", "12h", "--vary", "cells.dose=1e7 cells/kg|5e8 cells",
        "--sweep", "age=3..75", "--pareto", "donor_nk_cmax,-cells_total", "--metric", "cells_total",
    )  # fmt: skip
    assert "cells_total, cells: median (5 % to 95 %) over age" in out
    assert "5E8 (5E8 to 5E8)" in out
    assert "beaten by none" in out


@pytest.mark.parametrize(
    "wrong",
    [["--goal", "mood > 1"], ["--sweep", "age=3"], ["--pareto", "visits"], ["--vary", "cells.days"], ["--vary", "x:cells.days=0|7"], ["--metric", "mood"]],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_question_is_refused_with_a_mend(capsys, wrong):
    _, err = ran(capsys, "compare", "nkaml", "umn-haplo-nk", "--arm", "cohort1", "--assume", *FEW, *wrong, code=2)
    assert "help:" in err


def test_the_gaps_come_in_the_order_of_what_they_move(capsys):
    out, _ = ran(
        capsys, "protocols", "gaps", "jk500", "--rank", "cells_total",
        "--set", "cells.dose=1e7 cells/kg", "--set", "cells.days=0, 7, 14",
    )  # fmt: skip
    first = next(line for line in out.splitlines() if line.startswith(" 1. "))
    assert "cells.dose" in first
    assert "cells.route: does not enter the model" in out


def test_gaps_that_are_unknown_need_an_answer_to_start_from(capsys):
    _, err = ran(capsys, "protocols", "gaps", "jk500", "--rank", "persistence_d", code=2)
    assert "error[NK501]: cells.dose is unknown" in err


def test_compared_regimens_share_their_sampled_timings(capfd):
    sampled = [
        "compare", "nkaml", "--vary", "cells.dose=1e7 cells/kg|2e7 cells/kg", "-n", "40", "--days", "14", "--every", "1d", "--assume",
        "--set", "cells.window=-0..+3 d", "--set", "cy.window=-1..+1 d", "--timing", "sampled", "--metric", "cells_total", "--json",
    ]  # fmt: skip
    assert run(sampled) == 0
    assert "same under every regimen" in capfd.readouterr().out
    base = nksim.protocol("nkaml").change("cells.window", "-0..+3 d")
    one, two = nksim.compare(
        base, base.change("cells.dose", "1e7 cells/kg"), n=40, settings=Settings(days=14, timing="sampled")
    ).comparison.simulations
    assert (one.infusion_spread_d == two.infusion_spread_d).all()
    assert one.infusion_spread_d[1] > one.infusion_spread_d[0] + 1
    # Only the cells differ, so that the drugs must be the same bits in every patient.
    assert (one.outputs["cy"] == two.outputs["cy"]).all()
    assert (one.outputs["il2"] == two.outputs["il2"]).all()


def test_a_chart_is_chosen_by_its_name(tmp_path, capfd):
    short = ["-n", "3", "--days", "14", "--every", "1d", "--assume"]
    target = tmp_path / "reach.svg"
    assert run(["simulate", "nkaml", *short, "--chart", "attainment", "-o", str(target)]) == 0
    assert "How many reach how much: f_ara_a_auc" in target.read_text(encoding="utf-8")
    assert run(["simulate", "nkaml", *short, "--chart", "mood", "-o", str(tmp_path / "a.svg")]) == 2
    assert "NK710" in capfd.readouterr().err
    assert run(["simulate", "nkaml", *short, "--chart", "alc"]) == 2
    assert "--chart is for pictures" in capfd.readouterr().err
