"""Products with a sparse matrix in compressed columns, on a device: what `operators.columns` hands over."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse

from ...backends.opencl import Runtime
from .conjugate_gradients import device_cg
from .matrix import DeviceCSR, Rows
from .systems import DeviceGram

# Share of the columns from which on all of them are faster than those that are asked for.
_MOST = 0.25


class DeviceProducts:
    """X' v, and conjugate gradients with X' D X, for a sparse X of shape (n, p).

    Parameters
    ----------
    runtime : Runtime
    parts : tuple of ndarray
        data, row numbers and starts of the columns, in canonical form.
    shape : tuple of int
    """

    def __init__(self, runtime: Runtime, parts: tuple[np.ndarray, ...], shape: tuple[int, int]):
        runtime.need_float64()
        self._runtime, self._parts, self._shape = runtime, parts, shape

    def of(self, parts: tuple[np.ndarray, ...], shape: tuple[int, int]) -> DeviceProducts:
        """The same for another matrix."""
        return DeviceProducts(self._runtime, parts, shape)

    @cached_property
    def _columns(self) -> Rows:
        data, rows, starts = self._parts
        return Rows(self._runtime, starts.astype(np.int64), rows, data)

    def wants(self, columns: np.ndarray | None) -> bool:
        """Whether products with so many columns are worth a launch."""
        return columns is None or columns.size > _MOST * self._shape[1]

    def transposed_product(self, v: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
        """X' v, or its entries at some columns."""
        out = np.zeros(self._shape[1])
        if out.size and v.size:
            there = self._runtime.output(out)
            self._columns.start(self._runtime.input(np.ascontiguousarray(v, np.float64)), there)
            there.read(out)
        return out if columns is None else out[columns]

    def solve_gram(
        self, curvature, total, ridge, diagonal, residual, residual_shift, tol, most_steps
    ) -> tuple[np.ndarray, float]:
        """Solve (X' H X + ridge) e = residual, with a column of ones for the intercept where total > 0.

        The intercept is eliminated: with h = X' H 1 it takes h h' / total from the matrix.
        """
        data, rows, starts = self._parts
        X = scipy.sparse.csc_array((data, rows.astype(np.int32), starts.astype(np.int32)), shape=self._shape)
        system = DeviceGram(DeviceCSR(self._runtime, X.tocsr()), curvature, ridge)
        rank_one, right = None, residual
        if total > 0.0:
            sums = self.transposed_product(curvature, None)
            rank_one, right = (-1.0 / total, sums), residual - sums * (residual_shift / total)
        e = device_cg(
            system, right, 1.0 / diagonal, tolerance=tol, most_steps=most_steps, rank_one=rank_one
        ).x
        return e, (residual_shift - float(sums @ e)) / total if total > 0.0 else 0.0
