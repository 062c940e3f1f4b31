"""Curves that are held are the same bits for any chunk and any number of threads."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scale_cases import job

import nksim
from nksim.errors import ModelFailure
from nksim.metrics import measure
from nksim.population import Population
from nksim.run import simulate
from nksim.scale import execution, memory
from nksim.scale.held import held
from nksim.settings import Settings

SAMPLED = Settings(days=20, every_d=1.0, timing="sampled", sampled_cells=500)


def digest(made):
    """All arrays of a simulation."""
    s = made.solution
    steps = (s.steps.taken, s.steps.refused)
    people = [getattr(made.population, f.name) for f in fields(Population)]
    arrays = [*made.outputs.values(), *s.aside.values(), s.times_d, s.cy_auc, s.f_ara_a_auc, *steps, *people,
              made.events.amount, made.infusion_ends, made.infusion_spread_d]  # fmt: skip
    metrics = repr({k: (v.values.tobytes(), v.open_end, v.missing) for k, v in measure(made).items()})
    return hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in arrays) + metrics.encode()).hexdigest()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("this", "n", "chunks"), [(job(), 70, (7, 64, 1000)), (job(settings=SAMPLED), 5, (2, 3))])
def test_chunks_and_threads_do_not_show(this, n, chunks, threads):
    with ThreadPoolExecutor(threads) as pool:
        assert {digest(held(this, n, pool, chunk=size)) for size in chunks} == {digest(this.chunk(0, n))}


def test_the_typical_schedule_is_the_first_patient_s_in_any_order_of_chunks():
    class Backwards:
        def __init__(self):
            self.waiting = []

        def submit(self, work, *given):
            mine = SimpleNamespace(made=None, work=partial(work, *given), cancel=lambda: None)
            mine.result = partial(self.result_of, mine)
            self.waiting.append(mine)
            return mine

        def result_of(self, one):
            while self.waiting:
                last = self.waiting.pop()
                last.made = last.work()
            return one.made

    this = job()
    made = held(this, 20, Backwards(), chunk=7)
    assert made.typical == this.chunk(0, 20).typical
    assert made.typical != this.chunk(14, 6).typical
    assert digest(made) == digest(this.chunk(0, 20))


def test_workers_are_the_threads_that_hold(monkeypatch):
    asked = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers):
            asked.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(execution, "ThreadPoolExecutor", Pool)
    simulate(nksim.protocol("nkaml"), n=2, settings=Settings(days=20), workers=3)
    simulate(nksim.protocol("nkaml"), n=2, settings=Settings(days=20))
    assert asked == [3, memory.cores()]


def test_progress_is_told_chunk_by_chunk():
    told = []
    with ThreadPoolExecutor(2) as pool:
        held(job(), 20, pool, lambda *x: told.append(x), chunk=8)
        held(job(), 5, pool, lambda *x: told.append(x))
    assert told == [(8, 20), (16, 20), (20, 20), (5, 5)]


def test_the_slow_solver_tells_its_progress_every_ten_patients_and_bears_threads():
    # Older SciPy's LSODA fails, or worse, where two threads use it at a time.
    told, this = [], job(settings=Settings(days=2, every_d=1.0, engine="reference"))
    with ThreadPoolExecutor(2) as pool:
        made = held(this, 12, pool, lambda *x: told.append(x))
        assert digest(held(this, 12, pool, chunk=3)) == digest(made) == digest(this.chunk(0, 12))
    assert told == [(10, 12), (12, 12)]


def test_a_failure_in_a_thread_is_the_run_s(monkeypatch):
    def fails(self, first, n):
        raise ModelFailure("NK602", "stopped")

    monkeypatch.setattr("nksim.scale.summary.Chunks.simulate", fails)
    with ThreadPoolExecutor(2) as pool, pytest.raises(ModelFailure, match="NK602"):
        held(job(), 20, pool, chunk=8)
