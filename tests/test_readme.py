"""The README's commands print what it shows; a line `…` stands for lines left out."""

import re
import shlex
from pathlib import Path

import pytest
from printed import same_text

from nksim.cli import run

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n\$ (nksim .*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[b[6:46] for b in BLOCKS])
def test_the_readme_shows_true_output(block, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for example in block.split("\n$ "):
        command, _, shown = example.partition("\n")
        run(shlex.split(command)[1:])
        check(shown, *capsys.readouterr())


def check(shown, out, err):
    rest = (out if out else err).splitlines()
    for part in shown.strip("\n").split("\n…\n"):
        lines = part.removesuffix("\n…").splitlines()
        texts = ["\n".join(rest[i : i + len(lines)]) for i in range(len(rest))]
        starts = [i for i, text in enumerate(texts) if same_text(text, "\n".join(lines))]
        assert starts, f"not printed: {part}"
        rest = rest[starts[0] + len(lines) :]


def test_the_readme_names_the_two_commands():
    assert "make demo" in README
    assert "make test" in README


def test_the_figure_on_the_first_screen_is_that_of_the_protocol_as_it_stands():
    from nksim.protocol.catalog import load

    svg = (Path(__file__).parent.parent / "docs" / "chimerism.svg").read_text(encoding="utf-8")
    assert load("nkaml").sha256[:12] in svg
    assert "200 virtual patients" in svg
    assert README.index("docs/chimerism.svg") < README.index("## Two commands")
