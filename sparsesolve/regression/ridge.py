"""Ridge regression for many penalties from one factorisation of the matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import qr, svd

from ..backends import select
from ..driver import TICK, Iterate, drive
from ..operators import as_row_matrix
from ..result import Result
from ..validation import check_matrix, check_targets
from . import engines
from .design import Design, power_of_two_scale
from .options import Options, check_options, root_weights
from .solution import as_result
from .solver import choose, look_at, without_sketch


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
    One factorisation as in `lstsq`, one singular value decomposition of a d x d matrix, and one pass over A that
    checks all the solutions together: 4 n d n_alphas flops in BLAS-3.

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
    scale = power_of_two_scale(np.abs(b).max())
    design = Design(
        as_row_matrix(A), b[:, None] * scale, root_weights(sample_weight, len(b)), bool(fit_intercept)
    )
    tol = engines.EPS if options.tol is None else options.tol
    solver = _path(design, alphas, options, tol)
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


def _path(design: Design, alphas: np.ndarray, options: Options, tol: float):
    design, root, gradient, stage = _root_and_gradient(design, options)
    yield TICK
    factor = _PathFactor.of(root, design, alphas)
    Z = factor.solve_normal(np.repeat(gradient, alphas.size, axis=1))
    # One target for each alpha, without storing it more than once.
    path = replace(
        design, targets=np.broadcast_to(design.targets, (design.n_rows, alphas.size)), alpha=alphas
    )
    best, misses = np.inf, 0
    while misses < 2:
        gradient, objective = path.normal_residual(Z)
        error = factor.backward_error(gradient, objective, Z, design.target_norms[0])
        worst = float(error.max())
        yield Iterate(_PathFit(design, Z, error, stage), worst, float(objective.sum()), {"stage": stage})
        misses = 0 if worst <= 0.5 * best else misses + 1
        best = min(best, worst)
        Z = Z + factor.solve_normal(gradient)


def _root_and_gradient(design: Design, options: Options):
    """The problem with scaled columns, the R of its matrix without penalty, A'b, and the engine that made R."""
    zero = np.zeros((design.n_unknowns, 1))
    if not without_sketch(design):
        view = look_at(design, options)
        design, stage = view.design, choose(view)
        if stage == "gram":
            factor, gradient = engines.gram_factor(design, zero)
        else:
            factor = engines.cqrrt_factor(view) if stage == "cqrrt" else None
            gradient = design.normal_residual(zero)[0] if factor is not None else None
        if factor is not None:
            return design, factor.root, gradient, stage
    design, root, _, _ = engines.direct_root(design)
    return design, root, design.normal_residual(zero)[0], "direct"


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
