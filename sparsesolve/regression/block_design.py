"""The least squares problem over row blocks: the same design, each of its passes a sum over the blocks.

A block is a small problem of its own, and whatever a pass adds up over rows adds up over blocks. So the engines run
unchanged, and nothing of the data is held but the block in work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .. import sketch as sketches
from ..backends.threads import blas_for
from ..exceptions import NumericalError
from ..operators import as_row_matrix
from ..streams import Block, Passes, RowBlocks
from .design import Block as ScaledBlock
from .design import Design, power_of_two_scale
from .factor import stacked_root
from .options import Options

# Files are read about so much slower than memory.
_REVISIT_COST = 8.0
# Targets of such sizes are squared as they are; see `Design.with_safe_targets`.
_SAFE_EXPONENT = 300
# A glance takes in at least so many blocks.
_FEWEST_SEEN = 2


@dataclass(frozen=True)
class BlockRows:
    """What is known of the matrix: its shape, not its entries."""

    source: RowBlocks
    shape: tuple[int, int]
    n_entries: int
    is_sparse: bool


class Part(NamedTuple):
    """A block as a problem, without penalty, and the row that it begins with."""

    design: Design
    first_row: int


@dataclass(frozen=True)
class Recipe:
    """How a block becomes a problem; sent to wherever blocks are worked on."""

    intercept: bool
    column_scale: np.ndarray
    target_scale: np.ndarray
    name: str

    def __call__(self, block: Block) -> Part:
        """The problem of one block."""
        root_weights = None if block.weights is None else np.sqrt(block.weights)
        targets = block.targets
        assert targets is not None
        if np.any(self.target_scale != 1.0):
            targets = targets * self.target_scale
        rows = as_row_matrix(block.data)
        design = Design(rows, targets, root_weights, self.intercept, 0.0, self.column_scale, self.name)
        return Part(design, block.first_row)


class _Pass(NamedTuple):
    """What one pass makes of a block: the sums asked for, and the squares of the targets."""

    recipe: Recipe
    of_part: Callable[[Part], tuple]

    def __call__(self, block: Block) -> tuple:
        part = self.recipe(block)
        with np.errstate(over="ignore", invalid="ignore"), blas_for(part.design.n_unknowns):
            return (*self.of_part(part), part.design.target_norms**2)


@dataclass(frozen=True)
class BlockDesign(Design):
    """A `Design` whose rows come in blocks.

    Attributes
    ----------
    passes : Passes
        The way through the blocks.
    target_scale : ndarray of shape (n_targets,)
        Powers of two that the targets are multiplied by.
    """

    passes: Any = None
    target_scale: np.ndarray = field(default_factory=lambda: np.ones(0))
    _seen: dict = field(default_factory=dict)

    @property
    def revisit_cost(self) -> float:
        """How much slower A is read than from memory."""
        return _REVISIT_COST

    @property
    def recipe(self) -> Recipe:
        """How a block becomes a problem."""
        return Recipe(self.intercept, self.column_scale, self.target_scale, self.name)

    def with_safe_targets(self):
        """As in `Design`; scales of targets are judged by the first block, as these scale with their unit."""
        return self, self.target_scale

    def require_finite(self, *made_of_it):
        """Raise the error for sums that overflow; blocks with a NaN or infinity have raised their own."""
        if not all(np.all(np.isfinite(array)) for array in made_of_it):
            raise NumericalError(
                f"a sum over {self.name} is beyond floating point: divide {self.name} by its largest entry."
            )

    def sample_of(self, name, size, key):
        """Draw a sketch of that name for all rows."""
        if name == "leverage":
            raise ValueError(
                "sketch='leverage' needs the whole matrix to draw rows from: use sketch='srht' for row blocks."
            )
        return sketches.from_name(name, size, key).sample(self.n_rows)

    def sketched(self, sample, one_in=1):
        """As in `Design`; a part of the rows is a part of the blocks, and some rows of each where these are few."""
        blocks: RowBlocks = self.rows.source
        if one_in > 1:
            return self._glanced(sample, blocks, one_in)
        (total,) = self._sum(lambda part: (_sketched(part, sample, part.design.n_rows),))
        return total

    def _glanced(self, sample, blocks, one_in):
        step = max(1, min(one_in, blocks.n_blocks // _FEWEST_SEEN))
        share = step / one_in
        lengths = blocks.lengths[::step]
        taken = sum(max(1, int(share * n)) for n in lengths)
        total = self._sum(
            lambda part: (_sketched(part, sample, max(1, int(share * part.design.n_rows))),), every=step
        )[0]
        return total * np.sqrt(self.n_rows / taken)

    def blocks(self, start=0, stop=None, least_rows=0) -> Iterator[ScaledBlock]:
        """Blocks are looked at where they are: ask for sums."""
        raise NotImplementedError("row blocks have no blocks of their own")

    def root(self):
        """As in `Design`: the factors of the blocks, folded into one."""
        width = self.n_unknowns
        (root,) = self._sum(lambda part: (part.design.root(),), _fold_roots)
        self._seen.setdefault("target_squares", (root[:, width:] ** 2).sum(axis=0))
        return np.asfortranarray(root)

    def sum_over_chunks(self, of_chunk):
        """As in `Design`."""
        return self._sum(lambda part: part.design.sum_over_chunks(of_chunk))

    def normal_residual(self, Z, use_targets=True):
        """As in `Design`."""
        gradient, objective = self._sum(lambda part: part.design.normal_residual(Z, use_targets))
        pull = self.penalty[:, None] * Z
        return gradient - pull, objective + np.einsum("ij,ij->j", pull, Z)

    @property
    def target_norms(self):
        """Norms of the weighted targets; known after any pass."""
        if "target_squares" not in self._seen:
            self._sum(lambda part: ())
        return np.sqrt(self._seen["target_squares"])

    def _sum(self, of_part, combine=None, every=1):
        """The sums over all blocks of a tuple; the squares of the targets ride along."""
        *values, squares = self.passes.reduce(
            _Pass(self.recipe, of_part), *([] if combine is None else [combine]), every=every
        )
        if every == 1:
            self._seen.setdefault("target_squares", squares)
        return tuple(values)


def block_design(
    blocks: RowBlocks, options: Options, intercept: bool, alpha: float, name: str, random_state=None
):
    """Return the problem over row blocks, and the options with the key that a resumed fit had before."""
    blocks.require_targets()
    seed = random_state if isinstance(random_state, (int, np.integer)) else None
    identity = ["least squares", options._replace(key=0), intercept, alpha, seed]
    passes = Passes(blocks, identity)
    options = options._replace(key=passes.remember("key", options.key))
    glance = blocks.glance
    scale = power_of_two_scale(glance.largest_targets)
    scale = np.where(np.abs(np.log2(scale)) < _SAFE_EXPONENT, 1.0, scale)
    rows = BlockRows(
        blocks, blocks.shape, int(glance.density * blocks.n_rows * blocks.n_columns), glance.is_sparse
    )
    targets = np.empty((0, scale.size))
    design = BlockDesign(rows, targets, None, intercept, alpha, name=name, passes=passes, target_scale=scale)
    return design, options


def _sketched(part: Part, sample, n_rows: int) -> np.ndarray:
    return part.design.sketched_rows(sample, 0, n_rows, part.first_row)


def _fold_roots(total, part):
    return stacked_root(total[0], part[0], triangular=True), total[1] + part[1]
