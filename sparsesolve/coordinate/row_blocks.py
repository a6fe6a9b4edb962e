r"""Lassos and elastic nets of rows that come in blocks.

Squares need no more of the data than :math:`G = X'SX`, :math:`c = X'Sy` and :math:`y'Sy`, columns centred: one pass.
With a factor :math:`R'R = G` and :math:`R't = c` the problem is that of the few rows (R, t), which the fast engine
solves. The duality gap of the answer is then measured in the data, by one more pass. That pass gives the gradient, too,
so that where the gap is still too large, t is put right and all is done again: iterative refinement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lapack, solve_triangular

from ..backends.threads import single_threaded_blas
from ..exceptions import NumericalError
from ..operators import as_row_matrix
from ..result import Result, Status
from ..streams import Block, BlockMoments, Passes, RowBlocks, block_moments
from .by_rules import rules_of
from .linear_models.options import Options
from .linear_models.parameters import penalty_shares
from .linear_models.pose import pose
from .linear_models.solver import solve, warn_of_gap
from .losses import LOSSES

# A Gram matrix of so many columns takes 800 MB, and a fit a few of them.
_MOST_COLUMNS = 10_000
# Passes that measure the gap, at most.
_ROUNDS = 4
# A round that does not shrink the gap so far is the last one.
_GAINS = 0.5
# The inner problem is solved to this share of the tolerance.
_INNER = 0.1


def block_engine(blocks: RowBlocks, parameters) -> BlockEngine:
    """The engine for row blocks; a ValueError for models whose fits need the rows themselves."""
    where = "on row blocks"
    if parameters.loss != "squared":
        raise ValueError(
            f"loss={parameters.loss!r} is not known {where}: use loss='squared', or give an array."
        )
    if parameters.penalty not in ("l1", "elastic-net"):
        raise ValueError(
            f"penalty={parameters.penalty!r} is not known {where}: use 'l1' or 'elastic-net'; for 'l2' and 'none' "
            "SketchedLinearRegression, or give an array."
        )
    if rules_of(parameters) is not None:
        raise ValueError(
            f"partition, selection, update and block_size are not known {where}: leave them at 'auto'."
        )
    if blocks.n_columns > _MOST_COLUMNS:
        raise ValueError(
            f"X has {blocks.n_columns} columns, but at most {_MOST_COLUMNS} are taken {where}, as products are dense."
        )
    blocks.require_passes("the certificate of a sparse model")
    blocks.require_targets()
    if blocks.n_targets > 1:
        raise ValueError(f"y has {blocks.n_targets} targets, but one is taken: fit them one by one.")
    return BlockEngine(blocks, parameters)


class BlockEngine:
    """The data of row blocks, and a penalty of free strength; see `sparsesolve.coordinate.engines.Engine`."""

    def __init__(self, blocks: RowBlocks, parameters):
        self.coef_shape: tuple[int, ...] = (blocks.n_columns,)
        self._shares = penalty_shares(parameters)
        self._positive, self._intercept = bool(parameters.positive), bool(parameters.fit_intercept)
        asked = [
            str(getattr(parameters, name))
            for name in ("alpha", "l1_ratio", "positive", "fit_intercept", "tol")
        ]
        self._passes = Passes(blocks, ["sparse", self._shares, *asked])
        moments = block_moments(self._passes, with_targets=True, centred=self._intercept)
        self._problem = small_problem(moments)

    def largest_alpha(self):
        """The least alpha at which every coefficient is zero."""
        return self._posed(self._problem.targets).largest_penalty_factor() * self._weight_ratio

    @property
    def _weight_ratio(self) -> float:
        """Rows of the small problem over those of the data: both objectives are means."""
        return self._problem.matrix.shape[0] / self._problem.total

    def _posed(self, targets):
        matrix = self._problem.matrix
        return pose(
            matrix, targets, LOSSES["squared"], *self._shares, positive=self._positive, fit_intercept=False
        )

    def done(self) -> None:
        """The fit has its answer."""
        self._passes.done()

    def solve(self, alpha: float, options: Options, start: Any = None, **driving) -> Result:
        """Fit at one alpha: by the small problem, and by passes that certify and refine its answer."""
        if alpha == 0.0:
            raise ValueError("alpha=0.0 on row blocks: use SketchedLinearRegression, which needs no penalty.")
        problem, quiet = self._problem, driving.pop("quiet", False)
        inner = replace(options, tol=_INNER * options.tol)
        targets, n_iter, seconds = problem.targets, 0, np.zeros(2)
        best: tuple[Measured, Result] | None = None
        for _ in range(_ROUNDS):
            posed = self._posed(targets).scaled(alpha / self._weight_ratio)
            result = solve(posed, inner, start, quiet=True, **driving)
            n_iter += result.n_iter
            seconds += np.array([result.setup_time, result.solve_time])
            measured = self._measure(result.solution.coef, alpha)
            gains = best is None or measured.gap < _GAINS * best[0].gap
            if best is None or measured.gap < best[0].gap:
                best = measured, result
            if measured.gap <= options.tol or not gains or result.status in _ENDED:
                break
            targets = problem.refined(targets, result.solution.coef, measured.pull)
            start = (result.solution.coef, 0.0)
        assert best is not None
        measured, result = best
        status = result.status if result.status in _ENDED else Status.STALLED
        status = Status.CONVERGED if measured.gap <= options.tol else status
        solution = result.solution._replace(
            intercept=measured.intercept,
            objective=measured.objective,
            dual_gap=measured.gap,
            dual_point=np.empty(0),
        )
        if not quiet:
            warn_of_gap(measured.gap, status, options.tol)
        return replace(
            result,
            solution=solution,
            status=status,
            n_iter=n_iter,
            certificate={"dual_gap": measured.gap},
            setup_time=float(seconds[0]),
            solve_time=float(seconds[1]),
        )

    def _measure(self, coef: np.ndarray, alpha: float) -> Measured:
        """The objective and the duality gap in the data: one pass."""
        problem = self._problem
        intercept = float(problem.mean_y - problem.mean_x @ coef)
        pull, *sums = self._passes.reduce(_Residuals(coef, intercept))
        total, squares, covered = map(float, sums)
        if self._intercept:  # rounding may have left the residuals a mean
            shift = total / problem.total
            intercept, squares = intercept + shift, squares - total * shift
            pull, covered = pull - total * problem.mean_x, covered - total * problem.mean_y
        l1, l2 = (share * alpha * problem.total for share in self._shares)
        sizes = np.maximum(pull, 0.0) if self._positive else np.abs(pull)
        penalty = l1 * np.abs(coef).sum() + 0.5 * l2 * float(coef @ coef)
        objective = 0.5 * squares + penalty
        dual = dual_value(squares, covered, sizes, l1, l2)
        gap = max(objective - dual, 0.0) / max(problem.scale, np.finfo(np.float64).tiny)
        return Measured(intercept, objective / problem.total, float(gap), pull)


_ENDED = (Status.STOPPED, Status.TIME_LIMIT, Status.MAX_ITER)


class Measured(NamedTuple):
    """What a pass tells of some coefficients: the best intercept, the objective, the gap, and X' S r."""

    intercept: float
    objective: float
    gap: float
    pull: np.ndarray


def dual_value(squares: float, covered: float, sizes: np.ndarray, l1: float, l2: float) -> float:
    r"""The dual's value at the best multiple of the residuals, or nearly so.

    Parameters
    ----------
    squares, covered : float
        Weighted sums of :math:`r^2` and of :math:`r y`.
    sizes : ndarray
        How strongly each column is pulled.
    l1, l2 : float
    """
    largest = float(sizes.max(initial=0.0))
    if l2 == 0.0:
        bound = l1 / largest if largest > l1 else 1.0
        scale = min(covered / squares, l1 / largest if largest > 0.0 else np.inf) if squares > 0.0 else bound
        scale = max(scale, 0.0)
    else:
        scale = 1.0
    excess = np.maximum(scale * sizes - l1, 0.0)
    ridge = 0.5 * float(excess @ excess) / l2 if l2 > 0.0 else 0.0
    return scale * covered - 0.5 * scale**2 * squares - ridge


@dataclass(frozen=True)
class _Residuals:
    """What a block adds to X' S r, the sum of S r, r' S r and r' S y."""

    coef: np.ndarray
    intercept: float

    def __call__(self, block: Block) -> tuple:
        assert block.targets is not None
        root = None if block.weights is None else np.sqrt(block.weights)
        shift = np.array([self.intercept])
        with single_threaded_blas():
            sums = as_row_matrix(block.data).residual_product(block.targets, root, self.coef[:, None], shift)
        product, total, squares = sums
        # r'y = r'r + r'Xw + r'1c: no further look at the rows.
        covered = float(squares[0] + product[:, 0] @ self.coef + total[0] * self.intercept)
        return product[:, 0], float(total[0]), float(squares[0]), covered


@dataclass(frozen=True)
class SmallProblem:
    """Few rows with the same squares as the data.

    Attributes
    ----------
    matrix : ndarray of shape (rank + 1, n_columns)
        Fortran order; the last row is zero.
    targets : ndarray of shape (rank + 1,)
    triangle, pivots
        The leading part of the factor, and the order of the columns in it, in units of the columns.
    units : ndarray of shape (n_columns,)
    mean_x, mean_y, total
        Zeros where nothing is centred; the sum of the weights.
    """

    matrix: np.ndarray
    targets: np.ndarray
    triangle: np.ndarray
    pivots: np.ndarray
    units: np.ndarray
    mean_x: np.ndarray
    mean_y: float
    total: float
    scale: float

    def refined(self, targets, coef, pull) -> np.ndarray:
        """Targets whose gradient at `coef` is what the data say it is."""
        missing = pull - self.matrix.T @ (targets - self.matrix @ coef)
        return targets + np.append(self._rotated(missing / self.units), 0.0)

    def _rotated(self, right: np.ndarray) -> np.ndarray:
        rank = self.triangle.shape[0]
        return solve_triangular(self.triangle, right[self.pivots[:rank]], trans="T", check_finite=False)


def small_problem(moments: BlockMoments) -> SmallProblem:
    """The few rows, by a Cholesky factorisation with pivots: n_columns^3 / 3 flops."""
    products, units = moments.products, moments.units
    if not np.all(np.isfinite(products)):
        raise NumericalError("a sum over X is beyond floating point: divide X by its largest entry.")
    d = units.size - 1
    gram, right, square = products[:d, :d], products[:d, d], float(products[d, d])
    lengths = np.sqrt(np.diag(gram))
    safe = np.where(lengths > 0.0, lengths, 1.0)
    tol = 4.0 * d * np.finfo(np.float64).eps
    factor, pivots, rank, info = lapack.dpstrf(gram / safe / safe[:, None], tol=tol, lower=0)
    if info < 0:
        raise ValueError(f"LAPACK dpstrf refused argument {-info}; this is a fault of sparsesolve")
    pivots = pivots - 1
    rows = np.triu(factor[:rank])
    matrix = np.zeros((rank + 1, d), order="F")
    matrix[:rank, pivots] = rows * safe[pivots]
    triangle = np.asfortranarray(rows[:, :rank] * safe[pivots[:rank]])
    rotated = solve_triangular(triangle, right[pivots[:rank]], trans="T", check_finite=False)
    rest = np.sqrt(max(square - float(rotated @ rotated), 0.0))
    unit = units[d]
    return SmallProblem(
        np.asfortranarray(matrix * units[:d]),
        np.append(rotated, rest) * unit,
        triangle,
        pivots,
        units[:d],
        moments.mean[:d],
        float(moments.mean[d]),
        moments.total,
        0.5 * square * unit**2,
    )
