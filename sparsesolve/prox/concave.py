"""Concave penalties, that leave large coefficients alone.

Their proximal maps are global minimisers for every step, found among the few stationary points; ties go to zero.
"""

import numpy as np

from .penalty import KinkAtZero, check_factors, check_strength, select


class _Concave(KinkAtZero):
    """``sum_i w_i h(|x_i|)`` with an h that has slope alpha at 0 and is constant from alpha gamma on."""

    is_convex = False

    def __init__(self, alpha, gamma, weights, least_gamma):
        self._alpha = check_strength("alpha", alpha)
        if not gamma > least_gamma or not np.isfinite(gamma):
            raise ValueError(f"gamma={gamma!r} must be a finite number above {least_gamma}.")
        self._gamma = float(gamma)
        self._weights = check_factors("weights", weights)

    def values(self, x, coordinates=None):
        """The term of each coordinate."""
        return select(self._weights, coordinates) * self._height(np.abs(x))

    def subgradients(self, x, coordinates=None):
        """The derivative; at zero ``[-w alpha, w alpha]``."""
        slope = select(self._weights, coordinates) * self._rise(np.abs(x))
        return np.where(x > 0, slope, -slope), np.where(x < 0, -slope, slope)

    def curvature(self, x, coordinates=None):
        """At most 0."""
        return select(self._weights, coordinates) * self._bend(np.abs(x))

    def prox(self, v, step, coordinates=None):
        """The best of the stationary points."""
        size = np.abs(v)
        step = step * select(self._weights, coordinates) + np.zeros_like(size)
        candidates = np.stack([np.zeros_like(size), *self._stationary(size, step)])
        costs = 0.5 * (candidates - size) ** 2 + step * self._height(candidates)
        best = np.take_along_axis(candidates, costs.argmin(axis=0)[None], axis=0)[0]
        return np.copysign(best, v) + 0.0

    def _between(self, size, step, divisor, shift, low, high):
        """The stationary point of a quadratic piece, moved into the piece."""
        safe = np.where(divisor == 0, 1.0, divisor)
        return np.clip(np.where(divisor == 0, high, (size - step * shift) / safe), low, high)


class MCP(_Concave):
    """The minimax concave penalty: ``alpha t - t^2 / (2 gamma)`` up to ``t = alpha gamma``, then constant.

    Parameters
    ----------
    alpha : float
        At least 0.
    gamma : float, default=3.0
        Above 1.
    weights : array of shape (n,), optional

    References
    ----------
    Zhang, "Nearly unbiased variable selection under minimax concave penalty", Annals of Statistics 38(2), 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.prox import MCP
    >>> MCP(1.0, 3.0).prox(np.array([0.5, 2.0, 5.0]), 1.0)
    array([0. , 1.5, 5. ])
    """

    def __init__(self, alpha, gamma=3.0, weights=None):
        super().__init__(alpha, gamma, weights, 1.0)

    def _height(self, t):
        inner = np.minimum(t, self._alpha * self._gamma)
        return self._alpha * inner - inner**2 / (2.0 * self._gamma)

    def _rise(self, t):
        return np.maximum(self._alpha - t / self._gamma, 0.0)

    def _bend(self, t):
        return np.where(t < self._alpha * self._gamma, -1.0 / self._gamma, 0.0)

    def _stationary(self, size, step):
        end = self._alpha * self._gamma
        divisor = 1.0 - step / self._gamma
        return self._between(size, step, divisor, self._alpha, 0.0, end), np.maximum(size, end)


class SCAD(_Concave):
    """The smoothly clipped absolute deviation: slope alpha up to alpha, falling to 0 at ``alpha gamma``.

    Parameters
    ----------
    alpha : float
        At least 0.
    gamma : float, default=3.7
        Above 2.
    weights : array of shape (n,), optional

    References
    ----------
    Fan and Li, "Variable selection via nonconcave penalized likelihood and its oracle properties", Journal of the
    American Statistical Association 96, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.prox import SCAD
    >>> SCAD(1.0).prox(np.array([0.5, 1.5, 5.0]), 1.0)
    array([0. , 0.5, 5. ])
    """

    def __init__(self, alpha, gamma=3.7, weights=None):
        super().__init__(alpha, gamma, weights, 2.0)

    def _height(self, t):
        alpha, gamma = self._alpha, self._gamma
        middle = np.clip(t - alpha, 0.0, alpha * (gamma - 1.0))
        return alpha * np.minimum(t, alpha) + alpha * middle - middle**2 / (2.0 * (gamma - 1.0))

    def _rise(self, t):
        falling = (self._alpha * self._gamma - t) / (self._gamma - 1.0)
        return np.where(t <= self._alpha, self._alpha, np.maximum(falling, 0.0))

    def _bend(self, t):
        inside = (t > self._alpha) & (t < self._alpha * self._gamma)
        return np.where(inside, -1.0 / (self._gamma - 1.0), 0.0)

    def _stationary(self, size, step):
        alpha, gamma = self._alpha, self._gamma
        first = np.clip(size - step * alpha, 0.0, alpha)
        shift = alpha * gamma / (gamma - 1.0)
        middle = self._between(size, step, 1.0 - step / (gamma - 1.0), shift, alpha, alpha * gamma)
        return first, middle, np.maximum(size, alpha * gamma)
