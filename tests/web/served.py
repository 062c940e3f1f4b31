"""A page of its own for a test."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

SERVE = [sys.executable, "-c", "from nksim.cli import main; main()", "serve", "--port", "0"]


@contextmanager
def serving(*options):
    """The address of a page and all that it says on stderr, as long as the block lasts."""
    process = subprocess.Popen([*SERVE, *options], stderr=subprocess.PIPE, text=True)
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"nksim is at (http://\S+/)", line):
                break
        else:
            raise AssertionError("".join(said))
        yield found[1], said
    finally:
        process.send_signal(signal.SIGINT)
        try:
            _, rest = process.communicate(timeout=20)
            said.append(rest)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
