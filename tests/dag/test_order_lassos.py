"""Concomitant lassos given an order: against cvxpy, and by the conditions of optimality."""

import numpy as np
import pytest

from sparsesolve.dag.concomitant import (
    concomitant_lasso,
    forward_edges,
    kkt_residual,
    objective,
    residual_variances,
    scale_floors,
)
from sparsesolve.datasets.dag import make_linear_sem


def covariance(X):
    X = X - X.mean(axis=0)
    return X.T @ X / len(X)


def by_cvxpy(X, allowed, alpha, noise, floors):
    cp = pytest.importorskip("cvxpy")
    X = (X - X.mean(axis=0)) / np.sqrt(len(X))
    d = X.shape[1]
    W = cp.Variable((d, d))
    R = X - X @ W
    if noise == "unequal":
        s = cp.Variable(d)
        fit = sum(cp.quad_over_lin(R[:, j], 2 * s[j]) for j in range(d)) + cp.sum(s) / 2
        bounds = [s >= floors]
    else:
        s = cp.Variable()
        fit = cp.quad_over_lin(cp.vec(R, order="F"), 2 * s) + d * s / 2
        bounds = [s >= floors[0]]
    value = cp.Minimize(fit + alpha * cp.sum(cp.abs(W)))
    problem = cp.Problem(value, [*bounds, cp.multiply(W, ~allowed) == 0])
    problem.solve(cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return W.value, np.broadcast_to(s.value, d), problem.value


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # asked for all that it can give
@pytest.mark.parametrize("noise", ["unequal", "equal"])
@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.5])
def test_equals_cvxpy(noise, alpha):
    for seed in range(3):
        data = make_linear_sem(40, 6, degree=2, random_state=seed)
        X = data.X / data.X.std(axis=0)
        C = covariance(X)
        allowed = forward_edges(data.order)
        fit = concomitant_lasso(C, allowed, alpha, noise=noise)
        W, s, value = by_cvxpy(X, allowed, alpha, noise, scale_floors(C, noise))
        assert fit.residual <= 1e-10
        assert fit.objective == pytest.approx(value, rel=1e-8)
        np.testing.assert_allclose(fit.weights, W, atol=2e-6)
        np.testing.assert_allclose(fit.scales, s, atol=2e-6)


@pytest.mark.parametrize("noise", ["unequal", "equal"])
@pytest.mark.parametrize(("n", "d"), [(400, 40), (30, 40)])
def test_conditions_of_optimality_hold(noise, n, d):
    data = make_linear_sem(n, d, random_state=1)
    C = covariance(data.X)
    allowed = forward_edges(data.order)
    for alpha in (0.05, 0.3):
        fit = concomitant_lasso(C, allowed, alpha, noise=noise)
        assert fit.residual <= 1e-8
        assert not (fit.weights[~allowed] != 0).any()
        # Naive: the gradient of the smooth part is -C (I - W) / s.
        gradient = -(C @ (np.eye(d) - fit.weights)) / fit.scales
        free = allowed & (fit.weights != 0)
        np.testing.assert_allclose(gradient[free], -alpha * np.sign(fit.weights[free]), atol=1e-8)
        assert np.abs(gradient[allowed]).max() <= alpha * (1 + 1e-7)


@pytest.mark.parametrize("noise", ["unequal", "equal"])
def test_penalty_and_data_scale_together(noise):
    data = make_linear_sem(300, 10, random_state=0)
    C, allowed = covariance(data.X), forward_edges(data.order)
    first, second = (concomitant_lasso(c**2 * C, allowed, 0.1 * c, noise=noise) for c in (1.0, 8.0))
    np.testing.assert_allclose(second.weights, first.weights, atol=1e-9)
    np.testing.assert_allclose(second.scales, 8.0 * first.scales, rtol=1e-9)


def test_large_penalty_gives_the_empty_graph_and_small_one_least_squares():
    data = make_linear_sem(200, 6, random_state=3)
    C, allowed = covariance(data.X), forward_edges(data.order)
    empty = concomitant_lasso(C, allowed, 1e3)
    assert not empty.weights.any()
    np.testing.assert_allclose(empty.scales, np.sqrt(np.diag(C)))
    free = concomitant_lasso(C, allowed, 1e-9)
    for j in range(6):
        parents = np.flatnonzero(allowed[:, j])
        if parents.size:
            expected = np.linalg.solve(C[np.ix_(parents, parents)], C[parents, j])
            np.testing.assert_allclose(free.weights[parents, j], expected, atol=1e-6)


@pytest.mark.parametrize("noise", ["unequal", "equal"])
def test_exact_relations_meet_the_floor(noise):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6))
    X[:, 3] = X[:, 1]
    X[:, 4] = X[:, 0] + X[:, 1] + X[:, 2]
    X[:, 5] = 0.0
    C = covariance(X)
    allowed = forward_edges(np.arange(6))
    for alpha in (1e-3, 0.05):
        fit = concomitant_lasso(C, allowed, alpha, noise=noise)
        assert np.isfinite(fit.weights).all()
        assert fit.residual <= 1e-8
        assert (fit.scales >= scale_floors(C, noise) * (1 - 1e-12)).all()
    zero = concomitant_lasso(np.zeros((3, 3)), forward_edges(np.arange(3)), 0.1, noise=noise)
    assert not zero.weights.any()
    assert np.isfinite(zero.scales).all()


@pytest.mark.parametrize("noise", ["unequal", "equal"])
def test_more_columns_than_the_rank_from_any_start(noise):
    rng = np.random.default_rng(4)
    for _ in range(20):
        d = int(rng.integers(3, 10))
        base = rng.integers(-2, 3, (12, 3)).astype(float)
        X = base @ rng.integers(-2, 3, (3, d)) + 0.0
        C = covariance(X)
        allowed = forward_edges(np.arange(d))
        fits = [
            concomitant_lasso(C, allowed, 0.05, noise=noise),
            concomitant_lasso(C, allowed, 0.05, noise=noise, weights=rng.standard_normal((d, d))),
        ]
        for fit in fits:
            assert fit.residual <= 1e-6
        assert fits[0].objective == pytest.approx(fits[1].objective, rel=1e-7)


def test_kkt_residual_sees_what_is_wrong():
    data = make_linear_sem(100, 5, random_state=0)
    C, allowed = covariance(data.X), forward_edges(data.order)
    floors = scale_floors(C, "unequal")
    fit = concomitant_lasso(C, allowed, 0.1)
    i, j = np.argwhere(fit.weights != 0)[0]
    off = fit.weights.copy()
    off[i, j] += 0.01
    assert kkt_residual(C, allowed, off, fit.scales, 0.1, "unequal", floors) > 1e-3
    assert kkt_residual(C, allowed, fit.weights, 1.01 * fit.scales, 0.1, "unequal", floors) > 1e-3
    backward = fit.weights.copy()
    backward[j, i] = 0.5
    assert kkt_residual(C, allowed, backward, fit.scales, 0.1, "unequal", floors) >= 0.5
    assert objective(C, off, fit.scales, 0.1) > fit.objective
    q = residual_variances(C, fit.weights)
    assert fit.objective == pytest.approx(
        (q / (2 * fit.scales) + fit.scales / 2).sum() + 0.1 * np.abs(fit.weights).sum()
    )


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="alpha=0 must be above 0"):
        concomitant_lasso(np.eye(2), forward_edges(np.arange(2)), 0)
    with pytest.raises(ValueError, match="noise='some'"):
        concomitant_lasso(np.eye(2), forward_edges(np.arange(2)), 0.1, noise="some")
