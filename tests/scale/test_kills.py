"""A run in parts that is killed, whose disk is full, or whose files are damaged: it is said, or mended, and never believed."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from scale_cases import everything, job

from nksim.errors import InvalidInput, UnreadableInput
from nksim.scale.parts import compute, run_parts
from nksim.scale.summary import summarise
from nksim.settings import Settings

N, KILLS = 20, 50
FORK = multiprocessing.get_context("fork")
# A part for each patient, and little to read again of those that are there.
JOB = job(settings=Settings(days=2, every_d=1.0))
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(scope="module")
def whole():
    return everything(summarise(JOB, N))


def in_parts(directory):
    with ThreadPoolExecutor(2) as executor:
        return everything(run_parts(JOB, N, executor, directory=directory, size=1))


def kept(directory):
    return {path.name: path.read_bytes() for path in directory.glob("part-*")}


def killed(directory, more, wait):
    """A run that is killed when it has made so many parts `more`, and a while later; its exit code."""
    child, goal = FORK.Process(target=in_parts, args=(directory,)), len(kept(directory)) + more
    child.start()
    while child.is_alive() and len(list(directory.glob("part-*"))) < goal:
        time.sleep(0.001)
    time.sleep(wait)
    child.kill()
    child.join()
    return child.exitcode


def test_fifty_kills_at_random_moments_lose_nothing(whole, tmp_path):  # L16
    rng, kills, runs, at_work = random.Random(7), 0, 0, 0
    here, before = tmp_path / "run0", {}
    while kills < KILLS:
        code = killed(here, rng.randrange(4), rng.uniform(0.0, 0.06))
        after = kept(here)
        # What was there is there, byte for byte.
        assert before.items() <= after.items()
        # A kill counts if it met a process that still had something to do.
        kills += code == -signal.SIGKILL and len(after) < N
        at_work += len(before) < len(after) < N
        before = after
        if len(after) == N:
            assert in_parts(here) == whole
            runs, before = runs + 1, {}
            here = tmp_path / f"run{runs}"
    assert in_parts(here) == whole
    assert len(kept(here)) == N
    # Most met it while it computed and wrote, and not before its first part.
    assert at_work >= KILLS / 2


def test_what_a_kill_leaves_half_written_is_not_taken_for_a_part(whole, tmp_path):
    in_parts(tmp_path)
    part = tmp_path / "part-0000000005"
    part.rename(tmp_path / ".part-0000000005.4711")
    (tmp_path / ".part-0000000006.4712").write_bytes(part.name.encode())
    assert in_parts(tmp_path) == whole


def without_room(directory, most, told):
    """A process whose files may be `most` bytes long; it tells its error, or that there was none."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        in_parts(directory)
    except UnreadableInput as error:
        told.put(error.faults[0].code)
    else:
        told.put("none")


@pytest.mark.parametrize(("most", "left"), [(0, []), (100, []), (1500, ["manifest.json"])])
def test_a_file_that_has_no_room_is_said_and_leaves_nothing_behind(whole, tmp_path, most, left):
    told = FORK.Queue()
    child = FORK.Process(target=without_room, args=(tmp_path, most, told))
    child.start()
    assert told.get(timeout=60) == "NK648"
    child.join(60)
    assert [path.name for path in tmp_path.iterdir()] == left
    assert in_parts(tmp_path) == whole


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a disk of 64 kB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("only root mounts a disk")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up_is_said_and_what_is_on_it_stays_good(whole, small_disk, tmp_path):
    with pytest.raises(UnreadableInput, match="NK648"):
        in_parts(small_disk)
    good = kept(small_disk)
    assert 0 < len(good) < N
    assert not list(small_disk.glob(".*"))
    # Moved to where there is room the run goes on, with the parts that it has.
    roomy = tmp_path / "roomy"
    shutil.copytree(small_disk, roomy)
    assert in_parts(roomy) == whole
    assert good.items() <= kept(roomy).items()


def test_any_flipped_bit_of_a_part_is_seen(whole, tmp_path):
    in_parts(tmp_path)
    rng, parts = random.Random(11), kept(tmp_path)
    # One bit in every part, of which the first is in the hash, the last in the last byte.
    for i, (name, good) in enumerate(sorted(parts.items())):
        at = 0 if i == 0 else len(good) - 1 if i == N - 1 else rng.randrange(len(good))
        bad = bytearray(good)
        bad[at] ^= 1 << rng.randrange(8)
        (tmp_path / name).write_bytes(bad)
    damaged = kept(tmp_path)
    assert in_parts(tmp_path) == whole
    mended = kept(tmp_path)
    assert all(mended[name] != damaged[name] for name in parts)


def test_a_part_in_the_place_of_another_is_not_believed(whole, tmp_path):
    in_parts(tmp_path)
    (tmp_path / "part-0000000003").write_bytes((tmp_path / "part-0000000004").read_bytes())
    assert in_parts(tmp_path) == whole


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_of_the_manifest_is_refused(tmp_path, seed):
    with ThreadPoolExecutor(1) as executor:
        run_parts(JOB, 1, executor, directory=tmp_path, size=1)
    manifest, rng = tmp_path / "manifest.json", random.Random(seed)
    bad = bytearray(manifest.read_bytes())
    # Not the blanks, which say nothing.
    at = rng.choice([i for i, byte in enumerate(bad) if byte not in b" \n"])
    bad[at] ^= 1 << rng.randrange(7)
    manifest.write_bytes(bad)
    with ThreadPoolExecutor(1) as executor, pytest.raises((InvalidInput, UnreadableInput), match=r"NK64[78]"):
        run_parts(JOB, 1, executor, directory=tmp_path, size=1)


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", "null", '"manifest"', "{", "\x00"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises((InvalidInput, UnreadableInput), match=r"NK64[78]"):
        in_parts(tmp_path)


def test_a_part_of_a_worker_that_comes_back_damaged_is_refused(monkeypatch, tmp_path):
    def damaged(*asked):
        part = bytearray(compute(*asked))
        part[-9] ^= 4
        return bytes(part)

    monkeypatch.setattr("nksim.scale.parts.compute", damaged)
    with pytest.raises(InvalidInput, match="NK649"):
        in_parts(tmp_path)
    assert kept(tmp_path) == {}
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["patients"] == N
