"""Row blocks: data that need not fit into memory, or on one machine, as sums over blocks of rows.

>>> import numpy as np
>>> from sparsesolve import SketchedLinearRegression
>>> from sparsesolve.streams import row_blocks
>>> X = np.random.default_rng(0).standard_normal((10_000, 4))
>>> blocks = row_blocks(X, target=X @ np.ones(4), block_rows=3000)
>>> blocks.n_blocks
4
>>> bool(np.allclose(SketchedLinearRegression().fit(blocks).coef_, 1.0))
True
"""

from .blocks import Block, BlockError, RowBlocks
from .entries import EntryBlocks, Triplets, entry_blocks
from .moments import BlockMoments, block_moments
from .reduce import Passes, Progress, reduce_blocks
from .schedulers import map_in_order
from .sources import row_blocks

__all__ = [
    "Block",
    "BlockError",
    "BlockMoments",
    "EntryBlocks",
    "Passes",
    "Progress",
    "RowBlocks",
    "Triplets",
    "block_moments",
    "entry_blocks",
    "map_in_order",
    "reduce_blocks",
    "row_blocks",
]
