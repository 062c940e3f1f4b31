"""2,100 slips of good files: none brings nksim down, hangs it, or changes a dose without its text saying so."""

import random
import re
import subprocess
import sys

import pytest
from mutants import ANSWERS, GOOD, PATIENT, all_tried, mutant

EACH = 300


@pytest.mark.parametrize("seed", range(1, 8))
def test_a_slip_is_refused_by_name_or_read_as_it_stands(seed, tmp_path):
    counts = all_tried(EACH, seed, tmp_path, every=4)
    assert counts.wrong == []
    assert counts.mutants == EACH
    # At least 95 % of all messages name place and cause; those that do not are shown.
    assert counts.named >= 0.95 * counts.faults, counts.unnamed
    # The trial says something only if slips are refused, read alike, and read as another dose.
    assert min(counts.refused, counts.same_doses, counts.other_doses) > 0


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_whole_process_ends_by_itself_with_a_code_that_fits(name, tmp_path):
    data = mutant(GOOD[name].read_bytes(), random.Random(name))[1]
    (tmp_path / "mutant.yaml").write_bytes(data)
    call = [
        sys.executable,
        "-c",
        "from nksim.cli import main; main()",
        "calendar",
        "mutant.yaml",
        *ANSWERS[name],
        *PATIENT,
    ]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) == bool(done.stdout)
    assert done.returncode == 0 or (done.returncode in (1, 2) and re.search(r"error\[NK\d{3}\]", done.stderr))
