"""The bootstrap of rows that come in blocks: one pass for all resamples.

Each row counts in each resample as often as a Poisson number of mean 1 says, a function of the key and of the row
(Chamandy, Muralidharan, Najmi and Naidu, "Estimating uncertainty for massive data streams", 2012). So blocks need not
know of one another, and any blocks give the same resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import pdtr

from ..random import as_key
from ..streams import Block, Passes, RowBlocks
from .bootstrap import Bootstrap, shares
from .covariance import Moments, units_of
from .options import Options

# Rows whose counts are drawn together.
_TILE = 1024
# Entries of a piece's products.
_PIECE = 1 << 21
_LEVELS = pdtr(np.arange(18), 1.0)
_BOOTSTRAP_KEY = 0xB0075


def bootstrap_blocks(blocks: RowBlocks, options: Options, n_resamples: int, random_state=None) -> Bootstrap:
    """Fit again and again to rows drawn anew; one pass, n_resamples n d^2 flops in BLAS, and the fits.

    Parameters
    ----------
    blocks : RowBlocks
        Of finite rows.
    options : Options
    n_resamples : int
        As many matrices of shape (d, d) are held.
    random_state : None, int, numpy.random.Generator or RandomState
    """
    passes = Passes(blocks, ["bootstrap", n_resamples])
    key = passes.remember("key", as_key(random_state))
    first = blocks.first.dense()
    centre = first.mean(axis=0)
    units = units_of(first - centre)
    (sums,) = passes.reduce(_Sums(key, n_resamples, centre, units))
    found = shares(
        _resamples(sums, centre, units), options, n_resamples, blocks.n_columns, np.random.default_rng(key)
    )
    passes.done()
    return found


@dataclass(frozen=True)
class _Sums:
    """The counts of each resample times ones, columns and products of columns, summed over a block."""

    key: int
    n_resamples: int
    centre: np.ndarray
    units: np.ndarray

    def __call__(self, block: Block) -> tuple:
        d = self.units.size
        left, right = np.triu_indices(d)
        step = max(1, _PIECE // (1 + d + left.size) // _TILE) * _TILE
        total = np.zeros((self.n_resamples, 1 + d + left.size))
        X = block.dense()
        for start in range(0, block.n_rows, step):
            rows = (X[start : start + step] - self.centre) / self.units
            columns = np.hstack([np.ones((len(rows), 1)), rows, rows[:, left] * rows[:, right]])
            total += counts(self.key, self.n_resamples, block.first_row + start, len(rows)).T @ columns
        return (total,)


def counts(key: int, n_resamples: int, first_row: int, n_rows: int) -> np.ndarray:
    """How often each of some rows is in each resample, shape (n_rows, n_resamples)."""
    tiles = range(first_row // _TILE, -(-(first_row + n_rows) // _TILE))
    drawn = []
    for tile in tiles:
        bits = np.random.Philox(key=key | _BOOTSTRAP_KEY << 64, counter=[0, tile, 0, 0])
        drawn.append(np.random.Generator(bits).random((_TILE, n_resamples)))
    skip = first_row - tiles[0] * _TILE
    uniforms = np.concatenate(drawn)[skip : skip + n_rows]
    return np.searchsorted(_LEVELS, uniforms, side="right").astype(np.float64)


def _resamples(sums: np.ndarray, centre, units) -> Iterator[Moments]:
    d = units.size
    upper = np.triu_indices(d)
    for row in sums:
        n, mean = row[0], row[1 : 1 + d] / row[0]
        products = np.zeros((d, d))
        products[upper] = row[1 + d :]
        products = products + np.triu(products, 1).T - n * np.outer(mean, mean)
        yield Moments(float(n), centre + mean * units, products, units)
