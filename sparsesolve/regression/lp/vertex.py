"""From an interior point to a vertex: d rows fitted exactly, and a proof exact to rounding.

A vertex of min sum_i max(low_i r_i, high_i r_i) + h'x has d rows B with r_B = 0; it is optimal where the multipliers of
these rows lie in their box. Where one does not, its row leaves: the residuals of the others keep to zero along an edge,
and the minimum along it, a weighted median, brings another row in (Barrodale and Roberts, SIAM J. Numer. Anal. 1973).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, qr

_CANDIDATES = 4
_SINGULAR = 1e-10
_FEW = 128
# A multiplier this far out of its box, relative to the box, is rounding.
_ROUNDING = 1e-12


class Vertex(NamedTuple):
    """A vertex and its multipliers; `optimal` says that these prove it."""

    x: np.ndarray
    residual: np.ndarray
    u: np.ndarray
    optimal: bool


def independent_rows(A, score: np.ndarray, count: int) -> np.ndarray | None:
    """`count` well-conditioned rows, those of a high score first; None where there are none such."""
    n_rows = A.shape[0]
    if n_rows < count:
        return None
    size = min(n_rows, _CANDIDATES * count + 16)
    rows = np.arange(n_rows) if size == n_rows else np.argpartition(-score, size - 1)[:size]
    weights = np.sqrt(score[rows] / max(score[rows].max(), np.finfo(float).tiny))
    block = A.dense_rows(rows) * weights[:, None]
    triangle, pivots = qr(block.T, mode="r", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diagonal(triangle))[:count]
    if len(diagonal) < count or not diagonal[-1] > _SINGULAR * _SINGULAR * diagonal[0]:
        return None
    return rows[pivots[:count]]


def find_vertex(A, b, low, high, h, state, most_pivots: int) -> Vertex | None:
    """The vertex near a state of the interior point method, made optimal by at most so many pivots.

    Parameters
    ----------
    A : DenseMatrix or CsrMatrix of shape (n, d)
    b, low, high : ndarray of shape (n,)
    h : ndarray of shape (d,)
    state : BoxState
    most_pivots : int

    Returns
    -------
    Vertex or None
        None where the rows near the state do not determine one.
    """
    width = A.shape[1]
    basis = independent_rows(A, state.metric, width)
    if basis is None:
        return None
    try:
        for pivot in range(most_pivots + 1):
            inverse = np.linalg.inv(A.dense_rows(basis))
            x = inverse @ b[basis]
            x = x + inverse @ (b[basis] - A.dense_rows(basis) @ x)
            r = b - A.apply(x)
            r[basis] = 0.0
            u = np.where(r > 0, high, low)
            small = np.abs(r) <= 1e-13 * (np.abs(b) + np.abs(b - r))
            u[small] = state.u[small]
            u[basis] = 0.0
            u[basis] = inverse.T @ (h - A.adjoint(u))
            box = high[basis] - low[basis]
            out = np.maximum(low[basis] - u[basis], u[basis] - high[basis]) / box
            leaving = int(np.argmax(out))
            if out[leaving] <= _ROUNDING:
                u[basis] = np.clip(u[basis], low[basis], high[basis])
                return Vertex(x, r, u, True)
            if pivot == most_pivots:
                break
            row = basis[leaving]
            # Multiplier too large: the residual of its row grows, and x moves against the row.
            sign = 1.0 if u[row] > high[row] else -1.0
            slopes = A.apply(-sign * inverse[:, leaving])
            entering = _weighted_median(r, slopes, low, high, u[row] * sign, basis, row, sign)
            if entering is None:
                break
            basis = basis.copy()
            basis[leaving] = entering
    except LinAlgError:
        return None
    return Vertex(x, r, np.clip(u, low, high), False)


def _weighted_median(r, slopes, low, high, force, basis, row, sign):
    """The row whose residual becomes zero at the minimum along an edge; None where the edge does not descend.

    Residuals change by -slopes a unit of the step; the leaving row's by `sign`. The slope of the objective begins
    at the bound of that row minus its multiplier, `force`, and grows by each row that changes sign.
    """
    begins = (high[row] if sign > 0 else -low[row]) - force
    outside = np.ones(len(r), dtype=bool)
    outside[basis] = False
    crossing = np.flatnonzero(outside & (r * slopes > 0))
    if len(crossing) == 0 or begins >= 0:
        return None
    steps = r[crossing] / slopes[crossing]
    gains = np.abs(slopes[crossing]) * (high - low)[crossing]
    # The first few crossings suffice nearly always.
    for count in (_FEW, len(steps)):
        nearest = np.argpartition(steps, count - 1)[:count] if count < len(steps) else np.arange(len(steps))
        order = nearest[np.argsort(steps[nearest], kind="stable")]
        reached = begins + np.cumsum(gains[order])
        if reached[-1] >= 0:
            return int(crossing[order[int(np.argmax(reached >= 0))]])
    return None
