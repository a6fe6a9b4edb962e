"""Kronecker sparse Bayesian learning by full matrices: posterior, evidence, updates, and two cvxpy twins.

The model is y = D x + noise, D the Kronecker product of the factors, x normal with mean 0 and variances
g_1 (x) ... (x) g_I, the noise normal with variance s. Everything may be complex, and is circular then. T snapshots
are columns of y of shape (M, T), and share the variances.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy.optimize


class DensePosterior(NamedTuple):
    """What is known of x once y is seen.

    Attributes
    ----------
    mean : ndarray of shape (N,) or (N, T)
    covariance : ndarray of shape (N, N)
        The same for all snapshots.
    variance : ndarray of shape (N,)
        Its diagonal.
    cost : float
        T log det S + sum over snapshots of y^H S^-1 y, where S = s C + D diag(g) D^H is the covariance of y.
    log_evidence : float
        Logarithm of the density of y; for real numbers -(cost + M T log(2 pi)) / 2, for complex ones
        -(cost + M T log(pi)).
    """

    mean: np.ndarray
    covariance: np.ndarray
    variance: np.ndarray
    cost: float
    log_evidence: float


class DenseRun(NamedTuple):
    """Iterations of a dense solver.

    Attributes
    ----------
    posterior : DensePosterior
        At the last variances.
    gamma : list of ndarray of shape (N_i,)
    noise_variance : float
    costs : ndarray of shape (n_iter + 1,)
        At the start and after each iteration.
    """

    posterior: DensePosterior
    gamma: list[np.ndarray]
    noise_variance: float
    costs: np.ndarray


def kronecker(parts) -> np.ndarray:
    """Kronecker product of vectors or of matrices, the first part slowest."""
    return reduce(np.kron, [np.asarray(part) for part in parts])


def posterior(factors, y, gamma, noise_variance, *, noise_covariance=None) -> DensePosterior:
    """The posterior for given variances, from the whole dictionary.

    Parameters
    ----------
    factors : list of array of shape (M_i, N_i)
    y : array of shape (M,) or (M, T)
    gamma : list of array of shape (N_i,)
    noise_variance : float
    noise_covariance : array of shape (M, M), optional
        What the noise variance is multiplied by: the identity, unless given.

    Returns
    -------
    DensePosterior
    """
    D, g = kronecker(factors), kronecker(gamma)
    noise = np.eye(len(D)) if noise_covariance is None else np.asarray(noise_covariance)
    S = noise_variance * noise + (D * g) @ D.conj().T
    solved = np.linalg.solve(S, y)
    mean = ((D * g).conj().T @ solved.reshape(len(D), -1)).reshape(len(g), *np.shape(y)[1:])
    covariance = np.diag(g) - (D * g).conj().T @ np.linalg.solve(S, D * g)
    snapshots = _snapshots(y)
    sign, log_determinant = np.linalg.slogdet(S)
    if not np.isclose(sign, 1.0):
        raise ValueError("the covariance of y is not positive definite: raise noise_variance.")
    cost = snapshots * float(log_determinant) + float(np.vdot(y, solved).real)
    count = snapshots * len(D)
    is_complex = np.iscomplexobj(D) or np.iscomplexobj(y)
    log_evidence = (
        -cost - count * np.log(np.pi) if is_complex else -0.5 * (cost + count * np.log(2.0 * np.pi))
    )
    return DensePosterior(mean, covariance, np.diag(covariance).real.copy(), cost, float(log_evidence))


def cost(factors, y, gamma, noise_variance, *, noise_covariance=None) -> float:
    """The cost alone; parameters as in `posterior`."""
    return posterior(factors, y, gamma, noise_variance, noise_covariance=noise_covariance).cost


def cost_gradient(factors, y, gamma, noise_variance) -> tuple[list[np.ndarray], float]:
    """Gradient of the cost in each of the g_i, and its derivative in the noise variance; parameters as in `posterior`.

    The derivative in the variance of x_n alone is T s_n - sum |c_n|^2, with s_n = d_n^H S^-1 d_n, c_n = d_n^H S^-1 y.
    """
    gains, costs = _gains_and_costs(factors, y, gamma, noise_variance)
    sizes = [len(g) for g in gamma]
    slope = (costs - gains).reshape(sizes)
    parts = [_over_other_modes(slope, [np.asarray(g) for g in gamma], mode) for mode in range(len(sizes))]
    D, g = kronecker(factors), kronecker(gamma)
    inverse = np.linalg.inv(noise_variance * np.eye(len(D)) + (D * g) @ D.conj().T)
    in_noise = _snapshots(y) * np.trace(inverse).real - np.linalg.norm(inverse @ y) ** 2
    return parts, float(in_noise)


def predictive_variance(factors, gamma, noise_variance) -> np.ndarray:
    """Posterior variances of the rows of D x, shape (M,): those of noise are not in it."""
    D, g = kronecker(factors), kronecker(gamma)
    signal = (D * g) @ D.conj().T
    S = noise_variance * np.eye(len(D)) + signal
    return np.diag(signal - signal @ np.linalg.solve(S, signal)).real.copy()


def noise_update(factors, y, gamma, noise_variance) -> float:
    """The noise variance after a step of expectation maximisation; parameters as in `posterior`."""
    found = posterior(factors, y, gamma, noise_variance)
    g = kronecker(gamma)
    left = np.divide(found.variance, g, out=np.ones_like(g), where=g > 0)
    residual = np.linalg.norm(y - kronecker(factors) @ found.mean) ** 2
    taken = noise_variance * np.sum(1.0 - left)
    return float(residual / np.size(y) + taken * _snapshots(y) / np.size(y))


def moments(found: DensePosterior, sizes) -> np.ndarray:
    """Posterior second moments of the coefficients, averaged over the snapshots, shape `sizes`."""
    squares = (np.abs(found.mean) ** 2).reshape(len(found.mean), -1)
    return (found.variance + squares.mean(axis=1)).reshape(sizes)


def surrogate(second_moments, gamma) -> float:
    """What the M-step makes small: sum log g + sum moments / g over all coefficients, g = g_1 (x) ... (x) g_I."""
    g = kronecker(gamma).reshape(second_moments.shape)
    return float(np.sum(np.log(g) + second_moments / g))


def ksbl_step(second_moments, gamma) -> list[np.ndarray]:
    """One pass of the surrogate's exact minimiser in each g_i in turn, the others being held."""
    gamma = [np.array(g, dtype=np.float64) for g in gamma]
    for mode in range(len(gamma)):
        gamma[mode] = _best_of_mode(second_moments, gamma, mode)
    return gamma


def am_step(
    second_moments, gamma, *, tol: float = 1e-5, relative: bool = False, max_passes: int = 100_000
) -> list[np.ndarray]:
    """The paper's alternating minimisation: passes as in `ksbl_step` until the variances change by less than `tol`.

    All but the last g_i have norm 1. The change is the norm of that of g_1 (x) ... (x) g_I, over its norm before if
    `relative`.
    """
    for _ in range(max_passes):
        before = kronecker(gamma)
        gamma = ksbl_step(second_moments, gamma)
        for mode in range(len(gamma) - 1):
            size = np.linalg.norm(gamma[mode])
            gamma[mode], gamma[-1] = gamma[mode] / size, gamma[-1] * size
        change = np.linalg.norm(kronecker(gamma) - before)
        if change <= tol * (np.linalg.norm(before) if relative else 1.0):
            return gamma
    raise RuntimeError(f"no fixed point to tol={tol} within {max_passes} passes.")


def svd_step(second_moments, gamma=None) -> list[np.ndarray]:
    """The paper's successive rank-one approximations; all but the last g_i have norm 1. `gamma` is not used."""
    found, rest = [], np.asarray(second_moments)
    for size in second_moments.shape[:-1]:
        left, values, right = np.linalg.svd(rest.reshape(size, -1), full_matrices=False)
        found.append(np.abs(left[:, 0]))
        rest = np.abs(values[0] * right[0])
    return [*found, rest.ravel()]


def mm_step(factors, y, gamma, noise_variance, *, modes=None, exponent: float = 0.5) -> list[np.ndarray]:
    """Each g_i times a power of the ratio of the two terms of the cost's gradient, in `modes` at once.

    With one mode at a time and the exponent 1/2 the cost cannot rise; nor with all I modes and 1/(2 I).
    """
    gains, costs = _gains_and_costs(factors, y, gamma, noise_variance)
    gamma = [np.asarray(g, dtype=np.float64) for g in gamma]
    sizes = [g.size for g in gamma]
    new = list(gamma)
    for mode in range(len(gamma)) if modes is None else modes:
        above = _over_other_modes(gains.reshape(sizes), gamma, mode)
        below = _over_other_modes(costs.reshape(sizes), gamma, mode)
        new[mode] = gamma[mode] * (above / below) ** exponent
    return new


def coupled_step(second_moments, gamma, couplings, *, floor: float = 1e-5) -> list[np.ndarray]:
    """One pass of the paper's block-sparse extension: g_i = C_i u_i, u_i >= 0 nearest to what `ksbl_step` finds.

    Parameters
    ----------
    second_moments, gamma
        As in `ksbl_step`.
    couplings : list of array of shape (N_i, N_i) or None
        None leaves the mode as it is.
    floor : float, default=1e-5
        Added to coupled modes.

    Returns
    -------
    list of ndarray
    """
    gamma = [np.array(g, dtype=np.float64) for g in gamma]
    for mode, coupling in enumerate(couplings):
        gamma[mode] = _best_of_mode(second_moments, gamma, mode)
        if coupling is not None:
            gamma[mode] = coupling @ scipy.optimize.nnls(coupling, gamma[mode])[0] + floor
    return gamma


def expectation_maximisation(
    factors,
    y,
    gamma,
    noise_variance: float,
    step: Callable[..., list[np.ndarray]],
    n_iter: int,
    *,
    learn_noise: bool = False,
) -> DenseRun:
    """Iterations of a posterior and a step on its second moments, without pruning.

    Parameters
    ----------
    factors, y, noise_variance
        As in `posterior`; the noise variance to begin with if it is learned.
    gamma : list of array of shape (N_i,)
        To begin with.
    step : callable
        `am_step`, `ksbl_step`, `svd_step`, or anything that takes moments and variances and returns variances.
    n_iter : int
    learn_noise : bool, default=False

    Returns
    -------
    DenseRun
    """
    gamma = [np.array(g, dtype=np.float64) for g in gamma]
    sizes = [g.size for g in gamma]
    costs = []
    for _ in range(n_iter):
        found = posterior(factors, y, gamma, noise_variance)
        costs.append(found.cost)
        if learn_noise:
            # Both updates are made with the posterior at the old values.
            noise_variance = noise_update(factors, y, gamma, noise_variance)
        gamma = step(moments(found, sizes), gamma)
    found = posterior(factors, y, gamma, noise_variance)
    return DenseRun(found, gamma, float(noise_variance), np.array([*costs, found.cost]))


def convex_map_estimate(factors, y, gamma, noise_variance) -> np.ndarray:
    """The most probable x for given variances, by cvxpy and Clarabel: the posterior's mean.

    Minimises |y - D x|^2 / s + sum |x_n|^2 / g_n; coefficients with g_n = 0 are zero. Parameters as in `posterior`, for
    one snapshot; meant for some 100 coefficients.

    Raises
    ------
    ImportError
        Where cvxpy is not installed.
    RuntimeError
        Where Clarabel does not get near its tolerance.
    """
    import cvxpy

    D, g, y = kronecker(factors), kronecker(gamma), np.asarray(y)
    is_complex = np.iscomplexobj(D) or np.iscomplexobj(y)
    kept = g > 0
    # In units of the prior deviations the answer is well scaled.
    units = cvxpy.Variable(int(kept.sum()), complex=is_complex)
    fit = cvxpy.sum_squares((y - (D[:, kept] * np.sqrt(g[kept])) @ units) / np.sqrt(noise_variance))
    problem = cvxpy.Problem(cvxpy.Minimize(fit + cvxpy.sum_squares(units)))
    _solve(cvxpy, problem)
    estimate = np.zeros(g.size, dtype=np.complex128 if is_complex else np.float64)
    estimate[kept] = np.sqrt(g[kept]) * np.asarray(units.value)
    return estimate


def convex_m_step(second_moments) -> list[np.ndarray]:
    """The minimiser of `surrogate` by cvxpy and Clarabel: a convex problem in the logarithms of the variances.

    Parameters
    ----------
    second_moments : array of shape (N_1, ..., N_I), all positive

    Returns
    -------
    list of ndarray of shape (N_i,)
        All but the last have the geometric mean 1: the scales of the others are free.

    Raises
    ------
    ImportError
        Where cvxpy is not installed.
    RuntimeError
        Where Clarabel does not get near its tolerance.

    Notes
    -----
    An exponential cone for each coefficient: meant for some 100 of them.
    """
    import cvxpy

    second_moments = np.asarray(second_moments)
    sizes = second_moments.shape
    logarithms = [cvxpy.Variable(size) for size in sizes]
    # Row n of the first matrix picks entry n_1 of the first mode, and so on.
    places = np.unravel_index(np.arange(second_moments.size), sizes)
    sums = sum(
        np.eye(size)[place] @ logs for size, place, logs in zip(sizes, places, logarithms, strict=True)
    )
    mean = np.log(second_moments).mean()
    # Of order 1, whatever the unit of the moments.
    scaled = np.exp(np.log(second_moments).ravel() - mean)
    objective = cvxpy.sum(sums) + cvxpy.sum(cvxpy.multiply(scaled, cvxpy.exp(-sums)))
    gauge = [cvxpy.sum(logs) == 0 for logs in logarithms[:-1]]
    _solve(cvxpy, cvxpy.Problem(cvxpy.Minimize(objective), gauge))
    found = [np.exp(np.asarray(logs.value)) for logs in logarithms]
    return [*found[:-1], found[-1] * np.exp(mean)]


def _best_of_mode(second_moments, gamma, mode) -> np.ndarray:
    """The surrogate's minimiser in one g_i, the others being held."""
    inverses = [1.0 / other for other in gamma]
    return _over_other_modes(second_moments, inverses, mode) * gamma[mode].size / second_moments.size


def _over_other_modes(tensor, weights, mode) -> np.ndarray:
    """Sum over all modes but one, with the Kronecker product of their weights."""
    parts = [np.ones_like(w) if i == mode else w for i, w in enumerate(weights)]
    weighted = tensor * kronecker(parts).reshape(tensor.shape)
    return weighted.sum(axis=tuple(i for i in range(tensor.ndim) if i != mode))


def _gains_and_costs(factors, y, gamma, noise_variance):
    """Sum over the snapshots of |d_n^H S^-1 y|^2, and T d_n^H S^-1 d_n, for all n."""
    D, g = kronecker(factors), kronecker(gamma)
    S = noise_variance * np.eye(len(D)) + (D * g) @ D.conj().T
    solved = np.linalg.solve(S, D)
    gains = (np.abs(solved.conj().T @ np.asarray(y).reshape(len(D), -1)) ** 2).sum(axis=1)
    return gains, _snapshots(y) * np.einsum("mn,mn->n", D.conj(), solved).real


def _snapshots(y) -> int:
    return 1 if np.ndim(y) == 1 else int(np.shape(y)[1])


def _solve(cvxpy, problem):
    with warnings.catch_warnings():
        # What is inaccurate beyond use raises below.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)
    if problem.status not in (cvxpy.OPTIMAL, cvxpy.OPTIMAL_INACCURATE):
        raise RuntimeError(f"Clarabel ended with status {problem.status}: scale the problem first.")
