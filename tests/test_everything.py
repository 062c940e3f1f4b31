"""A protocol that holds every rule at once: read back in words that a pharmacist can check, and its doses by hand."""

from decimal import Decimal
from pathlib import Path

import pytest

from nksim.output.description import in_full
from nksim.patient import Patient
from nksim.protocol.choice import choose
from nksim.protocol.reading import read_protocol
from nksim.regimen import Regimen

HERE = Path(__file__).parent / "everything"
ALL = read_protocol(HERE / "everything.yaml")
WOMAN = Patient(weight=60, height=170, sex="F", age=40, creatinine="90 umol/L")


@pytest.fixture(scope="module")
def rows():
    regimen = Regimen(ALL, dose_level=2).assume()
    return regimen.calendar(WOMAN, day0="2027-03-01", tz="Asia/Shanghai").rows


def test_every_rule_is_read_back_in_words():
    assert in_full(ALL, None).splitlines() == (HERE / "everything.txt").read_text().splitlines()


# By hand. Cy: 97.7 % of 61.4 kg ideal, so the actual 60 kg, below 70 kg 50 mg/kg. Flu: clearance (140-40)·60·0.85/
# (72·90/88.4) = 69.6 mL/min gives 20 mg/m2; √(170·60/3600) = 1.683251 m2, 33.665 mg, 1.3466 mL, to 0.02 mL 1.34 mL.
# IL-2 1e6 IU/m2. Cells: 6e6/kg are 3.6e8, and 1e9; a bag delivers 2e9·0.9·0.8·0.75 = 1.08e9.
@pytest.mark.parametrize(
    ("line", "amounts"),
    [
        ("cy", [3000, 3000]),
        ("flu", [33.5] * 5),
        ("tbi", [2]),
        ("il2", [1_683_251] * 4),
        ("induction", [1.08e9] * 4),
        ("antibody", [1, 2, 3, 4]),
        ("flu2", [33.665] * 3),
        ("maintenance", [1.08e9] * 2),
    ],
)
def test_every_dose_is_the_one_worked_by_hand(rows, line, amounts):
    found = [float(r.event.amount) for r in rows if r.event.line == line]
    assert found == pytest.approx(amounts, rel=5e-7)


# By hand, day 1 being Monday 1 March 2027: two infusions a week on days 1, 4, 8, 11; four weeks after the last is day
# 39, whose phase counts it as day 1; the days before it are -4 to -2.
@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("cy", [-7, -6]),
        ("flu", [-6, -5, -4, -3, -2]),
        ("tbi", [-1]),
        ("induction", [1, 4, 8, 11]),
        ("il2", [1, 4, 8, 11]),
        ("antibody", [1, 4, 8, 11]),
        ("flu2", [35, 36, 37]),
        ("maintenance", [39, 67]),
        ("mrd", [29]),
    ],
)
def test_every_line_falls_on_its_days(rows, line, days):
    assert [r.protocol_day for r in rows if r.event.line == line] == days


def test_clock_times_follow_from_the_relations(rows):
    found = {
        line: f"{next(r for r in rows if r.event.line == line).start:%H:%M}"
        for line in ("flu", "il2", "induction", "antibody")
    }
    assert found == {"flu": "08:00", "il2": "09:15", "induction": "10:00", "antibody": "14:15"}


def test_a_level_gives_its_own_dose():
    targets = []
    for level in (1, 2, 3):
        choice = choose(ALL, level=level)
        line = next(x for x in choice.arm.lines if x.id == "induction")
        targets.append(line.dose.value.cases[0].doses[0].number)
    assert targets == [Decimal("2e6"), Decimal("6e6"), Decimal("1.8e7")]
