"""Calendar files made again and compared: whatever is edited is found, and nothing that nksim wrote is."""

import copy
import csv
import io
import json
import re
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from revision_cases import BEFORE, CHANGES, EVERYTHING, after, everything, ink_aml, jk500, nkaml

import nksim
from nksim import ledger, rederivation
from nksim.errors import InvalidInput, NksimError, UnreadableInput, UsageError
from nksim.output.calendars import content
from nksim.rederivation import differences, rederived
from nksim.storage import opened

# Ten changes, each possible after those before it.
TEN = (
    ("delay flu 4 by 1 d: fever, 38.9 °C", "2027-02-25T12:00", True),
    ("reduce flu 5 by 25 %: creatinine 80 → 110 µmol/L", "2027-02-25T13:00", False),
    ('delay cells 2 by 3 d: "no product"; see note, p. 3\\n', "2027-03-05T09:00", False),
    ("omit il2 2: 患者拒绝（皮疹）", "2027-03-06T09:00", False),
    ("delay cells 3 to 2027-03-18: bed", "2027-03-08T09:00", False),
    ("reduce cells 3 to 50 %: CRS grade 2", "2027-03-12T09:00", False),
    ("delay il2 3 by 10 min: pump", "2027-03-12T10:00", False),
    ("omit cells 4: progression", "2027-03-12T11:00", False),
    ("reduce cells 5 by 10 %: x", "2027-03-12T12:00", False),
    ("cease il2: capillary leak", "2027-03-19T09:00", False),
)


def ten():
    made = jk500(days="0, 7, 14, 21, 28", issued="2027-02-01T09:00")
    for sentence, when, deviation in TEN:
        made = made.amend(sentence, when=when, who="李娜", deviation=deviation)
    return made


@pytest.fixture(scope="module")
def amended(tmp_path_factory):
    path = tmp_path_factory.mktemp("ten") / "calendar.json"
    ten().save(path)
    return path


def edited(path, data):
    other = path.with_name(f"edited{path.suffix}")
    other.write_bytes(
        data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False, indent=2).encode() + b"\n"
    )
    return other


def found_in(path, data):
    """The differences, or what reading says about a file that is no calendar any more."""
    try:
        return differences(opened(edited(path, data)))
    except NksimError as error:
        return [f.message for f in error.faults]


def waived():
    """With a check that holds the calendar back, another that warns, and a weighing."""
    found = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 7, 14")
    found = found.change("flu.dose", "1 mg/kg").waive("NK328", "agreed with the sponsor").waive("NK316", "试验组决定")
    child = nksim.Patient(weight="20 kg", height="110 cm", age="6 y", sex="F", weighed="2027-02-20")
    return found.calendar(child, day0="2027-03-01", tz="Asia/Shanghai").amend("omit il2 2: rash", when=BEFORE)


MADE = {
    "waived": waived,
    "jk500": jk500,
    "nkaml": nkaml,
    "ink-aml": ink_aml,
    "ten": ten,
    "issued": lambda: jk500(issued="2027-02-01T09:00"),
    "earliest": lambda: jk500(site=nksim.SiteRules(hours="08:00-18:00"), earliest=True),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("form", ["json", "csv", "ics"])
def test_what_nksim_writes_verifies(name, form, tmp_path):
    path = tmp_path / f"x.{form}"
    MADE[name]().save(path)
    assert differences(opened(path)) == []
    assert rederived(opened(path)).render(form) in (path.read_bytes(), path.read_bytes().decode())


def test_a_protocol_of_one_s_own_verifies_where_it_lies_or_where_it_is_said_to_be(tmp_path, monkeypatch):
    own = tmp_path / "own.yaml"
    own.write_bytes(EVERYTHING.read_bytes())
    adult = nksim.Patient(weight="60 kg", height="170 cm", age="50 y", sex="F", creatinine="70 umol/L")
    made = nksim.protocol(str(own)).assume().level(1).calendar(adult, day0="2027-03-01", tz="Europe/Berlin")
    made.amend("delay induction 2 by 1 d: x", when=BEFORE).save(tmp_path / "x.json")
    assert differences(opened(tmp_path / "x.json")) == []
    own.rename(tmp_path / "moved.yaml")
    with pytest.raises(UnreadableInput):
        differences(opened(tmp_path / "x.json"))
    assert differences(opened(tmp_path / "x.json"), protocol=str(tmp_path / "moved.yaml")) == []


def test_a_protocol_whose_content_changed_is_refused(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_bytes(EVERYTHING.read_bytes())
    adult = nksim.Patient(weight="60 kg", height="170 cm", age="50 y", sex="F", creatinine="70 umol/L")
    made = nksim.protocol(str(own)).assume().level(1).calendar(adult, day0="2027-03-01", tz="Europe/Berlin")
    made.save(tmp_path / "x.json")
    own.write_bytes(EVERYTHING.read_bytes().replace(b"50 mg/kg", b"51 mg/kg"))
    with pytest.raises(InvalidInput, match=r"NK733.*everything has changed"):
        differences(opened(tmp_path / "x.json"))


def test_a_file_of_closures_that_changed_is_refused(tmp_path):
    closed = tmp_path / "closed.ics"
    lines = [
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT",
        "DTSTART;VALUE=DATE:20270308",
        "SUMMARY:works",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    closed.write_text("\r\n".join(lines), newline="")
    jk500(site=nksim.SiteRules(closed=(str(closed),))).save(tmp_path / "x.json")
    assert differences(opened(tmp_path / "x.json")) == []
    closed.write_text("\r\n".join(lines).replace("0308", "0309"), newline="")
    with pytest.raises(InvalidInput, match="NK733"):
        differences(opened(tmp_path / "x.json"))
    # What a calendar names is never read from a device or from standard input, which would not come to an end.
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    for other in ("-", "/dev/zero", str(tmp_path)):
        (tmp_path / "y.json").write_text(text.replace(str(closed), other), encoding="utf-8")
        with pytest.raises(UnreadableInput, match=r"NK100.*it is no file"):
            differences(opened(tmp_path / "y.json"))


@pytest.mark.parametrize("make", [jk500, ten, waived])
def test_a_chinese_ics_is_made_again_in_chinese(make, tmp_path):
    path = tmp_path / "x.ics"
    make().save(path, lang="zh")
    assert "静脉" in path.read_text()
    assert differences(opened(path)) == []
    path.write_bytes(path.read_bytes().replace("静脉".encode(), "口服".encode()))
    assert differences(opened(path)) != []


@pytest.mark.parametrize(
    ("code", "reason"),
    [("NK316", "agreed with nobody"), ("NK310", "agreed with the sponsor"), ("NK999", "x"), ("NK316", "")],
)
def test_a_waiver_that_was_put_in_or_rewritten_is_found(code, reason, tmp_path):
    path = tmp_path / "x.json"
    waived().save(path)
    held = json.loads(path.read_text())
    held["provenance"]["waivers"][1] = {"code": code, "reason": reason}
    assert found_in(path, held) != []
    held["provenance"]["waivers"] = []
    assert found_in(path, held) != []


def test_an_amended_calendar_keeps_its_waivers_and_an_untouched_row_its_version():
    made = waived()
    (calendar,) = made.calendars
    assert {f.code: f.waived for f in calendar.findings if f.waived} == {
        "NK328": "agreed with the sponsor",
        "NK316": "试验组决定",
    }
    # il2 2 was taken out: NK316 now counts another number of il2 doses, and only their rows read differently.
    assert {r.event.line for r in calendar.rows if r.changed} == {"il2"}
    assert [r.event.line for r in calendar.rows if r.sequence] == []


def test_a_changed_dose_is_named_by_its_field(amended):
    held = json.loads(amended.read_text())
    held["patients"][0]["rows"][0]["dose"] = 1210.0
    # The chain is whole; the calendar that it seals is another.
    assert found_in(amended, held) == ["patients[0].rows[0].dose: file 1210.0, derived 1200.0"]


def test_a_changed_reason_is_named_beside_the_broken_chain(amended):
    held = json.loads(amended.read_text())
    held["log"][5]["reason"] = "another"
    assert found_in(amended, held)[:2] == [
        "log: entry 5 has been changed: its content does not give its hash",
        # Infusion 3 stood on the 16th, a day after its plan like day 0.
        "patients[0].rows[14].notes[4]: file 'amendment 5: delayed by 2 d: bed', "
        "derived 'amendment 5: delayed by 2 d: another'",
    ]


def test_a_csv_may_be_renamed_with_its_metadata(tmp_path):
    jk500().save(tmp_path / "a.csv")
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    (tmp_path / "a.csv-metadata.json").rename(tmp_path / "b.csv-metadata.json")
    assert differences(opened(tmp_path / "b.csv")) == []


def test_a_changed_cell_of_a_csv_is_named_by_line_and_column(tmp_path):
    path = tmp_path / "x.csv"
    jk500().save(path)
    path.write_bytes(path.read_bytes().replace(b",1200,mg", b",1300,mg"))
    assert differences(opened(path)) == ["line 2, dose: file '1300', derived '1200'"]
    path.write_bytes(path.read_bytes().replace(b"\r\nP001,dose,treatment,cells", b"\r\nP001,dose,treatment,zells", 1))
    assert len(differences(opened(path))) == 2


def test_what_stands_in_a_file_twice_does_not_hide(amended, tmp_path):
    doubled = amended.read_bytes().replace(b'"dose": 1200.0', b'"dose": 1300.0, "dose": 1200.0')
    assert "key dose is there twice" in found_in(amended, doubled)[0]
    path = tmp_path / "x.ics"
    jk500().save(path)
    data = path.read_bytes()
    i, j = data.index(b"BEGIN:VEVENT"), data.index(b"END:VEVENT") + len(b"END:VEVENT\r\n")
    path.write_bytes(data[:i] + data[i:j].replace(b"1\\,200 mg", b"1\\,300 mg") + data[i:])
    assert any(re.search(r"VEVENT .* once more .*: only in the file", line) for line in differences(opened(path)))


def test_a_changed_event_of_an_ics_is_named_by_its_property(tmp_path):
    path = tmp_path / "x.ics"
    jk500().save(path)
    path.write_bytes(
        path.read_bytes().replace(
            b"DTSTART;TZID=Asia/Shanghai:20270308T100000", b"DTSTART;TZID=Asia/Shanghai:20270309T100000", 1
        )
    )
    (found,) = differences(opened(path))
    assert re.search(r"VEVENT [0-9a-f]{32}@nksim\.DTSTART: file .*20270309T100000.*derived .*20270308T100000", found)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["provenance"].update(command="nksim calendar something else"),
        lambda d: d["provenance"].update(seed=3),
        lambda d: d["provenance"]["request"]["patients"][0].update(weight_kg=21.0),
        lambda d: d["provenance"]["request"].update(cells_at="11:00"),
        lambda d: d["provenance"]["request"].update(assume="yes"),
        lambda d: d["provenance"]["settings"].append("x=y"),
        lambda d: d["patients"][0]["cancelled"].pop(),
        lambda d: d["patients"][0]["findings"].pop(),
        lambda d: d["patients"][0]["rows"].reverse(),
        lambda d: d["patients"].append(d["patients"][0]),
        lambda d: d.update(note="added"),
        lambda d: d.update(schema_version=2),
        lambda d: d["log"].pop(),
        lambda d: d["log"].pop(3),
        lambda d: d["log"].insert(3, d["log"][3]),
        lambda d: d["log"].reverse(),
        lambda d: d["log"].__setitem__(slice(2, 4), d["log"][3:1:-1]),
        lambda d: d["log"][4].update(reason="another"),
        lambda d: d["log"][4].update(extra="more"),
        lambda d: d["log"][0].update(when=None),
        lambda d: d["log"].clear(),
        lambda d: d.pop("log"),
        lambda d: d["provenance"].pop("request"),
        lambda d: d.update(provenance=[]),
        lambda d: d.update(log=[None, 1]),
    ],
)
def test_any_edit_of_the_content_is_found(edit, amended):
    held = json.loads(amended.read_text())
    edit(held)
    assert found_in(amended, held)


def log_region(data):
    return range(data.index(b'"log": ['), len(data))


def test_every_edit_of_one_byte_of_the_log_is_found(amended, monkeypatch):
    """Every byte of the first entry and every seventh after it; all of them were once tried, with two others each."""
    data = amended.read_bytes()
    # Where the log reads as it did, so does what is made from it: make it once.
    text = rederived(opened(amended)).render("json")
    made = SimpleNamespace(render=lambda form, lang: text)
    monkeypatch.setattr(rederivation, "rederived", lambda stored, **_: made)
    region = log_region(data)
    assert len(json.loads(data)["log"]) == 11
    assert len(region) > 5000
    missed = []
    for i in (*region[:600], *region[600::7]):
        other = data[i] ^ 1 if i % 2 or data[i] == 0x20 else 0x20
        if not found_in(amended, data[:i] + bytes([other]) + data[i + 1 :]):
            missed.append((i, other))
    assert missed == []


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_byte_put_in_taken_out_or_changed_anywhere_is_found(amended_bytes, data):
    path, whole = amended_bytes
    i = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(("put in", "taken out", "changed")))
    byte = bytes([data.draw(st.integers(0, 255))])
    other = whole[:i] + (b"" if kind == "taken out" else byte) + whole[i + (kind != "put in") :]
    if other != whole:
        assert found_in(path, other)


@pytest.fixture(scope="module")
def amended_bytes(amended):
    return amended, amended.read_bytes()


def resealed(entries):
    """The log with every seal made anew, as a forger would."""
    previous = ledger.NOTHING_BEFORE
    for i, entry in enumerate(entries):
        entry.update(number=i, previous=previous)
        entry["hash"] = previous = ledger.digest({k: v for k, v in entry.items() if k != "hash"})
    return entries


@pytest.mark.parametrize(
    "edit",
    [
        lambda log: log[3].update(change="delay cells 2 by 2 d"),
        lambda log: log[2].update(change="reduce flu 5 by 20 %"),
        lambda log: log[1].update(deviation=False),
        lambda log: log[5].update(when="2027-03-04T09:00:00+08:00"),
        lambda log: log[7].update(effects=[]),
        lambda log: log.pop(),
        lambda log: log.pop(4),
        lambda log: log[0].update(when="2027-02-01T09:30:00+08:00"),
    ],
)
def test_a_log_that_was_sealed_anew_does_not_give_the_calendar(edit, amended):
    held = json.loads(amended.read_text())
    edit(held["log"])
    resealed(held["log"])
    assert list(ledger.faults(held["log"])) == []
    assert found_in(amended, held)


def test_a_file_made_anew_with_another_reason_is_found_by_the_seal_that_somebody_wrote_down(amended, tmp_path):
    seal = json.loads(amended.read_text())["log"][-1]["hash"]
    assert differences(opened(amended), seal=seal[:12]) == []
    made = jk500(days="0, 7, 14, 21, 28", issued="2027-02-01T09:00")
    for sentence, when, deviation in TEN:
        made = made.amend(sentence.replace("bed", "holiday"), when=when, who="李娜", deviation=deviation)
    made.save(tmp_path / "forged.json")
    forged = opened(tmp_path / "forged.json")
    assert differences(forged) == []
    assert re.match("log: its last hash is", differences(forged, seal=seal)[0])


def test_the_log_seals_the_calendar_as_it_stood_after_each_change():
    made = jk500()
    for sentence in ("delay cells 2 by 1 d: x", "omit il2 1: y"):
        made = made.amend(sentence, when=BEFORE)
        assert made.log[-1].calendar == ledger.digest(content(made.calendars, made.provenance))
    assert [e.number for e in made.log] == [0, 1, 2]
    assert [e.reason for e in made.log] == [None, "x", "y"]


# SHA-256 of "abc", FIPS 180-2 appendix B.1, and of JSON in its one spelling, by sha256sum.
def test_the_hash_is_sha_256_of_plain_json():
    import hashlib

    assert hashlib.sha256(b"abc").hexdigest() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert ledger.digest({"b": [1, "药"], "a": None}) == hashlib.sha256('{"a":null,"b":[1,"药"]}'.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("x.json", b"", "NK731"),
        ("x.json", b"[1, 2]", "NK731"),
        ("x.json", b'{"kind": "calendar"', "NK731"),
        ("x.json", b"\xff\xfe{}", "NK731"),
        ("x.json", b"[" * 100_000, "NK731"),
        ("x.json", b'{"kind": "calendar", "provenance": {}, "log": []}', "NK732"),
        ("x.json", b'{"kind": "calendar", "schema_version": NaN}', "NK731"),
        ("x.ics", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "NK731"),
        ("x.ics", b"nonsense", "NK731"),
        ("x.csv", b"a,b\r\n", "NK100"),
        ("x.txt", b"table", "NK730"),
        ("nothing.json", None, "NK100"),
    ],
)
def test_what_is_no_calendar_is_refused(name, data, code, tmp_path):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises((InvalidInput, UsageError, UnreadableInput)) as error:
        opened(tmp_path / name)
    assert error.value.faults[0].code == code


def leaves(tree, path=()):
    if isinstance(tree, dict):
        return [p for k, v in tree.items() for p in leaves(v, (*path, k))]
    if isinstance(tree, list):
        return [p for i, v in enumerate(tree) for p in leaves(v, (*path, i))]
    return [path]


ODD = (None, True, -1, 0, 1e308, 10**400, "", "x", "=1+1", [], {}, [[]], {"a": 1}, "9" * 5000)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_value_in_provenance_or_log_goes_unseen_or_makes_it_fall_over(amended_bytes, data):
    path, whole = amended_bytes
    tree = json.loads(whole)
    *way, last = data.draw(st.sampled_from([p for p in leaves(tree) if p[0] in ("provenance", "log")]))
    value = copy.deepcopy(data.draw(st.sampled_from(ODD)))
    spot = tree
    for key in way:
        spot = spot[key]
    same = spot[last] == value and type(spot[last]) is type(value)
    spot[last] = value
    assert found_in(path, tree) or same
    # Sealed anew it may be another history that is as good, but never a fall.
    resealed(tree["log"])
    found_in(path, tree)


def test_rows_of_a_csv_and_of_the_json_are_those_that_are_left():
    made = ten()
    rows = list(csv.DictReader(io.StringIO(made.render("csv"), newline="")))
    named = [(r["administration"], int(r["dose_number"])) for r in rows]
    assert ("cells", 4) not in named
    assert ("il2", 2) not in named
    (patient,) = json.loads(made.render("json"))["patients"]
    assert [(r["administration"], r["dose_number"]) for r in patient["rows"]] == named
    assert {("cells", 4), ("il2", 2)} <= {(r["administration"], r["dose_number"]) for r in patient["cancelled"]}
    assert "Taken out, not to be given:" in made.render("table")


@given(st.lists(st.sampled_from(CHANGES), max_size=5), st.sampled_from(("json", "ics", "csv")))
@settings(max_examples=12, deadline=None)
def test_whatever_was_amended_verifies(tmp_path_factory, sentences, form):
    path = tmp_path_factory.mktemp("law") / f"x.{form}"
    after(jk500(), sentences).save(path)
    assert differences(opened(path)) == []


def test_everything_that_a_protocol_can_say_verifies(tmp_path):
    made = everything().amend("delay flu2 1 by 2 d: counts", when=BEFORE).amend("omit antibody 2: x", when=BEFORE)
    for form in ("json", "ics", "csv"):
        made.save(tmp_path / f"x.{form}")
        assert differences(opened(tmp_path / f"x.{form}")) == []
