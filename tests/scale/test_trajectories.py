"""Every patient's curves as Parquet: exactly those of the run, in order of patient, whoever computed them."""

import errno
import json
import multiprocessing
import resource
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from scale_cases import SETTINGS

import nksim
from nksim.cli import run as command
from nksim.errors import InvalidInput, ModelFailure, UnreadableInput, UsageError
from nksim.output import trajectories
from nksim.run import compare, simulate
from nksim.scale import trajectories as following

parquet = pytest.importorskip("pyarrow.parquet")
FORK = multiprocessing.get_context("fork")
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
N, TIMES = 25, 28
PLAIN = "simulate nkaml --assume -n 25 --seed 3 --days 20 --every 1d --engine numpy".split()


def run(protocol="nkaml", **options):
    return simulate(nksim.protocol(protocol), **{"n": N, "seed": 3, "settings": SETTINGS, **options})


def about(path):
    return json.loads(parquet.read_schema(path).metadata[b"nksim"])


@pytest.fixture
def few(monkeypatch):
    """Seven patients at a time, and 25 already are too many to hold."""
    monkeypatch.setattr("nksim.scale.memory.CHUNK", 7)
    monkeypatch.setattr("nksim.simulation.MOST_VALUES", 1000)


@pytest.fixture(scope="module")
def held():
    return run()


def test_the_file_holds_every_output_exactly_in_order_of_patient_and_day(held, tmp_path):
    held.save(tmp_path / "x.parquet")
    table, outputs = parquet.read_table(tmp_path / "x.parquet"), held.simulation.outputs
    assert set(table.column_names) == {"patient", "day", *outputs}
    assert table.column_names[:2] == ["patient", "day"]
    assert table["patient"].to_pylist() == [i for i in range(N) for _ in range(TIMES)]
    assert table["day"].to_pylist() == [*range(-7, 21)] * N
    for name, values in outputs.items():
        assert table[name].to_numpy().tobytes() == values.tobytes(), name


def test_curves_that_were_summed_up_are_written_the_same(held, few, tmp_path):
    summed = run()
    assert not summed.simulation.solution.trajectories
    summed.save(tmp_path / "summed.parquet")
    read = parquet.read_table(tmp_path / "summed.parquet")
    for name, values in held.simulation.outputs.items():
        assert read[name].to_numpy().tobytes() == values.tobytes(), name


def test_the_bytes_are_the_same_however_it_was_run(held, few, tmp_path):
    made = {"held": held, "summed": run(), "parts": run(parts=tmp_path / "parts"), "alone": run(workers=1)}
    for name, one in made.items():
        one.save(tmp_path / f"{name}.parquet", workers=3 if name == "summed" else None)
    with ProcessPoolExecutor(2, mp_context=FORK) as executor:
        made["summed"].save(tmp_path / "processes.parquet", executor=executor, workers=2)
    assert len({path.read_bytes() for path in tmp_path.glob("*.parquet")}) == 1
    assert len([*tmp_path.glob("*.parquet")]) == 5


def test_a_cluster_of_two_workers_gives_the_same_bytes(few, tmp_path):
    distributed = pytest.importorskip("distributed")
    made = run()
    made.save(tmp_path / "here.parquet")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        made.save(tmp_path / "cluster.parquet", executor=client.get_executor(), workers=2)
    assert (tmp_path / "cluster.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()


def test_row_groups_hold_whole_patients(few, tmp_path):
    run().save(tmp_path / "x.parquet")
    groups = parquet.ParquetFile(tmp_path / "x.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [7 * TIMES] * 3 + [4 * TIMES]


def test_never_more_than_two_portions_for_each_worker_are_on_the_way(few, monkeypatch):
    out, most = [], []

    class Executor:
        def submit(self, work, job, first, n):
            out.append(first)
            most.append(len(out))

            def result():
                out.remove(first)
                return work(job, first, n)

            return SimpleNamespace(result=result, cancel=lambda: None)

    portions = following.follow(run(n=40).simulation, workers=2, executor=Executor())
    assert [int(p.index[0]) for p in portions] == [0, 7, 14, 21, 28, 35]
    assert max(most) == 4


def test_units_stand_in_the_fields_and_provenance_in_the_schema(held, tmp_path):
    held.save(tmp_path / "x.parquet")
    schema, told = parquet.read_schema(tmp_path / "x.parquet"), about(tmp_path / "x.parquet")
    units = {name: schema.field(name).metadata[b"unit"].decode() for name in schema.names}
    assert units == told["units"]
    # command-line.md of the project: counts per µL blood, drugs in mg/L, IL-15 in pg/mL, IL-2 in IU/mL.
    assert (units["day"], units["donor_nk"], units["il15"], units["f_ara_a"], units["il2"]) == (
        "d", "cells/µL", "pg/mL", "mg/L", "IU/mL",
    )  # fmt: skip
    assert told["provenance"] == held.provenance.as_dict()
    assert (told["kind"], told["provenance"]["seed"]) == ("trajectories", 3)
    assert told["regimens"][0]["assumptions"] == list(held.simulation.assumptions)
    assert told["regimens"][0]["assay"]["limit_of_detection"] == 0.01


def test_regimens_of_a_comparison_stand_one_after_the_other(tmp_path):
    p = nksim.protocol("nkaml")
    made = compare(p, p.change("cells.days", "0, 7"), n=3, seed=3, settings=SETTINGS)
    made.save(tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    labels = [s.label for s in made.comparison.simulations]
    assert table["regimen"].to_pylist() == [label for label in labels for _ in range(3 * TIMES)]
    assert table["patient"].to_pylist() == [i for _ in labels for i in range(3) for _ in range(TIMES)]
    donor = np.concatenate([s.outputs["donor_nk"].ravel() for s in made.comparison.simulations])
    assert table["donor_nk"].to_numpy().tobytes() == donor.tobytes()
    assert [r["regimen"] for r in about(tmp_path / "x.parquet")["regimens"]] == labels


def test_an_output_that_a_regimen_does_not_have_is_null(tmp_path):
    # donor-nk-il2 gives NK cells of the graft's donor, from whom chimerism cannot tell them.
    graft = nksim.protocol("donor-nk-il2").change("cells.dose", "1e7 cells/kg").change("cells.days", "0")
    graft = graft.change("il2.dose", "1e6 IU/m^2").change("il2.days", "1")
    made = compare(nksim.protocol("nkaml"), graft, n=2, settings=SETTINGS)
    made.save(tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    regimens = np.array(table["regimen"].to_pylist())
    first, second = (table.filter(regimens == s.label) for s in made.comparison.simulations)
    assert [first[name].null_count for name in ("nk_chimerism", "donor_nk")] == [0, 0]
    assert [second[name].null_count for name in ("nk_chimerism", "donor_nk")] == [len(second), 0]
    assert len(second) == made.comparison.simulations[1].outputs["donor_nk"].size


def test_the_command_writes_it_and_says_so(capsys, tmp_path):
    assert command([*PLAIN, "-o", str(tmp_path / "x.parquet")]) == 0
    out, err = capsys.readouterr()
    assert err == f"wrote {tmp_path / 'x.parquet'}\n"
    assert "donor_nk_cmax" in out
    assert about(tmp_path / "x.parquet")["provenance"]["command"].startswith("nksim simulate nkaml")


def test_a_file_too_large_for_the_disk_is_refused_before_the_run(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(trajectories.shutil, "disk_usage", lambda _: SimpleNamespace(free=10e9))
    monkeypatch.setattr("nksim.run.execute", lambda *_, **__: pytest.fail("it was run"))
    assert command(["simulate", "nkaml", "--assume", "-n", "1000000", "-o", str(tmp_path / "x.parquet")]) == 3
    # 1e6 patients x (90 + 14) d x 4/d x 9 outputs x 6 bytes
    assert "error[NK705]: " in (said := capsys.readouterr().err)
    assert "about 22.5 GB, and 10.0 GB are free" in said
    assert not [*tmp_path.iterdir()]


def test_the_size_of_a_large_file_is_said_before_the_run(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("nksim.cli.modelled.LARGE", 1000)
    assert command([*PLAIN, "-o", str(tmp_path / "x.parquet")]) == 0
    assert capsys.readouterr().err.startswith(f"note: {tmp_path / 'x.parquet'} will take about 0 MB\nwrote")


def test_the_estimate_of_the_size_is_no_smaller_than_the_file(tmp_path):
    made = run(n=400)
    made.save(tmp_path / "x.parquet")
    values = 400 * TIMES * 9
    # What the file says about itself is some kilobytes, whatever it holds.
    size = (tmp_path / "x.parquet").stat().st_size - 40_000
    assert 0.7 < size / trajectories.check_room(tmp_path / "x.parquet", values) < 1.1


def test_without_pyarrow_the_extra_is_named_before_the_run(capsys, monkeypatch, tmp_path):
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("nksim.run.execute", lambda *_, **__: pytest.fail("it was run"))
    assert command([*PLAIN, "-o", str(tmp_path / "x.parquet")]) == 2
    assert "error[NK711]: Parquet files need pyarrow\n  help: pip install 'nksim[parquet]'" in capsys.readouterr().err
    with pytest.raises(UsageError, match="NK711"):
        trajectories.write(tmp_path / "x.parquet", [], None)


def small_files(path, told):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        run().save(path, force=True)
    except UnreadableInput as error:
        told.put(str(error))


def test_a_full_disk_is_said_and_the_older_file_kept(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"older")
    told = FORK.Queue()
    child = FORK.Process(target=small_files, args=(tmp_path / "x.parquet", told))
    child.start()
    child.join(60)
    assert "error[NK702]: cannot write" in told.get(timeout=5)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.parquet", b"older")]


@pytest.mark.parametrize(
    "wrong", [ModelFailure("NK602", "stopped"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
)
def test_whatever_stops_it_leaves_nothing(wrong, few, monkeypatch, tmp_path):
    def stops(job, first, n):
        if first == 14:
            raise wrong
        return made(job, first, n)

    made, one = following.curves, run()
    monkeypatch.setattr(following, "curves", stops)
    with pytest.raises(UnreadableInput if isinstance(wrong, OSError) else type(wrong)):
        one.save(tmp_path / "x.parquet")
    assert not [*tmp_path.iterdir()]


def test_a_worker_with_another_engine_is_refused(few, monkeypatch, tmp_path):
    one = run()
    engines = iter(["native, fused", *["numpy"] * 20])
    monkeypatch.setattr(following, "maker", lambda job: next(engines))
    with pytest.raises(InvalidInput, match=r"NK659.*numpy"):
        one.save(tmp_path / "x.parquet")
    assert not [*tmp_path.iterdir()]


def test_an_existing_file_is_kept_unless_forced(held, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"older")
    with pytest.raises(UsageError, match="NK701"):
        held.save(tmp_path / "x.parquet")
    held.save(tmp_path / "x.parquet", force=True)
    assert parquet.read_metadata(tmp_path / "x.parquet").num_rows == N * TIMES


def test_progress_is_told_patient_by_patient_over_all_regimens(few, tmp_path):
    told = []
    made = compare(
        nksim.protocol("nkaml"), nksim.protocol("nkaml").change("cells.days", "0, 7"), n=9, settings=SETTINGS
    )
    made.save(tmp_path / "x.parquet", progress=lambda done, total: told.append((done, total)))
    assert told == [(7, 18), (9, 18), (16, 18), (18, 18)]
