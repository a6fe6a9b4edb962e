"""The normal matrix of a weighted Kronecker product, without its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...operators.kronecker import mode_products


def array_gram(factors: Sequence[np.ndarray], weights: np.ndarray, intercept: bool = False) -> np.ndarray:
    """Return [A 1]' diag(w) [A 1] for A = A_1 (x) A_2 (x) ... .

    Entry (a, b) is the sum of the weights times the products of the factors' columns a_k and b_k: the tensor of the
    weights, multiplied along each axis by all products of two columns of that factor.

    Parameters
    ----------
    factors : sequence of ndarray of shape (n_k, d_k)
    weights : ndarray of shape (1, n_1, n_2, ...)
    intercept : bool
        Whether the column of ones is there; it comes last.

    Returns
    -------
    ndarray of shape (d, d), or (d + 1, d + 1)

    Notes
    -----
    n d_k (d_k + 1) flops for the factor that comes first, less for the others; n_1 d_1^2 ... numbers of memory.

    References
    ----------
    Currie, Durban and Eilers, "Generalized linear array models with applications to multidimensional smoothing",
    Journal of the Royal Statistical Society B 68, 2006.
    """
    pairs = [np.triu_indices(factor.shape[1]) for factor in factors]
    squares = [(factor[:, i] * factor[:, j]).T for factor, (i, j) in zip(factors, pairs, strict=True)]
    packed = mode_products(weights, squares)[0]
    for axis, factor in enumerate(
        factors
    ):  # from a <= b to all pairs: axis k becomes the two axes 2 k and 2 k + 1
        packed = np.take(packed, _places(factor.shape[1]), axis=2 * axis)
    n_factors = len(factors)
    order = [*range(0, 2 * n_factors, 2), *range(1, 2 * n_factors, 2)]
    width = int(np.prod([factor.shape[1] for factor in factors]))
    gram = np.empty((width + intercept, width + intercept))
    gram[:width, :width] = packed.transpose(order).reshape(width, width)
    if intercept:
        sums = mode_products(weights, [factor.T for factor in factors]).reshape(-1)
        gram[width, :width] = gram[:width, width] = sums
        gram[width, width] = weights.sum()
    return gram


def _places(width: int) -> np.ndarray:
    """Where entry (a, b) of a symmetric matrix lies in its packed upper half."""
    places = np.zeros((width, width), dtype=np.intp)
    upper = np.triu_indices(width)
    places[upper] = np.arange(upper[0].size)
    return np.maximum(places, places.T)
