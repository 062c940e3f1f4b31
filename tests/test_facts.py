"""Facts: values and where they stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.protocol.facts import BASES, Fact, Misreads, fact_of, weakest
from nksim.units import quantity

read = fact_of(quantity)


def test_a_bare_value_is_stated():
    fact = read("60 mg/kg")
    assert (fact.basis, fact.value, fact.text) == ("stated", quantity("60 mg/kg"), "60 mg/kg")


@pytest.mark.parametrize(
    ("raw", "basis"),
    [
        ({"stated": "60 mg/kg", "source": "paper"}, "stated"),
        ({"derived": "60 mg/kg", "from": "the total", "why": "five equal parts"}, "derived"),
        ({"assumed": "60 mg/kg", "why": "usual"}, "assumed"),
        ({"unknown": "mg/kg", "ask": "how much?"}, "unknown"),
    ],
)
def test_a_marked_value_has_its_basis(raw, basis):
    fact = read(raw)
    assert fact.basis == basis
    assert fact.value == (None if basis == "unknown" else quantity("60 mg/kg"))


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ({"assumed": "60 mg/kg"}, "needs why"),
        ({"derived": "60 mg/kg", "why": "x"}, "needs from"),
        ({"derived": "60 mg/kg", "from": "x"}, "needs why"),
        ({"unknown": "mg/kg"}, "needs ask"),
        ({"stated": "60 mg/kg", "assumed": "50 mg/kg"}, "not both"),
        ({"stated": "60 mg/kg", "ask": "x"}, "unknown key"),
        ({"stated": "60 mg/kg", "nonsense": "x"}, "unknown key"),
        ({"assumed": "60 mg/kg", "why": ""}, "plain text"),
        ({"assumed": "60 mg/kg", "why": ["a"]}, "plain text"),
        ({"stated": "60"}, "no unit"),
        ({"stated": "1..2 mg", "use": "60"}, "not a number"),
    ],
)
def test_a_fact_that_does_not_say_where_it_stands_is_refused(raw, word):
    with pytest.raises(Misreads, match=word):
        read(raw)


def test_all_faults_of_a_fact_are_found_together():
    with pytest.raises(Misreads) as found:
        read({"assumed": "60", "nonsense": "x"})
    assert sorted(key for key, _ in found.value.found) == ["assumed", "assumed", "nonsense"]


def test_the_choice_within_a_range_is_what_is_calculated_with():
    fact = Fact("range", "stated", "1..2 mg", use=Fact("chosen", "assumed", "1 mg", why="lower end"))
    assert (fact.chosen.value, fact.chosen.basis) == ("chosen", "assumed")
    assert Fact("x", "stated", "x").chosen.value == "x"


@given(st.lists(st.sampled_from(BASES), min_size=1))
def test_a_chain_of_facts_is_as_firm_as_its_weakest(bases):
    facts = [Fact(1, basis, "1") for basis in bases]
    order = ["stated", "derived", "assumed", "unknown"]
    assert weakest(*facts) == order[max(order.index(b) for b in bases)]
    assert weakest(*facts, None) == weakest(*reversed(facts))
