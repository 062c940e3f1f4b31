"""Every notebook runs from top to bottom and says what its stored output says."""

import json
import re
import shlex
from pathlib import Path

import pytest
from printed import same_text

import nksim
from nksim.cli import run
from nksim.settings import Settings

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def printed(notebook):
    """One text per code cell: a kernel may flush what a cell prints in one piece or in several."""
    return ["".join(o.get("text", "") for o in c.outputs) for c in notebook.cells if c.cell_type == "code"]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_and_prints_what_it_shows(path):
    stored = nbformat.read(path, as_version=4)
    again = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(again, timeout=300, kernel_name="python3").execute()
    assert len(printed(again)) == len(printed(stored))
    for found, shown in zip(printed(again), printed(stored), strict=True):
        assert same_text(found, shown), found


def test_there_are_notebooks_on_calendars_comparisons_and_chimerism():
    assert {p.stem for p in NOTEBOOKS} >= {"01_calendar", "02_compare_regimens", "03_chimerism"}


def test_the_command_line_python_and_the_notebook_give_the_same_numbers(capsys):
    """Notebook 02 prints medians in full; the library and the command must give the very same floats."""
    stored = nbformat.read(NOTEBOOKS[0].with_name("02_compare_regimens.ipynb"), as_version=4)
    last = printed(stored)[-1]
    shown = {
        label: float(value)
        for label, value in re.findall(r"^(.*): persistence_d median (.*)$", last, flags=re.MULTILINE)
    }
    jk500 = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg")
    both = nksim.compare(
        *jk500.vary("cells.days=0|0, 7|0, 7, 14"), nksim.protocol("nkaml"), n=100, seed=1, settings=Settings(days=42), metrics=["persistence_d"]
    )  # fmt: skip
    python = {
        s.label: m["persistence_d"].median
        for s, m in zip(both.comparison.simulations, both.comparison.metrics, strict=True)
    }
    command = 'compare jk500 nkaml -n 100 --days 42 --set jk500:cells.dose="1e7 cells/kg" --vary jk500:cells.days="0|0, 7|0, 7, 14"'
    assert run([*shlex.split(command), "--metric", "persistence_d", "--json"]) == 0
    typed = {
        r["regimen"]: r["metrics"]["persistence_d"]["median"] for r in json.loads(capsys.readouterr().out)["regimens"]
    }
    assert shown == python == typed
    assert len(shown) == 4


def test_no_notebook_needs_a_network():
    for path in NOTEBOOKS:
        assert "cdn.jsdelivr" not in path.read_text(encoding="utf-8")
