"""Adaptive stepping of many patients at once, each with a clock, a step and a segment of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nksim.kinetics import Floats
from nksim.kinetics.events import Covariates
from nksim.kinetics.inputs import Feed, SegmentTable
from nksim.kinetics.model import MODEL
from nksim.kinetics.rendering import for_arrays
from nksim.kinetics.solution import stuck
from nksim.kinetics.timeline import Timeline
from nksim.kinetics.tsit5 import ERROR, NODES, STAGES, weights

__all__ = ["MOST_STEPS", "Batch", "integrate"]

# Keeps a state of exactly zero from dividing by zero. Tolerance is thus relative throughout; a step that loses the
# sign of a state is refused.
_FLOOR = 1e-100
_FIRST_STEP_D = 0.03
# Sensitisation saturates within seconds of the start of a cell infusion. A long first step would look past that,
# and its error estimate, which hardly weighs the first stage, would not notice.
_FIRST_STEP_OF_CELLS_D = 1e-4
_LONGEST_STEP_D = 1.0
# When the source of an exchange is down to this part of what it fills, and the shares are right but for what stepping
# at the limit of stability leaves of them, the exchange is over; both in tolerances, so that what is neglected shrinks
# with them.
_RUN_DRY, _NOT_YET_AT_REST = 0.04, 40.0
MOST_STEPS = 100_000
# A step that all but reaches the end of its segment is stretched to it.
_STRETCH = 1.05
_SAFETY, _BY_NOW, _BY_PAST = 0.95, 0.2, 0.04
_SHORTEST_STEP_D = 1e-12


@dataclass(frozen=True, eq=False)
class Batch:
    """One call's worth of patients: timeline, drug inputs, constants (c, n), output times and rows of states."""

    line: Timeline
    table: SegmentTable
    constants: Floats
    times: Floats
    rows: tuple[int, ...]
    rtol: float
    parameters: Mapping[str, Floats]
    covariates: Covariates


class _Run:
    """The patients still under way; arrays hold one column per such patient and shrink as patients finish."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        rendering = for_arrays(MODEL)
        self.rhs, self.weights = rendering.derivative, rendering.weights
        n = batch.constants.shape[1]
        self.patient = np.arange(n)
        self.c = batch.constants.copy()
        exchange, held = MODEL.exchange, rendering.held
        self.bound = [held.index(name) for name in exchange.rates]
        self.share = held.index(exchange.share)
        self.pair = [rendering.states.index(name) for name in (exchange.one, exchange.other, exchange.source)]
        self.cells = [rendering.states.index(name) for name in MODEL.cells.states]
        self.y = np.empty((len(rendering.states), n))
        self.jumps = np.empty_like(self.y)
        for i, row in enumerate(rendering.initial(list(self.c))):
            self.y[i] = row
        for i, row in enumerate(rendering.jumps(list(self.c))):
            self.jumps[i] = row
        self.k = np.zeros((7, *self.y.shape))
        self.feed = Feed(batch.table)
        self.segment = np.zeros(n, dtype=np.intp)
        self.begin = batch.line.breaks[0].copy()
        self.t = self.begin.copy()
        self.end = self.begin.copy()
        self.h = np.full(n, _FIRST_STEP_D)
        self.past_error = np.ones(n)
        self.taken = np.zeros(n, dtype=np.intp)
        self.refused = np.zeros(n, dtype=np.intp)
        self.record = np.empty((len(batch.rows), batch.times.size, n))
        # Until the first dose, and at its very time, the system is at its baseline.
        for out, row in zip(self.record, batch.rows, strict=True):
            out[:] = self.y[row]
        self.output = np.searchsorted(batch.times, self.t, side="right")

    def keep(self, chosen: NDArray[np.intp]) -> None:
        """Go on with the patients at positions `chosen` only."""
        for name in ("patient", "segment", "begin", "t", "end", "h", "past_error", "output"):
            setattr(self, name, getattr(self, name)[chosen])
        for name in ("c", "y", "jumps"):
            setattr(self, name, np.ascontiguousarray(getattr(self, name)[:, chosen]))
        self.k = np.ascontiguousarray(self.k[:, :, chosen])
        self.feed.keep(chosen)

    def enter(self, chosen: NDArray[np.intp]) -> None:
        """Start the current segment of some patients: give what is given at once, then take the first derivative."""
        if not chosen.size:
            return
        line, patient, segment = self.batch.line, self.patient[chosen], self.segment[chosen]
        self.feed.enter(chosen, segment)
        self.begin[chosen] = self.t[chosen] = line.breaks[segment, patient]
        self.end[chosen] = line.breaks[segment + 1, patient]
        y = self.y[:, chosen] + self.jumps[:, chosen] * line.bolus["cells"][segment, patient]
        self.y[:, chosen] = y
        cells = line.rate["cells"][segment, patient] > 0
        filled = chosen[cells | (line.bolus["cells"][segment, patient] > 0)]
        for row in self.bound:
            self.c[row, filled] = self.batch.constants[row, self.patient[filled]]
        self.h[chosen] = np.minimum(self.h[chosen], np.where(cells, _FIRST_STEP_OF_CELLS_D, _FIRST_STEP_D))
        k = np.empty_like(y)
        with np.errstate(all="ignore"):
            self.rhs(y, self.c[:, chosen], self.feed.at(np.zeros(chosen.size), chosen), k)
        self.k[0][:, chosen] = k

    def attempt(self, h: Floats) -> tuple[Floats, Floats]:
        """State after a step `h` of every patient, and its error as a multiple of what is tolerated."""
        since = self.t - self.begin
        y = self.y
        end = np.empty_like(y)
        for i, row in enumerate(STAGES):
            slope = row[0] * self.k[0]
            for a, k in zip(row[1:], self.k[1:], strict=False):
                slope += a * k
            np.multiply(slope, h, out=end)
            end += y
            if NODES[i + 1] != NODES[i]:
                u = self.feed.at(since + NODES[i + 1] * h)
            self.rhs(end, self.c, u, self.k[i + 1])
        wrong = ERROR[0] * self.k[0]
        for e, k in zip(ERROR[1:], self.k[1:], strict=True):
            wrong += e * k
        wrong *= h
        error = np.zeros_like(h)
        for row, weight in zip(wrong, self.weights(end), strict=True):
            error += np.abs(row) / (_FLOOR + weight)
        return end, error / self.batch.rtol

    def write(self, end_t: Floats, h: Floats, accepted: NDArray[np.bool_]) -> None:
        """Interpolate the outputs that fall into the step just accepted."""
        times, last = self.batch.times, self.batch.times.size
        while True:
            due = times[np.minimum(self.output, last - 1)]
            at = np.flatnonzero(accepted & (self.output < last) & (due <= end_t))
            if not at.size:
                return
            w = weights((due[at] - self.t[at]) / h[at])
            for out, row in zip(self.record, self.batch.rows, strict=True):
                slope = w[0] * self.k[0, row, at]
                for i in range(1, 7):
                    slope += w[i] * self.k[i, row, at]
                out[self.output[at], self.patient[at]] = self.y[row, at] + h[at] * slope
            self.output[at] += 1


def integrate(batch: Batch) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """States (rows, t, n) at the output times and each patient's steps taken and refused; no step without rows."""
    run = _Run(batch)
    if not batch.rows:
        return run.record, run.taken, run.refused
    run.keep(np.flatnonzero(batch.line.segments > 0))
    run.enter(np.arange(run.patient.size))
    while run.patient.size:
        _advance(run)
    return run.record, run.taken, run.refused


def _advance(run: _Run) -> None:
    """One step tried by everyone; who reaches the end of a segment enters the next or leaves."""
    left = run.end - run.t
    closing = run.h * _STRETCH >= left
    h = np.where(closing, left, run.h)
    with np.errstate(all="ignore"):
        y, error = run.attempt(h)
        sound = np.isfinite(error) & (y >= 0.0).all(axis=0)
    accepted = sound & (error <= 1.0)
    end_t = np.where(closing, run.end, run.t + h)
    run.write(end_t, h, accepted)
    # The two exponents damp the see-saw that a controller without memory shows at the limit of stability.
    safe = np.where(sound, np.maximum(error, 1e-8), 1e8)
    growth = _SAFETY * np.exp(-_BY_NOW * np.log(safe) + _BY_PAST * np.log(run.past_error))
    step = h * np.clip(growth, 0.2, np.where(accepted, 5.0, 0.9))
    # A step cut short by the end of a segment says nothing against the longer one planned.
    step = np.where(accepted & closing, np.maximum(step, run.h), step)
    run.h = np.minimum(step, _LONGEST_STEP_D)
    run.past_error = np.where(accepted, safe, run.past_error)
    run.t = np.where(accepted, end_t, run.t)
    run.y = np.where(accepted, y, run.y)
    run.k[0] = np.where(accepted, run.k[6], run.k[0])
    _unbind(run, accepted)
    _clear(run, accepted)
    run.taken[run.patient] += accepted
    run.refused[run.patient] += ~accepted
    _guard(run, accepted)
    arrived = accepted & closing
    if not arrived.any():
        return
    run.segment += arrived
    done = run.segment >= run.batch.line.segments[run.patient]
    entering = arrived & ~done
    if done.any():
        stay = np.flatnonzero(~done)
        run.keep(stay)
        entering = entering[stay]
    run.enter(np.flatnonzero(entering))


def _unbind(run: _Run, accepted: NDArray[np.bool_]) -> None:
    """End the exchange of those in whom it has come to rest, see `Exchange`."""
    one, other, source = run.y[run.pair]
    both = one + other
    part = run.c[run.share] * both
    rtol = run.batch.rtol
    idle = accepted & (source <= _RUN_DRY * rtol * one) & (np.abs(one - part) <= _NOT_YET_AT_REST * rtol * one)
    idle &= (run.feed.cells_per_d <= 0.0) & (run.c[run.bound[0]] > 0.0)
    if not idle.any():
        return
    run.y[run.pair[0]] = np.where(idle, part, one)
    run.y[run.pair[1]] = np.where(idle, both - part, other)
    for row in run.bound:
        run.c[row] = np.where(idle, 0.0, run.c[row])


def _clear(run: _Run, accepted: NDArray[np.bool_]) -> None:
    """Take away the cells of those in whom fewer are left than count for anything, see `Cells`."""
    first, *rest = run.cells
    cells = run.y[first].copy()
    for row in rest:
        cells += run.y[row]
    gone = accepted & (run.feed.cells_per_d <= 0.0) & (cells < MODEL.cells.none_below) & (cells > 0.0)
    if gone.any():
        for row in run.cells:
            run.y[row] = np.where(gone, 0.0, run.y[row])
            run.k[0][row] = np.where(gone, 0.0, run.k[0][row])


def _guard(run: _Run, accepted: NDArray[np.bool_]) -> None:
    """Stop with the first patient whose steps are too many or too small."""
    steps = run.taken[run.patient] + run.refused[run.patient]
    failed = (steps > MOST_STEPS) | (~accepted & (run.h < _SHORTEST_STEP_D))
    if not failed.any():
        return
    j = int(np.flatnonzero(failed)[0])
    i = int(run.patient[j])
    who = run.batch.covariates.named(i)
    raise stuck(who, run.batch.parameters, i, float(run.t[j]), int(steps[j]), MOST_STEPS)
