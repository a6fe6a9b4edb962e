"""Loops over the observed entries for Gauss-Newton steps in the tangent space of the matrices of one rank.

Factors lie in packs: each row holds a vector of the factor and, beside it, one that moves, both padded with zeros to a
multiple of four numbers. The length is that of a tuple, `lanes`: so it is known when a kernel is compiled, once for
each, and short loops become a few vector instructions (five times faster than loops of a length known when they run).
Each kernel reads one side of the observations, gathers from the other side's pack and writes its own rows only: chunks
of rows may run on any threads.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import reduction_kernel

_ONE = np.uint64(1)
_TWO = np.uint64(2)


@reduction_kernel
def linearise(first, last, starts, others, values, own, other, lanes, residuals, gradients, grams):
    """Residuals of rows [first, last), their products with the other factor, and the other factor's Gram matrices.

    `own` holds the rows of the product's left factor, scaled by the spectrum; `other` those of the right one v_j.
    `gradients[i]` becomes sum_t r_t v_t, `grams[i]` sum_t v_t v_t'. Returns sum_t r_t^2.
    """
    total = 0.0
    rank = grams.shape[1]
    gradient = np.empty(len(lanes))
    gram = np.empty((len(lanes), len(lanes)))
    for i in range(first, last):
        gradient[:] = 0.0
        gram[:] = 0.0
        for t in range(starts[i], starts[i + 1]):
            j = np.uint64(others[t])
            fitted = 0.0
            for p in range(len(lanes)):
                fitted += own[i, p] * other[j, p]
            r = values[t] - fitted
            residuals[t] = r
            total += r * r
            for p in range(len(lanes)):
                gradient[p] += r * other[j, p]
            for q in range(len(lanes)):
                v = other[j, q]
                for p in range(len(lanes)):
                    gram[q, p] += v * other[j, p]
        for p in range(rank):
            gradients[i, p] = gradient[p]
            for q in range(rank):
                grams[i, p, q] = gram[p, q]
    return total


@reduction_kernel
def invert(first, last, grams, damping, inverses):
    """Inverses of grams[i] + diag(damping), by Cholesky; `inverses[i]` is padded with zeros.

    A pivot lost to rounding is set to the damping, or to the rounding of the diagonal: the result stays positive.
    """
    rank = grams.shape[1]
    lower = np.zeros((rank, rank))
    for i in range(first, last):
        gram = grams[i]
        for p in range(rank):
            for q in range(p + 1):
                s = gram[p, q]
                for r in range(q):
                    s -= lower[p, r] * lower[q, r]
                if q < p:
                    lower[p, q] = s * lower[q, q]
                else:
                    floor = 1e-15 * gram[p, p] + 1e-3 * damping[p] + 1e-300
                    # Diagonals are kept as reciprocals.
                    lower[p, p] = 1.0 / np.sqrt(max(s + damping[p], floor))
        # The inverse of the triangle, in place, then its transpose times itself.
        for q in range(rank):
            for p in range(q + 1, rank):
                s = 0.0
                for r in range(q, p):
                    s -= lower[p, r] * lower[r, q]
                lower[p, q] = s * lower[p, p]
        out = inverses[i]
        for p in range(rank):
            for q in range(p + 1):
                s = 0.0
                for r in range(p, rank):
                    s += lower[r, p] * lower[r, q]
                out[p, q] = s
                out[q, p] = s


@reduction_kernel
def cross(first, last, starts, others, own, other, lanes, out):
    """The off-diagonal block of the Gauss-Newton matrix: out[i] = sum_t v_t (u_i . y_t) for rows [first, last).

    `own[i]` begins with u_i; `other[j]` holds v_j and then the vector y_j that moves. Two entries are taken at a time,
    which halves the loads and stores of the sums.
    """
    sums = np.empty(len(lanes))
    for i in range(first, last):
        for p in range(len(lanes)):
            sums[p] = 0.0
        t, end = starts[i], starts[i + 1]
        while t + _ONE < end:
            j, h = np.uint64(others[t]), np.uint64(others[t + _ONE])
            s, z = 0.0, 0.0
            for p in range(len(lanes)):
                s += own[i, p] * other[j, len(lanes) + p]
                z += own[i, p] * other[h, len(lanes) + p]
            for p in range(len(lanes)):
                sums[p] += s * other[j, p] + z * other[h, p]
            t += _TWO
        if t < end:
            j = np.uint64(others[t])
            s = 0.0
            for p in range(len(lanes)):
                s += own[i, p] * other[j, len(lanes) + p]
            for p in range(len(lanes)):
                sums[p] += s * other[j, p]
        for p in range(len(lanes)):
            out[i, p] = sums[p]


@reduction_kernel
def eliminate(first, last, inverses, given, sign, sums, pack, width):
    """Write x_i = inverse_i (given_i + sign sums_i) beside the factor in the pack."""
    rank = inverses.shape[1]
    for i in range(first, last):
        inverse = inverses[i]
        for p in range(rank):
            s = 0.0
            for q in range(rank):
                s += inverse[p, q] * (given[i, q] + sign * sums[i, q])
            pack[i, width + p] = s


@reduction_kernel
def complement(first, last, grams, damping, pack, width, sums, out):
    """The Schur complement's rows: out_j = (gram_j + damping) p_j - sums_j. Returns p . out."""
    rank = grams.shape[1]
    total = 0.0
    for j in range(first, last):
        gram = grams[j]
        for p in range(rank):
            s = damping[p] * pack[j, width + p] - sums[j, p]
            for q in range(rank):
                s += gram[p, q] * pack[j, width + q]
            out[j, p] = s
            total += s * pack[j, width + p]
    return total


@reduction_kernel
def advance(first, last, step, pack, width, image, inverses, answer, remainder, preconditioned):
    """Answer += step p, remainder -= step image, and the block preconditioner's product. Returns their product."""
    rank = answer.shape[1]
    total = 0.0
    for j in range(first, last):
        for p in range(rank):
            answer[j, p] += step * pack[j, width + p]
            remainder[j, p] -= step * image[j, p]
        inverse = inverses[j]
        for p in range(rank):
            s = 0.0
            for q in range(rank):
                s += inverse[p, q] * remainder[j, q]
            preconditioned[j, p] = s
            total += s * remainder[j, p]
    return total


@reduction_kernel
def redirect(first, last, preconditioned, share, pack, width):
    """The next conjugate direction, in place: p = z + share p."""
    for j in range(first, last):
        for p in range(preconditioned.shape[1]):
            pack[j, width + p] = preconditioned[j, p] + share * pack[j, width + p]


@reduction_kernel
def times(first, last, starts, others, values, dense, out):
    """Rows [first, last) of the product of the sparse matrix of `values` with a dense one."""
    for i in range(first, last):
        sums = out[i]
        for p in range(out.shape[1]):
            sums[p] = 0.0
        for t in range(starts[i], starts[i + 1]):
            value, row = values[t], dense[others[t]]
            for p in range(out.shape[1]):
                sums[p] += value * row[p]
