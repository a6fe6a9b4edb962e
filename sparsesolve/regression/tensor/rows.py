"""A Kronecker product of dense factors, seen as a matrix of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...backends.threads import run_chunks
from ...operators.kronecker import mode_products
from ...sketch.kronecker import face_splitting

_MAX_CHUNKS = 8
# Numbers of the residual that are in hand at once.
_CHUNK_CELLS = 1 << 17


class KroneckerRows:
    """A_1 (x) A_2 (x) ... as a `RowMatrix`: row i_1 n_2 ... + i_2 ... + ... is the product of the factors' rows i_k.

    Attributes
    ----------
    factors : list of ndarray of shape (n_k, d_k), float64, C order
    counts, widths : tuple of int
        Rows and columns of the factors.
    shape : tuple of int
    """

    is_sparse = False
    ndim = 2

    def __init__(self, factors: Sequence[np.ndarray]):
        self.factors = [np.ascontiguousarray(factor, dtype=np.float64) for factor in factors]
        self.counts = tuple(factor.shape[0] for factor in self.factors)
        self.widths = tuple(factor.shape[1] for factor in self.factors)
        self.shape = math.prod(self.counts), math.prod(self.widths)
        self.n_entries = math.prod(self.shape)
        self.source = self

    def copy_rows(self, start, stop, out):
        """Write rows start:stop into `out`."""
        places = np.unravel_index(np.arange(start, stop), self.counts)
        out[...] = face_splitting([factor[own] for factor, own in zip(self.factors, places, strict=True)])

    def view_rows(self, start, stop):
        """No row lies in memory: None."""

    def residual_product(self, B, row_scale, X, shift, use_targets=True):
        """See `RowMatrix.residual_product`.

        4 n_rows d_1 n_targets flops and those of small products: rows of A_1 are taken chunk by chunk, the other
        factors before and after.
        """
        first, *others = self.factors
        n_targets = X.shape[1]
        core = self._through_others(X.T.reshape(n_targets, *self.widths), others)
        # Columns of a chunk's residual: targets last, as in B.
        core = np.ascontiguousarray(core.reshape(n_targets, first.shape[1], -1).transpose(1, 2, 0))
        core = core.reshape(first.shape[1], -1)
        n_chunks = min(_MAX_CHUNKS, self.counts[0])
        edges = [self.counts[0] * k // n_chunks for k in range(n_chunks + 1)]
        step = max(1, _CHUNK_CELLS // core.shape[1])

        def chunk(k):
            product, total, squares = np.zeros_like(core), np.zeros(n_targets), np.zeros(n_targets)
            for start in range(edges[k], edges[k + 1], step):
                rows = slice(start, min(start + step, edges[k + 1]))
                flat = slice(rows.start * self._stride, rows.stop * self._stride)
                residual = (first[rows] @ core).reshape(-1, n_targets)
                np.subtract(B[flat] if use_targets else 0.0, residual, out=residual)
                residual -= shift
                if row_scale is not None:
                    residual *= row_scale[flat, None]
                squares += np.einsum("ij,ij->j", residual, residual)
                if row_scale is not None:
                    residual *= row_scale[flat, None]
                total += residual.sum(axis=0)
                product += first[rows].T @ residual.reshape(rows.stop - rows.start, -1)
            return product, total, squares

        product, total, squares = (
            sum(part[1:], part[0]) for part in zip(*run_chunks(chunk, n_chunks), strict=True)
        )
        tensor = product.reshape(first.shape[1], -1, n_targets).transpose(2, 0, 1)
        tensor = np.ascontiguousarray(tensor).reshape(n_targets, first.shape[1], *self.counts[1:])
        gathered = self._through_others(tensor, [factor.T for factor in others])
        return gathered.reshape(n_targets, -1).T, total, squares

    @property
    def _stride(self):
        """Rows of the product for one row of the first factor."""
        return self.shape[0] // self.counts[0]

    @staticmethod
    def _through_others(tensor, matrices):
        return mode_products(tensor, [None, *matrices])
