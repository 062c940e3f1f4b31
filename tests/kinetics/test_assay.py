"""What an assay makes of a true value. Expected values are worked by hand beside each test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from nksim.errors import UsageError
from nksim.kinetics.assay import Assay, copies_per_ug, counted, methods

# 5 donor NK and 15 host NK among 500 lymphocytes/uL.
BLOOD = {name: np.array([[value]]) for name, value in (("donor_nk", 5.0), ("host_nk", 15.0), ("alc", 500.0))}


@pytest.mark.parametrize(
    ("lineage", "others", "expected"),
    [
        ("NK", None, 0.25),  # 5 / 20
        ("lymphocytes", None, 0.01),  # 5 / 500
        ("PBMC", 125.0, 0.008),  # 5 / 625
        ("leukocytes", 4500.0, 0.001),  # 5 / 5000
        ("leukocytes", 0.0, 0.01),
    ],
)
def test_chimerism_depends_on_the_cells_it_is_taken_in(lineage, others, expected):
    assert Assay(lineage, other_cells=others).true(BLOOD).item() == expected


def test_an_assay_reports_nothing_below_its_limit():
    assert Assay(lod=0.01).read(np.array([0.0099, 0.01, 1.0])).tolist() == [0.0, 0.01, 1.0]


def test_between_the_limits_something_is_seen_and_stands_half_way():
    found = Assay(lod=0.01, loq=0.05).read(np.array([0.0099, 0.01, 0.0499, 0.05, 0.4]))
    assert found.tolist() == pytest.approx([0.0, 0.03, 0.03, 0.05, 0.4])
    assert Assay(lod=0.01, loq=0.01).read(np.array([0.01])).tolist() == [0.01]


@given(st.floats(0, 1), st.integers(1, 2000), st.floats(1e-6, 1 - 1e-6))
def test_a_sample_is_a_whole_number_of_cells(true, cells, u):
    seen = Assay(lod=1e-9, sampled_cells=cells).read(np.array([true]), np.array([u])).item()
    assert 0 <= seen <= 1
    assert seen * cells == pytest.approx(round(seen * cells))


def test_samples_have_the_mean_and_the_spread_of_a_binomial():
    """100 cells at 20 %: mean 0.2, variance 0.2 x 0.8 / 100; evenly spread quantiles leave no error of chance."""
    u = (np.arange(20_000) + 0.5) / 20_000
    seen = Assay(lod=1e-9, sampled_cells=100).read(np.full(u.shape, 0.2), u)
    assert seen.mean() == pytest.approx(0.2, rel=1e-3)
    assert seen.var() == pytest.approx(0.0016, rel=1e-2)


def test_how_often_one_percent_is_missed_in_two_hundred_cells():
    """A limit of 1 % is two cells of 200; 1 % gives 0 or 1 of them with probability 0.99**200 + 200 x 0.01 x 0.99**199."""
    u = (np.arange(50_000) + 0.5) / 50_000
    missed = (Assay(lod=0.01, sampled_cells=200).read(np.full(u.shape, 0.01), u) == 0).mean()
    assert missed == pytest.approx(0.99**200 + 200 * 0.01 * 0.99**199, abs=1e-4)
    assert binomtest(round(missed * 1000), 1000, 0.4046).pvalue > 0.5


def test_a_sample_needs_random_numbers():
    with pytest.raises(ValueError, match="random numbers"):
        Assay(sampled_cells=10).read(np.array([0.5]))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("NK642", {"lineage": "whole blood"}),
        *[("NK643", {"lod": limit}) for limit in (0.0, 1.0, 5.0, -0.1, float("nan"))],
        *[("NK643", {"loq": limit}) for limit in (0.005, 1.0, float("nan"))],
        ("NK632", {"lineage": "PBMC"}),
        ("NK632", {"lineage": "leukocytes"}),
        ("NK632", {"lineage": "NK", "other_cells": 100.0}),
        *[("NK632", {"lineage": "PBMC", "other_cells": n}) for n in (-1.0, float("inf"), float("nan"))],
        *[("NK633", {"sampled_cells": n}) for n in (0, -5, 10**8)],
    ],
)
def test_an_assay_that_cannot_be_is_refused(code, change):
    with pytest.raises(UsageError, match=code):
        Assay(**change)


def test_counts_as_trials_reckon_them():
    """ALC 500 x NK 20/500 x donor 1 % of unseparated lymphocytes = 0.2/uL, though 5/uL are there."""
    assert counted(BLOOD, np.array([[0.01]])).item() == pytest.approx(0.2)
    assert counted(BLOOD, Assay("NK").true(BLOOD)).item() == pytest.approx(5.0)


def test_copies_per_microgram():
    """6.6 pg a cell are 151,515 cells in a µg; one CAR cell in fifty with two copies gives 6,061 copies."""
    assert copies_per_ug(np.array([10.0]), np.array([500.0]), 2.0).item() == pytest.approx(6060.6, abs=0.1)
    # The same CAR cells among a tenth of the white cells: ten times the copies.
    assert copies_per_ug(np.array([10.0]), np.array([50.0]), 2.0).item() == pytest.approx(60606.1, abs=0.1)
    assert copies_per_ug(np.array([0.0]), np.array([0.0]), 2.0).item() == 0.0


def test_the_kinds_of_assay_have_limits_and_sources():
    limits = {name: m.lod for name, m in methods().items()}
    assert limits == {"STR": 0.05, "NGS": 0.005, "qPCR": 0.001, "dPCR": 0.001}
    assert all(m.source and m.standing for m in methods().values())
