"""X' D X v + ridge v for a sparse X, in one reading of X."""

from __future__ import annotations

from . import hessian_kernels as kernels
from .compressed_rows import CompressedRows
from .hessian_products import Schur


class Gram(Schur):
    """diag(ridge) + A' diag(weights) A.

    Parameters
    ----------
    rows : CompressedRows of shape (n, m)
    weights : ndarray of shape (n,)
    ridge : ndarray of shape (m,)

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from sparsesolve.operators.compressed_rows import CompressedRows
    >>> from sparsesolve.operators.gram_products import Gram
    >>> X = scipy.sparse.csr_array([[1.0, 2.0], [0.0, 1.0]])
    >>> Gram(CompressedRows(X), np.ones(2), np.zeros(2)).matvec(np.array([1.0, 0.0]))
    array([1., 2.])
    """

    kernel = staticmethod(kernels.gram_rows)

    def __init__(self, rows: CompressedRows, weights, ridge):
        super().__init__(rows, weights, ridge)
        if rows.parts[0].shape[0] > 1:
            self.places = 1, 0
