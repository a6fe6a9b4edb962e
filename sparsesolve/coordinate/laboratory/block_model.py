"""The minimiser of a quadratic model on one block, with or without a penalty."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from ...prox import Penalty, Zero

_EPS = np.finfo(np.float64).eps
#: Eigenvalues below this share of the largest, after scaling to a unit diagonal, count as zero.
_RANK_TOLERANCE = 1e-10
_ROUNDS, _PROX_STEPS, _IDLE_ROUNDS = 300, 5, 3


def minimise_model(
    hessian: np.ndarray, gradient: np.ndarray, x: np.ndarray, penalty: Penalty, block: np.ndarray
) -> np.ndarray:
    """The step d with the least ``g'd + d'Hd / 2 + penalty(x + d)``.

    Parameters
    ----------
    hessian : ndarray of shape (k, k)
        Positive semidefinite.
    gradient, x : ndarray of shape (k,)
    penalty : Penalty
    block : ndarray of int, shape (k,)
        The coordinates that the entries belong to.

    Returns
    -------
    ndarray of shape (k,)
    """
    if isinstance(penalty, Zero):
        return -Factor(hessian).solve(gradient)
    return _proximal(hessian, gradient, x, penalty, block)


def model_decrease(hessian, gradient, d, x, penalty: Penalty, block) -> float:
    """How much the model falls from d = 0 to its minimiser d."""
    curved = hessian @ d
    before, after = penalty.values(x, block), penalty.values(x + d, block)
    above = above_tangent(before.sum(), after.sum(), (gradient + curved) @ d)
    return 0.5 * float(d @ curved) + float(above)


def above_tangent(before, after, tangent):
    """How far the penalty at x lies above its tangent at x + d: ``g(x) - g(x + d) + v'd`` with a subgradient v there.

    That is zero on a linear piece, where rounding must not stand in for it: small decreases would mean nothing.

    Parameters
    ----------
    before, after : float or ndarray
        g(x) and g(x + d).
    tangent : float or ndarray
        ``-v'd``.
    """
    above = before - after - tangent
    noise = 16 * _EPS * (np.abs(before) + np.abs(after) + np.abs(tangent))
    return np.where(np.abs(above) <= noise, 0.0, above)


class Factor:
    """A positive semidefinite matrix, factored after scaling to a unit diagonal.

    Cholesky where the matrix has full rank, else eigenvectors, and `solve` gives the shortest scaled solution.
    """

    def __init__(self, hessian: np.ndarray):
        scale = np.sqrt(np.maximum(hessian.diagonal(), 0.0))
        self._inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        scaled = hessian * self._inverse[:, None] * self._inverse
        self._cholesky = None
        try:
            lower = scipy.linalg.cholesky(scaled, lower=True, check_finite=False)
            if lower.diagonal().min(initial=1.0) ** 2 > 100 * scale.size * _EPS:
                self._cholesky = lower
                return
        except np.linalg.LinAlgError:
            pass
        values, self._vectors = np.linalg.eigh(scaled)
        keep = values > _RANK_TOLERANCE * max(values[-1], 0.0)
        self._values = np.divide(1.0, values, out=np.zeros_like(values), where=keep)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The solution for a right-hand side of shape (k,)."""
        right = right * self._inverse
        if self._cholesky is not None:
            return self._inverse * scipy.linalg.cho_solve((self._cholesky, True), right, check_finite=False)
        return self._inverse * (self._vectors @ (self._values * (self._vectors.T @ right)))


def largest_eigenvalue(matrix: np.ndarray) -> float:
    """The largest eigenvalue of a symmetric matrix, a little above rather than below."""
    if matrix.shape[0] == 1:
        return float(matrix[0, 0])
    last = matrix.shape[0] - 1
    value = scipy.linalg.eigvalsh(matrix, subset_by_index=(last, last), check_finite=False)[0]
    return float(value) * (1.0 + 1e-12)


def _proximal(hessian, gradient, x, penalty, block):
    """Proximal gradient steps, that find the kinks, in turn with Newton steps off the kinks, that finish."""
    curvature = _majoriser(hessian, penalty, block)
    inverse = 1.0 / curvature
    goal = 1e-14 * float(np.max(np.abs(gradient) * np.sqrt(inverse), initial=0.0))
    shape = np.sqrt(inverse)
    u, slopes = x.copy(), gradient.copy()
    before = penalty.values(x, block)

    def objective(point):  # as a difference, so that small gains keep their digits
        d = point - x
        change = (penalty.values(point, block) - before).sum()
        return float(gradient @ d + 0.5 * (d @ (hessian @ d)) + change)

    def rounding(point):  # of the objective there
        return (
            4
            * _EPS
            * float(np.abs(gradient) @ np.abs(point - x) + np.abs(penalty.values(point, block)).sum())
        )

    value, least_residual, idle = objective(u), np.inf, 0
    for _ in range(_ROUNDS):
        start = value
        for _ in range(_PROX_STEPS):
            u = penalty.prox(u - inverse * slopes, inverse, block)
            slopes = gradient + hessian @ (u - x)
        value = objective(u)
        better = _newton(hessian, slopes, u, penalty, block, objective, value + rounding(u))
        if better is not None:
            u, value = better
            slopes = gradient + hessian @ (u - x)
        # The prox's own residual, in the metric of the model: zero at the minimiser, for any penalty.
        residual = np.abs(u - penalty.prox(u - inverse * slopes, inverse, block)) / shape
        largest = float(residual.max(initial=0.0))
        idle = 0 if value < start or largest < least_residual else idle + 1
        if largest <= goal or idle == _IDLE_ROUNDS:
            break
        least_residual = min(least_residual, largest)
    return u - x


def _majoriser(hessian, penalty, block):
    """A positive diagonal matrix above the Hessian, constant on groups."""
    diagonal = np.maximum(hessian.diagonal(), 0.0)
    if penalty.groups is not None:
        largest = max(diagonal.max(), 1e-300)
        return np.full_like(diagonal, max(largest_eigenvalue(hessian / largest), 1.0) * largest)
    diagonal = np.maximum(diagonal, _EPS * diagonal.max())
    if diagonal.max() == 0.0:
        return np.full_like(diagonal, 1e-300)
    root = np.sqrt(diagonal)
    return diagonal * max(largest_eigenvalue(hessian / root[:, None] / root), 1.0)


def _newton(hessian, slopes, u, penalty, block, objective, value):
    """A Newton step on the coordinates off the kinks, cut back to where the penalty is smooth; None if it is worse."""
    free = np.flatnonzero(~penalty.at_kink(u, block))
    if free.size == 0:
        return None
    part = block[free]
    curved = hessian[np.ix_(free, free)] + penalty.hessian(u[free], part)
    total = slopes[free] + penalty.slope(u[free], part)
    if not np.isfinite(curved).all():
        return None
    step = -Factor(curved).solve(total)
    candidates = [u[free] + step]
    if penalty.has_pieces:
        low, high, _ = penalty.pieces(u[free], slopes[free], part)
        clipped = np.clip(candidates[0], low, high)
        if not np.array_equal(clipped, candidates[0]):
            ratio = np.divide(clipped - u[free], step, out=np.ones_like(step), where=step != 0)
            short = np.clip(u[free] + ratio.min() * step, low, high)
            candidates = [clipped, short]
    best = None
    for candidate in candidates:
        point = u.copy()
        point[free] = candidate
        reached = objective(point)
        if reached <= value:
            best, value = (point, reached), reached
    return best
