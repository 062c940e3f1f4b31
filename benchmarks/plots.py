"""Plots of what the benchmarks measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.growth import Whole

HERE = Path(__file__).parent


def draw(race: Sequence[tuple[str, str, float, float]], grown: Sequence[Whole]) -> None:
    """`speed.svg` and `growth.svg` beside this file; nothing where altair is not installed."""
    try:
        import altair as alt
    except ImportError:
        return
    rows = [{"program": p, "engine": name, "rate": rate, "error": error} for p, name, rate, error in race]
    base = alt.Chart(alt.Data(values=rows), width=480, height=320).encode(
        x=alt.X("error:Q", scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e"),
                title="largest relative error of the donor NK count"),
        y=alt.Y("rate:Q", scale=alt.Scale(type="log"), title="patients per second of one processor"),
        color=alt.Color("program:N", title=None, scale=alt.Scale(scheme="dark2")),
    )  # fmt: skip
    _save(base.mark_line(opacity=0.4) + base.mark_point(filled=True, size=60, opacity=1), "speed.svg")
    points = [{"patients": w.count, "seconds": w.processor_s, "memory": w.peak_mib} for w in grown]
    whole = alt.Chart(alt.Data(values=points), width=300, height=240)
    patients = alt.X("patients:Q", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s"), title="virtual patients")
    time = whole.mark_line(point=True).encode(
        x=patients, y=alt.Y("seconds:Q", scale=alt.Scale(type="log"), title="processor time of the whole run, s")
    )
    memory = whole.mark_line(point=True).encode(
        x=patients, y=alt.Y("memory:Q", scale=alt.Scale(zero=True), title="peak memory, MiB")
    )
    _save(time | memory, "growth.svg")


def _save(chart: Any, name: str) -> None:
    chart.save(str(HERE / name))
