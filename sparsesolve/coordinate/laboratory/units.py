"""What a block is made of: coordinates, or whole groups where the penalty has groups."""

from __future__ import annotations

import numpy as np

from ...prox import Penalty


class Units:
    """Coordinates, or groups of them, that a block takes or leaves as a whole.

    Parameters
    ----------
    penalty : Penalty
    n_coordinates : int
    """

    def __init__(self, penalty: Penalty, n_coordinates: int):
        groups = penalty.groups
        self._groups = None if groups is None else [np.sort(group).astype(np.int64) for group in groups]
        self.sizes = (
            np.ones(n_coordinates, np.int64) if groups is None else np.array([len(g) for g in groups])
        )
        self.count = self.sizes.size
        self.n_coordinates = n_coordinates
        if int(self.sizes.sum()) != n_coordinates:
            raise ValueError(
                f"The penalty's groups hold {self.sizes.sum()} coordinates, but the problem has {n_coordinates}."
            )
        if self._groups is not None:
            self._unit_of = np.empty(n_coordinates, np.int64)
            for number, group in enumerate(self._groups):
                self._unit_of[group] = number

    def coordinates(self, units: np.ndarray) -> np.ndarray:
        """The coordinates of some units, in their order."""
        return units if self._groups is None else np.concatenate([self._groups[unit] for unit in units])

    def units_of(self, coordinates: np.ndarray) -> np.ndarray:
        """The units that some coordinates make up, in ascending order of groups; as given without groups."""
        return coordinates if self._groups is None else np.unique(self._unit_of[coordinates])

    def largest(self, values: np.ndarray) -> np.ndarray:
        """The largest entry of each unit, from one for each coordinate."""
        if self._groups is None:
            return values
        out = np.full(self.count, -np.inf)
        np.maximum.at(out, self._unit_of, values)
        return out

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sum of each unit, from one value for each coordinate."""
        return values if self._groups is None else np.bincount(self._unit_of, values, self.count)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """One value for each coordinate, from one for each unit."""
        return values if self._groups is None else values[self._unit_of]

    def cut(self, order: np.ndarray, block_size: int) -> list[np.ndarray]:
        """Consecutive runs of units, as blocks of at most `block_size` coordinates, or of a single unit."""
        if self._groups is None:
            return [order[first : first + block_size] for first in range(0, order.size, block_size)]
        blocks: list[np.ndarray] = []
        members: list[int] = []
        size = 0
        for unit in order:
            if members and size + self.sizes[unit] > block_size:
                blocks.append(self.coordinates(np.array(members)))
                members, size = [], 0
            members.append(unit)
            size += self.sizes[unit]
        return [*blocks, self.coordinates(np.array(members))]

    def best(self, scores: np.ndarray, block_size: int) -> np.ndarray:
        """The units of the largest scores that fill a block; at least one."""
        if self._groups is None:
            size = min(block_size, scores.size)
            return np.argpartition(scores, scores.size - size)[scores.size - size :]
        order = np.argsort(-scores, kind="stable")
        fitting = np.searchsorted(np.cumsum(self.sizes[order]), block_size, side="right")
        return order[: max(1, int(fitting))]
