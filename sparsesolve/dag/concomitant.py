"""Concomitant (square-root) lassos given which edges may be there: CoLiDE's scores for a fixed order.

With residual variances ``q_j = C_jj - 2 c_j'w_j + w_j'C w_j``, unequal noise minimises
``sum_j [q_j / (2 s_j) + s_j / 2] + alpha |W|_1`` over W and s_j >= floor_j, a square-root lasso for each node; equal
noise minimises ``sum_j q_j / (2 s) + d s / 2 + alpha |W|_1`` over W and one s >= floor. Both are convex.

Given the scale s, each node is a lasso with penalty ``alpha s``, solved exactly by `lasso_kernels`. On the lasso's
active set A with signs z, q is a constant plus ``(alpha s)^2 z'C_AA^-1 z``, so that the scale has a closed form: here
a step from the last scale, so that errors do not add up. A bracket keeps it safe where the set changes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .lasso_kernels import solve_lassos

_MOST_ROUNDS = 100
_ROUNDING, _NEARLY = 1e-14, 1e-6
_ALLOWANCE = 4.0


class ConcomitantFit(NamedTuple):
    """Weights and noise scales of the concomitant lassos.

    Attributes
    ----------
    weights : ndarray of float64, shape (d, d)
        [i, j] is the weight of i -> j.
    scales : ndarray of float64, shape (d,)
        Noise standard deviations; all the same for equal noise.
    objective : float
    residual : float
        `kkt_residual` at the end.
    rounds : int
        Updates of the scales.
    """

    weights: np.ndarray
    scales: np.ndarray
    objective: float
    residual: float
    rounds: int


def scale_floors(C: np.ndarray, noise: str, share: float = 1e-2) -> np.ndarray:
    """The least noise scales, shape (d,): a share of the columns' deviations, or of the least of them for equal noise.

    With equal noise no column deviates less than its noise; a share of the mean deviation could lie above the noise,
    since variances grow along paths. Columns without variance count with the mean deviation, or with 1 where all are
    constant.
    """
    variances = np.clip(np.diag(C), 0.0, None)
    deviations = np.where(variances > 0, np.sqrt(variances), math.sqrt(float(variances.mean())) or 1.0)
    return share * (np.full(len(C), deviations.min()) if noise == "equal" else deviations)


def concomitant_lasso(
    C: np.ndarray,
    allowed: np.ndarray,
    alpha: float,
    *,
    noise: str = "unequal",
    floors: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> ConcomitantFit:
    """Solve the concomitant lassos.

    Parameters
    ----------
    C : ndarray of shape (d, d)
        Covariance.
    allowed : ndarray of bool, shape (d, d)
        Edges that may be there; those of an order are ``place[i] < place[j]`` (`forward_edges`).
    alpha : float
        Above 0.
    noise : {"unequal", "equal"}
    floors : ndarray of float64, shape (d,), optional
        Least noise scales, above 0; `scale_floors` by default. For equal noise all the same.
    weights : ndarray of shape (d, d), optional
        Where to start.

    Returns
    -------
    ConcomitantFit
        O(d parents^3) a round; few rounds.

    Raises
    ------
    ValueError
        Where alpha is not above 0, or `noise` is unknown.
    """
    if not alpha > 0:
        raise ValueError(f"alpha={alpha} must be above 0; for weights without a penalty use least squares.")
    if noise not in ("unequal", "equal"):
        raise ValueError(f'noise={noise!r} is unknown; choose "unequal" or "equal".')
    C = np.ascontiguousarray(C, dtype=np.float64)
    d = len(C)
    floors = scale_floors(C, noise) if floors is None else np.asarray(floors, dtype=np.float64)
    W = np.zeros((d, d)) if weights is None else np.ascontiguousarray(weights.T, dtype=np.float64)
    parents = np.ascontiguousarray(allowed.T)
    upper = np.maximum(np.sqrt(np.clip(np.diag(C), 0.0, None)), floors)
    if noise == "equal":
        upper[:] = max(math.sqrt(float((upper**2).mean())), float(floors.max()))
    lower, scales, pieces = floors.copy(), upper.copy(), np.empty((d, 2))
    changing, before = np.ones(d, dtype=np.bool_), np.full(d, np.inf)
    W[~parents] = 0.0
    rounds = 0
    while changing.any() and rounds < _MOST_ROUNDS:
        rounds += 1
        solve_lassos(C, parents, alpha * scales, changing, W, pieces)
        # Per node: residual variance, and z'C_AA^-1 z.
        sums = pieces if noise == "unequal" else np.broadcast_to(pieces.mean(axis=0), (d, 2))
        target = np.sqrt(sums[:, 0])
        lower = np.where(target >= scales, np.maximum(lower, scales), lower)
        upper = np.where(target <= scales, np.minimum(upper, scales), upper)
        with np.errstate(divide="ignore", invalid="ignore"):
            closed = np.sqrt(scales**2 + (sums[:, 0] - scales**2) / (1.0 - alpha**2 * sums[:, 1]))
        inside = (closed >= lower) & (closed <= upper)
        new = np.where(inside, closed, np.clip(target, lower, upper))
        change = np.abs(new - scales)
        # Where variances are small differences of large numbers, changes end above zero, and grow no smaller.
        settled = (change <= _ROUNDING * scales) | ((change <= _NEARLY * scales) & (change >= 0.5 * before))
        changing, before = ~settled, change
        scales = np.where(changing, new, scales)
    solve_lassos(C, parents, alpha * scales, np.ones(d, dtype=np.bool_), W, pieces)
    found = np.ascontiguousarray(W.T)
    return ConcomitantFit(
        found,
        scales,
        objective(C, found, scales, alpha),
        kkt_residual(C, allowed, found, scales, alpha, noise, floors),
        rounds,
    )


def forward_edges(order: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
    """Edges that lead forward in an order, and are allowed; bool, shape (d, d)."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    forward = place[:, None] < place[None, :]
    return forward if allowed is None else forward & allowed


def residual_variances(C: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The residual variance of each node, not below 0, shape (d,); O(d^3)."""
    left = np.eye(len(C)) - weights
    return np.clip(np.einsum("ij,ij->j", left, C @ left), 0.0, None)


def objective(C: np.ndarray, weights: np.ndarray, scales: np.ndarray, alpha: float) -> float:
    """The concomitant score, for either kind of noise."""
    q = residual_variances(C, weights)
    return float((q / (2 * scales) + scales / 2).sum() + alpha * np.abs(weights).sum())


def kkt_residual(
    C: np.ndarray,
    allowed: np.ndarray,
    weights: np.ndarray,
    scales: np.ndarray,
    alpha: float,
    noise: str,
    floors: np.ndarray,
) -> float:
    """How far a point is from the conditions of optimality; 0 at the minimum.

    The largest of: over allowed edges, the distance of the gradient's negative from alpha times the subdifferential
    of the absolute value, relative to alpha; and over scales, the relative distance from the root of the (mean)
    residual variance, or from the floor above it. What rounding of the sums alone can explain is not counted: where
    variances grow along many edges, a residual variance is a small difference of large numbers. O(d^3).
    """
    d = len(C)
    left = np.eye(d) - weights
    rounding = _ALLOWANCE * np.finfo(float).eps * (np.abs(C) @ np.abs(left))
    gradient = -(C @ left) / scales
    at_zero = np.clip(np.abs(gradient) - alpha, 0.0, None)
    distance = np.where(weights != 0, np.abs(gradient + alpha * np.sign(weights)), at_zero)
    beyond = np.clip(distance - rounding / scales, 0.0, None)
    q, doubt = residual_variances(C, weights), (np.abs(left) * rounding).sum(axis=0)
    if noise == "equal":
        q, doubt = np.full(d, q.mean()), np.full(d, doubt.mean())
    least, most = (np.maximum(np.sqrt(np.clip(q + sign * doubt, 0.0, None)), floors) for sign in (-1, 1))
    off = np.maximum(np.maximum(least - scales, scales - most), 0.0) / scales
    outside = float(np.abs(weights[~allowed]).max(initial=0.0))
    return max(float(beyond[allowed].max(initial=0.0)) / alpha, outside, float(off.max(initial=0.0)))
