"""Logarithms of sums of exponentials over the rows and columns of a cost, float32 or float64."""

from __future__ import annotations

import numpy as np

from ..backends.threads import run_chunks
from . import log_sum_exp_kernels as kernels

# Pairs of a chunk: large enough that a thread pays, and a function of the shape alone.
_CHUNK = 1 << 20
#: Below the first every exponent is nothing; between the others a sum lost no digit to a shift that was a guess.
LIMITS = {
    np.dtype(np.float64): (-1e300, 1e-200, 1e200),
    np.dtype(np.float32): (-1e30, 1e-25, 1e25),
}


def log_sum_exp_rows(cost, g: np.ndarray, reg: float, guess: np.ndarray | None = None) -> np.ndarray:
    """Return log sum_j exp((g_j - c_ij) / reg) for every row i.

    Parameters
    ----------
    cost : ndarray of shape (n, m), or tuple (X, Y.T, metric code)
        Float32 or float64; finite. Points as of `cost_rows`.
    g : ndarray of shape (m,)
        May hold -inf. Of the type of the cost.
    reg : float
    guess : ndarray of shape (n,), optional
        Near the answer: one reading then does, instead of two. Where it is no good, all is done again.

    Returns
    -------
    ndarray of shape (n,)
        -inf where every term is zero; never NaN.

    Notes
    -----
    O(n m) exponentials, each a polynomial. Rows go to threads in chunks that depend on the shape alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.operators.log_sum_exp import log_sum_exp_rows
    >>> log_sum_exp_rows(np.zeros((2, 4)), np.zeros(4), 1.0) / np.log(4.0)
    array([1., 1.])
    """
    n = _shape(cost)[0]
    dtype = g.dtype
    lowest, low, high = map(dtype.type, LIMITS[dtype])
    out = np.empty(n, dtype) if guess is None else np.array(guess, dtype)
    bounds, scale = _bounds(n, g.size), dtype.type(1.0 / reg)

    def task(chunk):
        kernels.rows(
            cost, g, scale, low, high, lowest, guess is not None, out, bounds[chunk], bounds[chunk + 1]
        )

    _each(task, len(bounds) - 1)
    return out


def log_sum_exp_columns(cost, f: np.ndarray, reg: float, guess: np.ndarray | None = None) -> np.ndarray:
    """Return log sum_i exp((f_i - c_ij) / reg) for every column j; see `log_sum_exp_rows`."""
    n, m = _shape(cost)
    dtype = f.dtype
    lowest, low, high = map(dtype.type, LIMITS[dtype])
    bounds, scale = _bounds(n, m), dtype.type(1.0 / reg)
    n_chunks = len(bounds) - 1
    sums = np.zeros((n_chunks, m), dtype)
    if guess is not None:
        shift = np.maximum(np.asarray(guess, dtype), lowest)
        _each(
            lambda k: kernels.columns_shifted(cost, f, scale, shift, sums[k], bounds[k], bounds[k + 1]),
            n_chunks,
        )
        total = sums.sum(axis=0)
        good = (total > low) & (total < high)
        if good.all():
            return shift + np.log(total)
        sums[:] = 0.0
    largest = np.full((n_chunks, m), lowest)
    _each(
        lambda k: kernels.columns_online(cost, f, scale, largest[k], sums[k], bounds[k], bounds[k + 1]),
        n_chunks,
    )
    most = largest.max(axis=0, initial=lowest)
    total = (sums * np.exp(largest - most)).sum(axis=0)
    nothing = most <= lowest
    out = most + np.log(np.where(nothing, 1.0, total))
    out[nothing] = -np.inf
    return out.astype(dtype, copy=False)


def _shape(cost):
    return (cost[0].shape[0], cost[1].shape[1]) if isinstance(cost, tuple) else cost.shape


def _bounds(n, m):
    step = max(4, -(-_CHUNK // max(m, 1)) // 4 * 4)  # kernels take four rows at a time
    return [*range(0, n, step), n]


def _each(task, n_chunks):
    if n_chunks == 1:
        task(0)
    else:
        run_chunks(task, n_chunks)
