"""`--lang` and the printed sheets as a user types them."""

import re
import subprocess
import sys

import html5lib
import pytest

from nksim.cli import run

CHILD = ["--weight", "20kg", "--height", "110cm", "--id", "张三-01"]
PLACED = ["--day0", "2027-03-01", "--tz", "Asia/Shanghai", "--assume"]


@pytest.fixture
def nkaml(capfd):
    """Runs the calendar of nkaml with more options."""

    def said(*more):
        code = run(["calendar", "nkaml", *CHILD, *PLACED, *more])
        return code, *capfd.readouterr()

    return said


def test_sheets_are_written_in_the_language_asked_for(nkaml, tmp_path):
    files = [tmp_path / name for name in ("s.html", "s.pdf", "s.txt", "s.ics")]
    code, out, err = nkaml("--lang", "zh", *[x for f in files for x in ("-o", str(f))])
    assert (code, out) == (0, "")
    assert err.count("wrote") == 4
    page = files[0].read_text(encoding="utf-8")
    assert html5lib.parse(page).get("lang") == "zh-Hans"
    assert "静脉输注" in page
    assert files[1].read_bytes().startswith(b"%PDF-")
    assert "张三-01" in files[2].read_text(encoding="utf-8")
    assert "环磷酰胺".encode() in files[3].read_bytes().replace(b"\r\n ", b"")


def test_a_sheet_can_go_to_stdout_and_an_existing_one_is_kept(nkaml, tmp_path):
    code, out, err = nkaml("--format", "html")
    assert (code, err) == (0, "")
    assert out.startswith("<!DOCTYPE html>")
    kept = tmp_path / "s.pdf"
    kept.write_text("mine")
    code, _, err = nkaml("-o", str(kept))
    assert (code, kept.read_text()) == (2, "mine")
    assert "NK701" in err


def test_a_language_that_is_not_there_is_a_usage_error(nkaml):
    code, out, err = nkaml("--lang", "fr")
    assert (code, out) == (2, "")
    assert "'en', 'zh'" in err


@pytest.mark.parametrize("options", [["--format", "csv"], ["--json"]])
def test_formats_for_programs_do_not_change_and_say_so(nkaml, options):
    code, out, err = nkaml("--lang", "zh", *options)
    assert code == 0
    assert err == "note: CSV and JSON are the same in every language\n"
    # The command is part of what is kept, and so of the log's seal.
    plain = [re.sub('"[0-9a-f]{64}"', "", text.replace("--lang zh ", "")) for text in (out, nkaml(*options)[1])]
    assert plain[0] == plain[1]


def test_show_is_in_chinese_too(capfd):
    assert run(["protocols", "show", "jk500", "--lang", "zh"]) == 0
    out = capfd.readouterr().out
    # NCT05519384: 60 mg/kg on day -7, before each infusion 1e6 units per m2 under the skin.
    assert "cy: 环磷酰胺 (cyclophosphamide), 60 mg/kg, 静脉, 历时 1 h*, 第 −7 天" in out
    assert "1,000,000 units/m², 皮下注射, 每次 cells 开始前 30 至 60 min" in " ".join(out.split())


def test_a_page_loads_neither_the_pdf_library_nor_a_model():
    code = (
        "import sys; from nksim.cli import run; "
        f"run({['calendar', 'nkaml', *CHILD, *PLACED, '--format', 'html', '--lang', 'zh']!r}); "
        "bad = {'reportlab', 'numpy', 'scipy', 'nksim.kinetics', 'polib'} & set(sys.modules); "
        "print(bad, file=sys.stderr); sys.exit(bool(bad))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
