"""l_p and quantile regression: against cvxpy and HiGHS, the certificate by naive code, laws, hazards, stopping."""

import warnings

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.reference import lp_regression as twins
from sparsesolve.regression import LpRegression, QuantileRegression, lp_regression, quantile_regression
from sparsesolve.result import Status

POWERS = [1, 1.1, 1.5, 2, 3, 8, 40, np.inf]
LINEAR = [1, np.inf]


def make(n_rows=400, n_columns=5, seed=0, freedom=2.0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n_rows, n_columns))
    return A, A @ rng.standard_normal(n_columns) + 1.0 + rng.standard_t(freedom, n_rows)


def loss(r, p=1.0, weights=None, quantile=None):
    weights = np.ones(len(r)) if weights is None else weights
    if quantile is not None:
        return np.sum(weights * np.maximum(quantile * r, (quantile - 1) * r))
    return np.abs(r[weights > 0]).max() if np.isinf(p) else np.sum(weights * np.abs(r) ** p) ** (1 / p)


def naive_gap(A, b, solution, p=1.0, weights=None, quantile=None, intercept=False):
    """The relative duality gap from the data, the coefficients and the dual vector alone."""
    A = np.asarray(A.toarray() if scipy.sparse.issparse(A) else A, dtype=np.float64)
    A = np.column_stack([A, np.ones(len(b))]) if intercept else A
    x = np.append(solution.coef, solution.intercept) if intercept else solution.coef
    weights = np.ones(len(b)) if weights is None else weights
    u, r = solution.dual, b - A @ x
    kept = weights > 0
    assert np.all(u[~kept] == 0)
    products = np.linalg.norm(A, axis=0) * np.linalg.norm(u)
    assert np.all(np.abs(A.T @ u) <= 1e-11 * np.maximum(products, 1e-300))
    if quantile is not None:
        size = np.maximum(u / (quantile * weights), u / ((quantile - 1) * weights))[kept].max()
    elif p == 1:
        size = np.abs(u[kept] / weights[kept]).max()
    elif np.isinf(p):
        size = np.abs(u).sum()
    else:
        q = p / (p - 1)
        size = np.sum(weights[kept] ** (1 - q) * np.abs(u[kept]) ** q) ** (1 / q)
    assert size <= 1 + 1e-12
    objective = loss(r, p, weights, quantile)
    return (objective - u @ b) / max(objective, 1e-6 * loss(np.abs(b), p, weights, quantile))


class TestAnswers:
    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_cvxpy_agrees(self, p, weighted):
        A, b = make(150, 4)
        weights = np.random.default_rng(1).exponential(size=len(b)) if weighted else None
        twin = twins.lp_regression(A, b, p, weights=weights, fit_intercept=True)
        found = lp_regression(A, b, p, sample_weight=weights, fit_intercept=True, tol=1e-10).solution
        assert found.objective <= twin.objective * (1 + 1e-9)
        assert found.objective == pytest.approx(twin.objective, rel=1e-7)
        np.testing.assert_allclose(
            np.append(found.coef, found.intercept), [*twin.coef, twin.intercept], atol=1e-4
        )

    @pytest.mark.parametrize("quantile", [0.1, 0.9])
    def test_cvxpy_agrees_on_quantiles(self, quantile):
        A, b = make(150, 4)
        twin = twins.lp_regression(A, b, quantile=quantile, fit_intercept=True)
        found = quantile_regression(A, b, quantile, fit_intercept=True).solution
        assert found.objective == pytest.approx(twin.objective, rel=1e-9)
        np.testing.assert_allclose(
            np.append(found.coef, found.intercept), [*twin.coef, twin.intercept], atol=1e-6
        )

    @pytest.mark.parametrize("n_rows", [30, 3000, 12000])
    @pytest.mark.parametrize("p", LINEAR)
    def test_solvers_agree(self, n_rows, p):
        A, b = make(n_rows, 6)
        answers = [lp_regression(A, b, p, solver=solver) for solver in ("auto", "interior-point", "highs")]
        for answer in answers:
            assert answer.certificate["duality_gap"] <= 1e-8
            np.testing.assert_allclose(answer.solution.coef, answers[0].solution.coef, atol=1e-7)

    def test_two_is_least_squares(self):
        A, b = make()
        found = lp_regression(A, b, 2)
        np.testing.assert_allclose(found.solution.coef, np.linalg.lstsq(A, b, rcond=None)[0], rtol=1e-12)
        assert found.n_iter == 1

    def test_many_rows_are_solved_exactly_from_few(self):
        A, b = make(60_000, 5)
        found = lp_regression(A, b, 1, random_state=0)
        assert found.solution.solver == "reduced"
        assert found.solution.sample_size < 6000
        assert naive_gap(A, b, found.solution) <= 1e-11
        assert np.sum(np.abs(b - A @ found.solution.coef) < 1e-10) == 5  # a vertex

    def test_coherent_rows_among_many(self):
        """A column that only ten rows see, and huge outliers."""
        A, b = make(40_000, 5)
        A[:, 4] = 0.0
        A[:10, 4] = 1.0
        b[::100] += 1e6
        for p in (1, 1.5, np.inf):
            found = lp_regression(A, b, p, random_state=0)
            assert naive_gap(A, b, found.solution, p) <= 1e-8

    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    def test_sampled_keeps_its_promise(self, p):
        A, b = make(60_000, 5)
        best = lp_regression(A, b, p).solution.objective
        found = lp_regression(A, b, p, solver="sampled", random_state=1)
        assert found.converged
        assert found.solution.solver == ("exchange" if np.isinf(p) else "sampled")
        assert best <= found.solution.objective * (1 + 1e-8) <= 1.01 * best * (1 + 1e-8)
        assert naive_gap(A, b, found.solution, p) <= 0.01

    def test_median_is_the_half_quantile(self):
        A, b = make()
        median = quantile_regression(A, b, 0.5).solution
        np.testing.assert_allclose(median.coef, lp_regression(A, b, 1).solution.coef, atol=1e-9)
        assert median.objective == pytest.approx(lp_regression(A, b, 1).solution.objective / 2)

    def test_quantile_counts(self):
        A, b = make(2000, 4)
        model = QuantileRegression(0.8).fit(A, b)
        below = np.sum(b < model.predict(A) - 1e-9)
        assert below <= 0.8 * 2000 <= below + 5


class TestCertificate:
    @pytest.mark.parametrize("p", POWERS)
    @pytest.mark.parametrize("weighted", [False, True])
    def test_recomputed(self, p, weighted):
        A, b = make(300, 6)
        weights = np.random.default_rng(1).integers(0, 4, len(b)).astype(float) if weighted else None
        result = lp_regression(A, b, p, sample_weight=weights, fit_intercept=True)
        gap = naive_gap(A, b, result.solution, p, weights, intercept=True)
        assert result.converged
        assert gap <= 1e-8
        assert gap == pytest.approx(result.certificate["duality_gap"], rel=1e-3, abs=1e-12)

    @pytest.mark.parametrize("quantile", [0.01, 0.5, 0.97])
    def test_recomputed_for_quantiles(self, quantile):
        A, b = make(300, 6)
        result = quantile_regression(A, b, quantile)
        assert result.converged
        assert naive_gap(A, b, result.solution, quantile=quantile) <= 1e-8

    @pytest.mark.parametrize("p", [1, 1.2, 4, np.inf])
    def test_every_iterate_is_honest(self, p):
        A, b = make(200, 5)
        best = lp_regression(A, b, p).solution.objective
        seen = []
        lp_regression(A, b, p, callback=seen.append)
        for iterate in seen:
            fit = iterate.solution
            assert fit.bound <= best * (1 + 1e-12)
            assert fit.objective >= best * (1 - 1e-8)
            assert iterate.certificate >= (fit.objective - best) / fit.objective - 1e-8

    @pytest.mark.parametrize("p", [1, 1.3, 2, 5, np.inf])
    def test_exact_fit(self, p):
        A, _ = make()
        result = lp_regression(A, A @ np.arange(5.0), p)
        assert result.converged
        np.testing.assert_allclose(result.solution.coef, np.arange(5.0), atol=1e-13)

    def test_exact_fit_of_most_rows(self):
        A, _ = make()
        b = A @ np.arange(5.0)
        b[:150] = 1e3
        for p in (1, 1.02):
            result = lp_regression(A, b, p)
            assert result.converged
            np.testing.assert_allclose(result.solution.coef, np.arange(5.0), atol=1e-4)
        np.testing.assert_allclose(lp_regression(A, b, 1).solution.coef, np.arange(5.0), atol=1e-11)


class TestLaws:
    @given(
        p=st.sampled_from([1.0, 1.5, 3.0, np.inf]),
        seed=st.integers(0, 1000),
        power=st.integers(-40, 40),
        shift=st.floats(-100, 100),
    )
    @settings(max_examples=25, deadline=None)
    def test_scaling_translation_permutation(self, p, seed, power, shift):
        A, b = make(60, 3, seed)
        x = lp_regression(A, b, p, tol=1e-11).solution.coef
        size = 1e-5 if 1 < p < np.inf else 1e-9
        order = np.random.default_rng(seed).permutation(len(b))
        moved = lp_regression(A[order], b[order] + shift * A[order, 1], p, tol=1e-11).solution.coef
        np.testing.assert_allclose(moved, x + shift * np.eye(3)[1], atol=size * (1 + abs(shift)))
        scaled = lp_regression(A * [1.0, 2.0**power, 1.0], -b, p, tol=1e-11).solution.coef
        np.testing.assert_allclose(scaled * [1.0, 2.0**power, 1.0], -x, atol=size)

    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    @pytest.mark.parametrize(("scale", "of_target"), [(1e150, 1e-150), (1e-150, 1e150), (1e150, 1e150)])
    def test_huge_scales(self, p, scale, of_target):
        A, b = make()
        plain = lp_regression(A, b, p).solution
        found = lp_regression(A * scale, b * of_target, p)
        assert found.converged
        np.testing.assert_allclose(found.solution.coef / of_target * scale, plain.coef, rtol=1e-5)
        assert found.solution.objective / of_target == pytest.approx(plain.objective, rel=1e-7)

    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    def test_weights_are_repetitions(self, p):
        A, b = make(80, 3)
        counts = np.random.default_rng(0).integers(0, 4, 80)
        weighted = lp_regression(A, b, p, sample_weight=counts, tol=1e-11).solution
        repeated = lp_regression(np.repeat(A, counts, axis=0), np.repeat(b, counts), p, tol=1e-11).solution
        np.testing.assert_allclose(weighted.coef, repeated.coef, atol=1e-5)
        assert weighted.objective == pytest.approx(repeated.objective)

    @pytest.mark.parametrize("scale", [1e-12, 1e12])
    def test_scale_of_weights_is_free(self, scale):
        A, b = make()
        for p in (1, 1.5, 4):
            x = lp_regression(A, b, p).solution.coef
            found = lp_regression(A, b, p, sample_weight=np.full(len(b), scale)).solution
            np.testing.assert_allclose(found.coef, x, atol=1e-6)
            assert naive_gap(A, b, found, p, np.full(len(b), scale)) <= 1e-8


class TestHazards:
    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    def test_dependent_columns_give_the_shortest_solution(self, p):
        A, b = make(200, 3)
        wide = np.column_stack([A, A[:, 0], np.zeros(200), A[:, 1] - A[:, 2]])
        narrow, found = lp_regression(A, b, p, tol=1e-11), lp_regression(wide, b, p, tol=1e-11)
        assert found.solution.rank == 3
        assert found.solution.objective == pytest.approx(narrow.solution.objective, rel=1e-9)
        shortest = np.linalg.pinv(wide) @ (A @ narrow.solution.coef)
        np.testing.assert_allclose(found.solution.coef, shortest, atol=1e-4)

    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    def test_fewer_rows_than_columns(self, p):
        A, b = make(4, 9)
        found = lp_regression(A, b, p)
        assert found.converged
        np.testing.assert_allclose(found.solution.coef, np.linalg.pinv(A) @ b, atol=1e-12)

    @pytest.mark.parametrize("p", POWERS)
    def test_targets_of_zero(self, p):
        A, b = make()
        found = lp_regression(A, 0 * b, p)
        assert found.converged
        assert np.all(found.solution.coef == 0)
        assert found.solution.objective == 0

    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    def test_columns_of_zero_alone(self, p):
        found = lp_regression(np.zeros((20, 2)), np.arange(20.0), p)
        assert np.all(found.solution.coef == 0)
        assert found.converged

    @pytest.mark.parametrize("p", [1, 1.5, np.inf])
    def test_ill_conditioned(self, p):
        A, b = make(500, 6)
        A = (
            A
            @ np.diag(10.0 ** np.arange(0, -12, -2))
            @ np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
        )
        result = lp_regression(A, b, p)
        assert result.converged
        plain = lp_regression(make(500, 6)[0], b, p).solution.objective
        assert result.solution.objective == pytest.approx(plain, rel=1e-7)

    @pytest.mark.parametrize("p", LINEAR)
    def test_integers_with_many_ties(self, p):
        rng = np.random.default_rng(0)
        A, b = rng.integers(-1, 2, (300, 4)), rng.integers(-2, 3, 300)
        result = lp_regression(A, b, p, fit_intercept=True)
        assert result.converged
        assert naive_gap(A, b, result.solution, p, intercept=True) <= 1e-8
        twin = lp_regression(A, b, p, fit_intercept=True, solver="highs")
        assert result.solution.objective == pytest.approx(twin.solution.objective, rel=1e-8)

    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    def test_sparse_equals_dense(self, p):
        A = scipy.sparse.random(2500, 8, density=0.3, random_state=0, format="csr")
        b = A @ np.arange(8.0) + np.random.default_rng(0).standard_t(2, 2500)
        dense, found = lp_regression(A.toarray(), b, p, tol=1e-10), lp_regression(A, b, p, tol=1e-10)
        np.testing.assert_allclose(found.solution.coef, dense.solution.coef, atol=1e-5)
        assert naive_gap(A, b, found.solution, p) <= 1e-8

    @pytest.mark.parametrize("layout", ["float32", "fortran", "strided", "read-only", "csc"])
    def test_layouts(self, layout):
        A, b = make()
        A = A.astype(np.float32).astype(np.float64)
        given = {
            "float32": A.astype(np.float32),
            "fortran": np.asfortranarray(A),
            "strided": np.repeat(A, 2, axis=1)[::1, ::2],
            "read-only": A.copy(),
            "csc": scipy.sparse.csc_array(A),
        }[layout]
        if layout == "read-only":
            given.flags.writeable = False
        before = given.copy()
        for p in (1, 1.5):
            np.testing.assert_allclose(
                lp_regression(given, b, p).solution.coef, lp_regression(A, b, p).solution.coef, atol=1e-9
            )
        assert (abs(given - before)).max() == 0

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"p": 0.5}, "p=0.5 must be at least 1"),
            ({"p": np.nan}, "p=nan"),
            ({"p": 1, "solver": "newton"}, "solver='newton' needs 1 < p < inf"),
            ({"p": 1.5, "solver": "highs"}, "solver='highs' needs p=1"),
            ({"p": 1, "solver": "simplex"}, "solver='simplex' is not known"),
            ({"p": 1, "sample_weight": -np.ones(400)}, "sample_weight"),
            ({"p": 1, "tol": -1.0}, "tol=-1.0"),
        ],
    )
    def test_bad_arguments(self, more, message):
        with pytest.raises(ValueError, match=message):
            lp_regression(*make(), **more)

    def test_bad_data(self):
        A, b = make()
        with pytest.raises(ValueError, match=r"b\[3\] is NaN"):
            lp_regression(A, np.where(np.arange(400) == 3, np.nan, b))
        A[5, 1] = np.inf
        with pytest.raises(ValueError, match=r"A\[5, 1\] is infinity"):
            lp_regression(A, b)
        with pytest.raises(ValueError, match=r"X\[5, 1\] is infinity"):
            LpRegression(1.5).fit(A, b)
        with pytest.raises(ValueError, match="quantile=1.0 must be above 0 and below 1"):
            QuantileRegression(1.0).fit(*make())


class TestStopping:
    @pytest.mark.parametrize("p", [1, 1.5, np.inf])
    def test_budget(self, p):
        with pytest.warns(ConvergenceWarning, match="MAX_ITER"):
            result = lp_regression(*make(), p, max_iter=2)
        assert result.status is Status.MAX_ITER
        assert result.n_iter == len(result.trace) == 2
        assert naive_gap(*make(), result.solution, p) == pytest.approx(
            result.certificate["duality_gap"], rel=1e-6
        )

    @pytest.mark.parametrize("p", [1, 3, np.inf])
    def test_time_limit_and_interrupt(self, p):
        with pytest.warns(ConvergenceWarning, match="TIME_LIMIT"):
            assert lp_regression(*make(), p, max_time=0.0).n_iter == 1

        def interrupt(iterate):
            raise KeyboardInterrupt

        with pytest.warns(ConvergenceWarning, match="STOPPED"):
            result = lp_regression(*make(), p, callback=interrupt)
        assert np.all(np.isfinite(result.solution.coef))

    @pytest.mark.parametrize("p", [1, 1.5, 3, np.inf])
    def test_a_tolerance_below_rounding_stalls(self, p):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            result = lp_regression(*make(), p, tol=0.0)
        assert [warning.category for warning in seen] == [ConvergenceWarning]
        assert result.status is Status.STALLED
        assert result.certificate["duality_gap"] <= 1e-11


def test_same_bits_for_all_threads():
    A, b = make(150_000, 4)
    for p in (1, 1.5):
        answers = []
        for count in (1, 2):
            with threadpool_limits(count):
                answers.append(lp_regression(A, b, p, random_state=3).solution.coef)
        np.testing.assert_array_equal(*answers)


def test_linprog_agrees():
    """The primal program, as on paper."""
    A, b = make(100, 3)
    n, d = A.shape
    eye = scipy.sparse.eye_array(n)
    program = scipy.optimize.linprog(
        np.r_[np.zeros(d), np.ones(2 * n)],
        A_eq=scipy.sparse.hstack([A, eye, -eye]),
        b_eq=b,
        bounds=[(None, None)] * d + [(0, None)] * (2 * n),
    )
    np.testing.assert_allclose(lp_regression(A, b, 1).solution.coef, program.x[:d], atol=1e-9)


@parametrize_with_checks([LpRegression(1), LpRegression(1.5), LpRegression(np.inf), QuantileRegression(0.8)])
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_estimator_and_function_agree():
    A, b = make()
    for p in (1, 3):
        model, found = LpRegression(p).fit(A, b), lp_regression(A, b, p, fit_intercept=True).solution
        np.testing.assert_array_equal(model.coef_, found.coef)
        assert (model.intercept_, model.objective_) == (found.intercept, found.objective)
        np.testing.assert_allclose(model.predict(A), A @ found.coef + found.intercept)
