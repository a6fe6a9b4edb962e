"""Rank-one data, mode-by-mode learning, and samples from the posterior."""

from functools import reduce

import numpy as np
import pytest

from sparsesolve.driver import drive
from sparsesolve.kronecker.decomposition import decompose, nearest_rank_one
from sparsesolve.kronecker.posterior import posterior
from sparsesolve.kronecker.problem import pose
from sparsesolve.kronecker.pruning import Pruning
from sparsesolve.kronecker.sampling import draw
from sparsesolve.operators.kronecker import mode_products, outer


def make(is_complex=False, n_snapshots=1, noise=0.02, seed=0, n=(12, 10, 11), m=(7, 8, 12)):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        values = rng.standard_normal(shape)
        return values + 1j * rng.standard_normal(shape) if is_complex else values

    factors = [normal(a, b) for a, b in zip(m, n, strict=True)]
    parts = [normal(n_snapshots)]
    for b in n:
        part = np.zeros(b, factors[0].dtype)
        part[rng.choice(b, 2, replace=False)] = normal(2)
        parts.append(part)
    X = outer(parts)
    Y = mode_products(X, factors)
    Y = Y + noise * np.sqrt(np.mean(np.abs(Y) ** 2)) * normal(*Y.shape)
    return factors, np.moveaxis(Y, 0, -1), X


@pytest.mark.parametrize("is_complex", [False, True])
def test_nearest_rank_one_of_a_matrix_is_its_leading_singular_pair(is_complex):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((1, 6, 9)) + (1j * rng.standard_normal((1, 6, 9)) if is_complex else 0)
    found = nearest_rank_one(data)
    U, s, V = np.linalg.svd(data[0])
    tensor = found.scale * outer([found.snapshots, *found.vectors])
    np.testing.assert_allclose(tensor[0], s[0] * np.outer(U[:, 0], V[0]), atol=1e-3)
    np.testing.assert_allclose(found.scale, s[0], rtol=1e-6)


@pytest.mark.parametrize("method", ["ksbl", "mm"])
@pytest.mark.parametrize("n_snapshots", [1, 3])
@pytest.mark.parametrize("is_complex", [False, True])
def test_kronecker_coefficients_are_found(is_complex, n_snapshots, method):
    factors, Y, X = make(is_complex, n_snapshots)
    problem = pose(factors, Y)
    run = decompose(problem, pruning=Pruning(1e-3), method=method)
    state = drive(run, tol=1e-6, max_iter=300).best.solution
    mean = problem.units.coefficients(state.mean())
    assert mean.shape == X.shape
    assert np.linalg.norm(mean - X) < 0.02 * np.linalg.norm(X)
    deviation = problem.units.coefficients(np.sqrt(state.variance()))
    error = np.sqrt(np.mean(np.abs(mean - X) ** 2, axis=0))
    active = np.abs(X).sum(0) > 0
    assert np.mean(error[active] <= 3 * deviation[active]) >= 0.75
    size = problem.units.gammas(state.gammas())
    assert 0.01 < np.sum(np.abs(X) ** 2) / n_snapshots / np.prod([g.sum() for g in size]) < 100


@pytest.mark.parametrize("learned", [False, True])
def test_rescaling_rescales_the_answer(learned):
    factors, Y, _ = make()
    answers = []
    for a, b in ((1.0, 1.0), (3e-40, 7e60)):
        problem = pose([A * a for A in factors], Y * b)
        noise = None if learned else problem.units.own_noise_variance(0.1 * b**2)
        state = drive(decompose(problem, noise_variance=noise), tol=0.0, max_iter=20).best.solution
        answers.append(problem.units.coefficients(state.mean()) * (a**3 / b))
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=1e-6 * np.abs(answers[0]).max())


def test_zero_data_give_zero():
    factors, Y, X = make()
    state = drive(decompose(pose(factors, Y * 0)), tol=1e-4, max_iter=5).best.solution
    assert not state.mean().any()
    assert not state.variance().any()
    assert state.mean().shape == X.shape
    assert state.noise_variance == 0.0
    assert not any(gamma.any() for gamma in state.gammas())


@pytest.mark.parametrize("is_complex", [False, True])
def test_samples_have_the_posterior_mean_and_covariance(is_complex):
    rng = np.random.default_rng(3)
    factors, Y, _ = make(is_complex, n=(3, 2), m=(2, 3))
    problem = pose(factors, Y, rescale=False)
    gammas = [rng.random(n) + 0.5 for n in problem.shape]
    found = posterior(problem, gammas, 0.4)

    def normal(*shape):
        if is_complex:
            return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)
        return rng.standard_normal(shape)

    count = 60000
    samples = draw(found, normal(count, *problem.shape), normal(count, *problem.data.shape[1:])).reshape(
        count, -1
    )
    A, g = reduce(np.kron, problem.factors), np.kron(*gammas)
    inner = np.linalg.solve(0.4 * np.eye(len(A)) + (A * g) @ A.conj().T, A * g)
    covariance = np.diag(g) - (A * g).conj().T @ inner
    np.testing.assert_allclose(samples.mean(0), found.mean().reshape(-1), atol=0.03)
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.03)
