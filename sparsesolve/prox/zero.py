"""No penalty."""

import numpy as np

from .penalty import Pieces, SeparablePenalty


class Zero(SeparablePenalty):
    """The penalty that is zero everywhere."""

    has_pieces = True

    def values(self, x, coordinates=None):
        """Zeros."""
        return np.zeros_like(x)

    def prox(self, v, step, coordinates=None):
        """V itself."""
        return v

    def subgradients(self, x, coordinates=None):
        """Zeros."""
        zeros = np.zeros_like(x)
        return zeros, zeros

    def pieces(self, x, gradient, coordinates=None):
        """The whole line."""
        return Pieces(np.full_like(x, -np.inf), np.full_like(x, np.inf), np.zeros_like(x))
