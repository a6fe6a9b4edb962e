"""Multinomial logistic regression: one coordinate for each feature and class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special

from ...prox import Penalty, Zero
from ...validation import check_weights
from .design import Design


@dataclass
class MultinomialState:
    """A point, its predictions, and what follows from them when it is asked for.

    Attributes
    ----------
    x : ndarray of shape (n_features * n_classes,)
    z : ndarray of shape (n_samples, n_classes)
    probabilities : ndarray of shape (n_samples, n_classes)
    gradient : ndarray of shape (n_features * n_classes,), or None
    """

    x: np.ndarray
    z: np.ndarray
    probabilities: np.ndarray
    gradient: np.ndarray | None = None


class Multinomial:
    """``sum_r w_r (log sum_c exp(a_r'x_c) - a_r'x_(b_r))`` plus a penalty.

    Coordinate ``j n_classes + c`` is the coefficient of feature j for class c: ``coef.reshape(-1, n_classes)``.

    Parameters
    ----------
    A : ndarray or scipy sparse array of shape (n_samples, n_features)
    B : array of shape (n_samples,), or of shape (n_samples, n_classes)
        Labels 0, 1, 2 ...; or rows of class probabilities, one-hot as a rule.
    penalty : Penalty, optional
    sample_weight : array of shape (n_samples,), optional

    References
    ----------
    Boehning, "Multinomial logistic regression algorithm", Annals of the Institute of Statistical Mathematics 44, 1992:
    the bound of the Hessian.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.coordinate import Multinomial
    >>> Multinomial(np.eye(4), [0, 1, 2, 1]).n_coordinates
    12
    """

    is_quadratic = False

    def __init__(self, A, B, penalty: Penalty | None = None, sample_weight=None):
        self._design = Design(A)
        n_samples, n_features = self._design.shape
        self._targets = _one_hot(B, n_samples)
        self.n_classes = self._targets.shape[1]
        self.n_coordinates = n_features * self.n_classes
        weights = check_weights("sample_weight", sample_weight, n_samples)
        self._weights = np.ones(n_samples) if weights is None else weights
        self.penalty: Penalty = Zero() if penalty is None else penalty

    def start(self, x=None):
        """A state at a copy of x, zeros unless given."""
        x = np.zeros(self.n_coordinates) if x is None else np.array(x, np.float64)
        table = x.reshape(-1, self.n_classes)
        used = np.flatnonzero(table.any(axis=1))
        z = self._design.block(used) @ table[used]
        return MultinomialState(x, z, scipy.special.softmax(z, axis=1))

    def value(self, state):
        """Negative log-likelihood."""
        losses = scipy.special.logsumexp(state.z, axis=1) - (self._targets * state.z).sum(axis=1)
        return float(self._weights @ losses)

    def _slopes(self, state):
        return self._weights[:, None] * (state.probabilities - self._targets)

    def gradient(self, state):
        """A' times the probabilities' errors."""
        if state.gradient is None:
            state.gradient = self._design.transposed_product(self._slopes(state)).ravel()
        return state.gradient

    def gradient_block(self, state, block):
        """The gradient at a block."""
        if state.gradient is not None:
            return state.gradient[block]
        features, classes = self._split(block)
        return np.einsum("rb,rb->b", self._design.dense_block(features), self._slopes(state)[:, classes])

    def _split(self, block):
        return np.divmod(block, self.n_classes)

    def lipschitz(self):
        """A quarter of the squared norms of the columns."""
        return np.repeat(0.25 * self._design.weighted_squares(self._weights), self.n_classes)

    def row_bounds(self):
        """Half of the sums of ``|a_i'a_j|``: the rows of ``diag(p) - p p'`` sum to at most 1/2 in absolute value."""
        return np.repeat(0.5 * self._design.absolute_row_sums(self._weights), self.n_classes)

    def bound_block(self, block):
        """Boehning's bound; the classes outside of the block count as one."""
        features, classes = self._split(block)
        groups = min(self.n_classes, np.unique(classes).size + 1)
        between = 0.5 * ((classes[:, None] == classes) - 1.0 / groups)
        return between * self._design.gram(features, self._weights)

    def bound_product(self, block, d):
        """Boehning's bound times a step."""
        z = self._predictions(block, d)
        curved = 0.5 * self._weights[:, None] * (z - z.mean(axis=1, keepdims=True))
        return self._design.transposed_product(curved).ravel()

    def _predictions(self, block, d):
        """What a step adds to the predictions, shape (n_samples, n_classes)."""
        features, classes = self._split(block)
        used, where = np.unique(features, return_inverse=True)
        table = np.zeros((used.size, self.n_classes))
        table[where, classes] = d
        return self._design.block(used) @ table

    def hessian_diagonal(self, state):
        """Squared columns times p (1 - p)."""
        p = state.probabilities
        return self._design.weighted_squares(self._weights[:, None] * p * (1.0 - p)).ravel()

    def hessian_block(self, state, block):
        """``sum_r w_r (diag(p_r) - p_r p_r')[c, c'] a_rj a_rj'``."""
        features, classes = self._split(block)
        columns, p = self._design.dense_block(features), state.probabilities[:, classes]
        weighted = columns * p * self._weights[:, None]
        return np.where(classes[:, None] == classes, weighted.T @ columns, 0.0) - weighted.T @ (columns * p)

    def hessian_product(self, state, block, d):
        """The Hessian times a step."""
        p, z = state.probabilities, self._predictions(block, d)
        curved = self._weights[:, None] * p * (z - (p * z).sum(axis=1, keepdims=True))
        return self._design.transposed_product(curved).ravel()

    def third_bound(self, block):
        """None is used: the cubic update estimates it."""
        return

    def line(self, state, block, d):
        """The change of f along d; its logarithm of a mean is small where the step is small."""
        change = self._predictions(block, d)
        linear = (self._targets * change).sum(axis=1)
        log_p = state.z - scipy.special.logsumexp(state.z, axis=1, keepdims=True)

        def along(t):
            # Not through expm1: its products overflow where a step goes too far, and logsumexp does not.
            return float(self._weights @ (scipy.special.logsumexp(log_p + t * change, axis=1) - t * linear))

        return along

    def step(self, state, block, d):
        """Move x and the predictions."""
        state.x[block] += d
        state.z += self._predictions(block, d)
        state.probabilities = scipy.special.softmax(state.z, axis=1)
        state.gradient = None

    def couplings(self):
        """Not used."""
        return

    def sparse_hessian(self, state):
        """Not used."""
        return

    def duality_gap(self, state):
        """Not known."""
        return np.nan


def _one_hot(B, n_samples):
    B = np.asarray(B)
    if B.ndim not in (1, 2) or B.shape[0] != n_samples:
        raise ValueError(
            f"B has shape {B.shape}, but A has {n_samples} rows: it needs one label, or row, for each."
        )
    if B.ndim == 2:
        return B.astype(np.float64)
    if B.dtype.kind not in "iu" or B.min() < 0:
        raise ValueError(
            "B must hold integer labels 0, 1, 2 ..., or a row of class probabilities for each sample."
        )
    return np.eye(max(2, int(B.max()) + 1))[B]
