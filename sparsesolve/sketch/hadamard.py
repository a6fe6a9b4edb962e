"""Kernels of the two Hadamard sketches: they transform one block of rows after the other, in cache.

A block of B rows (a power of two, at least 64) is transformed tile by tile, some tens of columns at a time,
in a scratch that stays in the second-level cache. The levels of a Hadamard transform commute, so that each
pass takes up to four of them at once: the first on eight neighbouring rows of A, as they are read; the second
on a group of up to 64 rows that are still in the first-level cache; the last adds its result to the totals.

A tile is an array of shape (n_groups, group_rows * width + PAD): its rows one after the other, and a gap
after each group. Without the gaps the rows that a pass joins would lie a multiple of 4096 bytes apart and
evict each other.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..random import fill_signs
from .vectors import VECTOR_BYTES, butterfly, butterfly_add, butterfly_load

MIN_BLOCK = 64
PAD = 8
_GROUP = 64
_AHEAD = 8  # rows between those that are read and those that are fetched
_BLOCKS_A_TURN = 4  # blocks that one tile takes before the next tile does: its totals stay in cache meanwhile


def empty_tiles(n_tiles: int, block: int, width: int, dtype: np.dtype) -> np.ndarray:
    """Tiles, not filled, of `block` rows and `width` columns; the width is a multiple of `lanes_of` the type."""
    group_rows = min(_GROUP, block // 8)
    return np.empty((n_tiles, block // group_rows, group_rows * width + PAD), dtype)


def lanes_of(dtype: np.dtype) -> int:
    """Numbers of a type in one vector."""
    return VECTOR_BYTES // dtype.itemsize


def rows_of_tiles(tiles: np.ndarray, block: int) -> np.ndarray:
    """The tiles without their gaps, shape (n_tiles, block, width)."""
    return tiles[:, :, :-PAD].reshape(tiles.shape[0], block, -1)


@kernel
def _pass(X, start, run, distance, radix):
    """Transform the `radix` numbers, up to 8, that lie `distance` apart, for `run` places from `start` on."""
    lanes = VECTOR_BYTES // X.itemsize
    if radix == 8:
        for place in range(start, start + run, lanes):
            butterfly(X, place, distance, 8)
    elif radix == 4:
        for place in range(start, start + run, lanes):
            butterfly(X, place, distance, 4)
    elif radix == 2:
        for place in range(start, start + run, lanes):
            butterfly(X, place, distance, 2)


@kernel
def _transform_across(X, n_groups, pitch, stop):
    """Transform a tile across its groups, at distances below `stop` groups."""
    distance = 1
    while distance < stop:
        radix = min(8, stop // distance)
        for first in range(0, n_groups, radix * distance):
            for group in range(first, first + distance):
                _pass(X, group * pitch, pitch - PAD, distance * pitch, radix)
        distance *= radix


@kernel
def _load_eight(A, first_column, first, factors, offset, X, place, width):
    """Read rows first ... first + 7 of A, zero outside A, scale and transform them, and write them to X.

    Where A has fewer than `width` more columns, the lanes past them hold what comes next in memory: columns
    never meet, so that it reaches no result.
    """
    n_rows, n_columns = A.shape
    lanes = VECTOR_BYTES // A.itemsize
    start = first * n_columns + first_column
    if first >= 0 and start + 7 * n_columns + width <= A.size:
        for lane in range(0, width, lanes):
            ahead = _AHEAD * n_columns
            butterfly_load(A, start + lane, n_columns, ahead, factors, offset, X, place + lane, width, 8)
        return
    rows = np.zeros((8, width), A.dtype)
    columns = min(width, n_columns - first_column)
    for row in range(max(0, -first), min(8, n_rows - first)):
        for column in range(columns):
            rows[row, column] = A[first + row, first_column + column]
    for lane in range(0, width, lanes):
        butterfly_load(rows, lane, width, 0, factors, offset, X, place + lane, width, 8)


@kernel
def _load_block(A, first_column, first, factors, offset, X, n_groups, group_rows, pitch):
    """Read a block, from row `first` of A on, into the tile X, and transform each group of its rows."""
    width = (pitch - PAD) // group_rows
    for group in range(n_groups):
        for row in range(0, group_rows, 8):
            at = group * group_rows + row
            place = group * pitch + row * width
            _load_eight(A, first_column, first + at, factors, offset + at, X, place, width)
        _pass(X, group * pitch, 8 * width, 8 * width, group_rows // 8)


@kernel
def _fill_factors(key, stream, index, first, row_scale, factors):
    """Write the signs of a block's rows, times the scales of those that exist; it begins at row `first`."""
    fill_signs(key, stream, index, 0, factors)
    for row in range(max(0, -first), min(factors.size, row_scale.size - first)):
        factors[row] *= row_scale[first + row]


@kernel
def add_srht(A, first_column, first_row, row_scale, key, row_stream, block_stream, block, totals):
    """Add D'_k H D_k A_k to `totals`, for each block k that A has rows of.

    Parameters
    ----------
    A : ndarray of shape (n_rows, n_columns), float64 or float32, C order
        The type of everything here.
    first_column : int
        Column of A that the totals begin with.
    first_row : int
        Row of the whole matrix that A begins with.
    row_scale : ndarray of shape (n_rows,) or (0,)
        Scales of A's rows; empty for ones.
    key, row_stream, block_stream : int
        Where the signs D_k and D'_k come from.
    block : int
        Rows B of a block.
    totals : ndarray
        Tiles of B rows, as of `empty_tiles`.
    """
    n_tiles, n_groups, pitch = totals.shape
    group_rows = block // n_groups
    width = (pitch - PAD) // group_rows
    last_radix = _last_radix(n_groups)
    apart = n_groups // last_radix
    Y = totals.reshape(-1)
    X = np.empty(n_groups * pitch, A.dtype)
    factors = np.empty(_BLOCKS_A_TURN * block, A.dtype)
    signs = np.empty(_BLOCKS_A_TURN * block, A.dtype)
    begin, end = first_row // block, (first_row + A.shape[0] - 1) // block + 1
    for turn in range(begin, end, _BLOCKS_A_TURN):
        blocks = min(_BLOCKS_A_TURN, end - turn)
        for k in range(blocks):
            part = slice(k * block, (k + 1) * block)
            _fill_factors(key, row_stream, turn + k, (turn + k) * block - first_row, row_scale, factors[part])
            fill_signs(key, block_stream, turn + k, 0, signs[part])
        for tile in range(n_tiles):
            column = first_column + tile * width
            for k in range(blocks):
                first = (turn + k) * block - first_row
                _load_block(A, column, first, factors, k * block, X, n_groups, group_rows, pitch)
                _transform_across(X, n_groups, pitch, apart)
                _add_block(
                    X, apart, group_rows, pitch, signs, k * block, Y, tile * n_groups * pitch, last_radix
                )


@kernel
def _last_radix(n_groups):
    """16 where this leaves whole passes of radix 8 before the last one, else 8."""
    while n_groups > 16:
        n_groups //= 8
    return 16 if n_groups in (2, 16) else 8


@kernel
def _add_block(X, apart, group_rows, pitch, signs, offset, Y, target, radix):
    """Transform the tile X across groups, those that lie `apart` groups apart, and add it to Y with signs."""
    width = (pitch - PAD) // group_rows
    lanes = VECTOR_BYTES // X.itemsize
    for group in range(apart):
        for row in range(group_rows):
            start = group * pitch + row * width
            sign = offset + group * group_rows + row
            if radix == 16:
                for place in range(start, start + width, lanes):
                    butterfly_add(
                        X, place, apart * pitch, signs, sign, apart * group_rows, Y, target + place, 16
                    )
            else:
                for place in range(start, start + width, lanes):
                    butterfly_add(
                        X, place, apart * pitch, signs, sign, apart * group_rows, Y, target + place, 8
                    )


@kernel
def add_padded_srht(A, first_column, first_row, row_scale, key, row_stream, block, rows, totals):
    """Add rows of H D A to `totals`, for one Hadamard matrix H that is as large as the whole matrix is tall.

    H is the Kronecker product of a coarse and a fine Hadamard matrix: row r of H A is the sum over the blocks
    k of (-1)^popcount(k & (r // B)) times row r % B of the transformed block, so that the blocks need not be
    in memory together.

    Parameters
    ----------
    rows : ndarray of shape (m,), int64
        The sampled rows of H.
    totals : ndarray of shape (n_tiles, m, width)

    The others are those of `add_srht`.
    """
    n_tiles, size, width = totals.shape
    group_rows = min(_GROUP, block // 8)
    pitch = group_rows * width + PAD
    n_groups = block // group_rows
    X = np.empty(n_groups * pitch, A.dtype)
    factors = np.empty(block, A.dtype)
    coarse = rows // block
    fine = rows % block
    places = fine // group_rows * pitch + fine % group_rows * width
    for k in range(first_row // block, (first_row + A.shape[0] - 1) // block + 1):
        first = k * block - first_row
        _fill_factors(key, row_stream, k, first, row_scale, factors)
        for tile in range(n_tiles):
            _load_block(A, first_column + tile * width, first, factors, 0, X, n_groups, group_rows, pitch)
            _transform_across(X, n_groups, pitch, n_groups)
            for i in range(size):
                place = places[i]
                total = totals[tile, i]
                if _walsh_sign(k, coarse[i]) > 0:
                    for lane in range(width):
                        total[lane] += X[place + lane]
                else:
                    for lane in range(width):
                        total[lane] -= X[place + lane]


@kernel
def _walsh_sign(i, j):
    """Minus one to the number of bits that both numbers have; both are below 2^63."""
    common = i & j
    for shift in (32, 16, 8, 4, 2, 1):
        common ^= common >> shift
    return 1.0 - 2.0 * (common & 1)


@kernel
def apply_adjoint_srht(Y, key, row_stream, block_stream, first_row, out):
    """Write rows first_row ... of the adjoint, D_k H D'_k Y for each block k, into `out`.

    Parameters
    ----------
    Y : ndarray of shape (B, width), float64, C order
        Zero in the rows that are not sampled; the width is a multiple of 8.
    first_row : int
    out : ndarray of shape (n_rows, at most width), float64
    """
    block, width = Y.shape
    X = np.empty(block * width)
    signs = np.empty(block)
    for k in range(first_row // block, (first_row + out.shape[0] - 1) // block + 1):
        fill_signs(key, block_stream, k, 0, signs)
        for row in range(block):
            for lane in range(width):
                X[row * width + lane] = signs[row] * Y[row, lane]
        _write_rows(X, width, key, row_stream, k, signs, first_row, out)


@kernel
def apply_adjoint_padded_srht(Y, block, rows, key, row_stream, first_row, out):
    """Write rows first_row ... of D H R' Y into `out`, for Y of shape (m, width) and the sampled `rows`."""
    width = Y.shape[1]
    X = np.empty(block * width)
    signs = np.empty(block)
    for k in range(first_row // block, (first_row + out.shape[0] - 1) // block + 1):
        X[:] = 0.0
        for i in range(rows.size):
            sign = _walsh_sign(k, rows[i] // block)
            place = rows[i] % block * width
            for lane in range(width):
                X[place + lane] += sign * Y[i, lane]
        _write_rows(X, width, key, row_stream, k, signs, first_row, out)


@kernel
def _write_rows(X, width, key, stream, k, signs, first_row, out):
    """Transform block k, which lies in X without gaps, and write its rows, times their signs, into `out`."""
    block = signs.size
    distance = 1
    while distance < block:
        for first in range(0, block, 2 * distance):
            _pass(X, first * width, distance * width, distance * width, 2)
        distance *= 2
    fill_signs(key, stream, k, 0, signs)
    first = k * block - first_row
    for row in range(max(0, -first), min(block, out.shape[0] - first)):
        for lane in range(out.shape[1]):
            out[first + row, lane] = signs[row] * X[row * width + lane]
