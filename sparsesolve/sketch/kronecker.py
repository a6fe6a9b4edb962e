"""Sketches of matrices with Kronecker structure: what they share, and what each factor's part of the key is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from ..backends import select
from ..random import Stream, as_key, child_key
from ..validation import check_count, check_matrix
from .base import SizedAndSeeded


class KroneckerDistribution(SizedAndSeeded):
    """A distribution over matrices S of shape (size, n_1 n_2 ...), with mean of S'S = I, that act factor by factor.

    Parameters
    ----------
    size : int
        Rows m of S.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Seed; None takes a fresh one for each sample.
    """

    def sample(self, rows) -> KroneckerSketch:
        """Draw one sketching matrix.

        Parameters
        ----------
        rows : sequence of int, or of arrays
            The rows of each factor, or the factors themselves.

        Returns
        -------
        KroneckerSketch

        Raises
        ------
        ValueError
            Without factors, or for a factor without rows.
        """
        if not isinstance(rows, Sequence):
            raise ValueError(
                f"rows={rows!r} must be a list or tuple with the rows of each factor, such as (n1, n2)."
            )
        counts = tuple(
            check_count(f"rows[{k}]", np.shape(entry)[0] if np.ndim(entry) else entry)
            for k, entry in enumerate(rows)
        )
        if not counts:
            raise ValueError("rows is empty: give the rows of at least one factor.")
        return self._sample(counts, as_key(self.random_state))

    @abstractmethod
    def _sample(self, rows: tuple[int, ...], key: int) -> KroneckerSketch: ...


class KroneckerSketch(ABC):
    """One sketching matrix S of shape (m, n_1 n_2 ...), never formed.

    Row i_1 n_2 n_3 ... + i_2 n_3 ... + ... of the data belongs to row i_k of factor k, as in `numpy.kron`. The
    entries depend on the key and their place alone, not on blocks or threads.

    Parameters
    ----------
    size : int
        Rows m of S.
    rows : tuple of int
    key : int

    Attributes
    ----------
    shape : tuple of (m, n)
    rows : tuple of int
        Rows of each factor.
    key : int
        The 64-bit key that S is a function of.
    """

    def __init__(self, size: int, rows: tuple[int, ...], key: int):
        self.shape = (size, math.prod(rows))
        self.rows = rows
        self.key = key

    def __repr__(self):
        return f"{type(self).__name__}(size={self.shape[0]}, rows={self.rows}, key={self.key})"

    def on(self, backend: str) -> KroneckerSketch:
        """Return this sketch: its transforms of small factors run on the CPU, whatever the backend."""
        select(backend)
        return self

    def apply_factors(self, factors: Sequence, backend: str = "auto") -> np.ndarray:
        """Return S (A_1 (x) A_2 (x) ...).

        Parameters
        ----------
        factors : sequence of array of shape (n_k, d_k), or sparse
            One with a single dimension is a column.
        backend : {"auto", "numba"}

        Returns
        -------
        ndarray of shape (m, d_1 d_2 ...), float64

        Raises
        ------
        ValueError
            For another number of factors or of rows, or values that are no real numbers.
        """
        select(backend)
        return self._apply_factors(self._checked(factors))

    def apply_khatri_rao(self, factors: Sequence, backend: str = "auto") -> np.ndarray:
        """Return S times the matrix whose column j is the Kronecker product of the factors' columns j.

        This is also a feature map: with the transposed data X' as each of q factors, row j of the result's transpose
        stands for all products of q entries of row j of X.

        Parameters
        ----------
        factors : sequence of array of shape (n_k, d), or sparse
        backend : {"auto", "numba"}

        Returns
        -------
        ndarray of shape (m, d), float64
        """
        select(backend)
        checked = self._checked(factors)
        widths = {factor.shape[1] for factor in checked}
        if len(widths) > 1:
            raise ValueError(
                f"The factors have {sorted(widths)} columns: a Khatri-Rao product needs equally many."
            )
        return self._apply_khatri_rao(checked)

    def apply(self, B, backend: str = "auto") -> np.ndarray:
        """Return S B for data without structure, such as a right-hand side.

        Parameters
        ----------
        B : array of shape (n,), (n, k), or (n_1, n_2, ...)
        backend : {"auto", "numba"}

        Returns
        -------
        ndarray of shape (m,) or (m, k), float64
        """
        select(backend)
        B = np.asarray(B)
        flat = B.ndim == 1 or (B.shape == self.rows and len(self.rows) > 1 and B.shape[0] != self.shape[1])
        if flat:
            B = B.reshape(-1, 1)
        B = check_matrix("B", B, check_finite=False)
        if B.shape[0] != self.shape[1]:
            raise ValueError(
                f"B has shape {B.shape}, but this sketch is of {self.shape[1]} rows, those of factors with {self.rows}."
            )
        product = self._apply(B.astype(np.float64, order="C", copy=False))
        return product[:, 0] if flat else product

    def adjoint(self, Y) -> np.ndarray:
        """Return S' Y.

        Parameters
        ----------
        Y : array of shape (m, k) or (m,)

        Returns
        -------
        ndarray of shape (n, k) or (n,), float64
        """
        Y = np.asarray(Y)
        flat = Y.ndim == 1
        Y = check_matrix("Y", Y[:, None] if flat else Y, check_finite=False)
        if Y.shape[0] != self.shape[0]:
            raise ValueError(f"Y has {Y.shape[0]} rows, but the sketch has {self.shape[0]}.")
        product = self._adjoint(Y.astype(np.float64, order="C", copy=False))
        return product[:, 0] if flat else product

    def to_array(self) -> np.ndarray:
        """Return S as an array of shape (m, n): for tests and for looking at it."""
        return np.ascontiguousarray(self.adjoint(np.eye(self.shape[0])).T)

    @abstractmethod
    def _apply_factors(self, factors: list) -> np.ndarray: ...

    @abstractmethod
    def _apply_khatri_rao(self, factors: list) -> np.ndarray: ...

    @abstractmethod
    def _apply(self, B: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _adjoint(self, Y: np.ndarray) -> np.ndarray: ...

    def _checked(self, factors) -> list:
        if len(factors) != len(self.rows):
            raise ValueError(f"{len(factors)} factors were given, but this sketch is of {len(self.rows)}.")
        checked = []
        for k, factor in enumerate(factors):
            matrix = check_matrix(
                f"factors[{k}]",
                np.asarray(factor)[:, None] if np.ndim(factor) == 1 else factor,
                check_finite=False,
            )
            if matrix.shape[0] != self.rows[k]:
                raise ValueError(
                    f"factors[{k}] has {matrix.shape[0]} rows, but this sketch has {self.rows[k]} for it."
                )
            checked.append(matrix)
        return checked


def factor_keys(key: int, count: int) -> list[int]:
    """A key for each factor, the k-th a function of (key, k)."""
    return [child_key(key, Stream.KRONECKER_FACTORS, k) for k in range(count)]


def face_splitting(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The row-wise Kronecker product: row r is the Kronecker product of the rows r."""
    product = parts[0]
    for part in parts[1:]:
        product = (product[:, :, None] * part[:, None, :]).reshape(product.shape[0], -1)
    return product
