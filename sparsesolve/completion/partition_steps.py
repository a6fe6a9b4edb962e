"""A partition of the observed entries, and steps that say what is to be made of them where they lie.

A partition repeats steps for itself when it is first asked for what they make. It keeps that, where the step says so,
as long as somebody can still ask for it.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .completed import Biases, Completed
from .factors import Factors
from .observations import Side

_tokens = itertools.count()


class Partition:
    """Some rows of the matrix, or of the transposed one, with what was made of their entries.

    Parameters
    ----------
    axis : {0, 1}
    rows : slice
    side : Side
    """

    def __init__(self, axis: int, rows: slice, side: Side):
        self.axis, self.rows, self.side = axis, rows, side
        self._kept: dict[int, Any] = {}

    def __sizeof__(self) -> int:
        return sum(array.nbytes for array in self.side)

    def __reduce__(self):
        return Partition, (self.axis, self.rows, self.side)

    def forget(self, living: frozenset) -> None:
        """Let go of what nobody can ask for any more."""
        for token in [token for token in self._kept if token not in living]:
            self._kept.pop(token, None)

    def made(self, steps: tuple[_Sent, ...], shared: tuple) -> Any:
        """What the steps make of the entries."""
        first = max((k + 1 for k, step in enumerate(steps) if step.token in self._kept), default=0)
        value = self._kept[steps[first - 1].token] if first else self.side
        for step in steps[first:]:
            value = step.function(value, *(one.on(self, shared) for one in step.local), *step.arguments)
            if step.is_kept:
                self._kept[step.token] = value
        return value


@dataclass(frozen=True, eq=False)
class Step:
    """What is to be made of the entries of a partition: by a function, after the steps before it."""

    function: Callable
    local: tuple = ()
    arguments: tuple = ()
    before: Step | None = None
    is_kept: bool = False
    token: int = 0

    def then(self, function, local=(), arguments=(), is_kept=False) -> Step:
        """A further step."""
        step = Step(function, local, arguments, self, is_kept, next(_tokens))
        if is_kept:
            _alive.add(step)
        return step

    @property
    def all(self) -> list[Step]:
        """All steps, the first one first."""
        return [] if self.before is None else [*self.before.all, self]


#: Stands for no step.
START = Step(len)
_alive: weakref.WeakSet[Step] = weakref.WeakSet()


def living() -> frozenset:
    """Tokens of the steps that somebody can still ask for."""
    return frozenset(one.token for one in _alive)


class _Sent(NamedTuple):
    """A step as it travels."""

    token: int
    is_kept: bool
    function: Callable
    local: tuple
    arguments: tuple


class _Number(NamedTuple):
    """The same for all partitions."""

    value: Any

    def on(self, partition: Partition, shared: tuple):
        return self.value


class _Shared(NamedTuple):
    """An array that all partitions are given."""

    place: int

    def on(self, partition: Partition, shared: tuple):
        return shared[self.place]


class _Iterate(NamedTuple):
    """A completion, of which a partition needs its own rows."""

    places: tuple[int, ...]
    mean: float | None

    def on(self, partition: Partition, shared: tuple) -> Completed:
        A, B, *effects = (shared[place] for place in self.places)
        found = Completed(Factors(A, B), None if self.mean is None else Biases(self.mean, *effects))
        return (found.transposed if partition.axis else found).within(partition.rows)


class _Made(NamedTuple):
    """What other steps make of the partition."""

    steps: tuple[_Sent, ...]

    def on(self, partition: Partition, shared: tuple):
        return partition.made(self.steps, shared)


class Parcel:
    """What is sent to all partitions: steps, and the arrays that they refer to."""

    def __init__(self):
        self.arrays: list[np.ndarray] = []

    def place(self, array: np.ndarray) -> int:
        """Where an array is in the parcel: it is put there once."""
        for place, known in enumerate(self.arrays):
            if known is array:
                return place
        self.arrays.append(array)
        return len(self.arrays) - 1

    def steps(self, step: Step) -> tuple[_Sent, ...]:
        """Steps as they travel."""
        return tuple(
            _Sent(one.token, one.is_kept, one.function, self.local(one.local), one.arguments)
            for one in step.all
        )

    def local(self, given: tuple) -> tuple:
        """Arguments of which each partition takes what is its own."""
        return tuple(self._of_kind(one) for one in given)

    def _of_kind(self, one):
        if isinstance(one, Step):
            return _Made(self.steps(one))
        if isinstance(one, np.ndarray):
            return _Shared(self.place(one))
        if isinstance(one, Completed):
            effects = () if one.biases is None else (one.biases.rows, one.biases.columns)
            mean = None if one.biases is None else one.biases.mean
            return _Iterate(tuple(self.place(array) for array in (*one.factors, *effects)), mean)
        return _Number(one)


class Plan(NamedTuple):
    """What a partition is to do."""

    steps: tuple[_Sent, ...]
    function: Callable
    others: tuple[int, ...]
    local: tuple
    arguments: tuple
    living: frozenset


def carry_out(partition: Partition, plan: Plan, own: tuple, *shared):
    """Call the plan's function on what its steps make of a partition."""
    partition.forget(plan.living)
    made = partition.made(plan.steps, shared)
    others = (shared[place] for place in plan.others)
    local = (one.on(partition, shared) for one in plan.local)
    # What was sent may be somebody else's, or must not be written to.
    return plan.function(made, *(array.copy() for array in own), *others, *local, *plan.arguments)
