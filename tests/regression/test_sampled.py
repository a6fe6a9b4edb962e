"""Least squares from chosen evaluations: answers, certificates, and what the choice promises."""

import numpy as np
import pytest
import scipy.sparse
from numpy.polynomial.legendre import legvander

from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.regression.sampled import METHODS, EvaluationPlan, SampledLeastSquares, choose_evaluations
from sparsesolve.result import Status

POINTS = np.linspace(-1.0, 1.0, 2001)
X = legvander(POINTS, 9)


def bumpy(points):
    return 1.0 / (1.0 + 25.0 * points**2)


def naive(X, y, weights):
    root = np.sqrt(weights)
    return np.linalg.lstsq(X * root[:, None], y * root)[0]


@pytest.mark.parametrize("method", METHODS)
def test_the_answer_is_weighted_least_squares_on_the_plan(method):
    y = bumpy(POINTS)
    asked = []

    def function(rows):
        asked.append(rows)
        return y[rows]

    model = SampledLeastSquares(method=method, n_evaluations=60, random_state=1).fit(X, function)
    assert len(asked) == 1
    np.testing.assert_array_equal(asked[0], model.evaluated_rows_)
    rows = model.evaluated_rows_
    assert rows.size <= 60
    assert np.all(np.diff(rows) > 0)
    np.testing.assert_allclose(
        model.coef_, naive(X[rows], y[rows], model.plan_.weights), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(model.predict(X), X @ model.coef_)
    assert model.converged_
    certificate = model.result_.certificate
    assert certificate["backward_error"] < 2.3e-16
    assert certificate["n_evaluations"] == rows.size
    basis = np.linalg.qr(X)[0][rows] * np.sqrt(model.plan_.weights)[:, None]
    assert certificate["condition_number"] == pytest.approx(np.linalg.cond(basis) ** 2, rel=1e-6)


def test_the_three_ways_to_give_values_agree():
    y = bumpy(POINTS)
    model = SampledLeastSquares(random_state=2)
    by_callable = model.fit(X, lambda rows: y[rows]).coef_
    by_array = model.fit(X, y).coef_
    plan = model.choose(X)
    np.testing.assert_array_equal(by_callable, by_array)
    np.testing.assert_array_equal(model.fit(X, y[plan.rows], plan=plan).coef_, by_array)
    np.testing.assert_allclose(model.fit(scipy.sparse.csr_array(X), y).coef_, by_array, rtol=1e-9)


def test_functions_in_the_span_are_found_exactly():
    coef = np.arange(1.0, 11.0)
    for method in METHODS:
        model = SampledLeastSquares(method=method, n_evaluations=30, random_state=0).fit(X, X @ coef)
        np.testing.assert_allclose(model.coef_, coef, rtol=1e-10)
        assert model.residual_norm_ < 1e-9
    both = SampledLeastSquares(random_state=0).fit(X, X @ np.column_stack([coef, -coef]))
    np.testing.assert_allclose(both.coef_, [coef, -coef], rtol=1e-10)
    assert both.predict(X[:3]).shape == (3, 2)


def test_candidates_can_have_weights():
    """A quadrature rule on candidates: those with zero weight are never asked."""
    rng = np.random.default_rng(0)
    weights = rng.random(len(POINTS))
    weights[::2] = 0.0
    y = bumpy(POINTS)
    for method in METHODS:
        plan = choose_evaluations(X, method=method, n_evaluations=80, sample_weight=weights, random_state=0)
        assert np.all(plan.rows % 2 == 1)
    everywhere = SampledLeastSquares(n_evaluations=5000).fit(X, y, sample_weight=weights)
    assert everywhere.condition_number_ == pytest.approx(1.0)
    np.testing.assert_allclose(everywhere.coef_, naive(X, y, weights), rtol=1e-9, atol=1e-12)
    huge = SampledLeastSquares(n_evaluations=5000).fit(X, y, sample_weight=weights * 1e200)
    np.testing.assert_allclose(huge.coef_, everywhere.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["leveraged-volume", "volume"])
def test_volume_leaves_the_estimate_unbiased(method, full):
    y, draws = bumpy(POINTS), 4000 if full else 200
    exact = np.linalg.lstsq(X, y)[0]
    estimates = np.array(
        [
            SampledLeastSquares(n_evaluations=20, method=method, random_state=seed).fit(X, y).coef_
            for seed in range(draws)
        ]
    )
    z = (estimates.mean(axis=0) - exact) / (estimates.std(axis=0, ddof=1) / np.sqrt(draws))
    assert np.abs(z).max() < 4.5


def test_chosen_points_are_stable_where_uniform_ones_are_not():
    """Polynomials need points near the ends: with these the error is near the best, without it is not."""
    basis = legvander(POINTS, 24)
    y = bumpy(POINTS)
    best = np.linalg.norm(y - basis @ np.linalg.lstsq(basis, y)[0])

    def errors(method):
        out = []
        for seed in range(15):
            model = SampledLeastSquares(method=method, n_evaluations=75, random_state=seed).fit(basis, y)
            out.append((np.linalg.norm(y - model.predict(basis)) / best, model.condition_number_))
        return np.median(out, axis=0)

    uniform = errors("uniform")
    for method in ("determinantal", "leveraged-volume", "leverage"):
        chosen = errors(method)
        assert chosen[0] < 1.6
        assert uniform[0] > 2.0 * chosen[0]
        assert uniform[1] > 10.0 * chosen[1]


def test_determinantal_sets_vary_less_than_independent_rows():
    order = np.random.default_rng(0).permutation(len(POINTS))

    def condition(method):
        plans = [
            choose_evaluations(X[order], method=method, n_evaluations=40, random_state=seed)
            for seed in range(40)
        ]
        return np.median([plan.condition_number for plan in plans])

    found = [condition(method) for method in ("determinantal", "leveraged-volume", "leverage")]
    assert found[0] < 0.8 * found[1]
    assert found[0] < 0.8 * found[2]


def test_rows_that_do_not_determine_the_answer_are_told():
    spiky = np.zeros((1000, 3))
    spiky[:, 0] = 1.0
    spiky[5, 1] = spiky[9, 2] = 1.0
    with pytest.warns(ConvergenceWarning, match="do not determine"):
        lost = SampledLeastSquares(method="uniform", n_evaluations=20, random_state=0).fit(
            spiky, np.ones(1000)
        )
    assert lost.result_.status is Status.ILL_POSED
    assert np.all(np.isfinite(lost.coef_))
    found = SampledLeastSquares(n_evaluations=20, random_state=0).fit(spiky, spiky @ [1, 2, 3])
    assert found.converged_
    np.testing.assert_allclose(found.coef_, [1, 2, 3])


def test_deficient_rank_takes_the_least_solution():
    doubled = np.repeat(X, 2, axis=1)
    model = SampledLeastSquares(n_evaluations=40, random_state=0).fit(doubled, X @ np.ones(10))
    assert model.rank_ == 10
    np.testing.assert_allclose(model.coef_, 0.5, rtol=1e-9)
    zero = SampledLeastSquares(n_evaluations=4, random_state=0).fit(np.zeros((50, 2)), np.ones(50))
    np.testing.assert_array_equal(zero.coef_, 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SampledLeastSquares(method="best").fit(X, POINTS), "method='best' is not known"),
        (lambda: SampledLeastSquares(n_evaluations=4).fit(X, POINTS), "4 must be at least 10, the rank"),
        (lambda: SampledLeastSquares(n_evaluations=0).fit(X, POINTS), "n_evaluations=0"),
        (lambda: SampledLeastSquares(n_evaluations="all").fit(X, POINTS), "n_evaluations='all' is not known"),
        (lambda: SampledLeastSquares().fit(X, POINTS[:5]), "there are 2001 rows"),
        (lambda: SampledLeastSquares().fit(X, lambda rows: rows[:3]), "y has shape"),
        (lambda: SampledLeastSquares().fit(X, lambda rows: rows * np.nan), "NaN"),
        (lambda: SampledLeastSquares().fit(X, None), "the target y is None"),
        (lambda: SampledLeastSquares().fit(X, POINTS, POINTS), "is negative"),
        (
            lambda: SampledLeastSquares().fit(
                X[:99], np.ones(12), plan=EvaluationPlan(np.arange(90, 102), np.ones(12), 10, 1.0)
            ),
            "plan has row 101, but X has 99 rows",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
