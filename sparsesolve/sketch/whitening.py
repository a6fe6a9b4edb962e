"""Columns made orthonormal without copying the matrix: T such that A T has orthonormal columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from ..backends.threads import run_chunks
from ..operators.rows import RowMatrix, as_row_matrix
from ..validation import check_matrix
from .srht import SRHT

#: Singular values of the scaled columns below this share of the largest count as zero.
RANK_TOLERANCE = 1e-12
# Rows below which the matrix itself is factored.
_FEW_ROWS = 8
# Largest condition number of A T that one more Gram matrix mends to rounding.
_MENDABLE = 1e3
_MAX_CHUNKS = 16
_BLOCK_ROWS, _BLOCK_CELLS = 4096, 1 << 17


def scored_rows(A) -> RowMatrix:
    """Check the shape and type of a matrix whose rows are to be scored, and wrap it; nothing wider than float64."""
    A = check_matrix("A", A, check_finite=False)
    return as_row_matrix(A.astype(np.float64) if A.dtype.kind == "f" and A.dtype.itemsize > 8 else A)


def orthonormaliser(tall: np.ndarray) -> np.ndarray:
    """Return W of shape (d, rank) such that the columns of tall W are orthonormal.

    The columns are scaled to length one first, so that their scales do not change the rank.
    """
    scale = np.abs(tall).max(axis=0)
    scale[scale == 0] = 1.0
    unit = tall / scale
    lengths = np.linalg.norm(unit, axis=0)
    lengths[lengths == 0] = 1.0
    _, values, right = np.linalg.svd(unit / lengths, full_matrices=False)
    kept = values > RANK_TOLERANCE * values[0]
    return right[kept].T / lengths[:, None] / scale[:, None] / values[kept]


def whitening(A: RowMatrix) -> np.ndarray:
    """Return T of shape (d, rank) such that the columns of A T are orthonormal to rounding.

    A sketch gives a first T; the Gram matrix of A T, which is well conditioned, mends it. The result is a function of
    A alone: another sketch changes its rounding errors, and rotates it. Complexity: n d log d + 4 n d^2 flops, two
    passes, extra memory O(d^2) for each thread.

    Raises
    ------
    ValueError
        For NaN or infinity.
    """
    n_rows, n_columns = A.shape
    source: Any = A.source
    size = 4 << (n_columns - 1).bit_length()
    while size * _FEW_ROWS // 4 < n_rows:
        first = orthonormaliser(_finite(SRHT(size, 0).sample(n_rows).apply(source)))
        gram = _gram(A, first)
        values = np.linalg.eigvalsh(gram) if first.shape[1] else np.ones(1)
        if values[-1] <= _MENDABLE * values[0]:
            return whitened_again(first, gram)
        size *= 8  # rows that the sketch has missed
    tall = np.empty(A.shape)
    A.copy_rows(0, n_rows, tall)
    return orthonormaliser(_finite(tall))


def whitened_again(T: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """Return T L^-T, where L is the Cholesky factor of the Gram matrix of A T."""
    return np.ascontiguousarray(solve_triangular(np.linalg.cholesky(gram), T.T, lower=True).T)


def squared_row_norms(A: RowMatrix, T: np.ndarray) -> np.ndarray:
    """Return the squared lengths of the rows of A T, shape (n,). Complexity: 2 n d rank flops."""
    norms = np.empty(A.shape[0])

    def write(part, block):
        product = block @ T
        norms[part] = np.einsum("ij,ij->i", product, product)
        return 0.0

    sum_over_blocks(A, write)
    return norms


def sum_over_blocks(A: RowMatrix, function: Callable[[slice, Any], Any]):
    """Return the sum of ``function(part, A[part])`` over fixed blocks of rows: the same bits for any threads."""
    edges = _edges(A.shape[0])

    def chunk(index):
        return sum(function(part, block) for part, block in _blocks(A, edges[index], edges[index + 1]))

    return sum(run_chunks(chunk, len(edges) - 1))


def _edges(n_rows: int) -> list[int]:
    n_chunks = min(_MAX_CHUNKS, 1 + n_rows // _BLOCK_ROWS)
    return [n_rows * k // n_chunks for k in range(n_chunks + 1)]


def _blocks(A: RowMatrix, start: int, stop: int) -> Iterator[tuple[slice, Any]]:
    source: Any = A.source
    step = min(_BLOCK_ROWS, max(256, _BLOCK_CELLS // A.shape[1]))
    for first in range(start, stop, step):
        part = slice(first, min(first + step, stop))
        yield part, source[part]


def _gram(A: RowMatrix, T: np.ndarray) -> np.ndarray:
    """The Gram matrix of A T."""

    def of_block(part, block):
        product = block @ T
        return product.T @ product

    return sum_over_blocks(A, of_block)


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.all(np.isfinite(values)):
        raise ValueError(
            "A holds NaN or infinity: its row scores are not defined; remove or impute such rows first."
        )
    return values
