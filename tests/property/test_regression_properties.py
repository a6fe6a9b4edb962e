"""Laws that hold for every least squares problem, on drawn problems."""

from itertools import pairwise

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from sparsesolve.regression import SketchedLinearRegression

SOLVERS = ["auto", "gram", "cqrrt", "spir", "direct"]
seeds = st.integers(0, 2**32 - 1)


@st.composite
def problems(draw, rows=st.sampled_from([30, 200, 3000])):
    """A problem of moderate condition, with or without an intercept and weights; small and large enough."""
    rng = np.random.default_rng(draw(seeds))
    n_rows, n_columns = draw(rows), draw(st.integers(1, 7))
    X = rng.standard_normal((n_rows, n_columns)) * 10.0 ** rng.uniform(-2, 2, n_columns)
    y = X @ rng.standard_normal(n_columns) + draw(st.sampled_from([1e-6, 1.0, 100.0])) * rng.standard_normal(
        n_rows
    )
    weights = rng.uniform(0.1, 3.0, n_rows) if draw(st.booleans()) else None
    options = {
        "fit_intercept": draw(st.booleans()),
        "solver": draw(st.sampled_from(SOLVERS)),
        "alpha": draw(st.sampled_from([0.0, 1e-3, 10.0])),
        "random_state": draw(seeds),
    }
    return rng, X, y, weights, options


def fit(options, X, y, weights=None, **more):
    return SketchedLinearRegression(**options | more).fit(X, y, sample_weight=weights)


def same(X, model, expected_coef, expected_intercept, y):
    """Equal in units of what each coefficient contributes."""
    size = np.linalg.norm(X, axis=0)
    np.testing.assert_allclose(
        model.coef_ * size, expected_coef * size, rtol=1e-8, atol=1e-10 * np.linalg.norm(y)
    )
    scale = np.abs(y).max()
    np.testing.assert_allclose(model.intercept_, expected_intercept, rtol=1e-8, atol=1e-10 * scale)


@given(problems(), st.floats(-1e6, 1e6).filter(lambda c: abs(c) > 1e-6))
def test_scaled_targets(problem, factor):
    _, X, y, weights, options = problem
    one, other = fit(options, X, y, weights), fit(options, X, factor * y, weights)
    same(X, other, factor * one.coef_, factor * one.intercept_, factor * y)


@given(problems(), st.integers(-60, 60))
def test_scaled_columns(problem, power):
    rng, X, y, weights, options = problem
    options["alpha"] = 0.0
    factors = 2.0 ** rng.integers(-abs(power), abs(power) + 1, X.shape[1])
    one, other = fit(options, X, y, weights), fit(options, X * factors, y, weights)
    same(X * factors, other, one.coef_ / factors, one.intercept_, y)


@given(problems())
def test_permuted_rows(problem):
    rng, X, y, weights, options = problem
    order = rng.permutation(len(y))
    one = fit(options, X, y, weights)
    other = fit(options, X[order], y[order], None if weights is None else weights[order])
    same(X, other, one.coef_, one.intercept_, y)


@given(problems())
def test_permuted_columns(problem):
    rng, X, y, weights, options = problem
    order = rng.permutation(X.shape[1])
    one, other = fit(options, X, y, weights), fit(options, X[:, order], y, weights)
    same(X[:, order], other, one.coef_[order], one.intercept_, y)


@given(problems())
def test_row_twice_is_weight_two(problem):
    rng, X, y, weights, options = problem
    weights = np.ones(len(y)) if weights is None else weights
    twice = rng.uniform(size=len(y)) < 0.3
    rows = np.concatenate([np.arange(len(y)), np.flatnonzero(twice)])
    one = fit(options, X, y, weights * (1 + twice))
    other = fit(options, X[rows], y[rows], weights[rows])
    same(X, other, one.coef_, one.intercept_, y)


@given(problems(), st.floats(-1e5, 1e5))
def test_shifted_targets_move_the_intercept_alone(problem, shift):
    _, X, y, weights, options = problem
    one = fit(options, X, y, weights, fit_intercept=True)
    other = fit(options, X, y + shift, weights, fit_intercept=True)
    same(X, other, one.coef_, one.intercept_ + shift, np.abs(y) + abs(shift))


@given(problems())
def test_shifted_columns_move_the_intercept_alone(problem):
    rng, X, y, weights, options = problem
    shift = np.abs(X).max(axis=0) * rng.uniform(-3, 3, X.shape[1])
    one = fit(options, X, y, weights, fit_intercept=True)
    other = fit(options, X + shift, y, weights, fit_intercept=True)
    same(X, other, one.coef_, one.intercept_ - shift @ one.coef_, y)


@given(problems())
def test_signs_of_rows(problem):
    rng, X, y, weights, options = problem
    signs = rng.choice([-1.0, 1.0], len(y))
    one = fit(options, X, y, weights, fit_intercept=False)
    other = fit(options, X * signs[:, None], y * signs, weights, fit_intercept=False)
    same(X, other, one.coef_, 0.0, y)


@given(problems(rows=st.sampled_from([30, 300])))
def test_orthogonal_mixing_of_rows(problem):
    rng, X, y, _, options = problem
    Q = np.linalg.qr(rng.standard_normal((len(y), len(y))))[0]
    one = fit(options, X, y, fit_intercept=False)
    other = fit(options, Q @ X, Q @ y, fit_intercept=False)
    same(X, other, one.coef_, 0.0, y)


@given(problems())
def test_targets_add(problem):
    rng, X, y, weights, options = problem
    z = rng.standard_normal(len(y))
    parts = [fit(options, X, target, weights) for target in (y, z)]
    whole = fit(options, X, y + z, weights)
    same(
        X,
        whole,
        parts[0].coef_ + parts[1].coef_,
        parts[0].intercept_ + parts[1].intercept_,
        np.abs(y) + np.abs(z),
    )


@given(problems())
def test_residual_is_orthogonal_to_the_columns(problem):
    _, X, y, weights, options = problem
    assume(options["alpha"] == 0.0)
    model = fit(options, X, y, weights)
    residual = (y - model.predict(X)) * (1.0 if weights is None else weights)
    size = np.linalg.norm(y) * 3
    assert np.all(np.abs(X.T @ residual) <= 1e-11 * np.linalg.norm(X, axis=0) * size)
    if options["fit_intercept"]:
        assert abs(residual.sum()) <= 1e-11 * np.sqrt(len(y)) * size


@given(problems())
def test_more_penalty_is_a_shorter_solution(problem):
    _, X, y, weights, options = problem
    lengths = [
        np.linalg.norm(fit(options, X, y, weights, alpha=alpha).coef_) for alpha in (0.0, 1e-2, 1.0, 1e4)
    ]
    assert all(b <= a * (1 + 1e-9) for a, b in pairwise(lengths))
