"""Sketches with few nonzeros in each column: a row of the data goes to a few places, with random signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from ..backends.jit import kernel
from ..random import Stream, below, words
from ..validation import check_count
from .base import Distribution, Sketch

_HASHED_ROWS = 256
_ALL_BUT_THE_SIGN = np.uint64(0xFFFFFFFE)
_SIGN = np.uint64(1)


@dataclass(frozen=True)
class SparseSign(Distribution):
    """`nonzeros` entries +-1 / sqrt(nonzeros) in each column of S, one in each of as many bands of rows.

    Also called sparse Johnson-Lindenstrauss transform, or OSNAP. The sketch for sparse data and for
    preconditioners, but not for the l_inf guarantee. Cost: nonzeros additions for each stored entry.

    Parameters
    ----------
    size : int
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
    nonzeros : int
        At most `size`.

    References
    ----------
    Kane and Nelson, "Sparser Johnson-Lindenstrauss transforms", JACM 2014.

    Examples
    --------
    >>> from sparsesolve.sketch import SparseSign
    >>> (SparseSign(64, random_state=0, nonzeros=4).sample(100).to_array() != 0).sum(axis=0).max()
    np.int64(4)
    """

    nonzeros: int = 8

    def __post_init__(self):
        super().__post_init__()
        check_count("nonzeros", self.nonzeros)
        if self.nonzeros > self.size:
            raise ValueError(
                f"nonzeros={self.nonzeros} must be at most size={self.size}: each is in a band of its own."
            )

    def _sample(self, n_rows, key):
        return SparseSketch((self.size, n_rows), key, self.nonzeros)


@dataclass(frozen=True)
class CountSketch(Distribution):
    """One entry +-1 in each column of S: the cheapest sketch, and one that misses rows that stand out.

    Cost: one addition for each stored entry.

    References
    ----------
    Clarkson and Woodruff, "Low rank approximation and regression in input sparsity time", STOC 2013.

    Examples
    --------
    >>> from sparsesolve.sketch import CountSketch
    >>> abs(CountSketch(8, random_state=0).sample(100).to_array()).sum()
    np.float64(100.0)
    """

    def _sample(self, n_rows, key):
        return SparseSketch((self.size, n_rows), key, 1)


class SparseSketch(Sketch):
    """A sample of `SparseSign` or `CountSketch`."""

    _takes_sparse = True

    def __init__(self, shape, key, nonzeros):
        super().__init__(shape, key)
        self._bands = shape[0] * np.arange(nonzeros + 1) // nonzeros
        self._source = np.uint64(key), int(Stream.SPARSE_SIGN), self._bands

    def _add(self, block, first_row, row_scale, first_column, totals):
        if scipy.sparse.issparse(block):
            stored = block.indptr, block.indices, block.data
            _add_stored(*stored, first_row, row_scale, *self._source, totals)
        else:
            _add_rows(block, first_column, first_row, row_scale, *self._source, totals)

    def _adjoint(self, Y):
        return lambda first_row, out: _gather_rows(Y, *self._source, first_row, out)


@kernel
def _hash_rows(first_row, row_scale, key, stream, bands, places, values):
    """Write the places, and the values there, of the nonzeros of the columns of S from first_row on."""
    nonzeros = bands.size - 1
    for i in range(places.shape[0]):
        value = 1.0 / np.sqrt(nonzeros)
        if row_scale.size:
            value *= row_scale[i]
        for start in range(0, nonzeros, 4):
            drawn = words(key, stream, first_row + i, start // 4)
            for j in range(start, min(start + 4, nonzeros)):
                word = drawn[j - start]
                places[i, j] = bands[j] + below(word & _ALL_BUT_THE_SIGN, bands[j + 1] - bands[j])
                values[i, j] = value if word & _SIGN else -value


@kernel
def _add_rows(A, first_column, first_row, row_scale, key, stream, bands, totals):
    """Add the rows of a dense block to the places that they are hashed to."""
    width = totals.shape[1]
    places = np.empty((_HASHED_ROWS, bands.size - 1), np.int64)
    values = np.empty((_HASHED_ROWS, bands.size - 1))
    for start in range(0, A.shape[0], _HASHED_ROWS):
        count = min(_HASHED_ROWS, A.shape[0] - start)
        scale = row_scale[start : start + count]
        _hash_rows(first_row + start, scale, key, stream, bands, places[:count], values[:count])
        for i in range(count):
            row = A[start + i, first_column : first_column + width]
            for j in range(bands.size - 1):
                total = totals[places[i, j]]
                value = values[i, j]
                for column in range(width):
                    total[column] += value * row[column]


@kernel
def _add_stored(indptr, indices, data, first_row, row_scale, key, stream, bands, totals):
    """Add the stored entries of a CSR block to the places that their rows are hashed to."""
    places = np.empty((1, bands.size - 1), np.int64)
    values = np.empty((1, bands.size - 1))
    for i in range(indptr.size - 1):
        _hash_rows(first_row + i, row_scale[i : i + 1], key, stream, bands, places, values)
        for j in range(bands.size - 1):
            for entry in range(indptr[i], indptr[i + 1]):
                totals[places[0, j], indices[entry]] += values[0, j] * data[entry]


@kernel
def _gather_rows(Y, key, stream, bands, first_row, out):
    """Write rows of the adjoint: each is the signed sum of the rows of Y that it was hashed to."""
    places = np.empty((1, bands.size - 1), np.int64)
    values = np.empty((1, bands.size - 1))
    for i in range(out.shape[0]):
        _hash_rows(first_row + i, np.empty(0), key, stream, bands, places, values)
        out[i] = 0.0
        for j in range(bands.size - 1):
            for column in range(out.shape[1]):
                out[i, column] += values[0, j] * Y[places[0, j], column]
