"""Memory is reckoned before a run, for all of its regimens, and a run that does not fit is refused."""

import subprocess
import sys
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import pytest
from scale_cases import SETTINGS, job

import nksim
from nksim.cli import run as command
from nksim.errors import InvalidInput
from nksim.kinetics import native
from nksim.run import compare, simulate
from nksim.scale import execution, memory
from nksim.scale.memory import needed_bytes
from nksim.scale.summary import summarise
from nksim.settings import Settings

MB = 1e6


@pytest.fixture
def little(monkeypatch):
    """200 MB are left."""
    monkeypatch.setattr(memory, "available_bytes", lambda: 200 * MB)


def demanded(monkeypatch, *, n, regimens=1, **options):
    """What `execute` reckons, in bytes."""
    found = []

    def note(needed, *_):
        found.append(needed)
        raise InterruptedError

    monkeypatch.setattr(memory, "refuse_without", note)
    with pytest.raises(InterruptedError):
        execution.execute([job(settings=Settings())] * regimens, n, **{"workers": 2, **options})
    return found[0]


def test_a_run_that_cannot_fit_is_refused_before_it_starts(little):
    with pytest.raises(InvalidInput, match=r"NK645.*need \d+ MB, and 200 MB are free"):
        summarise(job(), 10_000_000)


@pytest.mark.parametrize("n", [5000, 10_000_000])
def test_the_command_refuses_curves_to_hold_and_to_sum_up(little, capsys, n):
    assert command(["simulate", "nkaml", "--assume", "-n", str(n)]) == 1
    said = capsys.readouterr()
    assert f"error[NK645]: {n} patients at 389 times need " in said.err
    assert said.out == ""


def test_a_comparison_is_refused_for_all_its_regimens_before_the_first(monkeypatch):
    p = nksim.protocol("nkaml")
    monkeypatch.setattr(memory, "available_bytes", lambda: 700 * MB)
    assert simulate(p, n=3000, settings=SETTINGS)
    monkeypatch.setattr(execution, "held", lambda *_: pytest.fail("it was run"))
    with pytest.raises(InvalidInput, match=r"NK645.*7000 patients at 389 times under 2 regimens need \d+ MB"):
        compare(p, p.change("cells.days", "0, 7"), n=7000)


def test_a_million_patients_are_estimated_at_half_a_gigabyte():
    assert 300 * MB < needed_bytes(1_000_000, 389, 2) < 500 * MB


def test_each_regimen_each_process_and_nothing_of_a_cluster_s_workers_is_reckoned(monkeypatch):
    class Cluster(Executor):
        pass

    one, two = (demanded(monkeypatch, n=50_000, regimens=k) for k in (1, 2))
    # A tally of 9 outputs at 389 times, and 19 metrics for each patient.
    assert 50_000 * 19 * 8 < two - one < 150 * MB
    threads = demanded(monkeypatch, n=50_000, directories=["."])
    with ProcessPoolExecutor(2) as pool:
        assert demanded(monkeypatch, n=50_000, executor=pool) == threads + 2 * memory.PROGRAM_BYTES
    far = demanded(monkeypatch, n=50_000, executor=Cluster(), workers=2)
    assert far < threads - 2 * 1000 * 389 * 9 * 8


@pytest.mark.parametrize(
    "args",
    [["simulate", "-n", "7000"], ["simulate", "-n", "9000"], ["compare", "--vary", "cells.days=0|0, 7", "-n", "4000"]],
)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_the_estimate_is_not_far_from_the_truth(args, monkeypatch):
    # The peak of the process as Linux keeps it since its program began; `ru_maxrss` begins with that of its parent.
    name, *rest = args
    code = (
        "import sys; from pathlib import Path; from nksim.cli import run; "
        f"code = run({[name, 'nkaml', '--assume', '--workers', '2', '--goal', 'persistence_d > 7', *rest]!r}); "
        "print(code, *Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[:1], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code, kilobytes = done.stderr.split()[-2:]
    n, regimens = int(rest[-1]), 2 if name == "compare" else 1
    assert code == "0"
    # The program itself, the most of it in these runs, takes 95 to 130 MB with one NumPy and SciPy or another.
    assert 0.55 < int(kilobytes) * 1024 / demanded(monkeypatch, n=n, regimens=regimens) < 1.15


@pytest.mark.parametrize(
    ("engine", "together"),
    [
        ("numpy", 102),
        pytest.param("native", 204, marks=pytest.mark.skipif(not native.available(), reason="it was not built")),
    ],
)
def test_fewer_patients_are_worked_on_together_where_the_grid_is_fine(monkeypatch, engine, together):
    most = []
    monkeypatch.setattr(
        "nksim.scale.summary.refuse_too_large", lambda n, times, workers, chunk, **_: most.append(chunk)
    )
    monkeypatch.setattr("nksim.simulation.MOST_VALUES", 1)
    simulate(nksim.protocol("nkaml"), n=1, settings=Settings(days=100, every_d=1 / 96, engine=engine))
    # (7 + 100) days of 96 times each and day 0 make 10,273 times; 2^20 rows are those of 102 patients, and where their
    # bins alone are kept there are 2^21.
    assert most == [together]


GROUP = ("memory.max", "memory.current", "inactive_file")


def write(directory, **files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("_", ".", 1)).write_text(text)


def test_the_limit_of_a_control_group_holds_and_what_it_keeps_of_files_can_go(tmp_path):
    write(tmp_path, memory_max="1000\n", memory_current="700\n", memory_stat="anon 500\ninactive_file 150\n")
    assert memory._left(tmp_path, *GROUP) == 1000 - 700 + 150
    write(tmp_path, memory_max="max\n")
    assert memory._left(tmp_path, *GROUP) == float("inf")
    assert memory._left(tmp_path / "nosuch", *GROUP) == float("inf")


def test_the_limits_of_all_groups_above_count(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "cgroup")
    (tmp_path / "self").write_text("0::/slurm/job_7\n5:memory:/other\n3:cpu:/\n")
    found = [(str(d.relative_to(tmp_path)), limit) for d, limit, *_ in memory._control_groups(tmp_path / "self")]
    assert found == [
        ("cgroup", "memory.max"), ("cgroup/slurm", "memory.max"), ("cgroup/slurm/job_7", "memory.max"),
        ("cgroup/memory", "memory.limit_in_bytes"), ("cgroup/memory/other", "memory.limit_in_bytes"),
    ]  # fmt: skip
    assert memory._control_groups(tmp_path / "nosuch") == []


def test_workers_without_work_take_nothing(monkeypatch):
    assert demanded(monkeypatch, n=200, workers=1024) == demanded(monkeypatch, n=200, workers=1)
