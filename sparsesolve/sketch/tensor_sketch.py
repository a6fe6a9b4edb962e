"""TensorSketch: CountSketches of the factors, joined by fast Fourier transforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from .kronecker import KroneckerDistribution, KroneckerSketch, face_splitting, factor_keys
from .sparse import SparseSketch

# Entries of data without structure that are hashed at once.
_HASHED = 1 << 20


@dataclass(frozen=True)
class TensorSketch(KroneckerDistribution):
    """One entry +-1 in each column of S, at the sum of the factors' hashes modulo m.

    The cheapest sketch of the products of a Khatri-Rao design, whose columns are Kronecker products of the factors'
    columns, and of polynomial features of degree q. As sparse as a CountSketch, it is not for the l_inf guarantee.
    Any number of rows will do.

    Cost: one addition for each stored entry of a factor, and d m log(m) for the transforms of d columns.

    References
    ----------
    Pham and Pagh, "Fast and scalable polynomial kernels via explicit feature maps", KDD 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import TensorSketch
    >>> X = np.ones((5, 30))  # rows of data: their degree-3 features are sketched, 27,000 to 64
    >>> TensorSketch(64, random_state=0).sample((30, 30, 30)).apply_khatri_rao([X.T] * 3).T.shape
    (5, 64)
    """

    def _sample(self, rows, key):
        return TensorSketchSample(self.size, rows, key)


class TensorSketchSample(KroneckerSketch):
    """A sample of `TensorSketch`."""

    def __init__(self, size, rows, key):
        super().__init__(size, rows, key)
        keys = factor_keys(key, len(rows))
        self._axes = [
            SparseSketch((size, count), own_key, 1) for count, own_key in zip(rows, keys, strict=True)
        ]

    def _spectra(self, factors):
        pairs = zip(self._axes, factors, strict=True)
        return [scipy.fft.rfft(axis.apply(factor, backend="numba"), axis=0) for axis, factor in pairs]

    def _apply_khatri_rao(self, factors):
        return scipy.fft.irfft(np.prod(self._spectra(factors), axis=0), n=self.shape[0], axis=0)

    def _apply_factors(self, factors):
        return scipy.fft.irfft(face_splitting(self._spectra(factors)), n=self.shape[0], axis=0)

    def _apply(self, B):
        size = self.shape[0]
        out = np.zeros((size, B.shape[1]))
        for part, places, signs in self._hashed_rows():
            for column in range(B.shape[1]):
                out[:, column] += np.bincount(places, signs * B[part, column], minlength=size)
        return out

    def _adjoint(self, Y):
        out = np.empty((self.shape[1], Y.shape[1]))
        for part, places, signs in self._hashed_rows():
            out[part] = signs[:, None] * Y[places]
        return out

    def _hashed_rows(self):
        """Parts of the rows of the data, with the place and the sign of each row."""
        size = self.shape[0]
        hashes = [axis.adjoint(np.arange(1.0, size + 1)) for axis in self._axes]
        first, *others = [(np.abs(values).astype(np.int64) - 1, np.sign(values)) for values in hashes]
        places, signs = np.zeros(1, dtype=np.int64), np.ones(1)
        for more, of_more in others:
            places = np.add.outer(places, more).reshape(-1)
            signs = np.multiply.outer(signs, of_more).reshape(-1)
        step = max(1, _HASHED // places.size)
        for start in range(0, self.rows[0], step):
            own = slice(start, min(start + step, self.rows[0]))
            part = slice(own.start * places.size, own.stop * places.size)
            yield (
                part,
                np.add.outer(first[0][own], places).reshape(-1) % size,
                np.multiply.outer(first[1][own], signs).reshape(-1),
            )
