"""The few loops over one row from which the kernels of this room are made."""

import numpy as np

from ..backends.jit import finite_kernel, kernel
from ..operators.elementary import exp


@finite_kernel
def exp_row(cost, g, f, inverse_reg, out):
    """out_j = exp((f + g_j - cost_j) / reg); returns the sum."""
    total = 0.0
    for j in range(cost.shape[0]):
        value = exp((f + g[j] - cost[j]) * inverse_reg)
        out[j] = value
        total += value
    return total


@finite_kernel
def largest_gain(cost, g):
    """max_j (g_j - cost_j)."""
    largest = -1e300
    for j in range(cost.shape[0]):
        largest = max(largest, g[j] - cost[j])
    return largest


@finite_kernel
def raise_to_gain(cost, f, out):
    """out_j = max(out_j, f - cost_j)."""
    for j in range(cost.shape[0]):
        out[j] = max(out[j], f - cost[j])


@finite_kernel
def add_scaled(x, factor, y):
    """Add factor * x to y."""
    for j in range(x.shape[0]):
        y[j] += factor * x[j]


@finite_kernel
def dot(x, y):
    """Sum of x_j y_j."""
    total = 0.0
    for j in range(x.shape[0]):
        total += x[j] * y[j]
    return total


@finite_kernel
def spread(x):
    """Least and largest entry."""
    low, high = 1e300, -1e300
    for j in range(x.shape[0]):
        low = min(low, x[j])
        high = max(high, x[j])
    return low, high


@kernel
def least_and_sum(x):
    """Least entry and sum; the sum is NaN or infinite where an entry is."""
    least, total = np.inf, 0.0
    for j in range(x.shape[0]):
        least = min(least, x[j])
        total += x[j]
    return least, total


@finite_kernel
def size_and_dot(x, weights):
    """Largest |x_j|, and the sum of x_j weights_j."""
    largest, total = 0.0, 0.0
    for j in range(x.shape[0]):
        largest = max(largest, abs(x[j]))
        total += x[j] * weights[j]
    return largest, total


@finite_kernel
def spread_of_ratio(x, y):
    """Least and largest x_j / y_j."""
    low, high = 1e300, -1e300
    for j in range(x.shape[0]):
        ratio = x[j] / y[j]
        low = min(low, ratio)
        high = max(high, ratio)
    return low, high


@finite_kernel
def count_above(x, limit, share):
    """Number of entries with x_j > limit * share_j."""
    count = 0
    for j in range(x.shape[0]):
        count += 1 if x[j] > limit * share[j] else 0
    return count
