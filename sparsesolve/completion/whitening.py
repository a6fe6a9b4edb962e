"""Coordinates in which the Gram matrices of all rows are near multiples of the identity.

The Gram matrix of row i, sum_j w_ij b_j b_j' over its entries, is a sample of G = sum_j c_j b_j b_j' / sum_j c_j, where
c_j is the weight of column j: the sampling is the sketch, the same for all rows. With G = V diag(g) V' the coordinates
x = V diag(sqrt g) a turn G into the identity, and the ridge |a|^2 into sum_p x_p^2 / g_p, still diagonal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..backends.threads import run_chunks
from .vectors import padded

_ROWS = 4096
# Of singular values, relative to the largest: where a Gram matrix no longer knows them, and where nothing does.
_DOUBTFUL = 1e-4
_LOST = 1e-13
_TINY = 1e-150


class Whitening(NamedTuple):
    """The change of coordinates that one factor B asks for.

    Attributes
    ----------
    forward : ndarray of shape (rank, active)
        B becomes ``B @ forward``.
    backward : ndarray of shape (active, rank)
        Rows of the factor that is solved for become ``A @ backward.T``, and come back as ``X @ forward.T``.
    ridge : ndarray of shape (active,)
        |a|^2 is the sum of ``ridge * x**2``.
    """

    forward: np.ndarray
    backward: np.ndarray
    ridge: np.ndarray

    @property
    def active(self) -> int:
        """Directions that B spans."""
        return self.forward.shape[1]


def whiten(B: np.ndarray, masses: np.ndarray, regularised: bool) -> Whitening:
    """Find the coordinates for regressions on the rows of B, weighted by `masses`; O(n rank^2 + rank^3).

    With a ridge all directions stay. Without one those lost to rounding are left out, so that the solutions have no
    part in them; and where the Gram matrix is too ill-conditioned for its eigenvalues, a QR decomposition serves.
    """
    gram = weighted_gram(B, masses)
    spectrum, directions = np.linalg.eigh(0.5 * (gram + gram.T))
    lengths, directions = np.sqrt(spectrum[::-1].clip(min=0.0)), directions[:, ::-1]
    if not regularised and lengths[-1] < _DOUBTFUL * lengths[0]:
        R = np.linalg.qr(np.sqrt(masses / masses.sum())[:, None] * B, mode="r")
        _, lengths, rows = np.linalg.svd(R)
        directions = rows.T[:, : lengths.size]
    least = max(_LOST * lengths[0], _TINY)
    if lengths[0] < _TINY:
        lengths = lengths[:0]
    elif regularised:
        lengths = lengths.clip(min=least)
    else:
        lengths = lengths[lengths > least]
    directions = directions[:, : lengths.size]
    return Whitening(directions / lengths, lengths[:, None] * directions.T, lengths**-2.0)


def weighted_gram(B: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Sum of masses_j b_j b_j' over sum of masses, in fixed chunks of rows."""

    def part(chunk):
        rows = slice(chunk * _ROWS, (chunk + 1) * _ROWS)
        return B[rows].T @ (masses[rows, None] * B[rows])

    return sum(run_chunks(part, -(-len(B) // _ROWS))) / masses.sum()


def transform(B: np.ndarray, change: np.ndarray, dtype=np.float64, pad: bool = False) -> np.ndarray:
    """``B @ change`` in chunks of rows; padded with columns of zeros to whole vectors if asked for."""
    width = padded(change.shape[1], dtype) if pad else change.shape[1]
    out = np.empty((len(B), width), dtype)
    out[:, change.shape[1] :] = 0.0

    def part(chunk):
        rows = slice(chunk * _ROWS, (chunk + 1) * _ROWS)
        out[rows, : change.shape[1]] = B[rows] @ change

    run_chunks(part, -(-len(B) // _ROWS))
    return out
