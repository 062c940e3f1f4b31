"""Virtual patients: counted random numbers, the growth reference, and who may change whose numbers."""

import csv
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from nksim.errors import InvalidInput
from nksim.growth import size_at, z_score
from nksim.population import Population, age_normal_egfr, normals, philox4x32, uniforms, virtual_population

PUBLISHED = Path(__file__).parent / "published"
MEASURES = {"weight": "weight_kg", "height": "height_cm"}
COLUMNS = ("age_y", "male", "weight_kg", "height_cm", "egfr_ml_min_1_73m2")


def published(name):
    with (PUBLISHED / name).open(newline="") as text:
        return list(csv.DictReader(text))


def size(measure, age_y, sex, z=0.0):
    age, male = np.array([float(age_y)]), np.array([sex == "M"])
    return float(size_at(measure, age_y=age, male=male, z=np.array([z]))[0])


def within(values, low, high):
    return bool(((values >= low) & (values <= high)).all())


def same(one: Population, other: Population) -> bool:
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("index", *COLUMNS))


# Random123 1.14.0, tests/kat_vectors, rows "philox4x32 10"; the last from the program randomgen 2.5.1.
@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
        ("abb8e5a8 ce14abee 05cc99f5 ced53525", "7806adc0 83ec603f", "6a4a45ef ff771ae4 237349b9 6e3980a4"),
    ],
)
def test_philox_gives_the_published_known_answers(counter, key, words):
    counter, key = (tuple(int(word, 16) for word in text.split()) for text in (counter, key))
    assert " ".join(f"{int(word):08x}" for word in philox4x32(counter, key)) == words


def test_a_stream_stays_the_same_from_release_to_release():
    # From the definition: counter (7, hash, occasion 2), key 3, first two words, odd multiples of 2**-53.
    word = int.from_bytes(hashlib.blake2b(b"weight_kg", digest_size=8).digest(), "little")
    high, low, _, _ = philox4x32((7, word % 2**32, word // 2**32, 2), (3, 0))
    expected = (2 * (int(high) // 64 * 2**26 + int(low) // 64) + 1) / 2**53
    assert uniforms(3, [7], "weight_kg", 2)[0] == expected


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
def test_uniforms_are_uniform_on_the_open_interval(seed):
    drawn = uniforms(seed, np.arange(100_000), "test")
    assert within(drawn, 2**-53, 1 - 2**-53)
    assert abs(drawn.mean() - 0.5) < 5 * math.sqrt(1 / 12 / 100_000)
    counts = np.histogram(drawn, bins=100, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 170  # chi-square, 99 degrees of freedom: p = 1e-5 at 168


@pytest.mark.parametrize(
    "other",
    [
        uniforms(1, np.arange(100_000), "height"),
        uniforms(2, np.arange(100_000), "weight"),
        uniforms(1, np.arange(100_000), "weight", 1),
        uniforms(1, np.arange(1, 100_001), "weight"),
        uniforms(1 + 2**32, np.arange(100_000), "weight"),
    ],
    ids=["purpose", "seed", "occasion", "neighbour", "high half of the seed"],
)
def test_streams_that_differ_in_one_key_are_not_correlated(other):
    assert abs(np.corrcoef(uniforms(1, np.arange(100_000), "weight"), other)[0, 1]) < 5 / math.sqrt(100_000)


def test_normals_have_mean_0_and_variance_1():
    drawn = normals(1, np.arange(100_000), "test")
    assert abs(drawn.mean()) < 5 / math.sqrt(100_000)
    assert abs(drawn.var() - 1) < 5 * math.sqrt(2 / 100_000)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "1", None])
def test_a_seed_that_is_not_a_64_bit_whole_number_is_refused(seed):
    with pytest.raises(InvalidInput, match="NK410"):
        uniforms(seed, [0], "test")


@pytest.mark.parametrize(
    "row",
    published("growth_cdc2000_percentiles.csv"),
    ids=lambda row: f"{row['measure']}-{row['sex']}-{row['age_months']}",
)
def test_cdc_percentiles_are_reproduced_to_the_printed_digits(row):
    for name in ("p3", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p97"):
        z = float(ndtri(int(name[1:]) / 100))
        found = size(MEASURES[row["measure"]], float(row["age_months"]) / 12, row["sex"], z)
        # The printed percentiles and the printed L, M, S of lenageinf.csv agree to 7 digits, the others to 9.
        assert found == pytest.approx(float(row[name]), rel=3e-7)


ADULT_ROWS = pytest.mark.parametrize(
    "row",
    published("growth_nhanes2021_pounds_inches.csv"),
    ids=lambda row: f"{row['measure']}-{row['sex']}-{row['age_from_y']}",
)


@ADULT_ROWS
def test_adult_percentiles_agree_with_the_tables_in_pounds_and_inches(row):
    unit = 0.45359237 if row["measure"] == "weight" else 2.54
    middle = float(row["age_from_y"]) + 5
    for name in ("p5", "p10", "p15", "p25", "p50", "p75", "p85", "p90", "p95"):
        if row[name]:
            found = size(MEASURES[row["measure"]], middle, row["sex"], float(ndtri(int(name[1:]) / 100)))
            assert abs(found - float(row[name]) * unit) <= 0.05 + 0.05 * unit + 1e-9


@ADULT_ROWS
def test_population_means_are_near_the_published_means(row):
    unit, tolerance = (0.45359237, 1.3) if row["measure"] == "weight" else (2.54, 0.5)
    people = virtual_population(20_000, seed=5, sex=row["sex"], age_y=float(row["age_from_y"]) + 5)
    assert abs(getattr(people, MEASURES[row["measure"]]).mean() - float(row["mean"]) * unit) < tolerance


# Vital Health Stat 3 (50), table 10: 5th, 50th and 95th percentile of the body mass index, kg/m².
@pytest.mark.parametrize(
    ("sex", "age_y", "low", "median", "high"),
    [
        ("M", 25, 18.9, 27.0, 39.6),
        ("M", 45, 22.2, 28.9, 45.0),
        ("M", 65, 21.2, 28.3, 39.9),
        ("F", 25, 18.6, 25.5, 45.6),
        ("F", 45, 19.7, 28.5, 45.6),
        ("F", 65, 20.0, 28.8, 42.5),
    ],
)
def test_weight_and_height_together_give_the_published_body_mass_index(sex, age_y, low, median, high):
    people = virtual_population(20_000, seed=5, sex=sex, age_y=age_y)
    bmi = people.weight_kg / (people.height_cm / 100) ** 2
    for percent, value, tolerance in ((5, low, 1.0), (50, median, 1.0), (95, high, 2.5)):
        assert abs(np.percentile(bmi, percent) - value) < tolerance


def test_the_tails_of_adults_continue_the_outermost_percentiles():
    # Men of 25 y by hand: P5 57.0 and P15 64.2, P85 108.1 and P95 128.3 kg; scores 1.0364 and 1.6449.
    beyond = (2.5 - 1.6449) / (1.6449 - 1.0364)
    assert size("weight_kg", 25, "M", -2.5) == pytest.approx(57.0 * (57.0 / 64.2) ** beyond, abs=0.01)
    assert size("weight_kg", 25, "M", 2.5) == pytest.approx(128.3 * (128.3 / 108.1) ** beyond, abs=0.02)


def test_a_six_year_old_is_plausible():
    # CDC statage.csv, 72.5 months: medians 115.0 (girls) and 115.7 cm; P3 to P97 105.8 to 125.3 cm.
    people = virtual_population(5_000, seed=1, age_y=6)
    assert 114.5 < np.median(people.height_cm) < 116
    assert within(people.height_cm, 100, 131)
    assert within(people.weight_kg, 14, 36)
    assert (people.egfr_ml_min_1_73m2 == 140).all()


def test_the_correlation_given_is_the_correlation_found():
    people = virtual_population(20_000, seed=2, age_y=7, sex="M")
    where = {"age_y": people.age_y, "male": people.male}
    scores = [z_score(name, size=getattr(people, name), **where) for name in ("weight_kg", "height_cm")]
    # Truncation at 2.5 takes a little from 0.76.
    assert np.corrcoef(*scores)[0, 1] == pytest.approx(0.745, abs=0.015)
    assert max(np.abs(scores).ravel()) < 2.5 + 1e-9


def test_median_size_steps_at_20_years_as_the_two_references_do():
    # CDC 240 months P50 against NHANES 20-29 P50; README.md of nksim/growth.
    step = {(m, s): size(m, 20, s) - size(m, 19.99999, s) for m in MEASURES.values() for s in "MF"}
    assert step["weight_kg", "M"] == pytest.approx(83.7 - 70.60, abs=0.01)
    assert step["weight_kg", "F"] == pytest.approx(68.9 - 58.22, abs=0.01)
    assert step["height_cm", "M"] == pytest.approx(176.1 - 176.85, abs=0.01)
    assert step["height_cm", "F"] == pytest.approx(163.3 - 163.34, abs=0.01)


def test_medians_do_not_jump_anywhere_else():
    # A newborn gains 7 % of weight in a week; any step of a table would be larger.
    for sex in "MF":
        for measure, most in (("weight_kg", 0.07), ("height_cm", 0.03)):
            ages = np.arange(0, 100, 1 / 48)
            median = size_at(measure, age_y=ages, male=np.full(len(ages), sex == "M"), z=np.zeros(len(ages)))
            step = np.abs(np.diff(np.log(median)))
            assert step[ages[1:] != 20].max() < most


@given(st.floats(0, 100), st.floats(-2.5, 2.5), st.booleans(), st.sampled_from(sorted(MEASURES.values())))
def test_z_score_undoes_size(age_y, z, male, measure):
    where = {"age_y": np.array([age_y]), "male": np.array([male])}
    found = size_at(measure, z=np.array([z]), **where)
    assert math.isfinite(found[0])
    assert found[0] > 0
    assert z_score(measure, size=found, **where)[0] == pytest.approx(z, abs=1e-6)


@given(st.floats(0, 100), st.floats(-2.5, 2.4), st.booleans(), st.sampled_from(sorted(MEASURES.values())))
def test_a_higher_score_is_a_larger_body(age_y, z, male, measure):
    low, high = size_at(measure, age_y=np.full(2, age_y), male=np.full(2, male), z=np.array([z, z + 0.1]))
    assert low < high


# Langenhorst 2019: 35 at birth, 140 at 1.5 y, 140 to 30 y, minus 8 per decade.
@pytest.mark.parametrize(("age_y", "egfr"), [(0, 35), (0.75, 87.5), (1.5, 140), (30, 140), (40, 132), (80, 100)])
def test_age_normal_egfr_follows_langenhorst(age_y, egfr):
    assert age_normal_egfr(np.array([float(age_y)]))[0] == pytest.approx(egfr, abs=1e-9)


def test_the_whole_range_of_ages_is_finite_and_of_both_sexes():
    people = virtual_population(50_000, seed=3, age_range_y=(0, 100))
    assert all(np.isfinite(getattr(people, name)).all() for name in COLUMNS)
    assert 0.49 < people.male.mean() < 0.51
    assert abs(np.corrcoef(people.age_y, people.male)[0, 1]) < 0.02
    assert people.age_y.min() < 0.01
    assert people.age_y.max() > 99.99
    assert within(people.weight_kg, 2, 200)


def test_adults_of_18_to_80_have_adult_sizes():
    people = virtual_population(10_000, seed=4, age_range_y=(18, 80))
    assert within(people.age_y, 18, 80)
    assert within(people.height_cm, 140, 200)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 60), st.data())
def test_splitting_a_population_changes_nobody(seed, first, data):  # L5
    whole = virtual_population(50, seed=seed, age_range_y=(0, 100), first=first)
    cut = data.draw(st.integers(1, 49))
    assert same(whole.subset(np.arange(cut)), virtual_population(cut, seed=seed, age_range_y=(0, 100), first=first))
    assert same(
        whole.subset(np.arange(cut, 50)),
        virtual_population(50 - cut, seed=seed, age_range_y=(0, 100), first=first + cut),
    )


@pytest.mark.parametrize("chunk", [1, 3, 7, 8, 13, 64, 333])
def test_chunks_of_any_size_give_the_same_bytes(chunk):  # L5
    whole = virtual_population(1_000, seed=9, age_range_y=(0, 100))
    for first in range(0, 1_000, chunk):
        n = min(chunk, 1_000 - first)
        part = virtual_population(n, seed=9, age_range_y=(0, 100), first=first)
        assert same(part, whole.subset(np.arange(first, first + n)))


@given(st.permutations(range(30)))
def test_the_order_of_patients_changes_no_number(order):  # L6
    assert (uniforms(1, order, "test") == uniforms(1, range(30), "test")[order]).all()


def test_a_further_patient_changes_nobody():  # L17
    assert same(
        virtual_population(100, seed=1, age_range_y=(1, 18)),
        virtual_population(101, seed=1, age_range_y=(1, 18)).subset(np.arange(100)),
    )


def test_the_same_seed_gives_the_same_population_and_another_seed_another():  # L19
    one, again, other = (virtual_population(100, seed=seed, age_range_y=(1, 18)) for seed in (1, 1, 2))
    assert same(one, again)
    assert not (one.weight_kg == other.weight_kg).any()


def test_fixing_one_thing_leaves_the_draws_of_the_others():
    free = virtual_population(100, seed=1, age_range_y=(1, 18))
    fixed = virtual_population(100, seed=1, age_range_y=(1, 18), egfr=90)
    assert set(fixed.egfr_ml_min_1_73m2) == {90.0}
    assert (fixed.weight_kg == free.weight_kg).all()


def test_a_subset_keeps_the_numbers_and_cannot_be_written_to():
    people = virtual_population(10, seed=1, age_y=6).subset([7, 2])
    assert people.index.tolist() == [7, 2]
    with pytest.raises(ValueError, match="read-only"):
        people.weight_kg[0] = 1


def test_a_fixed_weight_is_everybodys_weight_and_moves_the_heights():
    light = virtual_population(2_000, seed=1, age_y=9, sex="F", weight_kg=23)
    heavy = virtual_population(2_000, seed=1, age_y=9, sex="F", weight_kg=40)
    assert set(light.weight_kg) == {23.0}
    # CDC 108.5 months, girls: 23 kg is z = -1.4 and 40 kg z = 1.5, r = 0.72; M·S = 6.2 cm about 133.1 cm.
    assert np.median(light.height_cm) == pytest.approx(133.1 - 1.4 * 0.72 * 6.2, abs=0.6)
    assert np.median(heavy.height_cm) == pytest.approx(133.1 + 1.5 * 0.72 * 6.2, abs=0.6)


def test_a_fixed_height_is_everybodys_height_and_moves_the_weights():
    short = virtual_population(2_000, seed=1, age_y=40, sex="M", height_cm=165)
    tall = virtual_population(2_000, seed=1, age_y=40, sex="M", height_cm=190)
    assert set(short.height_cm) == {165.0}
    # NHANES 40-49: 165 cm is z = -1.4 and 190 cm z = 1.7, r = 0.42; weight P50 88.4, P25 78.5, P75 107.7 kg.
    assert 78.5 < np.median(short.weight_kg) < 84
    assert 97 < np.median(tall.weight_kg) < 107.7


def test_weight_and_height_both_given_are_both_kept():
    people = virtual_population(5, seed=1, age_y=9, weight_kg=30, height_cm=135)
    assert (set(people.weight_kg), set(people.height_cm)) == ({30.0}, {135.0})


def test_a_weight_that_no_toddler_has_is_refused_with_the_ages_it_fits():
    with pytest.raises(InvalidInput, match=r"NK413.*28 kg does not fit all ages 1 to 18(.|\n)*it fits 3"):
        virtual_population(1, seed=1, age_range_y=(1, 18), weight_kg=28)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("NK411", {"n": 0}),
        ("NK411", {"n": 10_000_001}),
        ("NK411", {"first": -1}),
        ("NK411", {"first": 2**32}),
        ("NK412", {"age_y": -0.1}),
        ("NK412", {"age_y": 100.5}),
        ("NK412", {"age_y": math.nan}),
        ("NK412", {"age_y": None}),
        ("NK412", {"age_y": None, "age_range_y": (18, 101)}),
        ("NK412", {"age_y": None, "age_range_y": (18, 17)}),
        ("NK413", {"sex": "m"}),
        ("NK413", {"weight_kg": 0}),
        ("NK413", {"height_cm": math.inf}),
        ("NK413", {"egfr": -1}),
        ("NK410", {"seed": -1}),
    ],
)
def test_what_cannot_be_is_refused(code, wrong):
    with pytest.raises(InvalidInput, match=code):
        virtual_population(**{"n": 10, "seed": 1, "age_y": 6, **wrong})
