"""How many patients reach how much of a metric, with published cut-offs and the user's goals as reference lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nksim.attainment import Goal
from nksim.cutoffs import cutoffs
from nksim.errors import UsageError
from nksim.metrics import Values
from nksim.output.charts.style import (
    HEIGHT,
    INK,
    MUTED,
    WIDTH,
    finished,
    inline,
    legend,
    letters,
    library,
    number_axis,
    palette,
    short,
)
from nksim.output.provenance import Provenance

_MOST_POINTS = 240


def attainment(
    values: Sequence[Values], labels: Sequence[str], provenance: Provenance, goals: Sequence[Goal] = ()
) -> Any:
    """Share of patients with at least x of a metric, for each regimen; for a goal with < or <= at most x.

    Where a rule crosses a curve it reads off the probability that the tables give. Regimens in which every patient
    has the same value share one curve. Raises `UsageError` NK710 where no patient has a value or all say yes or no.
    """
    alt = library()
    if values[0].unit == "yes" or not any(v.n for v in values):
        raise UsageError(
            "NK710", f"no chart of how many reach how much {values[0].id}", help="a goal of another metric"
        )
    metric, unit = values[0].id, values[0].unit
    asked = [g for g in goals if g.metric == metric]
    fewer = bool(asked) and asked[0].sign.startswith("<")
    named = _distinct(values, labels)
    names = list(named)
    lines = _references(metric, asked)
    low, high, scale = _scale(alt, list(named.values()), [value for value, _ in lines])
    records = [r for name, v in named.items() for r in _steps(name, v, fewer=fewer)]
    colours, dashes = palette(names)
    shown = legend(alt, names, symbolSize=300, symbolType="stroke")
    key = [f"{letter}  {text}" for letter, (_, text) in zip(_marks(len(lines)), lines, strict=True)]
    x = alt.X("x:Q", scale=scale, title=[f"{metric}, {unit}", *key], axis=number_axis(alt))
    reach = "at most" if fewer else "at least"
    y = alt.Y(
        "share:Q",
        title=f"Virtual patients with {reach} this",
        axis=alt.Axis(format="%"),
        scale=alt.Scale(domain=[0, 1]),
    )
    curves = alt.Chart(inline(alt, records, "regimen")).mark_line(
        strokeWidth=2, clip=True, interpolate="step-after" if fewer else "step-before"
    ).encode(
        x=x,
        y=y,
        color=alt.Color("regimen:N", scale=alt.Scale(domain=names, range=colours), legend=shown),
        strokeDash=alt.StrokeDash("regimen:N", scale=alt.Scale(domain=names, range=dashes), legend=shown),
        order=alt.Order("x:Q"),
    )  # fmt: skip
    rules = _rules(alt, lines, x, near=0.05 * (high - low))
    chart = alt.layer(*rules, curves).properties(width=WIDTH, height=HEIGHT - 60)
    same = "; the same in every regimen" if len(names) < len(values) and len(names) == 1 else ""
    notes = [f"{values[0].values.size} virtual patients{same}; a patient without a value does not reach any"]
    notes += [f"{c.value:g} {c.unit}: {c.meaning}; {c.population}, n = {c.n} ({c.source})" for c in cutoffs(metric)]
    return finished(alt, chart, f"How many reach how much: {metric}", [*notes, provenance.line()])


def _scale(alt: Any, values: Sequence[Values], lines: Sequence[float]) -> tuple[float, float, Any]:
    """Ends of what is shown, and the axis: logarithmic where the values are positive and far apart."""
    found = np.concatenate([v.values[np.isfinite(v.values)] for v in values])
    shown = [*(float(x) for x in np.quantile(found, (0.005, 0.995))), *lines]
    low, high = min(shown), max(shown)
    if found.min() > 0 and low > 0 and high > 30 * low:
        return low, high, alt.Scale(type="log", domain=[low / 1.1, high * 1.1], nice=False)
    margin = 0.03 * (high - low) or 0.5
    return low, high, alt.Scale(domain=[low - margin, high + margin], nice=False)


def _distinct(values: Sequence[Values], labels: Sequence[str]) -> dict[str, Values]:
    """Regimens by the name of their curve; those with the same values in every patient under one name."""
    groups: list[tuple[Values, list[str]]] = []
    for letter, v in zip(letters(len(values)), values, strict=True):
        for first, names in groups:
            if np.allclose(first.values, v.values, rtol=1e-9, atol=0, equal_nan=True):
                names.append(letter)
                break
        else:
            groups.append((v, [letter]))
    if len(values) == 1:
        return {labels[0]: values[0]}
    told = dict(zip(letters(len(values)), labels, strict=True))
    return {
        f"{names[0]}  {told[names[0]]}" if len(names) == 1 else f"{', '.join(names)}  (the same)": v
        for v, names in groups
    }


def _references(metric: str, goals: Sequence[Goal]) -> list[tuple[float, str]]:
    published = [(c.value, f"{c.value:g}: {' '.join(c.source.split()[:2])}") for c in cutoffs(metric)]
    return sorted([*published, *((g.value, f"{g.sign} {g.value:g}: your goal") for g in goals)])


def _marks(count: int) -> list[str]:
    return [letter.lower() for letter in letters(count)]


def _steps(name: str, v: Values, *, fewer: bool) -> list[dict[str, Any]]:
    """The curve as steps, thinned to quantiles of the patients where there are many."""
    ordered = np.sort(v.values[np.isfinite(v.values)])
    picked = np.unique(np.linspace(0, ordered.size - 1, min(ordered.size, _MOST_POINTS)).astype(int))
    of = v.values.size
    return [
        {"regimen": name, "x": short(ordered[i]), "share": short((i + 1) / of if fewer else (of - i) / of)}
        for i in picked
    ]


def _rules(alt: Any, lines: Sequence[tuple[float, str]], x: Any, near: float) -> list[Any]:
    """A dotted rule for each reference with its letter above the plot, neighbours at different heights."""
    layers = []
    lift, before = 0, -np.inf
    for letter, (value, text) in zip(_marks(len(lines)), lines, strict=True):
        lift, before = (lift + 1 if value - before < near else 0), value
        data = alt.Chart(alt.Data(values=[{"x": value, "letter": letter, "text": text}])).encode(x=x)
        layers.append(data.mark_rule(strokeDash=[2, 3], color=MUTED).encode(tooltip=["text:N"]))
        layers.append(
            data.mark_text(dy=-6 - 11 * lift, color=INK, fontSize=11, fontWeight="bold").encode(
                y=alt.value(0), text="letter:N"
            )
        )
    return layers
