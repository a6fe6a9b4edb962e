"""The dual of the support vector machine, without an intercept."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from ...prox import Box
from ...validation import check_matrix, check_real, check_targets
from ..losses import LOSSES
from .linear import LinearProblem
from .quadratic import Quadratic


class SVMDual(LinearProblem):
    """``1/2 |sum_i a_i y_i x_i|^2 - sum_i a_i`` over 0 <= a <= C: one coordinate for each sample.

    There is no intercept, whose constraint would couple all coordinates: append a column of ones to X instead.

    Parameters
    ----------
    X : ndarray or scipy sparse array of shape (n_samples, n_features)
    y : array of shape (n_samples,)
        Labels -1 and +1.
    C : float, default=1.0

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.coordinate import SVMDual
    >>> SVMDual(np.eye(2), [1.0, -1.0]).n_coordinates
    2
    """

    def __init__(self, X, y, C=1.0):
        X = check_matrix("X", X)
        labels = _labels(y, X.shape[0])
        signed = scipy.sparse.diags_array(labels) @ X
        ones = np.ones(X.shape[0])
        box = Box(0.0, check_real("C", C, above=0))
        super().__init__(signed.T, np.zeros(X.shape[1]), LOSSES["squared"], box, linear=-ones)

    @staticmethod
    def from_kernel(K, y, C=1.0) -> Quadratic:
        """The same for a kernel matrix K of shape (n_samples, n_samples), symmetric, positive semidefinite."""
        K = check_matrix("K", K)
        if K.shape[0] != K.shape[1]:
            raise ValueError(f"K has shape {K.shape}: a kernel matrix is square.")
        labels = _labels(y, K.shape[0])
        signs = scipy.sparse.diags_array(labels)
        box = Box(0.0, check_real("C", C, above=0))
        return Quadratic(signs @ K @ signs, np.ones(K.shape[0]), box)


def _labels(y, n_samples):
    labels = check_targets("y", y, n_samples)
    LOSSES["logistic"].check_targets(labels)
    return labels
