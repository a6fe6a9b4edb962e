"""The paper's solver of one row's regression: sketch its design, precondition with the sketch, iterate.

Y. Gu, Z. Song, J. Yin, L. Zhang, "Low rank matrix completion via robust alternating minimization in nearly linear
time", ICLR 2024. The sketch is a CountSketch, of as many buckets as asked for.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import reduction_kernel
from ..random import words


@reduction_kernel
def sketch_rows(
    rows,
    starts,
    others,
    values,
    weights,
    masses,
    penalties,
    ridge,
    B,
    rank,
    buckets,
    key,
    stream,
    draw,
    accuracy,
    steps,
    A,
):
    """Solve each row's regression until its preconditioned gradient is `accuracy` of the length of its data.

    The design is that of weighted entries, with one line more for each ridge. R of the QR of the sketched design is
    the preconditioner; the start is the sketched problem's solution; then conjugate gradients on the normal equations
    of design R^-1. O(entries rank) a step, and O((buckets + rank) rank^2) for the sketch.
    """
    squares, before, after = 0.0, 0.0, 0.0
    for k in range(rows.size):
        i = np.intp(rows[k])
        first, count = np.intp(starts[i]), np.intp(starts[i + 1]) - np.intp(starts[i])
        design, data = np.zeros((count + rank, rank)), np.zeros(count + rank)
        slope, length, fit = np.zeros(rank), 0.0, 0.0
        for t in range(count):
            root = np.sqrt(np.float64(weights[first + t])) if weights.size > 0 else 1.0
            j = np.intp(others[first + t])
            residual = root * values[first + t]
            data[t] = residual
            length += residual * residual
            for p in range(rank):
                design[t, p] = root * B[j, p]
                residual -= design[t, p] * A[i, p]
            for p in range(rank):
                slope[p] += residual * design[t, p]
            fit += residual * residual
        squares += fit
        for p in range(rank):
            design[count + p, p] = np.sqrt(penalties[i] * ridge[p])
            g = slope[p] - penalties[i] * ridge[p] * A[i, p]
            before += g * g / (masses[i] + penalties[i] * ridge[p])
        # With few entries the sketch would be no smaller than the design: that is then its own sketch.
        size = min(buckets, count)
        small, answers = np.zeros((size + rank, rank)), np.zeros(size + rank)
        for t in range(count):
            place, sign = t, 1.0
            if size < count:
                word, other, _, _ = words(key, stream, np.int64(first + t), draw)
                place = np.intp((word * np.uint64(size)) >> np.uint64(32))
                sign = 1.0 if other & np.uint64(1) else -1.0
            answers[place] += sign * data[t]
            for p in range(rank):
                small[place, p] += sign * design[t, p]
        for p in range(rank):
            small[size + p, p] = design[count + p, p]
        Q, R = np.linalg.qr(small)
        Q = np.ascontiguousarray(Q)
        x = answers @ Q
        lost = False
        for p in range(rank):
            if not np.abs(R[p, p]) > 1e-13 * np.abs(R[0, 0]):
                lost = True
                R[p, p] = 1.0
        if lost:
            x[:] = 0.0
        residuals = data - design @ _back(R, x)
        gradient = _forward(R, residuals @ design)
        direction = gradient.copy()
        size_now = gradient @ gradient
        goal = accuracy * accuracy * length
        for _ in range(steps):
            if not size_now > goal:
                break
            image = design @ _back(R, direction)
            curvature = image @ image
            if not curvature > 0.0:
                break
            step = size_now / curvature
            x += step * direction
            residuals -= step * image
            gradient = _forward(R, residuals @ design)
            following = gradient @ gradient
            direction = gradient + following / size_now * direction
            size_now = following
        A[i, :rank] = _back(R, x)
        final = residuals @ design
        for p in range(rank):
            after += final[p] * final[p] / (masses[i] + penalties[i] * ridge[p])
    return squares, before, after


@reduction_kernel
def _back(R, x):
    """R^-1 x."""
    out = x.copy()
    for p in range(x.size - 1, -1, -1):
        total = out[p]
        for q in range(p + 1, x.size):
            total -= R[p, q] * out[q]
        out[p] = total / R[p, p]
    return out


@reduction_kernel
def _forward(R, x):
    """R^-T x."""
    out = x.copy()
    for p in range(x.size):
        total = out[p]
        for q in range(p):
            total -= R[q, p] * out[q]
        out[p] = total / R[p, p]
    return out
