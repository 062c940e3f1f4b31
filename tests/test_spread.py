"""Slack in time: earliest, planned and latest of each dose, and the same slack drawn in a simulation."""

import datetime as dt
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import nksim
from nksim.cli import run as cli
from nksim.errors import InvalidInput
from nksim.patient import Patient
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.protocol.reading import parse_protocol
from nksim.regimen import Regimen
from nksim.run import simulate
from nksim.schedule.calendar import place
from nksim.schedule.expansion import ANCHOR_CLOCK, expand, timed
from nksim.schedule.spread import slacks, spreads
from nksim.settings import Settings
from nksim.slack import TIMINGS, drawn_shifts

TEXT = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()
IL2 = (
    "          - {id: il2, product: aldesleukin, dose: 9e6 IU, route: SC, before: {start of: cells, by: 30..60 min}}\n"
)
MORE = "          - {id: more, product: nk, dose: 1e9 cells, route: IV, days: {count: 2, every: 28 d, first: {after: last cells, by: 28 d}}}\n"
# Release tests hold cells up to 2 days; a window of -1..+3 days; the second course waits up to a week for counts.
SLACK = (("cells.window", "-1..+3 d"), ("more.delay", "0..7 d"))
RELEASED = parse_protocol(
    (TEXT + IL2 + MORE).replace("kinetics: ipsc", "kinetics: ipsc, release: 0..2 d").encode(), "a.yaml"
)
D = 1440


def choice(settings=SLACK):
    return choose(RELEASED, settings=settings)


def test_the_spread_of_a_dose_adds_up_what_leads_to_it():
    found = spreads(slacks(choice(), timed(choice()), ANCHOR_CLOCK))
    assert (found["cells", 1].early, found["cells", 1].late) == (-1 * D, 5 * D)
    # Interleukin-2 hangs on its cells, and has 15 minutes to either side itself.
    assert (found["il2", 1].early, found["il2", 1].late) == (-1 * D - 15, 5 * D + 15)
    # The later course counts from the last cells, then waits for counts and for its own release.
    assert (found["more", 2].early, found["more", 2].late) == (-1 * D, 5 * D + 7 * D + 2 * D)
    assert found["more", 2].why == ("cells window", "nk release", "more delay")
    assert (found["cy", 1].early, found["cy", 1].late) == (0, 0)


def test_a_window_of_its_own_is_kept_whatever_went_before():
    found = choice((*SLACK, ("more.window", "-2..+2 d")))
    spread = spreads(slacks(found, timed(found), ANCHOR_CLOCK))["more", 1]
    assert (spread.early, spread.late) == (-2 * D, 2 * D + 7 * D + 2 * D)


def test_the_calendar_shows_earliest_planned_and_latest():
    schedule = expand(choice(), Patient(weight=70, height=170), anchor_clock=dt.time(10))
    rows = {
        (r.event.line, r.event.occasion.number): r
        for r in place(schedule, day0="2026-03-06", tz="America/New_York").rows
    }
    # The clocks go forward on 8 March: whole days keep the hour.
    assert [t.isoformat() for t in rows["cells", 1].possible] == [
        "2026-03-05T10:00:00-05:00",
        "2026-03-11T10:00:00-04:00",
    ]
    assert [f"{t:%m-%d %H:%M}" for t in rows["il2", 1].possible] == ["03-05 09:00", "03-11 09:30"]
    assert rows["cy", 1].possible is None


def test_the_table_and_json_carry_the_spread(capfd, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text((TEXT + IL2).replace("kinetics: ipsc", "kinetics: ipsc, release: 0..2 d"))
    args = [
        "calendar",
        str(file),
        "--weight",
        "70kg",
        "--height",
        "170cm",
        "--day0",
        "2027-03-01",
        "--tz",
        "Asia/Shanghai",
    ]
    assert cli(args) == 0
    assert (
        "cells 1/2: Mon 2027-03-01 10:00 · Mon 2027-03-01 10:00 · Wed 2027-03-03 10:00 (nk release)"
        in capfd.readouterr().out
    )
    assert cli([*args, "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["patients"][0]["rows"]
    assert {r["latest_possible"] for r in rows if r["administration"] == "cells"} == {
        "2027-03-03T10:00:00+08:00",
        "2027-03-06T10:00:00+08:00",
    }


def test_draws_stay_within_the_spread_and_reach_its_ends():
    found = choice()
    limits = spreads(slacks(found, timed(found), ANCHOR_CLOCK))
    drawn = [drawn_shifts(found, 1, t) for t in range(400)]
    for key, spread in limits.items():
        days = np.array([d[key] for d in drawn])
        assert (days * D >= spread.early - 1e-6).all()
        assert (days * D <= spread.late + 1e-6).all()
        if key == ("cells", 1):
            assert set(np.unique(days.round(9))) <= set(range(-1, 6))
            assert {-1.0, 0.0, 3.0} <= set(days)
        if key[0] == "cy":
            assert not days.any()


def test_doses_of_a_line_keep_their_order_and_what_hangs_on_one_follows_it():
    found = choice((("cells.days", "0, 1, 2"), ("cells.window", "-1..+3 d")))
    starts = {(k, o.number): o.start.from_anchor_d(ANCHOR_CLOCK) for k, every in timed(found).items() for o in every}
    for timing in range(100):
        shifts = drawn_shifts(found, 7, timing)
        times = [starts["cells", n] + shifts["cells", n] for n in (1, 2, 3)]
        assert times == sorted(times)
        apart = [times[n - 1] - starts["il2", n] - shifts["il2", n] for n in (1, 2, 3)]
        assert all(30 - 1e-6 <= a * D <= 60 + 1e-6 for a in apart)


def test_a_late_dose_pushes_the_next_one_of_its_line_by_the_least_gap():
    """Doses on days 0, 3, 6 with -1 to +3 d and 2 d between them: drawn alone they come down to a day before one another."""
    found = choice((("cells.days", "0, 3, 6"), ("cells.window", "-1..+3 d"), ("cells.gap", "2 d")))
    starts = {(k, o.number): o.start.from_anchor_d(ANCHOR_CLOCK) for k, every in timed(found).items() for o in every}
    gaps = set()
    for timing in range(200):
        shifts = drawn_shifts(found, 7, timing)
        times = [starts["cells", n] + shifts["cells", n] for n in (1, 2, 3)]
        gaps.update(round(b - a, 9) for a, b in itertools.pairwise(times))
    assert min(gaps) == 2.0
    assert max(gaps) > 5


def test_the_order_of_lines_in_the_file_changes_no_draw():
    turned = TEXT.replace("          - {id: cells", IL2 + "          - {id: cells") + MORE
    other = parse_protocol(turned.replace("kinetics: ipsc", "kinetics: ipsc, release: 0..2 d").encode(), "a.yaml")
    settings = (("cells.days", "0, 1, 2"), *SLACK)
    for timing in range(30):
        assert drawn_shifts(choose(other, settings=settings), 1, timing) == drawn_shifts(choice(settings), 1, timing)


def test_a_draw_depends_on_the_seed_and_the_timing_alone():
    assert drawn_shifts(choice(), 1, 3) == drawn_shifts(choice(), 1, 3)
    assert drawn_shifts(choice(), 1, 3) != drawn_shifts(choice(), 2, 3)
    more = choice((*SLACK, ("flu.window", "-1..+1 d")))
    assert drawn_shifts(more, 1, 3)["cells", 1] == drawn_shifts(choice(), 1, 3)["cells", 1]


def chimerism(n, timing, settings=SLACK):
    regimen = Regimen(RELEASED, settings=settings)
    return simulate(regimen, n=n, seed=1, settings=Settings(days=14, every_d=1, timing=timing)).simulation


def test_slack_moves_curves_and_no_slack_moves_nothing():
    planned, sampled = chimerism(12, "planned"), chimerism(12, "sampled")
    assert not np.array_equal(planned.solution["donor_nk"], sampled.solution["donor_nk"])
    held = RELEASED.model_copy(
        update={"products": {"nk": RELEASED.products["nk"].model_copy(update={"release": None})}}
    )
    fixed = (("il2.before", "{start of: cells, by: 45 min}"),)
    both = [simulate(Regimen(held, settings=fixed), n=12, seed=1, settings=Settings(days=14, every_d=1, timing=t)).simulation
            for t in ("planned", "sampled")]  # fmt: skip
    assert np.array_equal(both[0].solution["donor_nk"], both[1].solution["donor_nk"])


def test_more_patients_change_nobody_s_timing():
    few, many = chimerism(5, "sampled"), chimerism(TIMINGS + 5, "sampled")
    first = min(len(few.times_d), len(many.times_d))
    shared_few, shared_many = few.solution["donor_nk"][:, -first:], many.solution["donor_nk"][:5, -first:]
    assert np.array_equal(shared_few, shared_many)


@pytest.mark.parametrize(("text", "code"), [("3 d", "NK221"), ("3..0 d", "NK205"), ("0..1 mo", "NK221")])
def test_a_delay_that_is_none_is_refused(text, code):
    with pytest.raises(InvalidInput, match=code):
        choice((("more.delay", text),))


def test_sampled_timing_reads_the_peak_only_after_the_last_patient_has_had_a_day():
    # A fresh infusion puts most of its cells into blood for hours; the lasting maximum must not catch it late.
    plan = nksim.protocol("nkaml").assume().change("cells.window", "-0..+3 d")
    planned, sampled = (
        plan.simulate(n=40, seed=1, settings=Settings(days=20, timing=t)) for t in ("planned", "sampled")
    )
    first, last = sampled.simulation.infusion_spread_d
    assert (first[0], last[0]) == (0, 3)
    a, b = (run.metrics()["donor_nk_cmax"].median for run in (planned, sampled))
    assert b < 1.2 * a
    assert sampled.metrics()["donor_nk_peak"].n == 0


def test_a_late_dose_makes_those_late_that_count_from_it():
    c = choose(
        load("jk500"),
        settings=(
            ("cells.dose", "1e7 cells/kg"),
            ("cells.days", "{count: 3, every: 7 d, from: previous dose}"),
            ("cells.window", "0..1 d"),
        ),
    )
    found = spreads(slacks(c, timed(c), ANCHOR_CLOCK))
    # Each may be a day late, and counts from one that may be.
    assert [found["cells", n].late / 1440 for n in (1, 2, 3)] == [1, 2, 3]
    assert found["il2", 3].late / 1440 == pytest.approx(3 + 15 / 1440)
    for timing in range(20):
        shifts = drawn_shifts(c, 1, timing)
        assert shifts["cells", 1] <= shifts["cells", 2] <= shifts["cells", 3] <= 3
