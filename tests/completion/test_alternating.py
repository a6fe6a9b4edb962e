"""Alternating minimization: row solvers against the normal equations, invariances, recovery, accuracy, threads."""

from __future__ import annotations

import numpy as np
import pytest

from sparsesolve.completion.acceleration import Anderson
from sparsesolve.completion.alternating import alternate, certify
from sparsesolve.completion.factors import Factors
from sparsesolve.completion.gauge import align, balance
from sparsesolve.completion.observations import observe_matrix
from sparsesolve.completion.regressions import pose
from sparsesolve.completion.row_solvers import choose, half_sweep, make_solver
from sparsesolve.completion.spectral import spectral_start
from sparsesolve.completion.whitening import whiten
from sparsesolve.driver import drive
from sparsesolve.result import Status


def low_rank(m, n, rank, rho, seed=0, noise=0.0, spread=1.0):
    """A matrix of that rank, and its observed entries, the others NaN; every row and column has `rank` of them."""
    generator = np.random.default_rng(seed)
    left = np.linalg.qr(generator.standard_normal((m, rank)))[0] * np.sqrt(m)
    right = np.linalg.qr(generator.standard_normal((n, rank)))[0] * np.sqrt(n / rank)
    full = (left * np.logspace(0, -np.log10(spread), rank)) @ right.T
    count = int(rho * rank * (m + n - rank))
    while True:
        seen = np.zeros(m * n, bool)
        seen[generator.choice(m * n, count, replace=False)] = True
        seen = seen.reshape(m, n)
        if min(seen.sum(axis=0).min(), seen.sum(axis=1).min()) > rank:
            break
    return full, np.where(seen, full + noise * generator.standard_normal(full.shape), np.nan)


def error(factors, full):
    return np.linalg.norm(factors.row_factors @ factors.column_factors.T - full) / np.linalg.norm(full)


def run(M, rank, tol=1e-9, max_iter=100, weights=None, **options):
    options.setdefault("random_state", 0)
    solver = alternate(observe_matrix(M, weights), rank, tol=tol, **options)
    return drive(solver, tol=tol, max_iter=max_iter)


def naive_rows(M, weights, B, penalties):
    """Every row's regression by the normal equations; the shortest solution in B's whitened coordinates."""
    seen = ~np.isnan(M)
    weights = np.where(seen, 1.0 if weights is None else weights, 0.0)
    gram = (weights.sum(axis=0)[:, None] * B).T @ B / weights.sum()
    inverse_root = np.linalg.inv(np.linalg.cholesky(gram)).T
    A = np.zeros((len(M), B.shape[1]))
    for i, row in enumerate(seen):
        if not row.any():
            continue
        root = np.sqrt(weights[i, row])
        design, data = root[:, None] * B[row], root * M[i, row]
        if penalties[i] > 0.0:
            ridge = penalties[i] * np.eye(B.shape[1])
            A[i] = np.linalg.solve(design.T @ design + ridge, design.T @ data)
        else:
            A[i] = inverse_root @ np.linalg.lstsq(design @ inverse_root, data, rcond=1e-12)[0]
    return A


def naive_certificate(M, weights, factors, penalties_row, penalties_column):
    """The certificate's definition, dense."""
    seen = ~np.isnan(M)
    weights = np.where(seen, 1.0 if weights is None else weights, 0.0)
    values, total = np.where(seen, M, 0.0), 0.0
    A, B = factors
    for W, X, own, other, ridge in (
        (weights, values, A, B, penalties_row),
        (weights.T, values.T, B, A, penalties_column),
    ):
        mean = (W.sum(axis=0)[:, None] * other).T @ other / W.sum()
        for i in range(len(W)):
            g = (W[i] * (X[i] - other @ own[i])) @ other - ridge[i] * own[i]
            if W[i].any():
                total += (
                    g @ np.linalg.pinv(W[i].sum() * mean + ridge[i] * np.eye(len(mean)), hermitian=True) @ g
                )
    return np.sqrt(total / np.sum(weights * values**2))


def uneven(seed, m=37, n=45, share=0.5):
    """Rows of all kinds: empty, with fewer entries than the rank, with many."""
    generator = np.random.default_rng(seed)
    M = generator.standard_normal((m, n))
    M[generator.random((m, n)) > share] = np.nan
    M[3] = np.nan
    M[5, 3:] = np.nan
    M[6, 1:] = np.nan
    M[:, 7] = np.nan
    return M, generator.uniform(0.3, 3.0, (m, n))


@pytest.mark.parametrize("inner", ["cholesky", "cg", "sketch"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("alpha", "by_count"), [(0.0, False), (0.7, False), (0.05, True)])
@pytest.mark.parametrize("rank", [1, 6, 13])
def test_row_solvers_solve_the_normal_equations(inner, weighted, alpha, by_count, rank):
    M, weights = uneven(rank)
    M *= 1e3
    weights = weights if weighted else None
    generator = np.random.default_rng(1)
    B = generator.standard_normal((M.shape[1], rank)) * np.logspace(0, -2, rank)
    # Whoever iterates starts at zero: among the solutions it then finds the shortest, as the others do.
    posed = pose(observe_matrix(M, weights), alpha, by_count)
    root = np.sqrt(posed.scale)
    solver = make_solver(inner, cg_steps=200, accuracy=1e-13)
    A, _ = half_sweep(posed.rows, posed.columns.masses, np.zeros((len(M), rank)), B / root, solver)
    counts = (~np.isnan(M)).sum(axis=1)
    expected = naive_rows(M, weights, B, alpha * (counts if by_count else np.ones(len(M))))
    np.testing.assert_allclose(
        A * root @ B.T, expected @ B.T, rtol=0, atol=1e-10 * np.abs(expected @ B.T).max()
    )
    assert not A[3].any()


@pytest.mark.parametrize("inner", ["cholesky", "cg", "sketch"])
def test_row_solvers_with_duplicate_rows_of_the_other_factor(inner):
    M, _ = uneven(0)
    B = np.random.default_rng(1).standard_normal((M.shape[1], 6))
    B[1], B[11] = B[0], B[10]
    B[20:24] = 0.0
    M[9], M[9, 20:24] = np.nan, 1.0
    posed = pose(observe_matrix(M))
    solver = make_solver(inner, cg_steps=200, accuracy=1e-13)
    root = np.sqrt(posed.scale)
    A, _ = half_sweep(posed.rows, posed.columns.masses, np.zeros((len(M), 6)), B / root, solver)
    expected = naive_rows(M, None, B, np.zeros(len(M)))
    np.testing.assert_allclose(A * root, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_rows_of_a_dependent_factor_are_solved_without_the_lost_directions():
    M, _ = uneven(0)
    B = np.random.default_rng(1).standard_normal((M.shape[1], 4)) @ np.ones((4, 6))
    posed = pose(observe_matrix(M))
    A, _ = half_sweep(posed.rows, posed.columns.masses, np.zeros((len(M), 6)), B, make_solver("cholesky"))
    assert np.isfinite(A).all()
    line = naive_rows(M, None, B[:, :1], np.zeros(len(M)))
    np.testing.assert_allclose(posed.scale * A @ B.T, line @ B[:, :1].T, atol=1e-9)
    zero, _ = half_sweep(posed.rows, posed.columns.masses, A, 0.0 * B, make_solver("cg"))
    assert not zero.any()


def test_whitening_is_exact_for_ill_conditioned_factors():
    generator = np.random.default_rng(0)
    masses = generator.uniform(0.1, 3.0, 200)
    B = generator.standard_normal((200, 5)) @ (
        np.logspace(0, -7, 5)[:, None] * generator.standard_normal((5, 5))
    )
    white = whiten(B, masses, False)
    X = B @ white.forward
    np.testing.assert_allclose((masses[:, None] * X).T @ X / masses.sum(), np.eye(5), atol=1e-7)
    np.testing.assert_allclose(white.forward @ white.backward, np.eye(5), atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("alpha", "by_count"), [(0.0, False), (0.7, False), (0.05, True)])
def test_the_certificate_is_what_it_says(weighted, alpha, by_count):
    M, weights = uneven(2)
    weights = weights if weighted else None
    generator = np.random.default_rng(3)
    factors = Factors(generator.standard_normal((37, 4)), generator.standard_normal((45, 4)))
    counts = ~np.isnan(M)
    ridges = [alpha * (counts.sum(axis=1 - axis) if by_count else np.ones(M.shape[axis])) for axis in (0, 1)]
    measure = certify(observe_matrix(M, weights), factors, alpha, by_count)
    np.testing.assert_allclose(
        measure.certificate, naive_certificate(M, weights, factors, *ridges), rtol=1e-10
    )
    W = np.where(counts, 1.0 if weights is None else weights, 0.0)
    squares = np.sum(W * (np.where(counts, M, 0.0) - factors.row_factors @ factors.column_factors.T) ** 2)
    penalty = sum(ridge @ np.sum(factor**2, axis=1) for ridge, factor in zip(ridges, factors, strict=True))
    np.testing.assert_allclose(measure.objective, squares + penalty, rtol=1e-10)
    np.testing.assert_allclose(measure.rmse, np.sqrt(squares / W.sum()), rtol=1e-10)


@pytest.mark.parametrize("inner", ["cholesky", "cg", "sketch"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_certificate_that_comes_with_a_sweep_is_the_measured_one(inner, alpha):
    _, M = low_rank(120, 90, 3, 4, noise=0.1)
    observations = observe_matrix(M)
    solver = alternate(
        observations, 3, alpha=alpha, inner=inner, tol=0.0, random_state=0, single_precision=False
    )
    iterates = [iterate for _, iterate in zip(range(16), solver, strict=False) if iterate is not None]
    for iterate in iterates[:4]:
        measure = certify(observations, iterate.solution, alpha)
        np.testing.assert_allclose(iterate.certificate, measure.certificate, rtol=1e-6)
        np.testing.assert_allclose(iterate.objective, measure.objective, rtol=1e-8)
        np.testing.assert_allclose(iterate.extras["rmse"], measure.rmse, rtol=1e-8)


@pytest.mark.parametrize("inner", ["auto", "cholesky", "cg", "sketch"])
@pytest.mark.parametrize(("rank", "seed"), [(2, 0), (5, 1), (10, 2)])
def test_exact_recovery(inner, rank, seed):
    full, M = low_rank(200, 180, rank, 5 if rank < 10 else 4, seed)
    outcome = run(M, rank, inner=inner)
    assert outcome.status is Status.CONVERGED
    assert error(outcome.best.solution, full) < 1e-7
    assert outcome.trace["rmse"][-1] < 1e-7
    assert certify(observe_matrix(M), outcome.best.solution).certificate <= 1e-9


def test_two_steps_of_conjugate_gradients_need_the_sweeps_of_exact_solves():
    sweeps = {"cholesky": [], "cg": []}
    for seed in range(3):
        full, M = low_rank(600, 600, 5, 5, seed)
        for inner, counts in sweeps.items():
            outcome = run(M, 5, inner=inner, memory=0, tol=1e-8)
            assert error(outcome.best.solution, full) < 1e-7
            counts.append(outcome.n_iter)
    assert sum(sweeps["cg"]) <= 1.1 * sum(sweeps["cholesky"])


def test_anderson_saves_sweeps_and_leads_to_the_same_answer():
    full, M = low_rank(400, 400, 4, 3.5, 1)
    plain, fast = run(M, 4, memory=0), run(M, 4)
    assert fast.n_iter < 0.8 * plain.n_iter
    assert error(fast.best.solution, full) < 1e-7


def test_anderson_solves_a_linear_iteration_and_forgets_wild_history():
    generator = np.random.default_rng(0)
    slope = 0.5 * np.linalg.qr(generator.standard_normal((3, 3)))[0]
    goal, B, accelerator = np.ones((3, 1)), np.zeros((3, 1)), Anderson(4)
    for _ in range(6):
        B1 = goal + slope @ (B - goal)
        A, B = accelerator.extrapolate(B, 2.0 * B1, B1)
        np.testing.assert_allclose(A, 2.0 * B)
    np.testing.assert_allclose(B, goal, atol=1e-8)
    accelerator.clear()
    same = accelerator.extrapolate(B, B, B)
    np.testing.assert_array_equal(same[1], B)


def test_gauges_are_common_after_alignment():
    generator = np.random.default_rng(0)
    B, change = generator.standard_normal((30, 4)), generator.standard_normal((4, 4))
    np.testing.assert_allclose(B @ change @ align(B @ change, B, False), B)
    turn = np.linalg.qr(change)[0]
    np.testing.assert_allclose(B @ turn @ align(B @ turn, B, True), B)


def test_balanced_factors_have_the_same_product_and_the_least_ridge():
    generator = np.random.default_rng(0)
    A, B = generator.standard_normal((30, 4)), generator.standard_normal((20, 4)) * [1.0, 10.0, 1e-3, 0.0]
    row, column = generator.uniform(0.1, 2.0, 30), generator.uniform(0.1, 2.0, 20)
    left, right = balance(A, B, row, column)
    np.testing.assert_allclose(left @ right.T, A @ B.T, atol=1e-12)
    np.testing.assert_allclose(
        (row[:, None] * left).T @ left, (column[:, None] * right).T @ right, atol=1e-10
    )
    nuclear = np.linalg.norm(np.sqrt(row)[:, None] * (A @ B.T) * np.sqrt(column), "nuc")
    np.testing.assert_allclose(
        row @ np.sum(left**2, axis=1) + column @ np.sum(right**2, axis=1), 2.0 * nuclear
    )


def test_the_answer_does_not_depend_on_order_orientation_or_unit():
    _, M = low_rank(150, 130, 3, 5, noise=0.05)
    generator = np.random.default_rng(5)
    reference = run(M, 3, tol=1e-11, alpha=0.0)
    product = reference.best.solution.row_factors @ reference.best.solution.column_factors.T
    rows, columns = generator.permutation(150), generator.permutation(130)
    for other, back in (
        (M[np.ix_(rows, columns)], lambda P: P[np.ix_(np.argsort(rows), np.argsort(columns))]),
        (M.T, lambda P: P.T),
        (1e120 * M, lambda P: P / 1e120),
        (-1e-150 * M, lambda P: -P / 1e-150),
    ):
        outcome = run(other, 3, tol=1e-11)
        assert outcome.status is Status.CONVERGED
        mine = back(outcome.best.solution.row_factors @ outcome.best.solution.column_factors.T)
        assert np.linalg.norm(mine - product) < 1e-8 * np.linalg.norm(product)


def test_certificates_do_not_depend_on_unit_or_orientation():
    _, M = low_rank(80, 60, 3, 4, noise=0.1)
    generator = np.random.default_rng(1)
    A, B = generator.standard_normal((80, 3)), generator.standard_normal((60, 3))
    change = generator.standard_normal((3, 3))
    reference = certify(observe_matrix(M), Factors(A, B)).certificate
    for other, factors in (
        (M.T, Factors(B, A)),
        (1e-9 * M, Factors(1e-6 * A, 1e-3 * B)),
        (M, Factors(A @ change, B @ np.linalg.inv(change).T)),
    ):
        np.testing.assert_allclose(certify(observe_matrix(other), factors).certificate, reference, rtol=1e-9)


@pytest.mark.parametrize("inner", ["cholesky", "cg"])
def test_ridge_and_weights_reach_a_stationary_point(inner):
    _, M = low_rank(100, 80, 3, 4, noise=0.3)
    weights = np.random.default_rng(1).uniform(0.1, 4.0, M.shape)
    for by_count in (False, True):
        outcome = run(
            M, 3, tol=1e-10, max_iter=300, weights=weights, alpha=0.2, scale_alpha=by_count, inner=inner
        )
        assert outcome.status is Status.CONVERGED
        counts = ~np.isnan(M)
        ridges = [
            0.2 * (counts.sum(axis=1 - axis) if by_count else np.ones(M.shape[axis])) for axis in (0, 1)
        ]
        assert naive_certificate(M, weights, outcome.best.solution, *ridges) < 1.1e-10


def test_weights_of_two_count_as_two_observations():
    _, M = low_rank(60, 50, 2, 5, noise=0.2)
    doubled = np.vstack([M, M])
    twice = run(doubled, 2, tol=1e-11, max_iter=300).best.solution
    once = run(M, 2, tol=1e-11, max_iter=300, weights=np.full(M.shape, 2.0)).best.solution
    product = once.row_factors @ once.column_factors.T
    np.testing.assert_allclose((twice.row_factors @ twice.column_factors.T)[:60], product, atol=1e-6)


def test_the_sketch_is_as_accurate_as_asked():
    M, weights = uneven(4, 40, 400, 0.9)
    B = np.random.default_rng(1).standard_normal((400, 5))
    posed = pose(observe_matrix(M, weights))
    exact, _ = half_sweep(posed.rows, posed.columns.masses, np.zeros((40, 5)), B, make_solver("cholesky"))
    lengths = np.sqrt(posed.rows.energy)
    for accuracy in (1e-1, 1e-3, 1e-6):
        solver = make_solver("sketch", accuracy=accuracy, key=3)
        A, _ = half_sweep(posed.rows, posed.columns.masses, np.zeros((40, 5)), B, solver)
        off = np.linalg.norm(np.sqrt(np.where(np.isnan(M), 0.0, weights)) * ((A - exact) @ B.T))
        assert off / np.sqrt(posed.weight_scale) < 3.0 * accuracy * lengths


def test_threads_do_not_change_a_bit(monkeypatch):
    _, M = low_rank(900, 800, 6, 6, noise=0.01)
    for inner in ("cholesky", "cg"):
        answers = []
        for threads in ("1", "2", "4"):
            monkeypatch.setenv("SPARSESOLVE_NUM_THREADS", threads)
            outcome = run(M, 6, tol=1e-8, inner=inner)
            answers.append((*outcome.best.solution, np.array(outcome.best.objective)))
        for other in answers[1:]:
            for mine, first in zip(other, answers[0], strict=True):
                np.testing.assert_array_equal(mine, first)


@pytest.mark.parametrize("inner", ["cholesky", "cg", "sketch"])
@pytest.mark.parametrize("case", ["zero", "constant", "one", "few", "full", "huge", "spike", "square"])
def test_never_nan(inner, case):
    generator = np.random.default_rng(0)
    M = np.full((12, 9), np.nan)
    if case == "zero":
        M[generator.random(M.shape) < 0.5] = 0.0
    elif case == "constant":
        M[generator.random(M.shape) < 0.5] = 3.0
    elif case == "one":
        M[4, 5] = 2.0
    elif case == "few":
        M[[0, 3, 7], [1, 1, 8]] = [1.0, -2.0, 3.0]
    elif case == "full":
        M = generator.standard_normal((12, 9))
    elif case == "huge":
        M[generator.random(M.shape) < 0.7] = 1e-300
        M[0, 0] = 1e300
    elif case == "spike":
        M[generator.random(M.shape) < 0.7] = 1.0
        M[0, 0] = 1e8
    else:
        M[:, :] = generator.standard_normal((12, 1)) * generator.standard_normal(9)
    for rank in (1, 4, 9):
        for alpha in (0.0, 0.1):
            outcome = run(M, rank, alpha=alpha, inner=inner, max_iter=15)
            assert all(np.isfinite(factor).all() for factor in outcome.best.solution)
            assert np.isfinite(outcome.best.certificate)


@pytest.mark.parametrize("inner", ["cholesky", "cg", "sketch"])
def test_running_away_stays_finite(inner):
    for seed in range(3):
        _, M = low_rank(60, 60, 3, 1.7, seed, spread=1e6)
        M[7, 2:] = np.nan
        outcome = run(M, 3, inner=inner, max_iter=80)
        assert all(np.isfinite(factor).all() for factor in outcome.best.solution)
        assert np.isfinite(outcome.trace["certificate"]).all()


def test_stalling_is_named():
    _, M = low_rank(100, 100, 2, 5)
    outcome = run(M, 2, tol=0.0, max_iter=200)
    assert outcome.status is Status.STALLED
    assert outcome.best.certificate < 1e-13


def test_the_spectral_start_is_near_and_clips_nothing_of_random_factors():
    full, M = low_rank(400, 300, 3, 15)
    A, B = spectral_start(pose(observe_matrix(M)).at_precision(np.float32), 3, 7)
    posed = pose(observe_matrix(M))
    assert error(Factors(A * posed.scale, B), full) < 0.5
    assert (np.abs(A).sum(axis=1) > 0).all()
    assert (np.abs(B).sum(axis=1) > 0).all()
    np.testing.assert_allclose(B.T @ B / 300, np.eye(3), atol=1e-4)
    left, _, _ = np.linalg.svd(np.where(np.isnan(M), 0.0, M))
    own = np.linalg.qr(A)[0]
    assert np.linalg.svd(left[:, :3].T @ own)[1].min() > 0.95


def test_clipping_removes_rows_that_stand_out():
    M = np.full((300, 300), np.nan)
    M[np.random.default_rng(0).random(M.shape) < 0.3] = 0.01
    M[5, :9] = 1e6
    A, _ = spectral_start(pose(observe_matrix(M)).at_precision(np.float32), 1, 7)
    assert not A[5].any()


def test_auto_takes_cholesky_for_small_ranks_and_gradients_for_large_ones():
    _, M = low_rank(200, 200, 2, 5)
    side = pose(observe_matrix(M)).rows
    assert choose("auto", side, 2, 2) == "cholesky"
    assert choose("auto", side, 120, 2) == "cg"
    assert choose("sketch", side, 2, 2) == "sketch"


def test_errors_name_the_mend():
    with pytest.raises(ValueError, match="rank=4 is above"):
        next(alternate(observe_matrix(np.ones((5, 3))), 4))
    with pytest.raises(ValueError, match="no observed entry"):
        next(alternate(observe_matrix(np.full((5, 3), np.nan)), 2))
