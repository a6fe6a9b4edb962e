"""The support vector machine: answers, certificates, symmetries, and the cases that break solvers."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.coordinate.hinge.problem import best_intercept
from sparsesolve.coordinate.hinge.solver import solve_hinge
from sparsesolve.coordinate.linear_models.options import check_options

OPTIONS = check_options(1e-10, 500, None, "auto")


def make(rng, n=60, p=8, noise=0.7, density=1.0):
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < density)
    signs = np.where(X[:, 0] - 0.2 + noise * rng.standard_normal(n) > 0.0, 1.0, -1.0)
    return X, signs


def objective(X, signs, s, alpha, w, c):
    X = X.toarray() if scipy.sparse.issparse(X) else X
    return s @ np.maximum(0.0, 1.0 - signs * (X @ w + c)) / s.sum() + 0.5 * alpha * (w @ w)


def naive_gap(X, signs, s, alpha, solution, fit_intercept):
    """The gap from coefficients and dual point alone, after a check that the dual point is feasible."""
    dense = X.toarray() if scipy.sparse.issparse(X) else X
    a = signs * solution.dual_point
    assert (a >= 0.0).all()
    assert (a <= s / s.sum() * (1.0 + 1e-12)).all()
    if fit_intercept:
        assert abs(solution.dual_point.sum()) <= 1e-13
    w = dense.T @ solution.dual_point / alpha
    dual = a.sum() - 0.5 * alpha * (w @ w)
    primal = objective(X, signs, s, alpha, solution.coef, solution.intercept)
    positive = s[signs > 0].sum() / s.sum()
    base = 2.0 * min(positive, 1.0 - positive) if fit_intercept else 1.0
    return (primal - dual) / (base if base > 0.0 else 1.0)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("density", [1.0, 0.3])
@pytest.mark.parametrize(("n", "p"), [(60, 8), (25, 50)])
def test_it_finds_what_a_conic_solver_finds(rng, fit_intercept, weighted, density, n, p):
    cvxpy = pytest.importorskip("cvxpy")
    X, signs = make(rng, n, p, density=density)
    s = rng.uniform(0.3, 2.0, n) if weighted else np.ones(n)
    for alpha in (0.003, 0.1, 2.0):
        w, c = cvxpy.Variable(p), cvxpy.Variable()
        loss = s / s.sum() @ cvxpy.pos(1.0 - cvxpy.multiply(signs, X @ w + c))
        constraints = [] if fit_intercept else [c == 0.0]
        problem = cvxpy.Problem(cvxpy.Minimize(loss + 0.5 * alpha * cvxpy.sum_squares(w)), constraints)
        problem.solve(solver="CLARABEL")
        given = X if density == 1.0 else scipy.sparse.csr_array(X)
        result = solve_hinge(
            given,
            signs,
            alpha=alpha,
            sample_weight=s if weighted else None,
            fit_intercept=fit_intercept,
            options=OPTIONS,
        )
        assert result.converged
        assert abs(result.solution.objective - problem.value) <= 1e-7
        # the objective is strongly convex in w: its accuracy bounds that of w
        assert 0.5 * alpha * np.sum((result.solution.coef - w.value) ** 2) <= 2e-7
        assert abs(naive_gap(given, signs, s, alpha, result.solution, fit_intercept)) <= 1.1e-10


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize(
    "form", [scipy.sparse.csr_array, scipy.sparse.csc_array, np.asfortranarray, np.float32]
)
def test_the_form_of_the_data_does_not_matter(rng, fit_intercept, form):
    X, signs = make(rng, 80, 12, density=0.4)
    X = X.astype(np.float32).astype(np.float64)
    expected = solve_hinge(X, signs, alpha=0.05, fit_intercept=fit_intercept, options=OPTIONS).solution
    found = solve_hinge(form(X), signs, alpha=0.05, fit_intercept=fit_intercept, options=OPTIONS).solution
    np.testing.assert_allclose(found.coef, expected.coef, atol=1e-8)
    assert found.objective == pytest.approx(expected.objective, abs=1e-12)


def test_it_agrees_with_the_laboratory(rng):
    from sparsesolve.coordinate import SVMDual
    from sparsesolve.reference.coordinate import svm_dual

    pytest.importorskip("cvxpy")
    X, signs = make(rng, 40, 6)
    alpha = 0.1
    C = 1.0 / (alpha * signs.size)
    solution = solve_hinge(X, signs, alpha=alpha, fit_intercept=False, options=OPTIONS).solution
    a = signs * solution.dual_point / alpha
    problem = SVMDual(X, signs, C)
    assert problem.n_coordinates == a.size
    signed = X * signs[:, None]
    slopes = signed @ (signed.T @ a) - 1.0
    stationary = np.clip(a - slopes, 0.0, C)
    np.testing.assert_allclose(stationary, a, atol=1e-8)
    w = signed.T @ a
    assert 0.5 * w @ w - a.sum() == pytest.approx(svm_dual(X, signs, C)[1], abs=1e-7)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_swapping_the_classes_changes_signs_only(rng, fit_intercept):
    X, signs = make(rng)
    first = solve_hinge(X, signs, alpha=0.02, fit_intercept=fit_intercept, options=OPTIONS).solution
    second = solve_hinge(X, -signs, alpha=0.02, fit_intercept=fit_intercept, options=OPTIONS).solution
    np.testing.assert_allclose(second.coef, -first.coef, atol=1e-9)
    assert second.intercept == pytest.approx(-first.intercept, abs=1e-9)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_copies_of_a_sample_are_a_weight(rng, fit_intercept):
    X, signs = make(rng)
    copies = rng.integers(0, 4, signs.size)
    rows = np.repeat(np.arange(signs.size), copies)
    weighted = solve_hinge(
        X, signs, alpha=0.02, sample_weight=copies.astype(float), fit_intercept=fit_intercept, options=OPTIONS
    )
    repeated = solve_hinge(X[rows], signs[rows], alpha=0.02, fit_intercept=fit_intercept, options=OPTIONS)
    assert weighted.converged
    assert repeated.converged
    np.testing.assert_allclose(weighted.solution.coef, repeated.solution.coef, atol=1e-8)
    assert (weighted.solution.dual_point[copies == 0] == 0.0).all()


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("sparse", [False, True])
def test_one_class_needs_the_intercept_only(rng, sign, sparse):
    X = rng.standard_normal((20, 3))
    given = scipy.sparse.csr_array(X) if sparse else X
    result = solve_hinge(given, np.full(20, sign), alpha=0.1, options=OPTIONS)
    assert result.converged
    assert (result.solution.coef == 0.0).all()
    assert result.solution.intercept == sign
    assert result.solution.objective == 0.0
    assert solve_hinge(given, np.full(20, sign), alpha=0.1, fit_intercept=False, options=OPTIONS).converged


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_separable_data_with_hardly_any_penalty_give_the_widest_margin(fit_intercept):
    X = np.array([[1.0, 0.0], [3.0, 1.0], [2.0, -1.0], [-1.0, 0.0], [-2.0, 2.0], [-4.0, -1.0]])
    signs = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    solution = solve_hinge(X, signs, alpha=1e-9, fit_intercept=fit_intercept, options=OPTIONS).solution
    np.testing.assert_allclose(solution.coef, [1.0, 0.0], atol=1e-6)
    assert abs(solution.intercept) <= 1e-6


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_samples_of_zeros(rng, fit_intercept):
    X, signs = make(rng)
    X[:20] = 0.0
    expected = solve_hinge(X, signs, alpha=0.1, fit_intercept=fit_intercept, options=OPTIONS)
    found = solve_hinge(
        scipy.sparse.csr_array(X), signs, alpha=0.1, fit_intercept=fit_intercept, options=OPTIONS
    )
    assert expected.converged
    assert found.converged
    np.testing.assert_allclose(found.solution.coef, expected.solution.coef, atol=1e-8)
    nothing = solve_hinge(
        np.zeros((5, 2)), signs[:5], alpha=0.1, fit_intercept=fit_intercept, options=OPTIONS
    )
    assert nothing.converged
    assert (nothing.solution.coef == 0.0).all()


@pytest.mark.parametrize("factor", [2.0**500, 2.0**-500])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_scale_of_the_data_does_not_matter(rng, factor, sparse):
    X, signs = make(rng)
    form = scipy.sparse.csr_array if sparse else np.array
    expected = solve_hinge(form(X), signs, alpha=0.1, options=OPTIONS).solution
    found = solve_hinge(form(X * factor), signs, alpha=0.1 * factor * factor, options=OPTIONS)
    assert found.converged
    np.testing.assert_allclose(found.solution.coef * factor, expected.coef, atol=1e-9)
    assert found.solution.intercept == pytest.approx(expected.intercept, abs=1e-9)


def test_a_large_offset_is_the_intercepts_affair(rng):
    X, signs = make(rng)
    expected = solve_hinge(X, signs, alpha=0.01, options=OPTIONS).solution
    found = solve_hinge(X + 1e4, signs, alpha=0.01, options=OPTIONS)
    assert found.converged
    np.testing.assert_allclose(found.solution.coef, expected.coef, atol=1e-7)


def test_many_samples_and_few_features(rng):
    X, signs = make(rng, 3000, 10)
    for fit_intercept in (False, True):
        result = solve_hinge(X, signs, alpha=1e-3, fit_intercept=fit_intercept, options=OPTIONS)
        assert result.converged
        assert abs(naive_gap(X, signs, np.ones(3000), 1e-3, result.solution, fit_intercept)) <= 1.1e-10


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_texts(fit_intercept):
    from sparsesolve.datasets.coordinate import make_text_regression

    data = make_text_regression(1500, 4000, random_state=0)
    X = data.X.tocsr()
    for C in (0.1, 10.0):
        alpha = 1.0 / (C * X.shape[0])
        result = solve_hinge(X, data.labels, alpha=alpha, fit_intercept=fit_intercept, options=OPTIONS)
        assert result.converged
        gap = naive_gap(X, data.labels, np.ones(X.shape[0]), alpha, result.solution, fit_intercept)
        assert abs(gap) <= 1.1e-10


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_more_samples_than_equations_between_the_bounds(rng, fit_intercept):
    X, signs = make(rng, 600, 120)
    X = X * np.logspace(0, -3, 120)
    result = solve_hinge(X, signs, alpha=1e-5, fit_intercept=fit_intercept, options=OPTIONS)
    assert result.converged
    assert abs(naive_gap(X, signs, np.ones(600), 1e-5, result.solution, fit_intercept)) <= 1.1e-10


def test_a_start_saves_work(rng):
    X, signs = make(rng, 400, 20)
    first = solve_hinge(X, signs, alpha=1e-3, options=OPTIONS)
    solution = first.solution
    start = (solution.coef, solution.intercept, solution.dual_point)
    again = solve_hinge(X, signs, alpha=1e-3, options=OPTIONS, start=start)
    assert again.converged
    assert again.n_iter <= first.n_iter
    np.testing.assert_allclose(again.solution.coef, solution.coef, atol=1e-7)
    assert solve_hinge(X, signs, alpha=1.1e-3, options=OPTIONS, start=start[:2]).converged


def test_the_best_intercept_is_that_of_a_fine_grid(rng):
    for _ in range(20):
        scores, signs = rng.standard_normal(9), rng.choice([-1.0, 1.0], 9)
        sizes = rng.uniform(0.1, 1.0, 9)
        found = best_intercept(scores, signs, sizes)
        places = np.append(signs - scores, found)
        values = [sizes @ np.maximum(0.0, 1.0 - signs * (scores + c)) for c in places]
        assert values[-1] <= min(values) + 1e-14


def test_one_round_is_not_called_converged(rng):
    X, signs = make(rng, 500, 40)
    few = check_options(1e-14, 1, None, "auto")
    X = X * np.logspace(0, -2, 40)
    with pytest.warns(match="relative duality gap"):
        result = solve_hinge(X, signs, alpha=1e-5, options=few)
    assert not result.converged
    assert result.certificate["dual_gap"] == pytest.approx(
        naive_gap(X, signs, np.ones(500), 1e-5, result.solution, True), rel=1e-6
    )


def test_the_input_is_left_as_it_was(rng):
    X, signs = make(rng)
    before = X.copy(), signs.copy()
    solve_hinge(X, signs, alpha=0.1, options=OPTIONS)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(signs, before[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 0.0}, "alpha=0.0 must be above 0"),
        ({"signs": np.zeros(60)}, "-1 and 1"),
        ({"sample_weight": -np.ones(60)}, "negative"),
        ({"X": np.full((60, 2), np.nan)}, "X"),
    ],
)
def test_wrong_arguments_are_named(rng, change, message):
    X, signs = make(rng)
    arguments = {"X": X, "signs": signs, "alpha": 0.1, "options": OPTIONS} | change
    with pytest.raises(ValueError, match=message):
        solve_hinge(**arguments)
