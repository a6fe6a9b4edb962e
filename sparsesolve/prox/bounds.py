"""Bounds on the coordinates."""

import numpy as np

from .penalty import Pieces, SeparablePenalty, check_strength, largest_multiple, select


class _Bounded(SeparablePenalty):
    """A linear function ``alpha x`` on [low, high], infinity outside."""

    has_pieces = True

    def __init__(self, low, high, alpha):
        self._low, self._high, self._alpha = low, high, alpha

    def values(self, x, coordinates=None):
        """The linear function; infinity outside of the bounds."""
        outside = (x < select(self._low, coordinates)) | (x > select(self._high, coordinates))
        return np.where(outside, np.inf, self._alpha * x)

    def prox(self, v, step, coordinates=None):
        """A shift, then projection."""
        return np.clip(
            v - step * self._alpha, select(self._low, coordinates), select(self._high, coordinates)
        )

    def subgradients(self, x, coordinates=None):
        """Alpha; half-lines from it at the bounds."""
        low = np.where(x <= select(self._low, coordinates), -np.inf, self._alpha)
        high = np.where(x >= select(self._high, coordinates), np.inf, self._alpha)
        return low, high

    def pieces(self, x, gradient, coordinates=None):
        """The whole interval."""
        low, high = select(self._low, coordinates), select(self._high, coordinates)
        return Pieces(low + np.zeros_like(x), high + np.zeros_like(x), np.full_like(x, self._alpha))

    def conjugate(self, u):
        """The better bound times ``u - alpha``."""
        excess = u - self._alpha
        excess = np.where(
            np.abs(excess) <= 1e-14 * self._alpha, 0.0, excess
        )  # rounding of a multiple that just fits
        bound = np.where(excess > 0, self._high, self._low) + np.zeros_like(u)
        return np.multiply(excess, bound, out=np.zeros_like(u), where=excess != 0)

    def reach(self, u):
        """What alpha allows where there is no upper bound; zero where there is no lower bound either."""
        no_high = np.isinf(self._high) & (u > 0)
        no_low = np.isinf(self._low) & (u < 0)
        return (
            0.0
            if np.any(no_low)
            else largest_multiple(np.where(no_high, u, 0.0), np.full_like(u, self._alpha))
        )


class Box(_Bounded):
    """Zero where ``lower <= x <= upper``, infinity elsewhere.

    Parameters
    ----------
    lower, upper : float, or array of shape (n,)
        They may be infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.prox import Box
    >>> Box(0.0, 1.0).prox(np.array([-1.0, 0.3, 4.0]), 1.0)
    array([0. , 0.3, 1. ])
    """

    def __init__(self, lower, upper):
        lower, upper = np.array(lower, np.float64), np.array(upper, np.float64)
        if not np.all(lower <= upper):
            raise ValueError("lower must be at most upper, for every coordinate, and neither may be NaN.")
        if np.any(lower == np.inf) or np.any(upper == -np.inf):
            raise ValueError("lower must be below infinity and upper above -infinity.")
        super().__init__(lower, upper, 0.0)


class NonNegative(_Bounded):
    """``alpha sum_i x_i`` where all x are at least 0, infinity elsewhere.

    Parameters
    ----------
    alpha : float, default=0.0
        At least 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.prox import NonNegative
    >>> NonNegative(0.5).prox(np.array([-1.0, 0.3, 4.0]), 1.0)
    array([0. , 0. , 3.5])
    """

    def __init__(self, alpha=0.0):
        super().__init__(0.0, np.inf, check_strength("alpha", alpha))
