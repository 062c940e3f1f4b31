"""Calendars that the tests of changes begin with, and short ways to ask what is on them."""

import contextlib
from pathlib import Path

import nksim
from nksim.errors import InvalidInput

EVERYTHING = Path(__file__).parent / "everything" / "everything.yaml"
BEFORE = "2026-01-01T00:00"


def jk500(days="0, 7, 14", day0="2027-03-01", **options):
    """A child of 20 kg and 110 cm; day 0 is a Monday."""
    regimen = nksim.protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", days)
    child = nksim.Patient(weight="20 kg", height="110 cm", age="6 y", sex="F")
    return regimen.calendar(child, day0=day0, tz=options.pop("tz", "Asia/Shanghai"), **options)


def nkaml(day0="2027-03-03", tz="America/New_York"):
    child = nksim.Patient(weight="25 kg", height="128 cm", age="8 y")
    return nksim.protocol("nkaml").assume().calendar(child, day0=day0, tz=tz)


def ink_aml(day0="2026-03-02"):
    adult = nksim.Patient(weight="70 kg", height="170 cm", age="50 y")
    return nksim.protocol("ink-aml").assume().calendar(adult, day0=day0, tz="Asia/Shanghai")


def umn(day0="2027-03-01"):
    adult = nksim.Patient(weight="70 kg", height="170 cm", age="50 y")
    return nksim.protocol("umn-haplo-nk").arm("cohort1").assume().calendar(adult, day0=day0, tz="America/Chicago")


def everything(day0="2027-03-01"):
    adult = nksim.Patient(weight="60 kg", height="170 cm", age="50 y", sex="F", creatinine="70 umol/L")
    made = nksim.protocol(str(EVERYTHING)).assume().level(1)
    return made.calendar(adult, day0=day0, tz="Europe/Berlin")


def starts(made, line):
    """Local starts of a line's rows, by number, to the minute and with the offset."""
    rows = [r for r in made.rows if r.event.line == line]
    return {r.event.occasion.number: r.start.isoformat(timespec="minutes") for r in rows}


def dates(made, line):
    return {n: text[5:10] for n, text in starts(made, line).items()}


def amounts(made, line):
    return [r.event.amount for r in made.rows if r.event.line == line]


def cancelled(made):
    return [(r.event.line, r.event.occasion.number) for r in made.calendars[0].cancelled]


def codes(made):
    return [f.code for f in made.calendars[0].findings]


CHANGES = (
    "delay cells 2 by 1 d: a",
    "delay cells 3 by 36 h: b",
    "omit il2 1: c",
    "omit cells 3: d",
    "reduce flu 2 by 25 %: e",
    "reduce flu 2..3 by 10 %: f",
    "reduce cells 2 to 50 %: g",
    "cease il2 from 3: h",
    "delay cy by 1 d: i",
    "delay il2 2 by 10 min: j",
)


def after(made, sentences):
    for sentence in sentences:
        # What a change before has taken out, or made too late for this one, is refused.
        with contextlib.suppress(InvalidInput):
            made = made.amend(sentence, when=BEFORE)
    return made
