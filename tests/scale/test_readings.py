"""What is read off curves while they pass is what is read off curves that are held, to the bit."""

from functools import partial

import numpy as np
import pytest
from scale_cases import everything

from nksim.errors import ModelFailure
from nksim.kinetics import curves, native, readings
from nksim.metrics import METRICS
from nksim.plan import Plan
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.run import Bodies
from nksim.scale.summary import Job, summarise
from nksim.settings import Settings
from nksim.simulation import age_range

pytestmark = pytest.mark.skipif(not native.available(), reason="the native engine was not built")

WEEKLY = (("cells.days", "0, 7, 14"),)
CELLS = (
    ("cells.dose", "1e8 cells/kg"), ("cells.days", "0, 3"), ("il2.dose", "1e6 IU/m^2"), ("il2.days", "0, 2"),
)  # fmt: skip
CASES = {
    "as shipped": ("nkaml", (), Settings(days=60, every_d=0.5)),
    "three infusions": ("nkaml", WEEKLY, Settings(days=40, every_d=1.0)),
    # Days 7, 14 and 28 lie between outputs, and the last of them beyond.
    "between outputs": ("nkaml", (), Settings(days=27, every_d=3.25)),
    "a week and a day": ("nkaml", (), Settings(days=8, every_d=1.0)),
    "too short to settle": ("nkaml", (), Settings(days=1, every_d=0.25)),
    "nobody dies out": ("nkaml", (), Settings(days=60, every_d=1.0, model="model1")),
    "two limits, and infusions that end at outputs": (
        "nkaml", (("cells.over", "6 h"),), Settings(days=50, every_d=0.25, lod=0.02, loq=0.05),
    ),
    "chimerism that cannot be seen": ("donor-nk-il2", CELLS, Settings(days=40, every_d=1.0)),
}  # fmt: skip


def job(case):
    name, answers, settings = CASES[case]
    choice = choose(load(name), settings=answers).answered(accept_assumed=True)
    return Job(choice, partial(Bodies().population, seed=5, ages=age_range(choice)), 5, settings)


@pytest.fixture(params=[3, 2, 1, 0], ids=["avx512", "avx2", "narrow", "baseline"])
def width(request, monkeypatch):
    if request.param > native.library().nksim_widest():
        pytest.skip("this processor has no such instructions")
    monkeypatch.setattr(curves, "_widest", lambda: request.param)
    run = native.Call.run
    monkeypatch.setattr(native.Call, "run", lambda call, *_: run(call, 1, native.VARIANTS[request.param]))


def held(case, n, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Plan, "reads_off", False)
        patch.setattr(Plan, "read", lambda *_: pytest.fail("it was read off"))
        return summarise(job(case), n)


@pytest.mark.parametrize("case", CASES)
def test_every_metric_and_every_bin_is_that_of_curves_that_are_held(case, monkeypatch):
    assert Plan(job(case).choice, seed=5, settings=job(case).settings).reads_off
    # More patients than rows of records, and no multiple of them.
    read, expected = summarise(job(case), 203, chunk=150), held(case, 203, monkeypatch)
    for name in METRICS:
        mine, plain = read.measured[name], expected.measured[name]
        np.testing.assert_array_equal(mine.values, plain.values, err_msg=name)
        assert (mine.open_end, mine.missing) == (plain.open_end, plain.missing)
    assert everything(read) == everything(expected)


@pytest.mark.parametrize("n", [1, 5, 49, 130])
def test_any_number_of_patients_is_read_in_any_width(width, n, monkeypatch):
    case = "three infusions"
    assert everything(summarise(job(case), n)) == everything(held(case, n, monkeypatch))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(days=20, every_d=1.0, engine="numpy"),
        Settings(days=20, every_d=1.0, timing="sampled"),
        Settings(days=20, every_d=1.0, sampled_cells=100),
        Settings(days=20, every_d=1.0, lineage="lymphocytes"),
        Settings(days=20, every_d=1.0, model="empirical"),
    ],
    ids=["numpy", "sampled timing", "sampled cells", "another lineage", "empirical"],
)
def test_whatever_else_is_asked_is_worked_out_from_curves(settings, monkeypatch):
    monkeypatch.setattr(Plan, "read", lambda *_: pytest.fail("it was read off"))
    this = Job(job("as shipped").choice, job("as shipped").draw, 5, settings)
    assert len(summarise(this, 3).population) == 3


def test_a_patient_who_cannot_be_solved_is_named_by_number(monkeypatch):
    values = readings.checked

    def spoilt(*given):
        arrays, times = values(*given)
        arrays["kf"] = arrays["kf"].copy()
        arrays["kf"][7] = 1e200
        return arrays, times

    monkeypatch.setattr(readings, "checked", spoilt)
    with pytest.raises(ModelFailure, match=r"(?s)NK601.*patient 7: .*kf=1e\+200"):
        summarise(job("as shipped"), 60)


def test_an_engine_built_from_other_sources_is_not_called(monkeypatch):
    class Other:
        def nksim_size(self, which):
            return 8

    readings._check_sizes.cache_clear()
    monkeypatch.setattr(readings, "library", Other)
    with pytest.raises(ModelFailure, match="NK603"):
        readings._check_sizes()
    readings._check_sizes.cache_clear()
