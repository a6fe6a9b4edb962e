"""Parts of the data that stay where they are worked on: here, or in the memory of Dask's workers.

Blocks are split into pieces, each part is put together from its pieces of all blocks, once; then functions are called
on the parts again and again, and only what functions are given and what they return travels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from .blocks import Block, RowBlocks, read
from .reduce import Group, block_groups

#: Makes the pieces of one block, one for each part.
Split = Callable[..., list]
#: Puts a part together, given its number and its pieces in the order of the blocks.
Assemble = Callable[[int, list], Any]


class Held(Protocol):
    """Some parts, and a way to call functions on them."""

    n_parts: int

    def call(self, function: Callable, first: int, last: int, each: Sequence[tuple], shared: tuple) -> list:
        """Return ``function(part, *each[k], *shared)`` for the parts from `first` to `last`, in order.

        Functions are pure, but for what they keep on a part to save work: they may be called again.
        """


class HeldHere:
    """Parts in this process, worked on one after the other, each with all threads."""

    def __init__(self, blocks: RowBlocks, split: Split, assemble: Assemble, n_parts: int):
        self.n_parts = n_parts
        pieces: list[list] = [[] for _ in range(n_parts)]
        for group in block_groups(blocks):
            for own, new in zip(pieces, split_group(split, n_parts, group), strict=True):
                own.extend(new)
        self._parts = []
        for number in range(n_parts):
            self._parts.append(assemble(number, pieces[number]))
            pieces[number] = []

    def call(self, function: Callable, first: int, last: int, each: Sequence[tuple], shared: tuple) -> list:
        """As `Held` says."""
        return [
            function(part, *own, *shared) for part, own in zip(self._parts[first:last], each, strict=True)
        ]


def hold(blocks: RowBlocks, split: Split, assemble: Assemble, n_parts: int) -> Held:
    """Read all blocks once, and keep the parts where the blocks' scheduler says.

    Parameters
    ----------
    blocks : RowBlocks
        On Dask workers they may be read again, where a worker was lost.
    split : callable
        Takes a `Block` and returns a list of `n_parts` pieces. For Dask it is pickled.
    assemble : callable
        Takes the number of a part and the list of its pieces, and returns the part. Its ``__sizeof__`` tells Dask how
        large it is.
    n_parts : int

    Returns
    -------
    Held
    """
    if isinstance(blocks.scheduler, str) and blocks.scheduler in ("serial", "threads"):
        return HeldHere(blocks, split, assemble, n_parts)
    from .held_by_dask import HeldByDask

    return HeldByDask(blocks, partial(split_group, split, n_parts), assemble, n_parts)


def _read_group(group: Group) -> Iterator[Block]:
    row = group.first_row
    for k, part in enumerate(group.parts):
        block = read(part, group.number + k, row, group.n_columns, group.lengths[k])
        row += block.n_rows
        yield block


def split_group(split: Split, n_parts: int, group: Group) -> list[list]:
    """For each part the pieces of some consecutive blocks."""
    pieces: list[list] = [[] for _ in range(n_parts)]
    for block in _read_group(group):
        for own, new in zip(pieces, split(block), strict=True):
            own.append(new)
    return pieces
