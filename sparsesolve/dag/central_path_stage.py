"""One stage of the central path: its objective, its gradient, and the noise scales in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .concomitant import objective, residual_variances
from .log_determinant import acyclicity, acyclicity_gradient


class Stage(NamedTuple):
    """Minimise ``mu S(W, scales) + h(W; s)`` over weights of allowed edges, and scales above their floors.

    Attributes
    ----------
    C : ndarray of float64, shape (d, d)
        Covariance, C-contiguous.
    allowed : ndarray of bool, shape (d, d)
        Edges that may be there; none on the diagonal.
    floors : ndarray of float64, shape (d,)
        Least noise scales, above 0; for equal noise all the same.
    noise : {"equal", "unequal"}
    alpha : float
    mu : float
        Weight of the score.
    s : float
        Bound on the spectral radius of the squared weights.
    """

    C: np.ndarray
    allowed: np.ndarray
    floors: np.ndarray
    noise: str
    alpha: float
    mu: float
    s: float

    def scales(self, variances: np.ndarray) -> np.ndarray:
        """The best scales for residual variances, shape (d,)."""
        if self.noise == "equal":
            variances = np.full(len(self.C), variances.mean())
        return np.maximum(np.sqrt(variances), self.floors)

    def value(self, weights: np.ndarray, variances: np.ndarray, scales: np.ndarray, h: float) -> float:
        """The objective from its parts."""
        fit = float((variances / (2 * scales) + scales / 2).sum())
        return self.mu * (fit + self.alpha * float(np.abs(weights).sum())) + h

    def describe(self, weights: np.ndarray) -> tuple[np.ndarray, float, float]:
        """The best scales, the objective at them, and h; O(d^3)."""
        variances, h = residual_variances(self.C, weights), acyclicity(weights, self.s)
        scales = self.scales(variances)
        return scales, self.value(weights, variances, scales, h), h

    def residual(self, weights: np.ndarray, scales: np.ndarray) -> float:
        """How far the weights are from stationary, relative to mu alpha; 0 at a local minimum.

        The largest distance, over allowed edges, of the gradient's negative from mu alpha times the subdifferential of
        the absolute value. O(d^3).
        """
        gradient = stage_gradient(weights, scales, self.C, self.mu, self.s)
        size = self.mu * self.alpha
        at_zero = np.clip(np.abs(gradient) - size, 0.0, None)
        distance = np.where(weights != 0, np.abs(gradient + size * np.sign(weights)), at_zero)
        return float(distance[self.allowed].max(initial=0.0)) / size


def stage_objective(
    weights: np.ndarray,
    scales: np.ndarray,
    C: np.ndarray,
    alpha: float,
    mu: float,
    s: float,
    noise: str = "equal",
) -> float:
    """The objective of a stage, ``mu (sum_j [q_j / (2 s_j) + s_j / 2] + alpha |W|_1) + h(W; s)``.

    Parameters
    ----------
    weights : ndarray of shape (d, d)
    scales : float or ndarray of shape (d,)
        The noise scales s_j.
    C : ndarray of shape (d, d)
        Covariance.
    alpha, mu : float
    s : float
        Bound on the spectral radius of the squared weights; the value is infinite where it does not hold.
    noise : {"equal", "unequal"}
        With equal noise all scales must be the same.

    Returns
    -------
    float
        O(d^3).

    Raises
    ------
    ValueError
        Where scales differ although the noise is equal.
    """
    scales = np.broadcast_to(np.asarray(scales, dtype=np.float64), (len(C),))
    if noise == "equal" and np.ptp(scales) > 1e-12 * scales.max():
        raise ValueError(f'scales={scales} differ, but noise="equal": give one scale, or noise="unequal".')
    return mu * objective(C, weights, scales, alpha) + acyclicity(weights, s)


def stage_gradient(weights: np.ndarray, scales: np.ndarray, C: np.ndarray, mu: float, s: float) -> np.ndarray:
    """Gradient in the weights of the smooth part of `stage_objective`, shape (d, d); O(d^3).

    At the best scales it is also the gradient of that part with the scales minimised out.
    """
    left = np.eye(len(C)) - weights
    return acyclicity_gradient(weights, s) - mu * (C @ left) / np.asarray(scales, dtype=np.float64)
