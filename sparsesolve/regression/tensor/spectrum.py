"""The normal matrix of a Kronecker product in the basis of its factors' singular vectors, where it is diagonal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...operators.kronecker import kronecker_vector, mode_products

_EPS = np.finfo(np.float64).eps
# A factor's singular values below this, relative to the largest and for each row, are rounding.
_NULL = 4 * _EPS
# So near to the span of the columns, relative to its length, the vector of ones is taken to lie in it.
_IN_SPAN = 64 * _EPS


@dataclass(frozen=True)
class Spectrum:
    """A = (U_1 (x) U_2 ...) diag(s) (V_1 (x) V_2 ...)', and the vector of ones that stands for an intercept.

    Vectors in the singular basis have shape (r, n_targets), r = r_1 r_2 ...; r_k is the rank of factor k, or its number
    of columns where a penalty sees the other directions, too: with singular values of zero.

    Attributes
    ----------
    left : list of ndarray of shape (n_k, r_k)
    right : list of ndarray of shape (d_k, r_k)
    values : ndarray of shape (r, 1)
        The singular values s, the last factor's running fastest.
    ones : ndarray of shape (r, 1)
        U'1; zero without an intercept.
    outside : float
        Squared length of the part of 1 outside of the span of U; infinite without an intercept.
    n_rows : int
    intercept : bool
    alpha : float
        The ridge penalty.
    """

    left: list[np.ndarray]
    right: list[np.ndarray]
    values: np.ndarray
    ones: np.ndarray
    outside: float
    n_rows: int
    intercept: bool
    alpha: float

    @classmethod
    def of(cls, factors: Sequence[np.ndarray], intercept: bool, alpha: float) -> Spectrum:
        """Decompose every factor. The sum of n_k d_k^2 flops, times a small constant."""
        parts = [_decomposed(factor, alpha > 0) for factor in factors]
        left, values, right = (list(part) for part in zip(*parts, strict=True))
        shadows = [U.sum(axis=0) for U in left]
        counts = [len(factor) for factor in factors]
        ones, outside = kronecker_vector(shadows)[:, None], 0.0
        for k, (U, shadow) in enumerate(zip(left, shadows, strict=True)):
            # One factor's part outside times what lies inside before it and all behind it: no cancellation.
            before = math.prod(float(earlier @ earlier) for earlier in shadows[:k])
            rest = 1.0 - U @ shadow
            outside += before * float(rest @ rest) * math.prod(counts[k + 1 :])
        n_rows = math.prod(counts)
        if not intercept:
            ones, outside = np.zeros_like(ones), math.inf
        elif outside <= _IN_SPAN**2 * n_rows:
            outside = 0.0
        return cls(left, right, kronecker_vector(values)[:, None], ones, outside, n_rows, intercept, alpha)

    @property
    def rank(self) -> int:
        """Rank of A, or of the centred A where there is an intercept, with the ridge rows."""
        return len(self.values) - self.is_degenerate

    @property
    def is_degenerate(self) -> bool:
        """Whether the vector of ones is a combination of the columns, and no penalty tells how to part it."""
        return self.outside + self.alpha == 0.0

    def rotated(self, columns: np.ndarray) -> np.ndarray:
        """Return U' columns."""
        return through(columns, [U.T for U in self.left])

    def to_basis(self, G: np.ndarray) -> np.ndarray:
        """Return V' G."""
        return through(G, [V.T for V in self.right])

    def from_basis(self, Z: np.ndarray) -> np.ndarray:
        """Return V Z."""
        return through(Z, self.right)

    def solve(self, C: np.ndarray) -> np.ndarray:
        """Return the shortest z with (M + alpha I) z = c, where M is the (centred) A'A in the singular basis.

        M = diag(s^2) - (s u)(s u)' / n for u = U'1: a diagonal matrix less one of rank one.
        """
        inverse = 1.0 / (self.values**2 + self.alpha)
        Z = inverse * C
        if self.intercept and not self.is_degenerate:
            border = self.values * self.ones
            Z += inverse * border * ((border * Z).sum(axis=0) / self.pivot(self.alpha))
        elif self.intercept:
            null = self.ones / self.values
            null /= np.linalg.norm(null)
            Z -= null * (null * Z).sum(axis=0)
        return Z

    def centred(self, C: np.ndarray, first: np.ndarray) -> np.ndarray:
        """The right-hand side c = V'g once the intercept, with the right-hand side `first`, is eliminated."""
        return C - self.values * self.ones * first / self.n_rows

    def pivot(self, damping) -> float:
        """N - (s u)' (diag(s^2) + damping)^-1 (s u), without cancellation."""
        return self.outside + (self.ones**2 * (damping / (self.values**2 + damping))).sum(axis=0)

    def constant(self, Z: np.ndarray, first: np.ndarray) -> np.ndarray:
        """The intercept that belongs to z, where `first` is the gradient's (or the targets') sum over the rows."""
        return (first - (self.values * self.ones * Z).sum(axis=0)) / self.n_rows


def _decomposed(factor, complete):
    """U, s and V; all directions if `complete`, those of singular values that are rounding with s = 0 and u = 0."""
    n_rows, width = factor.shape
    if n_rows > width:
        Q, triangle = np.linalg.qr(factor)
        U, s, Vt = np.linalg.svd(triangle)
        U = Q @ U
    else:
        U, s, Vt = np.linalg.svd(factor, full_matrices=complete)
    rank = max(1, int(np.sum(s > _NULL * max(factor.shape) * s[0])))
    if not complete:
        return U[:, :rank], s[:rank], np.ascontiguousarray(Vt[:rank].T)
    left, values = np.zeros((n_rows, width)), np.zeros(width)
    left[:, :rank], values[:rank] = U[:, :rank], s[:rank]
    return left, values, np.ascontiguousarray(Vt.T)


def through(columns: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Apply a Kronecker product of matrices to each column."""
    count = columns.shape[1]
    tensor = np.ascontiguousarray(columns.T).reshape(count, *(matrix.shape[1] for matrix in matrices))
    return mode_products(tensor, matrices).reshape(count, -1).T
