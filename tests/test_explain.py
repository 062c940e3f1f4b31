"""Every code is explained, and every example does what it says."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest

import nksim
from nksim.cli import run
from nksim.errors import NksimError
from nksim.explain import THEMES, explanations
from nksim.limits import checks
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.schedule.calendar import place
from nksim.schedule.expansion import expand

SOURCE = Path(nksim.__file__).parent
GOOD = Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml"
KNOWN = explanations()
PATIENT = nksim.Patient(weight=25, height=128)


def raised():
    """Every code that stands in the source as a text of its own, or in error[…]."""
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        yield from (t for t in texts if re.fullmatch(r"NK\d\d\d", t))
        yield from (code for t in texts for code in re.findall(r"error\[(NK\d\d\d)\]: this is a bug", t))


def test_every_code_that_is_raised_is_explained_and_none_is_left_over():
    assert sorted(KNOWN) == sorted(set(raised()))


@pytest.mark.parametrize("found", KNOWN.values(), ids=lambda e: e.code)
def test_an_explanation_is_in_whole_sentences(found):
    assert all(text.strip() for text in (found.means, found.why, found.mend, found.mended))
    assert found.means.endswith(".")
    assert found.why.endswith(".")
    assert found.kind in ("command", "line", "key", "patients", "text")


def test_most_examples_can_be_run_and_are():
    kinds = [e.kind for e in KNOWN.values() if e.code[2] in "12345"]
    assert kinds.count("text") / len(kinds) < 1 / 3


def said(args, capsys):
    """Exit code of a command and all it says; errors as JSON where it can."""
    code = run(args)
    out, err = capsys.readouterr()
    return code, out + err


def commands():
    return [pytest.param(e, id=e.code) for e in KNOWN.values() if e.kind == "command"]


@pytest.mark.parametrize("found", commands())
def test_a_command_brings_its_code_about_and_its_mend_does_not(found, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, *wrong = shlex.split(found.example)
    if found.code == "NK500":
        wrong.append("--json")
    code, words = said(wrong, capsys)
    assert name == "nksim"
    assert found.code in words
    warns = checks()[found.code].severity == "warning" if found.code in checks() else False
    assert (code == 0) == warns
    _, *mended = shlex.split(found.mended)
    code, words = said(mended, capsys)
    assert (code, found.code in words) == (0, False)


def codes_of(data):
    """The codes of a protocol file: those of reading it, or those of a calendar by it."""
    try:
        protocol = parse_protocol(data, "a.yaml")
        made = place(expand(choose(protocol), PATIENT), day0="2027-03-01", tz="Asia/Shanghai")
    except NksimError as error:
        return [f.code for f in error.faults]
    return [f.code for f in made.findings]


def with_line(text):
    good = GOOD.read_text()
    return good.replace(next(x for x in good.splitlines() if "id: cy" in x), f"          {text}").encode()


def with_key(text):
    lines, key = GOOD.read_text().splitlines(), text.split(":")[0]
    return "\n".join([*(x for x in lines if x.split(":")[0] != key), text, ""]).encode()


@pytest.mark.parametrize("found", [e for e in KNOWN.values() if e.kind in ("line", "key")], ids=lambda e: e.code)
def test_a_line_of_a_file_brings_its_code_about_and_its_mend_does_not(found):
    make = with_line if found.kind == "line" else with_key
    assert found.code in codes_of(make(found.example))
    assert found.code not in codes_of(make(found.mended))


@pytest.mark.parametrize("found", [e for e in KNOWN.values() if e.kind == "patients"], ids=lambda e: e.code)
def test_a_file_of_patients_brings_its_code_about_and_its_mend_does_not(found, tmp_path, capsys):
    use = [
        "calendar",
        str(GOOD),
        "--patients",
        str(tmp_path / "p.csv"),
        "--day0",
        "2027-03-01",
        "--tz",
        "Asia/Shanghai",
    ]
    (tmp_path / "p.csv").write_text(found.example)
    assert found.code in said(use, capsys)[1]
    (tmp_path / "p.csv").write_text(found.mended)
    assert said(use, capsys)[0] == 0


def test_explain_alone_lists_every_code_by_theme(capsys):
    code, out = said(["explain"], capsys)
    assert code == 0
    assert [c for c in KNOWN if c not in out] == []
    assert all(theme in out for theme in THEMES.values())


def test_explain_says_meaning_reason_mend_example_and_the_grounds_of_a_check(capsys):
    _, out = said(["explain", "nk310", "NK204"], capsys)
    assert "refused from 96 mg/m^2 in a day" in out
    assert "13 of 36 patients" in out
    assert "stop: stops, and cannot be waived" in out
    assert "A range of days runs backwards." in out
    assert all(word in out for word in ("why:", "mend:", "for example", "mended"))


def test_explain_as_json_has_every_code(capsys):
    _, out = said(["explain", "--json"], capsys)
    found = json.loads(out)
    assert (found["schema_version"], [c["code"] for c in found["codes"]]) == (1, list(KNOWN))
    check = next(c for c in found["codes"] if c["code"] == "NK302")["check"]
    assert (check["severity"], check["limits"][0]["value"], check["limits"][0]["standing"]) == (
        "stop",
        "10 %",
        "published",
    )


def test_an_unknown_code_is_refused_with_the_nearest(capsys):
    code, out = said(["explain", "NK331", "NK3312"], capsys)
    assert (code, "error[NK516]" in out, "did you mean NK332?" in out) == (2, True, True)
