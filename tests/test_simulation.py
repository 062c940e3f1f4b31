"""The simulator gives virtual patients the doses that the calendar gives real ones, and reports what it rests on."""

import dataclasses

import numpy as np
import pytest

from nksim.doses import event_table
from nksim.errors import InvalidInput, Unanswered, UsageError
from nksim.patient import Patient
from nksim.plan import simulate
from nksim.population import virtual_population
from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.regimen import protocol
from nksim.run import Bodies
from nksim.run import simulate as run
from nksim.schedule.amounts import Sizes
from nksim.schedule.expansion import expand
from nksim.settings import Settings

TARGETS = {"cy": "cy", "flu": "flu", "il2": "il2", "cells": "cells"}
SHORT = Settings(days=20, every_d=0.5)


def answered(name="nkaml", *settings, **chosen):
    return choose(load(name), settings=settings, **chosen).answered(accept_assumed=True)


def test_the_simulators_doses_are_the_rows_of_the_calendar():
    choice = answered()
    patient = Patient(id="P", weight=25, height=128, age=8)
    table, _ = event_table(choice, Sizes.of([patient]))
    schedule = expand(choice, patient)
    rows = sorted(
        (e.occasion.start.from_anchor_d(schedule.anchor_clock), TARGETS[e.line], float(e.amount))
        for e in schedule.doses
    )
    found = sorted(zip(table.time_d, table.target, table.amount[0], strict=True))
    assert [f[:2] for f in found] == [r[:2] for r in rows]
    # Two digits of a double: the calendar multiplies decimal numbers.
    assert [f[2] for f in found] == pytest.approx([r[2] for r in rows], rel=4e-16)


def test_the_nkaml_regimen_has_its_registered_amounts_in_a_child_of_25_kg():
    # NCT00187096: 60 mg/kg, 25 mg/m2, 2.9e7 cells/kg, 1e6 units/m2; BSA by hand: sqrt(128 * 25 / 3600) = 0.942809.
    table, _ = event_table(answered(), Sizes.of([Patient(weight=25, height=128)]))
    given = {t: table.amount[0, i] for i, t in enumerate(table.target)}
    assert given == pytest.approx({"cy": 1500, "flu": 23.570226, "cells": 7.25e8, "il2": 942809.04}, rel=1e-7)


def test_evening_doses_come_ten_hours_after_the_cells_clock_time():
    table, _ = event_table(answered(), Sizes.of([Patient(weight=25, height=128)]))
    times = [t for t, target in zip(table.time_d, table.target, strict=True) if target == "il2"]
    assert times == pytest.approx([d + 10 / 24 for d in (-1, 1, 3, 5, 7, 9)])


def test_interleukin_2_precedes_every_infusion_by_45_minutes():
    choice = answered("jk500", ("cells.dose", "1e7 cells/kg"), ("cells.days", "0, 2, 4, 7, 9, 11"))
    table, _ = event_table(choice, Sizes.of([Patient(weight=20, height=110)]))
    cells, il2 = (table.time_d[[t == name for t in table.target]] for name in ("cells", "il2"))
    assert cells - il2 == pytest.approx(np.full(6, 45 / 1440))


@pytest.fixture(scope="module")
def children():
    return run(protocol("nkaml"), n=60, seed=1, bodies=Bodies(weight=25, height=128, age=8), settings=Settings(days=40))


def test_nkaml_in_a_child_of_25_kg_comes_out_near_the_published_counts(children):
    # Rubnitz 2010: median 5.8 donor NK/uL on day 14 in ten patients. The spread is wide, hence the wide bounds.
    day14 = children.simulation.outputs["donor_nk"][:, np.searchsorted(children.simulation.times_d, 14)]
    found = children.metrics()
    assert 1.5 < np.median(day14) < 14
    assert 30 < found["alc_nadir"].median < 100
    assert 10 < found["alc_recovery_d"].median < 19


def test_a_patient_is_the_same_in_a_larger_population():
    few, many = (run(protocol("nkaml"), n=n, seed=3, settings=SHORT).simulation for n in (4, 9))
    assert few.outputs["donor_nk"].tobytes() == many.outputs["donor_nk"][:4].tobytes()


def test_a_patient_is_the_same_in_every_regimen_and_order():
    population = virtual_population(6, seed=5, age_range_y=(2, 18))
    choice = answered()
    forward = simulate(choice, population, seed=5, settings=SHORT)
    backward = simulate(choice, population.subset(np.arange(5, -1, -1)), seed=5, settings=SHORT)
    assert forward.outputs["alc"].tobytes() == backward.outputs["alc"][::-1].tobytes()


def test_another_seed_gives_other_patients():  # L19
    a, b = (run(protocol("nkaml"), n=3, seed=s, settings=SHORT).simulation for s in (1, 2))
    assert not np.array_equal(a.outputs["alc"], b.outputs["alc"])


def test_the_numpy_engine_agrees_with_the_reference_to_one_in_ten_thousand():
    fast, slow = (
        run(protocol("nkaml"), n=2, seed=1, settings=dataclasses.replace(SHORT, engine=e)).simulation
        for e in ("numpy", "reference")
    )
    for name in ("donor_nk", "host_nk", "alc", "il15"):
        np.testing.assert_allclose(fast.outputs[name], slow.outputs[name], rtol=1e-4, atol=1e-6)


def test_before_the_first_dose_everything_is_at_its_baseline(children):
    s = children.simulation
    before = s.times_d <= s.events.time_d[0]
    for name in ("alc", "host_nk", "il15"):
        assert (s.outputs[name][:, before] == s.outputs[name][:, :1]).all()


def test_chimerism_lies_between_0_and_1_and_the_assay_sees_nothing_below_its_limit(children):
    true, seen = children.simulation.outputs["nk_chimerism"], children.simulation.outputs["nk_chimerism_assay"]
    assert ((true >= 0) & (true <= 1)).all()
    assert (seen[true < 0.01] == 0).all()
    assert (seen[true >= 0.01] == true[true >= 0.01]).all()


def test_a_grid_holds_day_0_and_the_day_of_the_first_dose(children):
    times = children.simulation.times_d
    assert (times[0], times[-1], times[1] - times[0]) == (-7, 40, 0.25)
    assert 0.0 in times


def test_an_unmodelled_product_is_named():
    found = run(protocol("umn-haplo-nk").arm("cohort3"), n=2, settings=SHORT)
    assert found.simulation.not_modelled == ("denileukin diftitox",)
    assert "denileukin diftitox is on the calendar but not modelled" in str(found)


def test_cells_of_the_grafts_donor_show_counts_and_no_chimerism():
    p = protocol("donor-nk-il2").change("cells.dose", "1e7 cells/kg").change("cells.days", "0")
    found = run(p.change("il2.dose", "5e5 IU/m^2").change("il2.days", "1, 3"), n=3, settings=SHORT)
    assert "nk_chimerism" not in found.simulation.outputs
    assert np.isnan(found.metrics()["persistence_d"].median)
    assert found.metrics()["donor_nk_cmax"].median > 0
    assert "chimerism cannot see these cells" in str(found)


def test_the_ages_of_an_open_population_end_where_the_output_says():
    found = run(protocol("umn-haplo-nk").arm("cohort1"), n=200, settings=Settings(days=1, every_d=1))
    assert 75 < found.simulation.population.age_y.max() <= 80
    assert "ages without an upper limit in the registration end at 80 years" in found.simulation.assumptions


def test_every_assumed_value_is_named_in_the_output(children):
    text = " ".join(str(children).split())
    for value in (
        "cells.dose = 2.9e7 cells/kg",
        "il2.days = -1, 1, 3, 5, 7, 9",
        "body.bsa = mosteller",
        "cy.over = 1 h",
    ):
        assert value in text
    for name in children.simulation.parameter_set.assumed("haplo_fresh"):
        assert f" {name}" in text


def test_an_unknown_dose_is_refused_before_anything_runs():
    with pytest.raises(Unanswered, match=r"cells\.dose is unknown"):
        run(protocol("jk500"), n=2)


def test_fixed_measures_hold_for_everyone(children):
    p = children.simulation.population
    assert (set(p.weight_kg), set(p.height_cm), set(p.age_y)) == ({25.0}, {128.0}, {8.0})


def test_a_high_creatinine_raises_the_fludarabine_area():
    # Langenhorst 2019: clearance = 3.24 + 0.782 x eGFR (L/h per 70 kg): less kidney, more area.
    areas = [
        run(protocol("nkaml"), n=4, seed=1, bodies=Bodies(25, 128, 8, None, c), settings=SHORT)
        .metrics()["f_ara_a_auc"]
        .values
        for c in ("30 umol/L", "90 umol/L")
    ]
    assert (areas[1] > 1.3 * areas[0]).all()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"days": 0}, "NK640"),
        ({"every_d": 0}, "NK640"),
        ({"engine": "x"}, "NK641"),
        ({"lineage": "T"}, "NK642"),
        ({"lod": 0}, "NK643"),
        ({"lod": 0.05, "loq": 0.01}, "NK643"),
        ({"lineage": "PBMC"}, "NK632"),
        ({"sampled_cells": 0}, "NK633"),
        ({"copies_per_cell": 2.0}, "NK634"),
        ({"copies_per_cell": -1.0, "lineage": "leukocytes", "other_cells": 100.0}, "NK634"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(wrong, code):
    with pytest.raises(UsageError) as caught:
        Settings(**wrong)
    assert caught.value.faults[0].code == code


def test_more_values_than_memory_holds_are_refused_before_the_run():
    population = virtual_population(40_000, seed=1, age_range_y=(2, 18))
    with pytest.raises(InvalidInput, match="too many to hold"):
        simulate(answered(), population, seed=1, settings=Settings(days=90, every_d=0.25))
