"""Simulations and comparisons as JSON, in one documented shape with a schema version."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nksim.attainment import Goal, attained
from nksim.comparison import Comparison, Difference
from nksim.infusions import per_infusion
from nksim.inquiry import Inquiry
from nksim.logistics import logistics
from nksim.metrics import Values, measure
from nksim.output.provenance import Provenance
from nksim.schedule_difference import schedule_differences
from nksim.sensitivity import Sensitivity
from nksim.simulation import Simulation
from nksim.sweep import Swept
from nksim.uncertain import Uncertain

SCHEMA_VERSION = 1


def as_json(
    simulations: Sequence[Simulation],
    metrics: Sequence[dict[str, Values]],
    provenance: Provenance,
    comparison: Comparison | None = None,
    inquiry: Inquiry | None = None,
) -> str:
    """Metrics, differences and whatever else was asked as JSON; a missing number is null and has its reason."""
    asked = inquiry or Inquiry()
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": "comparison" if comparison else "simulation",
        "provenance": provenance.as_dict(),
        "regimens": [_regimen(s, m) for s, m in zip(simulations, metrics, strict=True)],
    }
    if comparison:
        content["differences"] = [
            {
                "regimen": s.label,
                "to": simulations[0].label,
                "metrics": {k: _difference(d) for k, d in found.items()},
                "schedule": [asdict(x) for x in schedule_differences(simulations[0].choice, s.choice)],
            }
            for s, found in zip(simulations[1:], comparison.differences, strict=True)
        ]
    if asked.goals:
        content["goals"] = [_attained(s, g) for g in asked.goals for s in simulations]
    if asked.swept:
        content["sweeps"] = [_swept(x) for x in asked.swept]
    if asked.sensitivities:
        content["sensitivities"] = [_sensitivity(x) for x in asked.sensitivities]
    if asked.uncertain:
        content["uncertainty"] = [_uncertain(x) for x in asked.uncertain]
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def about(s: Simulation) -> dict[str, Any]:
    """What the numbers of one regimen are and rest on, as plain data."""
    return {
        "regimen": s.label,
        "patients": len(s.population),
        "assay": {
            "lineage": s.settings.lineage,
            "limit_of_detection": s.settings.lod,
            "limit_of_quantification": s.settings.loq,
            "sampled_cells": s.settings.sampled_cells,
            "other_cells_per_ul": s.settings.other_cells,
        },
        "engine": s.engine,
        "assumptions": list(s.assumptions),
        "findings": [f.as_dict() for f in s.findings],
    }


def _regimen(s: Simulation, metrics: dict[str, Values]) -> dict[str, Any]:
    return {
        **about(s),
        "metrics": {k: _values(v) for k, v in metrics.items()},
        "infusions": [
            {
                "number": x.number,
                "day": x.day,
                "until": x.until,
                "metrics": {k: _values(v) for k, v in x.metrics.items()},
            }
            for x in per_infusion(s)
        ],
        "logistics": _logistics(s),
    }


def _values(v: Values) -> dict[str, Any]:
    return {
        "unit": v.unit,
        "median": _finite(v.median),
        "p05": _finite(v.quantile(0.05)),
        "p95": _finite(v.quantile(0.95)),
        "n": v.n,
        "missing": v.missing if v.n < v.values.size else None,
        "note": v.note,
    }


def _difference(d: Difference) -> dict[str, Any]:
    return {
        "estimate": _finite(d.estimate),
        "low": _finite(d.low),
        "high": _finite(d.high),
        "higher": d.higher,
        "lower": d.lower,
        "better": d.better,
        "pairs": d.pairs,
        "ratio": dict(zip(("estimate", "low", "high"), map(_finite, d.ratio), strict=True)),
        "superiority": _finite(d.superiority),
        "needed_per_arm": _finite(d.needed),
    }


def _logistics(s: Simulation) -> dict[str, Any]:
    asks = logistics(s)
    uses = [
        {
            "product": u.product,
            "doses": u.doses,
            "amount": _values(u.amount) if u.amount else None,
            "vials": _values(u.vials) if u.vials else None,
        }
        for u in asks.uses
    ]
    return {
        "visits": asks.visits,
        "infusion_h": asks.infusion_h,
        "course_d": asks.course_d,
        "bags": asks.bags,
        "uses": uses,
    }


def _attained(s: Simulation, goal: Goal) -> dict[str, Any]:
    a = attained(goal, measure(s, [goal.metric])[goal.metric])
    return {
        "goal": goal.text,
        "regimen": s.label,
        "probability": a.probability,
        "low": a.low,
        "high": a.high,
        "reached": a.reached,
        "patients": a.patients,
        "missing": a.missing,
    }


def _swept(x: Swept) -> dict[str, Any]:
    points = [{"at": at, **_values(v)} for at, v in zip(x.span.values, x.values, strict=True)]
    return {"regimen": x.label, "metric": x.metric, "over": x.span.measure, "note": x.note, "points": points}


def _sensitivity(x: Sensitivity) -> dict[str, Any]:
    inputs = [
        {
            "name": i.input.name,
            "fact": i.is_fact,
            "tried": i.input.text,
            "first": i.first,
            "total": i.total,
            "total_p05": i.low,
            "total_p95": i.high,
            "metric_low": _finite(i.metric_low),
            "metric_high": _finite(i.metric_high),
        }
        for i in x.influences
    ]
    idle = [{"name": name, "why": why} for name, why in x.idle]
    return {
        "regimen": x.label,
        "metric": x.metric,
        "unit": x.unit,
        "base": _finite(x.base),
        "of_logarithm": x.logarithm,
        "runs": x.runs,
        "inputs": inputs,
        "cannot_move": idle,
    }


def _uncertain(x: Uncertain) -> dict[str, Any]:
    medians = {
        m.metric: {"unit": m.unit, "p05": _finite(m.low), "p50": _finite(m.middle), "p95": _finite(m.high)}
        for m in x.metrics
    }
    return {
        "regimen": x.label,
        "draws": x.draws,
        "patients": x.patients,
        "parameters": list(x.names),
        "medians": medians,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
