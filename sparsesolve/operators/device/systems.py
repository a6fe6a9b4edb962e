"""Symmetric systems made of a sparse matrix A, as conjugate gradients on a device see them."""

from __future__ import annotations

import numpy as np

from ..compressed_rows import check_vector
from .matrix import OF_DIFFERENCES, DeviceCSR


class System:
    """What the three systems share.

    Attributes
    ----------
    matrix : DeviceCSR
    code : int
        Its SYSTEM in `conjugate_gradients.cl`.
    size : int
        Unknowns.
    scale, diagonal : DeviceArray
        See each system.
    """

    code: int

    def __init__(self, matrix: DeviceCSR, size: int, scale, diagonal):
        self.matrix, self.runtime, self.dtype = matrix, matrix.runtime, matrix.dtype
        self.size = size
        # Kernels of systems that have no scale get the diagonal in its place, and leave it alone.
        self.diagonal = self.runtime.input(check_vector(diagonal, size, self.dtype))
        self.scale = self.diagonal
        if scale is not None:
            self.scale = self.runtime.input(check_vector(scale, matrix.shape[0], self.dtype))
        self._prepare()

    def _prepare(self):
        n = self.matrix.shape[0]
        self._pairs = self.matrix.new_parts() if self.matrix.columns is None else None
        self._means = self.runtime.empty(n, self.dtype)

    def matvec(self, x: np.ndarray) -> np.ndarray:
        """The product with a vector of the host."""
        out = np.zeros(self.size, self.dtype)
        x = check_vector(x, self.size, self.dtype)
        if self.size:
            y = self.runtime.output(out)
            self.start(self.runtime.input(x), y)
            y.read(out)
        return out

    def start(self, x, y) -> None:
        """Start the product of vectors of the device."""
        raise NotImplementedError


class DeviceHessian(System):
    """[diag(r) A; A' diag(c)]: the Hessian of transport in both potentials.

    Parameters
    ----------
    matrix : DeviceCSR of shape (n, m)
    diagonal : array of shape (n + m,)
        r and c, one after the other.
    """

    code = 0

    def __init__(self, matrix: DeviceCSR, diagonal):
        super().__init__(matrix, sum(matrix.shape), None, diagonal)

    def start(self, x, y):
        """Start y = H x."""
        matrix, n = self.matrix, self.matrix.shape[0]
        if matrix.columns is not None:
            matrix.rows.start(x, y, x_at=n, diagonal=self.diagonal, own=x)
            matrix.columns.start(x, y, at=n, diagonal=self.diagonal, own=x)
            return
        matrix.start_one_pass("hessian_chunks", self._pairs, np.uint32(n), self.diagonal, x, y)
        matrix.start_sum(self._pairs, self.diagonal, x, y, at=n)


class _Eliminated(System):
    """diag(d) and a sum over rows, in which a row's mean, scale_i (A x)_i, takes part."""

    name: str
    kind: int

    def __init__(self, matrix: DeviceCSR, scale, diagonal):
        super().__init__(matrix, matrix.shape[1], scale, diagonal)

    def start(self, x, y):
        """Start y = H x."""
        matrix = self.matrix
        if matrix.columns is not None:
            matrix.rows.start(x, self._means, scale=self.scale)
            matrix.columns.start(self._means, y, diagonal=self.diagonal, own=x, kind=self.kind)
            return
        matrix.start_one_pass(self.name, self._pairs, self.scale, x, self._means)
        matrix.start_sum(self._pairs, self.diagonal, x, y)


class DeviceSchur(_Eliminated):
    """diag(c) - A' diag(1/r) A: the transport Hessian with its rows eliminated.

    It is applied as diag(ground) x + sum_i a_ij (x_j - (A x)_i / r_i), with ground = c - A' 1: what cancels on
    constants does so before it is added up.

    Parameters
    ----------
    matrix : DeviceCSR of shape (n, m)
    inverse_rows : array of shape (n,)
        1 / r.
    ground : array of shape (m,)
        c - A' 1, not negative.
    """

    code, name, kind = 1, "schur_chunks", OF_DIFFERENCES


class DeviceGram(_Eliminated):
    """diag(ridge) + A' diag(weights) A.

    Parameters
    ----------
    matrix : DeviceCSR of shape (n, m)
    weights : array of shape (n,)
    ridge : array of shape (m,)
    """

    code, name, kind = 2, "gram_chunks", 0
