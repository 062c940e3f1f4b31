"""Decision tables, whole, against tables worked out apart from the code and the properties that every table must have."""

import math
from fractions import Fraction

import pytest
from scipy.integrate import quad

from nksim.errors import UsageError
from nksim.trial.boin import Boin, boundaries
from nksim.trial.conduct import Conduct
from nksim.trial.i3p3 import I3p3
from nksim.trial.intervals import Exclusion, table
from nksim.trial.mtpi import Mtpi, Mtpi2
from nksim.trial.three_plus_three import ThreePlusThree

RULES = {"boin": Boin, "mtpi": Mtpi, "mtpi2": Mtpi2, "i3+3": I3p3}
EVERY = [(n, y) for n in range(1, 19) for y in range(n + 1)]


# Liu & Yuan 2015 print these at three digits; the digits below were worked out independently of this code.
@pytest.mark.parametrize(
    ("target", "up", "down"),
    [
        (0.15, 0.117797, 0.178686), (0.20, 0.157242, 0.238462), (0.25, 0.196801, 0.298392), (0.30, 0.236491, 0.358519),
        (1 / 3, 0.263034, 0.398744), (0.35, 0.276334, 0.418908), (0.40, 0.316360, 0.479650),
    ],
)  # fmt: skip
def test_the_boundaries_of_boin_are_those_printed(target, up, down):
    assert boundaries(target) == pytest.approx((up, down), abs=5e-7)


def test_the_boin_table_is_the_published_one_to_18_patients():
    escalate = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4]
    de_escalate = [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7]
    eliminate = [None, None, 3, 3, 4, 4, 5, 5, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9]
    assert table(Boin(0.30), 18).boundaries() == tuple(zip(escalate, de_escalate, eliminate, strict=True))


# Rows at n = 1, 2, 3, 4, 5, 6, 9, 12 for a target of 0.30; what follows the last letter printed is X.
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("boin", {1: "ED", 2: "EDD", 3: "ESDX", 4: "ESDXX", 5: "EEDDXX", 6: "EESDX", 9: "EEESDX", 12: "EEESSDDX"}),
        ("mtpi", {1: "ED", 2: "ESD", 3: "ESDX", 4: "ESSXX", 5: "ESSDXX", 6: "EESSX", 9: "EESSSX", 12: "EEESSSDX"}),
        ("mtpi2", {1: "ED", 2: "EDD", 3: "ESDX", 4: "ESDXX", 5: "EEDDXX", 6: "EESDX", 9: "EEESDX", 12: "EEESSDDX"}),
        ("i3+3", {1: "ES", 2: "ESD", 3: "ESDX", 4: "ESDXX", 5: "EESDXX", 6: "EESDX", 9: "EEESDX", 12: "EEESSDDX"}),
    ],
)
def test_rows_of_each_rule_are_those_of_its_paper(name, rows):
    found = table(RULES[name](0.30), 18)
    assert {n: found.rows[n - 1] for n in rows} == {n: row.ljust(n + 1, "X") for n, row in rows.items()}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("target", [0.10, 0.15, 0.20, 0.25, 0.30, 1 / 3, 0.35, 0.40])
def test_no_table_grows_bolder_with_more_toxicity_nor_shyer_with_more_patients(name, target):
    found = table(RULES[name](target), 18)
    rank = {"E": 3, "S": 2, "D": 1, "X": 0}
    for n, y in EVERY:
        if y:
            assert rank[found.at(n, y)] <= rank[found.at(n, y - 1)], (n, y)
        # Nothing is excluded before the third patient, and mTPI goes back and forth with n by its nature.
        if n > 3 and y < n and name != "mtpi":
            assert rank[found.at(n, y)] >= rank[found.at(n - 1, y)], (n, y)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("target", [0.15, 0.30, 0.40])
def test_every_table_escalates_after_no_toxicity_and_never_after_toxicity_above_the_target(name, target):
    found = table(RULES[name](target), 18)
    for n, y in EVERY:
        if y == 0:
            assert found.at(n, y) == "E"
        elif y / n > target:
            assert found.at(n, y) != "E"


# The exclusion, once more: an exact sum of the binomial tail, for Pr(Beta(y+1, n-y+1) > p) = Pr(Bin(n+1, p) <= y).
@pytest.mark.parametrize("target", [Fraction(1, 5), Fraction(3, 10), Fraction(2, 5)])
def test_the_exclusion_is_the_binomial_tail_in_exact_fractions(target):
    for n, y in EVERY:
        tail = sum(math.comb(n + 1, k) * target**k * (1 - target) ** (n + 1 - k) for k in range(y + 1))
        assert Exclusion().excludes(n, y, float(target)) == (n >= 3 and tail > Fraction(95, 100)), (n, y)


# BOIN once more, by its own criterion: the interval with the least chance of a wrong decision is where the posterior odds
# of neighbouring hypotheses are even.
@pytest.mark.parametrize("n", range(1, 19))
def test_boin_decides_as_the_likelihood_of_its_three_rates_does(n):
    low, mid, high = 0.18, 0.30, 0.42
    for y in range(n + 1):
        more_likely = {p: y * math.log(p) + (n - y) * math.log(1 - p) for p in (low, mid, high)}
        expected = (
            "E" if more_likely[low] >= more_likely[mid] else "D" if more_likely[high] >= more_likely[mid] else "S"
        )
        assert Boin(0.30).decide(n, y) == expected


# mTPI once more, its masses integrated numerically.
@pytest.mark.parametrize("n", [1, 3, 6, 9, 12, 15, 18])
def test_mtpi_takes_the_interval_with_the_greatest_integrated_mass(n):
    for y in range(n + 1):
        mass = {
            letter: quad(lambda p, y=y: p**y * (1 - p) ** (n - y), *ends)[0] / (ends[1] - ends[0])
            for letter, ends in {"E": (0, 0.25), "S": (0.25, 0.35), "D": (0.35, 1)}.items()
        }
        assert Mtpi(0.30).decide(n, y) == max(mass, key=mass.get)


def test_the_table_of_3_plus_3_is_the_rule_itself():
    assert ThreePlusThree(5).table().rows[2] == "ESXX"
    assert ThreePlusThree(5).table().rows[5] == "EEXXXXX"


@pytest.mark.parametrize("target", [0, 1, -0.1, 1.5, 30, float("nan")])
def test_a_target_outside_0_to_1_is_refused(target):
    for rule in RULES.values():
        with pytest.raises(UsageError, match="NK801"):
            rule(target)


def test_rates_on_the_wrong_side_of_the_target_are_refused():
    with pytest.raises(UsageError, match=r"NK801.*either side"):
        Boin(0.30, safe=0.35)


@pytest.mark.parametrize(
    "wrong", [{"levels": 0}, {"levels": 21}, {"start": 0}, {"start": 6}, {"size": 0}, {"most": 2}, {"most": 201}]
)
def test_numbers_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError, match="NK803"):
        Conduct(Boin(0.30), **{"levels": 5, **wrong})
