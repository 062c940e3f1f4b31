"""The NumPy engine: Tsit5 with step and time of each patient's own, many patients per array.

Drugs are exact (`nksim.kinetics.drugs`); only the cell states are integrated. Every operation acts elementwise, so
a patient's numbers are the same bits in any batch, order or subset. Steps end exactly at every discontinuity and
never at output times, which are interpolated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nksim.kinetics import Floats
from nksim.kinetics.drugs import drug_course, drug_rates
from nksim.kinetics.events import Covariates, EventTable
from nksim.kinetics.inputs import segment_table
from nksim.kinetics.levels import DRUG_OUTPUTS, areas, concentrations
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import for_arrays
from nksim.kinetics.solution import OUTPUTS, Solution, Steps, checked, read_off, states_for
from nksim.kinetics.stepping import Batch, integrate
from nksim.kinetics.timeline import timeline

__all__ = ["RELATIVE_TOLERANCE", "solve"]

RELATIVE_TOLERANCE = 2.5e-6
_CHUNK = 2000


def solve(
    events: EventTable,
    parameters: Mapping[str, Floats],
    covariates: Covariates,
    times_d: Floats,
    *,
    outputs: Sequence[str] = OUTPUTS,
    rtol: float = RELATIVE_TOLERANCE,
) -> Solution:
    """Trajectories of n patients at `times_d` (t,), from doses, parameters (n,) each and body measures.

    `outputs` may also name states (P, T, H, I, S, L, B, G, X). With the default tolerance outputs differ from the
    reference solver by less than 1e-4 of their value, in 99 of 100 patients by less than 2.5e-5, values below 1e-6
    cells/uL apart. The system is at its baseline until the first dose; at the time of a dose outputs are those just
    before it. InvalidInput when shapes or names do not fit, ModelFailure with patient and parameters when the equations
    cannot be solved.

    >>> from nksim.kinetics.parameters import load, typical
    >>> events = EventTable([-5, 0], [1 / 24, 0], ("cy", "cells"), [[1500, 7e8]])
    >>> child = Covariates([25.0], [0.93], [140.0])
    >>> run = solve(events, typical(load().parameters("haplo_fresh")), child, [-6, 0, 1])
    >>> run["donor_nk"][0].round(1).tolist(), run["alc"][0].round().tolist()
    ([0.0, 0.0, 7.2], [1450.0, 306.0, 345.0])
    """
    arrays, times = checked(events, parameters, covariates, times_d, outputs)
    count = events.count
    chunks = []
    for start in range(0, max(count, 1), _CHUNK):
        part = slice(start, min(start + _CHUNK, count))
        own = {name: array[part] for name, array in arrays.items()}
        patients = _Patients(events.patients(part), own, covariates.patients(part))
        chunks.append(_solve_chunk(patients, times, outputs=outputs, rtol=rtol))
    return chunks[0] if len(chunks) == 1 else _joined(chunks)


@dataclass(frozen=True, eq=False)
class _Patients:
    """Consecutive patients out of a larger number."""

    events: EventTable
    parameters: Mapping[str, Floats]
    covariates: Covariates


def _solve_chunk(patients: _Patients, times: Floats, *, outputs: Sequence[str], rtol: float) -> Solution:
    rendering = for_arrays(MODEL)
    parameters, covariates = patients.parameters, patients.covariates
    rates = drug_rates(parameters, covariates)
    line = timeline(patients.events, rates.il2_lag_d, float(times[-1]) if times.size else -np.inf)
    course = drug_course(rates, line)
    given = {**parameters, "weight_kg": covariates.weight_kg}
    constants = np.array(rendering.constants([given[name] for name in rendering.constant_inputs]))
    recorded = states_for(outputs, rendering)
    batch = Batch(
        line=line,
        table=segment_table(course, line),
        constants=constants,
        times=times,
        rows=tuple(rendering.states.index(name) for name in recorded),
        rtol=rtol,
        parameters=parameters,
        covariates=covariates,
    )
    record, taken, refused = integrate(batch)
    states = {name: record[i].T for i, name in enumerate(recorded)}
    values = read_off(outputs, states, list(constants))
    if set(outputs) & set(DRUG_OUTPUTS):
        levels = concentrations(course, line, times)
        values |= {name: levels[name] for name in outputs if name in levels}
    under = areas(course, line)
    ordered = {name: values[name] for name in outputs}
    return Solution(times, ordered, under["cy_auc"], under["f_ara_a_auc"], Steps(taken, refused))


def _joined(chunks: Sequence[Solution]) -> Solution:
    """One solution from those of consecutive patients."""
    first = chunks[0]
    return Solution(
        first.times_d,
        {name: np.concatenate([chunk[name] for chunk in chunks]) for name in first},
        np.concatenate([chunk.cy_auc for chunk in chunks]),
        np.concatenate([chunk.f_ara_a_auc for chunk in chunks]),
        Steps(
            np.concatenate([chunk.steps.taken for chunk in chunks]),
            np.concatenate([chunk.steps.refused for chunk in chunks]),
        ),
    )
