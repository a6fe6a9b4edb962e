"""Loops over a sparse matrix A in compressed rows: products with the Hessians made of it, each in one reading.

Rows ``first`` to ``last`` add what belongs to the columns to sums of their own, kept as pairs (x_j, sum_j) of an array:
what an entry reads and what it adds to lie in one line of the cache. Indices are unsigned: numba then need not ask of
each whether it counts from the end, which takes a third of the time.
"""

import numpy as np

from ..backends.jit import finite_kernel, kernel

_TWO, _ONE = np.uint64(2), np.uint64(1)


@kernel
def _begin(x, pairs):
    for j in range(x.size):
        pairs[2 * j] = x[j]
        pairs[2 * j + 1] = 0.0


@kernel
def hessian_rows(starts, indices, values, diagonal, x, y, pairs, first, last):
    """Put diag(r) x_1 + A x_2 into y, and A' x_1 into the pairs' sums; x_2 follows x_1 in x."""
    _begin(x[starts.shape[1] - 1 :], pairs)
    for i in range(first, last):
        y[i] = diagonal[i] * x[i]
    for block in range(starts.shape[0]):
        begins = starts[block]
        for i in range(first, last):
            here = x[i]
            total = here - here  # zero, of the right type
            for k in range(begins[i], begins[i + 1]):
                place = _TWO * np.uint64(indices[k])
                value = values[k]
                total += value * pairs[place]
                pairs[place + _ONE] += value * here
            y[i] += total


@kernel
def _row_means(starts, indices, values, weights, x, first, last, means):
    """Put diag(weights) A x into means, block by block."""
    means[:] = 0.0
    for block in range(starts.shape[0]):
        begins = starts[block]
        for i in range(first, last):
            total = weights[i] - weights[i]  # zero, of the right type
            for k in range(begins[i], begins[i + 1]):
                total += values[k] * x[indices[k]]
            means[i - first] += total
    for i in range(first, last):
        means[i - first] *= weights[i]


@kernel
def gram_rows(starts, indices, values, weights, x, pairs, first, last):
    """Put A' diag(weights) A x into the pairs' sums; of several blocks into plain sums, the first m numbers."""
    if starts.shape[0] == 1:
        _begin(x, pairs)
        for i in range(first, last):
            begin, end = starts[0, i], starts[0, i + 1]
            total = weights[i] - weights[i]
            for k in range(begin, end):
                total += values[k] * pairs[_TWO * np.uint64(indices[k])]
            total *= weights[i]
            for k in range(begin, end):
                pairs[_TWO * np.uint64(indices[k]) + _ONE] += values[k] * total
        return
    # Every sum waits for all blocks: the matrix is read twice, but what it asks for lies in the cache.
    means = np.empty(last - first, x.dtype)
    _row_means(starts, indices, values, weights, x, first, last, means)
    sums = pairs[: x.size]
    sums[:] = 0.0
    for block in range(starts.shape[0]):
        begins = starts[block]
        for i in range(first, last):
            total = means[i - first]
            for k in range(begins[i], begins[i + 1]):
                sums[indices[k]] += values[k] * total


@kernel
def schur_rows(starts, indices, values, inverse_rows, x, pairs, first, last):
    """Put sum_i a_ij (x_j - (A x)_i / r_i) into the pairs' sums."""
    _begin(x, pairs)
    if starts.shape[0] == 1:
        for i in range(first, last):
            begin, end = starts[0, i], starts[0, i + 1]
            mean = inverse_rows[i] - inverse_rows[i]
            for k in range(begin, end):
                mean += values[k] * pairs[_TWO * np.uint64(indices[k])]
            mean *= inverse_rows[i]
            for k in range(begin, end):
                place = _TWO * np.uint64(indices[k])
                pairs[place + _ONE] += values[k] * (pairs[place] - mean)
        return
    means = np.empty(last - first, x.dtype)
    _row_means(starts, indices, values, inverse_rows, x, first, last, means)
    for block in range(starts.shape[0]):
        begins = starts[block]
        for i in range(first, last):
            mean = means[i - first]
            for k in range(begins[i], begins[i + 1]):
                place = _TWO * np.uint64(indices[k])
                pairs[place + _ONE] += values[k] * (pairs[place] - mean)


@kernel
def add_chunks(diagonal, x, chunks, step, first, y):
    """Put diagonal x + the sums of all chunks, in order, into y; sum j of a chunk is its number step * j + first."""
    for j in range(y.size):
        y[j] = diagonal[j] * x[j]
    for k in range(chunks.shape[0]):
        sums = chunks[k]
        for j in range(y.size):
            y[j] += sums[step * j + first]


@finite_kernel
def _scale(diagonal, x, push, y):
    for i in range(x.size):
        y[i] = diagonal[i] * x[i] + push


@finite_kernel
def _dot(x, y):
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@kernel
def multiply(diagonal, starts, indices, values, augmentation, vector, out):
    """Out = ([[D_1, S], [S', D_2]] + augmentation v v') vector, for v = (1, ..., 1, -1, ..., -1)."""
    n = starts.shape[0] - 1
    push = augmentation * (vector[:n].sum() - vector[n:].sum()) if augmentation != 0.0 else 0.0
    _scale(diagonal[:n], vector[:n], push, out[:n])
    _scale(diagonal[n:], vector[n:], -push, out[n:])
    x2, out2 = vector[n:], out[n:]
    for i in range(n):
        here, total = vector[i], 0.0
        for k in range(starts[i], starts[i + 1]):
            j = indices[k]
            value = values[k]
            total += value * x2[j]
            out2[j] += value * here
        out[i] += total


@finite_kernel
def _step(length, direction, product, scale, x, residual):
    """The step along a direction; returns the residual's square and its energy."""
    square, energy = 0.0, 0.0
    for k in range(x.size):
        x[k] += length * direction[k]
        residual[k] -= length * product[k]
        square += residual[k] * residual[k]
        energy += scale[k] * residual[k] * residual[k]
    return square, energy


@finite_kernel
def _turn(ratio, scale, residual, direction):
    for k in range(residual.size):
        direction[k] = scale[k] * residual[k] + ratio * direction[k]


@kernel
def solve(diagonal, starts, indices, values, augmentation, right, tolerance, max_steps, out):
    """Solve for out, which is zero, by the conjugate gradient method scaled by the diagonal; returns the steps."""
    residual = right.copy()
    product = np.empty_like(right)
    scale = 1.0 / diagonal
    direction = scale * residual
    energy, square = _dot(residual, direction), _dot(right, right)
    goal = tolerance * tolerance * square
    steps = 0
    while steps < max_steps and square > goal:
        multiply(diagonal, starts, indices, values, augmentation, direction, product)
        curvature = _dot(direction, product)
        if not curvature > 0.0:
            break
        before = energy
        square, energy = _step(energy / curvature, direction, product, scale, out, residual)
        steps += 1
        _turn(energy / before, scale, residual, direction)
    return steps
