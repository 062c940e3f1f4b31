"""What a view shows, worked out by the library and handed over as plain text: this runs in a worker process."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nksim import Patient, SiteRules
from nksim.errors import Fault, NksimError, UsageError, shorten
from nksim.output.calendars import assumptions, counted_from, record, times_of, until
from nksim.output.language import Language, language
from nksim.output.text import dose_text, in_words, signed
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import change, facts_of
from nksim.protocol.facts import Fact
from nksim.protocol.model import Protocol
from nksim.protocol.reading import parse_protocol
from nksim.regimen import CALENDAR_FORMATS, PatientCalendars, Regimen
from nksim.schedule.calendar import Calendar, Row
from nksim.web.asked import STEPS_A_DAY, UPLOADED, Asked, RegimenAsked, refuse

LARGEST_UPLOAD = 1_000_000
UPLOAD_NAME = "protocol.yaml"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Entry:
    """A protocol of the catalogue in one line."""

    id: str
    title: str
    registration: str
    arms: int
    unknown: int
    assumed: int
    reading: str


@dataclass(frozen=True)
class FactShown:
    """A fact with its standing; `needed` says that no calendar can be made without it, `fault` why an answer fails."""

    path: str
    basis: str
    value: str
    question: str
    printed: str
    answer: str
    needed: bool
    fault: str


@dataclass(frozen=True)
class Plan:
    """A protocol as a form: its arms, levels and facts with the answers given."""

    protocol: str
    id: str
    title: str
    registration: str
    reading: str
    arms: tuple[tuple[str, str], ...]
    arm: str
    levels: tuple[tuple[int, str], ...]
    level: int | None
    counted_from: str
    facts: tuple[FactShown, ...]


@dataclass(frozen=True)
class DoseShown:
    """A dose row of the calendar, every number as the command line writes it."""

    day: str
    weekday: str
    date: str
    time: str
    line: str
    product: str
    number: str
    dose: str
    route: str
    calculation: str
    basis: str
    assumed: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AssessmentShown:
    """An assessment row of the calendar."""

    day: str
    weekday: str
    date: str
    line: str
    what: str
    number: str
    until: str
    basis: str


@dataclass(frozen=True)
class CalendarShown:
    """A calendar with what was checked, what it assumes and what stays open."""

    doses: tuple[DoseShown, ...]
    assessments: tuple[AssessmentShown, ...]
    findings: tuple[tuple[str, str], ...]
    assumed: tuple[tuple[str, str, str], ...]
    set: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]
    provenance: str
    counted_from: str


@dataclass(frozen=True)
class Overview:
    """The forms of the regimens, and the first one's calendar or the faults that stand in its way."""

    plans: tuple[Plan, ...]
    calendar: CalendarShown | None
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Curves:
    """Curves and numbers of one regimen, or of several side by side."""

    svg: str
    title: str
    outputs: tuple[tuple[str, str], ...]
    output: str
    who: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int
    explained: tuple[str, ...]
    assumed: tuple[str, ...]
    findings: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    provenance: str


def entries() -> tuple[Entry, ...]:
    """The catalogue."""
    found = []
    for p in map(load, catalog()):
        facts = {(path, f.chosen.basis) for arm in p.arms for path, f in facts_of(p, arm)}
        unknown, assumed = (sum(basis == wanted for _, basis in facts) for wanted in ("unknown", "assumed"))
        found.append(Entry(p.id, p.title, p.registration, len(p.arms), unknown, assumed, p.reading))
    return tuple(found)


def check(data: bytes) -> str:
    """The name under which an upload is kept; raises what reading the file finds."""
    parse_protocol(data, UPLOAD_NAME)
    return f"upload-{hashlib.sha256(data).hexdigest()}"


def overview(asked: Asked) -> Overview:
    """Forms and calendar of a view."""
    lang = language(asked.lang)
    plans = tuple(_plan(r, _protocol(r.protocol, asked), lang) for r in asked.regimens)
    faults = list(_missing(asked))
    if not faults:
        try:
            made = _calendars(asked, "P001")
            return Overview(plans, _shown(made.calendars[0], made, lang), ())
        except NksimError as error:
            faults = list(error.faults)
    return Overview(plans, None, tuple(faults))


def _missing(asked: Asked) -> Iterator[Fault]:
    """What must be answered or filled in before there can be a calendar, all at once."""
    try:
        _regimen(asked.regimens[0], asked).choice().answered(accept_assumed=asked.assume)
    except NksimError as error:
        yield from error.faults
    missing = [words for words, value in (("day 0", asked.day0), ("the time zone", asked.tz)) if not value]
    if missing:
        yield Fault("NK753", f"a calendar needs {' and '.join(missing)}", help="fill them in, under Dates")


def _protocol(name: str, asked: Asked) -> Protocol:
    """A protocol of the catalogue or an upload; never a path, whatever the name looks like."""
    if UPLOADED.fullmatch(name):
        data = dict(asked.files).get(name)
        if data is None:
            raise UsageError("NK755", "this upload is no longer kept", help="upload the file again")
        return parse_protocol(data, UPLOAD_NAME)
    if name not in catalog():
        raise UsageError("NK503", f"no protocol {shorten(name)} in the catalogue", help="choose one from the list")
    return load(name)


def _regimen(r: RegimenAsked, asked: Asked, command: str | None = None) -> Regimen:
    protocol = _protocol(r.protocol, asked)
    # As the command line says it: an arm is named where there are several.
    arm = r.arm or (next(iter(protocol.arms)) if len(protocol.arms) > 1 else None)
    return Regimen(protocol, arm, r.level, r.answers, asked.assume, command)


def _plan(r: RegimenAsked, protocol: Protocol, lang: Language) -> Plan:
    arm = r.arm or next(iter(protocol.arms))
    if arm not in protocol.arms:
        raise UsageError("NK504", f"{protocol.id} has no arm {shorten(arm)}", help=f"one of {', '.join(protocol.arms)}")
    answered, faults = protocol, dict[str, str]()
    for path, value in r.answers:
        try:
            answered = change(answered, path, value)
        except NksimError as error:
            faults[path] = "; ".join(f"{f.message} ({f.help})" if f.help else f.message for f in error.faults)
    given = dict(r.answers)
    lines = {line.id for line in protocol.arms[arm].lines}
    facts = [
        _fact(path, f, given.get(path, ""), faults.get(path, ""), lines, lang) for path, f in facts_of(protocol, arm)
    ]
    known = {f.path for f in facts}
    # An answer may time a line in another way than the file does; it has its own row.
    facts += [
        FactShown(path, "stated", "", "", "", value, False, faults.get(path, ""))
        for path, value in r.answers
        if path not in known
    ]
    held = answered.escalation.levels.value if answered.escalation else None
    levels = tuple((i, f"{i}: {dose}") for i, dose in enumerate(held or (), 1))
    arms = tuple((name, lang.quote(a.title) or name) for name, a in protocol.arms.items())
    return Plan(
        r.protocol, protocol.id, lang.quote(protocol.title), protocol.registration, protocol.reading, arms, arm, levels,
        r.level, _counted_from(protocol, arm, lang), tuple(facts),
    )  # fmt: skip


def _counted_from(protocol: Protocol, arm: str, lang: Language) -> str:
    """What the date that is asked for is: day 0 or day 1, and of which product or visit."""
    anchor = protocol.numbering.anchor.value
    assert anchor is not None
    visits = [a.what for a in protocol.arms[arm].assess if a.id == anchor.line]
    lines = [x.product for x in protocol.arms[arm].lines if x.id == anchor.line]
    what = lang.quote(visits[0]) if visits else lang.product(lines[0], protocol) if lines else anchor.line
    return f"{lang.say('Day 0') if protocol.numbering.zero.value else lang.say('Day 1')}: {what}"


def _fact(path: str, fact: Fact[Any], answer: str, fault: str, lines: set[str], lang: Language) -> FactShown:
    chosen = fact.chosen
    head, field = path.split(".", 1)
    needed = chosen.basis == "unknown" and head in lines and field in ("dose", "days", "before", "after")
    text = fact.text if fact.use is None else f"{chosen.text} (of {fact.text})"
    return FactShown(
        path, chosen.basis, in_words(text), in_words(lang.quote(chosen.ask or chosen.why)), fact.printed or "", answer,
        needed, fault,
    )  # fmt: skip


def _calendars(asked: Asked, patient_id: str) -> PatientCalendars:
    chosen = _regimen(asked.regimens[0], asked, asked.commands()["calendar"])
    who = Patient(id=patient_id, **asked.body)  # type: ignore[arg-type]
    site = SiteRules(("weekends",) if asked.weekends else ())
    return chosen.calendar(who, day0=asked.day0 or "", tz=asked.tz or "", cells_at=asked.cells_at, site=site)


def _shown(calendar: Calendar, made: PatientCalendars, lang: Language) -> CalendarShown:
    schedule = calendar.schedule
    asks = [*schedule.unplaced, *dict.fromkeys(n for r in calendar.rows for n in r.notes if " is unknown: " in n)]
    asked_for = [f"{q.about}: {lang.quote(q.ask)}" for q in schedule.choice.protocol.questions]
    return CalendarShown(
        doses=tuple(_dose(calendar, row, lang) for row in calendar.rows if row.event.dose),
        assessments=tuple(_assessment(calendar, row, lang) for row in calendar.rows if not row.event.dose),
        findings=tuple((f.code, in_words(lang.say(f.message))) for f in calendar.findings),
        assumed=tuple((path, in_words(f.chosen.text), lang.quote(f.chosen.why)) for path, f in assumptions(calendar)),
        set=tuple((path, f.chosen.text) for path, f in schedule.choice.facts() if f.chosen.setting),
        questions=tuple(map(in_words, [*map(lang.say, asks), *asked_for])),
        counted_from=counted_from(calendar, lang),
        provenance=" · ".join(filter(None, [made.provenance.line(), lang.caution])),
    )


def _dose(calendar: Calendar, row: Row, lang: Language) -> DoseShown:
    told, dose = record(calendar, row), row.event.dose
    assert dose is not None
    doubtful = [n for n, f in row.event.facts if n in ("dose", "days", "timing") and f.chosen.basis == "assumed"]
    return DoseShown(
        day=signed(row.protocol_day),
        weekday=str(told["weekday"]),
        date=str(told["date"]),
        time=times_of(row, lang),
        line=row.event.line,
        product=lang.product(row.event.what, calendar.schedule.choice.protocol),
        number=f"{told['dose_number']}/{told['dose_count']}",
        dose=dose_text(dose.amount, dose.unit),
        route=row.event.route or "",
        calculation=in_words(f"{lang.say(dose.calculation)} = {dose_text(dose.amount, dose.unit)}"),
        basis=row.event.basis,
        assumed=tuple(doubtful),
        notes=tuple(in_words(lang.say(n)) for n in row.notes),
    )


def _assessment(calendar: Calendar, row: Row, lang: Language) -> AssessmentShown:
    told, event = record(calendar, row), row.event
    return AssessmentShown(
        day=signed(row.protocol_day),
        weekday=str(told["weekday"]),
        date=str(told["date"]),
        line=event.line,
        what=lang.say(event.what),
        number=f"{told['dose_number']}/{told['dose_count']}",
        until=until(row, lang),
        basis=event.basis,
    )


def _run(asked: Asked, progress: Progress | None) -> Any:
    """The simulation of one regimen, or the comparison of several; the same calls as the command line's."""
    from nksim.run import Bodies, compare, simulate
    from nksim.settings import Settings

    command = asked.commands().get("simulate")
    chosen = [_regimen(r, asked, command) for r in asked.regimens]
    how: dict[str, Any] = {
        "n": asked.n,
        "seed": asked.seed,
        "bodies": Bodies(**asked.fixed),
        "settings": Settings(float(asked.days), 1 / STEPS_A_DAY),
        "workers": 1,
        "progress": progress,
    }
    return simulate(chosen[0], **how) if len(chosen) == 1 else compare(*chosen, **how)


def curves(asked: Asked, progress: Progress | None = None) -> Curves:
    """Curves and numbers of a view; raises `UsageError` NK710 for an output that cannot be drawn."""
    from nksim.output import charts
    from nksim.output.charts.style import letters
    from nksim.output.comparisons import COMPARED_COLUMNS, NEEDED, compared_rows, explained
    from nksim.output.simulations import METRIC_COLUMNS, metric_rows, reading, who

    made = _run(asked, progress)
    several = len(asked.regimens) > 1
    done = list(made.comparison.simulations) if several else [made.simulation]
    possible = [name for name in charts.TITLES if all(name in s.output_names for s in done)]
    if asked.output and asked.output not in charts.TITLES:
        raise refuse(f"no chart of {shorten(asked.output)}", f"one of {', '.join(charts.TITLES)}")
    output = asked.output if asked.output in possible else possible[0]
    names = letters(len(done))
    rows = list(compared_rows(made.comparison, names)) if several else list(metric_rows(made.metrics()))
    more = (explained(done[0].label), NEEDED) if several else ()
    return Curves(
        svg=charts.rendered(made.chart(output), "svg").decode(),
        title=charts.TITLES[output],
        outputs=tuple((name, charts.TITLES[name]) for name in possible),
        output=output,
        who=tuple(f"{f'{name}: ' if several else ''}{who(s)}" for name, s in zip(names, done, strict=True)),
        header=COMPARED_COLUMNS if several else METRIC_COLUMNS,
        rows=tuple(rows),
        text_columns=2 if several else 1,
        explained=(*more, reading(done).replace("\n", " ")),
        assumed=tuple(dict.fromkeys(text for s in done for text in s.assumptions)),
        findings=tuple(dict.fromkeys((f.code, in_words(f.message)) for s in done for f in s.findings)),
        warnings=tuple(_warnings(done, asked)),
        provenance=made.provenance.line(),
    )


def _warnings(done: Sequence[Any], asked: Asked) -> Iterator[str]:
    """What the command line says beside its tables."""
    if done[0].engine != "native":
        yield "the native engine was not built; a slower one did the work"
    for s in done:
        found = [p for p, _ in s.choice.assumed() if p.split(".")[1] in ("dose", "days", "before", "after")]
        if found and not asked.assume:
            yield f"{s.choice.name}: doses or days are assumed by the file: {', '.join(found)}"


def downloads() -> dict[str, str]:
    """Every file that can be downloaded by its name, with its media type."""
    types = {
        "ics": "text/calendar; charset=utf-8",
        "csv": "text/csv; charset=utf-8",
        "json": "application/json",
        "html": "text/html; charset=utf-8",
        "pdf": "application/pdf",
        "svg": "image/svg+xml",
        "txt": "text/plain; charset=utf-8",
    }
    placed = [("txt" if form == "table" else form) for form in CALENDAR_FORMATS]
    names = [*(f"calendar.{form}" for form in placed), "summary.csv", "metrics.json", "metrics.txt"]
    names += ["curve.svg", "report.html", "report.pdf"]
    return {name: types[name.partition(".")[2]] for name in names}


def download(name: str, asked: Asked, patient_id: str = "P001", progress: Progress | None = None) -> bytes:
    """The bytes of one file, those that the command line writes."""
    kind, _, form = name.partition(".")
    if kind == "calendar":
        text = _calendars(asked, patient_id).render("table" if form == "txt" else form, lang=asked.lang)
        return text if isinstance(text, bytes) else text.encode()
    if name == "curve.svg":
        return curves(asked, progress).svg.encode()
    made = _run(asked, progress)
    if name == "summary.csv":
        return str(made.summary_csv()).encode()
    if name == "metrics.json":
        return str(made.json()).encode()
    if name == "metrics.txt":
        return str(made).encode()
    with tempfile.TemporaryDirectory(prefix="nksim-") as folder:
        target = Path(folder) / f"file.{form}"
        made.save(target)
        return target.read_bytes()


def warm() -> None:
    """Loads what the first view would otherwise wait for."""
    curves(Asked((RegimenAsked("nkaml"),), n=2, days=2))
