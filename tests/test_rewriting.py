"""A protocol written in other units or with its lines in another order is the same protocol."""

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.regimen import protocol
from nksim.run import simulate
from nksim.settings import Settings

TEXT = (Path(__file__).parents[1] / "protocols" / "nkaml.yaml").read_text(encoding="utf-8")
# What stands in the file, and the same quantity.
UNITS = {
    "dose: 60 mg/kg": ["dose: 0.06 g/kg", "dose: 60000 mcg/kg"],
    "dose: 25 mg/m^2": ["dose: 0.025 g/m^2", "dose: 25000 mcg/m^2"],
    "assumed: 1 h,": ["assumed: 60 min,"],
    "assumed: 30 min,": ["assumed: 0.5 h,"],
    "assumed: 2.9e7 cells/kg": ["assumed: 29e6 cells/kg", "assumed: 0.029e9 cells/kg"],
    "stated: 1e6 IU/m^2": ["stated: 1000000 IU/m^2", "stated: 0.001e9 IU/m^2"],
}
SETTINGS = Settings(days=14, every_d=1.0)


def rows(path):
    # A body has one unit: kg and cm.
    patient = Patient(weight="25 kg", height="128 cm", age="8 y")
    made = protocol(str(path)).assume().calendar(patient, day0=dt.date(2027, 3, 1), tz="Asia/Shanghai")
    return {(r.start, r.event.line): r.event.amount for r in made.rows if r.event.amount is not None}


def curves(path):
    return simulate(protocol(str(path)).assume(), n=2, seed=5, settings=SETTINGS).simulation.outputs


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Writes a text as a protocol, in the place of the one before."""
    path = tmp_path_factory.mktemp("rewritten") / "nkaml.yaml"

    def write(text):
        path.write_text(text, encoding="utf-8")
        return path

    return write


@settings(max_examples=12, phases=[Phase.generate])
@given(st.fixed_dictionaries({old: st.sampled_from([old, *new]) for old, new in UNITS.items()}))
def test_other_units_give_the_same_doses(written, chosen):  # L8
    text = TEXT
    for old, new in chosen.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    found = rows(written(text))
    expected = rows(written(TEXT))
    assert found.keys() == expected.keys()
    assert len(found) == 13
    for key, amount in expected.items():
        assert float(found[key]) == pytest.approx(float(amount), rel=1e-12)


def test_other_units_give_the_same_curves(written):  # L8
    text = TEXT
    for old, new in UNITS.items():
        text = text.replace(old, new[-1])
    found, expected = curves(written(text)), curves(written(TEXT))
    for name, values in expected.items():
        # A dose that differs in its last digit makes steps that do.
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_unit_that_means_something_else_is_noticed(written):
    with pytest.raises(InvalidInput, match=r"NK337.*mg and mcg are mistaken"):
        rows(written(TEXT.replace("dose: 60 mg/kg", "dose: 60 mcg/kg")))
    assert rows(written(TEXT.replace("dose: 60 mg/kg", "dose: 0.059 g/kg"))) != rows(written(TEXT))


def in_another_order(seed):
    """The text with the lines of each phase, and the sources, in another order."""
    rng, text = np.random.default_rng(seed), TEXT
    for block, item in (
        (r"give:\n((?: {10}.*\n)+)", r"(?m)^(?= {10}- id)"),
        (r"sources:\n((?:  .*\n)+)", r"(?m)^(?=  \w)"),
    ):
        for found in re.finditer(block, TEXT):
            items = re.split(item, found[1])[1:]
            text = text.replace(found[1], "".join(items[i] for i in rng.permutation(len(items))))
    return text


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_lines_gives_the_same_doses_and_bits(written, seed):  # L9
    text = in_another_order(seed)
    assert sorted(text.splitlines()) == sorted(TEXT.splitlines())
    assert rows(written(text)) == rows(written(TEXT))
    found, expected = curves(written(text)), curves(written(TEXT))
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


def test_some_orders_differ():
    assert len({in_another_order(seed) for seed in range(6)}) > 2
