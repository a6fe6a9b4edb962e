"""Losses of linear predictions: ``f(x) = sum_r w_r loss(a_r'x, b_r) + c'x``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...prox import Penalty, Zero
from ...validation import check_targets, check_weights
from ..losses import LOSSES, Loss
from .design import Design

#: Largest third derivatives of the losses that have one.
_THIRD_DERIVATIVES = {"squared": 0.0, "logistic": 1.0 / (6.0 * np.sqrt(3.0))}
#: Rounding errors of a gradient that is kept up to date are wiped out after so many steps.
_STEPS_BETWEEN_REFRESHES = 1000


@dataclass
class LinearState:
    """A point, its predictions, and the derivatives of the losses there.

    Attributes
    ----------
    x : ndarray of shape (n_columns,)
    z : ndarray of shape (n_rows,)
        Predictions A x.
    slopes : ndarray of shape (n_rows,)
        Weighted derivatives of the losses.
    gradient : ndarray of shape (n_columns,), or None
        None while nobody has asked for it since a step that changed too much of it.
    n_updates : int
        Steps since the gradient was computed from scratch.
    """

    x: np.ndarray
    z: np.ndarray
    slopes: np.ndarray
    gradient: np.ndarray | None = None
    n_updates: int = 0


class LinearProblem:
    """A loss of your own, or one of those by name, of a linear prediction.

    Parameters
    ----------
    A : ndarray or scipy sparse array of shape (n_rows, n_columns)
    b : array of shape (n_rows,)
        Targets.
    loss : Loss
        An object with the methods of `sparsesolve.coordinate.losses.Loss`.
    penalty : Penalty, optional
        None for none.
    sample_weight : array of shape (n_rows,), optional
        Weights of the rows, ones unless given. f is the sum over the rows, not their mean.
    linear : array of shape (n_columns,), optional
        The c of a further term c'x.
    """

    def __init__(self, A, b, loss: Loss, penalty: Penalty | None = None, sample_weight=None, linear=None):
        self._design = Design(A)
        n_rows, self.n_coordinates = self._design.shape
        self._targets = check_targets("b", b, n_rows)
        if self._targets.ndim != 1:
            raise ValueError(f"b has shape {self._targets.shape}: it must be one-dimensional here.")
        loss.check_targets(self._targets)
        weights = check_weights("sample_weight", sample_weight, n_rows)
        self._weights = np.ones(n_rows) if weights is None else weights
        self._linear = None if linear is None else np.asarray(linear, np.float64)
        self._loss = loss
        self.penalty: Penalty = Zero() if penalty is None else penalty
        self.is_quadratic = loss.is_quadratic

    def start(self, x=None):
        """A state at a copy of x, zeros unless given."""
        x = np.zeros(self.n_coordinates) if x is None else np.array(x, np.float64)
        nonzero = np.flatnonzero(x)
        z = self._design.block(nonzero) @ x[nonzero]
        return LinearState(x, z, self._weights * self._loss.derivative(z, self._targets))

    def value(self, state):
        """The weighted sum of the losses."""
        total = float(self._weights @ self._loss.value(state.z, self._targets))
        return total if self._linear is None else total + float(self._linear @ state.x)

    def gradient(self, state):
        """A' times the slopes, kept up to date where a step changes little of it."""
        if state.gradient is None:
            gradient = self._design.transposed_product(state.slopes)
            state.gradient = gradient if self._linear is None else gradient + self._linear
            state.n_updates = 0
        return state.gradient

    def gradient_block(self, state, block):
        """The gradient at a block, without the rest."""
        if state.gradient is not None:
            return state.gradient[block]
        gradient = self._design.block(block).T @ state.slopes
        return gradient if self._linear is None else gradient + self._linear[block]

    def lipschitz(self):
        """The loss's curvature bound times the squared norms of the columns."""
        bound = self._loss.curvature_bound
        return None if bound is None else bound * self._design.weighted_squares(self._weights)

    def row_bounds(self):
        """Gershgorin's sums, with absolute values taken before the sum over the rows of A."""
        bound = self._loss.curvature_bound
        return None if bound is None else bound * self._design.absolute_row_sums(self._weights)

    def bound_block(self, block):
        """The curvature bound times the Gram matrix of the block."""
        bound = self._loss.curvature_bound
        return None if bound is None else bound * self._design.gram(block, self._weights)

    def bound_product(self, block, d):
        """The curvature bound times ``A' W A_b d``."""
        bound = self._loss.curvature_bound
        return None if bound is None else bound * self._couple(block, d, self._weights)

    def _couple(self, block, d, weights):
        return self._design.transposed_product(weights * (self._design.block(block) @ d))

    def _curvatures(self, state):
        return self._weights * self._loss.curvature(state.z, self._targets)

    def hessian_diagonal(self, state):
        """Squared columns times the curvatures."""
        return self._design.weighted_squares(self._curvatures(state))

    def hessian_block(self, state, block):
        """The Gram matrix of the block, weighted with the curvatures."""
        return self._design.gram(block, self._curvatures(state))

    def hessian_product(self, state, block, d):
        """``A' W A_b d`` with the curvatures at the state."""
        return self._couple(block, d, self._curvatures(state))

    def third_bound(self, block):
        """The loss's largest third derivative times the sum of the cubed norms of the block's rows."""
        bound = _THIRD_DERIVATIVES.get(self._loss.name, getattr(self._loss, "third_derivative_bound", None))
        return None if bound is None else bound * self._design.cubes(block, self._weights)

    def line(self, state, block, d):
        """The change of f along d, over the rows that it changes."""
        rows, change = self._design.product(block, d)
        z, targets, weights = state.z[rows], self._targets[rows], self._weights[rows]
        slope = 0.0 if self._linear is None else float(self._linear[block] @ d)
        if self._loss.is_quadratic:
            slope += float(state.slopes[rows] @ change)
            curvature = float((weights * self._loss.curvature(z, targets)) @ change**2)
            return lambda t: t * slope + 0.5 * t * t * curvature
        before = self._loss.value(z, targets)
        return lambda t: float(weights @ (self._loss.value(z + t * change, targets) - before)) + t * slope

    def step(self, state, block, d):
        """Move x, the predictions and the slopes, and the gradient where that is cheap."""
        rows, change = self._design.product(block, d)
        state.x[block] += d
        state.z[rows] += change
        slopes = self._weights[rows] * self._loss.derivative(state.z[rows], self._targets[rows])
        keep = state.n_updates < _STEPS_BETWEEN_REFRESHES and self._design.is_few(rows)
        if keep and state.gradient is not None:
            columns, changes = self._design.transposed_product_of_rows(rows, slopes - state.slopes[rows])
            state.gradient[columns] += changes
            state.n_updates += 1
        else:
            state.gradient = None
        state.slopes[rows] = slopes

    def couplings(self):
        """Not used: the columns of data matrices seldom form a sparse graph."""
        return

    def sparse_hessian(self, state):
        """Not used."""
        return

    def duality_gap(self, state):
        """Distance to the dual value at the largest feasible multiple of the slopes; NaN if there is none."""
        u = -self.gradient(state)
        scale = (
            self.penalty.reach(u) if self._linear is None else 1.0
        )  # the linear term does not scale with them
        if scale == 0.0:
            return np.nan
        used = self._weights > 0
        ratios = scale * state.slopes[used] / self._weights[used]
        losses = self._weights[used] @ self._loss.conjugate(ratios, self._targets[used])
        gap = (
            self.value(state) + self.penalty.value(state.x) + losses + self.penalty.conjugate(scale * u).sum()
        )
        return float(gap) if np.isfinite(gap) else np.nan


class LeastSquares(LinearProblem):
    """``1/2 sum_r w_r (a_r'x - b_r)^2`` plus a penalty.

    Parameters
    ----------
    A : ndarray or scipy sparse array of shape (n_rows, n_columns)
    b : array of shape (n_rows,)
    penalty : Penalty, optional
    sample_weight : array of shape (n_rows,), optional

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.coordinate import LeastSquares
    >>> problem = LeastSquares(np.eye(2), [1.0, 2.0])
    >>> problem.value(problem.start())
    2.5
    """

    def __init__(self, A, b, penalty=None, sample_weight=None):
        super().__init__(A, b, LOSSES["squared"], penalty, sample_weight)


class Logistic(LinearProblem):
    """``sum_r w_r log(1 + exp(-b_r a_r'x))`` plus a penalty, with labels b of -1 and +1.

    Parameters
    ----------
    A : ndarray or scipy sparse array of shape (n_rows, n_columns)
    b : array of shape (n_rows,)
    penalty : Penalty, optional
    sample_weight : array of shape (n_rows,), optional

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.coordinate import Logistic
    >>> problem = Logistic(np.eye(2), [1.0, -1.0])
    >>> problem.gradient(problem.start())
    array([-0.5,  0.5])
    """

    def __init__(self, A, b, penalty=None, sample_weight=None):
        super().__init__(A, b, LOSSES["logistic"], penalty, sample_weight)


class Poisson(LinearProblem):
    """``sum_r w_r (exp(a_r'x) - b_r a_r'x)`` plus a penalty, with counts b of at least 0.

    Parameters
    ----------
    A : ndarray or scipy sparse array of shape (n_rows, n_columns)
    b : array of shape (n_rows,)
    penalty : Penalty, optional
    sample_weight : array of shape (n_rows,), optional

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.coordinate import Poisson
    >>> Poisson(np.eye(2), [1.0, 0.0]).lipschitz() is None  # its curvature has no bound
    True
    """

    def __init__(self, A, b, penalty=None, sample_weight=None):
        super().__init__(A, b, LOSSES["poisson"], penalty, sample_weight)
