"""Any chunk, number of threads, order and company gives the same bits, down to who has died out and to every metric.

The laws L5, L6, L7 and L17 of the reference cases, for simulations and their summaries; solvers have theirs in `kinetics`.
"""

import hashlib
from functools import cache

import numpy as np
import pytest
from scale_cases import everything, job

from nksim.kinetics import native
from nksim.metrics import measure
from nksim.plan import simulate
from nksim.scale.summary import Sums, ranges, summarise
from nksim.settings import Settings

CHUNKS = (1, 7, 64, 1000)
# More patients than the largest chunk holds where an engine is fast; two months, in which a third die out.
COUNT = {"native": 1013, "numpy": 16}
DAYS = {"native": Settings(days=60, every_d=2.0), "numpy": Settings(days=40, every_d=4.0)}
both = pytest.mark.parametrize(
    "engine",
    ["numpy", pytest.param("native", marks=pytest.mark.skipif(not native.available(), reason="it was not built"))],
)


def count(engine, chunk):
    """Patients to be cut into such chunks; of chunks of one there are fewer, for each is a call."""
    return min(COUNT[engine], {"native": 150, "numpy": 6}[engine] * chunk)


@cache
def the_job(engine):
    settings = DAYS[engine]
    return job(settings=Settings(days=settings.days, every_d=settings.every_d, engine=engine))


@cache
def whole(engine, n):
    return everything(summarise(the_job(engine), n, chunk=n))


@both
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_chunks_and_threads_do_not_show_in_a_summary(engine, chunk, threads):  # L5, L7
    n = count(engine, chunk)
    assert everything(summarise(the_job(engine), n, chunk=chunk, workers=threads)) == whole(engine, n)


@both
@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_the_order_of_chunks_does_not_show_in_a_summary(engine, chunk):  # L6
    this, n = the_job(engine), count(engine, chunk)
    parts = list(ranges(0, n, chunk))
    chunks = this.chunks()
    example = chunks.simulate(0, 1)
    sums = Sums(example, n)
    for i in np.random.default_rng(chunk).permutation(len(parts)):
        start, some = parts[i]
        sums.add(chunks.simulate(start, some), start)
    assert everything(sums.summary(example, measure(example), 0)) == whole(engine, n)


def bits(made, at=slice(None)):
    """SHA-256 of all that is known of some patients: curves, metrics, counts at the ends of infusions, bodies."""
    hashed = hashlib.sha256()
    for name, values in sorted(made.outputs.items()):
        hashed.update(name.encode() + np.ascontiguousarray(values[at]).tobytes())
    for name, found in sorted(measure(made).items()):
        hashed.update(name.encode() + np.ascontiguousarray(found.values[at]).tobytes())
    hashed.update(np.ascontiguousarray(made.infusion_ends[at]).tobytes())
    hashed.update(np.ascontiguousarray(made.population.weight_kg[at]).tobytes())
    return hashed.hexdigest()


def in_patients(engine, population):
    this = the_job(engine)
    return simulate(this.choice, population, seed=this.seed, settings=this.settings)


@both
def test_the_order_of_patients_changes_no_bit_of_anyone(engine):  # L6
    n = min(COUNT[engine], 200)
    people = the_job(engine).draw(first=0, n=n)
    order = np.random.default_rng(5).permutation(n)
    held = in_patients(engine, people)
    # Who has died out is part of what is compared.
    gone = (held.outputs["donor_nk"][:, -1] == 0).mean()
    assert 0 < gone < 1
    assert bits(in_patients(engine, people.subset(order))) == bits(held, order)


@both
def test_an_unrelated_patient_changes_no_bit_of_the_others(engine):  # L17
    people = the_job(engine).draw(first=0, n=12)
    others = in_patients(engine, people.subset(np.array([9, 2, 4])))
    for company in ([9, 2, 4, 0], [9, 2, 4, 11, 7, 1, 3]):
        more = in_patients(engine, people.subset(np.array(company)))
        assert bits(more, slice(0, 3)) == bits(others)
    assert bits(in_patients(engine, the_job(engine).draw(first=9, n=1))) == bits(others, slice(0, 1))


@both
def test_what_is_hashed_differs_where_anything_differs(engine):
    this = the_job(engine)
    other = job(seed=4, settings=this.settings)
    assert everything(summarise(other, 16)) != whole(engine, 16)
    held = in_patients(engine, this.draw(first=0, n=3))
    before = bits(held)
    held.outputs["donor_nk"][1, -1] = np.nextafter(held.outputs["donor_nk"][1, -1], 1)
    assert bits(held) != before
