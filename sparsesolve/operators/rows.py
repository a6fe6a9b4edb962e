"""A matrix with many rows, seen as blocks of rows: the only two forms, dense and sparse, behind one face."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import scipy.sparse

from ..backends.threads import run_chunks
from .kernels import residual_product

_DOUBLE = np.dtype(np.float64)
_BLOCK_BYTES = 1 << 19  # a block is still in the second-level cache when it is read again
_MAX_CHUNKS = 16


class RowMatrix(Protocol):
    """What the solvers ask of a matrix A of shape (n_rows, n_columns)."""

    source: object
    shape: tuple[int, int]
    #: The type that rows are given in.
    dtype: np.dtype
    #: Stored entries: what a product with A reads.
    n_entries: int
    #: True when a product with A costs much less than n_rows * n_columns.
    is_sparse: bool

    def copy_rows(self, start: int, stop: int, out: np.ndarray) -> None:
        """Write rows start:stop into `out`."""

    def view_rows(self, start: int, stop: int) -> np.ndarray | None:
        """Rows start:stop without a copy, in C order and of the type `dtype`; None where that cannot be."""

    def residual_product(self, B, row_scale, X, shift, use_targets: bool = True) -> tuple:
        """Return (A' s R, column sums of s R, column sums of R^2), where R = s (B - A X - shift).

        Parameters
        ----------
        B : ndarray of shape (n_rows, n_targets)
        row_scale : ndarray of shape (n_rows,), or None for ones
            The scale s of each row.
        X : ndarray of shape (n_columns, n_targets)
        shift : ndarray of shape (n_targets,)
        use_targets : bool
            False leaves B out.
        """


def as_row_matrix(A, dtype=np.float64) -> RowMatrix:
    """Wrap an ndarray of any layout and real type, or a scipy sparse array or matrix. Nothing is copied if dense.

    Rows are given as float64, or as float32 for sketches that are asked for it.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.operators import as_row_matrix
    >>> as_row_matrix(np.ones((4, 2))).shape
    (4, 2)
    """
    return (SparseRows if scipy.sparse.issparse(A) else DenseRows)(A, np.dtype(dtype))


def block_ranges(start: int, stop: int, n_columns: int, least_rows: int = 0) -> Iterator[tuple[int, int]]:
    """Parts of the row range start:stop that stay in cache."""
    step = max(int(np.clip(_BLOCK_BYTES // (8 * max(1, n_columns)), 128, 8192)), least_rows)
    for first in range(start, stop, step):
        yield first, min(first + step, stop)


class DenseRows:
    """A dense array: `dtype` in C order is read in place, anything else block by block through a scratch."""

    is_sparse = False

    def __init__(self, A, dtype=_DOUBLE):
        self.source = A
        self.dtype = dtype
        self.shape = A.shape
        self.n_entries = A.size
        self._in_place = A.dtype == dtype and A.flags.c_contiguous and A.flags.aligned and A.dtype.isnative

    def copy_rows(self, start, stop, out):
        """Write rows start:stop into `out`."""
        out[...] = self.source[start:stop]

    def view_rows(self, start, stop):
        """Rows start:stop without a copy, where they are of the type wanted and in C order; None elsewhere."""
        return self.source[start:stop] if self._in_place else None

    def residual_product(self, B, row_scale, X, shift, use_targets=True):
        """See `RowMatrix.residual_product`. One read of A. Complexity: 4 n_rows n_columns n_targets flops."""
        if B.shape[1] != 1:
            return self._residual_products(B, row_scale, X, shift, use_targets)
        n_rows, n_columns = self.shape
        x = np.ascontiguousarray(X[:, 0])
        b = np.ascontiguousarray(B[:, 0])
        scale = np.empty(0) if row_scale is None else row_scale
        n_chunks = min(_MAX_CHUNKS, 1 + n_rows // 1024)
        edges = [n_rows * k // n_chunks for k in range(n_chunks + 1)]

        def chunk(k):
            sums = np.zeros(n_columns), 0.0, 0.0
            for start, stop in self._spans(edges[k], edges[k + 1]):
                part = slice(start, stop)
                target = 1.0 if use_targets else 0.0
                values = residual_product(self._contiguous(part), b[part], target, scale[part], x, shift[0])
                sums = tuple(have + new for have, new in zip(sums, values, strict=True))
            return sums

        product, total, squares = (sum(column) for column in zip(*run_chunks(chunk, n_chunks), strict=True))
        return product[:, None], np.array([total]), np.array([squares])

    def _residual_products(self, B, row_scale, X, shift, use_targets):
        sums = np.zeros((self.shape[1], B.shape[1])), np.zeros(B.shape[1]), np.zeros(B.shape[1])
        for start, stop in block_ranges(0, *self.shape):
            part = slice(start, stop)
            scale = None if row_scale is None else row_scale[part]
            values = _products(self._contiguous(part), B[part], scale, X, shift, use_targets)
            for have, new in zip(sums, values, strict=True):
                have += new
        return sums

    def _contiguous(self, part):
        rows = np.asarray(self.source[part])
        return rows if self._in_place else np.array(rows, dtype=np.float64, order="C")

    def _spans(self, start, stop):
        """One span where A is read in place; spans the size of a cache block where each is copied first."""
        if self._in_place:
            return [(start, stop)]
        return block_ranges(start, stop, self.shape[1])


class SparseRows:
    """A scipy sparse array or matrix, kept as CSR."""

    is_sparse = True

    def __init__(self, A, dtype=_DOUBLE):
        self.source = scipy.sparse.csr_array(A, dtype=dtype)
        self.dtype = dtype
        self.shape = self.source.shape
        self.n_entries = self.source.nnz

    def copy_rows(self, start, stop, out):
        """Write rows start:stop into `out`."""
        out[...] = self.source[start:stop].toarray()

    def view_rows(self, start, stop):
        """A sparse matrix has no dense rows to look at: None."""

    def residual_product(self, B, row_scale, X, shift, use_targets=True):
        """See `RowMatrix.residual_product`. Complexity: 4 nnz n_targets flops."""
        return _products(self.source, B, row_scale, X, shift, use_targets)


def _products(A, B, row_scale, X, shift, use_targets):
    """`RowMatrix.residual_product` for all rows of a dense or sparse A at once."""
    R = A @ -X
    R -= shift
    if use_targets:
        R += B
    if row_scale is not None:
        R *= row_scale[:, None]
    squares = np.einsum("ij,ij->j", R, R)
    if row_scale is not None:
        R *= row_scale[:, None]
    return A.T @ R, R.sum(axis=0), squares
