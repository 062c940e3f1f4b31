"""The equations of Model 1, written once and free of any target language.

Every rendering (NumPy, plain Python, later C++ and SBML) is generated from `MODEL`. An expression may use names,
numbers, ``+ - * /`` and the functions ``log``, ``exp`` and ``pow``; `nksim.kinetics.rendering` refuses all else.
Time is in days from day 0. Where an expression could have been written more shortly, it is written so that the
state without events is a steady state exactly and not only up to rounding.

Homeostatic regrowth is the Gompertz form of Kimmel 2021 (doi:10.1098/rspb.2021.0229), host NK turnover that of
Zhang 2007 (doi:10.1111/j.1365-2567.2007.02573.x). The remaining structure is the authors' own.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MODEL", "Cells", "Equation", "Exchange", "Model", "State"]


@dataclass(frozen=True)
class Equation:
    """One line ``name = expression``; `about` says in words what the name stands for."""

    name: str
    expression: str
    about: str


@dataclass(frozen=True)
class State:
    """One integrated quantity: its unit, its value before any event, its derivative per day and its meaning.

    `jump` is added to the state per viable cell of a dose that is given at once; empty when nothing is added.
    `weighed` is what an error of the state is small against; empty when that is the state itself.
    """

    name: str
    unit: str
    initial: str
    derivative: str
    about: str
    jump: str = ""
    weighed: str = ""


@dataclass(frozen=True)
class Exchange:
    """Two states that pass into one another fast, and what fills them.

    When `one` holds its `share` of both and `source` has run dry, the two move as one and the `rates` that bind them
    do nothing but forbid long steps. An engine may then take those rates for 0 until the source fills again.
    """

    one: str
    other: str
    share: str
    rates: tuple[str, str]
    source: str


@dataclass(frozen=True)
class Cells:
    """States that count cells, by which they come and by which they go together.

    Where all of them hold fewer than `none_below` cells in sum they are nothing, and following them to the last digits
    of nothing would only forbid long steps. An engine may then take them for 0 until cells are given again.
    """

    states: tuple[str, ...]
    none_below: float


@dataclass(frozen=True)
class Model:
    """A complete model: what goes in, the ordered intermediates, the states and what is read off them."""

    parameters: tuple[str, ...]
    covariates: tuple[str, ...]
    inputs: tuple[str, ...]
    intermediates: tuple[Equation, ...]
    states: tuple[State, ...]
    outputs: tuple[Equation, ...]
    exchange: Exchange
    cells: Cells


_PARAMETERS = (
    "kc kf wH wP wD rP T0 rT fP H0 kH pH I0 Imax kI E15 E2 E2T atg KTr eTr fTr ksens koffS D50 kr0 krS "
    "fsurv flung kL fb kbt pmax pCAR antigen phome dD kx dX Kcap bv"
)

_FROM_PARAMETERS = (
    Equation("volume", "bv * weight_kg * 1000", "blood volume, uL, from mL per kg"),
    Equation("ktb", "kbt * fb / (1 - fb)", "return from tissue that keeps the fraction fb of cells in blood"),
    Equation("sites", "D50 * weight_kg", "donor cells at which sensitisation runs at half speed"),
    Equation("capacity", "Kcap * weight_kg", "donor cells at which proliferation stops"),
    Equation("to_lung", "fsurv * flung", "part of the viable cells that survives and is held in the lung"),
    Equation("to_blood", "fsurv * (1 - flung)", "part of the viable cells that survives and stays in blood"),
    Equation("pool0", "T0 + H0", "lymphocytes that consume IL-15 before treatment, per uL"),
    Equation("rise", "Imax - I0", "rise of IL-15 when nobody consumes it, pg/mL"),
    Equation("e15sq", "E15 * E15", "square of the half-effect IL-15"),
    Equation("a15_rest", "I0 * I0 / (e15sq + I0 * I0)", "IL-15 drive before treatment"),
    Equation("atg_rest", "1 - atg", "part of the drive that an IL-15 transgene leaves open"),
    Equation("rest_T", "1 - fTr", "part of the regulatory cells that falls with host T"),
    Equation("grow_P", "1 - fP", "part of T regrowth that needs progenitors"),
    Equation("tr_top", "1 + 1 / KTr", "scale that makes the regulatory brake 1 before treatment"),
    Equation("own", "pCAR * antigen + phome", "proliferation driven by antigen or by nothing in serum, per day"),
    Equation("kex", "kx / pmax", "exhaustion per unit of proliferation"),
)

_FROM_STATES = (
    Equation("kill", "kc * c_cy + kf * c_f_ara_a", "killing of lymphocytes by the two drugs, per day"),
    Equation("host", "T / T0", "host T as a fraction of its value before treatment"),
    Equation("donor", "(B + fb * X) / volume", "donor NK in blood, per uL"),
    Equation("lym", "(T + H + donor) / pool0", "consumers of IL-15 as a fraction of those before treatment"),
    Equation("a15", "I * I / (e15sq + I * I)", "IL-15 drive, 0..1"),
    Equation("a2", "c_il2_effect / (c_il2_effect + E2)", "IL-2 drive, 0..1"),
    Equation("sig", "1 - (1 - a15) * (1 - a2) * atg_rest", "joint drive of IL-15, IL-2 and transgene, 0..1"),
    Equation("treg", "fTr + rest_T * host", "regulatory T as a fraction of those before treatment"),
    Equation(
        "tr",
        "tr_top / (1 + treg * (1 + eTr * c_il2_effect / (c_il2_effect + E2T)) / KTr)",
        "release from the regulatory brake, 1 before treatment",
    ),
    Equation("D", "L + B + G + X", "all donor NK in the body, cells"),
    Equation("rej", "(kr0 + krS * S) * host", "rejection, per day"),
    Equation("pro", "(pmax * sig * tr + own) * (1 - D / capacity)", "proliferation, per day"),
    Equation("ex", "kex * pro", "exhaustion, per day"),
    Equation("dead", "dD + wD * kill", "death without rejection, per day"),
    Equation("net", "pro - ex - dead - rej", "net growth of the active cells, per day"),
)

# A state that only ever adds to others need not be known to its own last digits: donor cells out of sight count by
# what they add to those in blood, sensitisation by the rejection that it adds to what is there without it. Host cells
# count twice as much as donor cells, because rejection by them adds up over weeks.
_STATES = (
    State("P", "1", "1", "rP * P * (1 - P) - wP * kill * P", "lymphoid progenitors as a fraction of normal"),
    State(
        "T",
        "cells/uL",
        "T0",
        "rT * (fP + grow_P * P) * T * log(T0 / T) - kill * T",
        "host lymphocytes other than NK",
    ),
    State(
        "H",
        "cells/uL",
        "H0",
        "kH * (H0 * P - H) + pH * tr * (a15 - a15_rest + 0.5 * a2 * (1 - a15)) * H - wH * kill * H",
        "host NK",
    ),
    State("I", "pg/mL", "I0", "kI * ((Imax - I) - I / I0 * rise * lym)", "IL-15, which rises as its consumers go"),
    State(
        "S",
        "1",
        "0",
        "ksens * host * D / (D + sites) * (1 - S) - koffS * S",
        "sensitisation of the host, 0..1",
        weighed="S + 0.01",
    ),
    State(
        "L",
        "cells",
        "0",
        "to_lung * cells_per_d - (kL + dead) * L",
        "donor NK in the lung",
        "to_lung",
        "20 * (L + B + G)",
    ),
    State(
        "B",
        "cells",
        "0",
        "to_blood * cells_per_d + kL * L + (net - kbt) * B + ktb * G",
        "donor NK in blood",
        "to_blood",
        "2 * B",
    ),
    State("G", "cells", "0", "(net - ktb) * G + kbt * B", "donor NK in tissue", weighed="20 * (L + B + G)"),
    State(
        "X", "cells", "0", "ex * (B + G) - (dX + rej + wD * kill) * X", "exhausted donor NK", weighed="20 * (B + G + X)"
    ),
)

_OUTPUTS = (
    Equation("donor_nk", "(B + fb * X) / volume", "donor NK in blood, cells/uL"),
    Equation("host_nk", "H", "host NK in blood, cells/uL"),
    Equation("alc", "T + H + (B + fb * X) / volume", "absolute lymphocyte count, cells/uL"),
    Equation("il15", "I", "IL-15 in serum, pg/mL"),
)

MODEL = Model(
    parameters=tuple(_PARAMETERS.split()),
    covariates=("weight_kg",),
    inputs=("c_cy", "c_f_ara_a", "c_il2_effect", "cells_per_d"),
    intermediates=_FROM_PARAMETERS + _FROM_STATES,
    states=_STATES,
    outputs=_OUTPUTS,
    exchange=Exchange("B", "G", "fb", ("kbt", "ktb"), "L"),
    cells=Cells(("L", "B", "G", "X"), 1e-6),
)
