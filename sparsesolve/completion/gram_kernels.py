"""Regressions of the rows by Gram matrices and Cholesky factors; see `row_kernels` for what the kernels share."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from .vectors import LANES, gram_tile, lanes_inverse_root, lanes_scale, lanes_subtract

# Entries of a block: their rows of B fit the first cache up to rank 150 or so, the second up to any rank.
_BLOCK = 64


@kernel
def _gram(others, values, weights, B, first, last, rank, lanes, G, right, waste):
    """Fill the tiles on and above the diagonal, block after block of entries, whose rows of B stay in the cache."""
    G[:] = 0
    right[:] = 0
    for begin in range(first, last, _BLOCK):
        end = min(last, begin + _BLOCK)
        for column in range(0, rank, lanes):
            row, stop = 0, min(rank, column + lanes)
            while row < stop:
                # Every tile computes the right side anew; that of the first in its column counts.
                target = right if row == 0 else waste
                row += _tile(others, values, weights, B, begin, end, row, stop - row, column, G, target)


@kernel
def _tile(others, values, weights, B, first, last, row, left, column, G, right):
    """A tile of 4, 8 or 12 rows: no fewer than are left, up to 12."""
    weighted = weights.size > 0
    if left > 8:
        if weighted:
            gram_tile(B, others, values, weights, first, last, row, column, G, right, 12, 1)
        else:
            gram_tile(B, others, values, weights, first, last, row, column, G, right, 12, 0)
        return 12
    if left > 4:
        if weighted:
            gram_tile(B, others, values, weights, first, last, row, column, G, right, 8, 1)
        else:
            gram_tile(B, others, values, weights, first, last, row, column, G, right, 8, 0)
        return 8
    if weighted:
        gram_tile(B, others, values, weights, first, last, row, column, G, right, 4, 1)
    else:
        gram_tile(B, others, values, weights, first, last, row, column, G, right, 4, 0)
    return 4


@kernel
def cholesky_rows(rows, starts, others, values, weights, masses, penalties, ridge, B, rank, least, A, failed):
    """Gram matrices and their Cholesky factors, LANES rows side by side; the gradient at the end counts as zero.

    A pivot not above `least` times its diagonal marks the row as failed, and its unknown is set to zero.
    The energy sum w y^2 is not part of the first sum, so that it is to be added.
    """
    width = B.shape[1]
    lanes = 64 // B.itemsize
    G, right, waste = np.zeros((width, width), B.dtype), np.zeros(width, B.dtype), np.zeros(width, B.dtype)
    # Gram matrix, right side, start, gradient, least pivots: one number for each of the LANES problems.
    X = np.zeros((rank * rank + 4 * rank, LANES), B.dtype)
    side, start, slope, floor = (
        rank * rank,
        rank * rank + rank,
        rank * rank + 2 * rank,
        rank * rank + 3 * rank,
    )
    squares, before = 0.0, 0.0
    for batch in range(0, rows.size, LANES):
        live = min(LANES, rows.size - batch)
        if live < LANES:
            X[:] = 0
        for lane in range(live):
            i = np.intp(rows[batch + lane])
            _gram(
                others,
                values,
                weights,
                B,
                np.intp(starts[i]),
                np.intp(starts[i + 1]),
                rank,
                lanes,
                G,
                right,
                waste,
            )
            for p in range(rank):
                G[p, p] += penalties[i] * ridge[p]
                for q in range(p, rank):
                    X[p * rank + q, lane] = G[p, q]
                    X[q * rank + p, lane] = G[p, q]
                X[side + p, lane] = right[p]
                X[slope + p, lane] = right[p]
                X[start + p, lane] = A[i, p]
                X[floor + p, lane] = least * G[p, p]
        for p in range(rank):
            lanes_subtract(X, (slope + p) * LANES, p * rank * LANES, LANES, start * LANES, LANES, rank)
        for lane in range(live):
            i = np.intp(rows[batch + lane])
            for p in range(rank):
                g, x = np.float64(X[slope + p, lane]), np.float64(X[start + p, lane])
                before += g * g / (masses[i] + penalties[i] * ridge[p])
                squares -= x * (X[side + p, lane] + g + penalties[i] * ridge[p] * x)
        _factor_and_solve(X, rank)
        for lane in range(live):
            i = np.intp(rows[batch + lane])
            lost = False
            for p in range(rank):
                A[i, p] = X[side + p, lane]
                lost = lost or X[p * rank + p, lane] == 0
            failed[i] = lost
    return squares, before, 0.0


@kernel
def _factor_and_solve(X, rank):
    """Cholesky by rows, the right side carried along as one row more; then back substitution."""
    side = rank * rank
    for q in range(rank):
        line = q * rank
        lanes_subtract(X, (line + q) * LANES, line * LANES, LANES, line * LANES, LANES, q)
        lanes_inverse_root(X, (line + q) * LANES, (side + 3 * rank + q) * LANES)
        for p in range(q + 1, rank + 1):
            lanes_subtract(X, (p * rank + q) * LANES, p * rank * LANES, LANES, line * LANES, LANES, q)
            lanes_scale(X, (p * rank + q) * LANES, (line + q) * LANES)
    for p in range(rank - 1, -1, -1):
        below, known = (p + 1) * rank + p, side + p + 1
        lanes_subtract(X, (side + p) * LANES, below * LANES, rank * LANES, known * LANES, LANES, rank - 1 - p)
        lanes_scale(X, (side + p) * LANES, (p * rank + p) * LANES)
