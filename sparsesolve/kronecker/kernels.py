"""Products of packed factors, and the alternating update of the paper."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..operators.kronecker_kernels import dot, weighted_marginal


@kernel
def kronecker_into(factors, first, last, starts, out):
    """Kronecker product of the packed factors `first` to `last`; returns its length. An empty product is 1."""
    out[0] = 1.0
    size = 1
    for i in range(first, last):
        n = starts[i + 1] - starts[i]
        for a in range(size - 1, -1, -1):
            value = out[a]
            for j in range(n):
                out[a * n + j] = value * factors[starts[i] + j]
        size *= n
    return size


@kernel
def norm_of(vector):
    """Euclidean norm, without overflow."""
    largest = np.max(np.abs(vector))
    if largest == 0.0:
        return 0.0
    total = 0.0
    for j in range(vector.size):
        total += (vector[j] / largest) ** 2
    return largest * np.sqrt(total)


@kernel
def squared_change(old, new, starts):
    """Squared distance of two Kronecker products, and squared norm of the first, from their packed factors.

    The difference is telescoped into a sum of one Kronecker product a factor, each with one factor new - old: no
    cancellation, and no vector of the product's length.
    """
    n = starts.size - 1
    oo, on, nn = np.empty(n), np.empty(n), np.empty(n)
    dd, do, dn = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        x, y = old[starts[i] : starts[i + 1]], new[starts[i] : starts[i + 1]]
        d = y - x
        oo[i], on[i], nn[i] = dot(x, x), dot(x, y), dot(y, y)
        dd[i], do[i], dn[i] = dot(d, d), dot(d, x), dot(d, y)
    total, size = 0.0, 1.0
    for i in range(n):
        size *= oo[i]
        for j in range(i, n):
            # Term i is new_0 .. new_{i-1} (x) d_i (x) old_{i+1} .. old_{n-1}.
            term = dd[i] if i == j else 2.0 * dn[i] * do[j]
            for k in range(i):
                term *= nn[k]
            for k in range(i + 1, j):
                term *= on[k]
            for k in range(j + 1, n):
                term *= oo[k]
            total += term
    return max(total, 0.0), size


@kernel
def alternate(moments, factors, starts, tol, cap):
    """Minimise sum_i (N / N_i) sum log g_i + sum_n L_n / prod_i g_i[n_i] over one factor after the other, in place.

    `moments` is L, flat; `factors` holds the g_i, packed. A pass gives every factor its exact minimiser; passes end
    when the Kronecker product of the factors changes by at most `tol` of its norm, or after `cap`. Zeros stay.
    Returns the number of passes.
    """
    n_modes = starts.size - 1
    last = starts[n_modes - 1]
    n_last = starts[n_modes] - last
    size, n_longest = moments.size, 1
    for i in range(n_modes):
        n_longest = max(n_longest, starts[i + 1] - starts[i])
    inverse = np.zeros(factors.size)
    for k in range(factors.size):
        if factors[k] > 0.0:
            inverse[k] = 1.0 / factors[k]
    rows = moments.reshape((size // n_last, n_last))
    # Without its last mode: all but the last update need no more.
    short = np.empty(rows.shape[0])
    left, right = np.empty(short.size), np.empty(short.size)
    target = np.empty(n_longest)
    before = factors.copy()
    for sweep in range(cap):
        for a in range(short.size):
            short[a] = dot(rows[a], inverse[last:])
        for i in range(n_modes):
            first, n = starts[i], starts[i + 1] - starts[i]
            out = target[:n]
            n_left = kronecker_into(inverse, 0, i, starts, left)
            if i < n_modes - 1:
                n_right = kronecker_into(inverse, i + 1, n_modes - 1, starts, right)
                weighted_marginal(short.reshape((n_left, n, n_right)), left[:n_left], right[:n_right], out)
            else:
                right[0] = 1.0
                weighted_marginal(moments.reshape((n_left, n, 1)), left[:n_left], right[:1], out)
            for j in range(n):
                if factors[first + j] > 0.0:
                    factors[first + j] = out[j] * n / size
                    inverse[first + j] = 1.0 / factors[first + j] if factors[first + j] > 0.0 else 0.0
        for i in range(n_modes - 1):
            # All scale in the last factor, so that the change of each is comparable.
            scale = norm_of(factors[starts[i] : starts[i + 1]])
            if scale > 0.0:
                factors[starts[i] : starts[i + 1]] /= scale
                inverse[starts[i] : starts[i + 1]] *= scale
                factors[last:] *= scale
                inverse[last:] /= scale
        if cap > 1:
            change, norm = squared_change(before, factors, starts)
            if change <= tol * tol * norm:
                return sweep + 1
            before[:] = factors
    return cap


@kernel
def count_small(gamma, share, absolute):
    """How many gammas are at most the largest times `share`, or `absolute`, though never the largest itself."""
    largest = 0.0
    for j in range(gamma.size):
        largest = max(largest, gamma[j])
    cut = max(share * largest, min(absolute, 0.5 * largest))
    count = 0
    for j in range(gamma.size):
        if gamma[j] <= cut:
            count += 1
    return count if count < gamma.size else 0
