"""The Chinese catalogues are complete, keep every placeholder and number, and never mix languages silently."""

import ast
import re
from collections import Counter
from functools import cache
from gettext import NullTranslations
from pathlib import Path

import polib
import pytest
import yaml
from test_sheet import FILES, calendars
from translation import HERE, LANGUAGES, MESSAGES, fields

import nksim
from nksim.output.description import in_full
from nksim.output.language import Language, language
from nksim.output.text import folded
from nksim.protocol.catalog import load
from nksim.protocol.reading import parse_protocol
from nksim.regimen import Regimen
from nksim.words import Quoted, said

ZH = language("zh")
MARK = "【英文】"
EVERYTHING = Path(__file__).parent / "everything" / "everything.yaml"


@cache
def entries(domain):
    return {e.msgid: e.msgstr for e in polib.pofile(str(LANGUAGES / "zh" / f"{domain}.po"))}


def digits(text):
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"\{[^}]*\}", "", text)))


def test_every_message_of_the_program_has_its_translation():
    assert sorted(m for m in MESSAGES["nksim"]() if not entries("nksim").get(m)) == []


def test_every_text_of_the_catalogue_has_its_translation():
    found = MESSAGES["protocols"]()
    assert len(found) > 200
    assert sorted(m for m in found if not entries("protocols").get(m)) == []


@pytest.mark.parametrize("domain", sorted(MESSAGES))
def test_no_entry_is_stale(domain):
    assert sorted(entries(domain).keys() - MESSAGES[domain]().keys()) == []


@pytest.mark.parametrize("domain", sorted(MESSAGES))
def test_placeholders_and_numbers_of_a_translation_are_those_of_the_message(domain):
    done = [(m, t) for m, t in entries(domain).items() if t]
    if domain == "nksim":
        assert [(m, t) for m, t in done if fields(m) != fields(t)] == []
    assert [(m, t) for m, t in done if digits(m) != digits(t)] == []


@pytest.mark.parametrize("domain", sorted(MESSAGES))
def test_the_compiled_catalogue_is_that_of_the_source(domain):
    compiled = {e.msgid: e.msgstr for e in polib.mofile(str(LANGUAGES / "zh" / f"{domain}.mo"))}
    assert compiled == {m: t for m, t in entries(domain).items() if t}


def test_a_check_says_its_message_so_that_it_can_be_translated():
    """A finding whose message is put together by hand would appear in English."""
    by_hand = [
        f"{path.name}:{node.lineno}"
        for path in sorted(HERE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding" and len(node.args) > 1
        if isinstance(node.args[1], ast.JoinedStr | ast.Constant | ast.BinOp)
    ]
    assert by_hand == []


def test_what_has_no_translation_is_in_english_and_says_so():
    assert ZH.say(said("nobody translated {this}", this=said("weight"))) == f"{MARK}nobody translated weight"
    assert ZH.quote("written in English") == f"{MARK}written in English"
    assert ZH.say("{a} × {b}", a=1, b="cells") == "1 × cells"
    assert ZH.say(said("{drug}", drug=Quoted("radiotherapy"))) == "放射治疗"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_nothing_of_the_catalogue_falls_back_to_english(path):
    made = calendars(path)
    shown = [made.render("table", lang="zh"), made.render("html", lang="zh"), made.render("ics", lang="zh").decode()]
    shown.append(in_full(load(yaml.safe_load(path.read_text())["protocol"]), None, ZH))
    assert [text for text in shown if MARK in text] == []


# Beside ids, units and names in Latin letters nothing of the program's own English is left.
def test_every_rule_at_once_says_nothing_of_the_program_in_english():
    own = Language("zh", ZH.program, NullTranslations())
    protocol = parse_protocol(EVERYTHING.read_bytes(), "everything.yaml")
    assert MARK not in in_full(protocol, None, own)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_numbers_units_and_times_are_the_same_in_both_languages(path):
    """Row by row of the sheet: day, time, offset, dose and duration are equal, the rest has the same numbers."""
    from nksim.output.sheet import sheet

    (calendar,) = calendars(path).calendars
    english, chinese = (sheet(calendar, calendars(path).provenance, language(code)) for code in ("en", "zh"))
    for a, b in zip(english.tables, chinese.tables, strict=True):
        for row, other in zip(a.rows, b.rows, strict=True):
            same = (1, 2, 3, 6, 8, 10) if len(row) == 11 else (1,)
            assert [row[i].text for i in same] == [other[i].text for i in same]
            assert [digits(c.text) for c in row[:4]] == [digits(c.text) for c in other[:4]]
            assert digits(row[9].text if len(row) == 11 else row[4].text) == digits(
                other[9].text if len(row) == 11 else other[4].text
            )
    units = re.compile(r"[\d,.]+(?:E\d+)? ?(?:mg|units|cells|kg|cm|m²|mL)(?:/(?:kg|m²))?")
    for x, y in zip(english.listings[0].items, chinese.listings[0].items, strict=True):
        assert Counter(units.findall(x[0])) == Counter(units.findall(y[0]))


def test_csv_and_json_are_the_same_bytes_in_both_languages():
    made = calendars(FILES[0])
    assert made.render("csv", lang="zh") == made.render("csv")
    assert made.render("json", lang="zh") == made.render("json")


def test_every_chinese_output_says_that_no_pharmacist_has_reviewed_it_and_no_english_one_does():
    made = calendars(FILES[0])
    for form in ("table", "html", "ics"):
        text = made.render(form, lang="zh")
        text = text.decode().replace("\r\n ", "") if isinstance(text, bytes) else text
        assert "本中文译文未经药师审核" in text
        english = made.render(form)
        assert "reviewed by a pharmacist" not in (english.decode() if isinstance(english, bytes) else english)
    assert "本中文译文未经药师审核" in in_full(load("jk500"), None, ZH)


@pytest.mark.parametrize("waived", [False, True])
def test_every_check_of_an_amended_calendar_is_said_in_chinese(waived):
    """Body, range, window and order: what checks and changes say is put together anew, not copied."""
    patient = nksim.Patient(weight="40 kg", height="110 cm", age="6 y", weighed="2027-01-01")
    found = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 7, 14")
    found = found.change("cy.dose", "80 mg/kg")
    found = found.waive("NK312", "sponsor") if waived else found
    made = found.calendar(patient, day0="2027-03-01", tz="Asia/Shanghai")
    made = made.amend("delay il2 2 by 1 h: bed", when="2027-03-05T09:00", deviation=True)
    made = made.amend("delay cells 2 by 8 d: bed", when="2027-03-05T09:00", deviation=True)
    made = made.amend("reduce cells 3 by 25 %: CRS", when="2027-03-05T09:00")
    made = made.amend("omit cells 1: late", when="2027-03-05T09:00", past=True)
    codes = {f.code for f in made.calendars[0].findings}
    assert codes >= {"NK312", "NK316", "NK336", "NK339", "NK351", "NK352", "NK356"}
    for form in ("table", "html"):
        text = made.render(form, lang="zh")
        assert MARK not in text
        assert ("核查 NK312 已豁免（sponsor）" if waived else "核查 NK312：") in text


# Terms as clinical Chinese has them; a wrong one would mislead whoever trusts the sheet.
@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("conditioning", "预处理"),
        ("intravenous infusion", "静脉输注"),
        ("subcutaneous", "皮下注射"),
        ("Body surface area", "体表面积"),
        ("maintenance", "维持"),
        ("induction", "诱导"),
    ],
)
def test_clinical_terms(english, chinese):
    assert ZH.say(english) == chinese


def test_drugs_have_their_chinese_names_beside_the_english_ones():
    protocol = load("jk500")
    assert ZH.product("cyclophosphamide", protocol) == "环磷酰胺 (cyclophosphamide)"
    assert ZH.product("fludarabine phosphate", protocol) == "磷酸氟达拉滨 (fludarabine phosphate)"
    assert ZH.product("aldesleukin", protocol) == "阿地白介素（白细胞介素-2） (aldesleukin)"


def test_lines_of_the_chinese_table_are_aligned_on_a_terminal():
    from nksim.errors import display_width

    table = calendars(FILES[0]).render("table", lang="zh").split("\n\n")[1].splitlines()
    # Columns begin where their heading begins, counted in columns of the terminal.
    start = display_width(table[0][: table[0].index("剂量")])
    for line in table[1:]:
        dose = re.search(r"[\d,.]+ (?:mg|units|×)", line[10:])
        assert dose is not None
        assert display_width(line[: 10 + dose.start()]) == start


def test_long_chinese_lines_are_folded_to_the_terminal():
    from nksim.errors import display_width

    lines = in_full(parse_protocol(EVERYTHING.read_bytes(), "e.yaml"), None, ZH).splitlines()
    assert max(map(display_width, lines)) <= 110
    assert not [line for line in lines if line.strip()[:1] in set("，。；：）】")]
    assert folded("一二三四五六", 6, first="  ", rest=" ") == "  一二\n 三四\n 五六"


def test_a_protocol_without_translation_is_shown_with_its_text_marked():
    text = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_bytes()
    made = Regimen(parse_protocol(text, "g.yaml")).calendar(
        nksim.Patient(weight=20, height=110), day0="2027-03-01", tz="Asia/Shanghai"
    )
    title = made.calendars[0].schedule.choice.protocol.title
    table = made.render("table", lang="zh")
    assert table.startswith(f"{MARK}{title}")
    # Its cells are called nk and have neither a title nor a Chinese name.
    assert f"{MARK}nk " in table


def test_headings_and_names_of_the_catalogues_can_be_printed_in_bold():
    """Otherwise the heading of what is taken out would stand less strongly than others; see output/fonts/README.md."""
    from reportlab.pdfbase.ttfonts import TTFontFile

    held = TTFontFile(str(HERE / "output" / "fonts" / "NotoSansSC-Bold.ttf")).charToGlyph
    names = (HERE / "protocol" / "drugs.yaml").read_text(encoding="utf-8")
    used = set(names + "".join(t for domain in MESSAGES for t in entries(domain).values()))
    assert sorted(c for c in used if c.isprintable() and ord(c) not in held) == []
