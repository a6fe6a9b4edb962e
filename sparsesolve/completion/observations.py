"""What was observed of a matrix: its entries by rows, and again by columns.

A sparse matrix's stored entries are the observed ones, zeros too; in a dense matrix those that are not NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse

from ..backends.jit import kernel


class Side(NamedTuple):
    """The observed entries row by row (or, of the transposed matrix, column by column).

    Attributes
    ----------
    starts : ndarray of uint64, shape (n_rows + 1,)
        Where each row begins.
    others : ndarray of uint32 or uint64, shape (n_entries,)
        Column numbers, ascending within a row.
    values : ndarray of float64, shape (n_entries,)
    weights : ndarray of float64, shape (n_entries,) or (0,)
        Positive; empty where every weight is 1.
    """

    starts: np.ndarray
    others: np.ndarray
    values: np.ndarray
    weights: np.ndarray

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return self.starts.size - 1

    @property
    def counts(self) -> np.ndarray:
        """Entries of each row."""
        return np.diff(self.starts).astype(np.int64)


@dataclass(frozen=True)
class Observations:
    """The observed entries of a matrix.

    Attributes
    ----------
    shape : tuple of int
        (m, n).
    rows : Side
        Entries by rows.
    columns : Side
        The same entries by columns, values and weights copied: kernels read them in order.
    """

    shape: tuple[int, int]
    rows: Side
    columns: Side

    @property
    def n_entries(self) -> int:
        """How many entries were observed."""
        return self.rows.values.size

    @property
    def least_weight(self) -> float:
        """The smallest weight of an observed entry."""
        return float(self.rows.weights.min()) if self.rows.weights.size else 1.0

    @property
    def transposed(self) -> Observations:
        """The observations of the transposed matrix; nothing is copied."""
        return Observations(self.shape[::-1], self.columns, self.rows)

    def with_values(self, values: np.ndarray, weights: np.ndarray | None = None) -> Observations:
        """The same places with other values and weights, both in the order of the rows."""
        weights = self.rows.weights if weights is None else weights
        return _both_sides(self.shape, self.rows.starts, self.rows.others, values, weights)

    def subset(self, kept: np.ndarray) -> Observations:
        """The entries, in the order of the rows, for which `kept` is true; the shape stays."""
        side = self.rows
        before = np.concatenate([[0], np.cumsum(kept)]).astype(np.uint64)
        weights = side.weights[kept] if side.weights.size else side.weights
        return _both_sides(
            self.shape, before[side.starts.astype(np.int64)], side.others[kept], side.values[kept], weights
        )

    def stacked(self, below: Observations) -> Observations:
        """These rows with others below them."""
        top, bottom = self.rows, below.rows
        starts = np.concatenate([top.starts, bottom.starts[1:] + top.starts[-1]])
        others, values = (
            np.concatenate(pair) for pair in ((top.others, bottom.others), (top.values, bottom.values))
        )
        weights = np.empty(0)
        if top.weights.size or bottom.weights.size:
            weights = np.concatenate(
                [side.weights if side.weights.size else np.ones(side.values.size) for side in (top, bottom)]
            )
        shape = self.shape[0] + below.shape[0], self.shape[1]
        return _both_sides(shape, starts, others, values, weights)


def observe(starts, others, values, shape, weights=None) -> Observations:
    """Make observations from compressed rows whose column numbers ascend; nothing is checked."""
    index = np.uint32 if max(shape) < 2**32 else np.uint64
    weights = np.empty(0) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    starts = np.ascontiguousarray(starts, dtype=np.uint64)
    others = np.ascontiguousarray(others, dtype=index)
    return _both_sides(tuple(shape), starts, others, np.ascontiguousarray(values, dtype=np.float64), weights)


def observe_matrix(M, weights=None) -> Observations:
    """Make observations from a scipy sparse matrix, whose stored entries are observed, or a dense one with NaN.

    `weights` are those of the observed entries: of the same form as M, or None. Duplicate entries are not allowed.
    """
    if scipy.sparse.issparse(M):
        rows = M.tocsr()
        if not rows.has_sorted_indices:
            rows = rows.sorted_indices()
        given = None
        if weights is not None:
            given = weights.tocsr()
            given = given if given.has_sorted_indices else given.sorted_indices()
            given = given.data
        return observe(rows.indptr, rows.indices, rows.data, rows.shape, given)
    M = np.asarray(M, dtype=np.float64)
    seen = ~np.isnan(M)
    starts = np.concatenate([[0], np.cumsum(seen.sum(axis=1))])
    given = None if weights is None else np.asarray(weights, dtype=np.float64)[seen]
    return observe(starts, np.nonzero(seen)[1], M[seen], M.shape, given)


def _both_sides(shape, starts, others, values, weights) -> Observations:
    rows = Side(starts, others, values, weights)
    return Observations(shape, rows, Side(*_transpose(starts, others, values, weights, shape[1])))


@kernel
def _transpose(starts, others, values, weights, n_columns):
    """Compressed rows of the transposed matrix; row numbers come out ascending."""
    counts = np.zeros(n_columns + 1, np.uint64)
    for k in range(others.size):
        counts[np.uint64(others[k]) + np.uint64(1)] += np.uint64(1)
    for j in range(n_columns):
        counts[j + 1] += counts[j]
    free = counts.copy()
    new_others, new_values = np.empty(others.size, others.dtype), np.empty(others.size)
    new_weights = np.empty(weights.size)
    for i in range(starts.size - 1):
        for k in range(starts[i], starts[i + 1]):
            j = others[k]
            place = free[j]
            free[j] = place + np.uint64(1)
            new_others[place] = i
            new_values[place] = values[k]
            if weights.size > 0:
                new_weights[place] = weights[k]
    return counts, new_others, new_values, new_weights
