"""What a site and a patient's history add to a schedule: closures, hours, washouts, the next patient's turn."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nksim.dates import parse_date
from nksim.schedule.calendar import Calendar, place, zone
from nksim.schedule.closures import Site, site_of
from nksim.schedule.cohort import next_start
from nksim.schedule.earliest import first_day0
from nksim.schedule.expansion import Schedule
from nksim.schedule.finding import Finding
from nksim.schedule.washout import Washed, prior, washed
from nksim.words import said


@dataclass(frozen=True)
class SiteRules:
    """Closures (`weekends`, a country, an .ics file), hours, the way to shift, and prior therapies, as text.

    >>> SiteRules(closed=("weekends",), prior=("radiotherapy=2027-02-01",)).closed
    ('weekends',)
    """

    closed: tuple[str, ...] = ()
    hours: str | None = None
    shift: str = "nearest"
    prior: tuple[str, ...] = ()

    def site(self, tz: str) -> Site | None:
        """The site in its zone, or None where nothing is ever closed."""
        found = site_of(self.closed, hours=self.hours, shift=self.shift, tz=zone(tz))
        return found if self.closed or self.hours else None

    def place(
        self, schedule: Schedule, before: Sequence[Calendar], *, day0: str | dt.date, tz: str, earliest: bool
    ) -> Calendar:
        """The calendar on `day0`, with findings; or on the first day from it that every rule allows."""
        date = parse_date(day0) if isinstance(day0, str) else day0
        site, protocol = self.site(tz), schedule.choice.protocol
        washouts = washed(protocol.washout, [prior(text) for text in self.prior])
        if not earliest:
            calendar = place(schedule, day0=date, tz=tz, site=site)
            return replace(calendar, findings=(*calendar.findings, *_too_early(washouts, date)))
        why = ""
        if protocol.cohorts is not None:
            date, why = next_start(protocol.cohorts, before, date)
        calendar = first_day0(schedule, start=date, tz=tz, site=site or Site(), washouts=washouts)
        # What decided the date is no fault, but whoever reads the calendar must see it.
        decided = [str(w) for w in washouts] + ([said("cohort: {why}", why=why)] if why else [])
        return replace(calendar, decided=tuple(decided))

    def placed_again(self, schedule: Schedule, calendar: Calendar, day0: dt.date) -> Calendar:
        """The calendar of a changed schedule on `day0`, with what was decided and cancelled before."""
        found = self.place(schedule, [], day0=day0, tz=calendar.tz, earliest=False)
        return replace(found, decided=calendar.decided, cancelled=calendar.cancelled)


def _too_early(washouts: Sequence[Washed], date: dt.date) -> list[Finding]:
    return [
        Finding("NK331", said("{washout}; day 0 is {date}", washout=w, date=date))
        for w in washouts
        if date < w.earliest
    ]
