"""What the native engine reads off curves, against the plain rules of `noncompartmental` and `extinction`."""

import numpy as np
import pytest

from nksim.kinetics import curves, extinction, native
from nksim.noncompartmental import profile, time_above

pytestmark = pytest.mark.skipif(not native.available(), reason="the native engine was not built")

TIMES = np.concatenate([np.arange(0.0, 10.0, 0.25), np.arange(10.0, 61.0, 0.7)])


def counts(n=300, seed=2, times=TIMES):
    """Counts that rise, fall, stay level, vanish and come back."""
    rng = np.random.default_rng(seed)
    slope = rng.normal(-0.1, 0.15, (n, 1))
    made = np.exp(slope * times + rng.normal(0, 2, (n, 1)) + np.cumsum(rng.normal(0, 0.05, (n, times.size)), axis=1))
    made[: n // 5, 20:] = 0.0
    made[n // 5 : n // 4] = 3.0
    made[n // 4 : n // 3, 30:50] = 0.0
    return made


@pytest.fixture(params=[3, 2, 1, 0], ids=["avx512", "avx2", "narrow", "baseline"])
def width(request, monkeypatch):
    if request.param > native.library().nksim_widest():
        pytest.skip("this processor has no such instructions")
    monkeypatch.setattr(curves, "_widest", lambda: request.param)
    return request.param


@pytest.mark.parametrize("points", [1, 2, 9, 16, 17, 33, TIMES.size])
def test_areas_and_half_lives_are_those_of_the_plain_rules(width, points):
    times, values = TIMES[:points], counts()[:, :points]
    for upto, after in ((0, points), (points - 1, 0), (points // 2, points // 3)):
        plain = profile(times, values, upto, after, 0.1)
        mine = profile(times, values, upto, after, 0.1, by_engine=True)
        for name, expected in vars(plain).items():
            np.testing.assert_allclose(getattr(mine, name), expected, rtol=1e-10, atol=1e-13, err_msg=name)
    assert points < TIMES.size or np.isfinite(plain.half_life).any()


@pytest.mark.parametrize("threshold", [0.0, 0.4, 3.0, 1e9])
@pytest.mark.parametrize("points", [1, 2, 16, 17, 18, TIMES.size])
def test_times_above_a_threshold_are_those_of_the_plain_rule(width, threshold, points):
    times, values = TIMES[:points], counts()[:, :points]
    mine = time_above(times, values, threshold, by_engine=True)
    np.testing.assert_allclose(mine, time_above(times, values, threshold), rtol=1e-12, atol=1e-13)


def dying(n=400, seed=3):
    """Curves in which cells die out, grow again and are infused twice."""
    rng = np.random.default_rng(seed)
    shape = (n, TIMES.size)
    donor = np.exp(rng.normal(2, 1, (n, 1)) - rng.uniform(0.1, 0.8, (n, 1)) * np.where(TIMES < 25, TIMES, TIMES - 24))
    host = np.exp(rng.normal(4, 0.5, shape))
    host[0, :5] = 0.0
    donor[:3, 70:] = 0.0
    made = {"donor_nk": donor, "host_nk": host, "alc": donor + host + np.exp(rng.normal(6, 0.3, shape)),
            "S": rng.uniform(0, 1, shape)}  # fmt: skip
    rates = {"dD": rng.uniform(0.05, 0.3, n), "kr0": rng.uniform(0, 0.01, n), "krS": rng.uniform(0, 0.1, n),
             "T0": rng.uniform(300, 900, n), "scale": rng.uniform(50, 400, n)}  # fmt: skip
    return made, rates, rng.uniform(size=(2, n))


def test_cells_die_out_as_by_the_plain_rule(width):
    made, rates, uniform = dying()
    column = {name: x[:, None] for name, x in rates.items()}
    donor, host_t = made["donor_nk"].copy(), made["alc"] - made["host_nk"] - made["donor_nk"]
    death = column["dD"] + (column["kr0"] + column["krS"] * made["S"]) * host_t / column["T0"]
    infusions = np.array([0.0, 24.0])
    left = extinction.factors(TIMES, donor * column["scale"], death, infusions, 300.0, lambda k: uniform[k])
    alc = made["alc"] + donor * left - donor
    windows = extinction.windows(TIMES, infusions)
    chimerism = curves.die_out(TIMES, made, rates, windows, 300.0, uniform)
    assert 0.2 < (left == 0).any(axis=1).mean() < 0.98
    assert ((made["donor_nk"] == 0) == (donor * left == 0)).all()
    np.testing.assert_allclose(made["donor_nk"], donor * left, rtol=1e-9)
    np.testing.assert_allclose(made["alc"], alc, rtol=1e-12)
    both = donor * left + made["host_nk"]
    np.testing.assert_allclose(
        chimerism, np.divide(donor * left, both, out=np.zeros_like(both), where=both > 0), rtol=1e-9
    )


def test_all_widths_that_fuse_give_the_same_bits(monkeypatch):
    found = set()
    for width in range(1, native.library().nksim_widest() + 1):
        monkeypatch.setattr(curves, "_widest", lambda width=width: width)
        made, rates, uniform = dying()
        chimerism = curves.die_out(TIMES, made, rates, [(4, 60), (64, TIMES.size)], 300.0, uniform)
        read = (*curves.profiles(TIMES, counts(), 40, 20, 0.1), curves.time_above(TIMES, counts(), 2.0))
        found.add(b"".join(array.tobytes() for array in (chimerism, made["donor_nk"], made["alc"], *read)))
    assert len(found) <= 1


def test_rows_that_lie_apart_are_read_alike():
    apart = np.empty((300, TIMES.size + 5))[:, : TIMES.size]
    apart[:] = counts()
    assert curves.time_above(TIMES, apart, 2.0).tobytes() == curves.time_above(TIMES, counts(), 2.0).tobytes()
    for mine, plain in zip(
        curves.profiles(TIMES, apart, 40, 20, 0.1), curves.profiles(TIMES, counts(), 40, 20, 0.1), strict=True
    ):
        assert mine.tobytes() == plain.tobytes()


def test_an_engine_built_from_other_sources_is_not_called(monkeypatch):
    from nksim.errors import ModelFailure

    class Other:
        def nksim_size(self, which):
            return 8

    curves._engine.cache_clear()
    monkeypatch.setattr(curves, "library", Other)
    with pytest.raises(ModelFailure, match="NK603"):
        curves.time_above(TIMES, counts(), 2.0)
    curves._engine.cache_clear()
