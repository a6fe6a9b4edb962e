"""The small eigendecompositions behind the covariance of the data, and variances from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..operators.kronecker import mode_products, outer


class Spectrum(NamedTuple):
    """Eigenvalues p (ascending, at least 0) and eigenvectors U of K = A diag(g) A^H."""

    values: np.ndarray
    vectors: np.ndarray


def spectrum_of(factor: np.ndarray, gamma: np.ndarray) -> Spectrum:
    """Decompose A diag(g) A^H; O(m^2 n). In float64 for any dtype: these matrices are small.

    Parameters
    ----------
    factor : ndarray of shape (m, n)
    gamma : ndarray of shape (n,)

    Returns
    -------
    Spectrum
    """
    R = factor * np.sqrt(gamma)
    values, vectors = np.linalg.eigh(R @ R.conj().T)
    return Spectrum(np.maximum(values, 0.0), vectors)


def projected_variances(
    spectra: Sequence[Spectrum],
    gammas: Sequence[np.ndarray],
    images: Sequence[np.ndarray],
    matrices: Sequence[np.ndarray],
    noise_variance: float,
    dtype,
) -> np.ndarray:
    """Posterior variances of kron(L_1, ..., L_I) G^-1/2 x.

    The covariance of G^-1/2 x is V diag(s2 / (s2 + p)) V^H plus the projection off the range of V, the right singular
    vectors of A G^1/2. Each mode gets its share of that projection as one more eigenvector with p = 0. So all terms are
    at least 0, and small variances are as exact as large ones.

    Parameters
    ----------
    spectra : sequence of Spectrum
    gammas : sequence of ndarray of shape (n_i,)
    images : sequence of ndarray of shape (n_i, m_i)
        A_i^H U_i.
    matrices : sequence of ndarray of shape (k_i, n_i), or (n_i,)
        L_i; a vector stands for a diagonal matrix.
    noise_variance : float
    dtype : numpy.dtype
        Of the result; real.

    Returns
    -------
    ndarray of shape (k_1, ..., k_I)
    """
    shares, extended = [], []
    for spectrum, gamma, image, L in zip(spectra, gammas, images, matrices, strict=True):
        V, values, complete = _right_vectors(spectrum, gamma, image)
        part = _squares(L[:, None] * V if L.ndim == 1 else L @ V)
        if not complete:
            size = L**2 if L.ndim == 1 else _squares(L).sum(1)
            part = np.column_stack([part, np.maximum(size - part.sum(1), 0.0)])
            values = np.append(values, 0.0)
        shares.append(part)
        extended.append(values)
    core = eigenvalues(extended, noise_variance, dtype)
    np.divide(dtype.type(noise_variance), core, out=core)
    return mode_products(core[None], cast(shares, dtype))[0]


def eigenvalues(values: Sequence[np.ndarray], noise_variance: float, dtype) -> np.ndarray:
    """The eigenvalues s2 + p of the covariance of the data, of shape (m_1, ..., m_I)."""
    total = outer([value.astype(dtype) for value in values])
    total += dtype.type(noise_variance)
    return total


def cast(matrices: Sequence[np.ndarray], dtype) -> list[np.ndarray]:
    """The matrices in another dtype; those that have it are not copied."""
    return [matrix.astype(dtype, copy=False) for matrix in matrices]


def _right_vectors(spectrum: Spectrum, gamma: np.ndarray, image: np.ndarray):
    """Unit vectors G^1/2 A^H U, zero where p is; their p; whether they span everything."""
    V = np.sqrt(gamma)[:, None] * image
    norms = np.sqrt(_squares(V).sum(0))
    seen = spectrum.values > spectrum.values.size * np.finfo(V.dtype).eps * spectrum.values[-1]
    V = V * np.divide(1.0, norms, out=np.zeros_like(norms), where=seen)
    return V, np.where(seen, spectrum.values, 0.0), V.shape[0] == V.shape[1] and bool(seen.all())


def _squares(matrix: np.ndarray) -> np.ndarray:
    """Squared moduli."""
    return matrix.real**2 + matrix.imag**2 if np.iscomplexobj(matrix) else matrix**2
