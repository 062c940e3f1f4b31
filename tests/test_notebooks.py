"""Every notebook runs from top to bottom and says what its stored output says."""

from pathlib import Path

import pytest
from printed import same_text

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def printed(notebook):
    return [o.get("text", "") for c in notebook.cells if c.cell_type == "code" for o in c.outputs]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_and_prints_what_it_shows(path):
    stored = nbformat.read(path, as_version=4)
    again = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(again, timeout=300, kernel_name="python3").execute()
    assert len(printed(again)) == len(printed(stored))
    for found, shown in zip(printed(again), printed(stored), strict=True):
        assert same_text(found, shown), found


def test_there_is_a_notebook_on_calendars():
    assert "01_calendar" in [p.stem for p in NOTEBOOKS]
