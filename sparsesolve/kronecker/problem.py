"""A problem as the solvers see it: whitened, scaled by powers of two, its tall dictionaries reduced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from ..operators.kronecker import energy, mode_product, mode_products


@dataclass(frozen=True)
class Units:
    """Powers of two by which the caller's numbers were divided.

    Attributes
    ----------
    dictionary : int
        Exponent for kron(A_1, ..., A_I): the sum of the factors' own.
    data : int
        Exponent for y.
    """

    dictionary: int = 0
    data: int = 0

    def coefficients(self, values):
        """A solver's coefficients, or their standard deviations, in the caller's units."""
        return _shift(values, self.data - self.dictionary)

    def gammas(self, gammas: Sequence[np.ndarray]) -> list[np.ndarray]:
        """A solver's gammas, one array a mode, in the caller's units; spread over the modes evenly."""
        total, n = 2 * (self.data - self.dictionary), len(gammas)
        return [_shift(gamma, total // n + (i < total % n)) for i, gamma in enumerate(gammas)]

    def noise_variance(self, value: float) -> float:
        """A solver's noise variance in the caller's units."""
        return math.ldexp(value, 2 * self.data)

    def own_noise_variance(self, value: float) -> float:
        """The caller's noise variance in the solver's units."""
        return math.ldexp(value, -2 * self.data)


@dataclass(frozen=True, eq=False)
class Problem:
    """Y = X x_1 A_1 ... x_I A_I + noise, without the directions in which no coefficient can be seen.

    Attributes
    ----------
    factors : tuple of ndarray of shape (m_i, n_i)
        m_i <= n_i: taller ones were reduced by QR.
    data : ndarray of shape (T, m_1, ..., m_I)
        Snapshots first.
    n_measurements : int
        Measurements in a snapshot, before the reduction.
    rest : float
        Energy of the data outside of what the factors reach, summed over snapshots.
    log_volume : float
        Log determinant of the noise covariance that was whitened away and of the units, for one snapshot.
    units : Units
    """

    factors: tuple[np.ndarray, ...]
    data: np.ndarray
    n_measurements: int
    rest: float = 0.0
    log_volume: float = 0.0
    units: Units = Units()

    @property
    def n_snapshots(self) -> int:
        """T, the number of snapshots."""
        return self.data.shape[0]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Unknowns in each mode."""
        return tuple(factor.shape[1] for factor in self.factors)

    @property
    def dropped(self) -> int:
        """Dimensions of a snapshot that see noise alone."""
        return self.n_measurements - math.prod(self.data.shape[1:])

    @property
    def is_complex(self) -> bool:
        """Whether the noise is circular complex."""
        return np.iscomplexobj(self.data)

    @property
    def mean_square(self) -> float:
        """Mean squared modulus of a measurement."""
        return (energy(self.data) + self.rest) / (self.n_measurements * self.n_snapshots)

    def select(self, masks: Sequence[np.ndarray]) -> Problem:
        """The problem with only some columns of every factor, reduced again; exact."""
        factors = [
            factor if mask.all() else np.ascontiguousarray(factor[:, mask])
            for factor, mask in zip(self.factors, masks, strict=True)
        ]
        return _reduced(self, factors)


def reduce_tall(problem: Problem) -> Problem:
    """Replace factors with more rows than columns by the R of their QR, and the data by its part in their range.

    Exact: the part outside is orthogonal to everything that is learned, and only its energy matters.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Problem
    """
    tall = any(factor.shape[0] > factor.shape[1] for factor in problem.factors)
    return _reduced(problem, list(problem.factors)) if tall else problem


def _reduced(problem: Problem, factors: list[np.ndarray]) -> Problem:
    data, rest = problem.data, problem.rest
    for i, factor in enumerate(factors):
        if factor.shape[0] <= factor.shape[1]:
            continue
        Q, factors[i] = np.linalg.qr(factor)
        inside = mode_product(data, Q.conj().T, i)
        # Not as a difference of energies: where there is hardly any noise, that would be all rounding.
        rest += energy(data - mode_product(inside, Q, i))
        data = inside
    return Problem(tuple(factors), data, problem.n_measurements, rest, problem.log_volume, problem.units)


def pose(
    factors: Sequence[np.ndarray],
    Y: np.ndarray,
    *,
    noise_covariance: Sequence[np.ndarray | None] | None = None,
    rescale: bool = True,
) -> Problem:
    """Make a `Problem` of checked arrays.

    Parameters
    ----------
    factors : sequence of ndarray of shape (M_i, N_i)
        All of one floating dtype.
    Y : ndarray of shape (M_1, ..., M_I) or (M_1, ..., M_I, T)
        Measurements, with a trailing axis of snapshots where there are several.
    noise_covariance : sequence of ndarray of shape (M_i, M_i), or None, optional
        The noise has covariance s2 kron(C_1, ..., C_I); each Hermitian and positive definite; None is the identity.
    rescale : bool, default=True
        Divide the factors and the data by powers of two, so that their largest entries are near 1. The solvers do not
        notice, but thresholds that are not relative do.

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        When a covariance is not positive definite.

    Notes
    -----
    O(M max M_i) for whitening and reduction. The inputs are not changed.
    """
    n_modes = len(factors)
    dtype = np.result_type(*factors, Y)
    matrices = [np.asarray(factor, dtype=dtype) for factor in factors]
    data = np.asarray(Y, dtype=dtype)
    data = np.moveaxis(data, -1, 0) if data.ndim > n_modes else data[None]
    log_volume = 0.0
    n_measurements = math.prod(data.shape[1:])
    scales = [_exponent(matrix) if rescale else 0 for matrix in matrices]
    unit = _exponent(data) if rescale else 0
    matrices = [np.ascontiguousarray(_shift(A, -scale)) for A, scale in zip(matrices, scales, strict=True)]
    data = np.ascontiguousarray(_shift(data, -unit))
    if noise_covariance is not None:
        inverses: list[np.ndarray | None] = []
        for i, covariance in enumerate(noise_covariance):
            if covariance is None:
                inverses.append(None)
                continue
            inverse, log_determinant = _whitener(covariance, i)
            log_volume += log_determinant * (n_measurements // matrices[i].shape[0])
            inverses.append(inverse.astype(dtype))
            matrices[i] = inverses[i] @ matrices[i]
        data = mode_products(data, inverses)
    log_volume += 2.0 * unit * math.log(2.0) * n_measurements
    units = Units(sum(scales), unit)
    return reduce_tall(Problem(tuple(matrices), data, n_measurements, 0.0, log_volume, units))


def matched_start(problem: Problem, noise_variance: float) -> list[np.ndarray]:
    """Equal gammas under which the data are as large as they are.

    Parameters
    ----------
    problem : Problem
    noise_variance : float
        Taken off the mean square of the data, of which at least a thousandth is left.

    Returns
    -------
    list of ndarray of shape (n_i,)
        Their scale is spread over the modes evenly. Rescaling data or dictionary rescales the start as it should.
    """
    signal = max(problem.mean_square - noise_variance, 1e-3 * problem.mean_square)
    total = signal * problem.n_measurements
    each = [(factor.shape[1], energy(factor)) for factor in problem.factors]
    share = (total / math.prod(size for _, size in each)) ** (1.0 / len(each)) if total > 0.0 else 0.0
    return [np.full(n, share) for n, _ in each]


def _exponent(array: np.ndarray) -> int:
    """The exponent of the power of two next below the largest part of an entry; 0 for zeros."""
    parts = (array.real, array.imag) if np.iscomplexobj(array) else (array,)
    largest = max(float(np.max(np.abs(part), initial=0.0)) for part in parts)
    return math.frexp(largest)[1] - 1 if largest > 0.0 else 0


def _shift(array: np.ndarray, exponent: int) -> np.ndarray:
    """The array times two to the exponent; itself when that is one."""
    if exponent == 0:
        return array
    flat = np.ascontiguousarray(array)
    return np.ldexp(flat.view(flat.real.dtype), exponent).view(flat.dtype)


def _whitener(covariance: np.ndarray, mode: int) -> tuple[np.ndarray, float]:
    """The inverse of the Cholesky factor, and the log determinant."""
    try:
        L = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"noise_covariance[{mode}] is not positive definite: add a multiple of the identity."
        ) from None
    inverse = scipy.linalg.solve_triangular(L, np.eye(L.shape[0]), lower=True)
    return inverse, 2.0 * float(np.log(np.diagonal(L).real).sum())
