"""The paper's guarantee for sketch-and-solve, and its error bars, over many seeds."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student_t

from sparsesolve.regression import SketchedLinearRegression, from_eps, lstsq

from .problems import adversary

DELTA = 0.01
QUICK = [(16, 4, 1), (16, 8, 8), (64, 8, 1)]
WHOLE = [(d, multiple, k) for d in (16, 64, 256) for multiple in (4, 8, 32) for k in (1, 8, 64)]


def calibrated_bound(size, d):
    """eps / sqrt(d) for the eps whose calibrated size is `size`; the guarantee's bound where ||A^+|| = ||e|| = 1."""
    return math.sqrt(2 * math.log(2 * d / DELTA) / (size - d))


def violations(sketch, d, multiple, spikes, count):
    size = multiple * d
    bound = calibrated_bound(size, d)
    bad = 0
    for seed in range(count):
        A, b = adversary(max(2048, 2 * size), d, spikes, seed)
        x = lstsq(
            A, b, solver="sketch-and-solve", sketch=sketch, sketch_size=size, random_state=seed
        ).solution.coef
        bad += np.abs(x).max() > bound
    return bad


def test_dense_sketch_keeps_the_bound(full):
    count = 600 if full else 120
    for d, multiple, spikes in WHOLE if full else QUICK:
        bad = violations("srht", d, multiple, spikes, count)
        where = f"d={d}, m={multiple}d, {spikes} spikes: {bad} of {count}"
        assert binomtest(bad, count, DELTA, alternative="greater").pvalue > 0.01, where
        if full:
            assert bad <= DELTA * count, where
            assert binomtest(bad, count).proportion_ci(0.9).high <= 2 * DELTA, where


@pytest.mark.parametrize(("d", "spikes", "least"), [(16, 1, 0.05), (64, 1, 0.05), (64, 8, 0.4)])
def test_countsketch_breaks_the_bound(full, d, spikes, least):
    count = 600 if full else 100
    bad = violations("countsketch", d, 8, spikes, count)
    assert binomtest(bad, count).proportion_ci(0.95).low >= (least if full else 0.5 * least)


def test_calibrated_size(full):
    """`from_eps` gives the rows with which the guarantee holds as it is written."""
    eps, d, count = 0.5, 16, 600 if full else 120
    size = from_eps(eps, DELTA)
    assert size.rows(d) == d + math.ceil(2 * d * math.log(2 * d / DELTA) / eps**2)
    rng = np.random.default_rng(0)
    A = rng.standard_normal((4096, d))
    A[:8] *= 100.0
    b = A @ np.ones(d)
    b[rng.choice(4096, 12, replace=False)] += rng.standard_normal(12)
    x = np.linalg.lstsq(A, b, rcond=None)[0]
    bound = eps / math.sqrt(d) * np.linalg.norm(b - A @ x) * np.linalg.norm(np.linalg.pinv(A), 2)
    bad = 0
    for seed in range(count):
        result = lstsq(A, b, solver="sketch-and-solve", sketch_size=size, random_state=seed)
        assert result.solution.sketch_size == size.rows(d)
        bad += np.abs(result.solution.coef - x).max() > bound
    assert binomtest(bad, count, DELTA, alternative="greater").pvalue > 0.01


def test_size_as_long_as_the_matrix_is_solved_exactly():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((500, 16)), rng.standard_normal(500)
    result = lstsq(A, b, solver="sketch-and-solve", sketch_size=from_eps(0.5, DELTA), random_state=0)
    assert result.solution.solver == "direct"
    np.testing.assert_allclose(result.solution.coef, np.linalg.lstsq(A, b, rcond=None)[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("eps", "delta"), [(0.0, 0.01), (1.1, 0.01), (-1, 0.01), (0.5, 0.0), (0.5, 1.0), ("a", 0.1)]
)
def test_bad_accuracies(eps, delta):
    with pytest.raises(ValueError, match="eps" if delta == 0.01 or eps == "a" else "delta"):
        from_eps(eps, delta)


def test_theory_rows_grow_as_the_theorem_says():
    size = from_eps(0.5, 0.01)
    assert size.theory_rows(10**6, 64) == math.ceil(64 * math.log(10**8) ** 3 / 0.25)
    assert size.theory_rows(10**6, 64) > size.rows(64)


@pytest.mark.parametrize("rows", [5, 10])
def test_sketch_to_be_solved_needs_more_rows_than_unknowns(rows):
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((500, 10)), rng.standard_normal(500)
    with pytest.raises(ValueError, match="sketch_size"):
        lstsq(A, b, solver="sketch-and-solve", sketch_size=rows)


def gaussian(rng, n, d):
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def coherent(rng, n, d):
    A = 1e-2 * rng.standard_normal((n, d))
    A[rng.choice(n, d, replace=False)] += np.eye(d)
    return A, rng.standard_normal(n)


def spiky(rng, n, d):
    A, b = gaussian(rng, n, d)
    b[:] = 0.0
    b[rng.choice(n, 3, replace=False)] = 1.0
    return A, b


def few_columns_scaled(rng, n, d):
    A, b = gaussian(rng, n, d)
    return A * 10.0 ** rng.uniform(-5, 5, d), b


@pytest.mark.parametrize(
    "make", [gaussian, coherent, spiky, few_columns_scaled], ids=lambda make: make.__name__
)
@pytest.mark.parametrize("sketch", ["srht", "gaussian"])
def test_coverage_of_error_bars(full, make, sketch):
    """95 +- 1.5 % for each coefficient; at least 93.5 % for all at once, by the union bound."""
    if sketch == "gaussian" and not full:
        pytest.skip("the full form has it")
    n, d, size, count = 4096, 24, 192, 1500 if full else 80
    A, b = make(np.random.default_rng(1), n, d)
    x = np.linalg.lstsq(A / np.linalg.norm(A, axis=0), b, rcond=None)[0] / np.linalg.norm(A, axis=0)
    one = student_t.ppf(0.975, size - d) / student_t.ppf(1 - 0.05 / (2 * d), size - d)
    inside = np.empty((count, d))
    for seed in range(count):
        solution = lstsq(
            A, b, solver="sketch-and-solve", sketch=sketch, sketch_size=size, random_state=seed
        ).solution
        inside[seed] = np.abs(solution.coef - x) / solution.coef_error_bound
    each, together = np.mean(inside <= one), np.mean(inside.max(axis=1) <= 1)
    assert abs(each - 0.95) <= 0.015
    assert binomtest(int(together * count), count, 0.935, alternative="less").pvalue > 0.01
    assert together < 1.0


def test_certificate_of_the_sketch_decides():
    """With a tolerance, CONVERGED is said only when the error bars are within it."""
    from sparsesolve.exceptions import ConvergenceWarning

    A, b = gaussian(np.random.default_rng(0), 4096, 8)
    options = {"solver": "sketch-and-solve", "sketch_size": 256, "random_state": 0}
    free = lstsq(A, b, **options)
    bound = free.certificate["relative_error_bound"]
    largest = np.abs(free.solution.coef).max()
    assert bound == pytest.approx(free.solution.coef_error_bound.max() / largest, rel=1.5)
    assert free.converged
    assert np.isnan(free.solution.backward_error)
    assert lstsq(A, b, tol=1.01 * bound, **options).converged
    with pytest.warns(ConvergenceWarning, match="relative_error_bound"):
        assert not lstsq(A, b, tol=0.99 * bound, **options).converged


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_standard_error_of_predictions_is_the_classical_one(rng, weighted, fit_intercept):
    n, d = 9000, 9
    X, y = rng.standard_normal((n, d)) + 1.0, rng.standard_normal(n)
    weights = rng.uniform(0.5, 2.0, n) if weighted else np.ones(n)
    model = SketchedLinearRegression(fit_intercept=fit_intercept, random_state=0)
    model.fit(X, y, sample_weight=weights if weighted else None)
    new = rng.standard_normal((7, d))
    values, errors = model.predict(new, return_std=True)
    full, more = (np.hstack([part, np.ones((len(part), int(fit_intercept)))]) for part in (X, new))
    inverse = np.linalg.inv(full.T @ (full * weights[:, None]))
    residual = y - model.predict(X)
    variance = (weights * residual**2).sum() / (n - full.shape[1])
    np.testing.assert_allclose(
        errors, np.sqrt(variance * np.einsum("ij,jk,ik->i", more, inverse, more)), rtol=1e-9
    )
    np.testing.assert_array_equal(values, model.predict(new))


@pytest.mark.parametrize("solver", ["auto", "sketch-and-solve"])
def test_standard_error_of_predictions_covers(full, solver):
    """95 % intervals for the mean at new points, over noise and sketch together."""
    rng = np.random.default_rng(5)
    n, d, size, count = 3000, 8, 128, 1500 if full else 100
    X, new = rng.standard_normal((n, d)), rng.standard_normal((20, d))
    truth = new @ np.ones(d) + 2.0
    quantile = student_t.ppf(0.975, (n if solver == "auto" else size) - d - 1)
    inside = []
    for seed in range(count):
        y = X @ np.ones(d) + 2.0 + rng.standard_normal(n)
        model = SketchedLinearRegression(solver=solver, sketch_size=size, random_state=seed).fit(X, y)
        values, errors = model.predict(new, return_std=True)
        inside.append(np.abs(values - truth) <= quantile * errors)
    # 20 points of 9 unknowns are worth about 9 independent ones.
    spread = math.sqrt(0.95 * 0.05 / (9 * count))
    assert abs(np.mean(inside) - 0.95) <= 4 * spread


@pytest.mark.parametrize("alpha", [4e2, 4e3, 4e4])
def test_coverage_of_error_bars_under_a_penalty(full, alpha):
    """The bars are about the exact ridge solution; its residual grows with the penalty."""
    n, d, size, count = 4096, 24, 192, 600 if full else 60
    rng = np.random.default_rng(2)
    A = rng.standard_normal((n, d))
    b = A @ np.ones(d) + 0.1 * rng.standard_normal(n)
    x = np.linalg.solve(A.T @ A + alpha * np.eye(d), A.T @ b)
    inside = 0
    for seed in range(count):
        solution = lstsq(
            A, b, alpha=alpha, solver="sketch-and-solve", sketch_size=size, random_state=seed
        ).solution
        inside += np.all(np.abs(solution.coef - x) <= solution.coef_error_bound)
    assert binomtest(int(inside), count, 0.935, alternative="less").pvalue > 0.01
