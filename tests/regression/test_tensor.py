"""Least squares with a list of factors, against the explicit Kronecker product."""

from functools import reduce

import numpy as np
import pytest
import scipy.sparse
from scipy.stats import binomtest

from sparsesolve.reference import naive
from sparsesolve.regression import SketchedLinearRegression, lstsq
from sparsesolve.sketch import KroneckerSRHT, TensorSketch

EPS = np.finfo(np.float64).eps
SHAPES = {
    "two": [(30, 3), (25, 4)],
    "three": [(12, 3), (9, 2), (10, 3)],
    "one": [(60, 4)],
    "wide": [(3, 5), (40, 2)],
}


def problem(rng, shapes, n_targets=None):
    A = [rng.standard_normal(shape) + 0.3 for shape in shapes]
    A[0][:, 0] *= 100.0
    n = int(np.prod([shape[0] for shape in shapes]))
    return A, reduce(np.kron, A), rng.standard_normal(n if n_targets is None else (n, n_targets))


def weights_of(rng, kind, n):
    if kind == "none":
        return None
    return rng.uniform(0.1, 3.0, n) if kind == "weighted" else (rng.random(n) < 0.6).astype(float)


def expected(K, y, alpha, intercept, weights):
    """By a singular value decomposition of the explicit problem; the shortest coefficients, the intercept free."""
    weights = np.ones(len(K)) if weights is None else weights
    root = np.sqrt(weights)[:, None]
    Y = y.reshape(len(K), -1)
    mean, shift = np.zeros((1, K.shape[1])), np.zeros((1, Y.shape[1]))
    if intercept:
        mean, shift = (
            np.average(K, axis=0, weights=weights)[None],
            np.average(Y, axis=0, weights=weights)[None],
        )
    U, s, Vt = np.linalg.svd(root * (K - mean), full_matrices=False)
    kept = s > 1e-11 * s[0]
    factor = np.where(kept, s / np.where(kept, s**2 + alpha, 1.0), 0.0)
    coef = Vt.T @ (factor[:, None] * (U.T @ (root * (Y - shift))))
    return coef.T.reshape(*Y.shape[1:] if y.ndim == 2 else (), -1), (shift - mean @ coef)[0]


@pytest.mark.parametrize("weighting", ["none", "weighted", "masked"])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 5.0])
@pytest.mark.parametrize("shapes", SHAPES)
def test_equals_the_explicit_product(rng, shapes, alpha, intercept, weighting):
    A, K, y = problem(rng, SHAPES[shapes], None if shapes == "two" else 2)
    weights = weights_of(rng, weighting, len(K))
    model = SketchedLinearRegression(alpha=alpha, fit_intercept=intercept, random_state=0)
    model.fit(A, y, sample_weight=weights)
    coef, constant = expected(K, y, alpha, intercept, weights)
    assert model.converged_
    assert model.backward_error_ <= EPS
    np.testing.assert_allclose(model.coef_, coef, atol=1e-9 * np.abs(coef).max())
    np.testing.assert_allclose(model.intercept_, constant if y.ndim == 2 else constant[0], atol=1e-9)
    assert model.solver_ == ("array" if weighting != "none" and shapes != "wide" else "direct")
    dense = SketchedLinearRegression(alpha=alpha, fit_intercept=intercept).fit(K, y, sample_weight=weights)
    assert model.rank_ == dense.rank_
    np.testing.assert_allclose(model.condition_number_, dense.condition_number_, rtol=1e-6)
    new = [factor[:4] for factor in A]
    for mine, theirs in zip(
        model.predict(new, return_std=True), dense.predict(reduce(np.kron, new), return_std=True), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("solver", ["direct", "gram", "cqrrt", "spir", "fossils"])
@pytest.mark.parametrize("weighting", ["none", "weighted"])
def test_every_engine_takes_factors(rng, solver, weighting):
    A, K, y = problem(rng, [(40, 4), (30, 3)])
    weights = weights_of(rng, weighting, len(K))
    model = SketchedLinearRegression(solver=solver, random_state=0).fit(A, y, sample_weight=weights)
    coef, _ = expected(K, y, 0.0, True, weights)
    assert model.solver_ == solver
    assert model.converged_
    np.testing.assert_allclose(model.coef_, coef, atol=1e-10 * np.abs(coef).max())


def test_certificate_can_be_recomputed(rng):
    A, K, y = problem(rng, SHAPES["two"])
    weights = rng.uniform(0.5, 2.0, len(K))
    for sample_weight in (None, weights):
        model = SketchedLinearRegression(alpha=0.1, random_state=0).fit(A, y, sample_weight=sample_weight)
        matrix, targets = naive.augmented(K, y, alpha=0.1, weights=sample_weight, fit_intercept=True)
        error = naive.backward_error(matrix, targets, np.append(model.coef_, model.intercept_))
        assert error <= 2 * EPS


@pytest.mark.parametrize("weighted", [False, True])
def test_ill_conditioned_factors(rng, weighted):
    """Condition numbers of factors multiply; the answer stays as good as a QR factorisation of the product."""
    A = [
        rng.standard_normal((40, 5)) @ np.diag(10.0 ** -np.arange(0, 10, 2)) @ rng.standard_normal((5, 5))
        for _ in "ab"
    ]
    K = reduce(np.kron, A)
    y = K @ np.ones(25) + 1e-3 * rng.standard_normal(1600)
    weights = rng.uniform(0.5, 2.0, 1600) if weighted else None
    result = lstsq(A, y, sample_weight=weights, random_state=0)
    assert result.converged
    assert result.certificate["backward_error"] <= EPS


def test_masked_rows_may_leave_the_rank_deficient(rng):
    A, K, y = problem(rng, SHAPES["two"])
    mask = np.zeros((30, 25))
    mask[:2] = 1.0  # rows of the first factor that are seen: fewer than its columns
    model = SketchedLinearRegression(fit_intercept=False, random_state=0).fit(A, y, sample_weight=mask)
    assert model.rank_ == 8
    assert model.converged_
    coef, _ = expected(K, y, 0.0, False, mask.reshape(-1))
    np.testing.assert_allclose(model.coef_, coef, atol=1e-8 * np.abs(coef).max())


def test_masked_rows_are_as_good_as_none(rng):
    """Standard errors are those of the rows that are there."""
    A, K, y = problem(rng, SHAPES["two"])
    mask = rng.random(len(K)) < 0.5
    model = SketchedLinearRegression(random_state=0).fit(
        A, np.where(mask, y, 1e3), sample_weight=mask.astype(float)
    )
    dense = SketchedLinearRegression(random_state=0).fit(K[mask], y[mask])
    for mine, theirs in zip(
        model.predict(A, return_std=True), dense.predict(K, return_std=True), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-9)


def test_ones_in_the_span_of_all_factors(rng):
    """The intercept is then a combination of the columns, and the least coefficients are chosen."""
    A = [np.column_stack([np.ones(n), rng.standard_normal((n, 2))]) for n in (20, 15)]
    y = rng.standard_normal(300)
    model = SketchedLinearRegression().fit(A, y)
    coef, _ = expected(reduce(np.kron, A), y, 0.0, True, None)
    assert model.rank_ == 8
    np.testing.assert_allclose(model.coef_, coef, atol=1e-10)


def test_partial_fit_takes_rows_of_the_first_factor(rng):
    A, _, y = problem(rng, SHAPES["three"])
    whole = SketchedLinearRegression(alpha=0.5, random_state=0).fit(A, y)
    model = SketchedLinearRegression(alpha=0.5, random_state=0)
    for start in range(0, 12, 4):
        rows = slice(start * 90, (start + 4) * 90)
        model.partial_fit([A[0][start : start + 4], *A[1:]], y[rows])
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-9, atol=1e-12)
    sketched = SketchedLinearRegression(alpha=0.5, solver="sketch-and-solve", sketch_size=512, random_state=0)
    for start in range(0, 12, 4):
        sketched.partial_fit([A[0][start : start + 4], *A[1:]], y[start * 90 : (start + 4) * 90])
    assert np.mean(np.abs(sketched.coef_ - whole.coef_) <= sketched.coef_error_bound_) > 0.8


def test_inputs_of_many_kinds(rng):
    A, _, y = problem(rng, SHAPES["two"])
    base = SketchedLinearRegression(random_state=0).fit(A, y)
    copies = [factor.copy() for factor in A]
    for factors, targets in (
        (tuple(A), y),
        ([np.asfortranarray(factor) for factor in A], y.reshape(30, 25)),
        ([scipy.sparse.csr_array(factor) for factor in A], y.tolist()),
    ):
        np.testing.assert_allclose(
            SketchedLinearRegression(random_state=0).fit(factors, targets).coef_, base.coef_
        )
    for before, after in zip(copies, A, strict=True):
        np.testing.assert_array_equal(before, after)
    assert base.n_features_in_ == 12
    assert base.score(A, y) == pytest.approx(
        SketchedLinearRegression().fit(reduce(np.kron, A), y).score(reduce(np.kron, A), y)
    )
    # A list of rows is no list of factors.
    assert SketchedLinearRegression().fit(A[0].tolist(), y[:30]).coef_.shape == (3,)


def test_errors_name_what_is_wrong(rng):
    A, K, y = problem(rng, SHAPES["two"])
    bad = [A[0], np.where(A[1] > 2, np.nan, A[1])]
    model = SketchedLinearRegression().fit(A, y)
    for call, words in (
        (lambda: lstsq(bad, y), r"A\[1\]\[.*is NaN"),
        (lambda: lstsq(A, y[:-1]), "750 rows"),
        (lambda: lstsq([factor * 1e100 for factor in A], y), "divide each factor"),
        (lambda: lstsq([factor * 1e-150 for factor in A], y), "divide each factor"),
        (lambda: lstsq(A, y, sample_weight=-np.ones(750)), "negative"),
        (lambda: lstsq(A, y, solver="spir", sketch="leverage"), "sketch='srht'"),
        (lambda: model.predict(A[::-1]), "fitted to factors"),
        (lambda: SketchedLinearRegression().fit(K, y).predict(A), "one matrix with 12"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_the_linf_law(full):
    """sqrt(m) times the largest error is flat in m, and the calibrated bound holds: as for matrices."""
    rng = np.random.default_rng(0)
    d, count = 36, 300 if full else 60
    A = [rng.standard_normal((256, 6)) for _ in range(2)]
    A[0][:6] += 50 * np.eye(6)
    A = [np.linalg.qr(factor)[0] for factor in A]
    Y = rng.standard_normal((256, 256))
    e = Y - A[0] @ (A[0].T @ Y @ A[1]) @ A[1].T
    e = (e / np.linalg.norm(e)).reshape(-1)
    medians = []
    for multiple in (8, 16, 32, 64):
        size = multiple * d
        errors = []
        for seed in range(count):
            sample = KroneckerSRHT(size, random_state=seed).sample((256, 256))
            x = np.linalg.lstsq(sample.apply_factors(A), sample.apply(e), rcond=None)[0]
            errors.append(np.abs(x).max())
        bound = np.sqrt(2 * np.log(2 * d / 0.01) / (size - d))
        bad = int(np.sum(np.array(errors) > bound))
        assert binomtest(bad, count, 0.01, alternative="greater").pvalue > 0.01
        medians.append(np.sqrt(size) * np.median(errors))
    assert np.abs(np.array(medians) / np.mean(medians) - 1).max() <= 0.15


def test_coverage_of_error_bars(full):
    rng = np.random.default_rng(1)
    A = [rng.standard_normal((128, 5)) for _ in range(2)]
    A[0][:5] += 20 * np.eye(5)
    y = rng.standard_normal(128**2)
    exact = lstsq(A, y).solution.coef
    count = 1000 if full else 80
    inside = 0
    for seed in range(count):
        solution = lstsq(A, y, solver="sketch-and-solve", sketch_size=256, random_state=seed).solution
        assert solution.sketch_size == 256
        inside += np.all(np.abs(solution.coef - exact) <= solution.coef_error_bound)
    assert binomtest(int(inside), count, 0.935, alternative="less").pvalue > 0.01


def designs(rng):
    """Full rank; ones in the span of both factors; a factor wider than tall; a factor with dependent columns."""
    plain, ones = ([rng.standard_normal(shape) + 0.3 for shape in [(30, 3), (25, 4)]] for _ in range(2))
    for factor in ones:
        factor[:, 0] = 1.0
    wide = [rng.standard_normal((3, 5)), rng.standard_normal((40, 2))]
    dependent = [plain[0], plain[1][:, [0, 1, 0, 1]] @ np.triu(np.ones((4, 4)))]
    return [plain, ones, wide, dependent]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("alpha", [0.0, 5.0])
@pytest.mark.parametrize("intercept", [False, True])
def test_closed_form_equals_the_dense_factor(rng, monkeypatch, number, alpha, intercept):
    """Products of many columns are solved from the factors' singular values; all that is reported agrees."""
    A = designs(rng)[number]
    y = rng.standard_normal((len(A[0]) * len(A[1]), 2))
    parameters = {"alpha": alpha, "fit_intercept": intercept}
    dense = SketchedLinearRegression(**parameters).fit(A, y)
    monkeypatch.setattr("sparsesolve.regression.tensor.design.MOST_DENSE", 0)
    model = SketchedLinearRegression(**parameters).fit(A, y)
    assert (dense.solver_, model.solver_) == ("direct", "factored")
    assert model.converged_
    assert model.backward_error_ <= EPS
    np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-10 * np.abs(dense.coef_).max())
    np.testing.assert_allclose(model.intercept_, dense.intercept_, atol=1e-10)
    assert model.rank_ == dense.rank_
    np.testing.assert_allclose(model.condition_number_, dense.condition_number_, rtol=1e-8)
    for mine, theirs in zip(
        model.predict(A, return_std=True), dense.predict(A, return_std=True), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    root = model._covariance_root
    if alpha > 0 or number == 0:  # else there are many, which agree where rows of the data can lie
        np.testing.assert_allclose(
            root @ root.T, dense._covariance_root @ dense._covariance_root.T, atol=1e-10
        )
    assert np.all(model.coef_error_bound_ >= 0.5 * dense.coef_error_bound_)


def test_many_columns(rng):
    A = [rng.standard_normal((40, 24)), rng.standard_normal((36, 25))]
    y = rng.standard_normal(40 * 36)
    model = SketchedLinearRegression().fit(A, y)
    assert model.solver_ == "factored"
    coef, constant = expected(np.kron(*A), y, 0.0, True, None)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-9 * np.abs(coef).max())
    assert model.intercept_ == pytest.approx(constant[0], abs=1e-9)
    nothing = SketchedLinearRegression().fit(A, np.zeros(40 * 36))
    np.testing.assert_array_equal(nothing.coef_, 0.0)
    assert nothing.converged_


def test_a_sketch_of_ones_own(rng):
    A, K, y = problem(rng, [(40, 4), (30, 3)])
    for kind in (KroneckerSRHT, TensorSketch):
        model = SketchedLinearRegression(solver="spir", sketch=kind, random_state=0).fit(A, y)
        assert model.converged_
        np.testing.assert_allclose(model.coef_, expected(K, y, 0.0, True, None)[0], rtol=1e-7)
    with pytest.raises(ValueError, match="sketch='srht'"):
        SketchedLinearRegression(solver="spir", sketch=KroneckerSRHT).fit(
            A, y, sample_weight=np.arange(1200.0)
        )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("most_dense", [0, 512])
def test_degenerate_factors(rng, monkeypatch, most_dense, weighted):
    monkeypatch.setattr("sparsesolve.regression.tensor.design.MOST_DENSE", most_dense)
    y, weights = rng.standard_normal(120), rng.uniform(0.5, 1.0, 120) if weighted else None
    zero, ones = [np.zeros((10, 3)), rng.standard_normal((12, 2))], [np.ones((10, 1)), np.ones((12, 1))]
    for A in (zero, ones):
        for alpha in (0.0, 1.0):
            model = SketchedLinearRegression(alpha=alpha).fit(A, y, sample_weight=weights)
            assert model.converged_
            np.testing.assert_allclose(model.coef_, 0.0, atol=1e-12)
            assert model.intercept_ == pytest.approx(np.average(y, weights=weights))
            assert np.isfinite(model.predict(A, return_std=True)).all()
