"""The systems of transport and of linear models, made of one sparse matrix that each product reads once."""

from __future__ import annotations

import numpy as np

from ..backends.threads import run_chunks
from . import hessian_kernels as kernels
from .compressed_rows import CompressedRows, check_vector

#: Where the sums of a chunk lie: at every second place, from the second on.
PAIRED = 2, 1


class Hessian:
    """[diag(r) A; A' diag(c)]: the Hessian of transport in both potentials.

    Parameters
    ----------
    rows : CompressedRows of shape (n, m)
    diagonal : ndarray of shape (n + m,)
        r and c, one after the other.

    Notes
    -----
    A product takes O(n_entries), and reads the matrix once, where A x and A' x would read it twice. What belongs to the
    columns is summed chunk by chunk, in an array for each; the chunks depend on the matrix alone, and so do all bits.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from sparsesolve.operators.compressed_rows import CompressedRows
    >>> from sparsesolve.operators.hessian_products import Hessian
    >>> plan = scipy.sparse.csr_array([[0.5, 0.0], [0.25, 0.25]])
    >>> Hessian(CompressedRows(plan), np.array([0.5, 0.5, 0.75, 0.25])).matvec(np.array([1.0, 1.0, -1.0, -1.0]))
    array([0., 0., 0., 0.])
    """

    def __init__(self, rows: CompressedRows, diagonal):
        self.rows, self.size, self._sums = rows, sum(rows.shape), _Sums(rows)
        self.diagonal = check_vector(diagonal, self.size, rows.dtype)

    def matvec(self, x: np.ndarray) -> np.ndarray:
        """The product with a vector of shape (n + m,)."""
        rows, n = self.rows, self.rows.shape[0]
        x = check_vector(x, self.size, rows.dtype)
        y = np.empty_like(x)

        def task(first, last, pairs):
            kernels.hessian_rows(*rows.parts, self.diagonal, x, y, pairs, first, last)

        kernels.add_chunks(self.diagonal[n:], x[n:], self._sums.of(task), *PAIRED, y[n:])
        return y


class Schur:
    """diag(c) - A' diag(1/r) A: the transport Hessian with its rows eliminated.

    It is applied as diag(ground) x + sum_i a_ij (x_j - (A x)_i / r_i), with ground = c - A' 1: what cancels on
    constants does so before it is added up.

    Parameters
    ----------
    rows : CompressedRows of shape (n, m)
    inverse_rows : ndarray of shape (n,)
        1 / r.
    ground : ndarray of shape (m,)
    """

    kernel = staticmethod(kernels.schur_rows)
    places = PAIRED

    def __init__(self, rows: CompressedRows, inverse_rows, ground):
        self.rows, self.size, self._sums = rows, rows.shape[1], _Sums(rows)
        self.scale = check_vector(inverse_rows, rows.shape[0], rows.dtype)
        self.diagonal = check_vector(ground, self.size, rows.dtype)

    def matvec(self, x: np.ndarray) -> np.ndarray:
        """The product with a vector of shape (m,)."""
        rows = self.rows
        x = check_vector(x, self.size, rows.dtype)
        y = np.empty_like(x)

        def task(first, last, pairs):
            self.kernel(*rows.parts, self.scale, x, pairs, first, last)

        kernels.add_chunks(self.diagonal, x, self._sums.of(task), *self.places, y)
        return y


class _Sums:
    """Sums over chunks of rows, whose memory is kept from one product to the next."""

    def __init__(self, rows: CompressedRows):
        self._bounds = rows.bounds
        self._pairs = np.empty((rows.bounds.size - 1, 2 * rows.shape[1]), rows.dtype)

    def of(self, task) -> np.ndarray:
        """Call ``task(first, last, pairs)`` for each chunk; the pairs of all."""
        bounds, pairs = self._bounds, self._pairs

        def run(chunk):
            task(bounds[chunk], bounds[chunk + 1], pairs[chunk])

        if bounds.size == 2:
            run(0)
        else:
            run_chunks(run, bounds.size - 1)
        return pairs
