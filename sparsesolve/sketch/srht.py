"""Subsampled randomised Hadamard transforms: dense sketches at the price of sparse ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..random import Stream, choose
from .base import Distribution, Sketch
from .hadamard import (
    MIN_BLOCK,
    add_padded_srht,
    add_srht,
    apply_adjoint_padded_srht,
    apply_adjoint_srht,
    empty_tiles,
    lanes_of,
    rows_of_tiles,
)

_TILE = 64  # columns
_DOUBLE = np.dtype(np.float64)


@dataclass(frozen=True)
class SRHT(Distribution):
    """The block subsampled randomised Hadamard transform, the default sketch.

    The rows are split into blocks of B rows, B the power of two from m on (and at least 64), and

        S = 1 / sqrt(m) * R [D'_1 H D_1, D'_2 H D_2, ...],

    with the Hadamard matrix H of order B, independent random signs D_k and D'_k, and the same m sampled rows
    R for all blocks. Every entry is +-1 / sqrt(m). No row is padded or wasted where m is a power of two.
    Cost: n d log2(B) additions, one pass.

    References
    ----------
    Balabanov, Beaupere, Grigori and Lederer, "Block subsampled randomized Hadamard transform for Nystrom
    approximation on distributed architectures", ICML 2023, PMLR 202:1564-1576.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import SRHT
    >>> A = np.ones((1000, 3))
    >>> SRHT(128, random_state=0).sample(A).apply(A).shape
    (128, 3)
    """

    def _sample(self, n_rows, key):
        return SRHTSketch((self.size, n_rows), key)


@dataclass(frozen=True)
class PaddedSRHT(Distribution):
    """The classic subsampled randomised Hadamard transform, for reference.

    S = 1 / sqrt(m) * R H D with one Hadamard matrix H whose order is the power of two from n on, random signs
    D, and m of H's rows, sampled without replacement. The zero rows of the padding are never made. Cost: n d
    (log2(m) + 1) additions, one pass.

    References
    ----------
    Tropp, "Improved analysis of the subsampled randomized Hadamard transform", 2011.
    """

    def _sample(self, n_rows, key):
        order = _power_of_two(max(n_rows, 1))
        if self.size > order:
            raise ValueError(f"size={self.size} must be at most {order}, the order of its Hadamard matrix.")
        return PaddedSRHTSketch((self.size, n_rows), key)


class _HadamardSketch(Sketch):
    """What both have in common: their form on a device."""

    _kernel = "srht"
    _row_step: int
    _rows: np.ndarray
    _source: tuple

    def _device_sketch(self, A, first_row, row_scale):
        from .device.srht import Transform, hadamard_sketch  # loads the OpenCL runtime

        streams = self._source[1], self._source[-1]
        padded = len(self._source) == 2
        transform = Transform(self.key, *streams, self._row_step, self._rows, padded)
        return hadamard_sketch(A, first_row, row_scale, transform)

    def _work(self, A):
        return float(A.shape[0]) * A.shape[1]


class SRHTSketch(_HadamardSketch):
    """A sample of `SRHT`."""

    def __init__(self, shape, key):
        super().__init__(shape, key)
        self._row_step = max(MIN_BLOCK, _power_of_two(shape[0]))
        self._rows = choose(key, Stream.SRHT_ROWS, self._row_step, shape[0])
        self._source = np.uint64(key), int(Stream.SRHT_ROW_SIGNS), int(Stream.SRHT_BLOCK_SIGNS)

    def _totals(self, width, dtype):
        totals = empty_tiles(_n_tiles(width), self._row_step, _tile_width(width, dtype), dtype)
        totals.fill(0.0)
        return totals

    def _add(self, block, first_row, row_scale, first_column, totals):
        add_srht(block, first_column, first_row, row_scale, *self._source, self._row_step, totals)

    def _product(self, totals, width):
        return _side_by_side(rows_of_tiles(totals, self._row_step)[:, self._rows], width)

    def _adjoint(self, Y):
        full = np.zeros((self._row_step, _padded(Y.shape[1])))
        full[self._rows, : Y.shape[1]] = Y / np.sqrt(self.shape[0])
        return lambda first_row, out: apply_adjoint_srht(full, *self._source, first_row, out)


class PaddedSRHTSketch(_HadamardSketch):
    """A sample of `PaddedSRHT`."""

    def __init__(self, shape, key):
        super().__init__(shape, key)
        self._row_step = max(MIN_BLOCK, _power_of_two(shape[0]))
        self._rows = choose(key, Stream.PADDED_SRHT_ROWS, _power_of_two(shape[1]), shape[0])
        self._source = np.uint64(key), int(Stream.PADDED_SRHT_ROW_SIGNS)

    def _totals(self, width, dtype):
        return np.zeros((_n_tiles(width), self.shape[0], _tile_width(width, dtype)), dtype)

    def _add(self, block, first_row, row_scale, first_column, totals):
        add_padded_srht(
            block, first_column, first_row, row_scale, *self._source, self._row_step, self._rows, totals
        )

    def _product(self, totals, width):
        return _side_by_side(totals, width)

    def _adjoint(self, Y):
        scaled = np.zeros((Y.shape[0], _padded(Y.shape[1])))
        scaled[:, : Y.shape[1]] = Y / np.sqrt(self.shape[0])
        return lambda first_row, out: apply_adjoint_padded_srht(
            scaled, self._row_step, self._rows, *self._source, first_row, out
        )


def _power_of_two(count: int) -> int:
    """The least power of two that is at least `count`."""
    return 1 << (count - 1).bit_length()


def _padded(width: int, dtype: np.dtype = _DOUBLE) -> int:
    """The least multiple of the vector length that is at least `width`."""
    return -(-width // lanes_of(dtype)) * lanes_of(dtype)


def _n_tiles(width: int) -> int:
    return -(-width // _TILE)


def _tile_width(width: int, dtype: np.dtype) -> int:
    return _padded(-(-width // _n_tiles(width)), dtype)


def _side_by_side(tiles: np.ndarray, width: int) -> np.ndarray:
    """Join tiles of shape (n_tiles, m, tile_width) to (m, width), over sqrt(m)."""
    n_tiles, size, tile_width = tiles.shape
    joined = tiles.transpose(1, 0, 2).reshape(size, n_tiles * tile_width)[:, :width]
    return joined / tiles.dtype.type(np.sqrt(size))
