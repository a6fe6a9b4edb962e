"""Did a sample keep its promise? The largest error of its l_p norms, searched for by ascent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..operators.rows import RowMatrix
from ..random import Stream, as_key, fill_normal_rows
from ..validation import check_count, check_real
from .row_sampling import LpSampling, RowSample
from .whitening import scored_rows, squared_row_norms, sum_over_blocks, whitening

_POOL = 32
_SEARCHED_ROWS = 100_000
_OTHER_SEED = 0x5EED_0DD
_FIRST_STEP, _GROWTH, _SHRINKAGE = 0.3, 1.5, 0.5


def lp_distortion(A, drawn: RowSample, p=None, *, n_starts=8, n_steps=30, random_state=0) -> float:
    r"""Return the largest relative error of :math:`||S A x||_p` that is found, over all x.

    For p = 2 it is exact, by singular values. Elsewhere it is what an ascent from several starts finds: a lower bound
    of the largest error. It is 1 where some A x is missed altogether. Of a matrix with more than 100000 rows the ascent
    sees another sample of so many; the errors at the places that it finds are those on all rows.

    Parameters
    ----------
    A : array or scipy sparse array or matrix of shape (n, d)
    drawn : RowSample
        Of rows of A.
    p : float, optional
        The sample's own unless given.
    n_starts, n_steps : int
        Starts in each of the two directions, too large and too small, and steps of each.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Of the starts.

    Returns
    -------
    float

    Notes
    -----
    Complexity: 8 n d n_starts flops a step.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import LpSampling, lp_distortion
    >>> A = np.random.default_rng(0).standard_normal((20000, 3))
    >>> lp_distortion(A, LpSampling(4000, 1.0, random_state=0).sample(A)) < 0.1
    True
    """
    rows = scored_rows(A)
    p = drawn.p if p is None else check_real("p", p, minimum=1)
    n_starts, n_steps = check_count("n_starts", n_starts), check_count("n_steps", n_steps)
    T = whitening(rows)
    if T.shape[1] == 0:
        return 0.0
    source: Any = rows.source
    picked = source[drawn.rows] @ T
    _, values, right = np.linalg.svd(picked * drawn.weights[:, None] ** (1.0 / p), full_matrices=False)
    if picked.shape[0] < T.shape[1] or values[-1] <= 1e-13 * values[0]:
        return 1.0
    if p == 2.0:
        return float(max(abs(values[0] - 1.0), abs(values[-1] - 1.0)))
    normals = np.empty((_POOL, T.shape[1]))
    fill_normal_rows(np.uint64(as_key(random_state)), int(Stream.LEVERAGE_PROJECTION), 0, normals)
    other, other_weights = _stand_in(rows, T, p)
    # Beside random directions: those of single rows, as errors are large where the norm rests on few, and those that
    # the sample sees worst in the l_2 norm.
    heaviest = np.argsort(np.einsum("ij,ij->i", other, other))[-_POOL:]
    pool = np.concatenate([normals, other[heaviest], picked[:: max(1, picked.shape[0] // _POOL)], right])
    pool = (pool / np.linalg.norm(pool, axis=1, keepdims=True)).T

    def ratio(Z):
        ours, our_slope = _log_norm(picked, drawn.weights, Z, p)
        theirs, their_slope = _log_norm(other, other_weights, Z, p)
        return ours - theirs, our_slope - their_slope

    logs = ratio(pool)[0]
    order = np.argsort(logs)
    Z = pool[:, np.concatenate([order[-n_starts:], order[:n_starts]])]
    signs = np.repeat([1.0, -1.0], [order[-n_starts:].size, order[:n_starts].size])
    Z = _climb(ratio, Z, signs, n_steps)
    ours = _log_norm(picked, drawn.weights, Z, p)[0]
    return float(np.abs(np.expm1(ours - _log_norm_of_all(rows, T @ Z, p))).max())


def _stand_in(rows: RowMatrix, T: np.ndarray, p: float):
    """Rows of A T and their weights: all, or a sample by leverage that is much larger than those under test."""
    source: Any = rows.source
    if rows.shape[0] <= _SEARCHED_ROWS:
        return source @ T, None
    leverage = squared_row_norms(rows, T)
    drawn = LpSampling(_SEARCHED_ROWS, p, random_state=_OTHER_SEED).sample_by(leverage)
    return source[drawn.rows] @ T, drawn.weights


def _climb(ratio, Z, signs, n_steps):
    """Ascend (or descend, where the sign is negative) from every column; return the places reached."""
    values, slopes = ratio(Z)
    lengths = np.full(signs.size, _FIRST_STEP)
    for _ in range(n_steps):
        # The values do not depend on the length of z: only what is orthogonal to it counts.
        slopes -= Z * np.einsum("ij,ij->j", Z, slopes)
        norms = np.linalg.norm(slopes, axis=0)
        norms[norms == 0] = 1.0
        trial = Z + signs * lengths / norms * slopes
        trial /= np.linalg.norm(trial, axis=0)
        new_values, new_slopes = ratio(trial)
        better = signs * new_values > signs * values
        lengths *= np.where(better, _GROWTH, _SHRINKAGE)
        Z, slopes = np.where(better, trial, Z), np.where(better, new_slopes, slopes)
        values = np.where(better, new_values, values)
    return Z


def _log_norm(B, weights, Z, p):
    """Logarithms of the weighted l_p norms of the columns of B Z, and their gradients."""
    sums = _power_sums(B, weights, Z, p)
    return np.log(sums[0]) / p, sums[1:] / sums[0]


def _log_norm_of_all(A: RowMatrix, X, p):
    """Logarithms of the l_p norms of the columns of A X."""
    return np.log(sum_over_blocks(A, lambda part, block: (np.abs(block @ X) ** p).sum(axis=0))) / p


def _power_sums(B, weights, Z, p):
    """Sums of the powers |B Z|^p in the first row, and B' |B Z|^(p-1) sign(B Z) below."""
    product = B @ Z
    slopes = np.sign(product)
    if p != 1.0:
        slopes *= np.abs(product) ** (p - 1.0)
    if weights is not None:
        slopes *= weights[:, None]
    return np.concatenate([np.einsum("ij,ij->j", product, slopes)[None], B.T @ slopes])
