"""Rows of a cost between two sets: of a stored matrix, or computed from points."""

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from ..backends.jit import finite_kernel

#: Codes of the metrics that are computed row by row.
SQEUCLIDEAN, EUCLIDEAN, CITYBLOCK, COSINE = range(4)


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
def _subtract_scaled(factor, y, out):
    for j in range(y.shape[0]):
        out[j] -= factor * y[j]


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
            _subtract_scaled(x[k], y[k], out)
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
