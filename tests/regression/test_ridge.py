"""Ridge, weights and the intercept, against the augmented system and scikit-learn."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LinearRegression, Ridge

from sparsesolve.reference import naive
from sparsesolve.regression import SketchedLinearRegression, lstsq, ridge_path

SOLVERS = ["auto", "gram", "cqrrt", "spir", "fossils", "direct"]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [1e-8, 1.0, 1e6, 1e10])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_ridge_against_the_augmented_system(rng, solver, alpha, fit_intercept):
    A, b = rng.standard_normal((5000, 15)) + 0.5, rng.standard_normal(5000) + 3.0
    weights = rng.uniform(0.0, 2.0, 5000)
    options = {"alpha": alpha, "fit_intercept": fit_intercept}
    result = lstsq(A, b, solver=solver, sample_weight=weights, random_state=0, **options)
    matrix, targets = naive.augmented(A, b, weights=weights, **options)
    scale = np.linalg.norm(matrix, axis=0)
    scaled = matrix / scale  # well conditioned: the normal equations are accurate, also for a huge penalty
    expected = np.linalg.solve(scaled.T @ scaled, scaled.T @ targets) / scale
    found = np.append(result.solution.coef, result.solution.intercept)[: len(expected)]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert result.converged
    assert naive.backward_error(matrix, targets, found) < 4e-16


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(9000, 9), (50, 9), (9, 50)])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_ridge_against_scikit_learn(rng, solver, shape, fit_intercept):
    X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    weights = rng.uniform(0.1, 2.0, shape[0])
    model = SketchedLinearRegression(alpha=3.0, fit_intercept=fit_intercept, solver=solver, random_state=0)
    peer = Ridge(alpha=3.0, fit_intercept=fit_intercept, solver="svd")
    model.fit(X, y, sample_weight=weights)
    peer.fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, rtol=1e-8, atol=1e-12)


def test_ridge_of_a_singular_matrix(rng):
    X = rng.integers(-5, 6, (8000, 9)).astype(np.float64)
    X[:, 4], X[:, 5] = X[:, 3], 0.0
    y = rng.standard_normal(8000)
    model = SketchedLinearRegression(alpha=2.0**-10, fit_intercept=False, random_state=0).fit(X, y)
    expected = naive.minimum_norm_solution(*naive.augmented(X, y, alpha=2.0**-10))
    np.testing.assert_allclose(model.coef_, expected, atol=1e-8)
    assert model.coef_[5] == 0.0
    assert model.converged_


def test_small_penalty_tends_to_the_shortest_solution(rng):
    X = rng.integers(-5, 6, (300, 6)).astype(np.float64)
    X[:, 5] = X[:, 0]
    y = rng.standard_normal(300)
    ridge = lstsq(X, y, alpha=1e-4).solution.coef
    np.testing.assert_allclose(ridge, naive.minimum_norm_solution(X, y), rtol=1e-5, atol=1e-7)


def test_huge_penalty_leaves_the_mean(rng):
    X, y = rng.standard_normal((8000, 9)), rng.standard_normal(8000) + 5.0
    model = SketchedLinearRegression(alpha=1e30, random_state=0).fit(X, y)
    centred = X - X.mean(axis=0)
    expected = centred.T @ (y - y.mean()) / 1e30
    np.testing.assert_allclose(model.coef_, expected, atol=1e-3 * np.abs(expected).max())
    assert model.intercept_ == pytest.approx(y.mean(), rel=1e-13)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_intercept_with_a_far_mean(rng, solver, offset):
    X = rng.standard_normal((8000, 6)) + offset
    y = X @ np.ones(6) + rng.standard_normal(8000)
    model = SketchedLinearRegression(solver=solver, random_state=0).fit(X, y)
    peer = LinearRegression().fit(X - X.mean(axis=0), y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-9 + 1e-15 * offset**2)
    assert model.converged_


def test_intercept_of_a_sparse_matrix(rng):
    X = scipy.sparse.random_array((8000, 9), density=0.3, rng=rng, format="csr")
    y = rng.standard_normal(8000) + 1.0
    model = SketchedLinearRegression(random_state=0).fit(X, y)
    peer = LinearRegression().fit(X.toarray(), y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-9, atol=1e-12)
    assert model.intercept_ == pytest.approx(peer.intercept_, rel=1e-11)


@pytest.mark.parametrize("spread", [1, 8, 100])
def test_weights_over_many_orders(rng, spread):
    X, y = rng.standard_normal((8000, 6)), rng.standard_normal(8000)
    weights = 10.0 ** rng.uniform(-spread, spread, 8000)
    model = SketchedLinearRegression(random_state=0).fit(X, y, sample_weight=weights)
    matrix, targets = naive.augmented(X, y, weights=weights, fit_intercept=True)
    assert model.converged_
    assert naive.backward_error(matrix, targets, np.append(model.coef_, model.intercept_)) < 4e-16


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("shape", [(20_000, 12), (200, 12), (30, 12)])
def test_ridge_path(rng, fit_intercept, shape):
    A, b = (
        rng.standard_normal(shape) * 10.0 ** rng.uniform(-3, 3, shape[1]) + 0.1,
        rng.standard_normal(shape[0]),
    )
    weights = rng.uniform(0.1, 2.0, shape[0])
    alphas = np.geomspace(1e-8, 1e8, 9)
    options = {"fit_intercept": fit_intercept, "sample_weight": weights, "random_state": 0}
    path = ridge_path(A, b, alphas, **options)
    assert path.converged
    np.testing.assert_array_equal(path.solution.alphas, alphas)
    for k, alpha in enumerate(alphas):
        one = lstsq(A, b, alpha=alpha, **options).solution
        np.testing.assert_allclose(path.solution.coef[:, k], one.coef, rtol=1e-7, atol=1e-13)
        matrix, targets = naive.augmented(A, b, alpha=alpha, weights=weights, fit_intercept=fit_intercept)
        found = np.append(path.solution.coef[:, k], path.solution.intercept[k])[: matrix.shape[1]]
        true = naive.backward_error(matrix, targets, found)
        assert true <= 2 * path.solution.backward_error[k] + 5e-17
        assert true < 4e-16


def test_ridge_path_of_a_singular_matrix(rng):
    A = rng.integers(-5, 6, (9000, 9)).astype(np.float64)
    A[:, 4] = A[:, 3]
    b = rng.standard_normal(9000)
    path = ridge_path(A, b, [2.0**-6, 1.0, 2.0**10], random_state=0)
    assert path.converged
    for k, alpha in enumerate(path.solution.alphas):
        expected = naive.minimum_norm_solution(*naive.augmented(A, b, alpha=alpha))
        np.testing.assert_allclose(path.solution.coef[:, k], expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("alphas", [[], [0.0], [-1.0], [np.nan], [[1.0]], 1.0])
def test_bad_alphas(rng, alphas):
    with pytest.raises(ValueError, match="alphas"):
        ridge_path(rng.standard_normal((50, 3)), rng.standard_normal(50), alphas)


def test_ridge_path_of_zero_targets(rng):
    path = ridge_path(rng.standard_normal((50, 3)), np.zeros(50), [1.0])
    np.testing.assert_array_equal(path.solution.coef, 0.0)
