"""Which rows and columns make a partition, and how entries come there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from ..streams import Block
from ..streams.entries import triplets
from .observations import Side
from .partition_steps import Partition


class Cut(NamedTuple):
    """Where partitions begin and end.

    Attributes
    ----------
    shape : tuple of int
    rows, columns : ndarray of int64
        Edges of the partitions by rows, and of those by columns.
    """

    shape: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray

    @property
    def n_parts(self) -> int:
        """Partitions of both kinds."""
        return len(self.rows) + len(self.columns) - 2

    def numbers(self, axis: int) -> slice:
        """The numbers of the partitions by rows, or by columns."""
        middle = len(self.rows) - 1
        return slice(middle, self.n_parts) if axis else slice(0, middle)

    def edges(self, axis: int) -> np.ndarray:
        """Of one kind."""
        return self.columns if axis else self.rows

    @property
    def index(self) -> Any:
        """What row and column numbers fit into, with a sign."""
        return np.int32 if max(self.shape) < 2**31 else np.int64

    def owners(self, axis: int) -> np.ndarray:
        """For each row, or column, its partition of that kind."""
        edges = self.edges(axis)
        small = np.uint16 if edges.size < 2**16 else np.int64
        return np.repeat(np.arange(edges.size - 1, dtype=small), np.diff(edges))


def edges_of(counts: np.ndarray, partition_entries: int) -> np.ndarray:
    """Cut rows into partitions of like many entries; they depend on the data alone, not on who holds them."""
    reached = np.cumsum(counts)
    n_parts = max(1, round(int(reached[-1]) / partition_entries))
    inner = np.searchsorted(reached, reached[-1] * np.arange(1, n_parts) / n_parts)
    return np.unique(np.concatenate([[0], inner, [counts.size]]))


class _Piece(NamedTuple):
    """The entries of a block that go to one partition."""

    rows: np.ndarray
    others: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None


@dataclass(frozen=True)
class Split:
    """The entries of a block, for each partition its own."""

    cut: Cut

    def __call__(self, block: Block) -> list[_Piece]:
        """The pieces for the partitions by rows, then for those by columns."""
        entries = triplets(block, self.cut.shape)
        small: list[np.ndarray] = [
            numbers.astype(self.cut.index) for numbers in (entries.rows, entries.columns)
        ]
        pieces: list[_Piece] = []
        for axis in (0, 1):
            owner = self.cut.owners(axis)[small[axis]]
            order = np.argsort(owner, kind="stable")
            cuts = np.cumsum([0, *np.bincount(owner, minlength=self.cut.edges(axis).size - 1)])
            columns = [small[axis], small[1 - axis], entries.values, entries.weights]
            ordered = [None if one is None else one[order] for one in columns]
            pieces += [
                _Piece(*(None if one is None else one[first:last] for one in ordered))  # type: ignore[arg-type]
                for first, last in itertools.pairwise(cuts)
            ]
        return pieces


@dataclass(frozen=True)
class Assemble:
    """A partition from its pieces of all blocks."""

    cut: Cut

    def __call__(self, number: int, pieces: list[_Piece]) -> Partition:
        """The partition of that number; values and weights of the same place are summed up."""
        axis = int(number >= self.cut.numbers(1).start)
        edges, place = self.cut.edges(axis), number - self.cut.numbers(axis).start
        rows = slice(int(edges[place]), int(edges[place + 1]))
        shape = rows.stop - rows.start, self.cut.shape[1 - axis]
        own = np.concatenate([piece.rows for piece in pieces])
        own -= rows.start
        others = np.concatenate([piece.others for piece in pieces])
        values = np.concatenate([piece.values for piece in pieces])
        weights = [piece.weights for piece in pieces if piece.weights is not None]
        stored = _compressed(values, own, others, shape)
        heavy = _compressed(np.concatenate(weights), own, others, shape).data if weights else np.empty(0)
        index = np.uint32 if max(self.cut.shape) < 2**32 else np.uint64
        kept = stored.indices.astype(index)
        return Partition(axis, rows, Side(stored.indptr.astype(np.uint64), kept, stored.data, heavy))


def _compressed(values, rows, columns, shape):
    """Compressed rows whose column numbers ascend, values of the same place summed up."""
    made = scipy.sparse.coo_array((values, (rows, columns)), shape=shape).tocsr()
    made.sum_duplicates()
    return made
