"""The few loops over one row from which the kernels of this room are made."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from ..backends.jit import finite_kernel, inlined, kernel

#: Codes of the metrics that are computed row by row.
SQEUCLIDEAN, EUCLIDEAN, CITYBLOCK, COSINE = range(4)


@intrinsic
def _as_float(context, bits):
    def generate(ctx, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


@inlined
def exp(x):
    """Exponential to 1 ulp or two, as a polynomial that vectorises.

    Zero below -600: sums and products of smaller numbers would be denormal, and a hundred times slower. Arguments
    above 700 count as 700.
    """
    counts = 1.0 if x > -600.0 else 0.0
    x = min(max(x, -600.0), 700.0)
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 6.93147180369123816490e-01
    r = r - k * 1.90821492927058770002e-10
    p = 1.0 / 39916800
    p = p * r + 1.0 / 3628800
    p = p * r + 1.0 / 362880
    p = p * r + 1.0 / 40320
    p = p * r + 1.0 / 5040
    p = p * r + 1.0 / 720
    p = p * r + 1.0 / 120
    p = p * r + 1.0 / 24
    p = p * r + 1.0 / 6
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return counts * p * _as_float((np.int64(k) + np.int64(1023)) << np.int64(52))


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


@finite_kernel
def _add_squares(difference_of, y, out):
    for j in range(y.shape[0]):
        difference = difference_of - y[j]
        out[j] += difference * difference


@finite_kernel
def _add_magnitudes(difference_of, y, out):
    for j in range(y.shape[0]):
        out[j] += abs(difference_of - y[j])


@finite_kernel
def _root(out):
    for j in range(out.shape[0]):
        out[j] = np.sqrt(out[j])


@finite_kernel
def point_costs(x, y, metric, out):
    """Costs of one point x of shape (d,) to all points y, given as coordinates of shape (d, m)."""
    out[:] = 1.0 if metric == COSINE else 0.0
    for k in range(x.shape[0]):
        if metric == COSINE:
            add_scaled(y[k], -x[k], out)
        elif metric == CITYBLOCK:
            _add_magnitudes(x[k], y[k], out)
        else:
            _add_squares(x[k], y[k], out)
    if metric == EUCLIDEAN:
        _root(out)


def cost_row(cost, i, buffer):
    """Row i of a cost: of the stored matrix, or computed from the points into the buffer."""
    raise NotImplementedError("for compiled code only")


@overload(cost_row)
def _cost_row(cost, i, buffer):
    if isinstance(cost, types.Array):
        return lambda cost, i, buffer: cost[i]
    if isinstance(cost, types.BaseTuple):

        def from_points(cost, i, buffer):
            x, y, metric = cost
            point_costs(x[i], y, metric, buffer)
            return buffer

        return from_points
    raise TypingError("a cost is a matrix or a tuple of points")
