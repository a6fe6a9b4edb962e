"""The observed entries of a matrix as blocks of triplets: row, column, value, and a weight where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from ..validation import check_count
from .arrays import BLOCK_BYTES, Slice, SlicedPart, as_file, npy_file
from .blocks import Block, BlockError, RowBlocks
from .reduce import reduce_blocks
from .sources import row_blocks

#: Entries of a partition: some 50 MB, and tenths of a second of work a sweep.
PARTITION_ENTRIES = 1 << 21
# Bytes of a triplet as it is read.
_TRIPLET = 24


class Triplets(NamedTuple):
    """Some entries of a matrix, by their places.

    Attributes
    ----------
    rows, columns : ndarray of int64, shape (n_entries,)
    values : ndarray of float64, shape (n_entries,)
    weights : ndarray of float64, shape (n_entries,), or None
        Above 0: entries of weight zero are left out.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None


@dataclass(frozen=True)
class EntryBlocks:
    """The observed entries of a matrix, wherever they lie; made by `entry_blocks`.

    Attributes
    ----------
    blocks : RowBlocks
        Their rows are triplets.
    given_shape : tuple of int, or None
        None where the largest numbers say it.
    partition_entries : int
        About how many entries make a partition.
    """

    blocks: RowBlocks
    given_shape: tuple[int, int] | None
    partition_entries: int

    def using(self, **changes) -> EntryBlocks:
        """The same entries with another scheduler or progress; see `RowBlocks.using`."""
        return replace(self, blocks=self.blocks.using(**changes))

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix; one pass where it was not given."""
        return self.given_shape or tuple(counts.size for counts in self.counts)  # type: ignore[return-value]

    @property
    def n_entries(self) -> int:
        """Entries, one for each triplet; one pass."""
        return int(self.counts[0].sum())

    @cached_property
    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """How many triplets each row has, and each column; one pass."""
        found = reduce_blocks(self.blocks, _Counts(self.given_shape), combine=_added)
        return found[0], found[1]

    def __iter__(self) -> Iterator[Triplets]:
        """Read the entries, block after block."""
        return (triplets(block, self.given_shape) for block in self.blocks)


def entry_blocks(
    source,
    *,
    shape=None,
    rows="row",
    columns="column",
    values="value",
    weights=None,
    block_rows=None,
    partition_entries=PARTITION_ENTRIES,
    scheduler=None,
    progress=None,
) -> EntryBlocks:
    """See the observed entries of a matrix as blocks of triplets; nothing is read but shapes.

    Parameters
    ----------
    source : tuple of arrays or paths, scipy sparse array or matrix, or any source of `row_blocks`
        Row numbers, column numbers, values, and weights if there are any: as a tuple of vectors, memory maps or paths
        of ``.npy`` files; as the columns of an array, ``.npy`` or Zarr file, Dask array, or of what an iterator
        yields; or as columns of a Parquet table or data frame, found by their names. A sparse matrix's stored entries
        are its triplets. Numbers count from 0. Values of the same place are summed up, as scipy does.
    shape : tuple of int, optional
        Of the matrix; one more than the largest numbers unless given.
    rows, columns, values : str
        Names of columns, for Parquet and data frames.
    weights : str, optional
        The same, of weights.
    block_rows : int, optional
        Triplets of a block, where blocks are cut from arrays; blocks of 128 MiB unless given.
    partition_entries : int, default=2**21
        About how many entries make a partition, which one worker holds and works on at a time.
    scheduler, progress
        As of `row_blocks`.

    Returns
    -------
    EntryBlocks

    Raises
    ------
    ValueError
        For what is no source; `BlockError`, which is one, for numbers that are none of the matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.streams import entry_blocks
    >>> entries = entry_blocks((np.array([0, 2, 2]), np.array([1, 0, 3]), np.array([5.0, 3.0, 4.0])))
    >>> entries.shape, entries.n_entries
    ((3, 4), 3)
    """
    if shape is not None:
        shape = tuple(check_count("shape", size) for size in shape)
        if len(shape) != 2:
            raise ValueError(f"shape={shape!r} must be two numbers, of rows and of columns.")
    if scipy.sparse.issparse(source):
        shape, source = shape or source.shape, _stored(source)
    if isinstance(source, (tuple, list)):
        made: Any = _vectors(source, block_rows)
        blocks = RowBlocks(made, scheduler or "serial", progress)
    else:
        is_table = hasattr(source, "columns") or _is_parquet(source)
        names = {"target": values, "sample_weight": weights, "columns": [rows, columns]} if is_table else {}
        blocks = row_blocks(source, **names, block_rows=block_rows, scheduler=scheduler, progress=progress)
        if not is_table and blocks.n_columns not in (3, 4):
            raise ValueError(
                f"source has {blocks.n_columns} columns: give three, row, column and value, or four with weights."
            )
    blocks.require_passes("a fit of entries")
    return EntryBlocks(blocks, shape, check_count("partition_entries", partition_entries))


def _stored(matrix) -> tuple:
    stored = matrix.tocoo()
    return stored.row, stored.col, stored.data


def _is_parquet(source) -> bool:
    if not isinstance(source, (str, Path)):
        return False
    path = Path(source)
    return path.suffix in (".parquet", ".pq") or (
        path.is_dir() and path.suffix != ".zarr" and next(path.glob("**/*.parquet"), None) is not None
    )


@dataclass(frozen=True)
class _Pair:
    """Some row and column numbers, from two vectors."""

    rows: Slice
    columns: Slice

    def load(self) -> np.ndarray:
        """Both as columns."""
        return np.column_stack([self.rows.load(), self.columns.load()])


@dataclass(frozen=True)
class _VectorSource:
    """Blocks of vectors of row numbers, column numbers, values and weights; a `Source`."""

    vectors: tuple
    block_rows: int
    n_columns: int = 2
    names: tuple[str, ...] | None = None
    flat_targets: bool = True
    passes: str = "many"
    grouped: bool = True
    wants_dask: bool = False

    @property
    def lengths(self) -> tuple[int, ...]:
        """Triplets of each block."""
        return tuple(stop - start for start, stop in self._ranges())

    def _ranges(self):
        n, step = self.vectors[0].shape[0], self.block_rows
        return [(start, min(start + step, n)) for start in range(0, n, step)]

    def parts(self, start: int = 0) -> Iterator[SlicedPart]:
        """The blocks from number `start` on."""
        for first, last in self._ranges()[start:]:
            cut = [Slice(vector, first, last) for vector in self.vectors]
            pair: Any = _Pair(cut[0], cut[1])
            yield SlicedPart(f"triplets {first} to {last}", pair, *cut[2:])


def _vectors(given, block_rows) -> _VectorSource:
    if len(given) not in (3, 4):
        raise ValueError(
            f"source holds {len(given)} vectors: give rows, columns and values, and weights if there are any."
        )
    vectors = tuple(
        npy_file(Path(one))
        if isinstance(one, (str, Path))
        else as_file(one if hasattr(one, "shape") else np.asarray(one))
        for one in given
    )
    shapes = [tuple(one.shape) for one in vectors]
    if len(shapes[0]) != 1 or len(set(shapes)) != 1 or shapes[0][0] == 0:
        raise ValueError(
            f"source holds vectors of shapes {shapes}: give one number an entry, and one entry or more."
        )
    rows = BLOCK_BYTES // _TRIPLET if block_rows is None else check_count("block_rows", block_rows)
    return _VectorSource(vectors, rows)


def triplets(block: Block, shape: tuple[int, int] | None = None) -> Triplets:
    """The entries of a block, checked.

    Raises
    ------
    BlockError
        For numbers that are not whole, or none of the matrix, and for values and weights that are not finite.
    """
    where = f"block {block.number} ({block.place})"
    data = block.dense() if scipy.sparse.issparse(block.data) else block.data
    if block.targets is None:
        if data.shape[1] < 3:
            raise BlockError(
                f"{where} has {data.shape[1]} columns: give row, column, value, and a weight if any."
            )
        values = np.ascontiguousarray(data[:, 2], dtype=np.float64)
        weights = np.ascontiguousarray(data[:, 3], dtype=np.float64) if data.shape[1] > 3 else None
    else:
        values, weights = np.ascontiguousarray(block.targets[:, 0]), block.weights
    rows, columns = (
        _numbers(where, name, data[:, k], None if shape is None else shape[k])
        for k, name in enumerate(("row", "column"))
    )
    _require(where, "value", np.isfinite(values), values, "a finite number")
    if weights is not None:
        _require(where, "weight", np.isfinite(weights) & (weights >= 0.0), weights, "finite, and at least 0")
        kept = weights > 0.0
        if not kept.all():  # weight zero is as good as not observed
            rows, columns, values, weights = rows[kept], columns[kept], values[kept], weights[kept]
    return Triplets(rows, columns, values, weights)


def _numbers(where, name, given, size) -> np.ndarray:
    numbers = given.astype(np.int64) if given.dtype.kind in "iub" else None
    if numbers is None:
        _require(where, name, np.isfinite(given) & (given == np.floor(given)), given, "a whole number")
        numbers = given.astype(np.int64)
    if numbers.size and (numbers.min() < 0 or (size is not None and numbers.max() >= size)):
        good = (numbers >= 0) & (numbers < (np.inf if size is None else size))
        _require(where, name, good, numbers, "at least 0" if size is None else f"in [0, {size})")
    return numbers


def _require(where, name, good, given, what) -> None:
    if not good.all():
        place = int(np.argmin(good))
        raise BlockError(f"{where}: {name} {given[place]} of its triplet {place} is not {what}.")


@dataclass(frozen=True)
class _Counts:
    """Triplets of each row and column, in one block."""

    shape: tuple[int, int] | None

    def __call__(self, block: Block) -> tuple:
        found = triplets(block, self.shape)
        least = self.shape or (0, 0)
        return tuple(
            np.bincount(numbers, minlength=size)
            for numbers, size in zip((found.rows, found.columns), least, strict=True)
        )


def _added(total: tuple, part: tuple) -> tuple:
    """The sum of counts that may end sooner or later."""
    out = []
    for have, new in zip(total, part, strict=True):
        longer, shorter = (have, new) if have.size >= new.size else (new, have)
        longer[: shorter.size] += shorter
        out.append(longer)
    return tuple(out)
