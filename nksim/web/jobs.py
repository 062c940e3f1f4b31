"""Views that are being worked out, and those that lately were: the same question is answered once."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nksim.errors import Fault, NksimError, UsageError
from nksim.web.workers import Task, Workers, bug

# What was refused is asked anew after a moment: it may have been stopped, or lost.
KEPT, MOST_WAITING, UNSEEN_S, REFUSED_S = 60, 60, 20.0, 2.0


@dataclass
class Job:
    """One question with its answer, once there is one."""

    key: str
    task: Task
    seen: float = field(default_factory=time.monotonic)
    value: Any = None
    faults: tuple[Fault, ...] = ()
    ended: float = 0.0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> str:
        """`waiting`, `running`, `done` or `refused`."""
        if self.done.is_set():
            return "refused" if self.faults else "done"
        return "running" if self.task.running else "waiting"


class Jobs:
    """The questions put to one group of workers; too many at once are refused with NK756."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()

    def submit(self, name: str, call: Callable[..., Any], *arguments: Any, seconds: float, reports: bool) -> Job:
        """The job of this call under the name of what is asked, new or under way or done."""
        key = hashlib.sha256(name.encode()).hexdigest()
        job = self._jobs.get(key)
        if job is None or (job.faults and time.monotonic() - job.ended > REFUSED_S):
            self._make_room()
            job = Job(key, Task(call, arguments, reports, seconds))
            self._jobs[key] = job
            running = asyncio.create_task(self._work(job))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        job.seen = time.monotonic()
        self._jobs.move_to_end(key)
        return job

    def get(self, key: str) -> Job | None:
        """The job of that key, which somebody evidently still waits for."""
        job = self._jobs.get(key)
        if job:
            job.seen = time.monotonic()
        return job

    def forget(self, job: Job) -> None:
        """Keeps nothing of a job: neither what was asked nor the answer."""
        self._jobs.pop(job.key, None)

    def abandon(self) -> None:
        """Stops what nobody has asked after for a while."""
        for job in self._jobs.values():
            if not job.done.is_set() and time.monotonic() - job.seen > UNSEEN_S:
                job.task.stop.set()

    async def _work(self, job: Job) -> None:
        try:
            job.value = await self._workers.run(job.task)
        except NksimError as error:
            job.faults = error.faults
        except Exception:
            job.faults = (bug(),)
        finally:
            job.ended = time.monotonic()
            job.done.set()

    def _make_room(self) -> None:
        waiting = sum(not job.done.is_set() for job in self._jobs.values())
        if waiting >= MOST_WAITING:
            raise UsageError("NK756", f"{waiting} views are being worked out", help="try again in a minute")
        finished = [key for key, job in self._jobs.items() if job.done.is_set()]
        for key in finished[: max(0, len(finished) - KEPT)]:
            del self._jobs[key]


async def wait(job: Job, seconds: float) -> bool:
    """Whether the job is done, after at most so many seconds."""
    try:
        await asyncio.wait_for(job.done.wait(), seconds)
    except TimeoutError:
        return False
    return True
