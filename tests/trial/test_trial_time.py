"""Trials in time: nobody before the stagger, no decision before its data, nothing on a closed day."""

import datetime as dt

import numpy as np
import pytest

from nksim.errors import UsageError
from nksim.schedule.closures import Closure, Site, site_of
from nksim.trial.boin import Boin
from nksim.trial.conduct import Conduct
from nksim.trial.opendays import open_days
from nksim.trial.outcomes import simulate
from nksim.trial.pace import DAYS_PER_MONTH, Pace
from nksim.trial.rolling import simulate_rolling
from nksim.trial.sample import sample_trial
from nksim.trial.three_plus_three import ThreePlusThree
from nksim.trial.timeline import timeline
from nksim.trial.tite import TiteBoin

TRUTH = [0.05, 0.15, 0.30, 0.45, 0.60]
BOIN = Conduct(Boin(0.30), 5)
BUSY = Pace(3, 28, lead_d=14, within_d=14, screen_failure=0.2, product_failure=0.1, not_evaluable=0.1, weekends=True)


def timed(pace, n=200, design=BOIN, seed=1):
    found = simulate(design, TRUTH, n=n, seed=seed)
    return found, timeline(found, pace, seed)


def test_nobody_in_a_cohort_is_infused_before_the_stagger_has_passed():
    for number in range(1, 41):
        trial = sample_trial(BOIN, TRUTH, BUSY, seed=1, number=number, opens=dt.date(2027, 3, 1))
        for cohort in range(1, 1 + max(c.cohort for c in trial.courses)):
            # Everybody who was infused, also those who left; whoever had no product was not.
            days = sorted(c.infused for c in trial.courses if c.cohort == cohort and c.infused)
            assert all(day >= days[0] + dt.timedelta(days=14) for day in days[1:])


def test_each_patient_waits_for_the_one_before_where_the_plan_says_so():
    found, times = timed(Pace(30, 28, within_d=7, each=True))
    same = (found.cohort[:, 1:] == found.cohort[:, :-1]) & (found.given[:, 1:] >= 0)
    assert (np.diff(times.infused_d, axis=1)[same] >= 7).all()


def test_a_lost_patient_s_place_is_not_known_to_be_free_before_the_loss():
    for number in range(1, 41):
        trial = sample_trial(BOIN, TRUTH, BUSY, seed=1, number=number, opens=dt.date(2027, 3, 1))
        for cohort in range(1, 1 + max(c.cohort for c in trial.courses)):
            mine = [c for c in trial.courses if c.cohort == cohort]
            for i, course in enumerate(mine[3:], 3):
                lost = sorted(c.until for c in mine[:i] if c.outcome in ("product failure", "not evaluable"))
                # The fourth patient enters when one of the three is lost, the fifth when two are.
                assert course.entered >= lost[i - 3]


def test_no_cohort_begins_before_every_outcome_of_the_one_before_is_known():
    found, times = timed(BUSY)
    for trial in range(200):
        cohorts = found.cohort[trial].max() + 1
        for cohort in range(1, cohorts):
            before = (found.cohort[trial] == cohort - 1) & (found.given[trial] >= 0)
            after = (found.cohort[trial] == cohort) & (found.given[trial] >= 0)
            assert times.entered_d[trial][after].min() >= times.ended_d[trial][before].max()


def test_nobody_is_infused_on_a_closed_day():
    _, times = timed(Pace(3, 28, weekends=True, start_weekday=2))
    infused = times.infused_d[~np.isnan(times.infused_d)]
    assert set(np.unique((infused + 2) % 7)) <= {0, 1, 2, 3, 4}


def test_a_patient_without_a_dlt_is_known_at_the_end_of_the_window_and_one_with_it_before():
    found, times = timed(Pace(3, 28, counted_from_d=7))
    length = times.ended_d - times.infused_d
    clear = (found.given >= 0) & ~found.toxic
    assert (length[clear] == 35).all()
    assert (length[found.toxic] <= 35).all()
    assert (length[found.toxic] > 0).all()


# Three patients at a time, 0 of 3 at each of two levels: six waits of 1/rate and two windows, by hand.
def test_the_length_of_a_trial_without_toxicity_is_six_waits_and_two_windows():
    found = simulate(ThreePlusThree(2), [0, 0], n=4000, seed=1)
    times = timeline(found, Pace(2, 28), 1)
    expected = 6 * DAYS_PER_MONTH / 2 + 2 * 28 + 0.5  # the first infusion of each cohort waits for the next whole day
    assert times.length_d.mean() == pytest.approx(expected, abs=2)


@pytest.mark.parametrize(("field", "count"), [("product_failure", "product_failures"), ("not_evaluable", "left")])
def test_the_lost_are_replaced_as_often_as_they_are_lost(field, count):
    # Until one counts, the number lost is geometric: p / (1 - p) for each of the patients who count.
    found, times = timed(Pace(3, 28, **{field: 0.25}), n=1000)
    patients = (found.given >= 0).sum()
    assert getattr(times, count).sum() / patients == pytest.approx(1 / 3, abs=0.02)
    assert (times.enrolled == (found.given >= 0).sum(axis=1) + getattr(times, count)).all()


def test_screening_failures_are_in_proportion_to_those_who_enter():
    _, times = timed(Pace(3, 28, screen_failure=0.4), n=1000)
    assert times.screen_failures.sum() / times.enrolled.sum() == pytest.approx(0.4 / 0.6, abs=0.03)


@pytest.mark.parametrize(
    "longer",
    [{"window_d": 56}, {"per_month": 1}, {"lead_d": 28}, {"within_d": 28}, {"product_failure": 0.3},
     {"not_evaluable": 0.3}, {"screen_failure": 0.5}, {"between_d": 60}],
    ids=str,
)  # fmt: skip
def test_what_delays_a_trial_makes_it_longer(longer):
    plain = {"per_month": 3, "window_d": 28}
    assert timed(Pace(**{**plain, **longer}))[1].length_d.mean() > timed(Pace(**plain))[1].length_d.mean() + 5


def test_a_trial_in_time_is_the_same_alone_and_among_others():
    found, times = timed(BUSY, n=60)
    alone = timeline(simulate(BOIN, TRUTH, n=1, seed=1, first=33), BUSY, 1)
    assert np.array_equal(alone.infused_d[0], times.infused_d[33], equal_nan=True)
    assert alone.length_d[0] == times.length_d[33]
    assert len(alone.tries) == times.enrolled[33]
    assert found.index[33] == 33


# With patients so rare that every window has ended before the next one comes, nothing is ever pending.
def test_tite_boin_is_boin_where_nobody_is_pending():
    rolled, _ = simulate_rolling(TiteBoin(BOIN), TRUTH, Pace(0.001, 28), n=400, seed=5)
    plain = simulate(BOIN, TRUTH, n=400, seed=5)
    assert np.mean(rolled.mtd == plain.mtd) > 0.98
    assert np.mean((rolled.n == plain.n).all(axis=1)) > 0.95


def test_tite_boin_takes_far_less_time_and_chooses_nearly_as_well():
    pace = Pace(4, 84)
    rolled, times = simulate_rolling(TiteBoin(BOIN), TRUTH, pace, n=2000, seed=1)
    plain = simulate(BOIN, TRUTH, n=2000, seed=1)
    assert times.length_d.mean() < 0.6 * timeline(plain, pace, 1).length_d.mean()
    assert np.mean(rolled.mtd == 3) == pytest.approx(np.mean(plain.mtd == 3), abs=0.05)


def test_tite_boin_never_opens_a_cohort_with_more_than_half_of_the_level_pending():
    found, times = simulate_rolling(TiteBoin(BOIN), TRUTH, Pace(20, 84), n=200, seed=1)
    for trial in range(200):
        given, infused, ended = found.given[trial], times.infused_d[trial], times.ended_d[trial]
        for k in range(3, BOIN.most, 3):
            if given[k] < 0:
                break
            day, before = infused[k], np.arange(k)
            pending = (given[before] == given[k - 1]) & (ended[before] > day)
            moved_out = given[k] < given[k - 1]
            assert moved_out or pending.sum() <= 0.5 * (given[before] == given[k - 1]).sum()


def test_tite_boin_does_not_depend_on_workers_nor_on_company():
    whole, times = simulate_rolling(TiteBoin(BOIN), TRUTH, BUSY, n=60, seed=2)
    part, parts = simulate_rolling(TiteBoin(BOIN), TRUTH, BUSY, n=20, seed=2, first=30, workers=2)
    assert np.array_equal(part.given, whole.given[30:50])
    assert np.array_equal(parts.length_d, times.length_d[30:50])


# The rate (y + q (c - f)) / n with q = p / (1 - p), p = (y + 0.15) / (n - c + 1), against 0.236491 and 0.358519, by hand:
# 3, 1, 1: p = 1.15/3, f = 1 - 0.075557/0.621622 = 0.878; 6, 1, 2: p = 0.23, f = 2 - 0.418946/0.298701 = 0.597.
@pytest.mark.parametrize(
    ("n", "y", "pending", "followed", "decision"),
    [(3, 0, 1, 0.0, "E"), (3, 0, 2, 1.9, "W"), (3, 1, 1, 0.87, "D"), (3, 1, 1, 0.89, "S"), (6, 1, 2, 0.59, "S"),
     (6, 1, 2, 0.61, "E"), (6, 3, 2, 2.0, "D"), (3, 2, 1, 0.0, "D"), (3, 3, 0, 0.0, "X"), (6, 4, 2, 0.0, "X")],
)  # fmt: skip
def test_pending_patients_count_by_the_part_of_the_window_they_have_passed(n, y, pending, followed, decision):
    assert TiteBoin(BOIN).row(n, y, pending).at(followed) == decision


def test_every_row_of_tite_boin_to_18_patients_is_boin_once_nobody_is_pending():
    rule = TiteBoin(BOIN)
    for row in rule.rows(18):
        assert row.y + row.pending <= row.n
        if row.pending == 0:
            assert row.at(0.0) == rule.decisions.at(row.n, row.y)


def test_more_follow_up_without_toxicity_never_leads_lower():
    rank = {"X": 0, "D": 1, "W": 2, "S": 3, "E": 4}
    for row in TiteBoin(BOIN).rows(18):
        found = [rank[row.at(float(f))] for f in np.linspace(0, row.pending, 9)]
        assert found == sorted(found)


def test_enough_toxicity_to_go_down_whatever_comes_does_not_wait_for_the_pending():
    # 3 of 6 is above 0.358519 even if the three pending patients stay well.
    assert TiteBoin(BOIN).row(6, 3, 3).decision == "D"


@pytest.mark.parametrize("design", [BOIN, TiteBoin(BOIN)], ids=["boin", "tite-boin"])
def test_whoever_cannot_be_evaluated_takes_a_place_of_the_trial_where_nobody_is_replaced(design):
    pace = Pace(6, 28, not_evaluable=0.25, replace=False)
    if isinstance(design, TiteBoin):
        found, times = simulate_rolling(design, TRUTH, pace, n=800, seed=4)
    else:
        found = simulate(design, TRUTH, n=800, seed=4, lost=pace.lost)
        times = timeline(found, pace, 4)
    treated = (found.given >= 0).sum(axis=1)
    lost = ((found.given >= 0) & ~found.evaluable).sum(axis=1)
    assert treated.max() == BOIN.most
    assert (found.n.sum(axis=1) + lost == treated).all()
    assert lost.sum() / treated.sum() == pytest.approx(0.25, abs=0.01)
    assert (times.left == lost).all()
    assert (times.enrolled == treated).all()
    assert not (found.toxic & ~found.evaluable).any()
    # Whoever left is known from the day of leaving, within the window.
    gone = (found.given >= 0) & ~found.evaluable
    assert (times.ended_d[gone] - times.infused_d[gone] <= 28).all()
    assert (times.ended_d[gone] > times.infused_d[gone]).all()


def test_the_sample_trial_says_who_left_where_nobody_is_replaced():
    pace = Pace(6, 28, product_failure=0.2, not_evaluable=0.3, replace=False)
    for number in range(1, 21):
        trial = sample_trial(BOIN, TRUTH, pace, seed=1, number=number, opens=dt.date(2027, 3, 1))
        found = simulate(BOIN, TRUTH, n=1, seed=1, first=number - 1, lost=0.3)
        left = [c for c in trial.courses if c.outcome == "not evaluable"]
        assert len(left) == ((found.given >= 0) & ~found.evaluable).sum()
        infused = [c for c in trial.courses if c.infused]
        assert len(infused) == (found.given >= 0).sum()


def test_holidays_and_weekends_move_infusions_and_decisions_to_the_next_open_day():
    # 2027-05-03 is the Monday bank holiday of England; the day after the weekend of 1 and 2 May.
    found = open_days(site_of(["GB-ENG"]), dt.date(2027, 3, 1))
    opened = [dt.date(2027, 3, 1) + dt.timedelta(days=int(d)) for d in found.next(np.arange(61.0, 66.0))]
    assert opened == [dt.date(2027, 5, 4)] * 4 + [dt.date(2027, 5, 5)]
    pace = Pace(3, 28, site=found)
    _, times = timed(pace)
    closed = site_of(["GB-ENG"])
    days = np.unique(times.infused_d[~np.isnan(times.infused_d)])
    assert all(closed.closed_on(dt.date(2027, 3, 1) + dt.timedelta(days=int(d))) is None for d in days if d < 6000)


def test_beyond_the_years_looked_up_weekends_stay_closed():
    found = open_days(site_of(["weekends"]), dt.date(2027, 3, 1))
    far = np.arange(20_000.0, 20_014.0)
    assert {(dt.date(2027, 3, 1) + dt.timedelta(days=int(d))).weekday() for d in found.next(far)} == {0, 1, 2, 3, 4}


def test_a_site_that_never_opens_is_refused():
    closures = (Closure(dt.date(2027, 1, 1), dt.date(2030, 1, 1), "rebuilding"),)
    with pytest.raises(UsageError, match="NK510"):
        open_days(Site(closures=closures), dt.date(2027, 3, 1))


def test_a_sample_trial_holds_everybody_on_dates_in_order():
    trial = sample_trial(BOIN, TRUTH, BUSY, seed=1, number=4, opens=dt.date(2027, 3, 1))
    _, times = timed(BUSY, n=4)
    assert len(trial.courses) == times.enrolled[3]
    assert trial.ends == dt.date(2027, 3, 1) + dt.timedelta(days=int(times.length_d[3]))
    assert [c.entered for c in trial.courses] == sorted(c.entered for c in trial.courses)
    assert all(c.infused is None or c.entered <= c.infused <= c.until for c in trial.courses)
    assert all(c.infused is None or c.infused.weekday() < 5 for c in trial.courses)
    assert all((c.infused is None) == (c.outcome == "product failure") for c in trial.courses)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"per_month": 0}, "NK811"), ({"window_d": 0}, "NK811"), ({"screen_failure": 0.95}, "NK811"), ({"late": 2}, "NK811"),
     ({"lead_d": -1}, "NK811"), ({"within_d": 29}, "NK812")],
)  # fmt: skip
def test_a_pace_that_cannot_be_is_refused(wrong, code):
    with pytest.raises(UsageError, match=code):
        Pace(**{"per_month": 2, "window_d": 28, **wrong})


def test_cohorts_closer_than_the_window_need_a_design_for_incomplete_data():
    with pytest.raises(UsageError, match=r"NK812[\s\S]*tite-boin"):
        timed(Pace(2, 28, between_d=14))
