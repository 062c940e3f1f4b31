"""Worker processes for what may take long: whatever they do can be stopped, and costs the page nothing.

A process is the only thing that can be ended at any moment, with its memory, whatever a file or a number made of it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from nksim.errors import Fault, NksimError, UsageError

# Memory of one process that its own data may take.
MOST_BYTES = 4 << 30
Progress = Callable[[int, int], None]


class Refused(NksimError):
    """What a worker answered with: the faults that it found."""


@dataclass
class Task:
    """A call for a worker, with what is known of it while it runs; `stop` may be set from any thread."""

    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    reports: bool = False
    seconds: float = 60.0
    progress: tuple[int, int] | None = None
    running: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


class Workers:
    """So many processes, each busy with one task at a time; the others wait their turn."""

    def __init__(self, count: int) -> None:
        self._context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
        if sys.platform == "linux":
            self._context.set_forkserver_preload(["nksim.web.answers", "nksim.run", "nksim.output.charts"])
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._all: set[_Worker] = set()
        self._count = count

    async def start(self, warm: Callable[[], Any]) -> None:
        """Starts the processes and has each call `warm` once."""
        self._all = {_Worker(self._context) for _ in range(self._count)}
        await asyncio.gather(*(asyncio.to_thread(w.ask, Task(warm, (), seconds=600)) for w in self._all))
        for worker in self._all:
            self._idle.put_nowait(worker)

    def close(self) -> None:
        """Ends every process at once."""
        for worker in self._all:
            worker.end()

    async def run(self, task: Task) -> Any:
        """What the call returns; raises `Refused` with its faults, `UsageError` NK758 where it was stopped."""
        worker = await self._idle.get()
        try:
            if task.stop.is_set():
                raise stopped()
            task.running = True
            return await asyncio.shield(asyncio.to_thread(worker.ask, task))
        finally:
            task.stop.set()
            self._idle.put_nowait(worker)


def stopped() -> UsageError:
    """The error of a task that somebody stopped."""
    return UsageError("NK758", "this run was stopped", help="show the page again to start it anew")


class _Worker:
    """One process and the pipe to it; a process that was ended is replaced when the next task comes."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._begin()

    def _begin(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def end(self) -> None:
        """Ends the process; a call that waits for it gives up."""
        self._process.kill()
        self._process.join()

    def ask(self, task: Task) -> Any:
        """Has the process do one task and waits for it, at most `task.seconds`."""
        if not self._process.is_alive():
            self._pipe.close()
            self._begin()
        late = time.monotonic() + task.seconds
        try:
            self._pipe.send((task.call, task.arguments, task.reports))
            while True:
                if self._pipe.poll(0.05):
                    kind, value = self._pipe.recv()
                    if kind != "progress":
                        break
                    task.progress = value
                elif task.stop.is_set() or time.monotonic() > late:
                    self.end()
                    if task.stop.is_set():
                        raise stopped()
                    raise UsageError(
                        "NK758", f"this took longer than {task.seconds:g} s", help="ask for fewer patients or days"
                    )
        except (EOFError, OSError):
            self.end()
            raise UsageError(
                "NK758", "the process that worked on this was lost", help="ask for fewer patients or days"
            ) from None
        if kind == "refused":
            raise Refused(value)
        return value


def _serve(pipe: Connection) -> None:
    """The life of a worker process: takes a call, answers it, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _bound_memory()
    with suppress(EOFError, OSError):
        while True:
            call, arguments, reports = pipe.recv()
            pipe.send(_answer(pipe, call, arguments, reports))


def _answer(pipe: Connection, call: Callable[..., Any], arguments: tuple[Any, ...], reports: bool) -> tuple[str, Any]:
    def report(done: int, total: int) -> None:
        pipe.send(("progress", (done, total)))

    try:
        return "done", call(*arguments, **({"progress": report} if reports else {}))
    except NksimError as error:
        return "refused", error.faults
    except MemoryError:
        return "refused", (Fault("NK758", "this needs too much memory", help="ask for fewer patients or days"),)
    except Exception as error:
        # Where it happened and nothing of what was asked: a message could hold what the user wrote.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        sys.stderr.write(f"nksim serve: {type(error).__name__} at {frame.filename}:{frame.lineno}\n")
        return "refused", (bug(),)


def bug() -> Fault:
    """The fault of an error that is nksim's own."""
    return Fault("NK900", "this is a bug in nksim, not in your input", help="please tell us what you had filled in")


def _bound_memory() -> None:
    """Refuses a process more memory than any view needs, where the system can."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
