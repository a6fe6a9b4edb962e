"""Changes of gauge: A W^-T and B W have the product of A and B."""

from __future__ import annotations

import numpy as np

from ..backends.threads import single_threaded_blas

_SMALL = 1e-15


@single_threaded_blas()
def align(B: np.ndarray, goal: np.ndarray, regularised: bool) -> np.ndarray:
    """The change of gauge W that brings B W nearest to `goal`: orthogonal where there is a ridge, else any.

    The product of the factors knows its factors up to such a change only (up to a rotation, under a ridge), in which
    sweeps drift; what drifts must not be taken for progress.
    """
    cross = B.T @ goal
    if regularised:
        left, _, right = np.linalg.svd(cross)
        return left @ right
    W = np.linalg.lstsq(B.T @ B, cross, rcond=1e-14)[0]
    return W if np.linalg.cond(W) < 1e6 else np.eye(len(W))


@single_threaded_blas()
def balance(A: np.ndarray, B: np.ndarray, row_penalties, column_penalties) -> tuple[np.ndarray, np.ndarray]:
    """The pair with the product of A and B whose ridge terms are least; O((m + n) rank^2).

    Their Gram matrices, weighted by the penalties, become the same diagonal matrix. Sweeps alone approach this balance
    the more slowly, the smaller the ridge.
    """
    own: np.ndarray = np.linalg.qr(np.sqrt(row_penalties)[:, None] * A)[1]
    other: np.ndarray = np.linalg.qr(np.sqrt(column_penalties)[:, None] * B)[1]
    left, lengths, right = np.linalg.svd(own @ other.T)
    kept = int(np.sum(lengths > _SMALL * lengths[0]))
    roots = np.zeros(A.shape[1])
    roots[:kept] = lengths[:kept] ** -0.5
    return A @ (other.T @ right.T * roots), B @ (own.T @ left * roots)
