"""The report of a dose escalation: question, levels, decision tables, results, time, exposure, assumptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nksim.output import decision_tables, escalation
from nksim.output import escalation_charts as charts
from nksim.output.escalation import Grid
from nksim.output.pages import Block, Figure, Page, Table, Text, provenance_blocks
from nksim.output.protocols import open_questions
from nksim.output.provenance import Provenance
from nksim.protocol.model import Protocol
from nksim.trial.designs import AnyDesign
from nksim.trial.study import Study


def report(
    protocol: Protocol, studies: Sequence[Study], designs: Sequence[AnyDesign], most: int, notes: Sequence[str],
    provenance: Provenance,
) -> Page:  # fmt: skip
    """The page, from the question to the provenance; without a truth its decision tables alone."""
    timed = [s for s in studies if s.results[0].length]
    sections = (
        ("Question", tuple(_question(protocol, studies, designs))),
        ("Levels", tuple(_levels(studies))),
        ("Designs and their decisions", tuple(_decisions(designs, most, provenance))),
        *((("What they find and what it costs", tuple(_found(studies, provenance))),) if studies else ()),
        *((("How long it takes", tuple(_time(timed, provenance))),) if timed else ()),
        ("Assumed", tuple(Text(note[0].upper() + note[1:] + ".") for note in notes)),
        ("Open questions", tuple(_open(protocol))),
        ("Provenance", tuple(provenance_blocks(provenance))),
    )
    shown = tuple((heading, blocks) for heading, blocks in sections if blocks)
    title = protocol.title if "escalation" in protocol.title else f"{protocol.title}, dose escalation"
    return Page(title, shown, provenance)


def _question(protocol: Protocol, studies: Sequence[Study], designs: Sequence[AnyDesign]) -> Iterator[Block]:
    yield Text(f"{protocol.title} ({protocol.registration}).")
    names = ", ".join(d.name for d in designs)
    if not studies:
        yield Text(f"What does each design do after every result: {names}?")
        return
    first = studies[0].results[0].characteristics
    how = f"{first.trials:,} simulated trials of each" if first.method == "simulated" else "every course of each"
    sets = f"; {len(studies)} sets of dose levels" if len(studies) > 1 else ""
    yield Text(
        f"Which level does a design name as the maximum tolerated dose, how many patients and dose-limiting toxicities "
        f"does that cost, and how long does it take? {names}; {how}{sets}."
    )


def _levels(studies: Sequence[Study]) -> Iterator[Block]:
    for study in studies:
        whose = "P(DLT) by the user's link" if study.exposures else "true P(DLT), by the user"
        doses = study.doses or ("not known",) * len(study.truth)
        rows = tuple((str(i), dose, f"{100 * p:.3g} %", _beside(p, study.target))
                     for i, (dose, p) in enumerate(zip(doses, study.truth, strict=True), 1))  # fmt: skip
        yield Table(("level", "dose", whose, "against the target"), rows, 2)
        if study.exposures:
            yield _table(escalation.exposures(study.exposures))
            yield Text(escalation.marked(study.exposures))


def _beside(p: float, target: float | None) -> str:
    if target is None:
        return "–"
    return "above it" if p > target + 1e-12 else "the target" if p > target - 1e-12 else "below it"


def _decisions(designs: Sequence[AnyDesign], most: int, provenance: Provenance) -> Iterator[Block]:
    for design in designs:
        yield Figure(f"Decisions of {design.name}", charts.decisions([design], most, provenance))
        yield Text(decision_tables.beside_chart(design, most), kept=True)


def _found(studies: Sequence[Study], provenance: Provenance) -> Iterator[Block]:
    for study in studies:
        if len(studies) > 1 and study.doses:
            yield Text(f"Levels {', '.join(study.doses)}:")
        yield _table(escalation.selection(study))
        yield Text("Over the whole trial:")
        yield _table(escalation.summary(study))
    yield Figure("Operating characteristics", charts.characteristics(studies, provenance))


def _time(studies: Sequence[Study], provenance: Provenance) -> Iterator[Block]:
    for study in studies:
        yield _table(escalation.lengths(study))
        yield Figure("Length of the trial", charts.lengths(study, provenance))
        for i, result in enumerate(study.results):
            if result.sample:
                yield Figure(f"A sample trial by {result.design.name}", charts.gantt(study, result, provenance))
            if result.sample and i == 0:
                yield Text(escalation.sample_head(result.design.name, result.sample) + ".")
                rows = escalation.sample_rows(result.sample, study)
                yield Table(escalation.SAMPLE_COLUMNS, tuple(map(tuple, rows)), 9)


def _open(protocol: Protocol) -> Iterator[Block]:
    for path, ask in open_questions(protocol):
        if path.startswith(("escalation.", "dlt.")):
            yield Text(f"{path}: {ask}")


def _table(grid: Grid) -> Table:
    return Table(tuple(grid.header), tuple(map(tuple, grid.rows)), min(grid.right))
