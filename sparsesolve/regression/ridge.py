"""Ridge regression for many penalties from one factorisation of the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import qr, solve_triangular, svd

from ..backends import select
from ..backends.threads import blas_for
from ..driver import TICK, Iterate, drive
from ..operators import as_row_matrix
from ..result import Result
from ..validation import check_matrix, check_targets
from . import engines
from .design import Design
from .options import Options, check_options, root_weights
from .solution import as_result
from .solver import first_look, without_sketch

# A change of the path's points below this, relative to the solution, is rounding: at first, before the solutions are
# refined, and then.
_ROUNDING = 16 * engines.EPS, 2 * engines.EPS


class RidgePathSolution(NamedTuple):
    """The answer of `ridge_path`.

    Attributes
    ----------
    coef : ndarray of shape (n_columns, n_alphas)
    intercept : ndarray of shape (n_alphas,)
        Zero unless asked for.
    alphas : ndarray of shape (n_alphas,)
    backward_error : ndarray of shape (n_alphas,)
        Upper bound of the backward error of each column, relative to the Frobenius norm.
    solver : str
        The engine that made the factor.
    """

    coef: np.ndarray
    intercept: np.ndarray
    alphas: np.ndarray
    backward_error: np.ndarray
    solver: str


def ridge_path(
    A,
    b,
    alphas,
    *,
    sketch="srht",
    tol=None,
    max_iter=100,
    max_time=None,
    random_state=None,
    fit_intercept=False,
    sample_weight=None,
    backend="auto",
    callback=None,
    verbose=False,
) -> Result:
    """Solve min ||A x - b||^2 + alpha ||x||^2 for each alpha, from one factorisation.

    Parameters
    ----------
    A : array of shape (n_rows, n_columns), or scipy sparse array or matrix
    b : array of shape (n_rows,)
    alphas : array of shape (n_alphas,)
        Penalties, each above 0.
    sketch, tol, max_iter, max_time, random_state, fit_intercept, sample_weight, backend, callback, verbose
        As in `lstsq`.

    Returns
    -------
    Result
        ``solution`` is a `RidgePathSolution`; the certificate's ``backward_error`` is the largest over the path.

    Notes
    -----
    One factorisation as in `lstsq`, one singular value decomposition of a d x d matrix, and one or two passes over A
    that check all the solutions together, through the few of them that the others are combinations of.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.regression import ridge_path
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((2000, 8))
    >>> result = ridge_path(A, A @ np.ones(8), [1e-3, 1e3], random_state=0)
    >>> result.solution.coef.shape, result.converged
    ((8, 2), True)
    """
    A = check_matrix("A", A, check_finite=False)
    b = check_targets("b", b, A.shape[0])
    if b.ndim != 1:
        raise ValueError(f"b has shape {b.shape}: ridge_path takes one target; call it once for each column.")
    alphas = np.asarray(alphas, dtype=np.float64)
    if alphas.ndim != 1 or alphas.size == 0 or not np.all(np.isfinite(alphas) & (alphas > 0)):
        raise ValueError(f"alphas={alphas!r} must be a one-dimensional array of numbers above 0.")
    options = check_options("auto", sketch, "auto", tol, max_iter, max_time, random_state, backend)
    weights = root_weights(sample_weight, len(b))
    design = Design(as_row_matrix(A), b[:, None], weights, bool(fit_intercept))
    design, scale = design.with_safe_targets()
    tol = engines.EPS if options.tol is None else options.tol
    solver = _path(design, alphas, options)
    with blas_for(design.n_unknowns):
        outcome = drive(
            solver, tol=tol, max_iter=max_iter, max_time=options.max_time, callback=callback, verbose=verbose
        )
    fit = outcome.best.solution
    X = fit.design.column_scale[:, None] * fit.Z / scale
    n_columns = design.n_columns
    intercept = X[n_columns] if fit_intercept else np.zeros(alphas.size)
    solution = RidgePathSolution(X[:n_columns], intercept, alphas, fit.error, fit.stage)
    return as_result(
        outcome, solution, {"backward_error": float(fit.error.max())}, select(options.backend), tol
    )


@dataclass(frozen=True)
class _PathFit:
    design: Design
    Z: np.ndarray
    error: np.ndarray
    stage: str


def _path(design: Design, alphas: np.ndarray, options: Options):
    design, root, start, gradient, stage = _root_and_start(design, options)
    yield TICK
    factor = _PathFactor.of(root, design, alphas)
    Z = start + factor.solve_normal(gradient - factor.pull(start))
    # Any length serves a path of zeros.
    size = (design.target_norms[0] / np.linalg.norm(root)) or 1.0
    best, misses, rounding = np.inf, 0, _ROUNDING[0]
    while misses < 2:
        Z, gradient, objective = _measured(design, factor, Z, size, rounding)
        error = factor.backward_error(gradient, objective, Z, design.target_norms[0])
        worst = float(error.max())
        yield Iterate(_PathFit(design, Z, error, stage), worst, float(objective.sum()), {"stage": stage})
        misses = 0 if worst <= 0.5 * best else misses + 1
        best = min(best, worst)
        Z = Z + factor.solve_normal(gradient)
        rounding = _ROUNDING[1]


def _measured(design: Design, factor: _PathFactor, Z: np.ndarray, size: float, rounding: float):
    """Return Z to rounding, and the gradients and the objectives there, from one pass with a few columns of Z.

    The path is smooth, so that it lies, to rounding, in the affine span of a dozen or two of its points. A pivoted
    QR finds these; residuals at the others are the same affine combinations of the residuals there, and so are the
    products with A'. Nothing is lost to cancellation, because residuals are combined, not normal equations.
    """
    # The last row keeps the combinations affine; `size` is the length of a solution that b would ask for.
    triangle, order = qr(
        np.vstack([Z, np.full(Z.shape[1], size)]), mode="r", pivoting=True, check_finite=False
    )
    least = size + np.linalg.norm(Z, axis=0).min()
    n_points = max(1, int(np.sum(np.abs(np.diag(triangle)) > rounding * least)))
    weights = np.empty((n_points, Z.shape[1]))
    weights[:, order] = solve_triangular(
        triangle[:n_points, :n_points], triangle[:n_points], check_finite=False
    )
    points = order[:n_points]
    gradient, products = design.residual_products(Z[:, points])
    Z = Z[:, points] @ weights
    squares = np.einsum("ij,ij->j", weights, products @ weights)
    pull = factor.pull(Z)
    return Z, gradient @ weights - pull, np.maximum(squares, 0.0) + np.einsum("ij,ij->j", pull, Z)


def _root_and_start(design: Design, options: Options):
    """The problem with scaled columns, the R of its matrix, a start, A' times its residual, and R's engine.

    All without penalty. From a start near the solutions, less is lost to rounding than from zero.
    """
    factor, stage = None, "direct"
    if not without_sketch(design, options):
        view, stage = first_look(design, options)
        design, start = view.design, view.Z
        if stage == "gram":
            factor, gradient = engines.gram_factor(design, start)
        elif stage == "cqrrt":
            factor, gradient = engines.cqrrt_factor(view), design.normal_residual(start)[0]
    if factor is not None:
        return design, factor.root, start, gradient, stage
    design, root, _, _ = engines.direct_root(design)
    start = np.zeros((design.n_unknowns, 1))
    return design, root, start, design.normal_residual(start)[0], "direct"


@dataclass(frozen=True)
class _PathFactor:
    """Factors of N + alpha P for all alphas: the intercept eliminated first, then a singular value decomposition."""

    alphas: np.ndarray
    scale: np.ndarray
    values: np.ndarray
    right: np.ndarray
    corner: float
    row: np.ndarray
    intercept: bool
    square: float

    @classmethod
    def of(cls, root, design, alphas):
        n_columns = design.n_columns
        corner, row = 1.0, np.zeros(n_columns)
        scale = design.column_scale[:n_columns, None]
        square = np.linalg.norm(root / design.column_scale) ** 2
        if design.intercept:
            root = qr(np.roll(root, 1, axis=1), mode="r", check_finite=False)[0]
            corner, row, root = root[0, 0], root[0, 1:], root[1:, 1:]
        _, values, right = svd(root / scale[:, 0], check_finite=False)
        return cls(alphas, scale, values[:, None], right, corner, row, design.intercept, square)

    def pull(self, Z):
        """Return alpha P Z, a column for each alpha."""
        pull = self.scale**2 * Z[: len(self.row)] * self.alphas
        return np.vstack([pull, np.zeros((1, self.alphas.size))]) if self.intercept else pull

    def _coordinates(self, G):
        """The gradient in the singular basis, and its intercept part."""
        first = G[-1] / self.corner if self.intercept else np.zeros(G.shape[1])
        rest = G[: len(self.row)] - np.outer(self.row, first)
        return self.right @ (rest / self.scale), first

    def solve_normal(self, G):
        """Return the solution of (N + alpha P) Z = G, a column for each alpha."""
        coordinates, first = self._coordinates(G)
        Z = (self.right.T @ (coordinates / (self.values**2 + self.alphas))) / self.scale
        return np.vstack([Z, (first - self.row @ Z) / self.corner]) if self.intercept else Z

    def backward_error(self, G, objective, Z, target_norm):
        """Karlson-Walden's estimate for [A; sqrt(alpha) I], without the damping of the intercept: an upper bound."""
        coordinates, first = self._coordinates(G)
        norms = np.sqrt(self.square + self.alphas * len(self.row))
        lengths = np.linalg.norm(self.scale * Z[: len(self.row)], axis=0)
        size = np.sqrt(target_norm**2 / norms**2 + lengths**2)
        if target_norm == 0:
            return np.zeros(len(self.alphas))
        damping = objective / size**2
        rest = np.linalg.norm(coordinates / np.sqrt(self.values**2 + self.alphas + damping), axis=0)
        return np.hypot(first, rest) / size / norms
