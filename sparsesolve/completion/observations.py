"""What was observed of a matrix: its entries by rows, and again by columns.

A sparse matrix's stored entries are the observed ones, zeros too; in a dense matrix those that are not NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

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

    def posed(self, function: Callable, how: tuple):
        """What a function makes of these entries, for the row regressions."""
        return function(self, *how)

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
    def at_hand(self) -> bool:
        """Whether the entries lie in this process."""
        return True

    @property
    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Entries of each row, and of each column."""
        return self.rows.counts, self.columns.counts

    @property
    def least_weight(self) -> float:
        """The smallest weight of an observed entry."""
        return float(self.rows.weights.min()) if self.rows.weights.size else 1.0

    @property
    def sizes(self) -> Sizes:
        """How large values and weights are."""
        return sizes_of(self.rows)

    def along(self, function: Callable, *local) -> Any:
        """One number for each entry: ``function(side, *local)``, where `local` are iterates, or numbers."""
        return function(self.rows, *local)

    def median(self, numbers) -> float:
        """Of what `along` returned."""
        return float(np.median(numbers))

    def mapped(self, function: Callable, *local, arguments: tuple = ()) -> Observations:
        """The same places with other values and weights: ``function(side, *local, *arguments)`` returns both.

        `local` are iterates, or what `along` returned.
        """
        return self.with_values(*function(self.rows, *local, *arguments))

    def collected(self, function: Callable, *local, arguments: tuple = ()) -> list:
        """``function(side, *local, *arguments)`` for each part of the rows: here they are one."""
        return [function(self.rows, *local, *arguments)]

    def summed(self, function: Callable, *local, arguments: tuple = ()) -> tuple:
        """The sums over all parts of the rows of what a function returns."""
        parts = self.collected(function, *local, arguments=arguments)
        return tuple(sum(terms) for terms in zip(*parts, strict=True))

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


class Sizes(NamedTuple):
    """How large values and weights are; those of two parts can be joined.

    Attributes
    ----------
    n_entries : int
    largest, squares : float
        Of the values, and the sum of their squares in units of the largest squared.
    least_weight, heaviest, mass : float
        Of the weights, and their sum in units of the heaviest.
    """

    n_entries: int
    largest: float
    squares: float
    least_weight: float
    heaviest: float
    mass: float

    @property
    def root_mean_square(self) -> float:
        """Of the values, without their weights."""
        return self.largest * float(np.sqrt(self.squares / self.n_entries))

    @property
    def scale(self) -> float:
        """What the values are divided by: their root mean square; 1 where all are zero."""
        return self.root_mean_square if self.largest > 0.0 else 1.0

    @property
    def weight_scale(self) -> float:
        """Mean of the weights."""
        return self.heaviest * (self.mass / self.n_entries)

    def joined(self, other: Sizes) -> Sizes:
        """Of both together."""
        largest, heaviest = max(self.largest, other.largest), max(self.heaviest, other.heaviest)
        parts = (self, other)
        return Sizes(
            self.n_entries + other.n_entries,
            largest,
            sum(part.squares * (part.largest / largest) ** 2 for part in parts) if largest > 0.0 else 0.0,
            min(self.least_weight, other.least_weight),
            heaviest,
            sum(part.mass * (part.heaviest / heaviest) for part in parts),
        )


def sizes_of(side: Side) -> Sizes:
    """How large the values and weights are; without another array where values are of usual sizes."""
    values, weights = side.values, side.weights
    largest = max(float(values.max()), -float(values.min()))
    usual = 1e-100 < largest < 1e100
    scaled = values if usual or largest == 0.0 else values / largest
    squares = float(np.vdot(scaled, scaled)) / (largest * largest if usual else 1.0)
    if weights.size == 0:
        return Sizes(values.size, largest, squares, 1.0, 1.0, float(values.size))
    heaviest = float(weights.max())
    return Sizes(
        values.size, largest, squares, float(weights.min()), heaviest, float(np.sum(weights / heaviest))
    )


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
