"""The acyclicity measure ``h(W; s) = d log s - log det(s I - W.W)`` of the central path, and its domain.

It is defined where the spectral radius of ``W.W``, the squared weights, is below s. There ``s I - W.W`` is an
M-matrix: its elimination needs no exchange of rows, all its pivots are positive, and its inverse has no negative
entry. At the first pivot that is not positive the weights are known to lie outside. h is 0 for acyclic weights, and
above 0 for all others.
"""

from __future__ import annotations

import math

import numpy as np

from ..backends.jit import kernel

_WHOLE, _BLOCK = 64, 32
_LEAST_PIVOT = 1e-14


def acyclicity(weights: np.ndarray, s: float) -> float:
    """h(W; s); infinity outside of its domain. O(d^3).

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.dag.log_determinant import acyclicity
    >>> acyclicity(np.array([[0.0, 2.0], [0.0, 0.0]]), 1.0), acyclicity(np.array([[0.0, 2.0], [0.5, 0.0]]), 1.0)
    (0.0, inf)
    """
    return max(invert_transposed(weights, s, np.empty(np.shape(weights))), 0.0)


def acyclicity_gradient(weights: np.ndarray, s: float) -> np.ndarray:
    """Gradient ``2 W . (s I - W.W)^-T`` of h, shape (d, d); O(d^3).

    Raises
    ------
    ValueError
        Where the weights lie outside of the domain.
    """
    inverse = np.empty(np.shape(weights))
    if invert_transposed(weights, s, inverse) == math.inf:
        raise ValueError(
            f"weights have squares of a spectral radius not below s={s}: scale them down, or raise s."
        )
    return 2.0 * weights * inverse


def invert_transposed(weights: np.ndarray, s: float, inverse: np.ndarray) -> float:
    """Write ``(s I - W.W)^-T`` to `inverse`, C-contiguous; return h, or infinity outside of its domain.

    Outside, `inverse` is void. Gauss-Jordan elimination in place; in blocks, by matrix products, where d is large.
    d^3 multiplications.
    """
    d = len(weights)
    np.multiply(weights.T, weights.T, out=inverse)
    np.negative(inverse, out=inverse)
    inverse.flat[:: d + 1] += s
    if d <= _WHOLE:
        return float(_eliminate(inverse, float(s)))
    value = 0.0
    for first in range(0, d, _BLOCK):
        block = slice(first, first + _BLOCK)
        pivot = inverse[block, block].copy()
        value += float(_eliminate(pivot, float(s)))
        if value == math.inf:
            return value
        inverse[block, block] = np.eye(len(pivot))
        rows = pivot @ inverse[block]
        columns = inverse[:, block].copy()
        columns[block] = 0.0
        # The block's columns of the inverse come from the identity, not from the entries that are eliminated.
        inverse[:, block] = 0.0
        inverse -= columns @ rows
        inverse[block] = rows
    return value


@kernel
def _eliminate(matrix, s):
    """Invert an M-matrix in place; return the sum of ``log(s / pivot)``, or infinity where it is none.

    Pivots are at most s, and count as zero where they are down to rounding.
    """
    d = matrix.shape[0]
    value = 0.0
    for k in range(d):
        pivot_row = matrix[k]
        pivot = pivot_row[k]
        if not pivot > _LEAST_PIVOT * s:
            return np.inf
        value -= np.log(pivot / s)
        reciprocal = 1.0 / pivot
        pivot_row[k] = 1.0
        for j in range(d):
            pivot_row[j] *= reciprocal
        for i in range(d):
            row = matrix[i]
            factor = row[k]
            if i != k and factor != 0.0:
                row[k] = 0.0
                for j in range(d):
                    row[j] -= factor * pivot_row[j]
    return value
