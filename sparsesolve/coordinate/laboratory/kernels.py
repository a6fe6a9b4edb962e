"""Kernels on the CSR form of a symmetric sparse matrix without zeros, no entry twice."""

import numpy as np

from ...backends.jit import kernel


@kernel
def add_columns(starts, indices, values, block, d, out):
    """Add the block's columns of the matrix, times d, to out."""
    for q in range(block.shape[0]):
        i, length = block[q], d[q]
        if length != 0.0:
            for k in range(starts[i], starts[i + 1]):
                out[indices[k]] += values[k] * length


@kernel
def breadth_first_order(starts, indices):
    """All nodes by breadth first, part by part."""
    n = starts.shape[0] - 1
    met = np.zeros(n, np.bool_)
    order = np.empty(n, np.int64)
    filled = 0
    for root in range(n):
        if met[root]:
            continue
        met[root] = True
        order[filled] = root
        head = filled
        filled += 1
        while head < filled:
            i = order[head]
            head += 1
            for k in range(starts[i], starts[i + 1]):
                j = np.int64(indices[k])
                if not met[j]:
                    met[j] = True
                    order[filled] = j
                    filled += 1
    return order


@kernel
def colour(starts, indices, order):
    """Give each node, in order, the least used colour that no neighbour has."""
    n = starts.shape[0] - 1
    colours = np.full(n, -1, np.int64)
    sizes = np.zeros(n + 1, np.int64)
    taken = np.full(n + 1, -1, np.int64)
    n_colours = 0
    for t in range(n):
        i = order[t]
        for k in range(starts[i], starts[i + 1]):
            j = indices[k]
            if j != i and colours[j] >= 0:
                taken[colours[j]] = i
        best = n_colours
        for c in range(n_colours):
            if taken[c] != i and (best == n_colours or sizes[c] < sizes[best]):
                best = c
        colours[i] = best
        sizes[best] += 1
        n_colours = max(n_colours, best + 1)
    return colours
