"""`python -m benchmarks.page`: how long the local page takes: first view, a changed weight, twenty users at once.

The page runs in processes of its own; wall and processor time are of the page alone. A machine that does other work
makes the wall time longer than the page is slow: read both.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

VIEW = (
    "regimen?protocol=jk500&height=110&day0=2027-03-01&tz=Asia/Shanghai"
    "&f.cells.dose=1e7+cells/kg&f.cells.days=0,+7,+14&weight="
)


def main() -> None:
    """Starts a page, asks it, and prints a line for each question."""
    command = [sys.executable, "-c", "from nksim.cli import main; main()", "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.search(r"http://\S+", process.stderr.readline())
    assert found is not None
    page = found[0]
    try:
        told("the first page", process.pid, lambda: ask(page))
        told("the first view, 200 patients", process.pid, lambda: ask(f"{page}{VIEW}20"))
        for weight in (21, 22, 23):
            told(f"the weight changed to {weight} kg", process.pid, lambda w=weight: ask(f"{page}{VIEW}{w}"))
        told("the same again", process.pid, lambda: ask(f"{page}{VIEW}23"))
        with ThreadPoolExecutor(20) as pool:
            views = [f"{page}{VIEW}{30 + i}" for i in range(20)]
            told("twenty users at once", process.pid, lambda: list(pool.map(ask, views)))
    finally:
        process.terminate()
        process.wait()


def ask(address: str) -> None:
    """Asks for a view until its curves are there."""
    while True:
        with urlopen(address) as answer:
            text = answer.read().decode()
        if 'id="running"' not in text:
            assert "weight" not in address or "<svg" in text
            return


def told(what: str, pid: int, question: object) -> None:
    """Prints wall and processor time of one question."""
    assert callable(question)
    began, used = time.perf_counter(), processor_s(pid)
    question()
    print(f"{what:40} {time.perf_counter() - began:6.2f} s wall {processor_s(pid) - used:6.2f} s processor")


def processor_s(pid: int) -> float:
    """Processor time of a process and all below it, in seconds (Linux)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    # Fields 14 and 15 of stat are the clock ticks in user and system mode.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100 + sum(processor_s(int(child)) for child in children)


if __name__ == "__main__":
    main()
