"""Runs in parts: through any executor, killed, damaged and resumed, and always the same result."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from scale_cases import SETTINGS, digest, job

from nksim.cli import run
from nksim.errors import InvalidInput
from nksim.scale.parts import run_parts
from nksim.scale.summary import summarise
from nksim.settings import Settings

N, SIZE = 40, 4
FORK = multiprocessing.get_context("fork")
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(scope="module")
def whole():
    return digest(summarise(job(), N))


def in_parts(directory=None, this=None, n=N):
    with ThreadPoolExecutor(2) as executor:
        return digest(run_parts(this or job(), n, executor, directory=directory, size=SIZE))


def test_parts_add_up_to_the_whole(whole, tmp_path):
    assert in_parts() == whole
    assert in_parts(tmp_path) == whole
    assert in_parts(tmp_path) == whole


def test_processes_give_the_same_bits_as_threads(whole):  # L7
    with ProcessPoolExecutor(2, mp_context=FORK) as executor:
        assert digest(run_parts(job(), N, executor, size=7)) == whole


def test_a_cluster_of_two_workers_gives_the_same_bits(whole):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        assert digest(run_parts(job(), N, client.get_executor(), size=7)) == whole


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_flipped_bit_is_seen_and_the_part_computed_again(whole, tmp_path, at):
    in_parts(tmp_path)
    path = tmp_path / "part-0000000008"
    content = bytearray(path.read_bytes())
    good = bytes(content)
    content[at] ^= 1
    path.write_bytes(content)
    assert in_parts(tmp_path) == whole
    assert path.read_bytes() != bytes(content)
    assert len(path.read_bytes()) == len(good)


@pytest.mark.parametrize("length", [0, 20, 32, 1000])
def test_a_part_cut_short_is_computed_again(whole, tmp_path, length):
    in_parts(tmp_path)
    path = tmp_path / "part-0000000004"
    path.write_bytes(path.read_bytes()[:length])
    assert in_parts(tmp_path) == whole


@pytest.mark.parametrize(
    ("other", "named"),
    [({"this": job(seed=4)}, "seed"), ({"n": 41}, "patients"),
     ({"this": job(settings=Settings(days=21, every_d=1.0))}, "settings")],
)  # fmt: skip
def test_parts_of_another_run_are_refused(tmp_path, other, named):
    in_parts(tmp_path)
    with pytest.raises(InvalidInput, match=rf"NK647.*{named}"):
        in_parts(tmp_path, **other)


def test_parts_of_another_version_are_refused(tmp_path, monkeypatch):
    in_parts(tmp_path)
    monkeypatch.setattr("nksim.scale.parts.__version__", "9.9")
    with pytest.raises(InvalidInput, match=r"NK647.*nksim differ"):
        in_parts(tmp_path)


def test_a_worker_with_another_engine_is_refused(monkeypatch):
    engines = iter(["native, fused", *["numpy"] * 20])
    monkeypatch.setattr("nksim.scale.parts.maker", lambda job: next(engines))
    with pytest.raises(InvalidInput, match=r"NK659.*numpy"):
        in_parts()


def test_a_worker_that_dies_is_said(whole, tmp_path):
    def dies(executor):
        os.kill(next(iter(executor._processes)), signal.SIGKILL)

    with ProcessPoolExecutor(1, mp_context=FORK) as executor:
        executor.submit(os.getpid).result()
        with pytest.raises(InvalidInput, match=r"NK649.*lost with its worker"):
            run_parts(job(), N, executor, directory=tmp_path, size=SIZE, workers=1, progress=lambda *_: dies(executor))
    assert in_parts(tmp_path) == whole


def test_the_command_keeps_and_uses_parts(capsys, tmp_path):
    args = ["simulate", "nkaml", "--assume", "-n", "9", "--days", "20", "--every", "1d", "--engine", "numpy"]
    outputs = []
    for _ in range(2):
        assert run([*args, "--parts", str(tmp_path / "run")]) == 0
        outputs.append(capsys.readouterr())
    assert outputs[0].out == outputs[1].out.replace("\r", "")
    assert outputs[0].err == ""
    assert (tmp_path / "run" / "part-0000000000").is_file()
    assert SETTINGS.days == 20


def test_a_cluster_that_is_not_there_is_said_so(capsys):
    assert run(["simulate", "nkaml", "--assume", "-n", "9", "--cluster", "tcp://127.0.0.1:9"]) == 2
    assert "error[NK720]" in capsys.readouterr().err
