"""A sparse matrix in compressed rows, as the kernels want it, cut into chunks of rows."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from ..backends.jit import kernel

# Entries of a chunk, chunks at most, and entries for each column of the sums that a chunk has of its own.
ENTRIES, MOST_CHUNKS, PER_COLUMN = 1 << 16, 16, 7
# Of the pairs of a block of columns: what the second cache of a core holds.
BLOCK_BYTES = 3 << 19


class CompressedRows:
    """A sparse matrix in canonical form, with unsigned indices, cut into blocks of columns and chunks of rows.

    One block's rows come after the other's: what a product gathers and scatters then stays in the cache. Chunks of rows
    go to threads.

    Parameters
    ----------
    matrix : sparse array or matrix of shape (n, m)

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    parts : tuple of ndarray
        starts, of shape (n_blocks, n + 1), indices and values.
    bounds : ndarray of int
        Rows where the chunks begin, and the number of rows.
    """

    def __init__(self, matrix):
        matrix = canonical(matrix)
        self.shape, self.dtype = matrix.shape, matrix.dtype
        self.parts = in_blocks(matrix.indptr, matrix.indices, matrix.data, matrix.shape[1])
        self.bounds = balanced(matrix.indptr, count_chunks(matrix.nnz, matrix.shape[1])).astype(np.int64)


def in_blocks(starts, indices, values, n_columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with their entries sorted by blocks of columns: starts of shape (n_blocks, n + 1), indices and values.

    Where one block is enough, nothing is copied but the starts.
    """
    n_blocks = max(1, round(n_columns * 2 * values.dtype.itemsize / BLOCK_BYTES))
    starts, indices = starts.astype(np.uint32), indices.astype(np.uint32, copy=False)
    if n_blocks == 1:
        return starts[None, :], indices, values
    width = -(-n_columns // n_blocks)
    new_starts = np.zeros((n_blocks, starts.size), np.uint32)
    new_indices, new_values = np.empty_like(indices), np.empty_like(values)
    _sort_by_block(starts, indices, values, np.uint32(width), new_starts, new_indices, new_values)
    return new_starts, new_indices, new_values


@kernel
def _sort_by_block(starts, indices, values, width, new_starts, new_indices, new_values):
    n, n_blocks = starts.size - 1, new_starts.shape[0]
    for i in range(n):
        for k in range(starts[i], starts[i + 1]):
            new_starts[indices[k] // width, i + 1] += np.uint32(1)
    place = np.uint32(0)
    for block in range(n_blocks):
        new_starts[block, 0] = place
        for i in range(n):
            place += new_starts[block, i + 1]
            new_starts[block, i + 1] = place
    for i in range(n):
        k = starts[i]
        for block in range(n_blocks):
            # Indices are sorted: a row's entries of a block follow one another.
            for t in range(new_starts[block, i], new_starts[block, i + 1]):
                new_indices[t] = indices[k]
                new_values[t] = values[k]
                k += np.uint32(1)


def canonical(matrix) -> scipy.sparse.csr_array:
    """The matrix as float32 or float64 CSR with sorted indices and without duplicates; the same arrays if it is that.

    Raises
    ------
    ValueError
        For 2**31 entries or more.
    """
    out = scipy.sparse.csr_array(matrix)
    if out.dtype not in (np.float32, np.float64):
        out = out.astype(np.float64)
    if not out.has_canonical_format:
        out = out.copy()  # its arrays may be the caller's
        out.sum_duplicates()
    if out.nnz >= 2**31:
        raise ValueError(
            f"the matrix has {out.nnz} entries, and kernels count to 2**31: give its rows in several matrices."
        )
    return out


def check_vector(x, size: int, dtype) -> np.ndarray:
    """A contiguous vector of that size and type.

    Raises
    ------
    ValueError
        For another shape.
    """
    x = np.ascontiguousarray(x, dtype)
    if x.shape != (size,):
        raise ValueError(
            f"x has shape {x.shape}, but this product takes a vector of {size}: give one of that size."
        )
    return x


def count_chunks(n_entries: int, n_columns: int) -> int:
    """Chunks with sums of their own: a power of two, from the shape alone, so that no bit depends on threads."""
    most = min(MOST_CHUNKS, 1 + n_entries // ENTRIES, max(1, n_entries // (PER_COLUMN * max(n_columns, 1))))
    return 1 << (int(most).bit_length() - 1)


def balanced(starts: np.ndarray, n_chunks: int) -> np.ndarray:
    """Bounds of chunks of rows with about as many entries each."""
    bounds = np.searchsorted(starts, np.linspace(0, starts[-1], n_chunks + 1)).astype(np.uint32)
    bounds[0], bounds[-1] = 0, starts.size - 1
    return bounds
