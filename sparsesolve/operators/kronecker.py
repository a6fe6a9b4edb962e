"""Products of tensors with one matrix a mode, and what else a Kronecker structure makes cheap.

A tensor has shape (T, n_1, ..., n_I): snapshots first, then one axis a mode, in C order. So X.reshape(T, -1) holds in
each row a vector that kron(A_1, ..., A_I) may be applied to, and that product is `mode_products(X, (A_1, ..., A_I))`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np

from .kronecker_kernels import weighted_marginal

# Below so many columns a product in the middle of a tensor is made on a transposed copy: single products cost more.
_NARROW = 8


def mode_product(tensor: np.ndarray, matrix: np.ndarray, mode: int) -> np.ndarray:
    """Multiply one mode of a tensor by a matrix.

    Parameters
    ----------
    tensor : ndarray of shape (T, n_1, ..., n_I)
    matrix : ndarray of shape (m, n_mode)
    mode : int
        From 0.

    Returns
    -------
    ndarray of shape (T, n_1, ..., m, ..., n_I)

    Notes
    -----
    One BLAS product on the tensor as it lies in memory (one for each index before the mode where there are any).
    """
    shape = tensor.shape
    n = shape[mode + 1]
    left, right = math.prod(shape[: mode + 1]), math.prod(shape[mode + 2 :])
    after = (*shape[: mode + 1], matrix.shape[0], *shape[mode + 2 :])
    if right == 1:
        return (tensor.reshape(left, n) @ matrix.T).reshape(after)
    if left == 1:
        return (matrix @ tensor.reshape(n, right)).reshape(after)
    if right < _NARROW and left > right:
        turned = np.ascontiguousarray(tensor.reshape(left, n, right).swapaxes(1, 2)).reshape(left * right, n)
        product = (turned @ matrix.T).reshape(left, right, matrix.shape[0])
        return np.ascontiguousarray(product.swapaxes(1, 2)).reshape(after)
    return np.matmul(matrix, tensor.reshape(left, n, right)).reshape(after)


def mode_products(tensor: np.ndarray, matrices: Sequence[np.ndarray | None]) -> np.ndarray:
    """Multiply every mode of a tensor by its matrix; None leaves a mode alone.

    The modes that shrink most come first, so that the tensor stays small.

    Parameters
    ----------
    tensor : ndarray of shape (T, n_1, ..., n_I)
    matrices : sequence of ndarray of shape (m_i, n_i), or None

    Returns
    -------
    ndarray of shape (T, m_1, ..., m_I)

    Notes
    -----
    2 m_i times the size of the tensor at that step, in multiplications and additions. Two tensors live at a time.
    """
    given = {i: matrix for i, matrix in enumerate(matrices) if matrix is not None}
    for i in sorted(given, key=lambda i: given[i].shape[0] / given[i].shape[1]):
        tensor = mode_product(tensor, given[i], i)
    return tensor


def outer(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Outer product of shape (n_1, ..., n_I)."""
    return reduce(np.multiply.outer, vectors)


def kronecker_vector(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Kronecker product of vectors, of length n_1 ... n_I; of none of them, one entry 1."""
    return outer(vectors).reshape(-1) if len(vectors) else np.ones(1)


def scale_modes(tensor: np.ndarray, vectors: Sequence[np.ndarray | None]) -> np.ndarray:
    """Multiply a tensor of shape (T, n_1, ..., n_I) by a diagonal matrix in every mode; None leaves a mode alone.

    Makes one new tensor, of the same dtype.
    """
    result, last = None, len(vectors) - 1
    for i, vector in enumerate(vectors):
        if vector is None:
            continue
        weights = vector.astype(tensor.real.dtype, copy=False).reshape((-1,) + (1,) * (last - i))
        result = tensor * weights if result is None else np.multiply(result, weights, out=result)
    return tensor.copy() if result is None else result


def marginal(tensor: np.ndarray, vectors: Sequence[np.ndarray], mode: int) -> np.ndarray:
    """Sum a real tensor over all modes but one, each weighted by its vector; in float64.

    Parameters
    ----------
    tensor : ndarray of shape (n_1, ..., n_I)
        Without snapshots.
    vectors : sequence of ndarray of shape (n_i,)
        That of `mode` is not used.
    mode : int

    Returns
    -------
    ndarray of shape (n_mode,)

    Notes
    -----
    One pass over the tensor; no copy of it.
    """
    left, right = kronecker_vector(vectors[:mode]), kronecker_vector(vectors[mode + 1 :])
    out = np.empty(tensor.shape[mode])
    weighted_marginal(tensor.reshape(left.size, out.size, right.size), left, right, out)
    return out


def mode_gram(first: np.ndarray, second: np.ndarray, mode: int) -> np.ndarray:
    """The n x n matrix of inner products of two tensors' slices: sum over all else of first[j] conj(second[k]).

    Parameters
    ----------
    first, second : ndarray of shape (T, n_1, ..., n_I)
    mode : int

    Returns
    -------
    ndarray of shape (n_mode, n_mode)
    """
    shape = first.shape
    n = shape[mode + 1]
    left, right = math.prod(shape[: mode + 1]), math.prod(shape[mode + 2 :])
    if right == 1:
        return first.reshape(left, n).T @ second.reshape(left, n).conj()
    if left == 1:
        return first.reshape(n, right) @ second.reshape(n, right).conj().T
    if right < _NARROW:
        first = np.ascontiguousarray(first.reshape(left, n, right).swapaxes(1, 2)).reshape(left * right, n)
        second = np.ascontiguousarray(second.reshape(left, n, right).swapaxes(1, 2)).reshape(left * right, n)
        return first.T @ second.conj()
    first, second = first.reshape(left, n, right), second.reshape(left, n, right)
    total = first[0] @ second[0].conj().T
    for a in range(1, left):
        total += first[a] @ second[a].conj().T
    return total


def energy(tensor: np.ndarray) -> float:
    """Sum of squared moduli, in float64 for any dtype."""
    flat = tensor.reshape(-1).view(tensor.real.dtype)
    if flat.dtype == np.float64:
        return float(flat @ flat)
    step = 1 << 14
    return float(sum(float(flat[k : k + step] @ flat[k : k + step]) for k in range(0, flat.size, step)))
