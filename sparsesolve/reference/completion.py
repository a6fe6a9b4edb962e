"""Low-rank completion: objectives, gradients and half steps by plain formulas, and two cvxpy twins.

The objective of factors A (m, k) and B (n, k) is sum w_ij (a_i . b_j - M_ij)^2 over the observed entries, plus
alpha (sum_i d_i |a_i|^2 + sum_j d_j |b_j|^2), where d is 1, or the number of entries of the row or column.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse


class NuclearNormReference(NamedTuple):
    """A completed matrix as cvxpy finds it.

    Attributes
    ----------
    matrix : ndarray of shape (m, n)
    objective : float
    """

    matrix: np.ndarray
    objective: float


def observed(M, weights=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dense matrix with zeros where nothing was observed, a mask, and weights that are zero there.

    Parameters
    ----------
    M : array of shape (m, n) with NaN for what is missing, or sparse matrix whose stored entries are observed
    weights : array or sparse matrix, optional
        Of the form of M; ones unless given.

    Returns
    -------
    values, mask, weights : ndarray of shape (m, n)
    """
    if scipy.sparse.issparse(M):
        entries = M.tocoo()
        mask, values = np.zeros(M.shape, dtype=bool), np.zeros(M.shape)
        mask[entries.row, entries.col] = True
        values[entries.row, entries.col] = entries.data
        weights = weights.toarray() if scipy.sparse.issparse(weights) else weights
    else:
        M = np.asarray(M, dtype=np.float64)
        mask = ~np.isnan(M)
        values = np.where(mask, M, 0.0)
    weights = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    return values, mask, np.where(mask, weights, 0.0)


def objective(M, row_factors, column_factors, alpha=0.0, *, weights=None, scaled=False) -> float:
    """Value of the objective.

    Parameters
    ----------
    M, weights
        As in `observed`.
    row_factors : array of shape (m, k)
    column_factors : array of shape (n, k)
    alpha : float, default=0.0
    scaled : bool, default=False
        Whether alpha is multiplied by the number of entries of the row or column.

    Returns
    -------
    float
    """
    values, mask, weights = observed(M, weights)
    fit = float((weights * (row_factors @ column_factors.T - values) ** 2).sum())
    row_sizes, column_sizes = _sizes(mask, scaled)
    penalty = row_sizes @ (row_factors**2).sum(axis=1) + column_sizes @ (column_factors**2).sum(axis=1)
    return fit + alpha * float(penalty)


def gradients(M, row_factors, column_factors, alpha=0.0, *, weights=None, scaled=False):
    """Gradients of the objective in A and in B; parameters as in `objective`."""
    values, mask, weights = observed(M, weights)
    row_sizes, column_sizes = _sizes(mask, scaled)
    residuals = weights * (row_factors @ column_factors.T - values)
    of_rows = 2.0 * (residuals @ column_factors + alpha * row_sizes[:, None] * row_factors)
    of_columns = 2.0 * (residuals.T @ row_factors + alpha * column_sizes[:, None] * column_factors)
    return of_rows, of_columns


def gradient_norm(M, row_factors, column_factors, alpha=0.0, *, weights=None, scaled=False) -> float:
    """Euclidean norm of the gradient in A and B together; parameters as in `objective`."""
    parts = gradients(M, row_factors, column_factors, alpha, weights=weights, scaled=scaled)
    return float(np.sqrt(sum((part**2).sum() for part in parts)))


def relative_residual(M, row_factors, column_factors) -> float:
    """Norm of the residuals on the observed entries over the norm of the entries."""
    values, mask, _ = observed(M)
    return float(np.linalg.norm(mask * (row_factors @ column_factors.T) - values) / np.linalg.norm(values))


def relative_gradient(M, row_factors, column_factors) -> float:
    """Norm of (R B, R'A), R the residuals, over the norm of the entries and that of (A, B), for alpha = 0."""
    values, mask, _ = observed(M)
    residuals = values - mask * (row_factors @ column_factors.T)
    parts = residuals @ column_factors, residuals.T @ row_factors
    size = np.sqrt(np.linalg.norm(row_factors) ** 2 + np.linalg.norm(column_factors) ** 2)
    return float(np.linalg.norm(np.vstack(parts)) / (np.linalg.norm(values) * size))


def half_step(M, column_factors, alpha=0.0, *, weights=None, scaled=False) -> np.ndarray:
    """The best row factors for given column factors: dense least squares, a row at a time.

    Parameters
    ----------
    M, column_factors, alpha, weights, scaled
        As in `objective`.

    Returns
    -------
    ndarray of shape (m, k)
        Of several answers the shortest.
    """
    _, mask, _ = observed(M, weights)
    values, _, weights = observed(M, weights)
    row_sizes, _ = _sizes(mask, scaled)
    rank = column_factors.shape[1]
    rows = np.zeros((values.shape[0], rank))
    for i, seen in enumerate(mask):
        root = np.sqrt(weights[i, seen])
        design = np.vstack(
            [root[:, None] * column_factors[seen], np.sqrt(alpha * row_sizes[i]) * np.eye(rank)]
        )
        targets = np.concatenate([root * values[i, seen], np.zeros(rank)])
        rows[i] = np.linalg.lstsq(design, targets, rcond=None)[0]
    return rows


def gauss_newton_spectrum(M, row_factors, column_factors) -> np.ndarray:
    """Eigenvalues, ascending, of J'J with J the derivative of the fitted entries in (A, B); k^2 of them are zero."""
    _, mask, _ = observed(M)
    (m, rank), n = row_factors.shape, column_factors.shape[0]
    rows, columns = np.nonzero(mask)
    J = np.zeros((rows.size, (m + n) * rank))
    for q in range(rank):
        J[np.arange(rows.size), rows * rank + q] = column_factors[columns, q]
        J[np.arange(rows.size), (m + columns) * rank + q] = row_factors[rows, q]
    return np.linalg.eigvalsh(J.T @ J)


def convex_half_step(M, column_factors, alpha=0.0, *, weights=None, scaled=False) -> np.ndarray:
    """`half_step` by cvxpy and Clarabel."""
    import cvxpy

    values, mask, weights = observed(M, weights)
    row_sizes, _ = _sizes(mask, scaled)
    rows = cvxpy.Variable((values.shape[0], column_factors.shape[1]))
    errors = cvxpy.multiply(np.sqrt(weights), rows @ column_factors.T - values)
    penalty = cvxpy.sum_squares(cvxpy.multiply(np.sqrt(row_sizes)[:, None] * np.ones(rows.shape), rows))
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(errors) + alpha * penalty))
    _solve(cvxpy, problem, 1e-12)
    return np.asarray(rows.value)


def nuclear_norm(M, alpha=0.0, *, weights=None) -> NuclearNormReference:
    """Complete a small matrix by its nuclear norm, with cvxpy and Clarabel.

    Minimises sum w_ij (Z_ij - M_ij)^2 + 2 alpha |Z|_*; for alpha = 0 the norm alone among matrices that fit exactly.
    Where factors have enough columns, 2 alpha |Z|_* is the least alpha (|A|^2 + |B|^2) of all with A B' = Z: the
    objective is then the least of the factors' objective.

    Parameters
    ----------
    M, weights
        As in `observed`.
    alpha : float, default=0.0

    Returns
    -------
    NuclearNormReference

    Raises
    ------
    ImportError
        Where cvxpy is not installed.
    RuntimeError
        Where Clarabel does not get near its tolerance.

    Notes
    -----
    Meant for some 20 x 20 entries.
    """
    import cvxpy

    values, mask, weights = observed(M, weights)
    matrix = cvxpy.Variable(values.shape)
    norm = cvxpy.normNuc(matrix)
    if alpha > 0.0:
        errors = cvxpy.multiply(np.sqrt(weights), matrix - values)
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(errors) + 2.0 * alpha * norm))
    else:
        fits = [cvxpy.multiply(mask.astype(np.float64), matrix) == values]
        problem = cvxpy.Problem(cvxpy.Minimize(norm), fits)
    _solve(cvxpy, problem, 1e-10)
    return NuclearNormReference(np.asarray(matrix.value), float(np.asarray(problem.value)))


def _solve(cvxpy, problem, tol):
    with warnings.catch_warnings():
        # What is inaccurate beyond use raises below.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=tol, tol_gap_rel=tol, tol_feas=tol)
    if problem.status not in (cvxpy.OPTIMAL, cvxpy.OPTIMAL_INACCURATE):
        raise RuntimeError(f"Clarabel ended with status {problem.status}: scale the entries first.")


def _sizes(mask, scaled):
    if scaled:
        return mask.sum(axis=1).astype(np.float64), mask.sum(axis=0).astype(np.float64)
    return np.ones(mask.shape[0]), np.ones(mask.shape[1])
