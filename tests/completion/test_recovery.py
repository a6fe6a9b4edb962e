"""Recovery near the limit: exact where the entries determine the matrix, and honest where they do not."""

import itertools

import numpy as np
import pytest
import scipy.sparse

from sparsesolve import complete
from sparsesolve.backends import threads
from sparsesolve.completion import tangent_entries
from sparsesolve.completion.complement import SchurComplement
from sparsesolve.completion.continuation import recover
from sparsesolve.completion.factors import Factors
from sparsesolve.completion.identifiability import identifiable
from sparsesolve.completion.observations import observe_matrix
from sparsesolve.completion.tangent import Ridge, decompose, retract
from sparsesolve.completion.tangent_entries import Entries
from sparsesolve.datasets.completion import make_low_rank
from sparsesolve.driver import drive
from sparsesolve.reference import completion as reference
from sparsesolve.result import Status


def solve(X, rank, tol=1e-9, max_iter=100_000, **options):
    options = {"random_state": 0, **options}
    return drive(recover(observe_matrix(X), rank, tol=tol, **options), tol=tol, max_iter=max_iter)


def dense(X):
    """NaN where nothing was observed."""
    M = np.full(X.shape, np.nan)
    rows, columns = X.tocoo().coords
    M[rows, columns] = X.data
    return M


CELLS = [
    # rank, condition, spectrum, oversampling
    (2, 1.0, "log-spaced", 1.5),
    (2, 1e5, "log-spaced", 2.0),
    (5, 1.0, "log-spaced", 1.5),
    (5, 1e5, "log-spaced", 1.5),
    (5, 1e5, "clustered", 2.0),
]


@pytest.mark.parametrize(("rank", "condition", "spectrum", "oversampling"), CELLS)
def test_recovers_near_the_limit(rank, condition, spectrum, oversampling, full):
    found = 0
    seeds = range(20 if full else 3)
    for seed in seeds:
        options = {"oversampling": oversampling, "condition": condition, "spectrum": spectrum}
        data = make_low_rank(300, 250, rank, random_state=seed, **options)
        outcome = solve(data.X, rank, random_state=seed)
        error = data.relative_error(*outcome.best.solution)
        found += error < 1e-5
        # No false claim: an exact fit is the matrix.
        assert (outcome.status is Status.CONVERGED) <= (error < 1e-5)
    assert found >= 0.9 * len(seeds)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [2, 5, 10])
@pytest.mark.parametrize("condition", [1.0, 1e5])
@pytest.mark.parametrize("oversampling", [1.5, 2.0, 3.0, 5.0])
def test_phase_table(rank, condition, oversampling):
    errors = []
    for seed in range(20):
        data = make_low_rank(
            500, 500, rank, oversampling=oversampling, condition=condition, random_state=seed
        )
        errors.append(data.relative_error(*solve(data.X, rank).best.solution))
    assert np.mean(np.array(errors) < 1e-5) >= (0.9 if oversampling < 2.0 else 0.95)


def test_iterates_are_what_they_say():
    data = make_low_rank(60, 50, 3, oversampling=1.8, condition=100.0, random_state=1)
    M = dense(data.X)
    seen = []
    observations = observe_matrix(data.X)
    before = observations.rows.values.copy()
    outcome = drive(
        recover(observations, 3, random_state=0),
        tol=1e-9,
        max_iter=100_000,
        callback=lambda it: seen.append(it),
    )
    np.testing.assert_array_equal(observations.rows.values, before)
    assert outcome.status is Status.CONVERGED
    for iterate in seen[:: max(1, len(seen) // 10)]:
        A, B = iterate.solution
        assert A.shape == (60, 3)
        assert B.shape == (50, 3)
        assert iterate.certificate == pytest.approx(reference.relative_residual(M, A, B), rel=1e-6, abs=1e-13)
        assert iterate.objective == pytest.approx(reference.objective(M, A, B), rel=1e-6, abs=1e-20)
        # Balanced.
        np.testing.assert_allclose(A.T @ A / 60, B.T @ B / 50, atol=1e-9 * max(1.0, np.abs(A.T @ A).max()))
    assert set(seen[0].extras) == {"rank", "ridge", "attempt"}
    assert {iterate.extras["rank"] for iterate in seen} == {1, 2, 3}


@pytest.mark.parametrize("change", ["transpose", "permute", "huge", "tiny"])
def test_changes_of_the_data_change_the_answer_alike(change):
    data = make_low_rank(120, 90, 3, oversampling=2.0, condition=10.0, random_state=2)
    X, whole = data.X, data.row_factors @ data.column_factors.T
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(120), rng.permutation(90)
    X, whole = {
        "transpose": (X.T.tocsr(), whole.T),
        "permute": (X[rows][:, columns], whole[rows][:, columns]),
        "huge": (X * 1e150, whole * 1e150),
        "tiny": (X * 1e-150, whole * 1e-150),
    }[change]
    outcome = solve(X, 3)
    A, B = outcome.best.solution
    assert outcome.status is Status.CONVERGED
    unit = np.abs(whole).max()
    np.testing.assert_allclose(A @ B.T / unit, whole / unit, atol=1e-6)


def test_with_noise_the_error_is_near_the_least_possible():
    sigma = 0.1
    data = make_low_rank(200, 180, 3, oversampling=5.0, noise=sigma, random_state=0)
    outcome = solve(data.X, 3, tol=1e-7, exact=False)
    assert outcome.status is Status.CONVERGED
    A, B = outcome.best.solution
    assert outcome.best.certificate == pytest.approx(
        reference.relative_gradient(dense(data.X), A, B), rel=1e-3
    )
    assert data.relative_error(A, B) <= 1.2 * sigma / np.sqrt(5.0)
    # Asked for an exact fit, it says that there is none.
    other = solve(data.X, 3)
    assert other.status is Status.STALLED
    assert other.best.objective == pytest.approx(outcome.best.objective, rel=1e-6)


def test_a_start_near_the_answer_is_used():
    data = make_low_rank(150, 150, 4, oversampling=3.0, random_state=0)
    rng = np.random.default_rng(1)
    start = Factors(
        *(
            factor + 1e-3 * rng.standard_normal(factor.shape)
            for factor in (data.row_factors, data.column_factors)
        )
    )
    outcome = solve(data.X, 4, start=start)
    assert outcome.status is Status.CONVERGED
    assert outcome.n_iter <= 8
    assert solve(data.X, 4).n_iter > 8


def test_same_bits_for_the_same_seed_and_for_any_number_of_threads(monkeypatch):
    data = make_low_rank(150, 120, 3, oversampling=2.0, random_state=5)
    state = np.random.get_state()[1].copy()  # noqa: NPY002  (the state that is to be left alone)
    monkeypatch.setattr(tangent_entries, "_CHUNK", 200)
    answers = []
    for count in (1, 2, 4):
        monkeypatch.setattr(threads, "num_threads", lambda count=count: count)
        answers.append(solve(data.X, 3, max_iter=40).best.solution)
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer.row_factors, answers[0].row_factors)
        np.testing.assert_array_equal(answer.column_factors, answers[0].column_factors)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("case", ["zeros", "one entry", "full rank", "empty row", "constant", "nothing"])
def test_degenerate_entries_give_finite_factors(case):
    rng = np.random.default_rng(0)
    M, rank = {
        "zeros": (np.zeros((6, 5)), 2),
        "one entry": (np.full((6, 5), np.nan), 2),
        "full rank": (rng.standard_normal((6, 5)), 5),
        "empty row": (rng.standard_normal((12, 1)) @ rng.standard_normal((1, 10)), 1),
        "constant": (np.full((8, 7), 3.0), 3),
        "nothing": (np.full((6, 5), np.nan), 2),
    }[case]
    if case == "one entry":
        M[2, 3] = -4.0
    if case == "empty row":
        M[4] = np.nan
        M[:, 7] = np.nan
    outcome = solve(M, rank)
    A, B = outcome.best.solution
    assert A.shape == (len(M), rank)
    assert np.isfinite(A).all()
    assert np.isfinite(B).all()
    assert outcome.status is Status.CONVERGED
    seen = ~np.isnan(M)
    np.testing.assert_allclose((A @ B.T)[seen], M[seen], atol=1e-7)


def test_bad_arguments_are_named():
    observations = observe_matrix(np.ones((4, 3)))
    for options, message in (
        ({"rank": 4}, "rank=4 must be at most 3"),
        ({"rank": 0}, "rank=0"),
        ({"rank": 1, "tol": 0.0}, "tol=0"),
    ):
        with pytest.raises(ValueError, match=message):
            recover(observations, **options)


def test_complement_is_that_of_the_dense_gauss_newton_matrix():
    rng = np.random.default_rng(0)
    m, n, rank = 9, 7, 3
    M = rng.standard_normal((m, n))
    M[rng.random(M.shape) < 0.3] = np.nan
    entries = Entries(observe_matrix(M))
    state = decompose(rng.standard_normal((m, rank)), rng.standard_normal((n, rank)))
    point = entries.linearise(state)
    damping = rng.uniform(0.1, 1.0, rank), rng.uniform(0.1, 1.0, rank)
    rows, columns = np.nonzero(~np.isnan(M))
    J = np.zeros((rows.size, (m + n) * rank))
    for q in range(rank):
        J[np.arange(rows.size), rows * rank + q] = state.right[columns, q]
        J[np.arange(rows.size), (m + columns) * rank + q] = state.left[rows, q]
    H = J.T @ J + np.diag(np.concatenate([np.tile(damping[0], m), np.tile(damping[1], n)]))
    residuals = M[rows, columns] - ((state.left * state.spectrum) @ state.right.T)[rows, columns]
    gradient = J.T @ residuals
    assert point.loss == pytest.approx(residuals @ residuals, rel=1e-12)
    np.testing.assert_allclose(
        np.concatenate([part.ravel() for part in point.gradients]), gradient, atol=1e-11
    )
    complement = SchurComplement(entries, state.left, state.right, point.grams, damping)
    Y, _ = complement.solve(complement.reduced(point.gradients), 1e-14, 200)
    X = complement.back(point.gradients[0], Y)
    expected = np.linalg.solve(H, gradient)
    np.testing.assert_allclose(np.concatenate([X.ravel(), Y.ravel()]), expected, atol=1e-10)


def test_retraction_is_the_best_matrix_of_the_rank():
    rng = np.random.default_rng(0)
    state = decompose(rng.standard_normal((9, 3)), rng.standard_normal((7, 3)))
    X, Y = rng.standard_normal((9, 3)), rng.standard_normal((7, 3))
    moved = retract(state, X, Y)
    whole = (state.left * state.spectrum + X) @ state.right.T + state.left @ Y.T
    u, s, v = np.linalg.svd(whole)
    best = (u[:, :3] * s[:3]) @ v[:3]
    np.testing.assert_allclose((moved.left * moved.spectrum) @ moved.right.T, best, atol=1e-12)
    np.testing.assert_allclose(moved.left.T @ moved.left, 9 * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(moved.right.T @ moved.right, 7 * np.eye(3), atol=1e-12)


@pytest.mark.parametrize("scale", [0.3, np.inf])
def test_weights_of_a_ridge_are_its_derivative(scale):
    ridge, spectrum, step = Ridge(0.7, scale), np.array([2.0, 0.5, 1e-3]), 1e-6
    for q, direction in enumerate(np.eye(3)):
        ends = [ridge.value(spectrum + sign * step * direction) for sign in (1.0, -1.0)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert 2 * spectrum[q] * ridge.weights(spectrum)[q] == pytest.approx(slope, rel=1e-4)


def schur_eigenvalue(data, rank):
    """Smallest eigenvalue beside the gauge's of the dense complement, relative to the mean entries of a column."""
    (m, n), (rows, columns) = data.X.shape, data.X.tocoo().coords
    U = np.linalg.qr(data.row_factors)[0] * np.sqrt(m)
    V = np.linalg.qr(data.column_factors)[0] * np.sqrt(n)
    J = np.zeros((rows.size, (m + n) * rank))
    for q in range(rank):
        J[np.arange(rows.size), rows * rank + q] = V[columns, q]
        J[np.arange(rows.size), (m + columns) * rank + q] = U[rows, q]
    H, cut = J.T @ J, m * rank
    complement = H[cut:, cut:] - H[cut:, :cut] @ np.linalg.solve(H[:cut, :cut], H[:cut, cut:])
    return np.linalg.eigvalsh(complement)[rank**2] / (rows.size / n)


@pytest.mark.parametrize(("rank", "oversampling"), list(itertools.product([1, 3], [1.3, 3.0])))
def test_curvature_is_the_smallest_eigenvalue(rank, oversampling):
    data = make_low_rank(60, 50, rank, oversampling=oversampling, random_state=3)
    factors = Factors(data.row_factors, data.column_factors)
    found = identifiable(observe_matrix(data.X), rank, factors)
    least = schur_eigenvalue(data, rank)
    assert least * (1 - 1e-6) <= found.curvature <= 1.3 * least
    assert found.holds
    assert found.possible


def test_what_is_not_determined_is_named():
    data = make_low_rank(60, 50, 2, oversampling=2.0, random_state=0)
    M = dense(data.X)
    factors = Factors(data.row_factors, data.column_factors)
    # A row and a column with two entries each, one of them common: three equations for four numbers.
    i, j = next(zip(*np.nonzero(~np.isnan(M)), strict=True))
    for line, place in ((M[i], j), (M[:, j], i)):
        others = np.flatnonzero(~np.isnan(line))
        others = others[others != place]
        line[others[1:]] = np.nan
    found = identifiable(observe_matrix(M), 2, factors)
    assert found.possible
    assert not found.holds
    M[i] = np.nan
    found = identifiable(observe_matrix(M), 2)
    assert found.poor_rows == 1
    assert not found.possible
    few = identifiable(observe_matrix(scipy.sparse.eye_array(6).tocsr()), 1)
    assert (few.poor_rows, few.poor_columns) == (0, 0)
    assert few.oversampling == pytest.approx(6 / 11)
    assert not few.holds


def test_a_whole_matrix_is_determined():
    rng = np.random.default_rng(0)
    M = rng.standard_normal((6, 5))
    A, B = reference.half_step(M, np.eye(5)), np.eye(5)
    assert identifiable(observe_matrix(M), 5, Factors(A, B)).holds


@pytest.mark.parametrize("rank", [2, 5, 10])
@pytest.mark.parametrize("oversampling", [1.5, 2.5, 5.0])
@pytest.mark.parametrize("condition", [1.0, 1e5])
def test_complete_finds_small_matrices(rank, oversampling, condition):
    """Sweeps may come to rest at a small residual with a component where nothing was observed: it must not stay."""
    for seed in range(3):
        data = make_low_rank(
            150, 150, rank, oversampling=oversampling, condition=condition, random_state=2000 + seed
        )
        solution = complete(data.X, rank, random_state=0).solution
        assert data.relative_error(solution.row_factors, solution.column_factors) < 1e-5
