"""What a protocol file holds, as frozen records: the one place that knows its keys.

Pydantic validates at the door (`nksim.protocol.reading`); after that nothing re-checks a file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from nksim.errors import Misread
from nksim.protocol.facts import Fact
from nksim.protocol.record import Record
from nksim.protocol.supply import Bag, Limits
from nksim.protocol.times import Days, Recurrence, Relation
from nksim.protocol.values import (
    AfterFact,
    Ages,
    AgesFact,
    AmountFact,
    BeforeFact,
    BsaFact,
    CapFact,
    ClockFact,
    CountFact,
    DaysFact,
    DaysLengthFact,
    DelayFact,
    DesignFact,
    DoseFact,
    FromFact,
    Key,
    LengthFact,
    LevelsFact,
    MonthsFact,
    OverFact,
    RangeFact,
    RenalFact,
    RoundingFact,
    RouteFact,
    SamplesFact,
    ShareFact,
    StaggeredFact,
    StaggerFact,
    StartsFact,
    Text,
    VialsFact,
    VolumeFact,
    WeightFact,
    WeightRange,
    Whole,
    WindowFact,
    Year,
    YesNoFact,
)


class Source(Record):
    """Where a fact stands: a paper, a registration or a page, and what it supports."""

    doi: Text | None = None
    pmid: Text | None = None
    nct: Text | None = None
    url: Text | None = None
    title: Text
    year: Year | None = None
    supports: Text

    @model_validator(mode="after")
    def _can_be_found(self) -> Source:
        if not (self.doi or self.pmid or self.nct or self.url):
            raise Misread("NK203", "a source needs doi, pmid, nct or url", help="add where it can be found")
        return self


class TrialPopulation(Record):
    """Who the trial is for. Ages that the texts read do not give are assumed: checks and virtual patients need some."""

    ages: AgesFact = Field(alias="age")
    weight: WeightRange | None = None
    enrolment: Whole | None = None
    disease: Text

    @model_validator(mode="after")
    def _has_ages(self) -> TrialPopulation:
        if self.ages.value is None:
            raise Misread("NK203", "age: cannot be unknown", help="write age: {assumed: >= 18 y, why: …}")
        return self

    @property
    def age(self) -> Ages:
        """Youngest and oldest age in years."""
        assert self.ages.value is not None
        return self.ages.value


class Numbering(Record):
    """What day 0 is, or day 1 where the protocol has no day 0: `first LINE`, or `first ID` of an assessment on that day
    where the protocol counts from something that it does not dose, as a transplantation."""

    anchor: FromFact
    zero: YesNoFact


class Body(Record):
    """How body size enters a dose."""

    weight: WeightFact
    bsa: BsaFact
    bsa_cap: CapFact


class Product(Record):
    """What is given; cell products name the kinetic preset that models them."""

    kind: Literal["nk", "drug", "radiation"]
    title: Text | None = None
    origin: Text | None = None
    transgene: Text | None = None
    donor: Text | None = None
    counted_as: Text | None = None
    kinetics: Key | None = None
    bag: Bag | None = None
    limits: Limits | None = None
    release: DelayFact | None = None


class Administration(Record):
    """A planned line: product, dose rule, route, duration and timing."""

    id: Key
    product: Text
    dose: DoseFact
    route: RouteFact
    over: OverFact | None = None
    days: DaysFact | None = None
    before: BeforeFact | None = None
    after: AfterFact | None = None
    at: ClockFact | None = None
    window: WindowFact | None = None
    gap: OverFact | None = None
    delay: DelayFact | None = None
    count: CountFact | None = None
    cap: AmountFact | None = None
    round: RoundingFact | None = None
    weight: WeightFact | None = None
    renal: RenalFact | None = None
    vials: VialsFact | None = None
    volume: VolumeFact | None = None
    restated: RangeFact | None = None
    printed: Text | None = None
    note: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _day_is_days(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "day" in raw:
            if "days" in raw:
                raise Misread("NK202", "a line has day: or days:, not both", help="keep days:")
            raw = {("days" if k == "day" else k): v for k, v in raw.items()}
        return raw

    @model_validator(mode="after")
    def _is_timed_once(self) -> Administration:
        given = [k for k in ("days", "before", "after") if getattr(self, k) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none of them"
            raise Misread(
                "NK203",
                f"line {self.id} needs exactly one of days, before and after, and has {found}",
                help="write for example days: -6..-2",
            )
        timing: Any = self.timing.value
        if self.at is not None and (isinstance(timing, Relation) or getattr(timing, "first", None) is not None):
            raise Misread(
                "NK203", f"line {self.id} is timed by another line and has at: as well", help="leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _is_of_one_dimension(self) -> Administration:
        """A cap of another dimension would never cap, a rounding step would round what it does not measure."""
        found = [self.dose.value.dimensions] if self.dose.value else []
        found += [{self.cap.value.dimension}] if self.cap and self.cap.value else []
        found += [{self.round.value.to.dimension}] if self.round and self.round.value else []
        found += [{q.dimension for q in self.vials.value.strengths}] if self.vials and self.vials.value else []
        found += [{self.volume.value.per_ml.dimension}] if self.volume and self.volume.value else []
        bands = self.renal.value.bands if self.renal and self.renal.value else ()
        found += [{b.dose.dimension} for b in bands if b.dose]
        measured = sorted(set().union(*found))
        if len(measured) > 1:
            raise Misread("NK215", f"amounts of line {self.id} mix {' and '.join(measured)}", help="write them in one")
        return self

    @model_validator(mode="after")
    def _renal_rule_has_its_source(self) -> Administration:
        """Labels disagree about renal bands, so that a rule without its source cannot be checked."""
        held = self.renal
        if held is not None and held.value and not (held.source or held.why == "set by the user"):
            raise Misread(
                "NK203", f"renal: of line {self.id} needs its source", help="write renal: {stated: {…}, source: KEY}"
            )
        return self

    @property
    def timing(self) -> Fact[Days | Recurrence] | Fact[Relation]:
        """The one fact that says when."""
        return self.days or self.before or self.after  # type: ignore[return-value]


class Assessment(Record):
    """A planned observation: on days, or over a length of time from an administration."""

    id: Key
    what: Text
    lineage: Text | None = None
    place: Text | None = Field(default=None, alias="in")
    start: FromFact | None = Field(default=None, alias="from")
    length: LengthFact | None = Field(default=None, alias="for")
    days: DaysFact | None = None
    months: MonthsFact | None = None
    samples: SamplesFact | None = None
    window: WindowFact | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _is_timed(self) -> Assessment:
        listed = self.days or self.months or self.samples
        if (self.start is None) != (self.length is None) or (self.start is None and listed is None):
            raise Misread(
                "NK203",
                f"assessment {self.id} needs days, months or samples, or from and for",
                help="write days: 7, 14, 28",
            )
        return self


class Phase(Record):
    """Conditioning, treatment, maintenance: lines that belong together."""

    phase: Text
    starts: StartsFact | None = None
    give: Annotated[tuple[Administration, ...], Field(min_length=1)]


class Arm(Record):
    """A group with one regimen."""

    title: Text | None = None
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    assess: tuple[Assessment, ...] = ()

    @property
    def lines(self) -> tuple[Administration, ...]:
        """Every planned line, in file order."""
        return tuple(line for phase in self.phases for line in phase.give)


class Washout(Record):
    """Prior therapy that must lie far enough before the first cells."""

    what: Text
    unless: Text | None = None
    by: LengthFact
    half_lives: Whole | None = None
    whichever: Literal["shorter", "longer"] | None = None


class Cohorts(Record):
    """How patients follow one another: size of a cohort, stagger within it, DLT window before the next."""

    size: CountFact
    stagger: DaysLengthFact | None = None
    after: StaggeredFact
    dlt: Key


class Escalation(Record):
    """Dose levels of a trial that escalates, its design and the design's numbers, as far as the file has them.

    `within` is the time from the first patient of a cohort to the next, `between` from the last of a cohort to the
    first of the next; the DLT window is the assessment `dlt` of the arm, with what it counts from.
    """

    goal: Text
    levels: LevelsFact
    design: DesignFact
    start: CountFact | None = None
    target: ShareFact | None = None
    cohort: CountFact | None = None
    patients: CountFact | None = None
    within: StaggerFact | None = None
    between: StaggerFact | None = None
    replace: YesNoFact | None = None
    enough: CountFact | None = None


class Question(Record):
    """Something that the registration leaves open and no value in the file could show."""

    about: Text
    ask: Text
    why: Text | None = None


class Protocol(Record):
    """One registered trial's treatment plan with its sources."""

    format: Literal["1"]
    id: Key
    title: Text
    registration: Text
    reading: Literal["provisional", "second"]
    sources: dict[str, Source] = Field(default_factory=dict)
    population: TrialPopulation
    numbering: Numbering
    body: Body
    products: dict[str, Product]
    arms: Annotated[dict[Key, Arm], Field(min_length=1)]
    washout: tuple[Washout, ...] = ()
    cohorts: Cohorts | None = None
    escalation: Escalation | None = None
    questions: tuple[Question, ...] = ()
    _sha256: str = PrivateAttr(default="")

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes as read."""
        return self._sha256
