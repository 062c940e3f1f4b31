"""One simulated trial on dates: every patient from entry to the end of the DLT window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nksim.patient import Patient
from nksim.population import virtual_population
from nksim.protocol.choice import choose
from nksim.protocol.model import Protocol
from nksim.schedule.calendar import Calendar, place
from nksim.schedule.closures import Site
from nksim.schedule.expansion import expand
from nksim.simulation import age_range
from nksim.trial.designs import AnyDesign
from nksim.trial.outcomes import Outcomes, simulate
from nksim.trial.pace import Pace
from nksim.trial.rolling import simulate_rolling
from nksim.trial.slots import INFUSED, LEFT, Try
from nksim.trial.timeline import Timeline, timeline
from nksim.trial.tite import TiteBoin

_Dating = Callable[[float], dt.date]
DLT, CLEAR = "DLT", "no DLT"


@dataclass(frozen=True)
class Course:
    """One patient of a sample trial; level and cohort count from 1, `infused` is None where the product failed.

    `outcome` is DLT, no DLT, not evaluable or product failure; `until` is the day on which it is known.
    """

    id: str
    level: int
    cohort: int
    entered: dt.date
    infused: dt.date | None
    until: dt.date
    outcome: str

    def stopped(self) -> bool:
        """Whether no dose follows the day on which the outcome is known: after a DLT, or after leaving."""
        return self.outcome in (DLT, LEFT)

    def cells_given(self, days: Sequence[int]) -> int:
        """How many of the doses of cells, on these days from the first, the patient gets."""
        if self.infused is None:
            return 0
        return sum(not self.stopped() or self.infused + dt.timedelta(days=d) <= self.until for d in days)


@dataclass(frozen=True)
class SampleTrial:
    """A trial of the simulation, number `number` from 1, with its patients in order of entry and its MTD (0: none).

    `cell_days` are the days of the cells from the first of them, as planned; empty where they are open.
    """

    number: int
    opens: dt.date
    ends: dt.date
    mtd: int
    courses: tuple[Course, ...]
    cell_days: tuple[int, ...] = ()


def sample_trial(
    design: AnyDesign, truth: Sequence[float], pace: Pace, *, seed: int, number: int, opens: dt.date,
    cell_days: tuple[int, ...] = (),
) -> SampleTrial:  # fmt: skip
    """Trial `number` (from 1) of the simulation with this seed, opened on a date; `pace` knows its weekday."""
    if isinstance(design, TiteBoin):
        outcomes, times = simulate_rolling(design, truth, pace, n=1, seed=seed, first=number - 1)
    else:
        outcomes = simulate(design, truth, n=1, seed=seed, first=number - 1, lost=pace.lost)
        times = timeline(outcomes, pace, seed)

    def date(day: float) -> dt.date:
        return opens + dt.timedelta(days=int(day))

    courses = [_course(one, outcomes, times, date) for one in times.tries]
    courses.sort(key=lambda c: (c.entered, c.infused or c.until))
    named = tuple(Course(f"P{i:03d}", *_rest(c)) for i, c in enumerate(courses, 1))
    return SampleTrial(number, opens, date(float(times.length_d[0])), int(outcomes.mtd[0]), named, cell_days)


def _rest(course: Course) -> tuple[int, int, dt.date, dt.date | None, dt.date, str]:
    return course.level, course.cohort, course.entered, course.infused, course.until, course.outcome


def _course(one: Try, outcomes: Outcomes, times: Timeline, date: _Dating) -> Course:
    level, cohort = int(outcomes.given[0, one.slot]) + 1, int(outcomes.cohort[0, one.slot]) + 1
    infused, until, outcome = one.infused_d, one.until_d, one.what
    if one.what == INFUSED:
        infused, until = float(times.infused_d[0, one.slot]), float(times.ended_d[0, one.slot])
        outcome = DLT if outcomes.toxic[0, one.slot] else CLEAR
    return Course(
        "", level, cohort, date(one.entered_d), None if infused is None else date(infused), date(until), outcome
    )


def calendars(
    trial: SampleTrial, protocol: Protocol, *, arm: str | None, answers: Sequence[tuple[str, str]], seed: int, tz: str,
    site: Site | None = None,
) -> tuple[Calendar, ...]:  # fmt: skip
    """The protocol's calendar of every patient who was infused, at the level given, day 0 on the day of the infusion.

    Their bodies are those of virtual patients, numbered as they entered. Whoever has a DLT or leaves
    gets no dose after that day; the last row that stays says what was cancelled.
    """
    treated = [(i, c) for i, c in enumerate(trial.courses) if c.infused is not None]
    if not treated:
        return ()
    first = choose(protocol, arm=arm, level=treated[0][1].level, settings=tuple(answers))
    bodies = virtual_population(len(trial.courses), seed=seed, age_range_y=age_range(first))
    found = []
    for i, course in treated:
        choice = choose(protocol, arm=arm, level=course.level, settings=tuple(answers)).answered(accept_assumed=True)
        patient = Patient.known(
            course.id, weight_kg=round(float(bodies.weight_kg[i]), 1), height_cm=round(float(bodies.height_cm[i]), 1),
            age_y=round(float(bodies.age_y[i]), 1), sex="M" if bodies.male[i] else "F")  # fmt: skip
        assert course.infused is not None
        found.append(_stopped(place(expand(choice, patient), day0=course.infused, tz=tz, site=site), course))
    return tuple(found)


def _stopped(calendar: Calendar, course: Course) -> Calendar:
    """The calendar without the doses after a DLT or after leaving."""
    if not course.stopped():
        return calendar
    stays = [r for r in calendar.rows if r.event.dose is None or r.start.date() <= course.until]
    cancelled = [r for r in calendar.rows if r not in stays]
    if not cancelled:
        return calendar
    gone = ", ".join(f"{r.event.what} {r.event.occasion.number}/{r.event.occasion.count} on {r.start:%Y-%m-%d}"
                     for r in cancelled)  # fmt: skip
    note = f"{course.outcome} on {course.until}: cancelled {gone}"
    doses = [i for i, r in enumerate(stays) if r.event.dose is not None]
    noted = replace(stays[doses[-1]], notes=(*stays[doses[-1]].notes, note))
    heads = tuple(f"{r.event.line} {r.event.occasion.number}/{r.event.occasion.count} " for r in cancelled)
    findings = tuple(f for f in calendar.findings if not f.message.startswith(heads))
    return replace(calendar, rows=tuple(noted if i == doses[-1] else r for i, r in enumerate(stays)), findings=findings)
