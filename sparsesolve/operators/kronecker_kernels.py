"""Sums over a tensor, weighted along its axes."""

from __future__ import annotations

from ..backends.jit import kernel, reduction_kernel


@reduction_kernel
def dot(row, weights):
    """Inner product, in float64."""
    total = 0.0
    for k in range(row.size):
        total += row[k] * weights[k]
    return total


@kernel
def weighted_marginal(tensor, left, right, out):
    """out_j = sum_ab tensor[a, j, b] left_a right_b; one pass over the tensor."""
    out[:] = 0.0
    n_left, n, n_right = tensor.shape
    for a in range(n_left):
        if n_right == 1:
            weight = left[a] * right[0]
            for j in range(n):
                out[j] += weight * tensor[a, j, 0]
        else:
            for j in range(n):
                out[j] += left[a] * dot(tensor[a, j], right)
