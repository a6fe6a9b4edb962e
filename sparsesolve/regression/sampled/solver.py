"""Choose rows of a design matrix to evaluate a function at, and solve weighted least squares on these."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from ...exceptions import warn_caller
from ...operators.rows import as_row_matrix
from ...random import Stream, as_key, choose
from ...result import Result, Status
from ...sketch import LpSampling, RescaledVolumeSampling, RowSample, VolumeSampling
from ...sketch.whitening import squared_row_norms, whitening
from ...validation import check_choice, check_count, check_matrix, check_targets, check_weights
from ..solver import lstsq

#: How rows can be chosen.
METHODS = ("determinantal", "leveraged-volume", "volume", "leverage", "uniform")
_VOLUMES: dict[str, Any] = {
    "determinantal": partial(RescaledVolumeSampling, rounds="most"),
    "leveraged-volume": RescaledVolumeSampling,
    "volume": VolumeSampling,
}
_EPS = float(np.finfo(np.float64).eps)


class EvaluationPlan(NamedTuple):
    """Where to evaluate, and how much each evaluation counts.

    Attributes
    ----------
    rows : ndarray of int64, shape (m,)
        Rows of the candidates, ascending, each once.
    weights : ndarray of shape (m,)
        Weights of the squared residuals.
    rank : int
        Rank of the candidates.
    condition_number : float
        That of the weighted Gram matrix of the rows, in a basis that is orthonormal on all candidates: 1 for all
        rows, infinite where the rows do not determine the coefficients.
    """

    rows: np.ndarray
    weights: np.ndarray
    rank: int
    condition_number: float


class SampledSolution(NamedTuple):
    """The answer of `sampled_lstsq`.

    Attributes
    ----------
    coef : ndarray of shape (n_columns,) or (n_columns, n_targets)
    plan : EvaluationPlan
    residual_norm : ndarray of shape () or (n_targets,)
        Norm of the weighted residual at the rows: an estimate, on the low side, of that on all candidates.
    """

    coef: np.ndarray
    plan: EvaluationPlan
    residual_norm: np.ndarray


def choose_evaluations(
    X, *, n_evaluations="auto", method="determinantal", sample_weight=None, random_state=None
) -> EvaluationPlan:
    """Choose rows to evaluate; see `SampledLeastSquares`.

    Parameters
    ----------
    X : array or scipy sparse array or matrix of shape (n, d)
        A row for each candidate: the values of the basis functions there.
    n_evaluations : "auto" or int
        Draws; rows that are drawn twice are evaluated once. "auto" is 2 d log(2 d), at least 2 d.
    method : {"determinantal", "leveraged-volume", "volume", "leverage", "uniform"}
    sample_weight : array of shape (n,), optional
        How much each candidate counts, as the weights of a quadrature rule.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    Returns
    -------
    EvaluationPlan
        All rows, where there are no more than `n_evaluations`.

    Raises
    ------
    ValueError
        For bad arguments, or fewer evaluations than the rank.

    Notes
    -----
    Complexity: that of leverage scores, about 6 n d^2 flops; extra memory of a few numbers a row, and, for
    `sample_weight`, of the weighted candidates.
    """
    X = _as_float(check_matrix("X", X))
    check_choice("method", method, METHODS)
    measure = check_weights("sample_weight", sample_weight, X.shape[0])
    size = _evaluations(n_evaluations, X.shape[1])
    if scipy.sparse.issparse(X):
        X = X.tocsr()
    candidates, scaled = (None, X) if measure is None else _weighted_candidates(X, measure)
    T, sample = _draw(scaled, method, size, as_key(random_state))
    rows, weights, condition = sample.rows, sample.weights, 1.0
    if rows.size < scaled.shape[0]:
        condition = _condition((scaled[rows] @ T) * np.sqrt(weights)[:, None])
    if measure is not None:
        rows = candidates[rows]
        weights = weights * measure[rows]
    return EvaluationPlan(rows, weights, T.shape[1], condition)


def sampled_lstsq(
    X, values, plan: EvaluationPlan, *, tol=None, max_iter=100, max_time=None, **options
) -> Result:
    """Solve weighted least squares on the rows of a plan.

    Parameters
    ----------
    X : array or scipy sparse array or matrix of shape (n, d)
        The candidates that the plan was made for.
    values : array of shape (m,) or (m, n_targets)
        What was found at ``plan.rows``.
    plan : EvaluationPlan
    tol, max_iter, max_time
        As for `lstsq`, which solves it.
    **options
        More of `lstsq`: backend, callback, verbose, random_state.

    Returns
    -------
    Result
        ``solution`` is a `SampledSolution`. The certificate holds ``backward_error`` and ``scaled_backward_error`` of
        the weighted problem on the rows, ``condition_number`` of the plan and ``n_evaluations``. The status is
        ILL_POSED where the rows have a smaller rank than all candidates; the least solution is returned then.
    """
    X = check_matrix("X", X)
    if plan.rows.max(initial=-1) >= X.shape[0]:
        raise ValueError(
            f"plan has row {plan.rows.max()}, but X has {X.shape[0]} rows: give the candidates that it was made for."
        )
    picked = X
    if plan.rows.size < X.shape[0]:
        picked = X.tocsr()[plan.rows] if scipy.sparse.issparse(X) else X[plan.rows]
    values = check_targets("values", values, plan.rows.size)
    found = lstsq(
        picked, values, sample_weight=plan.weights, tol=tol, max_iter=max_iter, max_time=max_time, **options
    )
    solution = SampledSolution(found.solution.coef, plan, found.solution.residual_norm)
    certificate = {
        **found.certificate,
        "condition_number": plan.condition_number,
        "n_evaluations": float(plan.rows.size),
    }
    status = found.status
    if not math.isfinite(plan.condition_number):
        status = Status.ILL_POSED
        warn_caller(
            f"The {plan.rows.size} rows that were evaluated do not determine the coefficients, of rank {plan.rank}: "
            "raise n_evaluations, or take method='determinantal', whose rows always do."
        )
    return replace(found, solution=solution, certificate=certificate, status=status)


def _as_float(X):
    return X.astype(np.float64) if X.dtype.kind == "f" and X.dtype.itemsize > 8 else X


def _evaluations(n_evaluations, width: int) -> int:
    if isinstance(n_evaluations, str):
        check_choice("n_evaluations", n_evaluations, ("auto",))
        return max(2 * width, math.ceil(2 * width * math.log(2 * width)))
    return check_count("n_evaluations", n_evaluations)


def _weighted_candidates(X, measure):
    """Rows that count, and these rows times the roots of their weights."""
    candidates = np.flatnonzero(measure)
    # Only ratios matter: the largest is one, so that nothing overflows.
    roots = np.sqrt(measure[candidates] / measure.max())
    if scipy.sparse.issparse(X):
        return candidates, (scipy.sparse.diags_array(roots) @ X[candidates]).tocsr()
    return candidates, X[candidates] * roots[:, None]


def _draw(A, method: str, size: int, key: int) -> tuple[np.ndarray, RowSample]:
    """T such that A T has orthonormal columns, and the rows that are drawn."""
    n_rows = A.shape[0]
    rows = as_row_matrix(A)
    if size < n_rows and method in _VOLUMES and (A.nnz if scipy.sparse.issparse(A) else np.any(A)):
        draws = _VOLUMES[method](size, key).of(A)
        return draws.transform, draws.draw(0)
    T = whitening(rows)
    if size < T.shape[1]:
        raise ValueError(f"n_evaluations={size} must be at least {T.shape[1]}, the rank of X.")
    if size >= n_rows or T.shape[1] == 0:
        first = np.arange(min(n_rows, size))
        ones = np.ones(first.size)
        return T, RowSample(first, ones, ones, n_rows, 2.0)
    if method == "uniform":
        chosen, share = choose(key, Stream.LP_ROWS, n_rows, size), size / n_rows
        return T, RowSample(chosen, np.full(size, share), np.full(size, 1.0 / share), n_rows, 2.0)
    return T, LpSampling(size, 2.0, random_state=key).sample_by(squared_row_norms(rows, T))


def _condition(rows: np.ndarray) -> float:
    """Condition number of the Gram matrix of some rows; infinite where they do not have full rank."""
    if rows.shape[1] == 0:
        return 1.0
    if rows.shape[0] < rows.shape[1]:
        return math.inf
    values = np.linalg.svd(rows, compute_uv=False)
    return float((values[0] / values[-1]) ** 2) if values[-1] > rows.shape[0] * _EPS * values[0] else math.inf
