"""What a protocol says about its escalation, and exposure as the user's reason for toxicity."""

from pathlib import Path

import numpy as np
import pytest

from nksim.errors import InvalidInput, UsageError
from nksim.population import virtual_population
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.settings import Settings
from nksim.trial.exposure import Link, exposures
from nksim.trial.plan import plan_of

GOOD = (
    (Path(__file__).parents[1] / "bad_inputs" / "B000_good_protocol.yaml").read_text().replace("1.0e+9 cells", "level")
)
WHOLE = """
    assess:
      - {id: dlt, what: DLT window, from: last cells, for: 28 d}
escalation:
  goal: MTD
  levels: "[1e6, 3e6, 1e7] cells/kg"
  design: boin
  start: 2
  target: 30 %
  cohort: 3
  patients: 24
  within: 14 d
  between: 5 wk
  replace: yes
  enough: 9
"""


def protocol(text=WHOLE):
    return parse_protocol((GOOD + text).encode(), "mine.yaml")


def test_every_number_of_the_file_reaches_the_plan():
    plan = plan_of(protocol())
    assert plan.doses == ("1E6 cells/kg", "3E6 cells/kg", "1E7 cells/kg")
    assert (plan.design, plan.start, plan.target, plan.cohort, plan.patients, plan.enough) == (
        "boin",
        2,
        0.30,
        3,
        24,
        9,
    )
    assert (plan.within_d, plan.between_d, plan.replace) == (14, 35, True)
    assert (plan.window_d, plan.counted_from_d) == (28, 3)


def test_an_answer_replaces_a_number_of_the_file_and_may_add_one_that_it_lacks():
    assert plan_of(protocol(), answers=[("escalation.cohort", "4")]).cohort == 4
    assert plan_of(load("nkg2d-carnk"), answers=[("escalation.target", "25 %"), ("dlt.for", "28 d")]).target == 0.25


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ('"[1e6, 3e6, 1e7]>"[3e6, 1e6, 1e7]', "NK810", "dose level 2, 1E6 cells/kg, is not above level 1"),
        ('"[1e6, 3e6, 1e7]>"[1e6, 1e6, 1e7]', "NK810", "dose level 2"),
        ("start: 2>start: 4", "NK810", "there is no level 4"),
        ("target: 30 %>target: 130 %", "NK810", "not a probability of toxicity"),
        ("target: 30 %>target: 0.3", "NK2", "0.3"),
        ("design: boin>design: bion", "NK810", "design 'bion' is not known"),
        ("within: 14 d>within: 3 mo", "NK810", "not a distance between patients"),
        ("within: 14 d>within: 9 wk", "NK812", "longer than the DLT window"),
        ("replace: yes>replace: perhaps", "NK202", "neither yes nor no"),
        ("cohort: 3>cohort: three", "NK208", "not a whole number"),
        ("cohort: 3>kohort: 3", "NK202", "unknown key 'kohort'"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_mend(change, code, said):
    old, new = change.split(">")
    assert old in WHOLE
    with pytest.raises(InvalidInput) as found:
        protocol(WHOLE.replace(old, new))
    fault = found.value.faults[0]
    assert fault.code.startswith(code)
    assert said in fault.message
    assert fault.help
    assert new in (fault.place.source_line or "")


def test_the_window_counts_from_the_dose_that_the_file_names():
    days = [("cells.dose", "1e7 cells/kg"), ("cells.days", "0, 7, 14")]
    from nksim.trial.plan import counted_from

    for which, expected in (("first cells", 0), ("last cells", 14), ("each cells", 14)):
        choice = choose(load("jk500"), settings=(*days, ("dlt.from", which)))
        assert counted_from(choice) == expected


def test_a_protocol_that_does_not_escalate_is_refused():
    with pytest.raises(UsageError, match="NK813"):
        plan_of(load("jk500"))


# logit P is linear in ln x: halfway in logarithm between 10 and 1000 lies 100, halfway in logit between the points.
def test_the_link_goes_through_its_points_and_rises_between_them():
    link = Link.read("donor_nk_cmax", "10=10 %, 1000=50 %")
    halfway = 1 / (1 + np.exp(-(np.log(0.1 / 0.9) + 0) / 2))
    assert link.risk(np.array([10.0, 100.0, 1000.0])) == pytest.approx([0.1, halfway, 0.5])
    assert link.risk(np.array([0.0])) == [0.0]
    assert (np.diff(link.risk(np.geomspace(1e-3, 1e6, 50))) > 0).all()


@pytest.mark.parametrize(
    "text", ["", "10", "10=5%", "10=5%, 5=50%", "10=50%, 20=5%", "0=1%, 5=2%", "1=0%, 5=2%", "1=5%,2=6%,3=7%"]
)
def test_a_link_that_does_not_rise_is_refused(text):
    with pytest.raises(UsageError, match="NK820"):
        Link.read("donor_nk_cmax", text)


@pytest.fixture(scope="module")
def seen():
    """Exposure to cells/kg and to the same dose for 70 kg given flat, in the same children and adults."""
    p, link, people = (
        load("nkg2d-carnk"),
        Link.read("cells_total", "1e8=10 %, 1e9=50 %"),
        virtual_population(30, seed=1, age_range_y=(3, 75)),
    )
    sets = {"per kg": "[2e6, 6e6] cells/kg", "flat": "[1.4e8, 4.2e8] cells"}
    return {
        name: exposures(p, link, people, arm=None, answers=[("escalation.levels", text)], levels=("low", "high"), seed=1,
                        settings=Settings(days=30, every_d=1))
        for name, text in sets.items()
    }  # fmt: skip


def test_the_truth_of_a_level_is_the_mean_risk_of_its_patients(seen):
    for found in seen.values():
        assert found.truth == pytest.approx([level.risk.mean() for level in found.levels])
        assert found.truth[0] < found.truth[1]


def test_a_flat_dose_is_the_riskier_one_for_children_only(seen):
    kg, flat = (seen[name].levels[1] for name in ("per kg", "flat"))
    assert flat.risk_between(0, 12) > kg.risk_between(0, 12)
    # Two infusions of 4.2e8 cells: the same for everybody.
    assert flat.exposure == pytest.approx([8.4e8] * 30)
    assert kg.exposure.max() > 3 * kg.exposure.min()
