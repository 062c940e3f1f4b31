"""Dose escalations: what a user asks, answered from a protocol, as tables, charts, files and a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nksim.errors import InvalidInput, Place, Unanswered, UsageError, shorten
from nksim.output import decision_tables, escalation, files
from nksim.output.provenance import Provenance
from nksim.population import virtual_population
from nksim.protocol.choice import change
from nksim.schedule.calendar import Calendar
from nksim.settings import Settings
from nksim.simulation import OLDEST_DRAWN_Y
from nksim.trial.asked import Asked
from nksim.trial.designs import AnyDesign, Numbers, design
from nksim.trial.exposure import Exposures, Link, exposures
from nksim.trial.pace import Pace
from nksim.trial.pacing import first, opening, pace_of, site_for
from nksim.trial.plan import Plan, cell_days, needed, plan_of, read_numbers
from nksim.trial.sample import calendars
from nksim.trial.study import Run, Study, study

if TYPE_CHECKING:
    from nksim.output.pages import Page
    from nksim.protocol.model import Protocol

TABLE_SIZE = 18
SAVED_AS = ("txt", "csv", "json", "svg", "png", "ics", "html", "pdf")
CHARTS = ("characteristics", "tables", "length", "gantt")


class Escalation:
    """One question about a dose escalation; everything is worked out when it is first needed.

    `str()` gives the tables, `studies` the results, `chart()` a picture, `save()` a file.
    """

    def __init__(
        self, protocol: Protocol, asked: Asked, *, arm: str | None = None,
        settings: Sequence[tuple[str, str]] = (), command: str | None = None,
    ) -> None:  # fmt: skip
        self.protocol, self.asked, self.arm = protocol, asked, arm
        self.settings, self.command = tuple(settings), command
        if len(asked.levels) > 1 and not asked.risk_of:
            raise UsageError(
                "NK814", "several sets of levels need --risk-of", help="a truth belongs to one set of levels"
            )
        for path, text in self.settings:
            change(protocol, path, text)
        for text in asked.levels:
            _check_levels(protocol, text)
        levels = asked.levels or ("",)
        self.sets = [[*self.settings, *([("escalation.levels", text)] if text else [])] for text in levels]
        self.plans = [plan_of(protocol, arm=arm, answers=answers) for answers in self.sets]
        asked.check(self.design_names)

    @property
    def plan(self) -> Plan:
        """The plan with the first set of levels."""
        return self.plans[0]

    @property
    def design_names(self) -> tuple[str, ...]:
        """Every design that is asked for, once, or the protocol's."""
        return tuple(dict.fromkeys(self.asked.designs or [needed(self.plan.design, "the design", "--design boin")]))

    @property
    def has_truth(self) -> bool:
        """Whether anything can be simulated."""
        return self.asked.truth is not None or self.asked.risk_of is not None

    def check(self, paths: Sequence[Path], chart: str | None = None) -> None:
        """Raises `UsageError` for outputs that the call cannot give, before any work."""
        suffixes = {path.suffix for path in paths}
        dated = ".ics" in suffixes or (chart == "gantt" and suffixes & {".svg", ".png"})
        if dated and (not self.has_truth or self.asked.opens is None or self.asked.accrual is None):
            raise UsageError("NK814", "a trial on dates needs a truth, its pace and its first day",
                             help="add --truth, --accrual 2, --window 28d and --opens 2027-03-01")  # fmt: skip
        if ".ics" in suffixes:
            needed(self.asked.tz, "the site's time zone", "--tz Asia/Shanghai")
            needed(self.plan.doses, "the doses of the levels", '--levels "[2e6, 6e6] cells/kg"')
        if (".ics" in suffixes or self.asked.risk_of) and self.plan.doses and not self.plan.by_level:
            raise UsageError("NK814", f"no line of {self.protocol.id} is dosed by level", help="--set cells.dose=level")
        if chart == "length" and self.asked.accrual is None:
            raise UsageError("NK814", "the length of a trial needs its pace", help="add --accrual 2 and --window 28d")

    @cached_property
    def truths(self) -> list[tuple[float, ...]]:
        """The truth of every set of levels: the user's, or what the link makes of the simulated exposure."""
        if self.asked.truth is not None and self.asked.risk_of is not None:
            raise UsageError(
                "NK820", "--truth and --risk-of both say how toxic a level is", help="leave one of them out"
            )
        if self.asked.truth is not None:
            return [_numbers(self.asked.truth, "--truth", "--truth 0.05,0.15,0.30")]
        return [found.truth for found in self.exposures if found]

    @cached_property
    def exposures(self) -> list[Exposures | None]:
        """Simulated exposures of every set of levels, where the user lets toxicity follow them."""
        asked = self.asked
        if not asked.risk_of:
            return [None]
        points = needed(asked.risk_at, "how P(DLT) follows the exposure", '--risk-at "0.5=5 %, 5=50 %"')
        link = Link.read(asked.risk_of, points)
        ages = self.protocol.population.age
        people = virtual_population(asked.virtual, seed=asked.seed, age_range_y=(ages[0], min(ages[1], OLDEST_DRAWN_Y)))
        found: list[Exposures | None] = []
        for plan, answers in zip(self.plans, self.sets, strict=True):
            doses = needed(plan.doses, "the doses of the levels", '--levels "[2e6, 6e6] cells/kg"')
            found.append(exposures(self.protocol, link, people, arm=self.arm, answers=answers, levels=doses,
                                   seed=asked.seed, settings=Settings()))  # fmt: skip
        return found

    @cached_property
    def numbers(self) -> Numbers:
        """The numbers of the trial: the option's, else the protocol's, else what the notes say."""
        plan, asked = self.plan, self.asked
        levels = len(plan.doses) if plan.doses else len(self.truths[0]) if self.has_truth else None
        return Numbers(
            needed(levels, "the number of levels", "--truth with one number for each, or --levels"),
            self.target,
            first(asked.start, plan.start, 1),
            first(asked.cohort, plan.cohort, 3),
            needed(first(asked.patients, plan.patients), "the number of patients", "--patients 30"),
            first(asked.early_stop, plan.enough), asked.extra_safe, asked.titrate, asked.bounded,
            _skeleton(asked))  # fmt: skip

    @property
    def target(self) -> float | None:
        """The target toxicity: the option's, else the protocol's."""
        found: float | None = first(self.asked.target, self.plan.target)
        return found

    @cached_property
    def designs(self) -> list[AnyDesign]:
        """Every design that is asked for."""
        return [design(name, self.numbers) for name in self.design_names]

    @cached_property
    def pace(self) -> Pace | None:
        """How fast the trial goes, where the user says how fast patients come."""
        return None if self.asked.accrual is None else pace_of(self.asked, self.plan)

    @cached_property
    def studies(self) -> list[Study]:
        """One study for each set of levels; none without a truth."""
        if not self.has_truth:
            return []
        asked = self.asked
        run = Run(asked.n, asked.seed, asked.workers, asked.exact, self.pace, opening(asked), asked.sample,
                  self._cell_days())  # fmt: skip
        return [
            study(self.designs, truth, self.target, run, plan.doses, exposure)
            for plan, truth, exposure in zip(self.plans, self.truths, self.exposures * len(self.truths), strict=False)
        ]

    def _cell_days(self) -> tuple[int, ...]:
        """Days of the cells from the first of them; empty where the file leaves them open."""
        try:
            return cell_days(self.protocol, arm=self.arm, answers=self.sets[0])
        except Unanswered:
            return ()

    @property
    def selection(self) -> dict[str, dict[str, float]]:
        """How often each design chooses each level of the first set of doses; `none` where it names no MTD."""
        results = self.studies[0].results if self.studies else ()
        return {r.design.name: escalation.by_level(r.characteristics) for r in results}

    @property
    def provenance(self) -> Provenance:
        """The protocol, the answers, the seed, and the kinetic model where exposure is simulated."""
        seen = self.exposures[0] if self.has_truth else None
        settings = tuple(f"{k}={v}" for k, v in self.settings)
        return Provenance(((self.protocol.id, self.protocol.sha256),), settings, seen.model if seen else None,
                          self.asked.seed if self.has_truth else None, self.command)  # fmt: skip

    @property
    def notes(self) -> list[str]:
        """What the numbers rest on."""
        return list(_notes(self))

    def text(self, table_size: int | None = None) -> str:
        """Decision tables (to `table_size` patients; without a truth to 18) and results for the terminal."""
        size = first(table_size, None if self.has_truth else TABLE_SIZE)
        tables = decision_tables.as_text(self.designs, _table_size(size)) if size is not None else ""
        if not self.has_truth:
            return f"{tables}\nOperating characteristics need a truth: add --truth with a probability for each level.\n"
        head = f"{self.protocol.title} ({self.protocol.registration})"
        body = escalation.as_text(head, self.studies, self.notes, self.provenance)
        return f"{tables}\n{body}" if tables else body

    def __str__(self) -> str:
        return self.text()

    def json(self, table_size: int | None = None) -> str:
        """The same as JSON."""
        size = _table_size(first(table_size, TABLE_SIZE))
        return escalation.as_json(self.studies, self.designs, size, self.notes, self.provenance)

    def report(self, table_size: int | None = None) -> Page:
        """The report's contents, for `nksim.output.report.as_html` and `report_pdf.as_pdf`."""
        from nksim.output.escalation_report import report

        return report(
            self.protocol,
            self.studies,
            self.designs,
            _table_size(first(table_size, TABLE_SIZE)),
            self.notes,
            self.provenance,
        )

    def save(
        self, to: str | Path, *, chart: str | None = None, table_size: int | None = None, force: bool = False
    ) -> None:
        """Writes .txt, .csv, .json, .svg or .png (`chart`), .ics (the sample trial), .html or .pdf (the report).

        Raises `UsageError` NK701, NK703 or NK814 where that cannot be.
        """
        path = Path(to)
        form = path.suffix[1:]
        if form not in SAVED_AS:
            raise UsageError(
                "NK703", f"no format for {shorten(path.name)}", help=f"a name ending in .{', .'.join(SAVED_AS)}"
            )
        self.check([path], chart)
        files.check_free(path, force=force)
        if form == "csv":
            size = _table_size(first(table_size, TABLE_SIZE))
            text = escalation.as_csv(self.studies) if self.has_truth else escalation.tables_csv(self.designs, size)
            files.write_csv(path, text, self.provenance.as_dict())
        elif form in ("svg", "png"):
            from nksim.output.charts import rendered

            files.write(path, rendered(self.chart(chart, table_size), form))
        elif form == "html":
            from nksim.output.report import as_html

            files.write(path, as_html(self.report(table_size)))
        elif form == "pdf":
            from nksim.output.report_pdf import as_pdf

            files.write(path, as_pdf(self.report(table_size)))
        elif form == "ics":
            from nksim.output.ics import as_ics

            files.write(path, as_ics(self.calendars(), self.provenance))
        else:
            files.write(path, self.json(table_size) if form == "json" else self.text(table_size))

    def chart(self, what: str | None = None, table_size: int | None = None) -> Any:
        """`characteristics`, `tables`, `length` or `gantt`; without a truth the tables. Needs `nksim[charts]`."""
        from nksim.output import escalation_charts as charts

        what = what or ("characteristics" if self.has_truth else "tables")
        if what not in CHARTS:
            raise UsageError("NK703", f"no chart {shorten(what)}", help=f"one of {', '.join(CHARTS)}")
        if what == "tables" or not self.has_truth:
            return charts.decisions(self.designs, _table_size(first(table_size, TABLE_SIZE)), self.provenance)
        one = self.studies[0]
        self.check([Path("chart.svg")], what)
        if what == "gantt":
            return charts.gantt(one, one.results[0], self.provenance)
        return charts.lengths(one, self.provenance) if what == "length" else charts.characteristics(
            self.studies, self.provenance)  # fmt: skip

    def calendars(self) -> tuple[Calendar, ...]:
        """Calendars of the sample trial's patients; raises `UsageError` NK814 where there is no trial on dates."""
        self.check([Path("trial.ics")])
        sample = self.studies[0].results[0].sample
        assert sample is not None
        # The calendar shows the window that the trial was simulated with.
        asked = self.asked
        window = [("dlt.for", asked.window)] if asked.window else []
        return calendars(sample, self.protocol, arm=self.arm, answers=[*self.sets[0], *window], seed=asked.seed,
                         tz=str(asked.tz), site=site_for(asked))  # fmt: skip


def _check_levels(protocol: Protocol, text: str) -> None:
    """Raises `InvalidInput` that names the option where a set of levels cannot be read."""
    if protocol.escalation is None:
        return
    try:
        change(protocol, "escalation.levels", text)
    except InvalidInput as error:
        place = Place(f"--levels {shorten(text)}")
        raise InvalidInput([replace(fault, place=place) for fault in error.faults]) from None


def _notes(request: Escalation) -> Iterator[str]:
    asked, plan, numbers = request.asked, request.plan, request.numbers
    if asked.truth is not None:
        yield "the true probability of a DLT at each level is the user's, not data"
    facts = [(path, fact) for path, fact in plan.facts if fact.chosen.basis == "assumed"]
    if facts:
        yield f"by the protocol file (`nksim protocols why {request.protocol.id} PATH`): " + "; ".join(
            f"{path} = {fact.chosen.text}" for path, fact in facts
        )
    if asked.cohort is None and plan.cohort is None:
        yield f"cohorts of {numbers.size}: neither the protocol nor an option says"
    if asked.patients is None and plan.patients == request.protocol.population.enrolment:
        yield f"at most {numbers.most} patients, the enrolment of the registration"
    pace = request.pace
    if pace is not None:
        yield (f"{pace.per_month:g} candidates a month while accrual is open, a Poisson process; the DLT window ends "
               f"{pace.followed_d:g} d after the first cells, {100 * pace.late:.0f} % of the DLTs in its second half; "
               f"{pace.lead_d:g} d from entry to the first cells")  # fmt: skip
        window = dict(plan.facts).get("dlt.for")
        if asked.window is None and window is not None and str(window.chosen.value).endswith((" mo", " y")):
            yield f"the DLT window of {window.chosen.text} is simulated as {pace.window_d:g} d, on dates in months"
        yield from _lost(pace)
        if asked.closed:
            yield f"closed: {', '.join(asked.closed)}; first cells and decisions move to the next open day"
            yield from _unsettled(request)
        if request.studies[0].results[0].sample:
            yield ("in the sample trial whoever has a DLT or leaves gets no dose after that day: "
                   "what the plan still had is cancelled")  # fmt: skip
    if request.studies:
        simulated = (
            "intervals say how far the number of simulated trials pins a result down, not how far the truth holds"
        )
        yield "exact results have no chance in them; the truth is assumed all the same" if asked.exact else simulated
    if asked.risk_of and request.exposures[0]:
        yield f"the user's link between exposure and toxicity, which no data support: {request.exposures[0].link}"
    for found in request.exposures if request.has_truth else []:
        yield from found.assumptions if found else ()
        break


def _unsettled(request: Escalation) -> Iterator[str]:
    """Holidays that are not settled in the years of the sample trial, or in the first where there is none."""
    site, opens = site_for(request.asked), opening(request.asked)
    if site is None or opens is None:
        return
    sample = request.studies[0].results[0].sample
    last = sample.ends.year if sample else opens.year
    found = site.provisional(set(range(opens.year, last + 1)))
    if found:
        yield f"public holidays are provisional, swaps of working days not being published yet: {', '.join(found)}"


def _lost(pace: Pace) -> Iterator[str]:
    """Who is replaced, and what follows where nobody is."""
    if pace.replace:
        yield ("candidates for a cohort are awaited one after another; patients without a product, and patients who "
               "leave the window without a DLT, are replaced once the cohort's other places are filled")  # fmt: skip
        return
    yield ("candidates for a cohort are awaited one after another; only patients without a product are replaced, once "
           "the cohort's other places are filled")  # fmt: skip
    if pace.not_evaluable:
        yield ("patients who leave the window without a DLT are not replaced: they count among the trial's patients "
               "and for no decision, which rests on the level's evaluable patients; a level without any is given "
               "again, and a trial without any names no MTD")  # fmt: skip


def _numbers(given: str | Sequence[float], what: str, example: str) -> tuple[float, ...]:
    return read_numbers(given, what, example) if isinstance(given, str) else tuple(float(x) for x in given)


def _skeleton(asked: Asked) -> tuple[float, ...] | None:
    given = asked.skeleton
    return None if given is None else _numbers(given, "--skeleton", "--skeleton 0.1,0.2,0.3")


def _table_size(size: int) -> int:
    if not 1 <= size <= 60:
        raise UsageError("NK805", f"a decision table to {size} patients cannot be printed", help="--table from 1 to 60")
    return size
