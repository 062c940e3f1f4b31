"""Escalations asked for from Python, their report, and what a site, a loss and a DLT do to a trial on dates."""

import datetime as dt
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path

import icalendar
import pypdf
import pytest

import nksim
from nksim.cli import run
from nksim.errors import InvalidInput, UsageError
from nksim.schedule.closures import site_of

TRUTH = [0.05, 0.15, 0.30]
TIMED = {"truth": TRUTH, "target": 0.30, "n": 300, "accrual": 2, "window": "28d", "opens": "2027-03-01"}
LOSING = {**TIMED, "not_evaluable": "20 %", "product_fail": "10 %"}


def escalate(*designs, **options):
    return nksim.protocol("nkg2d-carnk").escalate(*designs, **options)


def unreplaced(*designs, **options):
    return nksim.protocol("nkg2d-carnk").change("escalation.replace", "no").escalate(*designs, **options)


def test_python_gives_the_numbers_of_the_command_line(capsys):
    args = ["--design", "boin", "--design", "3+3", "--target", "0.30", "--truth", "0.05,0.15,0.30", "-n", "300",
            "--accrual", "2", "--window", "28d", "--opens", "2027-03-01"]  # fmt: skip
    assert run(["escalate", "nkg2d-carnk", *args, "--json"]) == 0
    said, asked = json.loads(capsys.readouterr().out), json.loads(escalate("boin", "3+3", **TIMED).json())
    assert said["studies"] == asked["studies"]
    assert said["decision_tables"] == asked["decision_tables"]


def test_the_selection_of_each_design_is_there_by_level():
    found = escalate("3+3", truth=TRUTH, exact=True).selection["3+3"]
    # By hand: nobody clears level 1 with probability 1 - 0.9734.
    assert found["none"] == pytest.approx(0.0266, abs=5e-5)
    assert list(found) == ["none", "1", "2", "3"]


def test_an_escalation_shows_and_saves_itself(tmp_path):
    found = escalate("boin", **TIMED, tz="Asia/Shanghai")
    assert "chosen as MTD" in str(found)
    for suffix in ("txt", "csv", "json", "svg", "png", "ics", "html", "pdf"):
        found.save(tmp_path / f"e.{suffix}")
        assert (tmp_path / f"e.{suffix}").stat().st_size > 500
    with pytest.raises(UsageError, match="NK701"):
        found.save(tmp_path / "e.txt")
    with pytest.raises(UsageError, match="NK703"):
        found.save(tmp_path / "e.docx")
    with pytest.raises(UsageError, match="NK703"):
        found.chart("pie")


def test_the_page_holds_every_part_and_loads_nothing(tmp_path):
    found = escalate("boin", "tite-boin", "3+3", "crm", **TIMED)
    found.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    file = Path(__file__).parents[1] / "protocols" / "nkg2d-carnk.yaml"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    headings = re.findall(r"<h2 id=[^>]*>([^<]*)</h2>", page)
    assert headings == ["Question", "Levels", "Designs and their decisions", "What they find and what it costs",
                        "How long it takes", "Assumed", "Open questions", "Provenance"]  # fmt: skip
    assert len(re.findall("<figure[ >]", page)) == 4 + 1 + 1 + 4
    for said in ("2E6 cells/kg", "95 % interval", "D to 0.88", "stop, no MTD", "Sample trial 1 of boin", "is the user",
                 "escalation.replace", sha256[:12]):  # fmt: skip
        assert said in page.replace("&#x27;", "'")
    assert "http-equiv" in page
    assert not re.findall(r'(?:src|href)="(?!#)', page.split("<script>")[0])


def test_the_page_without_a_truth_is_one_of_decision_tables(tmp_path):
    escalate("boin", target=0.30).save(tmp_path / "r.html")
    headings = re.findall(r"<h2 id=[^>]*>([^<]*)</h2>", (tmp_path / "r.html").read_text())
    assert headings == ["Question", "Designs and their decisions", "Assumed", "Open questions", "Provenance"]


def test_the_report_on_paper_says_the_same(tmp_path):
    found = escalate("boin", truth=TRUTH, target=0.30, n=200)
    found.save(tmp_path / "r.pdf")
    read = " ".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "r.pdf").pages)
    text = " ".join(read.split())
    assert "What they find and what it costs" in text
    assert "chosen as MTD" in text


def test_the_report_marks_exposure_as_the_user_s_assumption(tmp_path):
    found = escalate("boin", target=0.30, n=100, virtual=10, risk_of="donor_nk_cmax", risk_at="0.5=5 %, 5=50 %")
    found.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "USER&#x27;S ASSUMPTION, not data" in page
    assert "P(DLT) by the user&#x27;s link" in page


@pytest.mark.parametrize("design", ["boin", "tite-boin", "mtpi", "mtpi2", "i3+3", "crm"])
def test_patients_who_are_not_replaced_use_up_the_trial(design):
    kept, lost = escalate(design, **LOSING), unreplaced(design, **LOSING)
    assert lost.studies[0].results[0].characteristics.all_patients.high <= 30
    ratio = lost.studies[0].results[0].length.left.value / lost.studies[0].results[0].characteristics.all_patients.value
    assert ratio == pytest.approx(0.20, abs=0.015)
    # With fewer patients to learn from, the right level is found less often, and sooner.
    assert lost.selection[design]["3"] < kept.selection[design]["3"] + 0.03
    assert lost.studies[0].results[0].length.mean_d.value < kept.studies[0].results[0].length.mean_d.value
    said = str(lost)
    assert "are not replaced: they count among the" in said.replace("\n    ", " ")
    assert "names no MTD" in said.replace("\n    ", " ")


@pytest.mark.parametrize(("design", "more", "said"), [("3+3", {}, "NK814"), ("boin", {"exact": True}, "NK806")])
def test_3_plus_3_and_enumeration_need_replacement(design, more, said):
    with pytest.raises(UsageError, match=said):
        str(unreplaced(design, **LOSING, **more))


def test_nothing_changes_where_everybody_can_be_evaluated():
    assert unreplaced("boin", **TIMED).selection == escalate("boin", **TIMED).selection


def test_a_site_s_holidays_and_closures_move_the_first_cells(tmp_path):
    # Tomb-sweeping 2027-04-05 and Labour Day 2027-05-01 are public holidays of China whatever is swapped around them.
    closures = tmp_path / "audit.ics"
    closures.write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20270101T000000Z\r\n"
        "DTSTART;VALUE=DATE:20270601\r\nDTEND;VALUE=DATE:20270801\r\nSUMMARY:audit\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    found = escalate("boin", **TIMED, closed=("CN", str(closures)))
    site = site_of(["CN", str(closures)])
    days = [c.infused for c in found.studies[0].results[0].sample.courses if c.infused]
    assert days
    assert all(site.closed_on(day) is None for day in days)
    assert not any(dt.date(2027, 6, 1) <= day < dt.date(2027, 8, 1) for day in days)
    assert "audit.ics" in str(found)
    longer, plain = (f.studies[0].results[0].length.mean_d.value for f in (found, escalate("boin", **TIMED)))
    assert longer > plain


def test_holidays_need_the_day_on_which_accrual_opens():
    asked = {k: v for k, v in TIMED.items() if k != "opens"}
    with pytest.raises(UsageError, match=r"NK814[\s\S]*--opens"):
        str(escalate("boin", **asked, closed="CN"))
    with pytest.raises(UsageError, match="NK510"):
        str(escalate("boin", **TIMED, closed="sundays"))


def with_a_late_dose(number):
    """A sample trial of three doses of cells a fortnight apart, so that DLTs fall between them."""
    p = nksim.protocol("nkg2d-carnk").change("cells.days", "0, 14, 28")
    return p.escalate("boin", truth=[0.4, 0.5, 0.6], target=0.30, n=50, accrual=3, window="42d", opens="2027-03-01",
                      sample=number, tz="Asia/Shanghai", not_evaluable="30 %")  # fmt: skip


def test_no_dose_follows_a_dlt_or_a_patient_who_has_left():
    stopped = 0
    for number in (1, 2, 3):
        found = with_a_late_dose(number)
        trial = found.studies[0].results[0].sample
        rows = {c.schedule.patient.id: c for c in found.calendars()}
        for course in trial.courses:
            if not course.infused:
                continue
            given = [r.start.date() for r in rows[course.id].rows if r.event.dose is not None]
            planned = [course.infused + dt.timedelta(days=d) for d in (0, 14, 28)]
            if course.outcome in ("DLT", "not evaluable"):
                assert given == [day for day in planned if day <= course.until]
                stopped += len(planned) - len(given)
                notes = [n for r in rows[course.id].rows for n in r.notes if "cancelled" in n]
                assert len(notes) == (len(given) < 3)
            else:
                assert given == planned
            assert f"{len(given)} of 3" in next(line for line in str(found).splitlines() if line.startswith(course.id))
            # What is observed goes on.
            assert any(r.event.line == "dlt" for r in rows[course.id].rows)
    assert stopped > 5


def test_the_calendar_file_of_the_trial_names_what_was_cancelled(tmp_path):
    found = with_a_late_dose(1)
    found.save(tmp_path / "t.ics")
    events = icalendar.Calendar.from_ical((tmp_path / "t.ics").read_bytes()).walk("VEVENT")
    said = [str(e["DESCRIPTION"]) for e in events if "cancelled" in str(e["DESCRIPTION"])]
    assert said
    assert all(re.search(r"(DLT|not evaluable) on 20\d\d-\d\d-\d\d: cancelled .*\d/3 on 20", text) for text in said)
    assert "whoever has a DLT or leaves gets no dose after that day" in str(found)


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [({"within": "14d"}, "--accrual"), ({"opens": "2027-03-01"}, "--accrual"), ({"closed": "weekends"}, "--accrual"),
     ({"skeleton": "0.1,0.2,0.3"}, "--design crm"), ({"risk_at": "1=5 %, 2=50 %"}, "--risk-of")],
    ids=str,
)  # fmt: skip
def test_an_option_that_nothing_would_use_is_refused(wrong, mend):
    with pytest.raises(UsageError, match=rf"NK814[\s\S]*{mend}"):
        escalate("boin", truth=TRUTH, target=0.30, **wrong)


@pytest.mark.parametrize("wrong", [{"early_stop": 9}, {"titrate": True}, {"extra_safe": 0.05}, {"cohort": 4}], ids=str)
def test_3_plus_3_refuses_what_it_has_no_use_for(wrong):
    with pytest.raises(UsageError, match="NK814"):
        escalate("3+3", truth=TRUTH, **wrong)


@pytest.mark.parametrize("levels", ["[6e6, 2e6] cells/kg", "[6e6, 2e6]", "[]"])
def test_levels_that_cannot_be_are_refused_at_their_option(levels):
    with pytest.raises(InvalidInput) as found:
        escalate("boin", target=0.30, levels=levels)
    fault = found.value.faults[0]
    assert str(fault.place).startswith("--levels ")
    assert fault.help


def test_crm_has_a_chart_of_its_states(tmp_path):
    found = escalate("crm", target=0.30)
    found.save(tmp_path / "c.svg")
    svg = (tmp_path / "c.svg").read_text()
    for text in ("patients", "level 1", "stop", "0/3", "3/3"):
        assert f">{text}<" in svg


def test_titration_of_tite_boin_says_why_not():
    with pytest.raises(UsageError, match=r"NK804[\s\S]*whole cohorts[\s\S]*--design boin"):
        escalate("tite-boin", target=0.30, titrate=True).designs  # noqa: B018


def test_stagger_is_kept_in_the_sample_trial():
    found = escalate("boin", **TIMED, within="14d")
    courses = [c for c in found.studies[0].results[0].sample.courses if c.infused]
    for a, b in pairwise(courses):
        first = min(c.infused for c in courses if c.cohort == b.cohort)
        assert a.cohort != b.cohort or (b.infused - first).days >= 14


def test_a_file_in_the_way_is_kept(tmp_path):
    Path(tmp_path / "r.html").write_text("mine")
    with pytest.raises(UsageError, match="NK701"):
        escalate("boin", target=0.30).save(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text() == "mine"
