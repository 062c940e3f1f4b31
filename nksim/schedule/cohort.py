"""When the next patient of a trial may start: the stagger within a cohort and the DLT window between cohorts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from nksim.errors import InvalidInput
from nksim.protocol.model import Cohorts
from nksim.schedule.calendar import Calendar
from nksim.words import said


def next_start(cohorts: Cohorts, before: Sequence[Calendar], start: dt.date) -> tuple[dt.date, str]:
    """The first day 0 that the cohort rules leave the next patient, and the rule that decides it.

    Within a cohort, day 0 lies at least the stagger after that of the first patient, or of each earlier one; a new
    cohort begins on the day after the last DLT window of the cohort before it ends.
    """
    size = cohorts.size.chosen.value
    stagger = cohorts.stagger.chosen.value if cohorts.stagger else None
    if size is None:
        raise InvalidInput("NK341", "cohorts.size is unknown", help="answer with --set cohorts.size=3")
    place_in_cohort = len(before) % size
    if not before:
        return start, said("the first patient")
    if place_in_cohort == 0:
        ends = [_window_end(cohorts.dlt, c) for c in before[-size:]]
        found = max(ends) + dt.timedelta(days=1)
        return max(start, found), said("the DLT windows of the cohort before end on {date}", date=max(ends))
    if stagger is None:
        return start, said("no stagger within the cohort")
    own = before[len(before) - place_in_cohort :]
    counted = own[:1] if cohorts.after.chosen.value == "first patient" else own
    found = max(c.day0 for c in counted) + dt.timedelta(days=stagger.days)
    after = said(str(cohorts.after.chosen.value))
    return max(start, found), said("{time} after {patient} of the cohort", time=stagger, patient=after)


def _window_end(dlt: str, calendar: Calendar) -> dt.date:
    ends = [r.end.date() for r in calendar.rows if r.event.line == dlt and r.event.length is not None]
    if not ends:
        raise InvalidInput(
            "NK341",
            f"cohorts count on a window {dlt} that this arm does not have",
            help="name an assessment with from: and for:",
        )
    return max(ends)
