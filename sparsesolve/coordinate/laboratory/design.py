"""A data matrix as the laboratory uses it, dense or sparse: products with blocks of its columns."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse

from ...validation import check_matrix

#: A step's rows are followed one by one while they hold less than this share of a sparse matrix's entries.
_FEW = 0.2


class Design:
    """A matrix A of shape (n_rows, n_columns): float64 in Fortran order, or in compressed columns.

    Parameters
    ----------
    A : ndarray or scipy sparse array
    """

    def __init__(self, A):
        A = check_matrix("A", A)
        self.is_sparse = scipy.sparse.issparse(A)
        if self.is_sparse:
            self._columns = scipy.sparse.csc_array(A, dtype=np.float64, copy=not A.has_canonical_format)
            self._columns.sum_duplicates()
        else:
            self._columns = np.asarray(A, dtype=np.float64, order="F")
        self.shape = self._columns.shape

    @cached_property
    def _rows(self):
        return scipy.sparse.csr_array(self._columns)

    @cached_property
    def _squares(self):
        return self._columns.multiply(self._columns).tocsc() if self.is_sparse else self._columns**2

    def transposed_product(self, v: np.ndarray) -> np.ndarray:
        """A' v; v may have several columns."""
        return self._columns.T @ v

    def block(self, block: np.ndarray):
        """The columns of a block, in the matrix's own form."""
        if block.size == self.shape[1] and (block == np.arange(block.size)).all():
            return self._columns
        return self._columns[:, block]

    def dense_block(self, block: np.ndarray) -> np.ndarray:
        """The columns of a block as an array of shape (n_rows, k)."""
        part = self._columns[:, block]
        return part.toarray() if self.is_sparse else part

    def product(self, block: np.ndarray, d: np.ndarray):
        """The rows that ``A_b d`` changes, a slice or an array, and its entries there."""
        part = self._columns[:, block]
        change = part @ d
        if not self.is_sparse or part.nnz > _FEW * self.shape[0]:
            return slice(None), change
        rows = np.unique(part.indices)
        return rows, change[rows]

    def is_few(self, rows) -> bool:
        """Whether the rows hold few enough entries to follow them one by one."""
        if isinstance(rows, slice):
            return False
        starts = self._rows.indptr
        return int((starts[rows + 1] - starts[rows]).sum()) < _FEW * self._columns.nnz

    def transposed_product_of_rows(self, rows: np.ndarray, v: np.ndarray):
        """The columns that some rows of a sparse matrix meet, and the entries of their product with v there."""
        part = self._rows[rows]
        columns, where = np.unique(part.indices, return_inverse=True)
        entries = part.data * np.repeat(v, np.diff(part.indptr))
        return columns, np.bincount(where, entries, columns.size)

    def gram(self, block: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``A_b' diag(weights) A_b``, a dense array of shape (k, k)."""
        part = self._columns[:, block]
        gram = part.T @ (scipy.sparse.diags_array(weights) @ part)
        return gram.toarray() if self.is_sparse else gram

    def weighted_squares(self, weights: np.ndarray) -> np.ndarray:
        """The diagonal of ``A' diag(weights) A``."""
        return self._squares.T @ weights

    def absolute_row_sums(self, weights: np.ndarray) -> np.ndarray:
        """Bounds of the sums of absolute values of the rows of ``A' diag(weights) A``, at the cost of two products."""
        sizes = abs(self._columns)
        return sizes.T @ (weights * (sizes @ np.ones(self.shape[1])))

    def cubes(self, block: np.ndarray, weights: np.ndarray) -> float:
        """``sum_r weights_r |a_rb|^3`` with the Euclidean norms of the rows of a block."""
        return float(weights @ (self._squares[:, block] @ np.ones(block.size)) ** 1.5)
