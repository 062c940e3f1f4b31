"""BibTeX of the catalogue, read back by pybtex (MIT), another project's parser."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pybtex.database import parse_string

from nksim.cli import run
from nksim.output.bibtex import bibtex, escaped
from nksim.protocol.catalog import catalog, load


@pytest.mark.parametrize("name", catalog())
def test_every_registry_number_and_every_source_is_an_entry(name):
    protocol = load(name)
    entries = parse_string(bibtex(protocol), "bibtex").entries
    numbers = re.findall(r"NCT\d{8}", protocol.registration)
    assert set(entries) == {f"{name}-{key}" for key in (*numbers, *protocol.sources)}
    for key, source in protocol.sources.items():
        fields = entries[f"{name}-{key}"].fields
        assert fields.get("doi") == source.doi
        assert fields.get("year") == (str(source.year) if source.year else None)
        assert (source.pmid is None) or f"PMID {source.pmid}" in fields["note"]
        assert fields.get("doi") or fields["url"].startswith("https://")


# Rubnitz 2010 as PubMed has it.
def test_a_paper_has_its_doi_year_and_title():
    entry = parse_string(bibtex(load("nkaml")), "bibtex").entries["nkaml-rubnitz2010"]
    assert (entry.fields["doi"], entry.fields["year"]) == ("10.1200/JCO.2009.24.4590", "2010")
    assert entry.fields["title"].startswith("{NKAML: a pilot study")


@pytest.mark.parametrize(
    ("text", "written"),
    [("A&B", r"A\&B"), ("50 %", r"50 \%"), ("a_b", r"a\_b"), ("#1 $2", r"\#1 \$2"), ("{", r"\textbraceleft{}"),
     ("~", r"\textasciitilde{}"), ("^", r"\textasciicircum{}"), ("\\", r"\textbackslash{}"), ("é中", "é中")],
)  # fmt: skip
def test_special_characters_are_those_of_latex(text, written):
    assert escaped(text) == written


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1))
def test_no_text_breaks_out_of_its_field(text):
    made = f"@misc{{a, title = {{{{x{escaped(text)}}}}}, note = {{{escaped(text)} y}}, }}\n@misc{{b, note = {{z}}}}"
    assert set(parse_string(made, "bibtex").entries) == {"a", "b"}


def test_the_command_prints_entries_and_nothing_else(capsys):
    assert run(["protocols", "cite", "ft516", "--bibtex"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert len(parse_string(out, "bibtex").entries) == 4


def test_a_file_without_a_number_or_a_source_says_so(tmp_path, capsys):
    path = str(tmp_path / "mine.yaml")
    run(["protocols", "new", "mine", "-o", path])
    capsys.readouterr()
    assert run(["protocols", "cite", path, "--bibtex"]) == 0
    out, err = capsys.readouterr()
    assert (out, "names no registry number" in err) == ("", True)
