"""Least squares and ridge regression in cvxpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class LeastSquaresReference(NamedTuple):
    """A solution as cvxpy finds it.

    Attributes
    ----------
    coef : ndarray of shape (n_columns,)
    intercept : float
        Zero unless asked for.
    objective : float
        Weighted sum of squared residuals, and the penalty.
    """

    coef: np.ndarray
    intercept: float
    objective: float


def least_squares(A, b, alpha=0.0, weights=None, fit_intercept=False) -> LeastSquaresReference:
    """Minimise sum_i weights_i (b_i - A_i x - c)^2 + alpha ||x||^2 with cvxpy and Clarabel.

    Parameters
    ----------
    A : array of shape (n_rows, n_columns)
    b : array of shape (n_rows,)
    alpha : float, default=0.0
    weights : array of shape (n_rows,), optional
        At least 0; ones unless given.
    fit_intercept : bool, default=False
        Without it c = 0.

    Returns
    -------
    LeastSquaresReference

    Raises
    ------
    ImportError
        Where cvxpy is not installed.
    RuntimeError
        Where Clarabel does not reach its tolerance, 1e-12.

    Notes
    -----
    Meant for columns and targets of ordinary size, and condition numbers up to about 1e4.
    """
    import cvxpy

    A = np.asarray(A, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    root = np.ones(len(b)) if weights is None else np.sqrt(np.asarray(weights, dtype=np.float64))
    coef = cvxpy.Variable(A.shape[1])
    intercept = cvxpy.Variable() if fit_intercept else cvxpy.Constant(0.0)
    residual = cvxpy.multiply(root, b - A @ coef - intercept)
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(residual) + alpha * cvxpy.sum_squares(coef)))
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    if problem.status not in (cvxpy.OPTIMAL, cvxpy.OPTIMAL_INACCURATE):
        raise RuntimeError(
            f"Clarabel ended with status {problem.status}: scale the columns and targets first."
        )
    shift = float(np.asarray(intercept.value))
    return LeastSquaresReference(np.asarray(coef.value), shift, float(np.asarray(problem.value)))
