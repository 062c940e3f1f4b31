"""One simulated trial on dates: every patient from entry to the end of the DLT window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nksim.patient import Patient
from nksim.population import virtual_population
from nksim.protocol.choice import choose
from nksim.protocol.model import Protocol
from nksim.schedule.calendar import Calendar, place
from nksim.schedule.expansion import expand
from nksim.simulation import age_range
from nksim.trial.designs import AnyDesign
from nksim.trial.outcomes import Outcomes, simulate
from nksim.trial.pace import Pace
from nksim.trial.rolling import simulate_rolling
from nksim.trial.slots import INFUSED, Try
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


@dataclass(frozen=True)
class SampleTrial:
    """A trial of the simulation, number `number` from 1, with its patients in order of entry and its MTD (0: none)."""

    number: int
    opens: dt.date
    ends: dt.date
    mtd: int
    courses: tuple[Course, ...]


def sample_trial(
    design: AnyDesign, truth: Sequence[float], pace: Pace, *, seed: int, number: int, opens: dt.date
) -> SampleTrial:
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
    return SampleTrial(number, opens, date(float(times.length_d[0])), int(outcomes.mtd[0]), named)


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
    trial: SampleTrial, protocol: Protocol, *, arm: str | None, answers: Sequence[tuple[str, str]], seed: int, tz: str
) -> tuple[Calendar, ...]:
    """The protocol's calendar of every patient who was infused, at the level given, day 0 on the day of the infusion.

    Their bodies are those of virtual patients, numbered as they entered. Doses after a DLT stand as planned.
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
        found.append(place(expand(choice, patient), day0=course.infused, tz=tz))
    return tuple(found)
