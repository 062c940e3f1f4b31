"""Virtual patients, each a function of the seed and the patient's number alone.

Random numbers are counted, not drawn in sequence (Philox-4x32-10; Salmon, Moraes, Dror & Shaw 2011, SC '11,
doi 10.1145/2063384.2063405): adding a patient, a purpose, a chunk or a worker changes nobody else's numbers.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from nksim.errors import InvalidInput, shorten
from nksim.growth import Bools, Floats, Measure, correlation, size_at, z_score

Words = NDArray[np.uint64]
Sex = Literal["F", "M"]

OLDEST_Y = 100.0
MOST_PATIENTS = 10_000_000
# Weight and height are drawn within these standard scores: beyond them the references say nothing.
Z_LIMIT = 2.5
# A given weight or height farther than this from the median of an age does not belong to a body of that age.
Z_IMPLAUSIBLE = 5.0

ASSUMPTIONS: tuple[str, ...] = (
    "ages not given are uniform over the age range of the protocol",
    "sex not given is female or male with probability one half",
    "weight and height not given follow United States references for age and sex: CDC 2000 growth charts "
    "below 20 years, NHANES 2021-2023 from 20 years; other populations, and patients with cancer, differ",
    "weight and height not given lie within 2.5 standard scores of the median, with the correlation of the "
    "two in NHANES 2009-2012",
    "eGFR not given is the age-normal value of Langenhorst 2019 (doi 10.1007/s40262-018-0715-9), the same "
    "for all patients of one age",
)


def philox4x32(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Philox-4x32-10: four 32-bit words for each counter, whose words are integers or broadcastable arrays.

    >>> [f"{int(word):08x}" for word in philox4x32((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c2 = (p1 >> half) ^ c1 ^ np.uint64(k0), (p0 >> half) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & low, p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniforms(seed: int, index: ArrayLike, purpose: str | Sequence[str], occasion: ArrayLike = 0) -> Floats:
    """One number in the open interval (0, 1) for each patient number in `index` and `occasion`, of their joint shape.

    Of several purposes each has a row of its own, before that shape. The key is the seed, 0..2**64-1 (`InvalidInput`
    NK410 otherwise); the counter is the patient number (below 2**32), 64 bits of the BLAKE2b hash of `purpose`, and
    `occasion` (below 2**32). The numbers are the odd multiples of 2**-53: neither 0 nor 1 occurs, and u is as likely
    as 1 - u.

    >>> bool((uniforms(1, [7, 3], "weight_kg") == uniforms(1, range(10), "weight_kg")[[7, 3]]).all())
    True
    """
    key = _checked_seed(seed)
    numbers = np.asarray(index)
    purposes = [purpose] if isinstance(purpose, str) else purpose
    hashes = [int.from_bytes(hashlib.blake2b(p.encode(), digest_size=8).digest(), "little") for p in purposes]
    behind = () if isinstance(purpose, str) else (-1, *(1,) * np.broadcast(numbers, occasion).ndim)
    hashed = np.array(hashes, dtype=np.uint64).reshape(behind)
    words = (numbers, hashed & np.uint64(0xFFFFFFFF), hashed >> np.uint64(32), occasion)
    high, low, *_ = philox4x32(words, (key & 0xFFFFFFFF, key >> 32))
    bits = ((high >> np.uint64(6)) << np.uint64(26)) | (low >> np.uint64(6))
    return (bits + bits + np.uint64(1)).astype(np.float64) * 2.0**-53


def normals(seed: int, index: ArrayLike, purpose: str | Sequence[str], occasion: int = 0) -> Floats:
    """Standard normal numbers by the inverse distribution of `uniforms`, one for each patient number and purpose."""
    drawn: Floats = ndtri(uniforms(seed, index, purpose, occasion))
    return drawn


@dataclass(frozen=True, eq=False)
class Population:
    """Virtual patients as columns of one length; `index` is the patient number that keys random numbers."""

    index: NDArray[np.int64]
    age_y: Floats
    male: Bools
    weight_kg: Floats
    height_cm: Floats
    egfr_ml_min_1_73m2: Floats

    def __post_init__(self) -> None:
        for column in fields(self):
            getattr(self, column.name).setflags(write=False)

    def __len__(self) -> int:
        return len(self.index)

    def subset(self, positions: ArrayLike) -> Population:
        """The patients at these positions, or where a mask is true, in that order, with their own numbers."""
        chosen = np.asarray(positions)
        return Population(*(getattr(self, column.name)[chosen] for column in fields(self)))


def virtual_population(
    n: int,
    *,
    seed: int,
    age_range_y: tuple[float, float] | None = None,
    sex: Sex | None = None,
    age_y: float | None = None,
    weight_kg: float | None = None,
    height_cm: float | None = None,
    egfr: float | None = None,
    first: int = 0,
) -> Population:
    """`n` virtual patients numbered from `first`; patient i depends on the seed and on i only.

    What is given holds for everyone; what is not given is drawn, as `ASSUMPTIONS` says. Ages are assumed
    uniform over `age_range_y`, which is not used where `age_y` is given. A given weight says, through the
    correlation of the two, what heights are likely at that age, and a given height what weights. `egfr` is in
    mL/min/1.73 m². Raises `InvalidInput`: NK410 seed, NK411 number of patients, NK412 age, NK413 another
    given value.

    >>> children = virtual_population(1000, seed=1, age_y=6)
    >>> float(np.median(children.height_cm).round()), float(children.egfr_ml_min_1_73m2[0])
    (115.0, 140.0)
    """
    low_y, high_y = _checked_ages(age_range_y, age_y)
    _check_count(n, first)
    _check_given(sex, {"weight_kg": weight_kg, "height_cm": height_cm, "egfr": egfr})
    if weight_kg is None or height_cm is None:
        _check_size_fits_age("weight_kg", weight_kg, low_y, high_y, sex)
        _check_size_fits_age("height_cm", height_cm, low_y, high_y, sex)
    index = np.arange(first, first + n, dtype=np.int64)
    age = np.minimum(low_y + (high_y - low_y) * uniforms(seed, index, "age"), high_y)
    male = uniforms(seed, index, "sex") < 0.5 if sex is None else np.full(n, sex == "M")
    weight, height = _Bodies(seed, index, age, male).sized(weight_kg, height_cm)
    renal = age_normal_egfr(age) if egfr is None else np.full(n, float(egfr))
    return Population(index, age, male, weight, height, renal)


def fitting_ages(
    weight_kg: float, ages_y: tuple[float, float], sex: Sex | None = None, within_z: float = 2.0
) -> tuple[float, float] | None:
    """First and last age in years, of those given, at which a weight is no rarity; None where there is none.

    No rarity: within `within_z` standard scores of the median, for girls and boys alike unless the sex is given.

    >>> [round(age, 1) for age in fitting_ages(20.0, (0.0, 75.0))]
    [3.8, 8.1]
    """
    age_y, fits = _fitting("weight_kg", weight_kg, *ages_y, sex, within_z)
    return (float(age_y[fits].min()), float(age_y[fits].max())) if fits.any() else None


def _fitting(
    measure: Measure, size: float, low_y: float, high_y: float, sex: Sex | None, within_z: float
) -> tuple[Floats, Bools]:
    """Ages of a range, and at which of them a size lies within so many standard scores of the median."""
    age_y = np.linspace(low_y, high_y, 401)
    sizes, fits = np.full(len(age_y), float(size)), np.full(len(age_y), True)
    for men in (False, True) if sex is None else (sex == "M",):
        score = z_score(measure, age_y=age_y, male=np.full(len(age_y), men), size=sizes)
        fits &= np.abs(score) <= within_z
    return age_y, fits


def age_normal_egfr(age_y: Floats) -> Floats:
    """Age-normal eGFR in mL/min/1.73 m² (Langenhorst 2019, doi 10.1007/s40262-018-0715-9).

    35 at birth rising to 140 at 1.5 years, 140 to 30 years, then 8 less with each decade.

    >>> age_normal_egfr(np.array([0.0, 0.75, 6.0, 50.0])).tolist()
    [35.0, 87.5, 140.0, 124.0]
    """
    return np.interp(age_y, [0, 1.5, 30, OLDEST_Y], [35, 140, 140, 140 - 8 * (OLDEST_Y - 30) / 10])


@dataclass(frozen=True, eq=False)
class _Bodies:
    """Patients of known age and sex whose size is still to be found."""

    seed: int
    index: NDArray[np.int64]
    age_y: Floats
    male: Bools

    def sized(self, weight_kg: float | None, height_cm: float | None) -> tuple[Floats, Floats]:
        """Weight and height of each: a given one is kept, the other is drawn around what it predicts."""
        weight = None if weight_kg is None else np.full(len(self.index), float(weight_kg))
        height = None if height_cm is None else np.full(len(self.index), float(height_cm))
        if height is None:
            height = self._drawn("height_cm", None if weight is None else self._score("weight_kg", weight))
        if weight is None:
            weight = self._drawn("weight_kg", self._score("height_cm", height))
        return weight, height

    def _score(self, measure: Measure, size: Floats) -> Floats:
        return z_score(measure, age_y=self.age_y, male=self.male, size=size)

    def _drawn(self, measure: Measure, other_z: Floats | None) -> Floats:
        """Sizes drawn freely, or given the standard score of the other measure: N(r·z, 1 - r²)."""
        r, mean = np.zeros(len(self.index)), np.zeros(len(self.index))
        if other_z is not None:
            r = correlation(age_y=self.age_y, male=self.male)
            mean = r * other_z
        z = _truncated_normal(uniforms(self.seed, self.index, measure), mean, np.sqrt(1 - r * r))
        return size_at(measure, age_y=self.age_y, male=self.male, z=z)


def _truncated_normal(chance: Floats, mean: Floats, sd: Floats) -> Floats:
    """Normal scores with this mean and deviation, given that they lie within ±`Z_LIMIT`."""
    below, upto = ndtr((-Z_LIMIT - mean) / sd), ndtr((Z_LIMIT - mean) / sd)
    # The inverse can pass the limit by its last digit.
    score: Floats = np.clip(mean + sd * ndtri(below + chance * (upto - below)), -Z_LIMIT, Z_LIMIT)
    return score


def _checked_seed(seed: int) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if isinstance(seed, bool) or not 0 <= number < 2**64:
        raise InvalidInput("NK410", f"seed {shorten(seed)} is not usable", help="a whole number from 0 to 2**64 - 1")
    return number


def _check_count(n: int, first: int) -> None:
    if not 1 <= n <= MOST_PATIENTS:
        raise InvalidInput(
            "NK411", f"{shorten(n)} virtual patients cannot be made", help=f"between 1 and {MOST_PATIENTS:,}"
        )
    if not 0 <= first <= 2**32 - n:
        raise InvalidInput(
            "NK411", f"patient numbers from {shorten(first)} cannot be used", help="between 0 and 2**32 - 1"
        )


def _checked_ages(age_range_y: tuple[float, float] | None, age_y: float | None) -> tuple[float, float]:
    if age_y is None and age_range_y is None:
        raise InvalidInput("NK412", "neither an age nor an age range is given", help="give age_y or age_range_y")
    low, high = age_range_y if age_y is None and age_range_y is not None else (age_y, age_y)
    if low is None or high is None or not 0 <= low <= high <= OLDEST_Y:
        found = f"age range {shorten(low)} to {shorten(high)}" if age_y is None else f"age {shorten(age_y)}"
        raise InvalidInput(
            "NK412",
            f"{found} years is outside the growth reference",
            help=f"between 0 and {OLDEST_Y:g} years, the lower end first",
        )
    return float(low), float(high)


def _check_given(sex: str | None, values: dict[str, float | None]) -> None:
    if sex not in (None, "F", "M"):
        raise InvalidInput("NK413", f"sex {shorten(sex)} is not known", help="F, M or None for both")
    for name, value in values.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InvalidInput("NK413", f"{name} {shorten(value)} is not plausible", help="a positive number")


def _check_size_fits_age(measure: Measure, size: float | None, low_y: float, high_y: float, sex: Sex | None) -> None:
    """Refuse a given size that no body of some age in the range has: the other size could not follow from it.

    Judged on the range and not on the ages drawn, so that every chunk of a population gives the same answer.
    """
    if size is None:
        return
    age_y, fits = _fitting(measure, size, low_y, high_y, sex, Z_IMPLAUSIBLE)
    if fits.all():
        return
    fitting = f"{age_y[fits].min():.3g} to {age_y[fits].max():.3g} years" if fits.any() else "none of them"
    name, unit = measure.split("_")
    raise InvalidInput(
        "NK413",
        f"{name} {size:g} {unit} does not fit all ages {low_y:g} to {high_y:g} years",
        help=f"it fits {fitting}; give the age as well",
    )
