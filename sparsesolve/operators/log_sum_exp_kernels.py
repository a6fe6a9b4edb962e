"""Loops of log-sum-exp over the rows of a cost, float32 or float64; potentials may be -inf.

Four rows go together: what belongs to a column is then read once for all of them. A block of rows is indexed as one
array: with four slices the compiler does not see that they do not overlap.
"""

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from ..backends.jit import finite_kernel, kernel
from .cost_rows import cost_row, point_costs
from .elementary import exp_alike

# Numbers of which the largest is kept apart: a single largest one would be found one number at a time.
_LANES = 64


def four_rows(cost, first, room):
    """Four rows of a cost: of the stored matrix, or computed from points into the room."""
    raise NotImplementedError("for compiled code only")


@overload(four_rows)
def _four_rows(cost, first, room):
    if isinstance(cost, types.Array):
        return lambda cost, first, room: cost[first : first + 4]
    if isinstance(cost, types.BaseTuple):

        def from_points(cost, first, room):
            x, y, metric = cost
            for k in range(4):
                point_costs(x[first + k], y, metric, room[k])
            return room

        return from_points
    raise TypingError("a cost is a matrix or a tuple of points")


def room_for(cost, like, n_rows):
    """Room for rows that have to be computed; none for a stored matrix."""
    raise NotImplementedError("for compiled code only")


@overload(room_for)
def _room_for(cost, like, n_rows):
    if isinstance(cost, types.Array):
        return lambda cost, like, n_rows: np.empty((1, 0), like.dtype)
    return lambda cost, like, n_rows: np.empty((n_rows, like.shape[0]), like.dtype)


@finite_kernel
def _sum_of_shifted(cost, g, scale, shift):
    total = scale - scale  # zero, of the right type
    for j in range(cost.shape[0]):
        total += exp_alike((g[j] - cost[j]) * scale - shift)
    return total


@finite_kernel
def _sums_of_shifted(c, g, scale, h0, h1, h2, h3):
    s0 = s1 = s2 = s3 = scale - scale
    for j in range(g.shape[0]):
        t = g[j]
        s0 += exp_alike((t - c[0, j]) * scale - h0)
        s1 += exp_alike((t - c[1, j]) * scale - h1)
        s2 += exp_alike((t - c[2, j]) * scale - h2)
        s3 += exp_alike((t - c[3, j]) * scale - h3)
    return s0, s1, s2, s3


@finite_kernel
def _largest(cost, g, scale, lowest, lanes):
    m = cost.shape[0]
    whole = m - m % _LANES
    lanes[:] = lowest
    for first in range(0, whole, _LANES):
        for lane in range(_LANES):
            lanes[lane] = max(lanes[lane], (g[first + lane] - cost[first + lane]) * scale)
    largest = lowest
    for lane in range(_LANES):
        largest = max(largest, lanes[lane])
    for j in range(whole, m):
        largest = max(largest, (g[j] - cost[j]) * scale)
    return largest


@kernel
def _finished(row, g, scale, low, high, lowest, shift, total, lanes):
    """The answer from a sum relative to a shift; all anew where that was no good."""
    if not (total > low and total < high):
        shift = _largest(row, g, scale, lowest, lanes)
        if not shift > lowest:
            return lowest * np.inf
        total = _sum_of_shifted(row, g, scale, shift)
    return shift + np.log(total)


@kernel
def rows(cost, g, scale, low, high, lowest, shifted, out, start, stop):
    """out_i = log sum_j exp((g_j - c_ij) scale); with `shifted`, out holds guesses.

    Sums outside `low` to `high` are formed again, from the largest term on.
    """
    room, lanes = room_for(cost, g, 4), np.empty(_LANES, g.dtype)
    shifts = np.empty(4, g.dtype)
    whole = stop - (stop - start) % 4
    for first in range(start, whole, 4):
        block = four_rows(cost, first, room)
        for k in range(4):
            shift = out[first + k]
            if not shifted or not shift > lowest:
                shift = _largest(block[k], g, scale, lowest, lanes)
            shifts[k] = shift
        totals = _sums_of_shifted(block, g, scale, shifts[0], shifts[1], shifts[2], shifts[3])
        for k in range(4):
            out[first + k] = _finished(block[k], g, scale, low, high, lowest, shifts[k], totals[k], lanes)
    for i in range(whole, stop):
        row = cost_row(cost, i, room[0])
        shift = out[i]
        if not shifted or not shift > lowest:
            shift = _largest(row, g, scale, lowest, lanes)
        total = _sum_of_shifted(row, g, scale, shift)
        out[i] = _finished(row, g, scale, low, high, lowest, shift, total, lanes)


@finite_kernel
def _add_shifted(cost, f, scale, shift, sums):
    for j in range(cost.shape[0]):
        sums[j] += exp_alike((f - cost[j]) * scale - shift[j])


@finite_kernel
def _add_four_shifted(c, f0, f1, f2, f3, scale, shift, sums):
    for j in range(sums.shape[0]):
        h = shift[j]
        first = exp_alike((f0 - c[0, j]) * scale - h) + exp_alike((f1 - c[1, j]) * scale - h)
        second = exp_alike((f2 - c[2, j]) * scale - h) + exp_alike((f3 - c[3, j]) * scale - h)
        sums[j] += first + second


@finite_kernel
def _raise_largest(cost, f, scale, largest):
    for j in range(cost.shape[0]):
        largest[j] = max(largest[j], (f - cost[j]) * scale)


@finite_kernel
def _raise_four(c, f0, f1, f2, f3, scale, largest):
    for j in range(largest.shape[0]):
        first = max((f0 - c[0, j]) * scale, (f1 - c[1, j]) * scale)
        second = max((f2 - c[2, j]) * scale, (f3 - c[3, j]) * scale)
        largest[j] = max(largest[j], max(first, second))


@finite_kernel
def _lower_sums(before, now, sums):
    for j in range(sums.shape[0]):
        sums[j] *= exp_alike(before[j] - now[j])


@kernel
def columns_shifted(cost, f, scale, shift, sums, start, stop):
    """Add exp((f_i - c_ij) scale - shift_j) over the rows to sums."""
    room = room_for(cost, shift, 4)
    whole = stop - (stop - start) % 4
    for i in range(start, whole, 4):
        block = four_rows(cost, i, room)
        _add_four_shifted(block, f[i], f[i + 1], f[i + 2], f[i + 3], scale, shift, sums)
    for i in range(whole, stop):
        _add_shifted(cost_row(cost, i, room[0]), f[i], scale, shift, sums)


@kernel
def columns_online(cost, f, scale, largest, sums, start, stop):
    """The largest exponent of each column, and the sum of exponentials relative to it; both are given to begin with."""
    room, before = room_for(cost, largest, 4), np.empty_like(largest)
    whole = stop - (stop - start) % 4
    for i in range(start, whole, 4):
        block = four_rows(cost, i, room)
        before[:] = largest
        _raise_four(block, f[i], f[i + 1], f[i + 2], f[i + 3], scale, largest)
        _lower_sums(before, largest, sums)
        _add_four_shifted(block, f[i], f[i + 1], f[i + 2], f[i + 3], scale, largest, sums)
    for i in range(whole, stop):
        row = cost_row(cost, i, room[0])
        before[:] = largest
        _raise_largest(row, f[i], scale, largest)
        _lower_sums(before, largest, sums)
        _add_shifted(row, f[i], scale, largest, sums)
