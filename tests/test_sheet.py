"""Printed sheets: the doses are those of the second reader's calendars, and the text follows the ISMP list (2021)."""

import csv
import datetime as dt
import io
import re
import sys
from functools import cache
from pathlib import Path

import html5lib
import pytest
import yaml
from pypdf import PdfReader

import nksim
from nksim.errors import UsageError
from nksim.output.language import language
from nksim.output.sheet import sheet
from nksim.protocol.reading import parse_protocol
from nksim.regimen import Regimen

FILES = sorted((Path(__file__).parent / "calendars").glob("*.yaml"))
H = "{http://www.w3.org/1999/xhtml}"
CHILD = nksim.Patient(weight="20 kg", height="110 cm", age="6 y", sex="F", id="张三-01")
TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()


@cache
def expected(path):
    return yaml.safe_load(path.read_text())


@cache
def calendars(path):
    """The calendar of a second reader's file, as the program makes it."""
    read = expected(path)
    regimen = Regimen(nksim.protocol(read["protocol"]).protocol, read["arm"], read["level"])
    for fact, value in read["set"].items():
        regimen = regimen.change(fact, str(value))
    regimen = regimen.assume() if read["assume"] else regimen
    patient = nksim.Patient(**read["patient"])
    return regimen.calendar(patient, day0=str(read["day0"]), tz=read["tz"], cells_at=read["cells_at"])


@cache
def page(path, lang):
    return calendars(path).render("html", lang=lang)


@cache
def pdf(path, lang):
    return calendars(path).render("pdf", lang=lang)


def tables(markup):
    """Every table as rows of cell texts; raises where the page is not valid HTML 5."""
    tree = html5lib.HTMLParser(strict=True).parse(markup)
    return [
        [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in table.iter(f"{H}tr")][1:]
        for table in tree.iter(f"{H}table")
    ]


def amount(text):
    """The amount that a person reads in a dose: mg, units or cells in full."""
    text = text.removesuffix("assumed").strip()
    if match := re.fullmatch(r"[\d.]+ million units \(([\d,]+)\)", text):
        return float(match[1].replace(",", "")), "IU"
    if match := re.fullmatch(r"([\d.]+) × 10\^(\d+) \(([\d.]+)E(\d+)\) cells", text):
        assert match.group(1, 2) == match.group(3, 4)
        return float(f"{match[3]}e{match[4]}"), "cells"
    number, unit = text.split(" ")
    return float(number.replace(",", "")), {"units": "IU"}.get(unit, unit)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_sheet_has_every_dose_of_the_second_reading_with_its_amount_day_and_time(path):
    doses, *others = tables(page(path, "en"))
    rows = [r for r in expected(path)["rows"] if r[0] == "dose"]
    for shown, (_, _, number, day, start, end, _, dose, unit, *_) in zip(doses, rows, strict=True):
        found, measured = amount(shown[6])
        # Six digits are printed.
        assert (found, measured) == (pytest.approx(dose, rel=5e-6), unit)
        assert shown[5] == number.replace("/", " of ")
        assert shown[1].split()[0].replace("\N{MINUS SIGN}", "-") == str(day)
        assert shown[0].split()[1] == start[:10]
        clock = start[11:16] if start == end else f"{start[11:16]}–{end[11:16]}"
        assert shown[2].rstrip("*") == clock
        assert shown[3].replace("\N{MINUS SIGN}", "-") == start[16:]
    assessed = [r for r in expected(path)["rows"] if r[0] == "assessment"]
    assert sum(map(len, others)) == len(assessed)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_row_leads_to_a_numbered_calculation_that_ends_in_its_dose(path, lang):
    (calendar,) = calendars(path).calendars
    made = sheet(calendar, calendars(path).provenance, language(lang))
    doses, calculations = made.tables[0].rows, made.listings[0]
    endings = dict(zip(calculations.numbers, (item[0] for item in calculations.items), strict=True))
    assert {row[10].text for row in doses} == set(endings)
    assert all(endings[row[10].text].endswith(f"= {row[6].text}") for row in doses)


def test_the_page_is_one_file_that_loads_and_runs_nothing():
    markup = page(FILES[0], "zh")
    assert not re.search(r"<script|<link|<img|<iframe|https?://|url\(|@import|\bon\w+=", markup)
    assert "default-src 'none'" in markup
    assert markup.startswith('<!DOCTYPE html>\n<html lang="zh-Hans">')


def test_text_of_a_protocol_stays_text_on_the_page():
    evil = '    assess:\n      - {id: x, days: "1", what: "<script>alert(1)</script>", note: "</style><b>"}\n'
    text = TEXT.replace("title: ", 'title: "</title><script>&\\" "#', 1)
    made = Regimen(parse_protocol((text + evil).encode(), "e.yaml")).calendar(CHILD, day0="2027-03-01", tz="UTC")
    markup = made.render("html")
    html5lib.HTMLParser(strict=True).parse(markup)
    assert "<script" not in markup
    assert "&lt;script&gt;alert(1)" in markup
    assert "<b>" not in markup.split("</style>")[1].split("<b>[1]")[0].replace("<b><span", "")


@pytest.mark.parametrize("text", ["x" * 20_000, "word " * 4_000, "长" * 6_000, "a\\x00b\\u2028c\\x1b[31m", "&amp; <i>"])
def test_no_text_of_a_protocol_breaks_the_sheet(text):
    long = f'    assess:\n      - {{id: x, days: "1", what: "{text}", note: "{text}"}}\n'
    body = TEXT.replace("title: ", f'title: "{text}" #', 1).replace("product: nk,", f'product: nk, note: "{text}",')
    body = body.replace("registration: ", f'registration: "{text}" #', 1).replace(
        "kind: nk", f'kind: nk, title: "{text}"'
    )
    made = Regimen(parse_protocol((body + long).encode(), "e.yaml")).calendar(CHILD, day0="2027-03-01", tz="UTC")
    html5lib.HTMLParser(strict=True).parse(made.render("html"))
    if "\\x00" in text:
        with pytest.raises(UsageError, match="NK712"):
            made.render("pdf")
        return
    pages = PdfReader(io.BytesIO(made.render("pdf"))).pages
    read = "".join(p.extract_text() for p in pages)
    assert "1 × 10^9 (1E9) cells" in read.replace("\xa0", " ")
    # The note of the cells stands in full below their calculation.
    assert read.count(text[0]) > (5_000 if len(text) > 100 else 1)


def test_what_happened_to_a_date_or_a_clock_stands_in_the_row():
    weekends = nksim.SiteRules(closed=("weekends",))
    regimen = nksim.protocol("nkaml").assume()
    # 27 and 28 February 2027 are a Saturday and a Sunday: fludarabine on day -2 and interleukin-2 on day -1, unmoved.
    (calendar,) = regimen.calendar(CHILD, day0="2027-03-01", tz="Asia/Shanghai", site=weekends).calendars
    rows = sheet(calendar, roster().provenance, language("en")).tables[0].rows
    closed = {row[0].text: row[4].text for row in rows if row[0].marks == ("site closed",)}
    assert closed == {
        "Sat 2027-02-27": "fludarabine phosphate",
        "Sun 2027-02-28": "aldesleukin",
        "Sat 2027-03-06": "aldesleukin",
    }
    moving = regimen.change("il2.window", "-1..+1 d")
    (calendar,) = moving.calendar(CHILD, day0="2027-03-01", tz="Asia/Shanghai", site=weekends).calendars
    rows = sheet(calendar, roster().provenance, language("en")).tables[0].rows
    assert ("Fri 2027-03-05", ("moved",)) in [(row[0].text, row[0].marks) for row in rows]
    # 14 March 2027, 02:30 does not exist in New York.
    spring = regimen.calendar(CHILD, day0="2027-03-14", tz="America/New_York", cells_at="02:30")
    rows = sheet(spring.calendars[0], roster().provenance, language("en")).tables[0].rows
    assert [row[2].marks for row in rows if row[4].text.startswith("purified")] == [("clock change",)]


def roster(n=3):
    regimen = nksim.protocol("nkaml").assume()
    patients = [nksim.Patient(weight=20 + i, height=110 + i, id=f"患者-{i}") for i in range(n)]
    return regimen.calendars([(p, "2027-03-01", "Asia/Shanghai") for p in patients])


def test_each_patient_has_a_sheet_of_their_own_with_their_id_in_the_running_head():
    markup = roster().render("html")
    assert [s.get("id") for s in html5lib.parse(markup).iter(f"{H}section")] == ["s1", "s2", "s3"]
    assert re.findall(r'@page (p\d) \{ @top-left \{ content: "(患者-\d)', markup) == [
        ("p1", "患者-0"),
        ("p2", "患者-1"),
        ("p3", "患者-2"),
    ]
    pages = [p.extract_text() for p in PdfReader(io.BytesIO(roster().render("pdf"))).pages]
    assert [re.search(r"(患者-\d) · NCT", p)[1] for p in pages] == [f"患者-{i // 2}" for i in range(6)]
    assert ["page 1 of 2" in p for p in pages] == [True, False] * 3


def test_what_is_not_known_of_a_patient_is_not_on_the_sheet_and_allergies_are_left_to_be_written():
    bare = nksim.protocol("cd123-carnk").change("cy.dose", "10 mg/kg").change("cy.days", "-3")
    bare = bare.change("flu.dose", "25 mg/m^2").change("flu.days", "-3").assume()
    (calendar,) = bare.calendar(nksim.Patient(weight=70, height=170), day0="2027-03-01", tz="UTC").calendars
    fields = dict(sheet(calendar, roster().provenance, language("en")).fields)
    assert {"Age", "Sex", "Creatinine", "eGFR", "Ideal weight"}.isdisjoint(fields)
    assert fields["Allergies"] == ""
    # The root of 170 × 70 / 3600.
    assert fields["Body surface area"] == "1.818119 m² (Mosteller, 170 cm, 70 kg) [assumed]"
    assert fields["Weight"] == "70 kg"


def test_what_is_assumed_is_said_in_the_cell_and_not_by_colour():
    (calendar,) = nksim.protocol("nkaml").assume().calendar(CHILD, day0="2027-03-01", tz="Asia/Shanghai").calendars
    rows = sheet(calendar, roster().provenance, language("en")).tables[0].rows
    # nkaml.yaml: the dose of the cells and the days of interleukin-2 are assumed.
    assert [row[4].text for row in rows if row[6].marks] == ["purified haploidentical NK cells"]
    assert [row[4].text for row in rows if row[1].marks] == ["aldesleukin"] * 6
    style = (
        nksim.protocol("nkaml")
        .assume()
        .calendar(CHILD, day0="2027-03-01", tz="UTC")
        .render("html")
        .split("</style>")[0]
    )
    colours = set(re.findall(r"#[0-9a-f]{3,6}\b", style))
    assert all(len(set(c.strip("#"))) == 1 for c in colours), "greys only"


def test_checks_stand_on_the_sheet_with_their_code():
    found = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0")
    made = found.calendar(CHILD, day0="2027-03-01", tz="Asia/Shanghai")
    assert "check NK316: il2: one dose is planned, the registration has 6" in made.render("html")
    assert "核查 NK316：il2：计划一次，注册信息为 6 次" in made.render("html", lang="zh")


def test_a_waived_check_stands_on_the_sheet_with_its_reason_in_both_languages():
    found = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0")
    made = found.waive("NK316", "agreed with the sponsor").calendar(CHILD, day0="2027-03-01", tz="Asia/Shanghai")
    assert "check NK316 waived (agreed with the sponsor): il2: one dose is planned" in made.render("html")
    assert "核查 NK316 已豁免（agreed with the sponsor）：il2：计划一次" in made.render("html", lang="zh")


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", ("amended", "amendment 2", "Taken out, not to be given", "il2 2/2 on Tue 2027-03-09: amendment 2: omitted: rash",
                "1 2027-03-05 09:00 delay cells 2 by 1 d: fever (Li Na)")),
        ("zh", ("已更改", "更改 2", "已取消，不得给药", "il2 2/2，周二 2027-03-09: 更改 2: 取消（不补给）：rash",
                "1 2027-03-05 09:00 delay cells 2 by 1 d: fever (Li Na)")),
    ],
)  # fmt: skip
def test_a_sheet_shows_what_was_amended_and_not_as_a_dose_what_was_taken_out(lang, said):
    found = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 7")
    made = found.calendar(CHILD, day0="2027-03-01", tz="Asia/Shanghai")
    made = made.amend("delay cells 2 by 1 d: fever", when="2027-03-05T09:00", who="Li Na")
    made = made.amend("omit il2 2: rash", when="2027-03-06T09:00")
    markup = made.render("html", lang=lang)
    doses, *_ = tables(markup)
    assert [row[1] for row in doses] == [*"−7 −6 −5 −4 −3 −2 0 0 8".split()]
    assert said[0] in doses[-1][0]
    for words in said[1:]:
        assert words in markup
    assert f"log {made.log[-1].hash[:12]}" in markup
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(made.render("pdf", lang=lang))).pages)
    assert all(words in text for words in said[1:3])


# ISMP list of error-prone abbreviations, symbols and dose designations (2021), and the Joint Commission's "do not use".
FORBIDDEN = {
    "IU or U for units": r"\bI?U\b",
    "a trailing zero": r"(?<![\d.])\d+\.\d*0(?![\d])",
    "no leading zero": r"(?<![\w.])\.\d",
    "μg or ug for mcg": r"[μµ]g|\bug\b",
    "SC, SQ or sub q": r"\bS[CQ]\b|\bsub ?q",
    "QD, QOD and their like": r"\bq\.?o?\.?d\b|\bQO?D\b|\bTIW\b|\bBIW\b|\bHS\b",
    "cc for mL": r"\bcc\b|\bml\b",
    "a large number without commas": r"(?<![\d.,E-])\d{5,}(?:\.\d+)? ?(?:mg|units|mL|cells)",
    "a number that touches its unit": r"\d(?:mg|mcg|mL|units|cells|kg)\b",
    "signs read as digits": r"[@&<>]",
    "drug names cut short": r"\b(?:CTX|FLU|CPM|MTX|Cy|Flu)\b(?! *[(=.])",
    "naked exponents": r"×\s?10[\u2070-\u209f\u00b2\u00b3\u00b9]",
}


def read_by_a_person(made):
    """All text of a sheet but tokens quoted from a print, and what is typed: the command and its settings."""
    typed = ("Command", "命令", "Set by the user", "用户设定", "Protocol ", "方案 ", "Program", "程序")
    lines = [text for _, text in made.fields]
    lines += [cell.text for grid in made.tables for row in grid.rows for cell in row]
    lines += [part for listing in (*made.amended, *made.listings) for item in listing.items for part in item]
    lines = [line for line in (*lines, *made.closing, made.title) if not line.startswith(typed)]
    quoted = re.compile(r"(?:printed|read|原文) '[^']*'|'[^']*' 读作|100WU/m2")
    return "\n".join(quoted.sub("", line) for line in lines)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_sheet_has_an_error_prone_abbreviation(path, lang):
    (calendar,) = calendars(path).calendars
    text = read_by_a_person(sheet(calendar, calendars(path).provenance, language(lang)))
    assert {name: found for name, form in FORBIDDEN.items() if (found := re.findall(form, text))} == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("IU or U for units", "9 IU"),
        ("a trailing zero", "5.0 mg"),
        ("a trailing zero", "2.50 mg"),
        ("no leading zero", "a .5 mg"),
        ("μg or ug for mcg", "9 µg"),
        ("SC, SQ or sub q", "il2.route = SC"),
        ("QD, QOD and their like", "25 mg QD"),
        ("cc for mL", "3 cc"),
        ("a large number without commas", "1000000 units"),
        ("a number that touches its unit", "25mg"),
        ("signs read as digits", "> 5"),
        ("drug names cut short", "Cy 60 mg/kg"),
        ("naked exponents", "1 × 10⁹"),
    ],
)
def test_each_rule_finds_what_it_forbids(name, text):
    assert re.search(FORBIDDEN[name], text)


# FDA and ISMP lists of look-alike names; fludarabine and cyclophosphamide were not found on them.
def test_names_that_look_alike_have_tall_letters_and_no_others():
    protocol = nksim.protocol("nkaml").protocol
    english = language("en")
    assert english.product("azacitidine", protocol) == "azaCITIDine"
    assert english.product("fludarabine phosphate", protocol) == "fludarabine phosphate"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", sorted({expected(p)["protocol"] for p in FILES}))
def test_a_usual_protocol_takes_one_or_two_pages_of_a4(name, lang):
    path = next(p for p in FILES if expected(p)["protocol"] == name)
    pages = PdfReader(io.BytesIO(pdf(path, lang))).pages
    assert 1 <= len(pages) <= 2
    # 297 × 210 mm in points.
    assert {(round(float(p.mediabox.width)), round(float(p.mediabox.height))) for p in pages} == {(842, 595)}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("path", FILES[::3], ids=lambda p: p.stem)
def test_the_pdf_has_the_text_of_the_sheet_and_carries_its_fonts(path, lang):
    read = PdfReader(io.BytesIO(pdf(path, lang)))
    text = re.sub(r"\s+", "", "".join(p.extract_text() for p in read.pages))
    (calendar,) = calendars(path).calendars
    made = sheet(calendar, calendars(path).provenance, language(lang))
    wanted = [made.title, *(f"{label}:{value}" for label, value in made.fields)]
    wanted += [cell.text for grid in made.tables for row in grid.rows for cell in row]
    wanted += [part for listing in (*made.amended, *made.listings) for item in listing.items for part in item]
    assert [w for w in wanted if re.sub(r"\s+", "", w) not in text] == []
    fonts = [f.get_object() for p in read.pages for f in p["/Resources"]["/Font"].values()]
    used = [f for f in fonts if f["/BaseFont"] not in ("/Helvetica", "/ZapfDingbats")]
    assert used
    assert all("/FontFile2" in f["/FontDescriptor"] for f in used)


def test_chinese_and_latin_text_are_whole_in_every_format():
    made = nksim.protocol("nkaml").assume().calendar(CHILD, day0="2027-03-01", tz="Asia/Shanghai")
    assert "张三-01" in made.render("html", lang="zh")
    assert "环磷酰胺 (cyclophosphamide)" in made.render("table", lang="zh")
    events = made.render("ics", lang="zh").decode().replace("\r\n ", "")
    assert r"SUMMARY:张三-01 第 −7 天 环磷酰胺 (cyclophosphamide): 1\,200 mg" in events
    assert {r["patient"] for r in csv.DictReader(io.StringIO(made.render("csv"), newline=""))} == {"张三-01"}
    assert '"id": "张三-01"' in made.render("json")
    assert max(map(len, made.render("ics", lang="zh").split(b"\r\n"))) <= 75


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_the_same_sheet_is_the_same_bytes(form):
    assert roster(1).render(form, lang="zh") == roster(1).render(form, lang="zh")


def test_a_character_that_the_font_lacks_is_refused_and_not_printed_as_a_box():
    rare = nksim.Patient(weight=20, height=110, id="喆-01")
    made = nksim.protocol("nkaml").assume().calendar(rare, day0="2027-03-01", tz="UTC")
    with pytest.raises(UsageError, match=r"NK712.*喆 \(U\+5586\)(.|\n)*\.html"):
        made.render("pdf")
    assert "喆-01" in made.render("html")


def test_without_reportlab_a_pdf_names_the_extra(monkeypatch):
    for name in [m for m in sys.modules if m.startswith("reportlab")]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("nksim.output.sheet_pdf", "nksim.output.pdf_parts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(UsageError, match=r"NK711(.|\n)*nksim\[sheets\]"):
        roster(1).render("pdf")


def test_a_long_sheet_goes_on_over_pages_and_leaves_no_row_alone():
    for first in range(-40, -24):
        text = TEXT.replace("days: -6..-2", f"days: {first}..-2")
        made = Regimen(parse_protocol(text.encode(), "l.yaml")).calendar(CHILD, day0="2027-03-01", tz="Asia/Shanghai")
        pages = [p.extract_text() for p in PdfReader(io.BytesIO(made.render("pdf"))).pages]
        rows = [p.count("10:00*") for p in pages]
        # Fludarabine from the first day to day -2, one cyclophosphamide and two infusions of cells.
        assert sum(rows) == -first - 1 + 3
        assert 1 not in rows
        assert rows[0] >= 20, "the first page is used"
        assert [f"page {i} of {len(pages)}" in p for i, p in enumerate(pages, 1)] == [True] * len(pages)


def test_hours_that_the_site_s_clocks_change_have_their_own_offset():
    made = nksim.protocol("nkaml").assume().calendar(CHILD, day0="2027-03-14", tz="America/New_York")
    offsets = [row[3] for row in tables(made.render("html"))[0]]
    # New York's clocks go forward on 14 March 2027.
    first_dates = [row.start.date() for row in made.rows if row.event.dose]
    wanted = ["\N{MINUS SIGN}05:00" if d < dt.date(2027, 3, 14) else "\N{MINUS SIGN}04:00" for d in first_dates]
    assert offsets == wanted
