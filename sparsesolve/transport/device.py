"""Passes over all pairs on a device, and the engines that live on them.

The potentials stay on the host: they are small, and the line search looks at them. A pass brings one of them to the
device, and takes logarithms of sums back. Newton's method is that of `support`: rows are eliminated, and entries that
hardly matter are left out of the Hessian, whose diagonal knows of them. But every point is judged by passes over all
entries, as these cost next to nothing here.
"""

from __future__ import annotations

import numpy as np

from ..operators.device import DeviceCost, DeviceCSR, DeviceSchur, device_cg
from .engines import COARSE_SHARE, STAGE_ERROR, predict, stages_to
from .line_search import TRIALS, accepts, bend, first_step, next_step
from .scaling import CG_STEPS, EVALUATIONS, NEWTON_STEPS, SWEEPS
from .state import State
from .support import secant

# Shares of the mass that the Hessian may leave out: of the error, and at least.
_SHARE, _LEAST_SHARE = 0.1, 1e-8
_MOST_CG_STEPS = 3000
# Largest change of potentials against each other in one Newton step, in units of reg.
_LONGEST = 40.0
# Sweeps that lower the error by this factor each are as good as Newton steps.
_FAST = 0.6
# Sweeps, and Newton steps, that may fail to lower the error by a tenth.
_IDLE_SWEEPS, _IDLE_STEPS = 30, 6
# Sweeps after a Newton step that failed, and such failures in a row before a stage is given up.
_REPAIR_SWEEPS, _FAILURES = 10, 6
# Pairs of the sweeps of one round.
_WORK = 1e9


class DevicePasses:
    """The passes of a state, on a device.

    Parameters
    ----------
    state : State
        Its potentials, sums and counts are kept up to date.
    cost : DeviceCost
    """

    def __init__(self, state: State, cost: DeviceCost):
        self.state, self.cost = state, cost
        self._row_logs: np.ndarray | None = None
        self._column_logs: np.ndarray | None = None
        self._reg = 0.0

    def normalise(self, reg: float) -> float:
        """Make the rows exact, and sum the columns; returns the column error."""
        state = self.state
        a, kappa = state.problem.a, state.problem.kappa(reg)
        if reg != self._reg:
            self._row_logs = self._column_logs = None
            self._reg = reg
        self._row_logs = self.cost.rows(state.g, reg, self._row_logs)
        state.f = reg * (np.log(a) - self._row_logs) / (1.0 + kappa)
        self._column_logs = self.cost.columns(state.f, reg, self._column_logs)
        state.rows = a * np.exp(-kappa * state.f / reg)
        state.columns = np.exp(np.minimum(self._column_logs + state.g / reg, 700.0))
        state.dense_passes += 2
        return float(np.abs(state.columns - self.targets(reg)).sum())

    def targets(self, reg: float) -> np.ndarray:
        """Column sums that belong to the potentials."""
        state = self.state
        return state.problem.b * np.exp(-state.problem.kappa(reg) * state.g / reg)

    def sweep(self, reg: float) -> float:
        """Make the columns exact, then the rows; returns the error."""
        state = self.state
        assert self._column_logs is not None
        state.g = reg * (np.log(state.problem.b) - self._column_logs) / (1.0 + state.problem.kappa(reg))
        state.counts[SWEEPS] += 1
        return self.normalise(reg)

    def entries(self, reg: float, share: float) -> DeviceCSR:
        """The entries of the plan, without those that make less than a share of the mass together.

        Where they are more than buffers hold, only the larger ones.
        """
        state = self.state
        depth = state.depth(share)
        while True:
            kept = self.cost.entries_above(
                state.f, state.g, reg, np.log(state.row_share) - depth, np.log(state.column_share)
            )
            state.dense_passes += 2
            if kept is not None:
                state.density = kept.n_entries / state.pairs
                return kept
            depth -= max(0.1 * abs(depth), 1.0)  # below zero, too: entries of a flat plan are all alike


def sinkhorn(passes: DevicePasses, reg: float, goal: float):
    """Sweeps at one reg, on potentials. Returns whether the goal was reached."""
    state = passes.state
    state.engine = "sinkhorn"
    error = passes.normalise(reg)
    per_round = int(min(max(_WORK / state.pairs, 1.0), 1000.0))
    best, idle = np.inf, 0
    while error > goal and idle < _IDLE_SWEEPS:
        for _ in range(per_round):
            error = passes.sweep(reg)
            if error <= goal:
                break
        idle = idle + 1 if error > 0.99 * best else 0
        best = min(best, error)
        if error > goal:
            yield state.iterate(reg, error)
    yield state.iterate(reg, error)
    return error <= goal


def newton(passes: DevicePasses, reg: float, goal: float):
    """Sweeps while they are fast, then Newton steps. Returns whether the goal was reached."""
    state = passes.state
    state.engine = "newton-sparse"
    error = passes.normalise(reg)
    best, idle, failures, shift, sweeps = np.inf, 0, 0, 1e-6, 1
    while error > goal:
        if sweeps > 0:
            before, error = error, passes.sweep(reg)
            starved = bool((state.columns < 1e-3 * passes.targets(reg)).any())
            sweeps = max(sweeps - 1, int(error < _FAST * before or starved))
            idle = idle + 1 if error > 0.9 * best else 0
            best = min(best, error)
            if idle > _IDLE_SWEEPS:
                break
            continue
        yield state.iterate(reg, error)
        accepted, shortened, new_error = _newton_step(passes, reg, goal, error, shift)
        shift = 4.0 * shift if shortened else max(0.3 * shift, 1e-9)
        idle = idle + 1 if not new_error < 0.9 * best else 0
        error, best = new_error, min(best, new_error)
        failures = 0 if accepted else failures + 1
        if not accepted:
            shift, sweeps = max(shift, 1e-3) * 10.0, _REPAIR_SWEEPS
        if failures > _FAILURES or idle > _IDLE_STEPS:
            break
    yield state.iterate(reg, error)
    return error <= goal


def _newton_step(passes: DevicePasses, reg: float, goal: float, error: float, shift: float):
    """One step. Returns whether it was accepted, whether it was shortened, and the error at the point left behind."""
    state = passes.state
    b, kappa = state.problem.b, state.problem.kappa(reg)
    target = passes.targets(reg)
    rhs = target - state.columns
    matrix = passes.entries(reg, max(min(COARSE_SHARE, _SHARE * error), _LEAST_SHARE))
    scale = 1.0 / (state.rows * (1.0 + kappa))
    # What was left out, penalties, and more where a column is starved: its own Newton step would overshoot.
    ground = np.maximum(state.columns - matrix.rmatvec(np.ones(state.rows.size)), 0.0)
    ground += (
        kappa * target
        + shift * error * b
        + [secant(c, t) for c, t in zip(state.columns, target, strict=True)]
    )
    diagonal = np.maximum(ground + matrix.rest(scale), 1e-16 * state.columns) + 1e-300
    forcing = max(min(0.1, max(0.3 * error, 1e-6)), min(0.2 * goal / error, 1e-2))
    solved = device_cg(
        DeviceSchur(matrix, scale, ground), rhs, 1.0 / diagonal, tolerance=forcing, most_steps=_MOST_CG_STEPS
    )
    state.counts[CG_STEPS] += solved.steps
    state.counts[NEWTON_STEPS] += 1
    direction = np.array(solved.x)
    if kappa == 0.0:
        direction -= direction @ b
    bend(direction, rhs)
    low, high = float(direction.min()), float(direction.max())
    slope_before = -float(rhs @ direction)
    origin, bracket = state.g, np.zeros(2)
    first = step = first_step(low, high)
    longest = min(1.0, _LONGEST / max(high - low, 1e-300))
    for _ in range(TRIALS):
        state.g = origin + (step * reg) * direction
        tried = passes.normalise(reg)
        state.counts[EVALUATIONS] += 1
        slope = float((state.columns - passes.targets(reg)) @ direction)
        if np.isfinite(tried) and accepts(step, slope, slope_before, tried, error, longest):
            return True, step < 0.3 * first, tried
        step = next_step(step, slope if np.isfinite(slope) else 1e300, slope_before, bracket, longest)
    state.g = origin
    return False, True, passes.normalise(reg)


def anneal(passes: DevicePasses, goal: float, careful: bool = False):
    """Lower reg in steps, as `engines.anneal` does. Returns whether the goal was reached."""
    state = passes.state
    problem = state.problem
    stages = stages_to(problem.cost.high - problem.cost.low, problem.reg, 2.0 if careful else 4.0)
    before, reached = None, False
    for number, reg in enumerate(stages):
        last = number == len(stages) - 1
        reached = yield from newton(passes, reg, goal if last or careful else STAGE_ERROR)
        if not last:
            before = predict(state, before, reg, stages[number + 1])
    return reached
