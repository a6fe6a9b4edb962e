"""Regressions of the rows: each row's entries on the rows of the other factor, whitened and padded to whole vectors.

Row i minimises sum_t w_t (y_t - b_t.x)^2 + penalty_i sum_p ridge_p x_p^2 over x. Every kernel solves the rows that
`rows` names, from a start in `A`, in place, and returns three sums over them: w_t r_t^2 at the start, and at the start
and at the end the squared length of the gradient g in the metric of the preconditioner,
sum_p g_p^2 / (mass_i + penalty_i ridge_p), where mass_i = sum_t w_t.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel, reduction_kernel
from .vectors import residual_pass


@kernel
def _product(others, values, weights, B, first, last, x, out, shifted):
    """One pass over a row's entries."""
    if weights.size > 0:
        if shifted:
            return residual_pass(B, others, values, weights, first, last, x, out, 1, 1)
        return residual_pass(B, others, values, weights, first, last, x, out, 1, 0)
    if shifted:
        return residual_pass(B, others, values, weights, first, last, x, out, 0, 1)
    return residual_pass(B, others, values, weights, first, last, x, out, 0, 0)


@reduction_kernel
def cg_rows(
    rows,
    starts,
    others,
    values,
    weights,
    masses,
    penalties,
    ridge,
    B,
    rough,
    rough_weights,
    rank,
    steps,
    accuracy,
    A,
):
    """Conjugate gradients from A, at most `steps` of them, or until the gradient fell by the factor `accuracy`.

    The residual is that of B. The steps may run on a copy in float32, `rough`: the few of them that a sweep takes gain
    less than one digit each, and what they leave the next residual shows. Where B serves, it is given twice.
    """
    width, kind = B.shape[1], rough.dtype.type
    x, r = np.zeros(width, B.dtype), np.zeros(width, B.dtype)
    direction, image = np.zeros(rough.shape[1], rough.dtype), np.zeros(rough.shape[1], rough.dtype)
    inverse, damping = np.zeros(width, B.dtype), np.zeros(width, B.dtype)
    squares, before, after = 0.0, 0.0, 0.0
    for k in range(rows.size):
        i = np.intp(rows[k])
        first, last = np.intp(starts[i]), np.intp(starts[i + 1])
        for p in range(rank):
            x[p] = A[i, p]
            damping[p] = penalties[i] * ridge[p]
            inverse[p] = 1.0 / (masses[i] + penalties[i] * ridge[p])
        r[:] = 0
        squares += _product(others, values, weights, B, first, last, x, r, True)
        length = B.dtype.type(0)
        for p in range(rank):
            r[p] -= damping[p] * x[p]
            direction[p] = kind(inverse[p] * r[p])
            length += inverse[p] * r[p] * r[p]
        before += length
        goal = accuracy * accuracy * length
        for _ in range(steps):
            if not length > goal:
                break
            image[:] = 0
            curvature = B.dtype.type(
                _product(others, rough_weights, rough_weights, rough, first, last, direction, image, False)
            )
            for p in range(rank):
                curvature += damping[p] * direction[p] * direction[p]
            if not curvature > 0:
                break
            step = length / curvature
            following = B.dtype.type(0)
            for p in range(rank):
                x[p] += step * direction[p]
                r[p] += step * (image[p] - damping[p] * direction[p])
                following += inverse[p] * r[p] * r[p]
            share = following / length
            length = following
            for p in range(rank):
                direction[p] = kind(inverse[p] * r[p] + share * direction[p])
        after += length
        for p in range(rank):
            A[i, p] = x[p]
    return squares, before, after


@reduction_kernel
def measure_rows(rows, starts, others, values, weights, masses, penalties, ridge, B, rank, A):
    """The sums at A alone; nothing is solved."""
    width = B.shape[1]
    x, r = np.zeros(width, B.dtype), np.zeros(width, B.dtype)
    squares, before = 0.0, 0.0
    for k in range(rows.size):
        i = np.intp(rows[k])
        for p in range(rank):
            x[p] = A[i, p]
        r[:] = 0
        squares += _product(
            others, values, weights, B, np.intp(starts[i]), np.intp(starts[i + 1]), x, r, True
        )
        for p in range(rank):
            g = np.float64(r[p]) - penalties[i] * ridge[p] * x[p]
            before += g * g / (masses[i] + penalties[i] * ridge[p])
    return squares, before, before


@reduction_kernel
def dual_rows(rows, starts, others, values, weights, masses, penalties, ridge, B, rank, least, A, failed):
    """Rows with fewer entries than the rank: x = D^-1 b' z with (b D^-1 b' + penalty / w) z = y, D = ridge.

    Without a penalty D = 1, and x is the shortest of the solutions. A lost pivot marks the row as failed.
    """
    squares, before = 0.0, 0.0
    scale = np.ones(rank)
    for k in range(rows.size):
        i = np.intp(rows[k])
        first, count = np.intp(starts[i]), np.intp(starts[i + 1]) - np.intp(starts[i])
        for p in range(rank):
            scale[p] = 1.0 / ridge[p] if penalties[i] > 0.0 else 1.0
        K, z, slope = np.empty((count, count)), np.empty(count), np.zeros(rank)
        for t in range(count):
            j = np.intp(others[first + t])
            weight = np.float64(weights[first + t]) if weights.size > 0 else 1.0
            residual = np.float64(values[first + t])
            for p in range(rank):
                residual -= B[j, p] * A[i, p]
            squares += weight * residual * residual
            for p in range(rank):
                slope[p] += weight * residual * B[j, p]
            z[t] = values[first + t]
            for u in range(t + 1):
                other = np.intp(others[first + u])
                total = 0.0
                for p in range(rank):
                    total += np.float64(B[j, p]) * B[other, p] * scale[p]
                K[t, u] = total
            K[t, t] += penalties[i] / weight
        for p in range(rank):
            g = slope[p] - penalties[i] * ridge[p] * A[i, p]
            before += g * g / (masses[i] + penalties[i] * ridge[p])
        failed[i] = _solve_in_place(K, z, least)
        for p in range(rank):
            total = 0.0
            for t in range(count):
                total += z[t] * B[np.intp(others[first + t]), p]
            A[i, p] = scale[p] * total
    return squares, before, 0.0


@reduction_kernel
def _solve_in_place(K, z, least):
    """Cholesky of the lower triangle; z becomes the solution. Returns whether a pivot was lost."""
    lost = False
    for q in range(z.size):
        pivot = K[q, q]
        bound = least * pivot
        for t in range(q):
            pivot -= K[q, t] * K[q, t]
        good = pivot > bound
        lost = lost or not good
        inverse = 1.0 / np.sqrt(pivot) if good else 0.0
        K[q, q] = inverse
        for p in range(q + 1, z.size):
            total = K[p, q]
            for t in range(q):
                total -= K[p, t] * K[q, t]
            K[p, q] = total * inverse
        total = z[q]
        for t in range(q):
            total -= K[q, t] * z[t]
        z[q] = total * inverse
    for p in range(z.size - 1, -1, -1):
        total = z[p]
        for t in range(p + 1, z.size):
            total -= K[t, p] * z[t]
        z[p] = total * K[p, p]
    return lost
