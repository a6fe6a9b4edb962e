"""The Hadamard sketch of a Kronecker product: the factors are transformed, the product is never formed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..random import Stream, choose
from .base import Sketch
from .hadamard import MIN_BLOCK
from .kronecker import KroneckerDistribution, KroneckerSketch, face_splitting, factor_keys
from .srht import PaddedSRHTSketch


@dataclass(frozen=True)
class KroneckerSRHT(KroneckerDistribution):
    """Subsampled randomised Hadamard transforms of the factors of a Kronecker product (TensorSRHT).

    S = 1 / sqrt(m) * R (H_1 D_1 (x) H_2 D_2 (x) ...) with random signs D_k, Hadamard matrices H_k whose order N_k is
    the power of two from n_k on, and m of the N_1 N_2 ... rows, drawn without replacement. Every entry is
    +-1 / sqrt(m), so that the sketch keeps the l_inf guarantee of dense sketches for regression.

    Cost, for factors of shapes (n_k, d_k): the sum of n_k d_k log2(N_k) additions, and m d_1 d_2 ... products; n times
    the sum of the logarithms for data without structure.

    Parameters
    ----------
    size : int
        At most N_1 N_2 ... .
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    References
    ----------
    Song, Ye, Yin and Zhang, "A nearly-optimal bound for fast regression with l_inf guarantee", ICML 2023, the section
    on tensor products. Ahle et al., "Oblivious sketching of high-degree polynomial kernels", SODA 2020, for the
    transform.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import KroneckerSRHT
    >>> A = [np.ones((1000, 3)), np.ones((500, 4))]
    >>> sample = KroneckerSRHT(128, random_state=0).sample((1000, 500))
    >>> sample.apply_factors(A).shape, sample.apply(np.ones(500_000)).shape
    ((128, 12), (128,))
    """

    def _sample(self, rows, key):
        return KroneckerSRHTSketch(self.size, rows, key)


class KroneckerSRHTSketch(KroneckerSketch):
    """A sample of `KroneckerSRHT`."""

    def __init__(self, size, rows, key):
        super().__init__(size, rows, key)
        orders = [1 << (count - 1).bit_length() for count in rows]
        if size > math.prod(orders):
            raise ValueError(
                f"size={size} must be at most {math.prod(orders)}, the order of the Hadamard matrices' product."
            )
        drawn = np.unravel_index(choose(key, Stream.KRONECKER_SRHT_ROWS, math.prod(orders), size), orders)
        # A factor's rows that are needed, each once, and which of them every row of S takes.
        self._axes, self._places = [], []
        for count, wanted, own_key in zip(rows, drawn, factor_keys(key, len(rows)), strict=True):
            needed, places = np.unique(wanted, return_inverse=True)
            self._axes.append(_AxisTransform(count, own_key, needed))
            self._places.append(places)

    def _parts(self, factors):
        pairs = zip(self._axes, self._places, factors, strict=True)
        parts = [axis.transformed(factor)[places] for axis, places, factor in pairs]
        parts[0] /= np.sqrt(self.shape[0])
        return parts

    def _apply_factors(self, factors):
        return face_splitting(self._parts(factors))

    def _apply_khatri_rao(self, factors):
        return np.prod(self._parts(factors), axis=0)

    def _apply(self, B):
        tensor = B.reshape(*self.rows, B.shape[1])
        for k, axis in enumerate(self._axes):
            tensor = _along_axis(axis.transformed, tensor, k)
        return tensor[*self._places] / np.sqrt(self.shape[0])

    def _adjoint(self, Y):
        tensor = np.zeros((*(axis.shape[0] for axis in self._axes), Y.shape[1]))
        tensor[*self._places] = Y / np.sqrt(self.shape[0])
        for k, axis in enumerate(self._axes):
            tensor = _along_axis(axis.untransformed, tensor, k)
        return np.ascontiguousarray(tensor.reshape(self.shape[1], Y.shape[1]))


class _AxisTransform(PaddedSRHTSketch):
    """Some rows of one factor's H D, the order of H being the power of two from the factor's rows on."""

    def __init__(self, n_rows, key, needed):
        Sketch.__init__(self, (needed.size, n_rows), key)
        self._row_step = max(MIN_BLOCK, 1 << (needed.size - 1).bit_length())
        self._rows = needed
        self._source = np.uint64(key), int(Stream.PADDED_SRHT_ROW_SIGNS)

    def transformed(self, A):
        """Return those rows of H D A."""
        return self.apply(A, backend="numba") * np.sqrt(self.shape[0])

    def untransformed(self, Y):
        """Return D H' Y for rows that lie where `transformed` has them."""
        return self.adjoint(Y) * np.sqrt(self.shape[0])


def _along_axis(product, tensor, k):
    """Apply a product, which takes the rows of a matrix, to one axis of a tensor."""
    front = np.moveaxis(tensor, k, 0)
    made = product(np.ascontiguousarray(front).reshape(front.shape[0], -1))
    return np.moveaxis(made.reshape(-1, *front.shape[1:]), 0, k)
