"""The problem that the engines work on: positive weights, independent columns, numbers in a good range.

Columns that depend on others are left out, and the shortest solution is found from the null space at the end. A matrix
that is too ill-conditioned for normal equations is replaced by an orthonormal basis of its columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cholesky, qr, solve_triangular
from scipy.linalg.lapack import dpotrs

from ...exceptions import NumericalError
from ...validation import check_weights
from .loss import Norm, Pinball
from .matrix import CsrMatrix, DenseMatrix, as_tall_matrix, column_exponents

# The least eigenvalue of the Gram matrix of unit columns with which normal equations are accurate enough.
_SAFE_EIGENVALUE = 1e-9
# Singular values below this, relative to the largest one of unit columns, are rounding.
_RANK = 1e-13
# Powers of two beyond which squares or sums might overflow or underflow.
_FAR_COLUMNS, _FAR_TARGETS = 200, 200
_MOST_COLUMNS = 8192
_MOST_REFINEMENTS, _REFINED = 4, 1e-12


@dataclass(frozen=True)
class Problem:
    """min over x of loss(b - A x).

    Attributes
    ----------
    A : DenseMatrix or CsrMatrix of shape (n, d)
        Of full column rank.
    b : ndarray of shape (n,)
    loss : Norm or Pinball
    root : ndarray of shape (d, d)
        Upper triangular R with R'R = A' S^2 A, where S scales rows by the loss's roots.
    """

    A: DenseMatrix | CsrMatrix
    b: np.ndarray
    loss: Norm | Pinball
    root: np.ndarray

    @property
    def n_rows(self) -> int:
        """Rows of A."""
        return self.A.shape[0]

    @property
    def width(self) -> int:
        """Columns of A."""
        return self.A.shape[1]

    @cached_property
    def size(self) -> float:
        """loss(|b|): what an exact fit is small against."""
        return self.loss.value(np.abs(self.b))

    def residual(self, x: np.ndarray) -> np.ndarray:
        """Return b - A x."""
        return self.b - self.A.apply(x)

    def least_squares(self) -> tuple[np.ndarray, np.ndarray]:
        """The x of least squares, rows scaled as in `root`, refined, and its residual."""
        squares = self.loss.roots**2
        x, residual = np.zeros(self.width), self.b
        if self.width == 0:
            return x, residual
        for _ in range(_MOST_REFINEMENTS):
            step = self.solve_normal(self.A.adjoint(squares * residual))
            x = x + step
            residual = self.residual(x)
            if np.linalg.norm(self.root @ step) <= _REFINED * np.linalg.norm(self.root @ x):
                break
        return x, residual

    def solve_normal(self, g: np.ndarray) -> np.ndarray:
        """Return (R'R)^-1 g."""
        return dpotrs(self.root, g)[0]

    def part(self, rows: np.ndarray, factors: np.ndarray | None = None) -> Problem:
        """The problem of some rows, their weights times factors. The root stays that of all rows."""
        loss = self.loss.take(rows)
        return Problem(
            self.A.take(rows), self.b[rows], loss if factors is None else loss.times(factors), self.root
        )


@dataclass(frozen=True)
class Posed:
    """A problem as the engines see it, and the way back to the data's own coordinates.

    Attributes
    ----------
    problem : Problem
    rank : int
    kept_rows : ndarray of int or None
        Rows of positive weight; None for all.
    n_rows : int
        Rows of the data.
    basis : ndarray of shape (n_unknowns, rank)
        From the problem's unknowns to scaled columns.
    null : ndarray of shape (n_unknowns, n_unknowns - rank)
        Directions of scaled unknowns that no residual sees.
    column_exponents, target_exponent : ndarray of int, int
        Powers of two that the columns and targets were multiplied with.
    weight_exponent : int
        Power of two that the weights were multiplied with.
    intercept : bool
    """

    problem: Problem
    rank: int
    kept_rows: np.ndarray | None
    n_rows: int
    basis: np.ndarray
    null: np.ndarray
    column_exponents: np.ndarray
    target_exponent: int
    weight_exponent: int
    intercept: bool

    def coefficients(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients, the shortest that give the same residuals, and the intercept."""
        z = self.basis @ x
        n_columns = len(self.column_exponents)
        exponents = np.append(self.column_exponents, np.zeros(int(self.intercept), dtype=int))
        if self.null.shape[1]:
            far = exponents.max()  # brings the unscaled null space into range
            null = np.ldexp(self.null, (exponents - far)[:, None])[:n_columns]
            z = z - self.null @ np.linalg.lstsq(null, np.ldexp(z, exponents - far)[:n_columns], rcond=None)[0]
        z = np.ldexp(z, exponents - self.target_exponent)
        return z[:n_columns], float(z[-1]) if self.intercept else 0.0

    def dual(self, u: np.ndarray) -> np.ndarray:
        """The dual vector of all rows of the data, in the data's own weights."""
        p = self.problem.loss.p
        scaled = np.ldexp(u, -self.weight_exponent) if p == 1 else u * 2.0 ** (-self.weight_exponent / p)
        if self.kept_rows is None:
            return scaled
        dual = np.zeros(self.n_rows)
        dual[self.kept_rows] = scaled
        return dual

    def objective(self, value: float) -> float:
        """The loss in the data's own units."""
        return float(np.ldexp(value, -self.target_exponent)) * 2.0 ** (
            -self.weight_exponent / self.problem.loss.p
        )


def pose(A, b, make_loss, sample_weight, intercept: bool, name: str = "A") -> Posed:
    """Bring the data into the engines' form.

    Parameters
    ----------
    A : array or scipy sparse array of shape (n, d)
        Checked and finite.
    b : ndarray of shape (n,)
    make_loss : callable
        Weights to a loss.
    sample_weight : array of shape (n,) or None
    intercept : bool
    name : str
        What the caller calls A.

    Returns
    -------
    Posed
    """
    n_rows, n_columns = A.shape
    if n_columns > _MOST_COLUMNS:
        raise ValueError(
            f"{name} has {n_columns} columns, but the normal equations are dense: at most {_MOST_COLUMNS} are taken."
        )
    weights = check_weights("sample_weight", sample_weight, n_rows)
    kept = None
    if weights is not None and weights.min() == 0:
        kept = np.flatnonzero(weights)
        A, b, weights = (A.tocsr() if not isinstance(A, np.ndarray) else A)[kept], b[kept], weights[kept]
    weight_exponent = 0 if weights is None else -int(np.frexp(weights.max())[1])
    weights = np.ones(len(b)) if weights is None else np.ldexp(weights, weight_exponent)
    loss = make_loss(weights)
    exponents = column_exponents(A, _FAR_COLUMNS)
    matrix = as_tall_matrix(A, intercept, exponents)
    largest = np.abs(b).max()
    target_exponent = -int(np.frexp(largest)[1])
    if abs(target_exponent) <= _FAR_TARGETS:
        target_exponent = 0
    b = np.ldexp(b, target_exponent) if target_exponent else b
    matrix, root, basis, null = _independent(matrix, loss.roots)
    return Posed(
        Problem(matrix, b, loss, root),
        basis.shape[1],
        kept,
        n_rows,
        basis,
        null,
        exponents,
        target_exponent,
        weight_exponent,
        intercept,
    )


def _independent(matrix, roots):
    """The matrix in well-conditioned unknowns, its root, the way back, and the null space."""
    width = matrix.shape[1]
    gram = matrix.gram(roots**2)
    if not np.all(np.isfinite(gram)):
        raise NumericalError(
            "The squares of the data leave the range of floating point: scale rows or weights."
        )
    norms = np.sqrt(gram.diagonal())
    if norms.min() > 0 and matrix.shape[0] >= width:
        scaled = gram / norms / norms[:, None]
        if np.linalg.eigvalsh(scaled)[0] > _SAFE_EIGENVALUE:
            root = cholesky(scaled, check_finite=False) * norms
            return matrix, root, np.eye(width), np.zeros((width, 0))
    return _revealed(matrix, roots, np.where(norms > 0, norms, 1.0))


def _revealed(matrix, roots, norms):
    """`_independent` by orthogonal reductions, where the Gram matrix has lost too many digits."""
    width = matrix.shape[1]
    root = np.zeros((0, width))
    step = max(4 * width, 1024)
    for first in range(0, matrix.shape[0], step):
        rows = np.arange(first, min(first + step, matrix.shape[0]))
        block = matrix.dense_rows(rows) * roots[rows, None] / norms
        root = np.linalg.qr(np.vstack([root, block]), mode="r")
    _, values, right = np.linalg.svd(root)
    rank = int(np.sum(values > _RANK * max(values[0], np.finfo(float).tiny)))
    null = right[rank:].T / norms[:, None]
    if rank == 0:
        empty = np.zeros((width, 0))
        return DenseMatrix(np.zeros((matrix.shape[0], 0))), np.zeros((0, 0)), empty, np.eye(width)
    pivots = qr(root, mode="r", pivoting=True, check_finite=False)[1][:rank]
    kept = np.sort(pivots)
    chosen = np.eye(width)[:, kept]
    inner = np.linalg.qr(root[:, kept], mode="r")
    scale = norms[kept]
    if values[rank - 1] ** 2 > _SAFE_EIGENVALUE * values[0] ** 2:
        return matrix.columns(kept), inner * scale, chosen, null
    inverse = solve_triangular(inner, np.eye(rank), check_finite=False) / scale[:, None]
    orthonormal = matrix.columns(kept).times(inverse)
    again = cholesky(orthonormal.gram(roots**2), check_finite=False)
    return orthonormal, again, chosen @ inverse, null
