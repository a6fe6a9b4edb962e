"""The posterior of the coefficients under gammas with a Kronecker structure, exactly.

With K_i = A_i diag(g_i) A_i^H = U_i diag(p_i) U_i^H the covariance of a snapshot is

    S_y = s2 I + kron(K_1, ..., K_I) = U diag(s2 + p) U^H,    U = kron(U_1, ..., U_I),  p = kron(p_1, ..., p_I),

so that everything follows from the small eigendecompositions and from products with one matrix a mode. Conventions:
the cost is T log det S_y + sum_t y_t^H S_y^-1 y_t, for real and for complex numbers alike (no factor 1/2); the log
evidence is -cost - T M log(pi) for circular complex noise, and -(cost + T M log(2 pi)) / 2 for real noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..operators.kronecker import energy, marginal, mode_gram, mode_products, scale_modes
from .problem import Problem
from .spectra import Spectrum, cast, eigenvalues, projected_variances, spectrum_of


@dataclass(frozen=True, eq=False)
class Posterior:
    """What is known about the coefficients, given gammas and the noise variance.

    Attributes
    ----------
    problem : Problem
    gammas : tuple of ndarray of shape (n_i,)
        float64.
    noise_variance : float
        s2 > 0.
    spectra : tuple of Spectrum
    inverse : ndarray of shape (m_1, ..., m_I)
        1 / (s2 + p).
    weighted : ndarray of shape (T, m_1, ..., m_I)
        U^H S_y^-1 y.
    log_determinant : float
        Of S_y, for one snapshot, in the caller's units.
    quadratic : float
        Sum over snapshots of y^H S_y^-1 y.
    """

    problem: Problem
    gammas: tuple[np.ndarray, ...]
    noise_variance: float
    spectra: tuple[Spectrum, ...]
    inverse: np.ndarray
    weighted: np.ndarray
    log_determinant: float
    quadratic: float
    _images: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def cost(self) -> float:
        """T log det S_y + sum_t y_t^H S_y^-1 y_t; see the module's text."""
        return self.problem.n_snapshots * self.log_determinant + self.quadratic

    @property
    def log_evidence(self) -> float:
        """Logarithm of the density of the data, in the caller's units."""
        size = self.problem.n_snapshots * self.problem.n_measurements
        if self.problem.is_complex:
            return -self.cost - size * math.log(math.pi)
        return -0.5 * (self.cost + size * math.log(2.0 * math.pi))

    @property
    def degrees_of_freedom(self) -> float:
        """Measurements that the coefficients explain: sum of p / (s2 + p)."""
        values = [spectrum.values for spectrum in self.spectra]
        return float(marginal(self.inverse, values, 0) @ values[0])

    def image(self, mode: int) -> np.ndarray:
        """A_i^H U_i, of shape (n_i, m_i)."""
        if mode not in self._images:
            self._images[mode] = self.problem.factors[mode].conj().T @ self.spectra[mode].vectors
        return self._images[mode]

    def mean(self) -> np.ndarray:
        """Posterior mean, of shape (T, n_1, ..., n_I)."""
        matrices = [gamma[:, None] * self.image(i) for i, gamma in enumerate(self.gammas)]
        return mode_products(self.weighted, cast(matrices, self.weighted.dtype))

    def variance(self) -> np.ndarray:
        """Posterior variance of every coefficient, the same in all snapshots; of shape (n_1, ..., n_I)."""
        return self.variance_of([np.sqrt(gamma) for gamma in self.gammas])

    def predictive_variance(self, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Posterior variance of kron(B_1, ..., B_I) x, without noise.

        Parameters
        ----------
        factors : sequence of ndarray of shape (k_i, n_i)

        Returns
        -------
        ndarray of shape (k_1, ..., k_I)
        """
        return self.variance_of([B * np.sqrt(gamma) for B, gamma in zip(factors, self.gammas, strict=True)])

    def variance_of(self, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Variances of kron(L_1, ..., L_I) G^-1/2 x; a vector stands for a diagonal matrix."""
        images = [self.image(i) for i in range(len(self.gammas))]
        dtype = self.inverse.dtype
        return projected_variances(self.spectra, self.gammas, images, matrices, self.noise_variance, dtype)

    def moments(self) -> np.ndarray:
        """E |x_n|^2, mean over the snapshots, of shape (n_1, ..., n_I)."""
        total = self.variance()
        mean = self.mean()
        for part in (mean.real, mean.imag) if np.iscomplexobj(mean) else (mean,):
            for snapshot in part:
                total += (
                    snapshot**2 if self.problem.n_snapshots == 1 else snapshot**2 / self.problem.n_snapshots
                )
        return total

    def slopes(self, mode: int) -> tuple[np.ndarray, np.ndarray]:
        """The two parts of the gradient of the cost by a mode's gammas, mean over snapshots.

        Returns
        -------
        numerator : ndarray of shape (n_mode,)
            Sum over the other modes of prod_k g_k |a_n^H S_y^-1 y|^2.
        denominator : ndarray of shape (n_mode,)
            The same with a_n^H S_y^-1 a_n. The gradient is T (denominator - numerator).

        Notes
        -----
        Nothing of the size of x is made: as G_k^1/2 A_k^H U_k has orthogonal columns of squared lengths p_k, the sums
        over the other modes may run over eigenvectors. O(M m_i + n_i m_i^2).
        """
        values = [spectrum.values for spectrum in self.spectra]
        others = [None if k == mode else value for k, value in enumerate(values)]
        gram = mode_gram(scale_modes(self.weighted, others), self.weighted, mode)
        image = self.image(mode)
        numerator = np.einsum("ij,ij->i", image @ gram, image.conj()).real / self.problem.n_snapshots
        squares = image.real**2 + image.imag**2 if np.iscomplexobj(image) else image**2
        return np.maximum(numerator, 0.0), squares @ marginal(self.inverse, values, mode)

    def noise_slopes(self) -> tuple[float, float]:
        """The same for the noise variance: |S_y^-1 y|^2, mean over snapshots, and the trace of S_y^-1."""
        problem, s2 = self.problem, self.noise_variance
        numerator = (energy(self.weighted) + problem.rest / s2**2) / problem.n_snapshots
        return numerator, float(self.inverse.sum(dtype=np.float64)) + problem.dropped / s2

    def expected_noise(self) -> float:
        """E |y - A x|^2 / M, mean over snapshots: the noise variance that EM takes next."""
        problem, s2 = self.problem, self.noise_variance
        residual = (s2**2 * energy(self.weighted) + problem.rest) / problem.n_snapshots
        return (residual + s2 * self.degrees_of_freedom) / problem.n_measurements

    def stationarity(self) -> float:
        """How far the gammas are from a stationary point of the cost: the largest mode's |gradient|_1, relative.

        sum_j g_j |denominator_j - numerator_j| / sum_j g_j denominator_j: gradient by log g, divided by the degrees of
        freedom that the coefficients take. Scale-free.
        """
        worst = 0.0
        for i, gamma in enumerate(self.gammas):
            numerator, denominator = self.slopes(i)
            size = float(gamma @ denominator)
            worst = max(worst, float(gamma @ np.abs(denominator - numerator)) / size if size > 0.0 else 0.0)
        return worst


def posterior(
    problem: Problem,
    gammas: Sequence[np.ndarray],
    noise_variance: float,
    spectra: Sequence[Spectrum | None] | None = None,
) -> Posterior:
    """The E-step.

    Parameters
    ----------
    problem : Problem
    gammas : sequence of ndarray of shape (n_i,)
        At least 0.
    noise_variance : float
        Above 0.
    spectra : sequence of Spectrum or None, optional
        Those that are known already, where a mode's gammas have not changed.

    Returns
    -------
    Posterior

    Notes
    -----
    O(sum m_i^3 + M sum m_i); coefficients cost no more until they are asked for.
    """
    known = spectra or [None] * len(gammas)
    found = tuple(
        spectrum_of(factor, gamma) if spectrum is None else spectrum
        for factor, gamma, spectrum in zip(problem.factors, gammas, known, strict=True)
    )
    data = problem.data
    total = eigenvalues([spectrum.values for spectrum in found], noise_variance, data.real.dtype)
    log_determinant = problem.log_volume + float(np.log(total).sum(dtype=np.float64))
    rotated = mode_products(data, cast([spectrum.vectors.conj().T for spectrum in found], data.dtype))
    inverse = np.divide(1.0, total, out=total)
    root = np.sqrt(inverse)
    np.multiply(rotated, root, out=rotated)
    quadratic = energy(rotated)
    np.multiply(rotated, root, out=rotated)
    if problem.dropped > 0:
        log_determinant += problem.dropped * math.log(noise_variance)
        quadratic += problem.rest / noise_variance
    return Posterior(
        problem, tuple(gammas), noise_variance, found, inverse, rotated, log_determinant, quadratic
    )
