"""Linear kinetics in closed form: disposition of three compartments, and a chain of first-order steps.

Every function acts elementwise, so that a patient's numbers do not depend on who else is in the array. Rates are
per unit of time; any unit will do as long as it is the same throughout.
"""

from __future__ import annotations

import numpy as np

from nksim.kinetics import Floats

__all__ = ["Disposition", "chain2", "chain3", "three_compartments"]

# Rates `l` and coefficients `c` of the amount in the central compartment after a unit bolus, sum of c exp(-l t).
Disposition = tuple[tuple[Floats, ...], tuple[Floats, ...]]


def three_compartments(k10: Floats, k12: Floats, k21: Floats, k13: Floats, k31: Floats) -> Disposition:
    """Disposition of a central and two peripheral compartments, fastest rate first.

    The rates are the roots of a cubic that has three real ones; Newton's steps bring the trigonometric solution
    from about eight digits to full precision. The three rates must differ, which they do unless an exchange is 0.

    >>> rates, parts = three_compartments(*(np.array([k]) for k in (0.2, 0.1, 0.05, 0.06, 0.02)))
    >>> [round(float(rate[0]), 12) for rate in rates]
    [0.378564396189, 0.037254423338, 0.014181180473]
    """
    a2 = k10 + k12 + k13 + k21 + k31
    a1 = k10 * k21 + k10 * k31 + k12 * k31 + k13 * k21 + k21 * k31
    a0 = k10 * k21 * k31
    centre = a2 / 3.0
    radius = np.sqrt(np.maximum(centre * centre - a1 / 3.0, 0.0))
    offset = (centre * centre - 0.5 * a1) * centre + 0.5 * a0
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = np.arccos(np.clip(offset / radius**3, -1.0, 1.0)) / 3.0
    rates = []
    for turn in (0.0, -2.0, 2.0):
        x = centre + 2.0 * radius * np.cos(angle + turn * np.pi / 3.0)
        for _ in range(4):
            x = x - (((x - a2) * x + a1) * x - a0) / ((3.0 * x - 2.0 * a2) * x + a1)
        rates.append(x)
    parts = []
    for i, x in enumerate(rates):
        y, z = (rate for j, rate in enumerate(rates) if j != i)
        parts.append((k21 - x) * (k31 - x) / ((y - x) * (z - x)))
    return tuple(rates), tuple(parts)


def chain2(a: Floats, b: Floats, t: Floats) -> Floats:
    """Convolution of exp(-a t) with exp(-b t), equal rates included.

    It is (exp(-a t) - exp(-b t)) / (b - a), written so that no digit is lost when a and b are close.

    >>> chain2(np.array([0.5]), np.array([0.5]), np.array([2.0])) == 2.0 * np.exp(-1.0)
    array([ True])
    """
    gap = np.abs(b - a)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(gap * t > 0.0, -np.expm1(-gap * t) / gap, t)
    result: Floats = np.exp(-np.minimum(a, b) * t) * share
    return result


_NEAR = 1e-2


def chain3(a: Floats, b: Floats, c: Floats, t: Floats) -> Floats:
    """Convolution of exp(-a t), exp(-b t) and exp(-c t), equal rates included.

    For sorted rates x <= y <= z it is (chain2(x, y) - chain2(y, z)) / (z - x). When all three lie so close together
    that the difference would lose digits, the power series in their distances from x takes its place.

    >>> chain3(np.array([0.5]), np.array([0.5]), np.array([0.5]), np.array([2.0])) == 2.0 * np.exp(-1.0)
    array([ True])
    """
    x, y, z = np.sort(np.stack(np.broadcast_arrays(a, b, c)), axis=0)
    u, v = (y - x) * t, (z - x) * t
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = (chain2(x, y, t) - chain2(y, z, t)) / (z - x)
    result: Floats = np.where(v > _NEAR, apart, np.exp(-x * t) * t * t * _close(u, v))
    return result


def _close(u: Floats, v: Floats) -> Floats:
    """Sum over k of (-1)^k h_k(u, v) / (k + 2)!, with h_k the complete homogeneous polynomial; for small u and v."""
    power, h = np.ones_like(v), np.ones_like(v)
    total, factor = 0.5 * h, 0.5
    for k in range(1, 7):
        power = power * u
        h = v * h + power
        factor = -factor / (k + 2)
        total = total + factor * h
    return total
