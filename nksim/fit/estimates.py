"""A calibration as a parameter set to use."""

from __future__ import annotations

import numpy as np
import yaml

from nksim.fit.calibration import Calibration, Objective
from nksim.kinetics.parameters import ParameterSet, perturbed

__all__ = ["as_set"]

_HEAD = """# Written by `python -m nksim.fit`; do not edit. Model 2 with the estimates of its calibration to NKAML
# (Rubnitz 2010) and UMN 2014 (Bachanova 2014). The covariance is that of the logarithm of each, of the logit for fsurv.
"""


def as_set(found: Calibration, objective: Objective) -> str:
    """The parameter set as YAML, which extends the one that the fit began with."""
    shifts = objective.shifts(np.array([f.shift for f in found.fitted]))
    base = objective.set
    made = perturbed(base.defaults, shifts)
    moved = [name for name, p in made.items() if p != base.defaults[name]]
    tree = {
        "title": "Model 2, infused NK cells after lymphodepletion, calibrated to NKAML and UMN 2014",
        "extends": base.name,
        "parameters": {name: _values(made[name].value, made[name].cv, base.defaults[name].cv) for name in moved},
        "presets": _presets(base, shifts),
        "uncertainty": {
            "of": list(found.uncertainty.names),
            "ties": dict(found.uncertainty.ties),
            "covariance": [[round(x, 6) for x in row] for row in found.uncertainty.covariance],
        },
        "sources": {},
    }
    return _HEAD + yaml.safe_dump(tree, sort_keys=False, width=118, allow_unicode=True)


def _values(value: float, cv: float, before: float) -> dict[str, object]:
    why = "Estimated with its prior by `python -m nksim.fit`; docs/model.md says how well."
    spread = {"cv": _rounded(cv)} if cv != before else {}
    return {"value": _rounded(value), **spread, "basis": "calibrated", "source": "rubnitz2010", "why": why}


def _presets(base: ParameterSet, shifts: dict[str, float]) -> dict[str, object]:
    """What a product overrides keeps its distance to the default, within the range of the parameter."""
    made: dict[str, object] = {}
    for preset, body in base.presets.items():
        now = perturbed(base.parameters(preset), shifts)
        changed = {
            name: {"value": _rounded(min(max(now[name].value, now[name].low), now[name].high))}
            for name in body.overrides
            if now[name].value != body.overrides[name].value
        }
        if changed:
            made[preset] = {"overrides": changed}
    return made


def _rounded(x: float) -> float:
    return float(f"{x:.4g}")
