"""What a user of `nksim escalate` asks for, put together from the options and the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from nksim.cli import options
from nksim.cli.escalation_pace import first, pace_of
from nksim.dates import parse_date
from nksim.errors import UsageError
from nksim.output import decision_tables, escalation, files
from nksim.output.provenance import Provenance
from nksim.population import virtual_population
from nksim.protocol.catalog import load
from nksim.protocol.choice import change
from nksim.simulation import OLDEST_DRAWN_Y, Settings
from nksim.trial.designs import AnyDesign, Numbers, design
from nksim.trial.exposure import Exposures, Link, exposures
from nksim.trial.pace import Pace
from nksim.trial.plan import Plan, needed, plan_of, read_numbers
from nksim.trial.sample import calendars
from nksim.trial.study import Run, Study, study

TABLE_SIZE = 18


class Request:
    """One call of the command: everything is worked out when it is first needed."""

    def __init__(self, protocol: str, given: dict[str, Any]) -> None:
        self.protocol = load(protocol)
        self.given = given
        self.arm: str | None = given["arm"]
        self.answers = options.parsed_settings(given["settings"])
        sets: tuple[str, ...] = given["level_sets"]
        if len(sets) > 1 and not given["risk_of"]:
            raise UsageError(
                "NK814", "several sets of levels need --risk-of", help="a truth belongs to one set of levels"
            )
        for path, text in self.answers:
            change(self.protocol, path, text)
        self.sets = [[*self.answers, *([("escalation.levels", text)] if text else [])] for text in sets or ("",)]
        self.plans = [plan_of(self.protocol, arm=self.arm, answers=answers) for answers in self.sets]

    @property
    def plan(self) -> Plan:
        """The plan with the first set of levels."""
        return self.plans[0]

    @property
    def has_truth(self) -> bool:
        """Whether anything can be simulated."""
        return self.given["truth"] is not None or self.given["risk_of"] is not None

    def check(self, paths: Sequence[Path]) -> None:
        """Raises `UsageError` for outputs that the call cannot give, before any work."""
        suffixes = {path.suffix for path in paths}
        dated = ".ics" in suffixes or (self.given["chart"] == "gantt" and suffixes & {".svg", ".png"})
        if dated and (not self.has_truth or self.given["opens"] is None or self.given["accrual"] is None):
            raise UsageError("NK814", "a trial on dates needs a truth, its pace and its first day",
                             help="add --truth, --accrual 2, --window 28d and --opens 2027-03-01")  # fmt: skip
        if ".ics" in suffixes:
            needed(self.given["tz"], "the site's time zone", "--tz Asia/Shanghai")
            needed(self.plan.doses, "the doses of the levels", '--levels "[2e6, 6e6] cells/kg"')
        if (".ics" in suffixes or self.given["risk_of"]) and self.plan.doses and not self.plan.by_level:
            raise UsageError("NK814", f"no line of {self.protocol.id} is dosed by level", help="--set cells.dose=level")
        if self.given["chart"] == "length" and self.given["accrual"] is None:
            raise UsageError("NK814", "the length of a trial needs its pace", help="add --accrual 2 and --window 28d")

    @cached_property
    def truths(self) -> list[tuple[float, ...]]:
        """The truth of every set of levels: the user's, or what the link makes of the simulated exposure."""
        if self.given["truth"] is not None and self.given["risk_of"] is not None:
            raise UsageError(
                "NK820", "--truth and --risk-of both say how toxic a level is", help="leave one of them out"
            )
        if self.given["truth"] is not None:
            return [read_numbers(self.given["truth"], "--truth", "--truth 0.05,0.15,0.30")]
        return [found.truth for found in self.exposures if found]

    @cached_property
    def exposures(self) -> list[Exposures | None]:
        """Simulated exposures of every set of levels, where the user lets toxicity follow them."""
        if not self.given["risk_of"]:
            return [None]
        points = needed(self.given["risk_at"], "how P(DLT) follows the exposure", '--risk-at "0.5=5 %, 5=50 %"')
        link = Link.read(self.given["risk_of"], points)
        ages = self.protocol.population.age
        people = virtual_population(
            self.given["virtual"], seed=self.given["seed"], age_range_y=(ages[0], min(ages[1], OLDEST_DRAWN_Y))
        )
        found: list[Exposures | None] = []
        for plan, answers in zip(self.plans, self.sets, strict=True):
            doses = needed(plan.doses, "the doses of the levels", '--levels "[2e6, 6e6] cells/kg"')
            found.append(exposures(self.protocol, link, people, arm=self.arm, answers=answers, levels=doses,
                                   seed=self.given["seed"], settings=Settings()))  # fmt: skip
        return found

    @cached_property
    def numbers(self) -> Numbers:
        """The numbers of the trial: the option's, else the protocol's, else what the notes say."""
        plan, given = self.plan, self.given
        levels = len(plan.doses) if plan.doses else len(self.truths[0]) if self.has_truth else None
        skeleton = given["skeleton"]
        return Numbers(
            needed(levels, "the number of levels", "--truth with one number for each, or --levels"),
            self.target,
            first(given["start"], plan.start, 1),
            first(given["cohort"], plan.cohort, 3),
            needed(first(given["patients"], plan.patients), "the number of patients", "--patients 30"),
            first(given["enough"], plan.enough), given["extra"], given["titrate"], given["bounded"],
            read_numbers(skeleton, "--skeleton", "--skeleton 0.1,0.2,0.3") if skeleton else None)  # fmt: skip

    @property
    def target(self) -> float | None:
        """The target toxicity: the option's, else the protocol's."""
        found: float | None = first(self.given["target"], self.plan.target)
        return found

    @cached_property
    def designs(self) -> list[AnyDesign]:
        """Every design that is asked for, once."""
        names = dict.fromkeys(self.given["designs"] or [needed(self.plan.design, "the design", "--design boin")])
        return [design(name, self.numbers) for name in names]

    @cached_property
    def pace(self) -> Pace | None:
        """How fast the trial goes, where the user says how fast patients come."""
        return None if self.given["accrual"] is None else pace_of(self.given, self.plan)

    @cached_property
    def studies(self) -> list[Study]:
        """One study for each set of levels; none without a truth."""
        if not self.has_truth:
            return []
        given = self.given
        opens = parse_date(given["opens"]) if given["opens"] else None
        run = Run(given["n"], given["seed"], given["workers"], given["exact"], self.pace, opens, given["sample"])
        return [
            study(self.designs, truth, self.target, run, plan.doses, exposure)
            for plan, truth, exposure in zip(self.plans, self.truths, self.exposures * len(self.truths), strict=False)
        ]

    @property
    def provenance(self) -> Provenance:
        """The protocol, the answers, the seed, and the kinetic model where exposure is simulated."""
        seen = self.exposures[0] if self.has_truth else None
        settings = tuple(f"{k}={v}" for k, v in self.answers)
        return Provenance(((self.protocol.id, self.protocol.sha256),), settings, seen.model if seen else None,
                          self.given["seed"] if self.has_truth else None, options.command_line())  # fmt: skip

    @property
    def notes(self) -> list[str]:
        """What the numbers rest on."""
        return list(_notes(self))

    def text(self) -> str:
        """Decision tables and results for the terminal."""
        size = first(self.given["table_size"], None if self.has_truth else TABLE_SIZE)
        tables = decision_tables.as_text(self.designs, _table_size(size)) if size is not None else ""
        if not self.has_truth:
            return f"{tables}\nOperating characteristics need a truth: add --truth with a probability for each level.\n"
        head = f"{self.protocol.title} ({self.protocol.registration})"
        body = escalation.as_text(head, self.studies, self.notes, self.provenance)
        return f"{tables}\n{body}" if tables else body

    def json(self) -> str:
        """The same as JSON."""
        size = _table_size(first(self.given["table_size"], TABLE_SIZE))
        return escalation.as_json(self.studies, self.designs, size, self.notes, self.provenance)

    def save(self, path: Path, *, force: bool) -> None:
        """Writes one file in the format of its suffix."""
        form = path.suffix[1:]
        files.check_free(path, force=force)
        if form == "csv":
            size = _table_size(first(self.given["table_size"], TABLE_SIZE))
            text = escalation.as_csv(self.studies) if self.has_truth else escalation.tables_csv(self.designs, size)
            files.write_csv(path, text, self.provenance.as_dict())
        elif form in ("svg", "png"):
            from nksim.output.charts import rendered

            files.write(path, rendered(self.chart(), form))
        elif form == "ics":
            from nksim.output.ics import as_ics

            files.write(path, as_ics(self._calendars(), self.provenance))
        else:
            files.write(path, self.json() if form == "json" else self.text())

    def chart(self) -> Any:
        """The chart that is asked for, the decision tables where there is nothing else to show."""
        from nksim.output import escalation_charts as charts

        what = self.given["chart"] or ("characteristics" if self.has_truth else "tables")
        if what == "tables" or not self.has_truth:
            size = _table_size(first(self.given["table_size"], TABLE_SIZE))
            return charts.decisions(self.designs, size, self.provenance)
        one = self.studies[0]
        if what == "gantt":
            return charts.gantt(one, one.results[0], self.provenance)
        return charts.lengths(one, self.provenance) if what == "length" else charts.characteristics(
            self.studies, self.provenance)  # fmt: skip

    def _calendars(self) -> Any:
        sample = self.studies[0].results[0].sample
        assert sample is not None
        # The calendar shows the window that the trial was simulated with.
        window = [("dlt.for", self.given["window"])] if self.given["window"] else []
        return calendars(sample, self.protocol, arm=self.arm, answers=[*self.sets[0], *window],
                         seed=self.given["seed"], tz=self.given["tz"])  # fmt: skip


def _notes(request: Request) -> Any:
    given, plan, numbers = request.given, request.plan, request.numbers
    if given["truth"]:
        yield "the true probability of a DLT at each level is the user's, not data"
    facts = [(path, fact) for path, fact in plan.facts if fact.chosen.basis == "assumed"]
    if facts:
        yield f"by the protocol file (`nksim protocols why {request.protocol.id} PATH`): " + "; ".join(
            f"{path} = {fact.chosen.text}" for path, fact in facts
        )
    if given["cohort"] is None and plan.cohort is None:
        yield f"cohorts of {numbers.size}: neither the protocol nor an option says"
    if given["patients"] is None and plan.patients == request.protocol.population.enrolment:
        yield f"at most {numbers.most} patients, the enrolment of the registration"
    pace = request.pace
    if pace is not None:
        yield (f"{pace.per_month:g} candidates a month while accrual is open, a Poisson process; the DLT window ends "
               f"{pace.followed_d:g} d after the first cells, {100 * pace.late:.0f} % of the DLTs in its second half; "
               f"{pace.lead_d:g} d from entry to the first cells")  # fmt: skip
        window = dict(plan.facts).get("dlt.for")
        if given["window"] is None and window is not None and str(window.chosen.value).endswith((" mo", " y")):
            yield f"the DLT window of {window.chosen.text} is simulated as {pace.window_d:g} d, on dates in months"
        yield ("candidates for a cohort are awaited one after another; patients without a product, and patients who "
               "leave the window without a DLT, are replaced once the cohort's other places are filled")  # fmt: skip
    if request.studies:
        simulated = (
            "intervals say how far the number of simulated trials pins a result down, not how far the truth holds"
        )
        yield "exact results have no chance in them; the truth is assumed all the same" if given["exact"] else simulated
    if given["risk_of"] and request.exposures[0]:
        yield f"the user's link between exposure and toxicity, which no data support: {request.exposures[0].link}"
    for found in request.exposures if request.has_truth else []:
        yield from found.assumptions if found else ()
        break


def _table_size(size: int) -> int:
    if not 1 <= size <= 60:
        raise UsageError("NK805", f"a decision table to {size} patients cannot be printed", help="--table from 1 to 60")
    return size
