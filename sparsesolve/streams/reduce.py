"""Sums over row blocks: one tree, whoever works on the blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from .blocks import Block, Part, RowBlocks, len_of, read, require_finite
from .checkpoint import Checkpoint, Kept, contents_name
from .schedulers import group_values

# From so many blocks on, some consecutive ones make a group, which one worker sums.
_GROUPS = 256

Values = tuple[np.ndarray, ...]
MapFunction = Callable[[Block], tuple]
Combine = Callable[[Values, Values], Values]


class Progress(NamedTuple):
    """How far a pass over the blocks has come.

    Attributes
    ----------
    pass_number : int
        From 1 on.
    blocks_done : int
    n_blocks : int or None
        None where nobody knows before the end.
    rows_done : int
    """

    pass_number: int
    blocks_done: int
    n_blocks: int | None
    rows_done: int


class Group(NamedTuple):
    """Consecutive parts that are summed as one: what is sent to a worker."""

    parts: list[Part]
    number: int
    first_row: int
    n_columns: int
    lengths: list[int | None]


class GroupValue(NamedTuple):
    """What comes back: the sums, and the block and row that come next."""

    next_block: int
    next_row: int
    values: Values


def added(total: Values, part: Values) -> Values:
    """The entrywise sum; `total` is overwritten."""
    for have, new in zip(total, part, strict=True):
        have += new
    return total


def reduce_blocks(
    blocks: RowBlocks,
    map_function: MapFunction,
    *,
    combine: Combine = added,
    checkpoint: Checkpoint | None = None,
    pass_number: int = 0,
    every: int = 1,
) -> Values:
    """Return the sum over all blocks of what a function makes of each. One pass over the data.

    Parameters
    ----------
    blocks : RowBlocks
        Also says where to work: in this process, on threads, or on Dask workers.
    map_function : callable
        Takes a `Block` and returns a tuple of arrays or numbers, always of the same shapes. For Dask it is pickled,
        with all that it refers to, and must not refer to the blocks.
    combine : callable
        Takes the values of some blocks and of the next ones, and returns those of both together; it may overwrite the
        first. Addition unless given.
    checkpoint : Checkpoint, optional
        Where sums are kept, and taken up again.
    pass_number : int
        Of the fit that this is a part of.
    every : int
        Take in only every so many-th block, for a first look.

    Returns
    -------
    tuple of ndarray

    Raises
    ------
    BlockError
        Names the block, its file and its place there: for what cannot be read, another number of columns, or entries
        that are not finite.

    Notes
    -----
    Blocks are summed in order within groups of consecutive ones, and the groups in order. Groups depend on the number
    of blocks alone, so that any scheduler gives the same answer: the same bits serially and on threads; on workers as
    far as their libraries give the same bits for a block.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.streams import reduce_blocks, row_blocks
    >>> blocks = row_blocks(np.arange(12.0).reshape(6, 2), block_rows=4)
    >>> reduce_blocks(blocks, lambda block: (block.data.sum(axis=0), block.n_rows))
    (array([30., 36.]), array(6))
    """
    kept = None if checkpoint is None else checkpoint.load(pass_number)
    if kept is not None and kept.complete:
        return kept.values
    total, n_blocks, n_rows = (None, 0, 0) if kept is None else (kept.values, kept.n_blocks, kept.n_rows)
    saved = n_blocks
    groups = block_groups(blocks, n_blocks, n_rows, every)
    lengths = blocks.known_lengths
    expected = None if lengths is None else len(lengths)
    values = group_values(blocks.scheduler, groups, _GroupSum(map_function, combine))
    try:
        for value in values:
            total = value.values if total is None else combine(total, value.values)
            n_blocks, n_rows = value.next_block, value.next_row
            if checkpoint is not None and n_blocks - saved >= blocks.checkpoint_every:
                checkpoint.save(pass_number, Kept(n_blocks, n_rows, False, total))
                saved = n_blocks
            if blocks.progress is not None:
                blocks.progress(Progress(pass_number, n_blocks, expected, n_rows))
    finally:
        values.close()
    if total is None:
        raise ValueError("the source has no block: it needs at least one row.")
    total = tuple(np.asarray(value) for value in total)
    if checkpoint is not None:
        checkpoint.save(pass_number, Kept(n_blocks, n_rows, True, total))
    return total


@dataclass(frozen=True)
class _GroupSum:
    """The sum over one group: what runs on a worker."""

    map_function: MapFunction
    combine: Combine

    def __call__(self, group: Group) -> GroupValue:
        total, row = None, group.first_row
        for k, part in enumerate(group.parts):
            block = read(part, group.number + k, row, group.n_columns, group.lengths[k])
            values = tuple(_owned(value) for value in self.map_function(block))
            if not all(np.all(np.isfinite(value)) for value in values):
                require_finite(block)
            total = values if total is None else self.combine(total, values)
            row += block.n_rows
            del block, values  # so that two blocks are never held at once
        assert total is not None
        return GroupValue(group.number + len(group.parts), row, total)


def _owned(value) -> np.ndarray:
    """A value as an array that sums may be written into."""
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        array = array.astype(np.int64)
    return array if array.flags.writeable and array.base is None else array.copy()


def group_size(n_blocks: int) -> int:
    """Blocks of a group: 1 for a few hundred blocks, the square root of very many."""
    return max(1, min(n_blocks // _GROUPS, math.isqrt(n_blocks)))


def block_groups(blocks: RowBlocks, start: int = 0, first_row: int = 0, every: int = 1) -> Iterator[Group]:
    """The groups from block `start` on, which is the first of one."""
    lengths = blocks.known_lengths
    size = group_size(len(lengths)) if lengths is not None and blocks.source.grouped and every == 1 else 1
    parts = blocks.parts(start)
    while some := list(islice(parts, size)):
        rows: list[int | None] = [None] if lengths is None else list(lengths[start : start + len(some)])
        if start % every == 0:
            yield Group(some, start, first_row, blocks.n_columns, rows)
        # Where lengths are not known, the part is one of an iterator, which knows its own.
        first_row += sum(
            len_of(part.load().data) if n is None else n for n, part in zip(rows, some, strict=True)
        )
        start += len(some)


class Passes:
    """The passes of one fit: numbered, so that an interrupted fit finds again what it had.

    Parameters
    ----------
    blocks : RowBlocks
    identity : object
        What, beside the data, tells this fit from another; see `Checkpoint`. Data are known by their shape, and by the
        numbers of the first block and of the last.
    """

    def __init__(self, blocks: RowBlocks, identity: Any = None):
        self.blocks = blocks
        self.count = 0
        self.checkpoint = None
        if blocks.checkpoint is not None:
            blocks.require_passes("a fit that can be resumed")
            shape = [blocks.lengths, blocks.n_columns]
            self.checkpoint = Checkpoint(blocks.checkpoint, [identity, shape, contents_name(blocks)])

    def remember(self, name: str, value):
        """A number that a resumed fit must have again, as the key of a sketch; see `Checkpoint.remember`."""
        return value if self.checkpoint is None else self.checkpoint.remember(name, value)

    def reduce(self, map_function: MapFunction, combine: Combine = added, every: int = 1) -> Values:
        """`reduce_blocks` as the next pass."""
        if self.count > 0:
            self.blocks.require_passes("this fit")
        number, self.count = self.count, self.count + 1
        return reduce_blocks(
            self.blocks,
            map_function,
            combine=combine,
            checkpoint=self.checkpoint,
            pass_number=number,
            every=every,
        )

    def done(self) -> None:
        """The fit has its answer: what was kept of it goes."""
        if self.checkpoint is not None:
            self.checkpoint.remove()
