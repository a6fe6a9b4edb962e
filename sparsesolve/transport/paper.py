"""Sinkhorn-Newton-Sparse as its authors describe it, so that their tables can be reproduced.

The paper maximises, over x and y, with eta = 1 / reg and v = (1, ..., 1, -1, ..., -1),

    a.x + b.y - reg sum_ij exp(eta (x_i + y_j - C_ij) - 1) - (v.(x, y))^2 / 2,

where the last term picks one of the potentials that differ by a constant moved from x to y. First come sweeps of
Sinkhorn's method, then Newton steps in which only the largest entries P_ij of the Hessian

    -(eta [[diag(P 1), P], [P', diag(P' 1)]] + v v')

are kept off its diagonal. Here x = f + reg and y = g, so that the plan is exp((f_i + g_j - C_ij) / reg); and Newton
steps are computed in units of reg, so that no eta is left but in front of v v'. The paper's value is greater by reg,
as its problem lacks the term -reg sum(P).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..backends.jit import kernel
from ..driver import Iterate, Solver
from ..operators.hessian_kernels import solve as _solve
from ..result import Status
from ..validation import check_count, check_real
from .elementary import add_scaled, exp_row

# What the paper leaves open: how well systems are solved, and which steps are long enough.
RESIDUAL = 1e-6
_ARMIJO = 1e-4
_HALVINGS = 60
# Longest change of a potential that is tried, in units of reg: more than that leaves the range of exponentials.
_LONGEST = 700.0
# Steps of the conjugate gradient method, for each unknown.
CG_STEPS = 10
# Rows and columns whose sums are below this share of what they should be get that share on the diagonal: a Newton step
# is of no use to them, and its length has no bound.
_STARVED = 1e-2
# Rounding of the potential's value, relative to the size of x and y.
_ROUNDING = 16.0 * np.finfo(np.float64).eps
# Steps that may fail to lower the error, once the potential has become too flat to judge them.
_IDLE_STEPS = 5
# Sums of exponentials within these limits are exact to rounding.
_LEAST_SUM, _LARGEST_SUM = 1e-250, 1e250


@dataclass(frozen=True)
class Point:
    """Potentials, their plan with its marginals, and the value of the dual problem."""

    f: np.ndarray
    g: np.ndarray
    plan: np.ndarray | None
    rows: np.ndarray
    columns: np.ndarray
    value: float


class PaperProblem:
    """Minimise <C, P> + reg sum(P log P - P) over plans P with marginals a and b."""

    def __init__(self, C: np.ndarray, a: np.ndarray, b: np.ndarray, reg: float):
        self.C, self.a, self.b, self.reg = C, a, b, float(reg)
        self.weight = self.weight_for(float(C.max() - C.min()))
        self.evaluations = 0

    def weight_for(self, spread: float) -> float:
        """One for the paper's costs, from 0 to 1; for others what makes the steps the same in all units."""
        return 1.0 / max(spread, self.reg)

    def room(self) -> np.ndarray | None:
        """Where a plan goes."""
        return np.empty((self.a.size, self.b.size))

    def at(self, f: np.ndarray, g: np.ndarray, plan: np.ndarray | None) -> Point:
        """The point of these potentials; `plan` is overwritten."""
        rows, columns = np.empty_like(f), np.empty_like(g)
        mass = _fill_plan(self.C, f, g, self.reg, plan, rows, columns)
        self.evaluations += 1
        return Point(f, g, plan, rows, columns, float(self.a @ f + self.b @ g) - self.reg * mass)

    def error(self, point: Point) -> float:
        """L1 distance of the plan's marginals from a and b."""
        return float(np.abs(point.rows - self.a).sum() + np.abs(point.columns - self.b).sum())

    def gauge(self, point: Point) -> float:
        """v.(x, y), which is zero at the maximum of the augmented potential."""
        return float(point.f.sum() + self.reg * point.f.size - point.g.sum())

    def augmented(self, point: Point) -> float:
        """The value of the augmented potential."""
        gauge = self.gauge(point)
        return point.value - 0.5 * self.weight * gauge * gauge

    def rounding(self, point: Point) -> float:
        """Error that rounding may make in a value of the potential."""
        return _ROUNDING * float(np.abs(point.f).max() + np.abs(point.g).max() + self.reg)

    def sweep(self, point: Point) -> Point:
        """Make the rows exact by f, then the columns by g; the arrays of the point are used again."""
        f = point.f + self.reg * (np.log(self.a) - _log_sums(point.rows, self.C, point.f, point.g, self.reg))
        point = self.at(f, point.g, point.plan)
        g = point.g + self.reg * (np.log(self.b) - _log_sums(point.columns, self.C.T, point.g, f, self.reg))
        return self.at(f, g, point.plan)

    def direction(self, point: Point, gradient: np.ndarray, diagonal: np.ndarray, n_kept: int):
        """Solve with the sparsified Hessian, in units of reg. Returns the solution, its steps, and the entries kept."""
        support = _largest_entries(point.plan, n_kept)
        direction = np.zeros_like(gradient)
        augmentation = self.weight * self.reg
        steps = _solve(
            diagonal, *support, augmentation, gradient, RESIDUAL, CG_STEPS * gradient.size, direction
        )
        return direction, steps, support[1].size

    def gradient(self, point: Point) -> np.ndarray:
        """Gradient of the augmented potential."""
        pull = self.weight * self.gauge(point)
        return np.concatenate((self.a - point.rows - pull, self.b - point.columns + pull))

    def search(self, point: Point, direction: np.ndarray, slope: float, plan: np.ndarray | None):
        """Backtracking line search. Returns the point reached, None if there is none, and how many were tried."""
        n = point.f.size
        target, rounding = self.augmented(point), self.rounding(point)
        step = min(1.0, _LONGEST * self.reg / max(float(np.abs(direction).max()), self.reg))
        for tried in range(1, _HALVINGS + 1):
            trial = self.at(point.f + step * direction[:n], point.g + step * direction[n:], plan)
            if self.augmented(trial) >= target + _ARMIJO * step * slope - rounding:
                return trial, tried
            step *= 0.5
        return None, _HALVINGS

    def aligned(self, point: Point) -> Point:
        """The same plan, with potentials for which the augmentation vanishes."""
        shift = self.gauge(point) / (point.f.size + point.g.size)
        return self.at(point.f - shift, point.g + shift, point.plan)


def paper(
    C: np.ndarray | None,
    a: np.ndarray,
    b: np.ndarray,
    reg: float,
    f: np.ndarray,
    g: np.ndarray,
    *,
    sinkhorn_sweeps: int = 20,
    density: float | None = None,
    problem: PaperProblem | None = None,
) -> Solver:
    """Sinkhorn-Newton-Sparse: sweeps, then Newton steps with a sparse Hessian.

    Parameters
    ----------
    C : ndarray of shape (n, m), float64, C-contiguous
        Costs.
    a, b : ndarray of shape (n,) and (m,), float64
        Positive weights that sum to 1.
    reg : float
        1 / eta in the paper.
    f, g : ndarray of shape (n,) and (m,)
        Potentials to start from.
    sinkhorn_sweeps : int, default=20
        N1 in the paper, which takes 700 for L1 costs.
    density : float, optional
        Share of the plan's entries that the Hessian keeps, lambda in the paper; 1 and more keep all. By default
        2/n + 2/m: the paper's 2/n, read as that of the two off-diagonal blocks in a matrix of n^2 entries. Measured on
        random assignments of n = 500 it takes 11 Newton steps in the median; half as many entries take 54. The paper
        takes 15/n for L1 costs.

    problem : PaperProblem, optional
        Where it is another one's work to form plans and to solve systems; C is then not looked at.

    Yields
    ------
    Iterate
        One for each sweep and each Newton step. ``solution`` is (f, g), ``certificate`` the L1 marginal error,
        ``objective`` the value of the dual of <C, P> + reg sum(P log P - P). ``extras``: ``engine``
        ("paper-sinkhorn" or "paper-newton"), ``reg``, ``density`` (of the entries used in the step; more than asked
        for where entries are tied), and the running totals ``sweeps``, ``newton_steps``, ``cg_steps``,
        ``evaluations`` (of the line searches) and ``dense_passes``.

    Returns
    -------
    Status
        STALLED, when the line search fails or rounding stops progress; else the caller ends the run.

    Raises
    ------
    ValueError
        When the first iterate is asked for, if sinkhorn_sweeps or density are out of range.

    Notes
    -----
    The diagonal of the Hessian is exact: it includes what is dropped off the diagonal, so that the sparse matrix is
    positive semidefinite whatever is dropped. A Newton step takes O(n m) for the plan and the choice of its largest
    entries, and O(n m density) for each step of the conjugate gradient method. Memory: three n x m
    arrays.

    Left open by the paper, and chosen here: the potentials are moved to where the augmentation vanishes before the
    first Newton step, and its weight is in units of the costs' range; systems are scaled by their diagonal and solved
    to a relative residual of 1e-6; sums far below their weight get a share of it on the diagonal.

    References
    ----------
    Tang, Shavlovsky, Rahmanian, Tardini, Thekumparampil, Xiao and Ying, "Accelerating Sinkhorn algorithm with sparse
    Newton iterations", ICLR 2024.
    """
    n, m = a.size, b.size
    sinkhorn_sweeps = check_count("sinkhorn_sweeps", sinkhorn_sweeps, minimum=0)
    density = 2.0 / n + 2.0 / m if density is None else check_real("density", density, above=0)
    n_kept = min(math.ceil(density * n * m), n * m)
    problem = PaperProblem(np.asarray(C), a, b, reg) if problem is None else problem
    totals = {"sweeps": 0, "newton_steps": 0, "cg_steps": 0, "evaluations": 0}

    def iterate(point: Point, engine: str, used: float) -> Iterate:
        extras = {
            "engine": engine,
            "reg": problem.reg,
            "density": used,
            **totals,
            "dense_passes": problem.evaluations,
        }
        return Iterate((point.f, point.g), problem.error(point), point.value, extras)

    point = problem.at(f.copy(), g.copy(), problem.room())
    for _ in range(sinkhorn_sweeps):
        point = problem.sweep(point)
        totals["sweeps"] += 1
        yield iterate(point, "paper-sinkhorn", 1.0)

    point = problem.aligned(point)
    spare = problem.room()
    starved = _STARVED * np.concatenate((a, b))
    best, idle = problem.error(point), 0
    while idle < _IDLE_STEPS:
        gradient = problem.gradient(point)
        diagonal = np.maximum(np.concatenate((point.rows, point.columns)), starved)
        direction, cg_steps, kept = problem.direction(point, gradient, diagonal, n_kept)
        direction *= problem.reg
        slope = float(gradient @ direction)
        reached, evaluations = problem.search(point, direction, slope, spare)
        if reached is not None:
            point, spare = reached, point.plan
        for name, count in (("newton_steps", 1), ("cg_steps", cg_steps), ("evaluations", evaluations)):
            totals[name] += count
        found = iterate(point, "paper-newton", kept / (n * m))
        yield found
        if reached is None:
            break
        # Where the potential is flat to rounding, the error alone tells whether a step was of use.
        flat = slope <= problem.rounding(point)
        idle = idle + 1 if flat and found.certificate >= best else 0
        best = min(best, found.certificate)
    return Status.STALLED


def _log_sums(sums, C, f, g, reg):
    """Logarithms of the sums of the plan's rows; sums out of range are formed again, relative to their largest term."""
    in_range = (sums > _LEAST_SUM) & (sums < _LARGEST_SUM)
    logs = np.log(np.where(in_range, sums, 1.0))
    for i in np.flatnonzero(~in_range):
        exponents = (f[i] + g - C[i]) / reg
        largest = exponents.max()
        logs[i] = largest + np.log(np.exp(np.maximum(exponents - largest, -700.0)).sum())
    return logs


def _largest_entries(plan, n_kept):
    """CSR form of the entries at least as large as the one of rank `n_kept`; entries that are zero are never kept."""
    least = np.partition(plan, plan.size - n_kept, axis=None)[plan.size - n_kept]
    least = max(least, _LEAST_SUM)
    size = np.count_nonzero(plan >= least)
    starts, indices, values = np.empty(plan.shape[0] + 1, np.int64), np.empty(size, np.uint32), np.empty(size)
    _keep(plan, least, starts, indices, values)
    return starts, indices, values


@kernel
def _fill_plan(C, f, g, reg, plan, rows, columns):
    """Plan = exp((f + g - C) / reg), with its row and column sums; returns the sum of all."""
    total = 0.0
    columns[:] = 0.0
    for i in range(C.shape[0]):
        rows[i] = exp_row(C[i], g, f[i], 1.0 / reg, plan[i])
        add_scaled(plan[i], 1.0, columns)
        total += rows[i]
    return total


@kernel
def _keep(plan, least, starts, indices, values):
    """The entries of at least that size, in CSR form."""
    kept = 0
    starts[0] = 0
    for i in range(plan.shape[0]):
        for j in range(plan.shape[1]):
            if plan[i, j] >= least:
                indices[kept] = j
                values[kept] = plan[i, j]
                kept += 1
        starts[i + 1] = kept
