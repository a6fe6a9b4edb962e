"""Kernels of the sketches with independent entries: S is made panel by panel, in the cache, and used at once.

A panel holds, for some rows of A, the numbers of a few groups of 64 rows of sqrt(m) S. Totals hold a row for each
column of A, so that a panel's row is added to it as it is.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..random import fill_normal_panel, fill_sign_panel, on_cache_line
from ..random.vectors import BLOCK
from .panel_vectors import TILE_VECTORS, VECTOR_BYTES, add_tile

# Rows of a panel, and groups: one counter gives the signs of two. Of float32 it is as large as a first-level cache.
_PANEL_ROWS = 64
_PANEL_GROUPS = 2


@kernel
def _fill_panel(key, stream, signs, row, group, row_scale, first, panel):
    """Write the numbers of rows of the data from `row` on, times their scales, which are those from `first` on."""
    if signs:
        fill_sign_panel(key, stream, row, group, panel)
    else:
        fill_normal_panel(key, stream, row, group, panel)
    if row_scale.size:
        for k in range(panel.shape[0]):
            factor = row_scale[first + k]
            for i in range(panel.shape[1]):
                panel[k, i] *= factor


@kernel
def add_dense_rows(key, stream, signs, A, first_row, row_scale, first_group, totals):
    """Add to totals[j, i] the sum over k of A[k, j] times number 64 first_group + i of row first_row + k of the data.

    Parameters
    ----------
    key, stream : int
    signs : bool
        Signs instead of normals.
    A : ndarray of shape (n_rows, n_columns), C order
    first_row : int
    row_scale : ndarray of shape (n_rows,) or (0,)
    first_group : int
    totals : ndarray of shape (n_columns, a multiple of 64)
    """
    n_columns = A.shape[1]
    groups = totals.shape[1] // BLOCK
    size = _PANEL_ROWS * _PANEL_GROUPS * BLOCK
    whole = on_cache_line(np.empty(size + BLOCK, totals.dtype), size)
    # Rows that lie a large power of two apart would evict one another from the first-level cache: they are copied.
    rows = np.empty((_PANEL_ROWS, n_columns + 64 // A.itemsize), A.dtype)
    for row in range(0, A.shape[0], _PANEL_ROWS):
        depth = min(_PANEL_ROWS, A.shape[0] - row)
        for k in range(depth):
            rows[k, :n_columns] = A[row + k]
        for group in range(0, groups, _PANEL_GROUPS):
            width = min(_PANEL_GROUPS, groups - group) * BLOCK
            panel = whole[: depth * width].reshape((depth, width))
            _fill_panel(key, stream, signs, first_row + row, first_group + group, row_scale, row, panel)
            add_product(panel, rows, totals, group * BLOCK)


@kernel
def add_sparse_rows(
    key, stream, signs, indptr, indices, data, start, stop, first_row, row_scale, first_group, totals
):
    """The same for rows start:stop of a CSR matrix whose row 0 is row first_row of the data."""
    groups = totals.shape[1] // BLOCK
    size = _PANEL_ROWS * _PANEL_GROUPS * BLOCK
    whole = on_cache_line(np.empty(size + BLOCK, totals.dtype), size)
    for group in range(0, groups, _PANEL_GROUPS):
        width = min(_PANEL_GROUPS, groups - group) * BLOCK
        for row in range(start, stop, _PANEL_ROWS):
            depth = min(_PANEL_ROWS, stop - row)
            if indptr[row] == indptr[row + depth]:
                continue
            panel = whole[: depth * width].reshape((depth, width))
            _fill_panel(key, stream, signs, first_row + row, first_group + group, row_scale, row, panel)
            add_stored(panel, indptr, indices, data, row, totals, group * BLOCK)


@kernel
def add_product(panel, rows, totals, first_number):
    """Add products: ``totals[j, first_number + i] += sum_k rows[k, j] panel[k, i]``.

    The panel's width is a multiple of 64; `rows` may be wider than there are totals, and taller than the panel.
    """
    depth, width = panel.shape
    n_columns, distance = totals.shape
    pitch = rows.shape[1]
    lanes = TILE_VECTORS * VECTOR_BYTES // panel.itemsize
    for i in range(0, width, lanes):
        target = first_number + i
        j = 0
        while j + 6 <= n_columns:
            add_tile(panel, i, width, depth, rows, j, pitch, totals, target + j * distance, distance, 6)
            j += 6
        if j + 4 <= n_columns:
            add_tile(panel, i, width, depth, rows, j, pitch, totals, target + j * distance, distance, 4)
            j += 4
        while j < n_columns:
            add_tile(panel, i, width, depth, rows, j, pitch, totals, target + j * distance, distance, 1)
            j += 1


@kernel
def add_stored(panel, indptr, indices, data, first, totals, first_number):
    """Add, for each stored entry of CSR rows first, first + 1, ..., its multiple of the panel's row."""
    for k in range(panel.shape[0]):
        row = panel[k]
        for entry in range(indptr[first + k], indptr[first + k + 1]):
            factor = data[entry]
            total = totals[indices[entry]]
            for i in range(row.size):
                total[first_number + i] += factor * row[i]
