"""The structured E-step against one that forms the Kronecker dictionary."""

from functools import reduce

import numpy as np
import pytest

from sparsesolve.kronecker.posterior import posterior
from sparsesolve.kronecker.problem import matched_start, pose
from sparsesolve.operators.kronecker import kronecker_vector, mode_products

SIZES = {
    "one wide": ([(5, 9)], 1),
    "one tall": ([(9, 5)], 1),
    "two": ([(4, 6), (7, 5)], 1),
    "three": ([(3, 5), (4, 4), (5, 3)], 1),
    "three, snapshots": ([(3, 5), (4, 4), (6, 3)], 3),
    "four": ([(2, 3), (3, 2), (2, 4), (3, 3)], 2),
    "single rows": ([(3, 4), (1, 3), (1, 2)], 1),
    "single columns": ([(3, 4), (2, 1), (2, 1)], 2),
    "all wide": ([(3, 5), (2, 4), (4, 6)], 1),
}


def make(sizes, n_snapshots, is_complex, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        values = rng.standard_normal(shape)
        return values + 1j * rng.standard_normal(shape) if is_complex else values

    factors = [
        draw(m, n).astype(np.result_type(dtype, np.complex64) if is_complex else dtype) for m, n in sizes
    ]
    gammas = [rng.random(n) + 0.05 for _, n in sizes]
    shape = tuple(m for m, _ in sizes)
    Y = draw(*shape, n_snapshots) if n_snapshots > 1 else draw(*shape)
    return factors, Y.astype(factors[0].dtype), gammas


class Dense:
    """Everything from the N x N covariance."""

    def __init__(self, factors, Y, gammas, s2):
        self.A = reduce(np.kron, factors)
        self.g = kronecker_vector(gammas)
        self.y = Y.reshape(self.A.shape[0], -1)
        m = self.A.shape[0]
        self.S = s2 * np.eye(m) + (self.A * self.g) @ self.A.conj().T
        whitened = np.linalg.solve(self.S, self.A)
        self.covariance = np.diag(self.g) - (self.g[:, None] * self.A.conj().T) @ whitened * self.g
        self.mean = (self.g[:, None] * self.A.conj().T) @ np.linalg.solve(self.S, self.y)
        self.variance = np.diag(self.covariance).real
        self.quadratic = np.vdot(self.y, np.linalg.solve(self.S, self.y)).real
        self.log_determinant = np.linalg.slogdet(self.S)[1]
        self.cost = self.y.shape[1] * self.log_determinant + self.quadratic
        residual = np.sum(np.abs(self.y - self.A @ self.mean) ** 2) / self.y.shape[1]
        self.noise = (residual + s2 * np.sum(1 - self.variance / self.g)) / m


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("name", SIZES)
def test_posterior_equals_dense(name, is_complex):
    sizes, n_snapshots = SIZES[name]
    factors, Y, gammas = make(sizes, n_snapshots, is_complex)
    s2 = 0.3
    dense = Dense(factors, Y, gammas, s2)
    problem = pose(factors, Y, rescale=False)
    found = posterior(problem, gammas, s2)
    shape = tuple(n for _, n in sizes)
    mean = found.mean()
    np.testing.assert_allclose(
        mean.reshape(n_snapshots, -1).T, dense.mean, rtol=0, atol=1e-9 * abs(dense.mean).max()
    )
    np.testing.assert_allclose(found.variance(), dense.variance.reshape(shape), rtol=1e-9)
    np.testing.assert_allclose(found.cost, dense.cost, rtol=1e-10)
    np.testing.assert_allclose(found.expected_noise(), dense.noise, rtol=1e-9)
    moments = dense.variance + np.mean(np.abs(dense.mean) ** 2, axis=1)
    np.testing.assert_allclose(found.moments(), moments.reshape(shape), rtol=1e-9)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("name", SIZES)
def test_slopes_equal_dense(name, is_complex):
    sizes, n_snapshots = SIZES[name]
    factors, Y, gammas = make(sizes, n_snapshots, is_complex)
    s2 = 0.2
    dense = Dense(factors, Y, gammas, s2)
    found = posterior(pose(factors, Y, rescale=False), gammas, s2)
    shape = tuple(n for _, n in sizes)
    solved = np.linalg.solve(dense.S, dense.A)
    weights = dense.g.reshape(shape)
    powers = np.mean(np.abs(solved.conj().T @ dense.y) ** 2, axis=1).reshape(shape) * weights
    traces = np.einsum("mn,mn->n", dense.A.conj(), solved).real.reshape(shape) * weights
    for i in range(len(sizes)):
        others = tuple(k for k in range(len(sizes)) if k != i)
        numerator, denominator = found.slopes(i)
        np.testing.assert_allclose(numerator * gammas[i], powers.sum(others), rtol=1e-9)
        np.testing.assert_allclose(denominator * gammas[i], traces.sum(others), rtol=1e-9)
    numerator, denominator = found.noise_slopes()
    inverse = np.linalg.inv(dense.S)
    np.testing.assert_allclose(denominator, np.trace(inverse).real, rtol=1e-9)
    np.testing.assert_allclose(numerator, np.linalg.norm(inverse @ dense.y) ** 2 / n_snapshots, rtol=1e-9)


@pytest.mark.parametrize("is_complex", [False, True])
def test_predictive_variance_equals_dense(is_complex):
    sizes, _ = SIZES["three"]
    factors, Y, gammas = make(sizes, 1, is_complex)
    others, _, _ = make([(4, 5), (2, 4), (3, 3)], 1, is_complex, seed=5)
    dense = Dense(factors, Y, gammas, 0.1)
    B = reduce(np.kron, others)
    expected = np.einsum("mn,nk,mk->m", B, dense.covariance, B.conj()).real
    found = posterior(pose(factors, Y, rescale=False), gammas, 0.1).predictive_variance(others)
    np.testing.assert_allclose(found.reshape(-1), expected, rtol=1e-9)


@pytest.mark.parametrize("s2", [1e-8, 1e-13])
def test_small_variances_are_exact(s2):
    """Where every coefficient is well determined its variance is far below its gamma."""
    factors, Y, gammas = make([(6, 3), (5, 4)], 1, False)
    A = reduce(np.kron, factors)
    expected = np.diag(np.linalg.inv(A.T @ A / s2 + np.diag(1 / kronecker_vector(gammas))))
    found = posterior(pose(factors, Y, rescale=False), gammas, s2).variance()
    np.testing.assert_allclose(found.reshape(-1), expected, rtol=1e-9)


@pytest.mark.parametrize("is_complex", [False, True])
def test_units_and_covariance_leave_the_evidence_alone(is_complex):
    sizes, n_snapshots = SIZES["three, snapshots"]
    factors, Y, gammas = make(sizes, n_snapshots, is_complex)
    rng = np.random.default_rng(1)
    covariances = [None]
    for m, _ in sizes[1:]:
        root = rng.standard_normal((m, m)) + np.eye(m) * 3
        covariances.append(root @ root.T / m)
    s2 = 0.2
    scaled = [factors[0] * 1e-7, factors[1] * 1e9, factors[2] * 13.0]
    problem = pose(scaled, Y * 1e5, noise_covariance=covariances)
    # The same gammas in the caller's units.
    A = reduce(np.kron, scaled)
    share = np.prod([1e-7, 1e9, 13.0]) / 1e5
    g = kronecker_vector(gammas) / share**2
    S = s2 * 1e10 * reduce(np.kron, [np.eye(3), *covariances[1:]]) + (A * g) @ A.conj().T
    y = (Y * 1e5).reshape(len(S), -1)
    cost = n_snapshots * np.linalg.slogdet(S)[1] + np.vdot(y, np.linalg.solve(S, y)).real
    own = problem.units.own_noise_variance(s2 * 1e10)
    shift = 2.0 ** (2 * (problem.units.dictionary - problem.units.data)) / share**2
    found = posterior(problem, [gammas[0] * shift, *gammas[1:]], own)
    np.testing.assert_allclose(found.cost, cost, rtol=1e-10)
    mean = problem.units.coefficients(found.mean()).reshape(n_snapshots, -1).T
    expected = (g[:, None] * A.conj().T) @ np.linalg.solve(S, y)
    np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    returned = kronecker_vector(problem.units.gammas(found.gammas))
    np.testing.assert_allclose(returned, g, rtol=1e-12)


def test_single_precision_stays_single():
    sizes, _ = SIZES["three"]
    factors, Y, _ = make(sizes, 1, False, dtype=np.float32)
    problem = pose(factors, Y)
    found = posterior(problem, matched_start(problem, 0.1), 0.1)
    exact = posterior(pose([f.astype(float) for f in factors], Y.astype(float)), found.gammas, 0.1)
    for name in ("mean", "variance", "moments"):
        values = getattr(found, name)()
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, getattr(exact, name)(), rtol=2e-4, atol=1e-6)
    np.testing.assert_allclose(found.cost, exact.cost, rtol=1e-5)
    assert found.inverse.dtype == found.weighted.dtype == np.float32


def test_mode_products_equal_the_kronecker_matrix():
    rng = np.random.default_rng(0)
    shapes = [(3, 2), (1, 4), (5, 3), (2, 2)]
    matrices = [rng.standard_normal(shape) for shape in shapes]
    for n_snapshots in (1, 3):
        X = rng.standard_normal((n_snapshots, *(n for _, n in shapes)))
        expected = X.reshape(n_snapshots, -1) @ reduce(np.kron, matrices).T
        np.testing.assert_allclose(
            mode_products(X, matrices).reshape(n_snapshots, -1), expected, rtol=1e-12, atol=1e-12
        )


def test_bad_covariance_is_named():
    factors, Y, _ = make([(3, 4)], 1, False)
    with pytest.raises(ValueError, match=r"noise_covariance\[0\] is not positive definite"):
        pose(factors, Y, noise_covariance=[-np.eye(3)])
