"""The library's front door: a protocol with its choices, and the calendar that it gives a patient."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nksim.errors import Fault, InvalidInput, Misread, UsageError, shorten
from nksim.ledger import Entry, digest, sealed
from nksim.output import calendars, files
from nksim.output.language import language
from nksim.output.provenance import Provenance, provenance
from nksim.output.requests import request
from nksim.patient import Patient
from nksim.protocol.catalog import file_of, load
from nksim.protocol.choice import Choice, choose
from nksim.protocol.choice import change as answer_fact
from nksim.protocol.model import Protocol
from nksim.protocol.times import clock
from nksim.schedule.calendar import Calendar, Row
from nksim.schedule.expansion import expand
from nksim.schedule.siterules import SiteRules
from nksim.schedule.waivers import Waivers, hold, waived, waiver

if TYPE_CHECKING:
    from nksim.escalation import Escalation
    from nksim.run import Run

CALENDAR_FORMATS = ("table", "csv", "json", "ics", "html", "pdf")


def protocol(id_or_path: str) -> Regimen:
    """A protocol of the catalogue by its id, or one of your own by its path.

    >>> p = protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0")
    >>> cal = p.calendar(Patient(weight="20 kg", height="110 cm"), day0="2027-03-01", tz="Asia/Shanghai")
    >>> cal.rows[0].start.date().isoformat(), cal.rows[0].event.amount
    ('2027-02-22', Decimal('1200'))
    """
    return Regimen(load(id_or_path), file=file_of(id_or_path))


@dataclass(frozen=True)
class Regimen:
    """A protocol with the arm, level and answers chosen so far; every change gives a new one."""

    protocol: Protocol
    arm_name: str | None = None
    dose_level: int | None = None
    settings: tuple[tuple[str, str], ...] = ()
    accept_assumed: bool = False
    command: str | None = field(default=None, compare=False)
    waivers: Waivers = ()
    file: str | None = field(default=None, compare=False)

    def waive(self, code: str, reason: str) -> Regimen:
        """The same with a check overruled, e.g. `waive("NK312", "agreed with the sponsor")`; kept in every output.

        Raises `UsageError` NK515 where the code is no check, or one that stops, or the reason is missing.
        """
        return replace(self, waivers=(*self.waivers, waiver(f"{code}={reason}")))

    def assume(self) -> Regimen:
        """The same, with what the file assumes about doses and days accepted."""
        return replace(self, accept_assumed=True)

    def change(self, path: str, value: str) -> Regimen:
        """The same with one fact answered, e.g. `change("cells.days", "0, 7, 14")`; checked at once."""
        answer_fact(self.protocol, path, value)
        return replace(self, settings=(*self.settings, (path, value)))

    def vary(self, *axes: str) -> tuple[Regimen, ...]:
        """Every variant of a grid, e.g. `vary("cells.days=0|0, 7", "cells.dose=5e6 cells/kg|1e7 cells/kg")`."""
        from nksim.variants import axis, grid

        return tuple(
            reduce(lambda r, answer: r.change(*answer), answers, self) for answers in grid([axis(a) for a in axes])
        )

    def arm(self, name: str) -> Regimen:
        """The same in the named arm."""
        return replace(self, arm_name=name)

    def level(self, number: int) -> Regimen:
        """The same at the dose level of that number, counted from 1."""
        return replace(self, dose_level=number)

    def describe(self, lang: str = "en") -> str:
        """Every line of the protocol in words, with the answers given so far; * assumed, ? unknown."""
        from nksim.output.description import in_full

        answered = reduce(lambda p, answer: answer_fact(p, *answer), self.settings, self.protocol)
        return in_full(answered, self.arm_name, language(lang))

    def arms(self) -> tuple[Regimen, ...]:
        """One regimen for each arm; itself where an arm is chosen or there is only one."""
        names = [self.arm_name] if self.arm_name or len(self.protocol.arms) == 1 else list(self.protocol.arms)
        return tuple(replace(self, arm_name=name) for name in names)

    def choice(self) -> Choice:
        """The chosen arm with its answers applied; raises `UsageError` or `InvalidInput` where they do not fit."""
        return choose(self.protocol, arm=self.arm_name, level=self.dose_level, settings=self.settings)

    def calendar(
        self,
        patient: Patient,
        *,
        day0: str | dt.date,
        tz: str,
        cells_at: str = "10:00",
        site: SiteRules | None = None,
        earliest: bool = False,
        issued: str | None = None,
    ) -> PatientCalendars:
        """The dosing calendar of a patient whose first cells fall on `day0` in the IANA zone `tz`.

        `site`, `earliest` and `issued` are those of `calendars`.

        Raises `Unanswered` where doses or days are unknown, or assumed and not accepted (`assume()`).
        """
        return self.calendars([(patient, day0, tz)], cells_at=cells_at, site=site, earliest=earliest, issued=issued)

    def calendars(
        self,
        patients: Sequence[tuple[Patient, str | dt.date, str]],
        *,
        cells_at: str = "10:00",
        site: SiteRules | None = None,
        earliest: bool = False,
        issued: str | None = None,
    ) -> PatientCalendars:
        """One calendar each for patients with their day 0 and zone; `issued` (a time) dates the events of an .ics.

        With `earliest` the day given is where the search for each day 0 begins; patients of one file then follow one
        another by the protocol's `cohorts:`. `site` says what is closed and what therapy went before.
        """
        choice = self.choice().answered(accept_assumed=self.accept_assumed)
        try:
            at = clock(cells_at)
        except Misread as error:
            raise UsageError(error.code, f"cells_at: {error.message}", help=error.help) from None
        placed: list[Calendar] = []
        faults: list[Fault] = []
        rules = site or SiteRules()
        for patient, day0, tz in patients:
            try:
                schedule = expand(choice, patient, anchor_clock=at)
                calendar = rules.place(schedule, placed, day0=day0, tz=tz, earliest=earliest)
                placed.append(replace(calendar, findings=waived(calendar.findings, self.waivers)))
                hold(placed[-1].findings)
            except InvalidInput as error:
                faults += [f if f.place else replace(f, place=patient.place) for f in error.faults]
        if faults:
            raise InvalidInput(dict.fromkeys(faults))
        when = None
        if issued and patients:
            from nksim.schedule.amendment import moment

            when = moment(issued, patients[0][2]).isoformat()
        asked = request(self, patients, cells_at=cells_at, rules=rules, earliest=earliest, issued=when)
        source = provenance(choice, command=self.command, waivers=self.waivers, request=asked)
        log = sealed((), calendar=digest(calendars.content(placed, source)), change="issued", when=when)
        return PatientCalendars(tuple(placed), source, rules, log)

    def simulate(self, *, n: int = 200, seed: int = 1, **options: object) -> Run:
        """Modelled persistence in `n` virtual patients; see `nksim.run.simulate` for the options.

        `settings` say how it is computed, `bodies` what is the same in all patients:

        >>> import nksim
        >>> run = protocol("nkaml").simulate(n=5, settings=nksim.Settings(days=14), bodies=nksim.Bodies(age="8 y"))
        >>> float(run.simulation.times_d[-1]), set(run.simulation.population.age_y.tolist())
        (14.0, {8.0})
        """
        from nksim.run import simulate

        return simulate(self, n=n, seed=seed, **options)  # type: ignore[arg-type]

    def escalate(self, *designs: str, **options: Any) -> Escalation:
        """The protocol's dose escalation by these designs: decision tables, what they find, what it costs, how long.

        `options` are those of `nksim escalate` under their long names (`nksim.trial.asked.Asked`), with the same
        defaults: `target=0.30, truth=[0.05, 0.15, 0.30], n=20_000, seed=1, exact=True, accrual=2, window="28d"`.
        The level chosen with `level()` plays no part: an escalation has them all. Everything is worked out when it is
        first asked for; raises `UsageError` NK80x to NK82x for what cannot be.

        >>> found = protocol("nkg2d-carnk").escalate("3+3", "boin", target=0.30, truth=[0.05, 0.15, 0.30], exact=True)
        >>> {level: round(p, 4) for level, p in found.selection["3+3"].items()}
        {'none': 0.0266, '1': 0.1813, '2': 0.4006, '3': 0.3915}
        >>> found.studies[0].results[1].characteristics.all_patients.value.__round__(3)
        29.995
        """
        from nksim.escalation import Escalation
        from nksim.trial.asked import Asked

        several = {}
        for name in {"closed", "levels"} & options.keys():
            several[name] = (options[name],) if isinstance(options[name], str) else tuple(options[name])
        return Escalation(self.protocol, Asked(designs, **{**options, **several}), arm=self.arm_name,
                          settings=self.settings, command=self.command)  # fmt: skip


@dataclass(frozen=True)
class PatientCalendars:
    """The calendars of one or more patients; print it for the table, save it in any format, or amend it."""

    calendars: tuple[Calendar, ...]
    provenance: Provenance
    rules: SiteRules = field(default_factory=SiteRules)
    log: tuple[Entry, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row of every calendar, in order."""
        return tuple(row for c in self.calendars for row in c.rows)

    def amend(
        self,
        sentence: str,
        *,
        when: str,
        who: str | None = None,
        id: str | None = None,
        past: bool = False,
        deviation: bool = False,
    ) -> PatientCalendars:
        """The calendars after one change, `delay cells 2 by 3 d: fever`, decided at `when`, with one more log entry.

        `id` names the patient where there are several. Raises what `nksim.schedule.amendment.change` and
        `nksim.schedule.revision.amended` raise, `UsageError` NK527 (which patient), or `InvalidInput` NK528 where
        `when` lies before the last entry of the log.

        >>> p = protocol("jk500").change("cells.dose", "1e7 cells/kg").change("cells.days", "0, 7")
        >>> cal = p.calendar(Patient(weight="20 kg", height="110 cm"), day0="2027-03-01", tz="Asia/Shanghai")
        >>> print(*cal.amend("delay cells 2 by 3 d: fever", when="2027-03-05T09:00").log[1].effects, sep="\\n")
        il2 2: start 2027-03-08 09:15 -> 2027-03-11 09:15, day 7 -> 10
        cells 2: start 2027-03-08 10:00 -> 2027-03-11 10:00, day 7 -> 10
        dlt 2: start 2027-03-08 10:00 -> 2027-03-11 10:00, end 2027-04-05 10:00 -> 2027-04-08 10:00, day 7 -> 10
        """
        from nksim.output.revisions import effects
        from nksim.schedule.amendment import Amendment, change, moment, one_line
        from nksim.schedule.revision import amended

        ids = [c.schedule.patient.id for c in self.calendars]
        if id not in (ids if id is not None or len(ids) > 1 else [None]):
            raise UsageError("NK527", f"{'no patient ' + shorten(id) if id else 'which patient?'}", help=", ".join(ids))
        old = self.calendars[ids.index(id) if id else 0]
        amendment = Amendment(
            len(self.log),
            moment(when, old.tz),
            change(sentence),
            one_line(who, "who") if who else None,
            past,
            deviation,
        )
        last = self.log[-1].when if self.log else None
        if last and amendment.when < dt.datetime.fromisoformat(last):
            raise InvalidInput(
                "NK528", f"{when} is before {last}, when the last change was decided", help="the log grows forward"
            )
        new = amended(old, amendment, self.rules, self.provenance.waivers)
        hold(new.findings)
        every = tuple(new if c is old else c for c in self.calendars)
        log = sealed(
            self.log,
            calendar=digest(calendars.content(every, self.provenance)),
            change=str(amendment.change),
            when=amendment.when.isoformat(),
            who=amendment.who,
            patient=old.schedule.patient.id,
            reason=amendment.change.reason,
            past=past,
            deviation=deviation,
            effects=effects(old, new),
        )
        return replace(self, calendars=every, log=log)

    def render(self, form: str, *, lang: str = "en") -> str | bytes:
        """The calendars as `table`, `csv`, `json`, `ics`, or as a sheet to print, `html` or `pdf`.

        `lang` is the language for a person's eye, `en` or `zh`; CSV and JSON are the same in each.
        """
        spoken = language(lang)
        if form == "csv":
            return calendars.as_csv(self.calendars)
        if form == "json":
            return calendars.as_json(self.calendars, self.provenance, self.log)
        if form == "ics":
            from nksim.output.ics import as_ics

            return as_ics(self.calendars, self.provenance, spoken, self.log)
        if form == "html":
            from nksim.output.sheet_html import as_html

            return as_html(self.calendars, self.provenance, spoken, self.log)
        if form == "pdf":
            try:
                from nksim.output.sheet_pdf import as_pdf
            except ModuleNotFoundError:
                raise UsageError("NK711", "a PDF sheet needs reportlab", help="pip install 'nksim[sheets]'") from None
            return as_pdf(self.calendars, self.provenance, spoken, self.log)
        if form == "table":
            return calendars.as_table(self.calendars, self.provenance, spoken, self.log)
        raise UsageError("NK703", f"no calendar format {shorten(form)}", help=f"one of {', '.join(CALENDAR_FORMATS)}")

    def save(self, path: str | Path, *, force: bool = False, lang: str = "en") -> None:
        """Writes the file in the format of its suffix: .txt, .csv, .json, .ics, .html or .pdf."""
        target = Path(path)
        form = {"txt": "table"}.get(target.suffix[1:], target.suffix[1:])
        files.check_free(target, force=force)
        content = self.render(form, lang=lang)
        if form == "csv":
            source = {**self.provenance.as_dict(), "log": [e.as_dict() for e in self.log]}
            files.write_csv(target, str(content), source)
        else:
            files.write(target, content)

    def __repr__(self) -> str:
        return f"<{len(self.calendars)} calendar{'s' if len(self.calendars) != 1 else ''}, {len(self.rows):,} rows>"

    def _repr_html_(self) -> str:
        return calendars.as_fragment(self.calendars, self.provenance)

    def __str__(self) -> str:
        return calendars.as_table(self.calendars, self.provenance, log=self.log)
