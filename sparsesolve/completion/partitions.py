"""Observed entries in partitions, by rows and again by columns, that stay where they are: the face of `Observations`.

What engines ask of the entries goes through a few functions, of which each works on the rows of one partition as it
would on all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np

from ..streams.entries import EntryBlocks
from ..streams.held import Held, hold
from .observations import Side, Sizes, sizes_of
from .partition_medians import median
from .partition_steps import START, Parcel, Plan, Step, carry_out, living
from .partitioning import Assemble, Cut, Split, edges_of
from .regressions import Regressions, Ridge, RowFunction


@dataclass(frozen=True)
class Partitions:
    """The entries in partitions, some steps on: the face of `Observations`, which says what its methods do.

    Attributes
    ----------
    held : Held
        The partitions: those by rows, then those by columns.
    cut : Cut
    counts : tuple of ndarray
        Entries of each row, and of each column.
    step : Step
        What values and weights have become.
    """

    held: Held
    cut: Cut
    counts: tuple[np.ndarray, np.ndarray]
    step: Step = START

    at_hand = False

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix."""
        return self.cut.shape

    @property
    def n_entries(self) -> int:
        """How many entries were observed."""
        return int(self.counts[0].sum())

    @cached_property
    def sizes(self) -> Sizes:
        """How large values and weights are."""
        found = [one for one in self.collected(_sizes) if one is not None]
        return reduce(Sizes.joined, found)

    @property
    def least_weight(self) -> float:
        """The smallest weight of an observed entry."""
        return self.sizes.least_weight

    @property
    def rows(self) -> PartitionedSide:
        """Entries by rows."""
        return PartitionedSide(self, 0)

    @property
    def columns(self) -> PartitionedSide:
        """Entries by columns."""
        return PartitionedSide(self, 1)

    def along(self, function: Callable, *local) -> Step:
        """One number for each entry, which stays with it."""
        return self.step.then(function, local, is_kept=True)

    def mapped(self, function: Callable, *local, arguments: tuple = ()) -> Partitions:
        """The same places with other values and weights."""
        return replace(self, step=self.step.then(_Mapped(function), local, arguments))

    def collected(self, function: Callable, *local, arguments: tuple = ()) -> list:
        """What a function makes of each of the partitions by rows."""
        return self.call(0, self.step, function, local, arguments)

    def summed(self, function: Callable, *local, arguments: tuple = ()) -> tuple:
        """The sums of what a function makes of each of the partitions by rows."""
        parts = self.collected(function, *local, arguments=arguments)
        return tuple(sum(terms) for terms in zip(*parts, strict=True))

    def median(self, numbers: Step) -> float:
        """Of one number for each entry."""
        return median(self.n_entries, numbers, self.collected)

    def call(self, axis: int, step: Step, function, local=(), arguments=(), own=(), others=()) -> list:
        """Call ``function(made, *own, *others, *local, *arguments)`` on partitions, with their rows of `own`."""
        parcel = Parcel()
        plan = Plan(
            parcel.steps(step),
            function,
            tuple(parcel.place(array) for array in others),
            parcel.local(local),
            arguments,
            living(),
        )
        edges, numbers = self.cut.edges(axis), self.cut.numbers(axis)
        each = [
            (plan, tuple(array[first:last] for array in own)) for first, last in itertools.pairwise(edges)
        ]
        return self.held.call(carry_out, numbers.start, numbers.stop, each, tuple(parcel.arrays))


@dataclass(frozen=True)
class _Mapped:
    """A function that returns values and weights, as one from entries to entries."""

    function: Callable

    def __call__(self, side: Side, *arguments) -> Side:
        values, weights = self.function(side, *arguments)
        return side._replace(values=values, weights=weights)


@dataclass(frozen=True)
class PartitionedSide:
    """The entries by rows or by columns: the face of `Side`, as far as it does not show them."""

    entries: Partitions
    axis: int

    def posed(self, function: Callable, how: tuple) -> PartitionedRegressions:
        """The row regressions."""
        return pose_partitions(
            self.entries, self.axis, self.entries.step.then(function, (), how, is_kept=True), how[-1]
        )


@dataclass(frozen=True)
class PartitionedRegressions(Ridge):
    """Regressions on partitions: the face of `Regressions`."""

    entries: Partitions
    axis: int
    step: Step
    dtype: np.dtype
    masses: np.ndarray
    penalties: np.ndarray
    background: float

    @property
    def n_entries(self) -> int:
        """Entries of all rows."""
        return self.entries.n_entries

    @property
    def n_rows(self) -> int:
        """Regressions."""
        return len(self.masses)

    @cached_property
    def energy(self) -> float:
        """Weighted sum of all squared values."""
        return self.over(_energy)[1][0]

    def over(self, function: RowFunction, own: tuple = (), others: tuple = (), arguments: tuple = ()):
        """As `Regressions.over` says, on the partitions side by side; sums are taken in their order."""
        found = self.entries.call(self.axis, self.step, function, (), arguments, own, others)
        arrays = tuple(np.concatenate(parts) for parts in zip(*(one for one, _ in found), strict=True))
        return arrays, tuple(float(sum(terms)) for terms in zip(*(one for _, one in found), strict=True))

    def shifted(self, effects: np.ndarray, level: float) -> PartitionedRegressions:
        """The same regressions on what is left of the values without effects of the columns and a level."""
        return replace(self, step=self.step.then(Regressions.shifted, (effects, level)))

    def at_precision(self, dtype) -> PartitionedRegressions:
        """The same regressions with values and weights of another type."""
        step = self.step.then(Regressions.at_precision, (), (dtype,), is_kept=True)
        return replace(self, step=step, dtype=np.dtype(dtype))


def pose_partitions(entries: Partitions, axis: int, step: Step, dtype) -> PartitionedRegressions:
    """The regressions that a step makes of the entries."""
    found = entries.call(axis, step, _masses_and_penalties)
    masses, penalties = (np.concatenate(parts) for parts in zip(*((m, p) for m, p, _ in found), strict=True))
    return PartitionedRegressions(entries, axis, step, np.dtype(dtype), masses, penalties, found[0][2])


def _masses_and_penalties(side: Regressions) -> tuple:
    return side.masses, side.penalties, side.background


def _energy(side: Regressions):
    return (), (side.energy,)


def _sizes(side: Side) -> Sizes | None:
    return sizes_of(side) if side.values.size else None


def partitioned(blocks: EntryBlocks) -> Partitions:
    """Read entry blocks, and hold them in partitions by rows and by columns, where their scheduler says.

    Two passes over the blocks: one counts, the other one brings each entry to its two partitions.

    Raises
    ------
    ValueError
        Where nothing was observed; BlockError for what is no entry of the matrix.
    """
    shape, counts = blocks.shape, blocks.counts
    if counts[0].sum() == 0:
        raise ValueError("the entry blocks hold no entry, or weights of zero alone: give some.")
    cut = Cut(shape, *(edges_of(own, blocks.partition_entries) for own in counts))
    held = hold(blocks.blocks, Split(cut), Assemble(cut), cut.n_parts)
    entries = Partitions(held, cut, counts)
    rows, columns = (np.concatenate(entries.call(axis, START, _counts_of)) for axis in (0, 1))
    return replace(entries, counts=(rows, columns))  # where a place was stored twice it counts once


def _counts_of(side: Side) -> np.ndarray:
    return side.counts
