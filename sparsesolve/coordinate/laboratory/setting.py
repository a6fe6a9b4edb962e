"""What the choices of a run share: the problem, its units and blocks, curvatures, and random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...prox import Zero
from .block_model import largest_eigenvalue
from .problems import Problem
from .units import Units


class Chosen(NamedTuple):
    """A block, and its number in the fixed partition, None for a variable block."""

    block: np.ndarray
    number: int | None


@dataclass
class Setting:
    """Everything that stays the same during a run.

    Attributes
    ----------
    problem : Problem
    units : Units
    block_size : int
    random : numpy.random.Generator
    first : state
        Where the run begins; never changed.
    use_bound : bool
        Whether blocks are modelled with the bound that holds everywhere; else with the Hessian at the state.
    blocks : list of ndarray, or None
        A fixed partition.
    largest : float, or None
        Largest eigenvalue of the model's matrix of all coordinates, once it is known.
    """

    problem: Problem
    units: Units
    block_size: int
    random: np.random.Generator
    first: Any
    use_bound: bool
    blocks: list[np.ndarray] | None = None
    largest: float | None = None

    @cached_property
    def is_smooth(self) -> bool:
        """Whether there is no penalty."""
        return isinstance(self.problem.penalty, Zero)

    @cached_property
    def bounds(self) -> np.ndarray | None:
        """Lipschitz constants of the coordinates, if there are any."""
        return self.problem.lipschitz()

    @cached_property
    def scales(self) -> np.ndarray:
        """The same; where there are none, the Hessian's diagonal at the start."""
        return self.problem.hessian_diagonal(self.first) if self.bounds is None else self.bounds

    def curvatures(self, state) -> np.ndarray:
        """Positive curvatures of the coordinates for this state, constant on groups."""
        if self.bounds is None or not (self.use_bound or self.problem.is_quadratic):
            return self.positive(self.problem.hessian_diagonal(state))
        return self._bounds

    @cached_property
    def _bounds(self):
        return self.positive(self.bounds)

    def positive(self, values: np.ndarray) -> np.ndarray:
        """Curvatures made constant on groups, and positive: a coordinate without any moves as far as it may."""
        values = self.units.spread(self.units.largest(values))
        return np.maximum(values, max(1e-14 * values.max(initial=0.0), 1e-300))

    def block_matrix(self, state, block: np.ndarray) -> np.ndarray:
        """The matrix of the block's quadratic model."""
        matrix = self.problem.bound_block(block) if self.use_bound else None
        return self.problem.hessian_block(state, block) if matrix is None else matrix

    def model_product(self, state, block: np.ndarray, d: np.ndarray) -> np.ndarray:
        """The model's matrix of all coordinates times a step in a block."""
        product = self.problem.bound_product(block, d) if self.use_bound else None
        return self.problem.hessian_product(state, block, d) if product is None else product

    def block_bound(self, block: np.ndarray) -> float:
        """L_b: the largest eigenvalue of the bounding matrix; of the Hessian at the start where there is no bound."""
        matrix = self.problem.bound_block(block)
        matrix = self.problem.hessian_block(self.first, block) if matrix is None else matrix
        return max(largest_eigenvalue(matrix), 0.0)

    @cached_property
    def block_bounds(self) -> np.ndarray:
        """L_b of every fixed block."""
        return np.array([self.block_bound(block) for block in self.fixed_blocks])

    @property
    def fixed_blocks(self) -> list[np.ndarray]:
        """The fixed partition, where there is one."""
        if self.blocks is None:
            raise RuntimeError("there are no fixed blocks; this is a fault of sparsesolve")
        return self.blocks
