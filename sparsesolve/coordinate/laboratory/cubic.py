"""The minimiser of a quadratic model plus a cube: Newton steps that need no line search."""

from __future__ import annotations

import numpy as np


def cubic_step(hessian: np.ndarray, gradient: np.ndarray, third: float) -> tuple[np.ndarray, float]:
    """The d with the least ``g'd + d'Hd / 2 + M |d|^3 / 6``, and how much that is below zero.

    With r = |d| it solves ``(H + M r / 2) d = -g``; r is found by Newton's method on the secular equation
    ``1 / |d(r)| = 1 / r``, which is nearly linear.

    Parameters
    ----------
    hessian : ndarray of shape (k, k)
        Positive semidefinite.
    gradient : ndarray of shape (k,)
    third : float
        M, at least 0.

    References
    ----------
    Nesterov and Polyak, "Cubic regularization of Newton method and its global performance", Mathematical Programming
    108, 2006.
    """
    values, vectors = np.linalg.eigh(hessian)
    values = np.maximum(values, 0.0)
    slopes = vectors.T @ gradient
    size = float(np.linalg.norm(slopes))
    if size == 0.0:
        return np.zeros_like(gradient), 0.0
    least = 1e-14 * values[-1]
    if third <= 0.0:
        shifts = np.where(values > 1e-10 * values[-1], values, np.inf)
    else:
        radius = _radius(values, slopes, third, size)
        shifts = np.maximum(values + 0.5 * third * radius, max(least, 1e-300))
    d = -slopes / shifts
    radius = float(np.linalg.norm(d))
    decrease = -float(slopes @ d + 0.5 * (values @ d**2) + third * radius**3 / 6.0)
    return vectors @ d, decrease


def _radius(values, slopes, third, size):
    """The r with ``|(H + M r / 2)^-1 g| = r``, by bisection on a bracket of float64 numbers."""
    high = min(np.sqrt(2.0 * size / third), size / max(values[0], 1e-300))
    low = 0.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle <= low or middle >= high:
            break
        if np.linalg.norm(slopes / (values + 0.5 * third * middle)) > middle:
            low = middle
        else:
            high = middle
    return high
