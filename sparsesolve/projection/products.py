"""Products of dense rows with the transpose of a sparse sign matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from ..backends.jit import finite_kernel
from ..backends.threads import run_chunks

# Rows that are projected side by side, columns that are turned at once, and rows of a task.
_LANES = 32
_TILE = 16
_TASK_ROWS = 256


class PackedSigns(NamedTuple):
    """A sparse sign matrix in the order in which `project_rows` takes it.

    Attributes
    ----------
    places : ndarray of uint32
        Columns of the entries, row by row; in each row first those of +1, then those of -1.
    starts : ndarray of shape (n_components + 1,), uint64
        Where rows begin.
    middles : ndarray of shape (n_components,), uint64
        Where their entries -1 begin.
    """

    places: np.ndarray
    starts: np.ndarray
    middles: np.ndarray


def pack(signs: scipy.sparse.csr_array) -> PackedSigns:
    """Reorder a matrix of +1 and -1: no product is then left in the loops."""
    rows = np.repeat(np.arange(signs.shape[0]), np.diff(signs.indptr))
    order = np.lexsort((signs.data < 0, rows))
    starts = signs.indptr.astype(np.uint64)
    positive = np.bincount(rows[signs.data > 0], minlength=signs.shape[0])
    return PackedSigns(
        signs.indices[order].astype(np.uint32), starts, starts[:-1] + positive.astype(np.uint64)
    )


def project_rows(X: np.ndarray, signs: PackedSigns, scale: float) -> np.ndarray:
    """Return scale X signs', for dense rows.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns), float32 or float64
    signs : PackedSigns
        Of a matrix of shape (n_components, n_columns).
    scale : float

    Returns
    -------
    ndarray of shape (n_rows, n_components), the dtype of X
        The same bits for any number of threads.

    Notes
    -----
    One addition for each row and each entry of the matrix.
    """
    X = np.ascontiguousarray(X).view()
    X.flags.writeable = False
    out = np.empty((X.shape[0], signs.middles.size), dtype=X.dtype)
    edges = [*range(0, X.shape[0], _TASK_ROWS), X.shape[0]]

    def task(k):
        part = slice(edges[k], edges[k + 1])
        _project(X[part], *signs, X.dtype.type(scale), out[part])

    run_chunks(task, len(edges) - 1)
    return out


@finite_kernel
def _project(X, places, starts, middles, scale, out):
    n_rows, n_columns = X.shape
    turned = np.zeros((n_columns, _LANES), X.dtype)
    for first in range(0, n_rows, _LANES):
        count = min(_LANES, n_rows - first)
        for start in range(0, n_columns, _TILE):  # tiles stay in cache while they are turned
            for lane in range(count):
                for column in range(start, min(start + _TILE, n_columns)):
                    turned[column, lane] = X[first + lane, column]
        total = np.empty(_LANES, X.dtype)
        for component in range(out.shape[1]):
            for lane in range(_LANES):
                total[lane] = 0.0
            _subtract_rows(turned, places, middles[component], starts[component + 1], total)
            for lane in range(_LANES):
                total[lane] = -total[lane]
            _subtract_rows(turned, places, starts[component], middles[component], total)
            for lane in range(count):
                out[first + lane, component] = -total[lane] * scale


@finite_kernel
def _subtract_rows(turned, places, start, stop, total):
    """Subtract rows of `turned` from the total; four at a time, so that few of its stores wait for one another."""
    fours = start + (stop - start) // np.uint64(4) * np.uint64(4)
    for k in range(start, fours, np.uint64(4)):
        a, b, c, d = places[k], places[k + np.uint64(1)], places[k + np.uint64(2)], places[k + np.uint64(3)]
        for lane in range(_LANES):
            total[lane] -= (turned[a, lane] + turned[b, lane]) + (turned[c, lane] + turned[d, lane])
    for k in range(fours, stop):
        a = places[k]
        for lane in range(_LANES):
            total[lane] -= turned[a, lane]
