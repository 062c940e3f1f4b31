"""Worker processes: what they find comes back, what takes too long is ended, and the next task finds a new one."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nksim.errors import NksimError, UsageError
from nksim.web.jobs import MOST_WAITING, Jobs, wait
from nksim.web.workers import Refused, Task, Workers


def double(number):
    return 2 * number


def sleeping(seconds, progress):
    progress(1, 3)
    time.sleep(seconds)


def wrong():
    raise UsageError("NK503", "no such thing", help="another")


def broken():
    raise ValueError("Jane Doe, 20 kg")


def lost():
    os._exit(1)


def greedy():
    return bytearray(1 << 36)


def using(work, count=1):
    async def main():
        workers = Workers(count)
        await workers.start(os.getpid)
        try:
            return await work(workers)
        finally:
            workers.close()

    # In a thread: where a browser is driven, this one has a loop that runs.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, main()).result()


def test_an_answer_comes_back_and_faults_with_their_codes(capfd):
    async def work(workers):
        assert await workers.run(Task(double, (21,))) == 42
        with pytest.raises(Refused, match=r"error\[NK503\]: no such thing"):
            await workers.run(Task(wrong, ()))
        with pytest.raises(Refused, match="NK900") as found:
            await workers.run(Task(broken, ()))
        return str(found.value)

    said = using(work)
    # A bug is told by its place, and nothing of what somebody filled in.
    assert "Jane" not in said + capfd.readouterr().err


@pytest.mark.parametrize(("task", "why"), [(Task(lost, ()), "was lost"), (Task(greedy, ()), "memory")])
def test_a_process_that_ends_or_wants_too_much_harms_nobody_else(task, why):
    async def work(workers):
        with pytest.raises(NksimError, match=f"NK758.*{why}"):
            await workers.run(task)
        return await workers.run(Task(double, (4,)))

    assert using(work) == 8


def test_what_takes_too_long_is_ended():
    async def work(workers):
        with pytest.raises(UsageError, match=r"NK758.*longer than 0.3 s"):
            await workers.run(Task(sleeping, (60,), reports=True, seconds=0.3))
        return await workers.run(Task(double, (4,)))

    assert using(work) == 8


def test_a_job_reports_its_progress_and_can_be_stopped():
    async def work(workers):
        jobs = Jobs(workers)
        job = jobs.submit("a", sleeping, 60, seconds=100, reports=True)
        while job.task.progress is None:
            await asyncio.sleep(0.02)
        assert (job.state, job.task.progress) == ("running", (1, 3))
        assert jobs.submit("a", sleeping, 60, seconds=100, reports=True) is job
        waiting = jobs.submit("b", double, 4, seconds=100, reports=False)
        assert waiting.state == "waiting"
        job.task.stop.set()
        assert await wait(job, 10)
        assert await wait(waiting, 30)
        return job.state, job.faults[0].code, waiting.value

    assert using(work) == ("refused", "NK758", 8)


def test_too_many_questions_are_refused_with_a_clear_answer():
    async def work(workers):
        jobs = Jobs(workers)
        held = [jobs.submit(str(i), sleeping, 60, seconds=100, reports=True) for i in range(MOST_WAITING)]
        with pytest.raises(UsageError, match="NK756"):
            jobs.submit("one more", double, 4, seconds=100, reports=False)
        for job in held:
            job.task.stop.set()
        for job in held:
            assert await wait(job, 10)
        last = jobs.submit("one more", double, 4, seconds=100, reports=False)
        assert await wait(last, 30)
        return last.value

    assert using(work) == 8


def test_a_forgotten_job_leaves_nothing_behind():
    async def work(workers):
        jobs = Jobs(workers)
        job = jobs.submit("a", double, 4, seconds=100, reports=False)
        assert await wait(job, 30)
        jobs.forget(job)
        return jobs.get(job.key)

    assert using(work) is None
