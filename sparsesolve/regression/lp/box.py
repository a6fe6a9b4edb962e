"""An interior point method for sums of absolute values, and of tilted ones.

The dual of min sum_i max(low_i r_i, high_i r_i) + h'x over x, r = b - A x, is

    max u'b   subject to   A'u = h,   low <= u <= high ,

a linear program in a box: each step solves one d x d system, and takes O(n d^2). It is Mehrotra's
predictor-corrector method as Portnoy and Koenker use it ("The Gaussian hare and the Laplacian tortoise", Statistical
Science 1997). The term h'x stands for rows whose sign is known: they need not be here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .certificate import solve_factored, triangular_factor

_MOST_STEPS = 100
# How far to go towards the boundary.
_FRACTION = 0.9995
_TINY = np.finfo(np.float64).tiny
_ROUNDING = 1e-13


class BoxState(NamedTuple):
    """A step of the method.

    Attributes
    ----------
    x : ndarray of shape (d,)
    residual : ndarray of shape (n,)
        b - A x.
    u : ndarray of shape (n,)
        Strictly inside the box.
    gap : float
        The sum of all complementarity products: what is lost to the dual, if A'u = h.
    infeasibility : float
        The largest entry of h - A'u, relative to what it began with.
    metric : ndarray of shape (n,)
        Large where u is inside and the residual is small.
    """

    x: np.ndarray
    residual: np.ndarray
    u: np.ndarray
    gap: float
    infeasibility: float
    metric: np.ndarray


def box_steps(A, b, low, high, h, x) -> Iterator[BoxState]:
    """The steps of the interior point method, from x on.

    Parameters
    ----------
    A : DenseMatrix or CsrMatrix of shape (n, d)
    b, low, high : ndarray of shape (n,)
        low < 0 < high.
    h : ndarray of shape (d,)
    x : ndarray of shape (d,)
        A start, as of least squares.

    Yields
    ------
    BoxState
    """
    # s: distances from the sides of the box; z: their multipliers; r = z_high - z_low.
    width = high - low
    u = np.zeros_like(b)  # feasible for h = 0, and inside: low < 0 < high
    r = b - A.apply(x)
    lift = 0.1 * np.abs(r).mean() + 0.01 * np.abs(r).max() + _TINY
    z_low, z_high = np.maximum(-r, 0.0) + lift, np.maximum(r, 0.0) + lift
    left = h - A.adjoint(u)
    # What A'u may be off by in rounding counts as nothing.
    reach = A.column_norms() * float(np.linalg.norm(width)) + _TINY
    begun = max(float(np.abs(left / reach).max(initial=0.0)), _ROUNDING)
    count = 2 * len(b)
    for _ in range(_MOST_STEPS):
        s_low, s_high = u - low, high - u
        ratio_low, ratio_high = z_low / s_low, z_high / s_high
        metric = 1.0 / (ratio_low + ratio_high)
        gap = float(s_low @ z_low + s_high @ z_high)
        infeasibility = max(float(np.abs(left / reach).max(initial=0.0)) - _ROUNDING, 0.0) / begun
        yield BoxState(x, r, u, gap, infeasibility, metric)
        factor = triangular_factor(A.gram(metric))
        drift = r + z_low - z_high

        def direction(pull, left=left, factor=factor, metric=metric):
            """dx, A dx and du for the right-hand side drift + c_low / s_low - c_high / s_high = pull."""
            dx = solve_factored(factor, A.adjoint(metric * pull) - left)
            product = A.apply(dx)
            return dx, product, metric * (pull - product)

        # Predictor: c = -s z.
        _, _, du = direction(drift - z_low + z_high)
        dz_low, dz_high = -z_low - ratio_low * du, -z_high + ratio_high * du
        step_u = min(_longest(s_low, du), _longest(s_high, -du))
        step_z = min(_longest(z_low, dz_low), _longest(z_high, dz_high))
        ahead = (s_low + step_u * du) @ (z_low + step_z * dz_low) + (s_high - step_u * du) @ (
            z_high + step_z * dz_high
        )
        target = gap / count * (max(float(ahead), 0.0) / gap) ** 3
        # Corrector.
        c_low = target / s_low - z_low - du * dz_low / s_low
        c_high = target / s_high - z_high + du * dz_high / s_high
        dx, product, du = direction(drift + c_low - c_high)
        dz_low, dz_high = c_low - ratio_low * du, c_high + ratio_high * du
        step_u = min(1.0, _FRACTION * min(_longest(s_low, du), _longest(s_high, -du)))
        step_z = min(1.0, _FRACTION * min(_longest(z_low, dz_low), _longest(z_high, dz_high)))
        if not max(step_u, step_z) > 1e-10:
            return
        x = x + step_z * dx
        r = r - step_z * product
        z_low, z_high = z_low + step_z * dz_low, z_high + step_z * dz_high
        moved = u + step_u * du
        # Rounding must not put u on the boundary.
        u = np.where((moved > low) & (moved < high), moved, u)
        left = h - A.adjoint(u)


def _longest(values: np.ndarray, change: np.ndarray) -> float:
    """The longest step, at most 1e3, that keeps values + step * change at least 0."""
    steepest = float((change / values).min(initial=0.0))
    return min(1e3, -1.0 / steepest) if steepest < 0 else 1e3
