"""The page shows the command line's numbers, and its address says all of it."""

import json
import re
import shlex
from html import unescape

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.cli import run
from nksim.errors import UsageError
from nksim.web.asked import parse, query

JK500 = (
    "protocol=jk500&weight=20&height=110&day0=2027-03-01&tz=Asia/Shanghai&f.cells.dose=1e7+cells/kg&f.cells.days=0,+7"
)
NKAML = "protocol=nkaml&assume=1&weight=25&height=128&age=8&sex=F&day0=2028-02-29&tz=America/New_York&weekends=1"
ARM = "protocol=umn-haplo-nk&arm=cohort2&assume=1&weight=70&height=175&day0=2027-03-01&tz=America/Chicago&n=50&days=60&seed=9"
BOTH = f"{JK500}&b.protocol=nkaml&n=60"


def shown_commands(page, asked):
    text = httpx.get(f"{page}regimen?{asked}", timeout=120).text
    return text, [unescape(c) for c in re.findall(r"<pre>(nksim .*?)</pre>", text)]


def cells(text, table):
    """The cells of each row of a table of the page."""
    body = re.search(rf'<table class="{table}">.*?<tbody>(.*?)</tbody>', text, re.DOTALL)[1]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [
        [unescape(re.sub("<[^>]*>", "", c)).strip() for c in re.findall(r"<t[hd].*?</t[hd]>", r, re.DOTALL)]
        for r in rows
    ]


def unsealed(data):
    """A file without its hashes and its record of how it was made: both cover the command, which names the format."""
    unfolded = data.replace(b"\r\n ", b"")
    return re.sub(rb"(?m)^X-NKSIM-[^\n]*\n", b"", re.sub(rb"[0-9a-f]{64}", b"", unfolded))


@pytest.mark.parametrize("asked", [JK500, NKAML, ARM])
def test_calendar_files_are_byte_for_byte_those_of_the_command_shown(page, asked, capsys, tmp_path, monkeypatch):
    text, (calendar, _) = shown_commands(page, asked)
    for form, option in (("csv", "csv"), ("json", "json"), ("ics", "ics"), ("txt", "table")):
        got = httpx.get(f"{page}download/calendar.{form}?{asked}", timeout=60)
        assert run(shlex.split(calendar)[1:]) == 0
        assert run([*shlex.split(calendar)[1:], "--format", option]) == 0
        command = json.dumps(calendar)[1:-1].encode()
        with_format = json.dumps(shlex.join([*shlex.split(calendar), "--format", option]))[1:-1].encode()
        out = unsealed(capsys.readouterr().out.encode())
        content = unsealed(got.content.replace(command, with_format))
        assert out.endswith(content), form
    assert len(cells(text, "cards doses")) == len(
        re.findall(r"^P001,dose,", httpx.get(f"{page}download/calendar.csv?{asked}").text, re.MULTILINE)
    )


@pytest.mark.parametrize("asked", [JK500, ARM])
def test_the_numbers_of_the_curves_are_those_of_nksim_simulate(page, asked, capsys):
    text, (_, simulate) = shown_commands(page, asked)
    assert run([*shlex.split(simulate)[1:]]) == 0
    printed = {}
    for line in capsys.readouterr().out.splitlines():
        words = re.split(r"\s{2,}", line.strip())
        printed.setdefault(words[0].split(" ")[0] if len(words) > 1 else "", words)
    rows = cells(text, "numbers")
    assert len(rows) > 15
    for row in rows:
        assert [c for c in row if c] == printed[row[0]], row


def test_the_numbers_of_a_comparison_are_those_of_nksim_compare(page, capsys):
    text, (_, compare) = shown_commands(page, BOTH)
    assert compare.startswith("nksim compare jk500 nkaml --set 'jk500:cells.days=0, 7'")
    assert run([*shlex.split(compare)[1:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = httpx.get(f"{page}download/metrics.json?{BOTH}", timeout=120).json()
    assert found["regimens"] == told["regimens"]
    assert found["differences"] == told["differences"]
    rows = {row[0]: row for row in cells(text, "numbers")}
    higher = told["differences"][0]["metrics"]["donor_nk_cmax"]["higher"]
    named = list(rows).index("donor_nk_cmax, cells/µL")
    assert cells(text, "numbers")[named + 1][9] == f"{higher} of 60"


def test_a_link_shows_the_same_view_again(page):
    first = httpx.get(f"{page}regimen?{BOTH}", timeout=120).text
    link = unescape(re.search(r'<a href="/regimen\?([^"]*)">Link to this view', first)[1])
    assert parse(link) == parse(BOTH)
    again = httpx.get(f"{page}regimen?{link}", timeout=120).text
    same = [re.sub(r'value="[0-9a-f]{64}"|clip-?\d+', "", t) for t in (first, again)]
    assert same[0] == same[1]


TEXTS = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf", "Co", "Cn"]), min_size=1, max_size=20
)
PATHS = st.from_regex(r"\A[a-z]{1,6}\.[a-z_]{1,6}\Z")


@given(
    st.lists(st.tuples(TEXTS, st.dictionaries(PATHS, TEXTS, max_size=3)), min_size=1, max_size=3),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("weight", "height", "age", "day0", "tz", "cells_at"), TEXTS)),
    st.integers(1, 3000),
)
def test_every_view_can_be_written_as_an_address_and_read_back(regimens, patient, n):
    from urllib.parse import urlencode

    fields = {**patient, "n": n}
    for prefix, (protocol, answers) in zip(("", "b.", "c."), regimens, strict=False):
        fields[f"{prefix}protocol"] = protocol
        fields |= {f"{prefix}f.{path}": value for path, value in answers.items()}
    asked = parse(urlencode(fields))
    assert parse(query(asked)) == parse(query(parse(query(asked))))
    assert [(r.protocol, dict(r.answers)) for r in parse(query(asked)).regimens] == regimens
    assert (asked.n, asked.weight) == (n, patient.get("weight"))


@given(st.text(max_size=200))
def test_any_text_is_an_address_or_is_refused_with_a_code(text):
    codes = set()
    try:
        parse(text)
    except UsageError as error:
        codes = {f.code for f in error.faults}
    assert codes <= {"NK753", "NK757"}


def test_the_page_says_what_the_library_says_in_chinese(page):
    """Drug, calculation and title are those of the library's catalogues, with their caution; numbers stay."""
    text = unescape(httpx.get(f"{page}regimen?{NKAML}&lang=zh", timeout=120).text)
    for words in ("环磷酰胺 (cyclophosphamide)", "（实际体重）", "半相合自然杀伤细胞"):
        assert words in text
    assert "译文未经药师审核" in text


@pytest.mark.parametrize(
    ("protocol", "label"),
    [
        ("umn-nk-hct", "Day 0: haploidentical transplantation"),
        ("ft596", "Day 1: FT596"),
        ("jk500", "Day 0: JK500 cell injection"),
    ],
)
def test_the_field_of_the_date_says_what_it_is_the_date_of(page, protocol, label):
    """A transplant 17 days after the cells must not be taken for their date (NCT01370213)."""
    assert label in unescape(httpx.get(f"{page}regimen?protocol={protocol}", timeout=60).text)
