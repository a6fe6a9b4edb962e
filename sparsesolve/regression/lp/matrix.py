"""A tall matrix, seen through the few products that the solvers need; dense and sparse behind one face.

Rows are worked on in fixed chunks, whose parts are added in a fixed order: no bit depends on the number of threads.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse

from ...backends.threads import run_chunks

# Rows of one task for a thread, and the bytes of a block that stays in cache while it is scaled and multiplied.
_CHUNK_ROWS = 1 << 16
_BLOCK_BYTES = 1 << 18


def _chunks(n_rows: int, task) -> list:
    """The task's results on row ranges of fixed length."""
    if n_rows <= _CHUNK_ROWS:
        return [task(slice(0, n_rows))]
    edges = range(0, n_rows, _CHUNK_ROWS)
    return run_chunks(lambda k: task(slice(edges[k], min(edges[k] + _CHUNK_ROWS, n_rows))), len(edges))


class DenseMatrix:
    """A C-ordered float64 array of shape (n, d)."""

    is_sparse = False

    def __init__(self, values: np.ndarray):
        self.values = values
        self.shape = values.shape

    def apply(self, x: np.ndarray) -> np.ndarray:
        """A x. Cost: 2 n d flops."""
        out = np.empty(self.shape[0])

        def task(part):
            np.matmul(self.values[part], x, out=out[part])

        _chunks(self.shape[0], task)
        return out

    def adjoint(self, u: np.ndarray) -> np.ndarray:
        """A'u. Cost: 2 n d flops."""
        return sum(_chunks(self.shape[0], lambda part: u[part] @ self.values[part]))

    def gram(self, weights: np.ndarray) -> np.ndarray:
        """A' diag(weights) A for weights of at least 0. Cost: n d^2 flops."""
        n_rows, width = self.shape
        step = max(64, _BLOCK_BYTES // (8 * width))

        def task(part):
            total = np.zeros((width, width))
            for first in range(part.start, part.stop, step):
                rows = slice(first, min(first + step, part.stop))
                scaled = self.values[rows] * np.sqrt(weights[rows])[:, None]
                total += scaled.T @ scaled
            return total

        return sum(_chunks(n_rows, task))

    def column_norms(self) -> np.ndarray:
        """Norms of the columns."""

        def task(part):
            return np.einsum("ij,ij->j", self.values[part], self.values[part])

        return np.sqrt(sum(_chunks(self.shape[0], task)))

    def row_norms(self, P: np.ndarray) -> np.ndarray:
        """Norms of the rows of A P. Cost: 2 n d^2 flops."""
        out = np.empty(self.shape[0])
        step = max(64, _BLOCK_BYTES // (8 * self.shape[1]))

        def task(part):
            for first in range(part.start, part.stop, step):
                rows = slice(first, min(first + step, part.stop))
                product = self.values[rows] @ P
                out[rows] = np.sqrt(np.einsum("ij,ij->i", product, product))

        _chunks(self.shape[0], task)
        return out

    def take(self, rows: np.ndarray) -> DenseMatrix:
        """The matrix of those rows."""
        return DenseMatrix(self.values[rows])

    def dense_rows(self, rows: np.ndarray) -> np.ndarray:
        """Some rows as an array."""
        return self.values[rows]

    def columns(self, kept: np.ndarray) -> DenseMatrix:
        """The matrix of those columns."""
        return DenseMatrix(np.ascontiguousarray(self.values[:, kept]))

    def times(self, P: np.ndarray) -> DenseMatrix:
        """The matrix A P."""
        return DenseMatrix(np.ascontiguousarray(self.values @ P))


class CsrMatrix:
    """A scipy CSR array of float64 numbers, of shape (n, d). Gram matrices are dense."""

    is_sparse = True

    def __init__(self, values):
        self.values = values
        self.shape = values.shape
        self._lengths = np.diff(values.indptr)
        self._transposed = values.T.tocsr()

    def apply(self, x: np.ndarray) -> np.ndarray:
        """A x. Cost: 2 nnz flops."""
        return self.values @ x

    def adjoint(self, u: np.ndarray) -> np.ndarray:
        """A'u. Cost: 2 nnz flops."""
        return self._transposed @ u

    def gram(self, weights: np.ndarray) -> np.ndarray:
        """A' diag(weights) A. Cost: 2 flops for each pair of entries in a row."""
        scaled = self.values.copy()
        scaled.data *= np.repeat(weights, self._lengths)
        return (self._transposed @ scaled).toarray()

    def column_norms(self) -> np.ndarray:
        """Norms of the columns."""
        squares = np.bincount(self.values.indices, self.values.data**2, minlength=self.shape[1])
        return np.sqrt(squares)

    def row_norms(self, P: np.ndarray) -> np.ndarray:
        """Norms of the rows of A P. Cost: 2 nnz d flops."""
        out = np.empty(self.shape[0])
        step = max(64, _BLOCK_BYTES // (8 * self.shape[1]))
        for first in range(0, self.shape[0], step):
            product = self.values[first : first + step] @ P
            out[first : first + step] = np.sqrt(np.einsum("ij,ij->i", product, product))
        return out

    def take(self, rows: np.ndarray) -> CsrMatrix:
        """The matrix of those rows."""
        return CsrMatrix(self.values[rows])

    def dense_rows(self, rows: np.ndarray) -> np.ndarray:
        """Some rows as an array."""
        return self.values[rows].toarray()

    def columns(self, kept: np.ndarray) -> CsrMatrix:
        """The matrix of those columns."""
        return CsrMatrix(self.values[:, kept].tocsr())

    def times(self, P: np.ndarray) -> DenseMatrix:
        """The dense matrix A P."""
        return DenseMatrix(np.ascontiguousarray(self.values @ P))


def as_tall_matrix(A, intercept: bool, exponents: np.ndarray):
    """Wrap A with its columns times powers of two, and a column of ones behind them if there is an intercept.

    A dense float64 array in C order is not copied unless it must be scaled or extended.
    """
    scaled = bool(np.any(exponents != 0))
    if scipy.sparse.issparse(A):
        values = scipy.sparse.csr_array(A, dtype=np.float64, copy=True)
        values.sum_duplicates()
        if scaled:
            values.data = np.ldexp(values.data, exponents[values.indices])
        if intercept:
            values = scipy.sparse.hstack([values, np.ones((A.shape[0], 1))], format="csr")
        return CsrMatrix(values)
    if not scaled and not intercept:
        return DenseMatrix(np.ascontiguousarray(A, dtype=np.float64))
    values = np.empty((A.shape[0], A.shape[1] + intercept))
    values[:, : A.shape[1]] = A
    if scaled:
        np.ldexp(values[:, : A.shape[1]], exponents, out=values[:, : A.shape[1]])
    if intercept:
        values[:, -1] = 1.0
    return DenseMatrix(values)


def column_exponents(A, far: int) -> np.ndarray:
    """Exponents e that bring the columns of A times 2^e near one; zeros where no column is farther than 2^far."""
    if scipy.sparse.issparse(A):
        columns = scipy.sparse.csc_array(A, dtype=np.float64)
        largest = np.maximum(abs(columns).max(axis=0).toarray().ravel(), 0.0)
    else:
        largest = np.maximum(A.max(axis=0), -A.min(axis=0).astype(np.float64)).astype(np.float64)
    exponents = np.where(largest > 0, -np.frexp(largest)[1], 0)
    return exponents if np.abs(exponents).max() > far else np.zeros_like(exponents)
