"""Means and products of all columns, in one pass over row blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np

from ..backends.threads import run_chunks
from .blocks import Block
from .reduce import Passes

# Chunks of a block for threads, each in pieces that stay in cache.
_CHUNKS = 4
_PIECE_BYTES = 1 << 20
_LEAST_ROWS = 64


class BlockMoments(NamedTuple):
    """Sums over all rows: means, and products of the columns.

    Attributes
    ----------
    total : float
        Of the weights; the number of rows where there are none.
    mean : ndarray of shape (k,)
        Zeros where nothing is centred.
    products : ndarray of shape (k, k)
        Weighted sums of products of the centred columns, these divided by their units.
    units : ndarray of shape (k,)
        Powers of two near the largest entries of the centred columns: no square leaves the range.
    """

    total: float
    mean: np.ndarray
    products: np.ndarray
    units: np.ndarray


def block_moments(passes: Passes, *, with_targets: bool = False, centred: bool = True) -> BlockMoments:
    """Sum over all rows; one pass, n k^2 flops in BLAS.

    Parameters
    ----------
    passes : Passes
    with_targets : bool
        Targets are further columns, behind those of the data.
    centred : bool
        Products of what is left of the columns without their means; else of the columns.

    Returns
    -------
    BlockMoments
    """
    units = _units(_columns(passes.blocks.first, slice(None), with_targets), centred)
    total, mean, products = passes.reduce(_OfBlock(units, with_targets, centred), merged)
    return BlockMoments(float(total), mean * units, 0.5 * (products + products.T), units)


def _units(columns: np.ndarray, centred: bool) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        columns = columns - columns.mean(axis=0) if centred else columns
        largest = np.abs(columns).max(axis=0)
    usable = (largest > 0.0) & np.isfinite(largest)
    return np.ldexp(1.0, np.where(usable, np.frexp(largest)[1] - 1, 0))


def _columns(block: Block, rows: slice, with_targets: bool) -> np.ndarray:
    part = block.data[rows]
    data = np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=np.float64)
    if not with_targets:
        return data
    assert block.targets is not None
    return np.hstack([data, block.targets[rows]])


@dataclass(frozen=True)
class _OfBlock:
    """The sums of one block: total; mean and products in units of the columns."""

    units: np.ndarray
    with_targets: bool
    centred: bool

    def __call__(self, block: Block) -> tuple:
        step = max(_LEAST_ROWS, _PIECE_BYTES // (8 * self.units.size))
        edges = [block.n_rows * k // _CHUNKS for k in range(_CHUNKS + 1)]

        def chunk(k):
            sums = None
            for start in range(edges[k], edges[k + 1], step):
                rows = slice(start, min(start + step, edges[k + 1]))
                new = self._of_rows(_columns(block, rows, self.with_targets), block.weights, rows)
                sums = new if sums is None else merged(sums, new)
            return sums

        parts = [part for part in run_chunks(chunk, _CHUNKS) if part is not None]
        return reduce(merged, parts)

    def _of_rows(self, columns, weights, rows) -> tuple:
        scaled = columns / self.units
        weights = None if weights is None else weights[rows]
        total = float(len(scaled)) if weights is None else float(weights.sum())
        mean = np.zeros(self.units.size)
        if self.centred and total > 0.0:
            mean = scaled.mean(axis=0) if weights is None else weights @ scaled / total
            scaled -= mean
        heavy = scaled if weights is None else weights[:, None] * scaled
        return total, mean, heavy.T @ scaled


def merged(first: tuple, second: tuple) -> tuple:
    """Total, mean and products over the rows of both (Chan, Golub and LeVeque 1983); the first is overwritten."""
    total = first[0] + second[0]
    share = second[0] / total if total > 0.0 else 0.0
    step = second[1] - first[1]
    products = first[2]
    products += second[2]
    products += np.outer(step, step) * (first[0] * share)
    return total, first[1] + step * share, products
