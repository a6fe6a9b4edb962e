"""A matrix as blocks of rows: what a block is, where it comes from, and what must hold of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse

from ..exceptions import SparseSolveError
from ..validation import check_choice, check_count, check_matrix, check_targets, check_weights

#: What reading a damaged file raises, in one library or the other.
READING_ERRORS = (OSError, EOFError, ValueError, RuntimeError, KeyError, TypeError, IndexError)


class BlockError(SparseSolveError, ValueError):
    """A block of rows cannot be read, or holds what no fit can take; the message names the place."""


class Rows(NamedTuple):
    """What a part holds, as it is stored: the data, and targets and weights where there are any."""

    data: Any
    targets: Any = None
    weights: Any = None


class Block(NamedTuple):
    """Some consecutive rows, checked.

    Attributes
    ----------
    number : int
        Of the block, from 0.
    first_row : int
        Row of the whole that the block begins with: what a sketch is a function of.
    data : ndarray, or scipy sparse array or matrix, of shape (n_rows, n_columns)
        Of any real type and layout.
    targets : ndarray of shape (n_rows, n_targets), or None
        float64.
    weights : ndarray of shape (n_rows,), or None
        float64, at least 0.
    place : str
        Where the rows came from: the file, and the part of it.
    """

    number: int
    first_row: int
    data: Any
    targets: np.ndarray | None
    weights: np.ndarray | None
    place: str

    @property
    def n_rows(self) -> int:
        """Rows of this block."""
        return self.data.shape[0]

    def dense(self) -> np.ndarray:
        """The data as a float64 array in C order; copied only where they are not."""
        data = self.data.toarray() if scipy.sparse.issparse(self.data) else self.data
        return np.ascontiguousarray(data, dtype=np.float64)


class Glance(NamedTuple):
    """What the first block tells of the others.

    Attributes
    ----------
    is_sparse : bool
    density : float
        Share of entries that are stored.
    largest_targets : ndarray of shape (n_targets,)
        Largest size of its targets.
    """

    is_sparse: bool
    density: float
    largest_targets: np.ndarray


class Part(Protocol):
    """The promise of a block: small, and it can be sent to another process."""

    place: str

    def load(self) -> Rows:
        """Read the rows."""


@dataclass(frozen=True)
class LoadedPart:
    """Rows that are there."""

    place: str
    rows: Rows

    def load(self) -> Rows:
        """The rows."""
        return self.rows


class Source(Protocol):
    """Where blocks come from.

    Attributes
    ----------
    n_columns : int
    lengths : tuple of int, or None
        Rows of each block; None where nobody knows before they are read.
    names : tuple of str, or None
        Of the columns.
    flat_targets : bool
        Whether the targets were given as one column.
    passes : str
        "many", or "one" where the blocks are gone once they are read.
    grouped : bool
        Whether a worker may be sent several parts at once.
    wants_dask : bool
        Whether the data lie in a Dask collection.
    """

    n_columns: int
    lengths: tuple[int, ...] | None
    names: tuple[str, ...] | None
    flat_targets: bool
    passes: str
    grouped: bool
    wants_dask: bool

    def parts(self, start: int = 0) -> Iterator[Part]:
        """The parts from number `start` on, in order."""


@dataclass(frozen=True)
class RowBlocks:
    """A matrix with its targets and weights as blocks of rows; made by `row_blocks`.

    Attributes
    ----------
    source : Source
    scheduler : {"serial", "threads", "dask"} or dask.distributed.Client
        Where blocks are worked on; "dask" is the current client.
    progress : callable, optional
        Called with a `Progress` whenever blocks are done.
    checkpoint : path, optional
        A folder where fits keep what they have summed so far.
    checkpoint_every : int
        In blocks.
    """

    source: Source
    scheduler: Any = "serial"
    progress: Callable | None = None
    checkpoint: Path | None = None
    checkpoint_every: int = 16
    _counted: dict = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self):
        if isinstance(self.scheduler, str):
            check_choice("scheduler", self.scheduler, ("serial", "threads", "dask"))
        check_count("checkpoint_every", self.checkpoint_every)

    @property
    def n_columns(self) -> int:
        """Columns."""
        return self.source.n_columns

    @property
    def lengths(self) -> tuple[int, ...]:
        """Rows of each block; where nobody knows them, a pass that only counts finds out, once."""
        known = self.known_lengths
        if known is None:
            self.require_passes("counting its rows")
            known = tuple(len_of(part.load().data) for part in self.source.parts())
            self._counted["lengths"] = known
        return known

    @property
    def known_lengths(self) -> tuple[int, ...] | None:
        """Rows of each block, if they are known without a pass."""
        return self.source.lengths if self.source.lengths is not None else self._counted.get("lengths")

    @property
    def n_blocks(self) -> int:
        """Blocks."""
        return len(self.lengths)

    @property
    def n_rows(self) -> int:
        """Rows of all blocks."""
        return sum(self.lengths)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_rows, self.n_columns

    @property
    def first(self) -> Block:
        """The first block, read for what it tells of types, targets and magnitudes."""
        part = next(iter(self.source.parts()), None)
        if part is None:
            raise ValueError("the source has no block: it needs at least one row.")
        return read(part, 0, 0, self.n_columns)

    @cached_property
    def glance(self) -> Glance:
        """What the first block tells."""
        block = self.first
        is_sparse = scipy.sparse.issparse(block.data)
        density = block.data.nnz / (block.n_rows * self.n_columns) if is_sparse else 1.0
        largest = np.zeros(0) if block.targets is None else np.abs(block.targets).max(axis=0)
        return Glance(is_sparse, density, largest)

    @property
    def n_targets(self) -> int:
        """Columns of targets; 0 for none."""
        return self.glance.largest_targets.size

    def require_passes(self, purpose: str) -> None:
        """Raise the error that says what to do where the blocks can be read only once."""
        if self.source.passes == "one":
            raise ValueError(
                f"{purpose} needs more than one pass over the rows, but the source is an iterator, which ends with "
                "the first: give a callable that makes a fresh iterator, as `lambda: read_rows(...)`."
            )

    def require_targets(self) -> None:
        """Raise the error that says how to give targets, where there are none."""
        if self.n_targets == 0:
            raise ValueError(
                "y is None, and the blocks carry no targets: give y, or row_blocks(..., target=...), or blocks "
                "(X, y) in a generator."
            )

    def using(self, **changes) -> RowBlocks:
        """The same data with another scheduler, progress or checkpoint."""
        return replace(self, **changes)

    def parts(self, start: int = 0) -> Iterator[Part]:
        """The parts from number `start` on."""
        return self.source.parts(start)

    def __iter__(self) -> Iterator[Block]:
        """Read the blocks one after the other."""
        first_row = 0
        for number, part in enumerate(self.source.parts()):
            block = read(part, number, first_row, self.n_columns)
            first_row += block.n_rows
            yield block


def len_of(data) -> int:
    """Rows of an array or a sparse matrix."""
    return int(np.shape(data)[0])


def read(part: Part, number: int, first_row: int, n_columns: int, n_rows: int | None = None) -> Block:
    """Read a part and check its shapes and types; that its numbers are finite shows in what is made of them.

    `n_rows` is how many rows it should have, where that is known.

    Raises
    ------
    BlockError
        Names the part's place.
    """
    where = f"block {number} ({part.place})"
    try:
        rows = part.load()
    except READING_ERRORS as error:
        raise BlockError(f"{where} cannot be read: {type(error).__name__}: {error}") from error
    try:
        data = check_matrix("X", rows.data, check_finite=False)
        if data.shape[1] != n_columns:
            raise ValueError(f"X has {data.shape[1]} columns, but {n_columns} were expected.")
        if n_rows is not None and data.shape[0] != n_rows:
            raise ValueError(f"X has {data.shape[0]} rows, but {n_rows} were expected: did the data change?")
        targets = None
        if rows.targets is not None:
            targets = check_targets("y", rows.targets, data.shape[0]).reshape(data.shape[0], -1)
        weights = _checked_weights(rows.weights, data.shape[0])
    except (ValueError, TypeError) as error:
        raise BlockError(f"{where}: {error}") from error
    return Block(number, first_row, data, targets, weights, part.place)


def _checked_weights(weights, n_rows: int) -> np.ndarray | None:
    """As `check_weights`, but a whole block may have weight zero."""
    if weights is None:
        return None
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape == (n_rows,) and not weights.any():
        return weights
    return check_weights("sample_weight", weights, n_rows)


def require_finite(block: Block) -> None:
    """Raise the error that names the first NaN or infinity of a block, if there is one."""
    try:
        check_matrix("X", block.data)
    except ValueError as error:
        raise BlockError(
            f"block {block.number} ({block.place}), counted from its first row: {error}"
        ) from error


def keep_features(estimator, blocks: RowBlocks) -> None:
    """Set what scikit-learn keeps of the features: their number, and their names where there are some."""
    estimator.n_features_in_ = blocks.n_columns
    estimator.__dict__.pop("feature_names_in_", None)
    if blocks.source.names is not None:
        estimator.feature_names_in_ = np.array(blocks.source.names, dtype=object)
