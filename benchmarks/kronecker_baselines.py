"""What Kronecker sparse Bayesian learning is compared with: dense solvers, and greedy ones.

Plain NumPy and LAPACK on the whole dictionary, as fast as that goes: one factorisation of the smaller side an
iteration, no covariance of all coefficients unless that is what is asked for. Functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy.linalg
from scipy.linalg.blas import get_blas_funcs

METHODS = ("am", "ksbl", "svd")


class DenseMoments(NamedTuple):
    """Posterior mean (N,) or (N, T), and variance (N,)."""

    mean: np.ndarray
    variance: np.ndarray


class Fit(NamedTuple):
    """What a baseline found.

    Attributes
    ----------
    coef : ndarray of shape (N,) or (N, T)
    gamma : list of ndarray of shape (N_i,), or one ndarray of shape (N,)
        Prior variances; zero where pruned.
    noise_variance : float
    n_iter : int
    """

    coef: np.ndarray
    gamma: list[np.ndarray] | np.ndarray
    noise_variance: float
    n_iter: int


def smaller_side(D, y, g, noise_variance) -> DenseMoments:
    """Posterior moments for prior variances g, with a Cholesky factorisation of side min(M, N)."""
    return (wide if D.shape[0] < D.shape[1] else tall)(D, y, g, noise_variance)


def wide(D, y, g, noise_variance) -> DenseMoments:
    """Posterior moments from the M x M covariance of y; D has few rows. O(M^2 N)."""
    root = D * np.sqrt(g)
    lower = _cholesky(_gram(root), noise_variance)
    # Both in one triangular solve, in place.
    whitened = scipy.linalg.solve_triangular(lower, root, lower=True, overwrite_b=True, check_finite=False)
    seen = scipy.linalg.solve_triangular(lower, y, lower=True, check_finite=False)
    mean = (whitened.conj().T @ seen).T * np.sqrt(g)
    share = np.einsum("mn,mn->n", whitened.real, whitened.real)
    if np.iscomplexobj(whitened):
        share += np.einsum("mn,mn->n", whitened.imag, whitened.imag)
    return DenseMoments(mean.T, g * np.maximum(1.0 - share, 0.0))


def tall(D, y, g, noise_variance) -> DenseMoments:
    """Posterior moments from the N x N precision of x; D has few columns. O(M N^2)."""
    root = D * np.sqrt(g)
    lower = _cholesky(_gram(root.conj().T), noise_variance)
    mean = (scipy.linalg.cho_solve((lower, True), root.conj().T @ y, check_finite=False)).T * np.sqrt(g)
    inverse, _ = scipy.linalg.get_lapack_funcs(("trtri",), (lower,))[0](lower, lower=1)
    return DenseMoments(mean.T, noise_variance * g * (np.abs(np.tril(inverse)) ** 2).sum(axis=0))


def whole_covariance(factors, D, y, gamma, noise_variance) -> DenseMoments:
    """Posterior moments as the authors' code finds them: small eigenproblems, then the N x N covariance. O(N^2 M)."""
    values, vectors = [], []
    for factor, g in zip(factors, gamma, strict=True):
        weighted = g[:, None] * factor.conj().T
        found, basis = np.linalg.eigh(factor @ weighted)
        values.append(found)
        vectors.append(weighted @ basis)
    basis = kronecker(vectors)
    covariance = -(basis / (noise_variance + kronecker(values))) @ basis.conj().T
    covariance[np.diag_indices_from(covariance)] += kronecker(gamma)
    return DenseMoments(covariance @ (D.conj().T @ y) / noise_variance, covariance.diagonal().real.copy())


def classical_sbl(
    D, y, noise_variance: float | None = None, *, tol=1e-4, max_iter=150, prune=1e-3, start=1.0
) -> Fit:
    """Sparse Bayesian learning by expectation maximisation, one variance a coefficient, blind to any structure.

    Parameters
    ----------
    D : array of shape (M, N)
    y : array of shape (M,) or (M, T)
    noise_variance : float, optional
        Learned unless given.
    tol : float
        Relative change of the variances that ends it.
    max_iter : int
    prune : float
        Variances below this times the largest are set to zero for good. The authors take 1e-3, and 1e-4 for uplinks.
    start : float
        Variance of all coefficients to begin with.
    """
    size = D.shape[1]
    kept, g = np.arange(size), np.full(size, float(start))
    learn, s = noise_variance is None, 0.1 * np.var(y) if noise_variance is None else noise_variance
    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        old = _spread(g, kept, size)
        large = g >= prune * g.max()
        if not large.all():
            D, g, kept = D[:, large], g[large], kept[large]
        moments = smaller_side(D, y, g, s)
        if learn:
            s = _noise(D, y, g, s, moments)
        g = second_moments(moments)
        if np.linalg.norm(_spread(g, kept, size) - old) <= tol * np.linalg.norm(old):
            break
    mean = smaller_side(D, y, g, s).mean
    return Fit(_spread(mean, kept, size), _spread(g, kept, size), float(s), n_iter)


def dense_kronecker_sbl(
    factors,
    y,
    noise_variance: float | None = None,
    method: str = "am",
    *,
    tol: float = 1e-4,
    max_iter: int = 150,
    prune: float | Sequence[float] = 0.0,
    prune_below: float = 0.0,
    start: Sequence[np.ndarray] | None = None,
    normalised: bool = True,
    inner_tol: float = 1e-5,
    inner_relative: bool = False,
    max_inner: int = 100_000,
    e_step: str = "smaller side",
    watch: Callable[[list[np.ndarray], float], None] | None = None,
) -> Fit:
    """A dense port of the paper's solvers.

    Parameters
    ----------
    factors : list of array of shape (M_i, N_i)
    y : array of shape (M,) or (M, T)
    noise_variance : float, optional
        Learned unless given.
    method : {"am", "ksbl", "svd"}
    tol : float
        Relative change of g_1 (x) ... (x) g_I that ends it.
    max_iter : int
    prune : float or one for each mode
        Entries of g_i below this times its largest are dropped. The authors: synthetic 1e-2 (am, ksbl), 1e-3 (svd),
        with unknown noise half of that; uplink (1e-2, 1e-1, 1e-3) (am), 0 (svd), 1e-3 from 25 dB.
    prune_below : float
        Entries of g_i below this are dropped. The authors: 0, uplink 1e-4.
    start : list of array of shape (N_i,), optional
        Ones unless given.
    normalised : bool
        Whether the start is brought to norm 1 in all but the last mode, as for synthetic problems, not for uplinks.
    inner_tol, inner_relative, max_inner
        When the passes of "am" end: at this change of g_1 (x) ... (x) g_I, absolute (synthetic, 1e-5) or relative
        (uplink, 1e-4).
    e_step : {"smaller side", "whole covariance"}
        Cholesky on the smaller side, or the authors' way.
    watch : callable, optional
        Called with the variances, of the modes' full lengths, and the noise variance after each iteration.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not known: use one of {METHODS}.")
    sizes = [factor.shape[1] for factor in factors]
    prunes = [float(prune)] * len(sizes) if np.isscalar(prune) else [float(p) for p in prune]
    gamma = [np.ones(n) for n in sizes] if start is None else [np.array(g, dtype=float) for g in start]
    if normalised:
        gamma = _unit(gamma)
    learn, s = noise_variance is None, 0.1 * np.var(y) if noise_variance is None else noise_variance
    kept, factors = [np.arange(n) for n in sizes], list(factors)
    D = kronecker(factors)

    def moments_of():
        if e_step == "whole covariance":
            return whole_covariance(factors, D, y, gamma, s)
        return smaller_side(D, y, kronecker(gamma), s)

    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        old = _full(gamma, kept, sizes)
        large = [(g >= p * g.max()) & (g >= prune_below) for g, p in zip(gamma, prunes, strict=True)]
        # A mode that would be empty keeps its largest entry.
        large = [mask if mask.any() else g == g.max() for mask, g in zip(large, gamma, strict=True)]
        if not all(mask.all() for mask in large):
            D = D[:, kronecker(large)]
            factors = [factor[:, mask] for factor, mask in zip(factors, large, strict=True)]
            gamma = [g[mask] for g, mask in zip(gamma, large, strict=True)]
            kept = [places[mask] for places, mask in zip(kept, large, strict=True)]
        moments = moments_of()
        if learn:
            s = _noise(D, y, kronecker(gamma), s, moments)
        tensor = second_moments(moments).reshape([len(g) for g in gamma])
        if method == "svd":
            gamma = rank_one_steps(tensor)
        elif method == "ksbl":
            gamma = one_pass(tensor, gamma)
        else:
            gamma = alternating(tensor, gamma, inner_tol, inner_relative, max_inner)
        new = _full(gamma, kept, sizes)
        if watch is not None:
            watch(new, float(s))
        if kronecker_distance(new, old) <= tol * np.prod([np.linalg.norm(g) for g in old]):
            break
    coef = np.zeros((*sizes, *np.shape(y)[1:]), dtype=np.result_type(D, y))
    mean = moments_of().mean
    coef[np.ix_(*kept)] = mean.reshape([len(g) for g in gamma] + list(np.shape(y)[1:]))
    return Fit(coef.reshape(-1, *np.shape(y)[1:]), _full(gamma, kept, sizes), float(s), n_iter)


def alternating(tensor, gamma, tol, relative, max_passes) -> list[np.ndarray]:
    """The M-step of the paper's alternating minimisation."""
    for _ in range(max_passes):
        old, gamma = gamma, _unit(one_pass(tensor, gamma))
        size = np.prod([np.linalg.norm(g) for g in old]) if relative else 1.0
        if kronecker_distance(gamma, old) <= tol * size:
            break
    return gamma


def one_pass(tensor, gamma) -> list[np.ndarray]:
    """Each variance vector from the others, in turn."""
    gamma = list(gamma)
    for mode, g in enumerate(gamma):
        rest = tensor
        # From the last axis on, so that the others keep their numbers.
        for other in reversed(range(len(gamma))):
            if other != mode:
                rest = np.tensordot(rest, 1.0 / gamma[other], axes=(other, 0))
        gamma[mode] = rest * (g.size / tensor.size)
    return gamma


def rank_one_steps(tensor) -> list[np.ndarray]:
    """The M-step of the paper's SVD variant; the short sides' Gram matrices stand in for the SVD."""
    gamma, rest = [], tensor
    for size in tensor.shape[:-1]:
        rest = rest.reshape(size, -1)
        left = np.abs(np.linalg.eigh(rest @ rest.T)[1][:, -1])
        gamma.append(left)
        rest = left @ rest
    return [*gamma, rest.ravel()]


def omp(D, y, n_nonzero: int, *, tol: float = 0.0) -> np.ndarray:
    """Orthogonal matching pursuit with an updated QR factorisation, of the whole dictionary. O(M N n_nonzero).

    Columns are compared by their correlation over their norm. Ends at `n_nonzero` entries, or when the residual is
    within `tol` times y.
    """
    norms = np.linalg.norm(D, axis=0)
    norms[norms == 0] = np.inf
    n_nonzero = min(n_nonzero, *D.shape)
    kind = np.result_type(D, y)
    basis, upper = np.zeros((D.shape[0], n_nonzero), kind, order="F"), np.zeros((n_nonzero, n_nonzero), kind)
    chosen: list[int] = []
    residual, target = np.array(y, dtype=kind), tol * np.linalg.norm(y)
    while len(chosen) < n_nonzero and np.linalg.norm(residual) > target:
        # Without a conjugated copy of the dictionary.
        correlation = np.abs(residual.conj() @ D) / norms
        correlation[chosen] = -1.0
        place, count = int(correlation.argmax()), len(chosen)
        column, before = D[:, place].astype(kind), basis[:, :count]
        # Twice is enough.
        for _ in range(2):
            part = before.conj().T @ column
            upper[:count, count] += part
            column = column - before @ part
        upper[count, count] = np.linalg.norm(column)
        if abs(upper[count, count]) <= 1e-12 * norms[place]:
            break
        basis[:, count] = column / upper[count, count]
        residual = residual - basis[:, count] * np.vdot(basis[:, count], residual)
        chosen.append(place)
    count = len(chosen)
    coef = np.zeros(D.shape[1], dtype=kind)
    coef[chosen] = scipy.linalg.solve_triangular(upper[:count, :count], basis[:, :count].conj().T @ y)
    return coef


def kronecker_omp(factors, y, sparsity: Sequence[int], *, tol: float = 0.0) -> np.ndarray:
    """N-way orthogonal matching pursuit of Caiafa and Cichocki, with the size of the support in each mode given.

    Each step adds to every mode the index of the column that correlates most with the residual, columns being taken
    with norm 1. Modes that are full offer only what they have. Unlike in the authors' tests, the sizes are meant to be
    the true ones. Ends earlier where the residual is within `tol` times y.
    """
    rows, sizes = ([factor.shape[axis] for factor in factors] for axis in (0, 1))
    norms = [np.linalg.norm(factor, axis=0) for factor in factors]
    unit = [factor / np.where(n > 0, n, 1.0) for factor, n in zip(factors, norms, strict=True)]
    data = np.reshape(y, rows)
    chosen: list[list[int]] = [[] for _ in sizes]
    residual, part, target = data, None, tol * np.linalg.norm(y)
    while any(len(places) < k for places, k in zip(chosen, sparsity, strict=True)):
        if part is not None and np.linalg.norm(residual) <= target:
            break
        correlation = np.abs(_products([factor.conj().T for factor in unit], residual))
        open_modes = [
            np.arange(n) if len(places) < k else np.array(places)
            for n, places, k in zip(sizes, chosen, sparsity, strict=True)
        ]
        correlation = correlation[np.ix_(*open_modes)]
        best = np.unravel_index(correlation.argmax(), correlation.shape)
        found = [int(places[place]) for places, place in zip(open_modes, best, strict=True)]
        if all(place in places for place, places in zip(found, chosen, strict=True)):
            # The residual is orthogonal to what was chosen, up to rounding: nothing is left.
            break
        for place, places in zip(found, chosen, strict=True):
            if place not in places:
                places.append(place)
        active = [factor[:, places] for factor, places in zip(factors, chosen, strict=True)]
        part = _products([np.linalg.pinv(factor) for factor in active], data)
        residual = data - _products(active, part)
    coef = np.zeros(sizes, dtype=np.result_type(*factors, y))
    if part is not None:
        coef[np.ix_(*chosen)] = part
    return coef.ravel()


def kronecker(parts) -> np.ndarray:
    """Kronecker product of vectors or of matrices, the first part slowest."""
    return reduce(np.kron, parts)


def kronecker_distance(first, second) -> float:
    """Norm of the difference of two Kronecker products of vectors."""
    return float(np.linalg.norm(kronecker(first) - kronecker(second)))


def second_moments(moments: DenseMoments) -> np.ndarray:
    """Variance and squared mean, averaged over snapshots."""
    squares = np.abs(moments.mean) ** 2
    return np.maximum(moments.variance, 0.0) + (squares if squares.ndim == 1 else squares.mean(axis=1))


def _gram(A) -> np.ndarray:
    """A @ A^H, at least its lower triangle: half the work of a product."""
    if not np.iscomplexobj(A):
        return A @ A.T
    rank_update = get_blas_funcs("herk", (A,))
    if A.flags.c_contiguous:
        # BLAS sees the transpose, and so finds the conjugate: its upper triangle is our lower one.
        return rank_update(1.0, A.T, trans=2, lower=0).T
    return rank_update(1.0, A, trans=0, lower=1)


def _cholesky(S, noise_variance) -> np.ndarray:
    S[np.diag_indices_from(S)] += noise_variance
    return scipy.linalg.cholesky(S, lower=True, overwrite_a=True, check_finite=False)


def _noise(D, y, g, s, moments) -> float:
    """The noise variance of the next iteration."""
    seen = np.sum(1.0 - np.divide(moments.variance, g, out=np.ones_like(g), where=g > 0))
    snapshots = y.size // len(y)
    return float((np.linalg.norm(y - D @ moments.mean) ** 2 + snapshots * s * seen) / y.size)


def _spread(values, kept, size) -> np.ndarray:
    out = np.zeros((size, *values.shape[1:]), dtype=values.dtype)
    out[kept] = values
    return out


def _full(gamma, kept, sizes) -> list[np.ndarray]:
    return [_spread(g, places, size) for g, places, size in zip(gamma, kept, sizes, strict=True)]


def _unit(gamma) -> list[np.ndarray]:
    """The same Kronecker product, all but the last vector of norm 1."""
    norms = [np.linalg.norm(g) for g in gamma[:-1]]
    return [*(g / n for g, n in zip(gamma, norms, strict=False)), gamma[-1] * np.prod(norms)]


def _products(factors, tensor) -> np.ndarray:
    """The tensor times a factor along each axis."""
    for axis, factor in enumerate(factors):
        tensor = np.moveaxis(np.tensordot(factor, tensor, axes=(1, axis)), 0, axis)
    return tensor
