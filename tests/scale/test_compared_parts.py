"""Comparisons in parts: killed, resumed, refused, and on a cluster, and always the same result."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from scale_cases import SETTINGS, digest

import nksim
from nksim.cli import run as command
from nksim.errors import InvalidInput
from nksim.run import compare

N = 24
PROTOCOLS = Path(__file__).parents[2] / "protocols"
FORK = multiprocessing.get_context("fork")
SHORT = ["--assume", "-n", str(N), "--seed", "3", "--days", "20", "--every", "1d"]
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr("nksim.scale.execution.PART", 4)


def regimens():
    p = nksim.protocol("nkaml")
    return p, p.change("cells.days", "0, 7")


def compared(parts=None, these=None, **options):
    return compare(*(these or regimens()), **{"n": N, "seed": 3, "settings": SETTINGS, "parts": parts, **options})


def told(made):
    """Everything that a comparison in parts holds, as bytes."""
    both = b"".join(map(digest, made.comparison.simulations))
    return both + repr(made.comparison.differences).encode() + str(made).encode()


@pytest.fixture(scope="module")
def whole():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("nksim.simulation.MOST_VALUES", 1)
        return told(compared())


def test_each_regimen_has_its_directory_and_manifest_and_the_result_is_that_of_a_run_without(whole, tmp_path):
    assert told(compared(tmp_path)) == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["01-nkaml", "02-nkaml"]
    for one in tmp_path.iterdir():
        assert sorted(p.name for p in one.iterdir()) == [
            "manifest.json", *(f"part-{first:010d}" for first in range(0, N, 4)),
        ]  # fmt: skip
    manifests = [json.loads((tmp_path / n / "manifest.json").read_text()) for n in ("01-nkaml", "02-nkaml")]
    assert [m["regimen"] for m in manifests] == [[], [["cells.days", "0, 7"]]]
    assert manifests[0]["doses_sha256"] != manifests[1]["doses_sha256"]


def test_whole_parts_are_used_and_damaged_ones_made_again(whole, tmp_path, monkeypatch):
    compared(tmp_path)
    made, first = [], tmp_path / "02-nkaml" / "part-0000000008"
    content = bytearray(first.read_bytes())
    content[-9] ^= 1
    first.write_bytes(content)
    simply = nksim.scale.parts.compute
    monkeypatch.setattr("nksim.scale.parts.compute", lambda *a: (made.append(a[1:]), simply(*a))[1])
    assert told(compared(tmp_path)) == whole
    assert made == [(8, 4)]


def test_fifteen_kills_at_random_moments_lose_nothing(whole, tmp_path):
    rng, survivors = random.Random(11), set()
    for _ in range(15):
        child = FORK.Process(target=compared, args=(tmp_path,))
        child.start()
        time.sleep(rng.uniform(0.0, 0.3))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        kept = {str(path) for path in tmp_path.rglob("part-*")}
        assert survivors <= kept
        survivors = kept
    assert told(compared(tmp_path)) == whole


@pytest.mark.parametrize(("changed", "named"), [({"seed": 4}, "seed"), ({"n": N + 1}, "patients")])
def test_another_seed_or_number_is_refused(tmp_path, changed, named):
    compared(tmp_path)
    with pytest.raises(InvalidInput, match=rf"NK647.*01-nkaml holds parts of another run.*{named}"):
        compared(tmp_path, **changed)


def test_another_version_is_refused(tmp_path, monkeypatch):
    compared(tmp_path)
    monkeypatch.setattr("nksim.scale.parts.__version__", "9.9")
    with pytest.raises(InvalidInput, match=r"NK647.*nksim differ"):
        compared(tmp_path)


def test_a_changed_second_regimen_is_refused_before_the_first_is_run(tmp_path, monkeypatch):
    first, second = regimens()
    compared(tmp_path)
    monkeypatch.setattr("nksim.scale.execution.run_parts", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(InvalidInput, match=r"NK647.*02-nkaml .*doses_sha256, regimen differ"):
        compared(tmp_path, (first, second.change("cells.days", "0, 8")))


def test_a_changed_protocol_is_refused(tmp_path):
    file = tmp_path / "nkaml.yaml"
    file.write_text((PROTOCOLS / "nkaml.yaml").read_text())
    compared(tmp_path / "parts", (nksim.protocol(str(file)), regimens()[1]))
    file.write_text(file.read_text() + "# edited\n")
    with pytest.raises(InvalidInput, match=r"NK647.*01-nkaml.*protocol_sha256 differ"):
        compared(tmp_path / "parts", (nksim.protocol(str(file)), regimens()[1]))


def test_the_command_keeps_parts_and_goes_on_with_them(capsys, tmp_path):
    args = ["compare", "nkaml", "--vary", "cells.days=0|0, 7", *SHORT, "--parts", str(tmp_path / "run")]
    outputs = []
    for _ in range(2):
        assert command(args) == 0
        outputs.append(capsys.readouterr())
        (tmp_path / "run" / "02-nkaml" / "part-0000000012").unlink()
    assert outputs[0] == outputs[1]
    assert outputs[0].err == ""
    assert command([*args, "--seed", "5"]) == 1
    assert "error[NK647]" in capsys.readouterr().err


def test_the_command_compares_on_a_cluster_of_two_workers_to_the_same_words(capsys, tmp_path):
    distributed = pytest.importorskip("distributed")
    args = ["compare", "nkaml", "--vary", "cells.days=0|0, 7", *SHORT]
    assert command([*args, "--parts", str(tmp_path / "here")]) == 0
    here = capsys.readouterr().out
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        assert command([*args, "--cluster", cluster.scheduler_address, "--parts", str(tmp_path / "far")]) == 0
    assert capsys.readouterr().out == here
    ours, theirs = (
        {p.relative_to(tmp_path / w): p.read_bytes() for p in (tmp_path / w).rglob("part-*")} for w in ("here", "far")
    )
    assert ours == theirs
    assert len(ours) == 2 * N // 4


def test_a_cluster_that_is_not_there_is_said_so(capsys):
    assert command(["compare", "nkaml", "--vary", "cells.days=0|0, 7", *SHORT, "--cluster", "tcp://127.0.0.1:9"]) == 2
    assert "error[NK720]" in capsys.readouterr().err
