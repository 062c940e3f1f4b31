"""The page as a pharmacist and a designer use it, in a headless Chromium."""

import re

import pytest
from icalendar import Calendar
from playwright.sync_api import expect
from served import serving

# By hand, from the registration of JK500 (60 mg/kg, 25 mg/m2, 1 million IU/m2) and the cells set below (1e7 per kg):
# body surface by Mosteller, sqrt(110 * 20 / 3600) = 0.781736 and sqrt(110 * 24 / 3600) = 0.856349 m2.
DOSES_20KG = ["1,200 mg", *["19.5434 mg"] * 5, *["781,736 units", "2 × 10^8 (2E8) cells"] * 3]
DOSES_24KG = ["1,440 mg", *["21.4087 mg"] * 5, *["856,349 units", "2.4 × 10^8 (2.4E8) cells"] * 3]
VIEW = (
    "regimen?protocol=jk500&weight=20&height=110&day0=2027-03-01&tz=Asia/Shanghai"
    "&f.cells.dose=1e7+cells/kg&f.cells.days=0,+7,+14"
)


@pytest.fixture
def tab(browser, page):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    tab = context.new_page()
    complaints = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    # A refused upload answers 400, which a browser reports as well.
    tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" and " 400 " not in m.text else None)
    tab.on("request", lambda r: None if r.url.startswith(page) else complaints.append(f"asked outside: {r.url}"))
    yield tab
    context.close()
    assert complaints == []


def doses(tab):
    return [text.strip() for text in tab.locator("table.doses td.dose").all_inner_texts()]


def curve(tab):
    return tab.locator("figure svg").inner_html()


def test_choosing_filling_in_and_changing_the_weight(tab, page):
    tab.goto(page)
    tab.get_by_role("link", name=re.compile("^jk500")).click()
    assert "What is the JK500 cell dose per infusion" in tab.locator("fieldset.asked").inner_text()
    assert tab.locator("#answer").inner_text().count("NK501") == 4
    tab.get_by_label("Weight, kg", exact=True).fill("20")
    tab.get_by_label("Height, cm").fill("110")
    tab.get_by_label("Day 0").fill("2027-03-01")
    tab.get_by_label("Time zone").fill("Asia/Shanghai")
    tab.locator('[name="f.cells.dose"]').fill("1e7 cells/kg")
    tab.locator('[name="f.cells.days"]').fill("0, 7, 14")
    tab.wait_for_selector("figure svg")
    assert doses(tab) == DOSES_20KG
    before, address = curve(tab), tab.url
    tab.get_by_label("Weight, kg", exact=True).fill("24")
    tab.get_by_text("60 mg/kg × 24 kg (actual) = 1,440 mg").wait_for()
    assert doses(tab) == DOSES_24KG
    assert curve(tab) != before
    assert address != tab.url
    assert "P001" not in tab.url
    assert "weight=24" in tab.url


def test_assumed_facts_are_marked_and_can_be_changed(tab, page):
    tab.goto(page + VIEW)
    tab.get_by_text("Assumed by the file, not registered").click()
    fact = tab.locator(".fact", has=tab.locator('[name="f.body.bsa"]'))
    assert "assumed" in fact.inner_text()
    assert "no BSA formula is registered" in fact.inner_text()
    # DuBois & DuBois 1916: 0.007184 * 20^0.425 * 110^0.725 = 0.775022 m2, times 25 mg/m2.
    tab.locator('[name="f.body.bsa"]').fill("dubois")
    tab.get_by_text("0.775022 m² (DuBois").first.wait_for()
    assert doses(tab)[1] == "19.3755 mg"
    tab.locator('[name="f.body.bsa"]').fill("nonsense")
    fact.locator(".fault").wait_for()
    assert "nonsense" in fact.locator(".fault").inner_text()


def test_a_download_is_a_calendar_with_the_patient_that_the_form_named(tab, page):
    tab.goto(page + VIEW)
    tab.get_by_label("Patient id").fill("BED-7")
    with tab.expect_download() as found:
        tab.get_by_role("button", name="calendar.ics").click()
    assert found.value.suggested_filename == "nksim-calendar.ics"
    assert "BED-7" not in found.value.url
    with open(found.value.path(), "rb") as file:
        calendar = Calendar.from_ical(file.read())
    starts = [e["DTSTART"].dt.isoformat() for e in calendar.walk("VEVENT")]
    # 12 doses and the five assessments: DLT from each of three infusions, response, residual disease.
    assert len(starts) == 17
    assert "2027-02-22T10:00:00+08:00" in starts
    assert "BED-7" in str(calendar.to_ical())


def test_comparing_two_regimens(tab, page):
    tab.goto(page + VIEW)
    tab.get_by_label("Regimen B").select_option("nkaml")
    tab.wait_for_url(re.compile("b.protocol=nkaml"))
    tab.get_by_role("heading", name="Comparison").wait_for()
    tab.wait_for_selector("figure svg")
    assert "Differences are paired by virtual patient against A (jk500)" in tab.locator("#answer").inner_text()
    row = tab.locator("table.numbers tr", has_text="donor_nk_cmax").first
    assert row.locator("td").first.inner_text() == "A"


def test_the_form_works_without_javascript(browser, page):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page + VIEW)
    tab.get_by_label("Weight, kg", exact=True).fill("24")
    tab.get_by_role("button", name="Show", exact=True).click()
    assert doses(tab) == DOSES_24KG
    assert tab.locator("figure svg").count() == 1
    context.close()


def test_the_page_works_by_keyboard_and_says_what_its_fields_are(tab, page):
    tab.goto(page + VIEW)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    nameless = tab.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), select')].filter(e => !e.labels.length).map(e => e.name)"
    )
    assert nameless == []


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("where", ["", VIEW, f"{VIEW}&b.protocol=nkaml&assume=1&lang=zh"])
def test_nothing_runs_out_of_a_narrow_window(tab, page, width, where):
    tab.set_viewport_size({"width": width, "height": 800})
    tab.goto(page + where)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_speaks_chinese(tab, page):
    tab.goto(page + VIEW)
    tab.get_by_role("link", name="中文").click()
    assert tab.get_by_role("heading", name="日历").is_visible()
    assert tab.get_by_label("体重，kg", exact=True).input_value() == "20"
    assert doses(tab) == DOSES_20KG
    assert tab.locator("html").get_attribute("lang") == "zh-Hans"


def test_a_long_run_shows_how_far_it_is_and_can_be_stopped(browser, monkeypatch):
    # Without the native engine, which would be done before anybody could stop it.
    monkeypatch.setenv("NKSIM_NATIVE", "0")
    with serving() as (page, _), browser.new_context() as context:
        tab = context.new_page()
        tab.goto(page + VIEW + "&n=20000&seed=77&days=365")
        tab.locator("#running progress").wait_for()
        expect(tab.locator("#count")).to_contain_text("/ 20000", timeout=60_000)
        assert doses(tab) == DOSES_20KG
        tab.get_by_role("button", name="Stop").click()
        tab.get_by_text("this run was stopped").wait_for()


def test_an_upload_is_shown_and_a_wrong_one_is_refused_with_its_line(tab, page, tmp_path):
    from importlib import resources

    text = resources.files("nksim.protocols_data").joinpath("nkaml.yaml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace("60 mg/kg", "50 mg/kg"), encoding="utf-8")
    tab.goto(page)
    tab.get_by_label("Protocol file").set_input_files(mine)
    tab.get_by_role("button", name="Read the file").click()
    tab.wait_for_url(re.compile("protocol=upload-[0-9a-f]{64}"))
    body = {"Weight, kg": "25", "Height, cm": "128", "Day 0": "2027-03-01", "Time zone": "Asia/Shanghai"}
    for label, value in body.items():
        tab.get_by_label(label, exact=label == "Weight, kg").fill(value)
    tab.get_by_label("Accept the doses and days").check()
    tab.get_by_text("50 mg/kg × 25 kg (actual) = 1,250 mg").first.wait_for()
    mine.write_text(text.replace("60 mg/kg", "60 mg/cow"), encoding="utf-8")
    tab.goto(page)
    tab.get_by_label("Protocol file").set_input_files(mine)
    tab.get_by_role("button", name="Read the file").click()
    fault = tab.locator(".fault").first
    fault.wait_for()
    assert re.search(r"NK2\d\d protocol.yaml:\d+:\d+ ", fault.inner_text())
