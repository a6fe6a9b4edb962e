"""The spectral start: the leading singular directions of the zero-filled matrix, with the paper's clipping."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..backends.threads import run_chunks, single_threaded_blas
from ..random import Stream, fill_normal_rows
from .regressions import Posed, Regressions
from .vectors import padded, residual_pass
from .whitening import transform, whiten

# Directions beyond the rank; rounded up to whole vectors, which cost no more.
_SURPLUS = 4
_ROUNDS = 3


@single_threaded_blas()
def spectral_start(posed: Posed, rank: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the best approximation, of that rank, of the observed matrix with zeros filled in, divided by p.

    p is the share of entries that were observed. Rows of the singular vectors longer than twice what random directions
    have at most are set to zero, as they say more about the mask than about the matrix.

    Parameters
    ----------
    posed : Posed
        In float32, for speed: the start is no more than a rough one.
    rank : int
    key : int
        Of the random directions from which the subspace iterations begin.

    Returns
    -------
    A, B : ndarray of float64, shapes (m, rank), (n, rank)
        B has orthogonal columns of mean square one; the singular values are in A.

    Notes
    -----
    O(rounds (entries rank + (m + n) rank^2)). P. Jain, P. Netrapalli, S. Sanghavi, "Low-rank matrix completion using
    alternating minimization", STOC 2013.
    """
    m, n = posed.shape
    dtype = posed.rows.dtype
    width = min(padded(rank + _SURPLUS, dtype), m, n)
    Q = np.zeros((n, padded(width, dtype)), dtype)
    normal = np.empty((n, width))
    fill_normal_rows(np.uint64(key), int(Stream.GAUSSIAN), 0, normal)
    Q[:, :width] = normal
    share = posed.rows.n_entries / (m * n)
    for _ in range(_ROUNDS):
        Y = _orthonormal(_multiply(posed.rows, Q)[:, :width], Q.shape[1], dtype)
        Z = _multiply(posed.columns, Y)[:, :width].astype(float)
        Q = _orthonormal(Z, Q.shape[1], dtype)
    # Z = M' Y: the singular value decomposition of Y Z'.
    spectrum, directions = np.linalg.eigh(Z.T @ Z)
    spectrum, directions = spectrum[::-1][:rank], directions[:, ::-1][:, :rank]
    roots = np.sqrt(np.maximum(spectrum, 0.0))
    left = transform(Y[:, :width].astype(float), directions)
    right = transform(Z, directions / np.where(roots > 0.0, roots, 1.0))
    lines, unit = np.sqrt(n), roots / share
    return _clipped(left) * (unit / lines), _clipped(right) * lines


def _clipped(U: np.ndarray) -> np.ndarray:
    """Singular vectors with rows beyond the bound for incoherent ones set to zero."""
    size, rank = U.shape
    coherence = 1.0 + np.sqrt(2.0 * np.log(size) / rank)
    lengths = np.linalg.norm(U, axis=1)
    return np.where((lengths > 2.0 * coherence * np.sqrt(rank / size))[:, None], 0.0, U)


def _orthonormal(Y: np.ndarray, width: int, dtype) -> np.ndarray:
    """An orthonormal basis of the columns' span, padded with zeros; zero columns beyond its dimension."""
    Y = Y.astype(float)
    white = whiten(Y, np.ones(len(Y)), False)
    out = np.zeros((len(Y), width), dtype)
    out[:, : white.active] = transform(Y, white.forward) / np.sqrt(len(Y))
    return out


def _multiply(side: Regressions, Q: np.ndarray) -> np.ndarray:
    """The zero-filled matrix times Q."""
    (out,), _ = side.over(_products, (), (Q,))
    return out


def _products(side: Regressions, Q):
    out = np.zeros((side.n_rows, Q.shape[1]), Q.dtype)
    pieces, entries = side.chunks(1), side.side
    run_chunks(
        lambda number: _multiply_rows(pieces[number], entries.starts, entries.others, entries.values, Q, out),
        len(pieces),
    )
    return (out,), ()


@kernel
def _multiply_rows(rows, starts, others, values, Q, out):
    for k in range(rows.size):
        i = np.intp(rows[k])
        total = out[i]
        residual_pass(
            Q, others, values, values, np.intp(starts[i]), np.intp(starts[i + 1]), total, total, 0, 2
        )
