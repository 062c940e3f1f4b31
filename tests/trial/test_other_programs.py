"""Decisions and characteristics against what other programs and a paper print, stored in tests/published with their calls."""

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest

from nksim.trial.boin import Boin, boundaries
from nksim.trial.characteristics import of_exact, of_simulated
from nksim.trial.conduct import Conduct
from nksim.trial.crm import posterior, skeleton_of
from nksim.trial.exact import enumerate_trials
from nksim.trial.intervals import table
from nksim.trial.outcomes import simulate
from nksim.trial.three_plus_three import ThreePlusThree
from nksim.trial.tite import TiteBoin

PUBLISHED = Path(__file__).parents[1] / "published"


def rows(name, delimiter=","):
    lines = (PUBLISHED / name).read_text().splitlines()
    return list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter=delimiter))


def numbers(text):
    return [float(x) for x in text.split()]


@pytest.mark.parametrize("target", sorted({r["target"] for r in rows("boin_r_boundaries.csv")}))
def test_boin_has_the_boundaries_and_the_table_that_its_r_package_prints(target):
    printed = [r for r in rows("boin_r_boundaries.csv") if r["target"] == target]
    value = 1 / 3 if target.startswith("0.333") else float(target)
    assert boundaries(value) == pytest.approx((float(printed[0]["lambda_e"]), float(printed[0]["lambda_d"])), abs=1e-7)
    columns = ("escalate_at_most", "deescalate_at_least", "eliminate_at_least")
    expected = tuple(tuple(int(r[c]) if r[c] else None for c in columns) for r in printed)
    assert len(expected) == 18
    # The package prints no larger number for going down than for elimination, and so does the table.
    assert table(Boin(value), 18).boundaries() == expected


def conducted(call):
    """The same trial from the words of get.oc."""
    found = dict(re.findall(r"([\w.]+) = (c\([^)]*\)|[^,]+)", call))
    truth = [float(x) for x in found["p.true"][2:-1].split(",")]
    design = Conduct(
        Boin(float(found["target"])), len(truth), size=int(found["cohortsize"]),
        most=int(found["cohortsize"]) * int(found["ncohort"]),
        enough=int(found["n.earlystop"]) if "n.earlystop" in found else None,
        extra=0.05 if found.get("extrasafe") == "TRUE" else None, titrate=found.get("titration") == "TRUE",
        bounded=found.get("boundMTD") == "TRUE")  # fmt: skip
    return design, truth


# 100,000 trials of the other program: its own standard error is at most 0.16 percentage points.
@pytest.mark.parametrize("printed", rows("boin_r_characteristics.csv", ";"), ids=lambda r: r["call"][7:])
def test_every_option_of_boin_has_the_characteristics_that_its_r_package_simulates(printed):
    design, truth = conducted(printed["call"][7:-1])
    if design.titrate:
        found, points, patients = of_simulated(simulate(design, truth, n=40_000, seed=3), truth, None), 1.0, 0.12
    else:
        found, points, patients = of_exact(enumerate_trials(design, truth), truth, None), 0.6, 0.05
    expected = [float(printed["stopped_percent"]), *numbers(printed["selected_percent"])]
    assert [100 * e.value for e in found.selection] == pytest.approx(expected, abs=points)
    assert [e.value for e in found.patients] == pytest.approx(numbers(printed["patients"]), abs=patients)
    assert [e.value for e in found.toxicities] == pytest.approx(numbers(printed["dlts"]), abs=patients)
    assert found.all_patients.value == pytest.approx(float(printed["all_patients"]), abs=patients)


@pytest.mark.parametrize(
    "printed", rows("three_plus_three_r_bcrm.csv", ";"), ids=lambda r: f"{r['truth']} {r['escalation_only']}"
)
def test_both_variants_of_3_plus_3_have_the_chances_that_bcrm_enumerates(printed):
    truth = numbers(printed["truth"])
    found = of_exact(enumerate_trials(ThreePlusThree(5, printed["escalation_only"] == "FALSE"), truth), truth, None)
    assert [e.value for e in found.selection] == pytest.approx(numbers(printed["mtd"]), abs=1e-6)
    assert [e.value for e in found.patients] == pytest.approx(numbers(printed["patients_by_level"]), abs=1e-5)
    assert found.all_patients.value == pytest.approx(float(printed["patients"]), abs=1e-5)
    assert found.all_toxicities.value == pytest.approx(float(printed["dlts"]), abs=1e-5)


@pytest.mark.parametrize("printed", rows("crm_r_dfcrm.csv", ";"), ids=lambda r: f"{r['level']} {r['tox']}")
def test_crm_has_the_posterior_that_dfcrm_prints(printed):
    n, y = np.zeros((1, 6), np.int16), np.zeros((1, 6), np.int16)
    for level, hit in zip(numbers(printed["level"]), numbers(printed["tox"]), strict=True):
        n[0, int(level) - 1] += 1
        y[0, int(level) - 1] += int(hit)
    target = float(printed["target"])
    found = posterior((0.05, 0.10, 0.20, 0.35, 0.50, 0.70), n, y, target)
    # Its integrals are adaptive ones; they agree to five digits.
    assert found.mean[0] == pytest.approx(float(printed["estimate"]), abs=2e-5)
    assert found.toxicity[0] == pytest.approx(numbers(printed["ptox"]), abs=1e-5)
    assert np.abs(found.toxicity[0] - target).argmin() + 1 == int(printed["mtd"])


@pytest.mark.parametrize("printed", rows("crm_r_skeletons.csv", ";"), ids=lambda r: r["prior"])
def test_the_skeleton_is_the_one_that_getprior_of_dfcrm_prints(printed):
    found = skeleton_of(
        float(printed["target"]), int(printed["nlevel"]), int(printed["nu"]), float(printed["halfwidth"])
    )
    assert found == pytest.approx(numbers(printed["prior"]), abs=5e-8)


def expanded(target):
    """Every state that a printed row covers, with the row."""
    for row in rows("tite_boin_yuan2018.csv"):
        if row["target"] != target:
            continue
        n = int(row["n"])
        low, high = row["dlts"].split("-")
        for y in range(int(low), (int(high) if high else n) + 1):
            first, last = row["pending"].split("-")
            for pending in range(int(first), min(int(last) if last else n, n - y) + 1):
                yield n, y, pending, row


@pytest.mark.parametrize("target", ["0.2", "0.3"])
def test_tite_boin_has_every_cell_of_the_tables_printed_in_its_paper(target):
    rule, states = TiteBoin(Conduct(Boin(float(target)), 5)), 0
    for n, y, pending, row in expanded(target):
        states += 1
        mine, edge = rule.row(n, y, pending), float(row["stft"] or "nan")
        if row["decision"] == "ES":
            assert round(mine.escalate_from, 2) == edge
            assert (mine.at(edge + 0.01), mine.at(edge - 0.01)) == ("E", "S")
        elif row["decision"] == "SD":
            assert round(mine.deescalate_upto, 2) == edge
            assert (mine.at(edge + 0.01), mine.at(edge - 0.01)) == ("S", "D")
        else:
            assert {mine.at(followed) for followed in np.linspace(0, pending, 9)} == {row["decision"]}, (n, y, pending)
        assert math.isnan(edge) == (row["decision"] not in ("ES", "SD"))
    # All states of 3, 6, 9, 12 and 15 patients: 10 + 28 + 55 + 91 + 136.
    assert states == 320
