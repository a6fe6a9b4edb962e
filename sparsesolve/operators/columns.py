"""A matrix seen as columns: the two forms, dense and sparse, behind one face.

Kernels take a matrix as a tuple: ``(rows of X',)`` where it is dense, ``(data, rows, starts)`` where it is sparse.
`column_dot`, `column_square` and `add_column` are the only places that know which; numba chooses by type.

Row numbers and starts are unsigned: numba then need not ask of each whether it counts from the end, which takes a
third of a sparse product's time.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import scipy.sparse
from numba.extending import overload

from ..backends.jit import kernel, reduction_kernel

_SUMS: Any = {"fastmath": {"reassoc", "contract", "nsz"}}


class ColumnMatrix(Protocol):
    """What the coordinate solvers ask of a matrix X of shape (n_rows, n_columns).

    Attributes
    ----------
    shape : tuple of int
    n_entries : int
        Stored entries: what a product with X reads.
    is_sparse : bool
    parts : tuple of ndarray
        What kernels take; read-only.
    device : DeviceProducts or None
        Does the large products, where that was asked for.
    """

    shape: tuple[int, int]
    n_entries: int
    is_sparse: bool
    parts: tuple[np.ndarray, ...]
    device: Any

    def select(self, columns: np.ndarray) -> ColumnMatrix:
        """The given columns, copied."""

    def scaled_rows(self, columns: np.ndarray, scale: np.ndarray, dtype) -> np.ndarray:
        """The given columns times their scales, as the rows of a C-ordered array of shape (n_selected, n_rows)."""


def as_column_matrix(X) -> ColumnMatrix:
    """Wrap an ndarray or a scipy sparse array or matrix of real numbers.

    Float64 in Fortran order, or in compressed columns, is not copied.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.operators import as_column_matrix
    >>> as_column_matrix(np.eye(3)).shape
    (3, 3)
    """
    return SparseColumns(X) if scipy.sparse.issparse(X) else DenseColumns(X)


def transposed_product(X: ColumnMatrix, v: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
    """X' v, or its entries at some columns."""
    if X.device is not None and X.device.wants(columns):
        return X.device.transposed_product(v, columns)
    if columns is None and not X.is_sparse:
        return X.parts[0] @ v  # several columns at a time: faster than one by one
    return _dot_columns(X.parts, np.arange(X.shape[1]) if columns is None else columns, v)


def product(X: ColumnMatrix, w: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The sum of the given columns, times the entries of w at them."""
    out = np.zeros(X.shape[0])
    _add_columns(X.parts, columns, w[columns], out)
    return out


def moments(X: ColumnMatrix, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums of every column, and of its squares."""
    if (weights == 1.0).all():
        return _plain_moments(X.parts[0], X.parts[2]) if X.is_sparse else _plain_row_moments(X.parts[0])
    return _moments(X.parts, X.shape[1], weights)


class DenseColumns:
    """A dense array, in Fortran order."""

    is_sparse = False
    device: Any = None

    def __init__(self, X):
        X = np.asarray(X)
        if X.dtype != np.float64 or not X.dtype.isnative or not X.flags.f_contiguous or not X.flags.aligned:
            X = np.asarray(X, dtype=np.float64, order="F")
        self.shape = X.shape
        self.n_entries = X.size
        self.parts = (_read_only(X.T),)

    def select(self, columns):
        """The given columns, copied."""
        return DenseColumns(self.parts[0][columns].T)

    def scaled_rows(self, columns, scale, dtype):
        """The given columns times their scales, as rows."""
        out = np.empty((columns.size, self.shape[0]), dtype)
        _copy_rows(self.parts[0], columns, scale, out)
        return out


class SparseColumns:
    """A sparse matrix in compressed columns, without duplicates."""

    is_sparse = True
    device: Any = None

    def __init__(self, X):
        X = X.tocsc()  # the same object if it is one: it remembers whether its format is canonical
        if X.dtype != np.float64 or not X.dtype.isnative:
            X = X.astype(np.float64)
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        self._keep(X.data, X.indices, X.indptr, X.shape)

    def _keep(self, data, rows, starts, shape):
        index = np.uint32 if shape[0] < 2**31 else np.uint64
        self.shape = shape
        self.n_entries = data.size
        self.parts = (
            _read_only(data),
            _read_only(rows.astype(index, copy=False)),
            _read_only(starts.astype(np.uint64, copy=False)),
        )

    def select(self, columns):
        """The given columns, copied."""
        made = SparseColumns.__new__(SparseColumns)
        made._keep(*_take_columns(*self.parts, columns), (self.shape[0], columns.size))
        if self.device is not None:
            made.device = self.device.of(made.parts, made.shape)
        return made

    def on_device(self, runtime) -> SparseColumns:
        """The same matrix, whose large products are computed there."""
        from .device.columns import DeviceProducts  # only where a device is used

        made = SparseColumns.__new__(SparseColumns)
        made.__dict__.update(self.__dict__, device=DeviceProducts(runtime, self.parts, self.shape))
        return made

    def scaled_rows(self, columns, scale, dtype):
        """The given columns times their scales, as rows."""
        out = np.zeros((columns.size, self.shape[0]), dtype)
        _scatter_columns(*self.parts, columns, scale, out)
        return out


def _read_only(array):
    """A view that cannot be written: a promise, and one type for the kernels."""
    view = array.view()
    view.flags.writeable = False
    return view


def column_dot(parts, j, v):
    """Product of column j with v."""


def column_square(parts, j, v):
    """Product of the squares of column j with v."""


def add_column(parts, j, factor, out):
    """Add a multiple of column j to `out`."""


def add_weighted_column(parts, j, factor, weights, out):
    """Add a multiple of column j, times the weights of the rows, to `out`."""


@overload(column_dot, jit_options=_SUMS)
def _column_dot(parts, j, v):
    def dense(parts, j, v):
        column = parts[0][j]
        total = 0.0
        for i in range(column.size):
            total += column[i] * v[i]
        return total

    def sparse(parts, j, v):
        data, rows, starts = parts
        total = 0.0
        for t in range(starts[j], starts[j + 1]):
            total += data[t] * v[rows[t]]
        return total

    return dense if len(parts) == 1 else sparse


@overload(column_square, jit_options=_SUMS)
def _column_square(parts, j, v):
    def dense(parts, j, v):
        column = parts[0][j]
        total = 0.0
        for i in range(column.size):
            total += column[i] * column[i] * v[i]
        return total

    def sparse(parts, j, v):
        data, rows, starts = parts
        total = 0.0
        for t in range(starts[j], starts[j + 1]):
            total += data[t] * data[t] * v[rows[t]]
        return total

    return dense if len(parts) == 1 else sparse


@overload(add_column)
def _add_column(parts, j, factor, out):
    def dense(parts, j, factor, out):
        column = parts[0][j]
        for i in range(column.size):
            out[i] += factor * column[i]

    def sparse(parts, j, factor, out):
        data, rows, starts = parts
        for t in range(starts[j], starts[j + 1]):
            out[rows[t]] += factor * data[t]

    return dense if len(parts) == 1 else sparse


@overload(add_weighted_column)
def _add_weighted_column(parts, j, factor, weights, out):
    def dense(parts, j, factor, weights, out):
        column = parts[0][j]
        for i in range(column.size):
            out[i] += factor * weights[i] * column[i]

    def sparse(parts, j, factor, weights, out):
        data, rows, starts = parts
        for t in range(starts[j], starts[j + 1]):
            out[rows[t]] += factor * weights[rows[t]] * data[t]

    return dense if len(parts) == 1 else sparse


@reduction_kernel
def _dot_columns(parts, columns, v):
    out = np.empty(columns.size)
    for k in range(columns.size):
        out[k] = column_dot(parts, columns[k], v)
    return out


@reduction_kernel
def _moments(parts, n_columns, weights):
    sums, squares = np.empty(n_columns), np.empty(n_columns)
    for j in range(n_columns):  # both while the column is in cache
        sums[j] = column_dot(parts, j, weights)
        squares[j] = column_square(parts, j, weights)
    return sums, squares


@reduction_kernel
def _plain_row_moments(A):
    """For weights of one, which then need not be read."""
    sums, squares = np.empty(A.shape[0]), np.empty(A.shape[0])
    for i in range(A.shape[0]):
        total, square = 0.0, 0.0
        for j in range(A.shape[1]):
            total += A[i, j]
            square += A[i, j] * A[i, j]
        sums[i], squares[i] = total, square
    return sums, squares


@reduction_kernel
def _plain_moments(data, starts):
    """The same for sparse columns."""
    n_columns = starts.size - 1
    sums, squares = np.empty(n_columns), np.empty(n_columns)
    for j in range(n_columns):
        total, square = 0.0, 0.0
        for t in range(starts[j], starts[j + 1]):
            total += data[t]
            square += data[t] * data[t]
        sums[j], squares[j] = total, square
    return sums, squares


@kernel
def _add_columns(parts, columns, factors, out):
    for k in range(columns.size):
        if factors[k] != 0.0:
            add_column(parts, columns[k], factors[k], out)


@kernel
def _copy_rows(A, rows, scale, out):
    for k in range(rows.size):
        i = rows[k]
        for j in range(A.shape[1]):
            out[k, j] = A[i, j] * scale[k]


@kernel
def _scatter_columns(data, rows, starts, columns, scale, out):
    for k in range(columns.size):
        for t in range(starts[columns[k]], starts[columns[k] + 1]):
            out[k, rows[t]] = data[t] * scale[k]


@kernel
def _take_columns(data, rows, starts, columns):
    new_starts = np.empty(columns.size + 1, np.uint64)
    new_starts[0] = 0
    for k in range(columns.size):
        new_starts[k + 1] = new_starts[k] + (starts[columns[k] + 1] - starts[columns[k]])
    total = np.int64(new_starts[-1])
    new_data, new_rows = np.empty(total), np.empty(total, rows.dtype)
    for k in range(columns.size):
        first, length = starts[columns[k]], new_starts[k + 1] - new_starts[k]
        new_data[new_starts[k] : new_starts[k + 1]] = data[first : first + length]
        new_rows[new_starts[k] : new_starts[k + 1]] = rows[first : first + length]
    return new_data, new_rows, new_starts
