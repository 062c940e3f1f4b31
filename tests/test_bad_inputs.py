"""Files that people, spreadsheets and attackers write: each is read right or refused with its place and the mend.

The files are a corpus of bad inputs in nksim's format; `manifest.csv` says what each attacks.
"""

import csv
import json
import re
import zipfile
from pathlib import Path

import pytest

from nksim.cli import run
from nksim.errors import Fault, InvalidInput, Place
from nksim.protocol.catalog import load
from nksim.protocol.reading import parse_protocol, read_protocol

FOLDER = Path(__file__).parent / "bad_inputs"
GOOD = FOLDER / "B000_good_protocol.yaml"
CASES = list(csv.DictReader((FOLDER / "manifest.csv").read_text(encoding="utf-8").splitlines()))
REFUSED = [case for case in CASES if case["exit"] != "0"]


def said(capsys, path):
    """Exit code, stdout and stderr of reading the file by the command that a user would take."""
    use = ["protocols", "validate", str(path)]
    if path.suffix == ".csv":
        use = ["calendar", str(GOOD), "--patients", str(path), "--format", "ics"]
    code = run(use)
    return code, *capsys.readouterr()


def text_with(line):
    """The good protocol with another first line of conditioning; CY stands for its first three keys."""
    line = line.replace("{CY,", "{id: cy, product: cyclophosphamide, route: IV,")
    good = GOOD.read_text()
    first = next(x for x in good.splitlines() if "id: cy" in x)
    return good.replace(first, f"          - {line}").encode()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["file"])
def test_a_file_gives_the_exit_code_and_the_word_that_names_its_fault(case, capsys):
    code, out, err = said(capsys, FOLDER / case["file"])
    assert code == int(case["exit"])
    assert case["message_must_contain"] in out + err


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: c["file"])
def test_a_refusal_names_the_place_and_the_mend_and_nothing_internal(case, capsys):
    _, out, err = said(capsys, FOLDER / case["file"])
    assert out == ""
    assert re.match(rf"{re.escape(str(FOLDER / case['file']))}(:\d+)?(:\d+)?: error\[NK\d\d\d\]: ", err)
    assert "  help: " in err
    assert not re.search("Traceback|pydantic|tuple|validation", err)


def test_every_file_of_the_folder_is_in_the_manifest():
    assert sorted(c["file"] for c in CASES) == sorted(p.name for p in FOLDER.iterdir() if p.name != "manifest.csv")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("B016_yaml_bom_crlf.yaml", "B000_good_protocol.yaml"),
        ("B038_unit_superscript.yaml", "B037_unit_m2.yaml"),
        ("B042_unit_wan.yaml", "B041_unit_WU.yaml"),
        ("B043_unit_MIU.yaml", "B041_unit_WU.yaml"),
        ("B040_unit_mu_micro.yaml", "B039_unit_mu_greek.yaml"),
    ],
)
def test_two_spellings_are_read_as_the_same_doses(one, other):
    def plan(name):
        lines = read_protocol(FOLDER / name).arms["a"].lines
        return [(x.id, x.dose.value, x.timing.value) for x in lines]

    assert plan(one) == plan(other)


def test_a_title_of_two_letters_stays_text():
    assert read_protocol(FOLDER / "B018_yaml_bool_country.yaml").title == "NO"


def test_no_file_makes_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for case in CASES:
        said(capsys, FOLDER / case["file"])
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("name", ["B076_name_html.csv", "B078_name_ics_crlf.csv"])
def test_a_name_column_is_not_used_and_reaches_no_output(name, capsys):
    _, out, err = said(capsys, FOLDER / name)
    assert "columns not used: name" in err
    assert not re.search("script|onerror|ATTENDEE|VALARM", out)


HUGE = {
    "aliases": (
        "format: 1\na0: &a0 [x,x]\n"
        + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)),
        "alias",
    ),
    "nesting": ("arms: " + "[" * 20_000 + "]" * 20_000, "nested"),
    "block nesting": ("".join("  " * i + f"k{i}:\n" for i in range(300)), "nested"),
    "size": ("format: 1\n# " + "x" * 1_000_001, "bytes"),
    "values": ("format: 1\nlist: [" + "x," * 450_000 + "]", "more than 20000 values"),
    "one value": (GOOD.read_text().replace("60 mg/kg", '"' + "9" * 100_000 + ' mg"'), "too long"),
    "many faults": (GOOD.read_text() + "".join(f"key{i}: 1\n" for i in range(500)), "unknown key"),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_file_is_refused_in_few_lines(name, tmp_path, capsys):
    text, word = HUGE[name]
    (tmp_path / "huge.yaml").write_text(text)
    code, _, err = said(capsys, tmp_path / "huge.yaml")
    assert code == 1
    assert word in err
    assert "  help: " in err
    assert err.count("  help: ") <= 20
    assert len(err) < 30_000


def test_a_huge_field_of_patients_is_refused_as_too_long(tmp_path, capsys):
    header, row = (FOLDER / "B001_good_patients.csv").read_text().splitlines()
    (tmp_path / "huge.csv").write_text(f"{header}\n{row.replace('P001', 'P' * 200_000)}\n")
    code, _, err = said(capsys, tmp_path / "huge.csv")
    assert (code, "too long" in err, "huge.csv:2" in err) == (1, True, True)
    assert len(err) < 500


@pytest.mark.parametrize(
    "use", [["protocols", "validate", "nosuch.yaml"], ["calendar", str(GOOD), "--patients", "no.csv"]]
)
def test_a_missing_file_is_unreadable_input(use, capsys):
    assert run(use) == 3
    assert re.search(r"error\[NK100\].*\n  help: ", capsys.readouterr().err)


def test_the_faults_of_a_file_come_together_in_the_order_of_its_lines(tmp_path, capsys):
    text = GOOD.read_text().replace("60 mg/kg", "60 mg/lb").replace("-6..-2", "-2..-6").replace("zero: yes", "zero: ja")
    (tmp_path / "three.yaml").write_text(text)
    code, _, err = said(capsys, tmp_path / "three.yaml")
    # Lines of the good protocol, counted by hand: numbering 7, cy 16, flu 17.
    assert (code, re.findall(r"three\.yaml:(\d+):", err)) == (1, ["7", "16", "17"])
    assert err.count("  help: ") == 3


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("zero: yes", "zero: ja"),
        ("zero: yes", "nought: yes"),
        ("anchor: first cells", "anchor: 1st cells"),
        ("phase: conditioning", "phase: conditioning\n        start: today"),
        ("phase: conditioning", "phase: conditioning\n        starts: {after: 3}"),
        ("arms:", "escalation: {goal: x, levels: high, design: 3+3}\narms:"),
    ],
)
def test_no_fault_hides_that_a_drug_is_not_known(good, bad):
    text = GOOD.read_text()
    assert good in text
    text = text.replace(good, bad, 1).replace("product: cyclophosphamide", "product: cyclophosphamid")
    with pytest.raises(InvalidInput) as found:
        parse_protocol(text.encode(), "a.yaml")
    codes = [f.code for f in found.value.faults]
    assert "NK225" in codes
    assert 2 <= len(codes) <= 3


def test_faults_are_sorted_by_line_whatever_the_order_of_keys_in_the_file():
    lines = GOOD.read_text().replace("60 mg/kg", "60 mg/lb").replace("0-80 y", "80-0 y").splitlines(keepends=True)
    population = next(x for x in lines if x.startswith("population"))
    with pytest.raises(InvalidInput) as found:
        parse_protocol("".join([*(x for x in lines if x != population), population]).encode(), "a.yaml")
    assert [f.place.line for f in found.value.faults] == [15, 20]


def test_the_faults_of_a_patients_file_come_together(tmp_path, capsys):
    header, row = (FOLDER / "B001_good_patients.csv").read_text().splitlines()
    rows = [row.replace("25.0", "0"), row.replace("P001", "P002"), row.replace("P001", "P003").replace("128", "1.28")]
    (tmp_path / "p.csv").write_text("\n".join([header, *rows]) + "\n")
    _, _, err = said(capsys, tmp_path / "p.csv")
    assert re.findall(r"p\.csv:(\d+):\d+: error\[(NK\d+)\]", err) == [("2", "NK402"), ("4", "NK402")]


def test_a_fault_of_a_patients_file_is_marked_in_its_cell(tmp_path, capsys):
    (tmp_path / "p.csv").write_text(
        'id,weight_kg,height_cm,sex\n患者1,25,128,F\n"患者2","0",1.28,male\n', encoding="utf-8"
    )
    _, _, err = said(capsys, tmp_path / "p.csv")
    marked = re.findall(r"p\.csv:(\d+):(\d+): .*\n.*\n( +\|[ ^]+)\n", err)
    # Column 7 is "0" with its quotes, 11 is 1.28, 16 is male; a Chinese character takes two columns on a terminal.
    assert [(line, column, carets.count("^")) for line, column, carets in marked] == [
        ("3", "7", 3), ("3", "11", 4), ("3", "16", 4)
    ]  # fmt: skip
    assert [carets.index("^") - carets.index("|") - 2 for _, _, carets in marked] == [8, 12, 17]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ("title: 环磷酰胺\n".encode("gbk"), "may be GBK"),
        ("title: caf\u00e9 R\n".encode("latin-1"), "byte 10 is not UTF-8\n"),
        (b"%PDF-1.4", "the file is a PDF"),
        (b"\x1f\x8b\x08", "the file is a gzip file"),
        (b"# nothing\n# here\n", "the file is empty"),
        (b"---\n", "the file is empty"),
        (b"- a\n", "not a map"),
    ],
)
def test_what_the_bytes_are_instead_is_said(data, word, tmp_path, capsys):
    (tmp_path / "a.yaml").write_bytes(data)
    code, _, err = said(capsys, tmp_path / "a.yaml")
    assert (code, word in err) == (1, True)


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("asia/shanghai", "did you mean Asia/Shanghai?"),
        ("Shanghai", "did you mean Asia/Shanghai?"),
        ("CST", "an IANA name"),
    ],
)
def test_a_zone_is_offered_in_another_spelling_and_never_guessed(name, help, capsys):
    assert (
        run(["calendar", str(GOOD), "--weight", "25kg", "--height", "128cm", "--day0", "2027-03-01", "--tz", name]) == 2
    )
    assert help in capsys.readouterr().err


def test_an_archive_that_would_write_elsewhere_is_refused_unopened(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "bundle.yaml", "w") as bundle:
        bundle.writestr("../NKSIM_PWNED", "x")
    code, _, err = said(capsys, tmp_path / "bundle.yaml")
    assert (code, "an Excel or zip file" in err) == (1, True)
    assert [p.name for p in tmp_path.iterdir()] == ["bundle.yaml"]
    assert not (tmp_path.parent / "NKSIM_PWNED").exists()


def test_dates_and_zones_of_all_rows_are_checked_together(tmp_path, capsys):
    header, row = (FOLDER / "B001_good_patients.csv").read_text().splitlines()
    rows = [row.replace("Asia/Shanghai", "Mars/Olympus"), row.replace("P001", "P002").replace("2026", "1026")]
    (tmp_path / "p.csv").write_text("\n".join([header, *rows]) + "\n")
    code, _, err = said(capsys, tmp_path / "p.csv")
    assert code == 1
    assert re.findall(r"p\.csv:(\d+):\d+: error\[(NK\d+)\]", err) == [("2", "NK407"), ("3", "NK406")]


def test_chinese_text_before_a_fault_keeps_the_caret_under_it():
    data = text_with("{id: cy, note: 环磷酰胺, product: cyclophosphamide, dose: 60 mg/lb, route: IV, day: -7}")
    with pytest.raises(InvalidInput) as found:
        parse_protocol(data, "a.yaml")
    _, source, carets, _ = str(found.value).splitlines()
    # Four Chinese characters take eight columns on a terminal, four more than they have letters.
    assert carets.index("^") == source.index("60 mg/lb") + 4
    assert carets.count("^") == len("60 mg/lb")


def test_a_fault_in_chinese_text_is_underlined_in_its_full_width():
    fault = Fault("NK212", "unknown unit", Place("a.yaml", 1, 7, 5, "dose: 100万克"), "write mg")
    assert str(fault).splitlines()[2] == "      |       ^^^^^^^"


def test_control_characters_of_a_line_are_not_sent_to_the_terminal():
    assert "\x1b" not in str(Fault("NK202", "bad", Place("a.yaml", 1, 1, 3, "\x1b[31mred"), None))


@pytest.mark.parametrize(
    ("line", "code", "word"),
    [
        ("{id: cy, product: cyclophosphamid, dose: 60 mg/kg, route: IV, day: -7}", "NK225", "products"),
        ("{id: cy, product: Cytoxan, dose: 60 mg/kg, route: IV, day: -7}", "NK225", "write cyclophosphamide"),
        ("{id: cy, product: cyclophosphamide, dose: 60 mg/kg, rout: IV, day: -7}", "NK202", "did you mean route?"),
        ("{CY, dose: 60 mg/kg}", "NK203", "exactly one of days"),
        ("{CY, dose: 60 mg/kg, day: -7, days: -6}", "NK202", "not both"),
        ("{id: cells, product: cyclophosphamide, dose: 60 mg/kg, route: IV, day: -7}", "NK224", "second line"),
        ("{id: CY, product: cyclophosphamide, dose: 60 mg/kg, route: IV, day: -7}", "NK202", "lower-case"),
        ("{CY, dose: 60 mg/kg, before: {start of: cell, by: 1 h}}", "NK220", "did you mean cells?"),
        ("{CY, dose: 60 mg/kg, before: {start of: cells, by: 1 mo}}", "NK214", "min, h, d"),
        ("{CY, dose: 60 mg/kg, day: -7, over: 1 mo}", "NK214", "infusion time"),
        ('{CY, dose: 60 mg/kg, at: "20:00", before: {start of: cells, by: 1 h}}', "NK203", "at:"),
        ("{CY, dose: 60 mg/kg, day: -7, cap: 5e6 IU}", "NK215", "drug mass"),
        ("{CY, dose: 60 mg/kg, day: -7, cap: 20 mg/kg}", "NK215", "whole patient"),
        ("{CY, dose: 60 mg/kg, day: -7, round: {to: 1 IU, within: 5 %}}", "NK215", "activity"),
        ("{CY, dose: 1e9 cells, day: -7}", "NK229", "mg or IU"),
        ("{id: cy, product: nk, dose: 60 mg/kg, route: IV, day: -7}", "NK229", "cells"),
        ("{id: cy, product: nk, dose: level, route: IV, day: -7}", "NK203", "levels are missing"),
        ("{CY, dose: {assumed: 60 mg/kg}, day: -7}", "NK203", "needs why"),
        ("{CY, dose: {unknown: mg/kg}, day: -7}", "NK203", "needs ask"),
        ("{CY, dose: {stated: 60 mg/kg, source: nowhere}, day: -7}", "NK223", "nowhere"),
        ("{id: cy, product: nk, dose: {stated: 1e8..2e8 cells, use: 3e8 cells}, route: IV, day: -7}", "NK226", "inside the range"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_is_refused_at_its_place(line, code, word):
    with pytest.raises(InvalidInput) as found:
        parse_protocol(text_with(line), "a.yaml")
    assert (code, 20 if code == "NK224" else 16) in [(f.code, f.place.line) for f in found.value.faults]
    assert word in str(found.value)


def test_the_catalogue_is_read_from_the_same_files_as_the_mutants():
    assert load("jk500") == read_protocol(Path(__file__).parents[1] / "protocols" / "jk500.yaml")


def faults_of(text):
    with pytest.raises(InvalidInput) as found:
        parse_protocol(text.encode(), "a.yaml")
    return [(f.place.line, f.code) for f in found.value.faults]


# Lines of the good protocol, counted by hand: id 2, numbering 7, body 8, nk 10, cy 16, flu 17, cells 20.
def test_faults_of_every_kind_come_together():
    text = GOOD.read_text()
    for old, new in (
        ("id: ref-regimen", "id: ref-regimen\nid: again"),
        ("bsa: mosteller", "bsa: mosteler"),
        ("kind: nk,", "kind: nkk,"),
        ("60 mg/kg", "60 mg/lb"),
        ("fludarabine phosphate", "fludarabin phosphate"),
        ("25 mg/m^2", "&d 25 mg/m^2"),
        ("1.0e+9 cells, route: IV", "{stated: 1.0e+9 cells, source: nowhere}, route: VI"),
    ):
        assert old in text
        text = text.replace(old, new)
    # One line more above everything from the second id on.
    assert faults_of(text) == [
        (3, "NK108"), (9, "NK202"), (11, "NK202"), (17, "NK212"), (18, "NK225"), (18, "NK105"),
        (21, "NK223"), (21, "NK202"),
    ]  # fmt: skip


def test_what_hangs_on_a_fault_is_not_reported_with_it():
    # The product is at fault, its lines are not; a line at fault is still there to be counted from.
    assert faults_of(GOOD.read_text().replace("kind: nk,", "kind: cells,")) == [(10, "NK202")]
    assert faults_of(GOOD.read_text().replace("1.0e+9 cells", "1.0e+9 cel")) == [(20, "NK212")]


@pytest.mark.parametrize(
    ("old", "new", "mend"),
    [
        ("bsa: mosteller", "bsa: Mosteler", "did you mean mosteller?"),
        ("kind: nk,", "kind: drugs,", "did you mean drug?"),
        ("reading: provisional", "reading: provisonal", "did you mean provisional?"),
        ("registration: none", "regstration: none", "did you mean registration?"),
        ("product: nk,", "product: nkk,", "did you mean nk?"),
        ("product: cyclophosphamide", "product: cyclofosfamide", "did you mean cyclophosphamide?"),
        ("product: cyclophosphamide", "product: Endoxan", "write cyclophosphamide"),
        ("60 mg/kg", "60 mgg", "did you mean mg?"),
        ("60 mg/kg", "{stated: 60 mg/kg, sorce: x}", "did you mean source?"),
        ("first cells", "first cell", "write first and one of"),
        ("day: -7", "dya: -7", "did you mean day?"),
        ("population: {age: 0-80 y, disease: AML}", "population: adults", "write a map of keys, with age, weight"),
        ("phases:", "phases: none\n    assess:", "write a list"),
    ],
)
def test_a_fault_offers_the_word_that_was_meant(old, new, mend):
    text = GOOD.read_text()
    assert old in text
    with pytest.raises(InvalidInput) as found:
        parse_protocol(text.replace(old, new, 1).encode(), "a.yaml")
    assert mend in str(found.value)


@pytest.mark.parametrize(
    "before",
    [
        "环磷酰胺",
        "プロトコル",
        "한국어",
        "é ü",
        "e\u0301",
        "ＦＵＬＬ",
        "㎡ μg",
        "👩‍⚕️",
        "العربية",
        "हिन्दी",
        "ไทย",
        "\u200b",
    ],
)
def test_a_caret_stands_under_its_fault_after_any_script(before):
    wcwidth = pytest.importorskip("wcwidth")
    data = text_with(f'{{id: cy, note: "{before}", product: cyclophosphamide, dose: 60 mg/lb, route: IV, day: -7}}')
    with pytest.raises(InvalidInput) as found:
        parse_protocol(data, "a.yaml")
    _, source, carets, _ = str(found.value.faults[-1]).splitlines()
    # wcwidth, another program, says how many columns a terminal gives to the text before the fault.
    width = sum(max(0, wcwidth.wcwidth(c)) for c in source[: source.index("60 mg/lb")])
    assert carets.index("^") == width
    assert carets.count("^") == len("60 mg/lb")


def test_faults_as_json_have_place_line_and_mend(capsys):
    path = FOLDER / "B044_unit_mIU_vs_MIU.yaml"
    assert run(["protocols", "validate", str(path), str(GOOD), "--format", "json"]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (err, found["schema_version"], found["kind"]) == ("", 1, "validation")
    bad, good = found["files"]
    assert (bad["valid"], good["valid"], good["id"]) == (False, True, "ref-regimen")
    (fault,) = bad["faults"]
    line = path.read_text(encoding="utf-8").splitlines()[fault["line"] - 1]
    assert fault["source_line"] == line
    assert line[fault["column"] - 1 :][: fault["length"]] == "1 mIU/m^2"
    assert (fault["code"], bool(fault["help"]), fault["file"]) == ("NK212", True, str(path))


@pytest.mark.parametrize(
    ("use", "exit_code", "code"),
    [
        (["calendar", "jk500", "--json", "--weight", "20kg", "--day0", "2027-03-01", "--tz", "UTC"], 2, "NK501"),
        (
            ["calendar", str(GOOD), "--format", "json", "--weight", "0", "--day0", "2027-03-01", "--tz", "UTC"],
            1,
            "NK402",
        ),
        (
            ["calendar", "nosuch.yaml", "--format=json", "--weight", "9", "--day0", "2027-03-01", "--tz", "UTC"],
            3,
            "NK100",
        ),
        (["calendar", str(GOOD), "--json", "--wieght", "9"], 2, "NK500"),
        (["explain", "NK000", "--json"], 2, "NK516"),
    ],
)
def test_who_asks_for_json_gets_errors_as_json_on_stderr(use, exit_code, code, capsys):
    assert run(use) == exit_code
    out, err = capsys.readouterr()
    found = json.loads(err)
    assert (out, found["kind"], found["exit_code"]) == ("", "error", exit_code)
    assert code in [f["code"] for f in found["faults"]]
    assert all(f["message"] and f["help"] for f in found["faults"])
