"""A calendar after an amendment: what follows moves or stays as the protocol says, and every check runs again."""

from __future__ import annotations

import datetime as dt
import difflib
from dataclasses import replace
from decimal import Decimal

from nksim.errors import Fault, InvalidInput, UsageError, shorten
from nksim.schedule.amendment import Amendment
from nksim.schedule.calendar import Calendar, Row, add_months, row_findings, site_moves
from nksim.schedule.cascade import courses, following, hanging, within
from nksim.schedule.departures import DEVIATIONS, name_of, unlike, with_departures
from nksim.schedule.dosing import dose_of
from nksim.schedule.expansion import Event
from nksim.schedule.placing import Key, key_of
from nksim.schedule.siterules import SiteRules
from nksim.schedule.timing import Moment
from nksim.schedule.waivers import Waivers, waived
from nksim.units import Duration, plain
from nksim.words import Said, phrase, said


def amended(calendar: Calendar, amendment: Amendment, rules: SiteRules, waivers: Waivers = ()) -> Calendar:
    """The calendar after one amendment; `rules` are those of its site, `waivers` those that it was made with.

    Delayed doses take along what hangs on them and what counts from them; days of the protocol's own numbering stay.
    Conditioning and its infusion move as one, with day 0. Rows that begin before the amendment was decided stay.
    Raises `UsageError` NK523 (no such dose), or `InvalidInput` NK524 (it was taken out before), NK525 (it lies in the
    past), NK526 (nothing would change), or the code of whatever the protocol does not allow (`DEVIATIONS`).
    """
    revision = _Revision(calendar, amendment, rules)
    made = {"delay": revision.delayed, "reduce": revision.reduced, "omit": revision.without, "cease": revision.without}
    found = with_departures(made[amendment.change.verb]())
    found = _numbered(calendar, replace(found, findings=waived(found.findings, waivers)), amendment.when)
    new = [f for f in unlike(found, calendar) if f.code in DEVIATIONS]
    if new and not amendment.deviation:
        help = "say that it deviates from the protocol (--deviation), which the log keeps, or change something else"
        raise InvalidInput(Fault(f.code, f"{amendment.change}: {f.message}", help=help) for f in new)
    return found


class _Revision:
    def __init__(self, calendar: Calendar, amendment: Amendment, rules: SiteRules) -> None:
        self.calendar, self.amendment, self.rules = calendar, amendment, rules
        self.change = amendment.change
        self.rows = {key_of(r.event): r for r in calendar.rows}
        self.shifted = site_moves(calendar, rules.site(calendar.tz))
        self.schedule = replace(calendar.schedule, events=tuple(map(self._settled, calendar.schedule.events)))
        self.targets = self._targets()
        # A window that a dose opens is of that dose, and is not given by itself.
        opened = hanging(self.schedule.events, self.targets)
        self.carried = {k for k in opened if self.rows[k].event.length and not self.rows[k].event.dose}

    def _settled(self, event: Event) -> Event:
        """The event, pinned where the site's closures had moved it once it lies in the past: nothing moves it again."""
        key = key_of(event)
        days = self.shifted.get(key, 0)
        if not days or not self._past(key):
            return event
        del self.shifted[key]
        o = event.occasion
        ends = [m and replace(m, day=m.day + days) if o.base else m for m in (o.earliest, o.latest)]
        start = replace(o.start, day=o.start.day + days)
        notes = tuple(n for n in self.rows[key].notes if n.startswith("moved from"))
        pinned = replace(o, start=start, earliest=ends[0], latest=ends[1], fixed=True)
        return replace(event, occasion=pinned, remarks=(*event.remarks, *notes))

    def _targets(self) -> list[Key]:
        """The doses that the change names; refuses what is not there, is taken out, or lies in the past."""
        change = self.change
        every = sorted(
            key_of(r.event) for r in (*self.calendar.rows, *self.calendar.cancelled) if r.event.line == change.line
        )
        if not every:
            lines = list(dict.fromkeys(e.line for e in self.schedule.events))
            near = difflib.get_close_matches(change.line, lines, n=1)
            help = f"did you mean {near[0]}?" if near else f"one of {', '.join(lines)}"
            raise UsageError("NK523", f"the calendar has no {shorten(change.line)}", help=help)
        if change.verb == "cease":
            return self._to_cease(every)
        if change.first is None and len(every) > 1:
            raise UsageError(
                "NK523", f"{change.line} has {len(every)} doses", help=f"say which: {change.verb} {change.line} 2"
            )
        first, last = change.first or 1, change.last or 1
        if last > every[-1][1]:
            raise UsageError(
                "NK523", f"{change.line} has no dose {last}", help=f"{change.line} has doses 1 to {every[-1][1]}"
            )
        named = [(change.line, n) for n in range(first, last + 1)]
        self._refuse_cancelled(named)
        self._refuse_past(named)
        for key in named:
            event = self.rows[key].event
            if event.kind == "assessment" and (change.verb == "reduce" or event.length is not None):
                raise UsageError(
                    "NK523",
                    f"{change.line} is not a dose to {change.verb}",
                    help="only doses and visits can be changed so",
                )
        return named

    def _to_cease(self, every: list[Key]) -> list[Key]:
        left = [key for key in every if key in self.rows and key[1] >= (self.change.first or 1)]
        found = left if self.change.first is not None else [key for key in left if not self._past(key)]
        if not found:
            raise InvalidInput(
                "NK524", f"{self.change}: no dose of {self.change.line} is left", help="nothing to cease"
            )
        self._refuse_past(found)
        return found

    def _refuse_cancelled(self, named: list[Key]) -> None:
        for row in self.calendar.cancelled:
            if key_of(row.event) in named:
                raise InvalidInput(
                    "NK524",
                    f"{self.change}: {name_of(row)} was taken out before ({row.event.remarks[-1]})",
                    help="make a new calendar to bring a dose back",
                )

    def _refuse_past(self, named: list[Key]) -> None:
        past = [self.rows[key] for key in named if self._past(key)]
        if past and not self.amendment.past:
            raise InvalidInput(
                "NK525",
                f"{self.change}: {name_of(past[0])} on {past[0].start:%a %Y-%m-%d %H:%M} lies before "
                f"{self.amendment.when:%Y-%m-%d %H:%M}, when this is decided",
                help="to correct the record of what was given, say so (--past)",
            )

    def _past(self, key: Key) -> bool:
        return self.rows[key].start <= self.amendment.when

    def _stays(self, key: Key) -> bool:
        """Whether a row lies in the past and is neither named by the change nor a window of what is."""
        return self._past(key) and key not in self.targets and key not in self.carried

    def _words(self, what: Said) -> Said:
        return said("{amendment}: {what}", amendment=self.amendment.name, what=what)

    def without(self) -> Calendar:
        """The calendar without the targets and what hangs on them; nothing is made up for, nothing else moves."""
        ceases, why = self.change.verb == "cease", self.change.reason
        words = said(phrase("ceased: {reason}") if ceases else phrase("omitted: {reason}"), reason=why)
        gone = {k: self._words(words) for k in self.targets}
        for key in hanging(self.schedule.events, self.targets):
            if not self._stays(key) and key not in gone:
                base = self.rows[key].event.occasion.base
                assert base is not None
                form = phrase("ceased with {dose}") if ceases else phrase("omitted with {dose}")
                gone[key] = self._words(said(form, dose=f"{base[0]} {base[1]}"))
        kept = tuple(e for e in self.schedule.events if key_of(e) not in gone)
        found = self.rules.placed_again(replace(self.schedule, events=kept), self.calendar, self.calendar.day0)
        out = tuple(_remarked(row, gone[key]) for key, row in self.rows.items() if key in gone)
        return replace(found, cancelled=(*self.calendar.cancelled, *out))

    def reduced(self) -> Calendar:
        """The calendar with the targets reckoned again, by both ways, with less."""
        events = tuple(self._less(e) if key_of(e) in self.targets else e for e in self.schedule.events)
        return self.rules.placed_again(replace(self.schedule, events=events), self.calendar, self.calendar.day0)

    def _less(self, event: Event) -> Event:
        choice, change = self.schedule.choice, self.change
        assert change.share is not None
        share = change.share if change.of_plan else event.share * change.share
        line = next(x for x in choice.arm.lines if x.id == event.line)
        product = choice.protocol.products.get(line.product)
        number = event.occasion.number
        dose = dose_of(line, number, self.schedule.patient, choice.protocol.body, product, share)
        assert event.dose is not None
        if dose.amount >= event.dose.amount:
            raise InvalidInput(
                "NK526",
                f"{change}: {event.line} {number} would be {dose.amount:f} {dose.unit} and is {event.dose.amount:f}",
                help="reduce it further: rounding, vials or whole bags take up this much, or it was reduced before",
            )
        percent = plain(change.share * 100 if change.of_plan else 100 - change.share * 100)
        form = (
            phrase("reduced to {percent} %: {reason}") if change.of_plan else phrase("reduced by {percent} %: {reason}")
        )
        words = self._words(said(form, percent=percent, reason=change.reason))
        return replace(event, dose=dose, share=share, remarks=(*event.remarks, words))

    def delayed(self) -> Calendar:
        """The calendar with the targets later, and what follows them."""
        by = self.change.by or self._length_to()
        whole = None if by.elapsed else by.days
        course = next((c for c in courses(self.schedule.choice) if any(map(c.holds, self.targets))), None)
        if whole and course and not course.phases:
            return self._with_day0(whole, by)
        moving = set(self.targets) | following(self.schedule.events, self.targets)
        if whole and course:
            together = within(self.schedule, course)
            moving |= together | following(self.schedule.events, together)
        moving = {key for key in moving if not self._stays(key)}
        events = tuple(self._later(e, moving, by, self.shifted.get(key_of(e), 0)) for e in self.schedule.events)
        return self.rules.placed_again(replace(self.schedule, events=events), self.calendar, self.calendar.day0)

    def _length_to(self) -> Duration:
        assert self.change.to is not None
        row = self.rows[self.targets[0]]
        days = (self.change.to - row.start.date()).days
        if days <= 0:
            raise InvalidInput(
                "NK526",
                f"{self.change}: {name_of(row)} is on {row.start:%Y-%m-%d}, and a delay is to a later day",
                help="a dose that comes earlier needs a new calendar",
            )
        return Duration(Decimal(days), "d")

    def _later(self, event: Event, moving: set[Key], by: Duration, closed_d: int) -> Event:
        """The event moved if it moves; its window moves with what it counts from."""
        o, key = event.occasion, key_of(event)
        in_course = any(event.phase in c.phases for c in courses(self.schedule.choice))
        counted = (
            o.base in moving
            or o.origin in moving
            or (o.follows and any(k[0] == event.line and k[1] < o.number for k in moving))
            or (in_course and key in moving and key not in self.targets)
        )
        if key not in moving and not counted:
            return event
        days = closed_d if key in moving or o.base else 0

        def at(moment: Moment | None, moves: bool, extra: int) -> Moment | None:
            if moment is None:
                return None
            found = replace(moment, day=moment.day + extra)
            return found.later(by) if moves else found

        start = at(o.start, key in moving, closed_d if key in moving else 0)
        assert start is not None
        window_d = days if o.base else 0
        occasion = replace(
            o,
            start=start,
            earliest=at(o.earliest, counted, window_d),
            latest=at(o.latest, counted, window_d),
            fixed=True,
        )
        if key in self.targets:
            words = said("delayed by {time}: {reason}", time=by, reason=self.change.reason)
        elif key in moving:
            words = said("moved by {time} with {doses}", time=by, doses=self.change.doses)
        else:
            form = phrase("{doses} moved by {time}; this lies in the past and stays")
            words = said(form, time=by, doses=self.change.doses)
        return replace(event, occasion=occasion, remarks=(*event.remarks, self._words(words)))

    def _with_day0(self, days: int, by: Duration) -> Calendar:
        """The calendar with day 0 later: what is to come moves with it, what has been given stays on its date."""
        old, new = self.calendar.day0, self.calendar.day0 + dt.timedelta(days=days)
        stay = {key for key in self.rows if self._stays(key)}

        def back(moment: Moment, closed_d: int) -> Moment:
            date = add_months(old, moment.months) + dt.timedelta(days=moment.day + closed_d)
            return replace(moment, months=0, day=(date - new).days)

        def moved(event: Event) -> Event:
            key, o = key_of(event), event.occasion
            if key in stay:
                ends = (o.earliest, o.latest)
                if o.base in stay or o.origin in stay:
                    ends = (o.earliest and back(o.earliest, 0), o.latest and back(o.latest, 0))
                start = back(o.start, self.shifted.get(key, 0))
                o = replace(o, start=start, earliest=ends[0], latest=ends[1], fixed=True)
                words = said("day 0 moved by {time}; this lies in the past and stays", time=by)
            elif key in self.targets:
                words = said("delayed by {time}: {reason}", time=by, reason=self.change.reason)
            else:
                words = said("moved by {time} with day 0", time=by)
            return replace(event, occasion=o, remarks=(*event.remarks, self._words(words)))

        events = tuple(moved(e) for e in self.schedule.events)
        return self.rules.placed_again(replace(self.schedule, events=events), self.calendar, new)


def _numbered(old: Calendar, new: Calendar, when: dt.datetime) -> Calendar:
    """The rows with how often they have changed: the number goes up where time, dose or day differ, and only there."""
    before = {key_of(r.event): r for r in old.rows}

    def counted(row: Row) -> Row:
        was = before[key_of(row.event)]
        moved = _core(was) != _core(row)
        reads = (was.notes, row_findings(old, was)) == (row.notes, row_findings(new, row))
        return replace(row, sequence=was.sequence + moved, changed=was.changed if reads and not moved else when)

    gone = {key_of(r.event) for r in old.cancelled}
    cancelled = tuple(
        r if key_of(r.event) in gone else replace(r, sequence=r.sequence + 1, changed=when) for r in new.cancelled
    )
    return replace(new, rows=tuple(map(counted, new.rows)), cancelled=cancelled)


def _core(row: Row) -> tuple[object, ...]:
    return (row.start, row.end, row.earliest, row.latest, row.event.amount, row.protocol_day)


def _remarked(row: Row, words: str) -> Row:
    event = replace(row.event, remarks=(*row.event.remarks, words))
    return replace(row, event=event, notes=(*row.notes, words))
