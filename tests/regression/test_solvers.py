"""Each engine against an oracle, and what it says where it cannot do it."""

import warnings

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.reference import naive
from sparsesolve.regression import SketchedLinearRegression, lstsq
from sparsesolve.result import Status

from .problems import graded

ACCURATE = ["auto", "gram", "cqrrt", "spir", "fossils", "direct"]
SKETCHES = ["srht", "gaussian", "rademacher", "countsketch", "sparse-sign", "leverage", "padded-srht"]


@pytest.mark.parametrize("solver", ACCURATE)
@pytest.mark.parametrize("shape", [(4000, 20), (1000, 1), (300, 60), (60, 60), (61, 60), (20, 30)])
def test_solver_against_lapack(rng, solver, shape):
    A, b = rng.standard_normal(shape), rng.standard_normal(shape[0])
    result = lstsq(A, b, solver=solver, random_state=0)
    np.testing.assert_allclose(result.solution.coef, np.linalg.pinv(A) @ b, rtol=1e-7, atol=1e-9)
    assert result.status is Status.CONVERGED


@pytest.mark.parametrize("solver", ["gram", "cqrrt", "spir", "fossils"])
@pytest.mark.parametrize("sketch", SKETCHES)
def test_every_sketch_serves_every_engine(rng, solver, sketch):
    A, b = rng.standard_normal((3000, 12)), rng.standard_normal(3000)
    result = lstsq(A, b, solver=solver, sketch=sketch, random_state=1)
    assert result.converged
    assert result.solution.solver == solver
    assert naive.backward_error(A, b, result.solution.coef) < 3e-16


@pytest.mark.parametrize("solver", ["gram", "cqrrt", "spir", "fossils", "direct"])
@pytest.mark.parametrize("seed", range(5))
def test_few_distinct_rows(solver, seed):
    """Sixteen rows, four of them distinct: a short sketch of them easily loses rank."""
    points = np.array([[1.0, 3.0], [2.0, 1.0], [3.0, 3.0], [4.0, 1.0]])
    X, y = np.repeat(points, 4, axis=0), np.repeat([1.0, 2.0, 1.0, 2.0], 4)
    for k in range(10):
        model = SketchedLinearRegression(solver=solver, random_state=10 * seed + k).fit(X, y)
        np.testing.assert_allclose(model.predict(X), y, rtol=1e-12)


@pytest.mark.parametrize("solver", ["spir", "fossils", "cqrrt"])
def test_short_problems(rng, solver):
    X, y = rng.standard_normal((16, 3)), rng.standard_normal(16)
    for seed in range(40):
        assert SketchedLinearRegression(solver=solver, random_state=seed).fit(X, y).converged_


@pytest.mark.parametrize(
    ("solver", "condition"),
    [("cqrrt", 1e10), ("spir", 1e10), ("fossils", 1e8), ("direct", 1e14), ("gram", 1e6)],
)
def test_accurate_up_to_its_condition(rng, solver, condition):
    A, b = graded(rng, 5000, 20, condition, 1e-3)
    result = lstsq(A, b, solver=solver, random_state=0)
    assert result.converged
    assert naive.backward_error(A, b, result.solution.coef) < 3e-16


def test_gram_says_that_it_cannot(rng):
    A, b = graded(rng, 5000, 20, 1e12, 1e-3)
    with pytest.warns(ConvergenceWarning, match="backward_error") as seen:
        result = lstsq(A, b, solver="gram", random_state=0)
    assert len(seen) == 1
    assert not result.converged
    assert result.status in (Status.STALLED, Status.ILL_POSED)
    true = naive.backward_error(A, b, result.solution.coef)
    assert true <= 2 * result.certificate["backward_error"]
    assert np.all(np.isfinite(result.solution.coef))


def test_auto_falls_back_where_the_sketch_misleads(rng):
    """A sketch that misses a heavy row takes the problem for an easy one; the answer is right all the same."""
    A = rng.standard_normal((40_000, 10))
    A[:, 3] = A[:, 2] + 1e-11 * rng.standard_normal(40_000)
    A[12_345, 3] += 1.0
    b = rng.standard_normal(40_000)
    for seed in range(5):
        result = lstsq(A, b, sketch="leverage", sketch_size=20, random_state=seed)
        assert result.converged
        assert naive.backward_error(A, b, result.solution.coef) < 3e-16


@pytest.mark.parametrize(
    ("shape", "condition", "stages"),
    [
        ((100, 5), 10.0, {"direct"}),
        ((20_000, 20), 10.0, {"gram"}),
        ((20_000, 20), 1e9, {"cqrrt"}),
        ((20_000, 20), 1e15, {"direct"}),
        ((700, 200), 10.0, {"direct"}),
    ],
)
def test_what_auto_chooses(rng, shape, condition, stages):
    A, b = graded(rng, *shape, condition, 1.0)
    result = lstsq(A, b, random_state=0)
    assert result.trace["stage"][-1] in stages
    assert result.solution.solver == result.trace["stage"][np.argmin(result.trace["certificate"])]
    assert result.converged


def test_auto_iterates_on_a_large_sparse_matrix(rng):
    A = scipy.sparse.random_array((30_000, 400), density=0.002, rng=rng, format="csr")
    A = scipy.sparse.vstack([A, scipy.sparse.eye_array(400)]).tocsr()
    b = rng.standard_normal(30_400)
    result = lstsq(A, b, random_state=0)
    assert result.solution.solver == "spir"
    assert result.converged
    expected = np.linalg.solve((A.T @ A).toarray(), A.T @ b)
    np.testing.assert_allclose(result.solution.coef, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("solver", ACCURATE)
def test_sparse_equals_dense(rng, solver):
    A = scipy.sparse.random_array((6000, 15), density=0.2, rng=rng, format="csr")
    b = rng.standard_normal(6000)
    found = lstsq(A, b, solver=solver, random_state=0).solution
    expected = np.linalg.lstsq(A.toarray(), b, rcond=None)[0]
    np.testing.assert_allclose(found.coef, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("solver", ACCURATE)
def test_many_targets(rng, solver):
    A, B = rng.standard_normal((5000, 12)), rng.standard_normal((5000, 20))
    B[:, 3] = 0.0
    B[:, 4] = A @ np.ones(12)
    B[:, 5] *= 1e100
    result = lstsq(A, B, solver=solver, random_state=0)
    assert result.converged
    assert result.solution.coef.shape == result.solution.coef_error_bound.shape == (12, 20)
    for k in range(20):
        assert naive.backward_error(A, B[:, k], result.solution.coef[:, k]) < 3e-16
    np.testing.assert_array_equal(result.solution.coef[:, 3], 0.0)


def test_shapes_of_attributes(rng):
    X, Y = rng.standard_normal((3000, 8)), rng.standard_normal((3000, 3))
    one = SketchedLinearRegression(random_state=0).fit(X, Y[:, 0])
    column = SketchedLinearRegression(random_state=0).fit(X, Y[:, :1])
    many = SketchedLinearRegression(random_state=0).fit(X, Y)
    assert (one.coef_.shape, column.coef_.shape, many.coef_.shape) == ((8,), (1, 8), (3, 8))
    assert isinstance(one.intercept_, float)
    assert (column.intercept_.shape, many.intercept_.shape) == ((1,), (3,))
    assert many.coef_error_bound_.shape == (3, 8)
    for model, shape in ((one, (5,)), (column, (5, 1)), (many, (5, 3))):
        values, errors = model.predict(X[:5], return_std=True)
        assert values.shape == errors.shape == shape
    np.testing.assert_allclose(many.coef_[0], one.coef_, rtol=1e-12)


@pytest.mark.parametrize("solver", ["auto", "cqrrt", "spir", "fossils", "direct"])
@pytest.mark.parametrize("n_rows", [200, 8000])
def test_rank_deficient_minimum_norm(rng, solver, n_rows):
    A = rng.integers(-5, 6, (n_rows, 7)).astype(np.float64)
    A[:, 6] = A[:, 0] + A[:, 1]
    A[:, 5] = 0.0
    b = rng.standard_normal(n_rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if solver == "fossils" else "error")
        result = lstsq(A, b, solver=solver, random_state=0)
    assert result.solution.rank == 5
    np.testing.assert_allclose(result.solution.coef, naive.minimum_norm_solution(A, b), rtol=1e-9, atol=1e-12)


def test_trace_names_the_size_of_the_sketch(rng):
    A, b = rng.standard_normal((20_000, 16)), rng.standard_normal(20_000)
    result = lstsq(A, b, solver="spir", sketch_size=100, random_state=0)
    assert set(result.trace["sketch_size"]) == {100}
    assert result.solution.sketch_size == 100
    assert set(result.trace["stage"]) == {"spir"}


def test_loose_tolerance_costs_fewer_iterations(rng):
    A, b = rng.standard_normal((20_000, 16)), rng.standard_normal(20_000)
    loose, tight = (lstsq(A, b, solver="spir", tol=tol, random_state=0) for tol in (1.0, None))
    assert loose.converged
    assert loose.n_iter < tight.n_iter


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("solver", "qr"),
        ("solver", ["gram"]),
        ("sketch", "fourier"),
        ("sketch_size", 0),
        ("sketch_size", 2.5),
        ("sketch_size", "big"),
        ("alpha", -1.0),
        ("alpha", np.nan),
        ("alpha", "much"),
    ],
)
def test_bad_parameters(rng, name, value):
    A, b = rng.standard_normal((100, 3)), rng.standard_normal(100)
    with pytest.raises(ValueError, match=name):
        lstsq(A, b, **{name: value})
    with pytest.raises(ValueError, match=name):
        SketchedLinearRegression(**{name: value}).fit(A, b)


def test_function_and_estimator_are_one(rng):
    X, y = rng.standard_normal((9000, 10)), rng.standard_normal(9000)
    weights = rng.uniform(0.0, 2.0, 9000)
    model = SketchedLinearRegression(alpha=2.0, random_state=4).fit(X, y, sample_weight=weights)
    solution = lstsq(X, y, alpha=2.0, fit_intercept=True, sample_weight=weights, random_state=4).solution
    np.testing.assert_array_equal(model.coef_, solution.coef)
    assert model.intercept_ == solution.intercept
