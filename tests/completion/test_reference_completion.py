"""The references agree with one another, and with differences."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.reference import completion as reference


@pytest.fixture
def problem():
    rng = np.random.default_rng(11)
    A, B = rng.standard_normal((8, 2)), rng.standard_normal((7, 2))
    M = A @ B.T + 0.1 * rng.standard_normal((8, 7))
    M[rng.random(M.shape) < 0.3] = np.nan
    weights = rng.uniform(0.5, 2.0, M.shape)
    return M, A, B, weights


@pytest.mark.parametrize("scaled", [False, True])
def test_gradients_are_differences_of_the_objective(problem, scaled):
    M, A, B, weights = problem
    options = {"weights": weights, "scaled": scaled}
    rows, columns = reference.gradients(M, A, B, 0.3, **options)
    step = 1e-6
    for factor, gradient in ((A, rows), (B, columns)):
        place = (3, 1)
        before = factor[place]
        values = []
        for sign in (1.0, -1.0):
            factor[place] = before + sign * step
            values.append(reference.objective(M, A, B, 0.3, **options))
        factor[place] = before
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(gradient[place], rel=1e-6)
    norm = np.sqrt((rows**2).sum() + (columns**2).sum())
    assert reference.gradient_norm(M, A, B, 0.3, **options) == pytest.approx(norm, rel=1e-12)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_half_step_makes_the_gradient_zero_and_is_that_of_cvxpy(problem, alpha, scaled):
    pytest.importorskip("cvxpy")
    M, _, B, weights = problem
    options = {"weights": weights, "scaled": scaled}
    rows = reference.half_step(M, B, alpha, **options)
    gradient, _ = reference.gradients(M, rows, B, alpha, **options)
    assert np.abs(gradient).max() < 1e-12
    np.testing.assert_allclose(reference.convex_half_step(M, B, alpha, **options), rows, atol=1e-6)


def test_half_step_of_an_empty_row_is_zero(problem):
    M, _, B, _ = problem
    M[2] = np.nan
    rows = reference.half_step(M, B)
    np.testing.assert_array_equal(rows[2], 0.0)
    assert np.abs(rows).max() > 0.1


def test_sparse_and_dense_are_the_same(problem):
    M, A, B, _ = problem
    M[np.unravel_index(np.argmin(np.isnan(M)), M.shape)] = 0.0
    rows, columns = np.nonzero(~np.isnan(M))
    # A stored zero is observed.
    sparse = scipy.sparse.coo_array((M[rows, columns], (rows, columns)), shape=M.shape).tocsr()
    assert reference.objective(sparse, A, B, 0.2) == pytest.approx(
        reference.objective(M, A, B, 0.2), rel=1e-14
    )
    assert reference.relative_residual(sparse, A, B) == pytest.approx(
        reference.relative_residual(M, A, B), rel=1e-14
    )


def test_nuclear_norm_is_the_least_of_the_factors_objective(problem):
    pytest.importorskip("cvxpy")
    M, *_ = problem
    best = reference.nuclear_norm(M, 0.5)
    u, s, v = np.linalg.svd(best.matrix)
    A, B = u[:, :7] * np.sqrt(s), v[:7].T * np.sqrt(s)
    assert reference.objective(M, A, B, 0.5) == pytest.approx(best.objective, rel=1e-7)
    rng = np.random.default_rng(2)
    for size in (1e-3, 1e-1):
        moved = A + size * rng.standard_normal(A.shape)
        assert reference.objective(M, moved, B, 0.5) > best.objective
    assert reference.gradient_norm(M, A, B, 0.5) < 1e-3


def test_nuclear_norm_without_noise_completes_a_matrix_of_rank_one():
    pytest.importorskip("cvxpy")
    rng = np.random.default_rng(3)
    whole = np.outer(rng.uniform(1.0, 2.0, 10), rng.uniform(1.0, 2.0, 9))
    M = whole.copy()
    M[rng.random(M.shape) < 0.3] = np.nan
    np.testing.assert_allclose(reference.nuclear_norm(M).matrix, whole, atol=1e-5)


def test_gauss_newton_matrix_has_the_gauge_as_its_null_space():
    rng = np.random.default_rng(4)
    A, B = rng.standard_normal((9, 2)), rng.standard_normal((8, 2))
    M = A @ B.T
    values = reference.gauss_newton_spectrum(M, A, B)
    assert np.abs(values[:4]).max() < 1e-10
    assert values[4] > 0.1
    # A row with one entry leaves a direction free.
    M[0, 1:] = np.nan
    values = reference.gauss_newton_spectrum(M, A, B)
    assert np.abs(values[:5]).max() < 1e-10
    assert values[5] > 1e-4
