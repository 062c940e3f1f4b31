"""`nksim protocols new`: a file to fill in."""

import pytest

from nksim.cli import run
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import facts_of


def test_the_template_reads_without_a_fault_and_states_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["protocols", "new", "mine"]) == 0
    made = load("mine.yaml")
    assert (made.id, made.reading) == ("mine", "provisional")
    assert {f.basis for _, f in facts_of(made, "main")} == {"assumed", "unknown"}
    assert "wrote mine.yaml" in capsys.readouterr().err
    assert run(["protocols", "validate", "mine.yaml"]) == 0
    assert (tmp_path / "mine.yaml").read_text().count("#") > 10


@pytest.mark.parametrize("name", catalog())
def test_a_copy_has_the_facts_of_its_origin_and_was_read_by_nobody(name, tmp_path):
    path = tmp_path / "copy.yaml"
    assert run(["protocols", "new", "copy", "--from", name, "-o", str(path)]) == 0
    made, origin = load(str(path)), load(name)
    assert (made.id, made.reading, made.registration) == ("copy", "provisional", origin.registration)
    assert all(list(facts_of(made, arm)) == list(facts_of(origin, arm)) for arm in origin.arms)


def test_an_existing_file_is_never_replaced(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    assert run(["protocols", "new", "mine", "-o", str(path)]) == 2
    assert "NK701" in capsys.readouterr().err
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "code", "status"),
    [(["My Trial"], "NK507", 2), (["jk500"], "NK507", 2), (["../x"], "NK507", 2), (["mine", "--from", "jk50"], "NK503", 2),
     (["mine", "--from", "none.yaml"], "NK100", 3)],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_leaves_nothing(args, code, status, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["protocols", "new", *args]) == status
    assert code in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_id_stands_elsewhere_is_not_copied(tmp_path, capsys):
    text = run_text(capsys, ["protocols", "new", "mine", "-o", "-"])
    odd = tmp_path / "odd.yaml"
    odd.write_text(text.replace("\nid: mine\n", '\n"id": mine\n'))
    assert run(["protocols", "new", "other", "--from", str(odd), "-o", "-"]) == 2
    assert "NK507" in capsys.readouterr().err


def run_text(capsys, args):
    assert run(args) == 0
    return capsys.readouterr().out
