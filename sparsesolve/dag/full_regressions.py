"""Regressions of all nodes at once: on everything before them, and on the parents they have."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from ..backends.jit import kernel
from .scores import FLOOR, OwnRows

# Share of a parent that the others leave open, from which on Cholesky factors are exact enough.
_INDEPENDENT = 1e-4


@kernel
def full_gains(C):
    """Regress each node on all before it.

    From one Cholesky factor and its inverse: row p of the inverse holds the weights of node p on those before it, and
    its columns' cumulated squares are the diagonals of their inverse covariances. Nodes that those before them
    determine are left out.

    Returns
    -------
    gains : ndarray of float64, shape (d, d)
        [p, i] is what node i takes from the residual variance of node p, i before p.
    residuals : ndarray of float64, shape (d,)
        O(d^3).
    """
    d = C.shape[0]
    L, inverse = np.zeros((d, d)), np.zeros((d, d))
    gains, residuals, precision = np.zeros((d, d)), np.zeros(d), np.zeros(d)
    for p in range(d):
        left = C[p, p]
        for q in range(p):
            total = C[p, q]
            for r in range(q):
                total -= L[p, r] * L[q, r]
            L[p, q] = total / L[q, q] if L[q, q] > 0.0 else 0.0
            left -= L[p, q] * L[p, q]
        if not left > FLOOR * C[p, p]:
            continue
        residuals[p] = left
        L[p, p] = np.sqrt(left)
        row = inverse[p]
        for q in range(p):
            factor = L[p, q]
            for r in range(q + 1):
                row[r] -= factor * inverse[q, r]
        for r in range(p):
            if precision[r] > 0.0:
                gains[p, r] = row[r] * row[r] / precision[r]
            row[r] /= L[p, p]
            precision[r] += row[r] * row[r]
        row[p] = 1.0 / L[p, p]
        precision[p] = row[p] * row[p]
    return gains, residuals


def refit(C: np.ndarray, graph: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares weights and residual variances of each node given its parents.

    Parameters
    ----------
    C : ndarray of shape (d, d)
        Covariance.
    graph : ndarray of bool, shape (d, d)

    Returns
    -------
    weights : ndarray of float64, shape (d, d)
        [i, j] is the weight of i -> j; of parents that determine one another the shortest solution, in units of
        their deviations.
    variances : ndarray of float64, shape (d,)
        Residual variances, not below 0. O(sum of parents^3).
    """
    d = len(C)
    deviation = np.sqrt(np.clip(np.diag(C), 0.0, None))
    scale = np.where(deviation > 0, deviation, 1.0)
    R = (C / scale) / scale[:, None]
    weights, variances = np.zeros((d, d)), np.diag(R).copy()
    for y in range(d):
        parents = np.flatnonzero(graph[:, y])
        if parents.size:
            cross = R[parents, y]
            own = _least_squares(R[np.ix_(parents, parents)], cross)
            weights[parents, y] = own * (scale[y] / scale[parents])
            variances[y] = max(variances[y] - cross @ own, 0.0)
    return weights, variances * scale**2


def _least_squares(inner: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Solve the normal equations; by a singular value decomposition where parents nearly determine one another."""
    try:
        L = np.linalg.cholesky(inner)
    except np.linalg.LinAlgError:
        L = np.zeros((1, 1))
    if L.diagonal().min() ** 2 > _INDEPENDENT:
        return scipy.linalg.cho_solve((L, True), cross, check_finite=False)
    return np.linalg.lstsq(inner, cross, rcond=FLOOR)[0]


def refit_own(C: np.ndarray, graph: np.ndarray, own: OwnRows | None) -> tuple[np.ndarray, np.ndarray]:
    """The same where nodes have rows of their own."""
    if own is None:
        return refit(C, graph)
    weights, variances = np.zeros(C.shape), np.zeros(len(C))
    for group, covariance in enumerate(own.covariances):
        nodes = own.group == group
        found = refit(covariance, graph & nodes)
        weights[:, nodes], variances[nodes] = found[0][:, nodes], found[1][nodes]
    return weights, variances
