"""What a report says, in order, before it becomes a web page or a PDF: headings, paragraphs, tables, figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nksim import __version__
from nksim.comparison import Comparison
from nksim.contributions import contributions
from nksim.inquiry import Inquiry
from nksim.logistics import logistics
from nksim.metrics import Values, measure
from nksim.observed import Observed
from nksim.output import charts, comparisons, inquiries
from nksim.output.answers import Answer
from nksim.output.charts.style import letters
from nksim.output.description import in_full
from nksim.output.protocols import open_questions
from nksim.output.provenance import Provenance
from nksim.output.simulations import (
    METRIC_COLUMNS,
    cutoffs_read,
    infusions_read,
    metric_rows,
    reading,
    resting,
    who,
)
from nksim.simulation import Simulation


@dataclass(frozen=True)
class Text:
    """A paragraph, or as it stands (`kept`) where its lines must stay."""

    text: str
    kept: bool = False


@dataclass(frozen=True)
class Table:
    """A table; columns from `numbers` on are right-aligned, but for the last so many of `words`."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int = 1
    words: int = 0

    @property
    def right(self) -> frozenset[int]:
        """The columns that are right-aligned."""
        return frozenset(range(self.numbers, len(self.header) - self.words))


@dataclass(frozen=True)
class Figure:
    """A chart with its title as caption."""

    title: str
    chart: Any


Block = Text | Table | Figure


def notes_of(spec: dict[str, Any]) -> list[str]:
    """The notes of a chart's specification, which loses its title: a page sets both itself."""
    title = spec.pop("title", {})
    notes = spec.pop("usermeta", {}).get("notes") or title.get("subtitle") or [""]
    return [notes] if isinstance(notes, str) else list(notes)


@dataclass(frozen=True)
class Page:
    """A report: its title and its sections, each a heading with blocks."""

    title: str
    sections: tuple[tuple[str, tuple[Block, ...]], ...]
    provenance: Provenance


@dataclass(frozen=True)
class Results:
    """All that a report is made from; `comparison` is None for a single regimen."""

    simulations: Sequence[Simulation]
    metrics: Sequence[dict[str, Values]]
    comparison: Comparison | None
    inquiry: Inquiry
    provenance: Provenance
    observed: Sequence[Observed] = ()


def report(r: Results) -> Page:
    """The report of a simulation or comparison, from the question to the provenance."""
    labels = [s.label for s in r.simulations]
    title = " against ".join([labels[0], ", ".join(labels[1:])]) if len(labels) > 1 else labels[0]
    sections = (
        ("Question", tuple(_question(r))),
        ("Regimens in words", tuple(_words(r))),
        ("Calendars", (Figure("Doses by day", charts.calendar_strips(r.simulations)), *_schedules(r))),
        ("Curves", tuple(_curves(r))),
        ("Numbers", tuple(_numbers(r))),
        *((("Further questions", further),) if (further := tuple(_further(r))) else ()),
        ("What it asks of a hospital", (_hospital(r),)),
        ("Assumptions and gaps", tuple(_gaps(r))),
        ("How far to believe the model", tuple(_credibility(r))),
        ("Provenance", tuple(provenance_blocks(r.provenance))),
    )
    return Page(title, sections, r.provenance)


def _question(r: Results) -> Iterator[Block]:
    names = letters(len(r.simulations))
    n = len(r.simulations[0].population)
    asked = "How do these regimens differ" if r.comparison else "What does this regimen do"
    yield Text(
        f"{asked} in {n} virtual patients: how many donor NK cells are in the blood, for how long an assay finds them, "
        "and what the conditioning does to the patient's own lymphocytes?"
    )
    for name, s in zip(names, r.simulations, strict=True):
        p = s.choice.protocol
        yield Text(f"{f'{name}: ' if len(names) > 1 else ''}{who(s)}. {p.title} ({p.registration}).")
    yield Text(reading(r.simulations))


def _words(r: Results) -> Iterator[Block]:
    for name, s in zip(letters(len(r.simulations)), r.simulations, strict=True):
        text = in_full(s.choice.protocol, s.choice.arm_name)
        yield Text(f"{name}  {text}" if len(r.simulations) > 1 else text, kept=True)


def _schedules(r: Results) -> Iterator[Block]:
    first = r.simulations[0]
    for name, s in list(zip(letters(len(r.simulations)), r.simulations, strict=True))[1:]:
        yield Text(f"A → {name}: {comparisons.differing(first, s)}.")


# Drugs are drawn where some regimen gives them.
_GIVEN = {"cy": "cy", "f_ara_a": "flu", "il2": "il2"}


def _curves(r: Results) -> Iterator[Block]:
    for output, title in charts.TITLES.items():
        given = output not in _GIVEN or any(_GIVEN[output] in s.events.target for s in r.simulations)
        if given and all(output in s.output_names for s in r.simulations):
            yield Figure(title, charts.curve(r.simulations, output, r.provenance, r.observed))
    for s in r.simulations:
        if len(s.infusions_d) > 1:
            yield Figure(f"What each infusion adds: {s.label}", charts.added(contributions(s), r.provenance))


def _numbers(r: Results) -> Iterator[Block]:
    names = letters(len(r.simulations))
    if r.comparison is None:
        yield Table(METRIC_COLUMNS, tuple(metric_rows(r.metrics[0])), words=3)
    else:
        yield Table(
            comparisons.COMPARED_COLUMNS,
            tuple(comparisons.compared_rows(r.comparison, names)),
            2,
        )
        yield Text(comparisons.explained(r.simulations[0].label))
        yield Text(comparisons.NEEDED)
        for sentence in comparisons.missing(r.metrics, names):
            yield Text(sentence)
        yield Figure("Ratios to the first regimen", charts.forest(r.comparison, r.provenance))
    for s in r.simulations:
        for answer in infusions_read(s):
            yield from _answered(replace(answer, before=f"Each infusion of {s.label}, median patient:"))
    if "f_ara_a_auc" in r.metrics[0]:
        for answer in cutoffs_read(r.metrics, names):
            yield from _answered(answer)
        areas = [m["f_ara_a_auc"] for m in r.metrics]
        labels = [s.label for s in r.simulations]
        asked = r.inquiry.goals
        yield Figure("F-ara-A area against published cut-offs", charts.attainment(areas, labels, r.provenance, asked))


def _answered(a: Answer) -> Iterator[Block]:
    if a.before:
        yield Text(a.before)
    yield Table(a.header, a.rows, a.numbers, a.words)
    for text in a.after:
        yield Text(text)


def _further(r: Results) -> Iterator[Block]:
    names = letters(len(r.simulations)) if r.comparison else [""]
    for answer in inquiries.answers(r.simulations, r.inquiry, names):
        yield from _answered(answer)
    labels = [s.label for s in r.simulations]
    for metric in dict.fromkeys(g.metric for g in r.inquiry.goals if g.metric != "f_ara_a_auc"):
        found = [measure(s, [metric])[metric] for s in r.simulations]
        if found[0].unit != "yes" and any(v.n for v in found):
            yield Figure(
                f"How many reach it: {metric}", charts.attainment(found, labels, r.provenance, r.inquiry.goals)
            )
    if r.inquiry.aims:
        yield Figure("Pareto front", charts.pareto(r.simulations, r.inquiry.aims, r.provenance))
    if r.inquiry.swept:
        yield Figure(f"{r.inquiry.swept[0].metric} over body size", charts.swept_curve(r.inquiry.swept, r.provenance))
    for moved in r.inquiry.sensitivities:
        yield Figure(f"What moves {moved.metric} of {moved.label}", charts.tornado(moved, r.provenance))


def _hospital(r: Results) -> Table:
    rows = []
    for name, s in zip(letters(len(r.simulations)), r.simulations, strict=True):
        asks = logistics(s)
        given = "; ".join(f"{u.product}: {comparisons.use_text(u)}" for u in asks.uses)
        label = f"{name}  {s.label}" if len(r.simulations) > 1 else s.label
        rows.append((label, given, str(asks.visits), f"{asks.infusion_h:g}", str(asks.course_d)))
    return Table(
        ("regimen", "given (median patient)", "days with a dose", "infusion hours", "first to last day"), tuple(rows), 2
    )


def _gaps(r: Results) -> Iterator[Block]:
    yield Text(resting(r.simulations), kept=True)
    seen: set[str] = set()
    for s in r.simulations:
        p = s.choice.protocol
        if p.id not in seen:
            seen.add(p.id)
            # An arm's own answer to a shared path counts as a question of its own.
            found = dict.fromkeys(f"{path}: {question}" for path, question in open_questions(p))
            found.update(dict.fromkeys(f"{q.about}: {q.ask}" for q in p.questions))
            yield Text(f"Open questions on {p.registration}:\n" + "\n".join(f"  {q}" for q in found), kept=True)


def _credibility(r: Results) -> Iterator[Block]:
    yield Text(
        "No published population model of infused NK cells exists. The curves come from a mechanistic model with the "
        "standing of each parameter below; what is calibrated was tuned to a published result, whose agreement then "
        "proves nothing. Compare regimens by it, and do not read absolute counts as a forecast for a patient."
    )
    rows = []
    for preset, s in {s.preset: s for s in r.simulations}.items():
        count = Counter(p.basis for p in s.parameter_set.parameters(preset).values())
        rows.append((f"{s.parameter_set.name}, {preset}", *(str(count[b]) for b in _BASES)))
    yield Table(("parameters of", *_BASES), tuple(rows))
    # Of patients that were summed up nobody kept the steps.
    steps = max((int(s.solution.steps.taken.max(initial=0)) for s in r.simulations), default=0)
    most = f"; at most {steps} steps a patient" if steps else ""
    yield Text(f"Numbers differ from a tight reference solution by less than 1 in 10,000{most}.")


_BASES = ("published", "derived", "calibrated", "assumed")


def provenance_blocks(p: Provenance) -> Iterator[Block]:
    """Where a report comes from, down to the command."""
    model = [("parameter set", f"{p.model[0]}, SHA-256 {p.model[1]}")] if p.model else []
    rows = [
        ("nksim", __version__),
        *((f"protocol {name}", f"SHA-256 {digest}") for name, digest in p.protocols),
        *model,
        *([("seed", str(p.seed))] if p.seed is not None else []),
        *(("set by the user", s) for s in p.settings),
        ("command", p.command or "Python"),
    ]
    yield Table(("what", "which"), tuple(rows), 9)
    yield Text("For planning and review; not a prescription.")
