"""Quadratic functions of a symmetric matrix, dense or sparse: ``1/2 x'Qx - c'x``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from ...prox import Penalty, Zero


@dataclass
class QuadraticState:
    """A point x, and the gradient Qx - c there."""

    x: np.ndarray
    gradient: np.ndarray


class Quadratic:
    """``1/2 x'Qx - c'x`` plus a penalty; every step keeps the gradient up to date at the cost of k columns of Q.

    Parameters
    ----------
    Q : ndarray or scipy sparse array of shape (n, n)
        Symmetric, positive semidefinite.
    c : ndarray of shape (n,)
    penalty : Penalty, optional
    """

    is_quadratic = True

    def __init__(self, Q, c, penalty: Penalty | None = None):
        self._Q = (
            scipy.sparse.csc_array(Q) if scipy.sparse.issparse(Q) else np.asarray(Q, np.float64, order="F")
        )
        self._c = np.asarray(c, np.float64)
        self.n_coordinates = self._c.size
        self.penalty: Penalty = Zero() if penalty is None else penalty

    def start(self, x=None):
        """A state at a copy of x, zeros unless given."""
        x = np.zeros(self.n_coordinates) if x is None else np.array(x, np.float64)
        return QuadraticState(x, self._Q @ x - self._c)

    def value(self, state):
        """The quadratic's value."""
        return 0.5 * float(state.x @ (state.gradient - self._c))

    def gradient(self, state):
        """Qx - c."""
        return state.gradient

    def gradient_block(self, state, block):
        """Qx - c at a block."""
        return state.gradient[block]

    def lipschitz(self):
        """The diagonal of Q."""
        return np.array(self._Q.diagonal())

    def row_bounds(self):
        """Sums of absolute values of the rows of Q."""
        return np.asarray(abs(self._Q).sum(axis=1)).ravel()

    def bound_block(self, block):
        """The block of Q, a dense array."""
        part = self._Q[:, block][block]
        return part.toarray() if scipy.sparse.issparse(part) else part

    def bound_product(self, block, d):
        """Q times a vector that is zero off the block."""
        return self._Q[:, block] @ d

    def hessian_diagonal(self, state):
        """The diagonal of Q."""
        return self.lipschitz()

    def hessian_block(self, state, block):
        """The block of Q."""
        return self.bound_block(block)

    def hessian_product(self, state, block, d):
        """Q times a vector that is zero off the block."""
        return self.bound_product(block, d)

    def third_bound(self, block):
        """No third derivative."""
        return 0.0

    def line(self, state, block, d):
        """The parabola along d."""
        slope = float(state.gradient[block] @ d)
        curvature = float(self.bound_product(block, d)[block] @ d)
        return lambda t: t * slope + 0.5 * t * t * curvature

    def step(self, state, block, d):
        """Move x, and the gradient with it."""
        state.x[block] += d
        state.gradient += self.bound_product(block, d)

    def couplings(self):
        """The pattern of a sparse Q; None for a dense one."""
        if not scipy.sparse.issparse(self._Q):
            return None
        pattern = scipy.sparse.csr_array(abs(self._Q))
        pattern.setdiag(0.0)
        pattern.eliminate_zeros()
        return pattern

    def sparse_hessian(self, state):
        """Q, in compressed rows; None for a dense one."""
        return scipy.sparse.csr_array(self._Q.T) if scipy.sparse.issparse(self._Q) else None

    def duality_gap(self, state):
        """Not known in general."""
        return np.nan
