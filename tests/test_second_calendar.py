"""10,000 random calendars against a second way of making them: rrule and time-zone rules of python-dateutil.

dateutil reads the zone files with code of its own; local time becomes an instant here by trying the offsets before and
after, where nksim goes there and back through UTC.
"""

import datetime as dt
import random
from pathlib import Path

import pytest
from dateutil import rrule, tz

from nksim.patient import Patient
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.schedule.calendar import place
from nksim.schedule.expansion import expand

GOOD = parse_protocol((Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_bytes(), "good.yaml")
ZONES = (
    "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu",
    "America/Sao_Paulo", "Pacific/Auckland", "America/St_Johns", "Africa/Cairo", "Asia/Tehran", "Pacific/Apia",
)  # fmt: skip
REGIMENS, PLACINGS = 200, 50
PATIENT = Patient(weight=70, height=170)


def offset(zone, utc):
    return utc.replace(tzinfo=dt.UTC).astimezone(zone).utcoffset()


def instant(zone, wall):
    """The first instant that the clocks show so; in a gap, the one that the offset before the gap would give."""
    before, after = (offset(zone, wall + dt.timedelta(days=d)) for d in (-2, 2))
    right = [wall - o for o in (before, after) if offset(zone, wall - o) == o]
    return min(right) if right else wall - before


def regimen(rng):
    """A random recurrence with a random line before or after each of its doses: the choice, and how to expect it."""
    every = rng.randint(1, 30)
    pattern = sorted({0, *(rng.randrange(every) for _ in range(rng.randint(0, 3)))})
    count, minutes, over = rng.randint(1, 9), rng.randint(0, 3000), rng.randint(1, 600)
    side, edge = rng.choice(["before", "after"]), rng.choice(["start", "end"])
    clock = dt.time(rng.choice([0, 1, 2, 3, 8, 10, 23]), rng.choice([0, 15, 30, 59]))
    listed = ", ".join(map(str, pattern))
    settings = (
        ("cells.days", f'{{count: {count}, pattern: "{listed}", every: {every} d}}'),
        ("cells.over", f"{over} min"),
        (f"cy.{side}", f"{{{edge} of: cells, by: {minutes} min}}"),
    )
    shift = dt.timedelta(minutes=(-minutes if side == "before" else minutes) + (over if edge == "end" else 0))
    return choose(GOOD, settings=settings), clock, (count, pattern, every), shift


def expected(day0, clock, plan, zone, shift):
    """Instants of the doses, and of the line that hangs on each of them."""
    count, pattern, every = plan
    start = dt.datetime.combine(day0, clock)
    repeats = [
        rrule.rrule(rrule.DAILY, interval=every, count=count, dtstart=start + dt.timedelta(days=p)) for p in pattern
    ]
    walls = sorted(w for repeat in repeats for w in repeat)[:count]
    doses = [instant(zone, w) for w in walls]
    return doses, sorted(d + shift for d in doses)


@pytest.mark.parametrize("seed", range(10))
def test_dates_and_times_are_those_of_a_second_implementation(seed):
    rng = random.Random(seed)
    for _ in range(REGIMENS // 10):
        choice, clock, plan, shift = regimen(rng)
        schedule = expand(choice, PATIENT, anchor_clock=clock)
        for _ in range(PLACINGS):
            day0 = dt.date(1990, 6, 1) + dt.timedelta(days=rng.randrange(16_500))
            name = rng.choice(ZONES)
            found = place(schedule, day0=day0, tz=name).rows
            utc = {
                x: [r.start.astimezone(dt.UTC).replace(tzinfo=None) for r in found if r.event.line == x]
                for x in ("cells", "cy")
            }
            assert (utc["cells"], utc["cy"]) == expected(day0, clock, plan, tz.gettz(name), shift), (name, day0, plan)
