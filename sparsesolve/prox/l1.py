"""Penalties of absolute values."""

import numpy as np

from .penalty import KinkAtZero, check_factors, check_strength, largest_multiple, select, within


class ElasticNet(KinkAtZero):
    """``sum_i w_i (alpha l1_ratio |x_i| + alpha (1 - l1_ratio) x_i^2 / 2)``.

    Parameters
    ----------
    alpha : float
        At least 0.
    l1_ratio : float, default=0.5
        In [0, 1]; 0 is the ridge, 1 is `L1`.
    weights : array of shape (n,), optional
        The w, at least 0; ones unless given.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.prox import ElasticNet
    >>> ElasticNet(2.0, 0.5).value(np.array([-1.0, 2.0]))
    5.5
    """

    def __init__(self, alpha, l1_ratio=0.5, weights=None):
        alpha = check_strength("alpha", alpha)
        if not 0 <= l1_ratio <= 1:
            raise ValueError(f"l1_ratio={l1_ratio!r} must lie in [0, 1].")
        factors = check_factors("weights", weights)
        self._l1 = alpha * l1_ratio * factors
        self._l2 = alpha * (1 - l1_ratio) * factors

    def values(self, x, coordinates=None):
        """The term of each coordinate."""
        return select(self._l1, coordinates) * np.abs(x) + 0.5 * select(self._l2, coordinates) * x**2

    def prox(self, v, step, coordinates=None):
        """Soft thresholding, then shrinking."""
        shrunk = np.copysign(np.maximum(np.abs(v) - step * select(self._l1, coordinates), 0.0), v)
        return shrunk / (1.0 + step * select(self._l2, coordinates)) + 0.0  # no negative zeros

    def subgradients(self, x, coordinates=None):
        """``sign(x) l1 + l2 x``; at zero all of [-l1, l1]."""
        l1, linear = select(self._l1, coordinates), select(self._l2, coordinates) * x
        return np.where(x > 0, l1, -l1) + linear, np.where(x < 0, -l1, l1) + linear

    def curvature(self, x, coordinates=None):
        """The ridge part."""
        return np.zeros_like(x) + select(self._l2, coordinates)

    def conjugate(self, u):
        """``(|u| - l1)_+^2 / (2 l2)``; without l2 zero up to l1, infinity beyond."""
        excess = np.maximum(np.abs(u) - self._l1, 0.0)
        l2 = self._l2 + np.zeros_like(u)
        curved = np.divide(0.5 * excess**2, l2, out=np.zeros_like(u), where=l2 > 0)
        return np.where(l2 > 0, curved, within(np.abs(u), self._l1))

    def reach(self, u):
        """What l1 allows, where there is no l2."""
        flat = np.asarray(self._l2 == 0)
        return largest_multiple(np.where(flat, np.abs(u), 0.0), self._l1 + np.zeros_like(u))


class L1(ElasticNet):
    """``alpha sum_i w_i |x_i|``.

    Parameters
    ----------
    alpha : float
        At least 0.
    weights : array of shape (n,), optional
        The w, at least 0; ones unless given. A coordinate of weight 0 is not penalised.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.prox import L1
    >>> L1(1.0).prox(np.array([-3.0, 0.5]), 1.0)
    array([-2.,  0.])
    """

    def __init__(self, alpha, weights=None):
        super().__init__(alpha, 1.0, weights)
