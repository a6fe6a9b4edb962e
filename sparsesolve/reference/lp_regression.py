"""Regression in the p-norm, and of quantiles, in cvxpy."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np


class LpReference(NamedTuple):
    """A solution as cvxpy finds it.

    Attributes
    ----------
    coef : ndarray of shape (n_columns,)
    intercept : float
        Zero unless asked for.
    objective : float
        The loss of the residuals.
    """

    coef: np.ndarray
    intercept: float
    objective: float


def lp_regression(A, b, p=1.0, *, quantile=None, weights=None, fit_intercept=False) -> LpReference:
    """Minimise (sum_i weights_i |b_i - A_i x - c|^p)^(1/p), or the loss of a quantile, with cvxpy and Clarabel.

    Parameters
    ----------
    A : array of shape (n_rows, n_columns)
    b : array of shape (n_rows,)
    p : float, default=1.0
        At least 1, `numpy.inf` included.
    quantile : float, optional
        Minimise sum_i weights_i max(quantile r_i, (quantile - 1) r_i) instead.
    weights : array of shape (n_rows,), optional
        At least 0; ones unless given.
    fit_intercept : bool, default=False
        Without it c = 0.

    Returns
    -------
    LpReference

    Raises
    ------
    ImportError
        Where cvxpy is not installed.
    RuntimeError
        Where Clarabel fails. What it reaches may be less than its tolerance, 1e-11, for p other than 1, 2 and inf.

    Notes
    -----
    Meant for a few thousand rows, and columns and targets of ordinary size.
    """
    import cvxpy

    A = np.asarray(A, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    weights = np.ones(len(b)) if weights is None else np.asarray(weights, dtype=np.float64)
    coef = cvxpy.Variable(A.shape[1])
    intercept = cvxpy.Variable() if fit_intercept else cvxpy.Constant(0.0)
    residual = b - A @ coef - intercept
    if quantile is not None:
        tilted = cvxpy.maximum(quantile * residual, (quantile - 1.0) * residual)
        loss = cvxpy.sum(cvxpy.multiply(weights, tilted))
    elif np.isinf(p):
        loss = cvxpy.norm(cvxpy.multiply((weights > 0).astype(float), residual), "inf")
    else:
        loss = cvxpy.norm(cvxpy.multiply(weights ** (1.0 / p), residual), p)
    problem = cvxpy.Problem(cvxpy.Minimize(loss))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # on being inaccurate: the status tells, and is looked at
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    if problem.status not in (cvxpy.OPTIMAL, cvxpy.OPTIMAL_INACCURATE):
        raise RuntimeError(
            f"Clarabel ended with status {problem.status}: scale the columns and targets first."
        )
    shift = float(np.asarray(intercept.value))
    return LpReference(np.asarray(coef.value), shift, float(np.asarray(problem.value)))
