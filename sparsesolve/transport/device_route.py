"""Which engine runs on a device, and in which order."""

from __future__ import annotations

import numpy as np

from ..backends.opencl import runtime
from ..operators.device import DeviceCost, DeviceHessian, device_cg
from ..operators.device.log_sum_exp import LEVELS
from . import device
from .paper import CG_STEPS, RESIDUAL, PaperProblem, Point, paper
from .problem import Problem
from .state import State

# Logarithm of the least entry that is ever kept, and how much more than was asked for may be.
_LEAST_LEVEL, _MORE = -575.0, 1.05
_NARROW = 1e-9


def device_route(state: State, options, warm: bool):
    """The engines in the order in which they are tried."""
    problem, solver = state.problem, options.solver
    cost = DeviceCost(runtime(), problem.cost.source)
    if solver == "paper":
        yield from paper(
            None, problem.a, problem.b, problem.reg, state.f, state.g, sinkhorn_sweeps=options.sinkhorn_sweeps,
            density=options.density, problem=DevicePaper(problem, cost),
        )  # fmt: skip
        return
    passes = device.DevicePasses(state, cost)
    goal, reached = state.goal, False
    if warm and solver != "sinkhorn":
        reached = yield from device.newton(passes, problem.reg, goal)
    if not reached and solver != "sinkhorn":
        reached = yield from device.anneal(passes, goal)
        if not reached and not state.is_exhausted():
            state.begin_again()
            reached = yield from device.anneal(passes, goal, careful=True)
    if not reached and not state.is_exhausted():
        yield from device.sinkhorn(passes, problem.reg, goal)


class DevicePaper(PaperProblem):
    """The paper's problem, with passes, the choice of the largest entries, and systems on a device.

    The plan is never formed: of it only sums are needed, and its largest entries.
    """

    def __init__(self, problem: Problem, cost: DeviceCost):
        self.a, self.b, self.reg, self.cost = problem.a, problem.b, float(problem.reg), cost
        self.weight = self.weight_for(problem.cost.high - problem.cost.low)
        self.evaluations = 0
        self._rows: tuple = (None, None)
        self._columns: tuple = (None, None)

    def room(self):
        """Nowhere: there is no plan."""

    def _row_logs(self, g):
        if self._rows[0] is not g:
            self._rows = g, self.cost.rows(g, self.reg, self._rows[1])
            self.evaluations += 1
        return self._rows[1]

    def _column_logs(self, f):
        if self._columns[0] is not f:
            self._columns = f, self.cost.columns(f, self.reg, self._columns[1])
            self.evaluations += 1
        return self._columns[1]

    def at(self, f, g, plan):
        """The point of these potentials."""
        rows = np.exp(np.minimum(self._row_logs(g) + f / self.reg, 700.0))
        columns = np.exp(np.minimum(self._column_logs(f) + g / self.reg, 700.0))
        return Point(f, g, plan, rows, columns, float(self.a @ f + self.b @ g) - self.reg * float(rows.sum()))

    def sweep(self, point):
        """Make the rows exact by f, then the columns by g."""
        f = self.reg * (np.log(self.a) - self._row_logs(point.g))
        g = self.reg * (np.log(self.b) - self._column_logs(f))
        return self.at(f, g, None)

    def direction(self, point, gradient, diagonal, n_kept):
        """Solve with the sparsified Hessian, in units of reg."""
        n, m = self.a.size, self.b.size
        level, kept = self._level(point, n_kept), None
        while kept is None:  # where they are more than buffers hold, only the larger ones
            kept = self.cost.entries_above(point.f, point.g, self.reg, np.full(n, level), np.zeros(m))
            level += max(0.1 * abs(level), 1.0)
        self.evaluations += 2
        gauge = np.concatenate([np.ones(n), -np.ones(m)])
        found = device_cg(
            DeviceHessian(kept, diagonal), gradient, 1.0 / diagonal, tolerance=RESIDUAL,
            most_steps=CG_STEPS * gradient.size, rank_one=(self.weight * self.reg, gauge),
        )  # fmt: skip
        return np.array(found.x), found.steps, kept.n_entries

    def _level(self, point, n_kept):
        """An exponent that n_kept entries, or hardly more, are above; entries that are tied are kept together."""
        low, high = _LEAST_LEVEL, float(np.log(point.rows.max()))
        while True:
            levels = np.linspace(low, high, LEVELS + 2)[:-2]
            counts = self.cost.count_above(point.f, point.g, self.reg, levels)
            self.evaluations += 1
            place = int(np.count_nonzero(counts >= n_kept)) - 1
            if place < 0 or counts[place] <= _MORE * n_kept or high - low < _NARROW:
                return levels[max(place, 0)]
            step = levels[1] - levels[0]
            low, high = levels[place], levels[place] + (step if place + 1 < LEVELS else 2.0 * step)
