"""Laws of completion: what scaling, permuting, transposing and weighting do to certificates, rows and answers."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sparsesolve import complete
from sparsesolve.completion.alternating import certify
from sparsesolve.completion.factors import Factors
from sparsesolve.completion.folding import fold_in
from sparsesolve.completion.nonnegative import certify_nonnegative
from sparsesolve.completion.options import check_observations

seeds = st.integers(0, 10_000)
alphas = st.sampled_from([0.0, 1e-3, 1.0, 50.0])
backgrounds = st.sampled_from([0.0, 0.1, 0.4])
scales = st.sampled_from([1e-100, 1e-3, 7.0, 1e100])


def problem(seed, positive=False):
    """Entries, weights above 0.5, and factors that fit nothing."""
    rng = np.random.default_rng(seed)
    m, n, k = rng.integers(2, 12), rng.integers(2, 12), 2
    M = np.where(rng.random((m, n)) < 0.7, rng.standard_normal((m, n)), np.nan)
    M[0, 0] = 1.0
    weights = rng.uniform(0.5, 2.0, (m, n))
    A, B = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    return M, weights, Factors(np.abs(A), np.abs(B)) if positive else Factors(A, B)


@pytest.mark.parametrize("measure", [lambda *a: certify(*a).certificate, certify_nonnegative])
@given(seed=seeds, alpha=alphas, background=backgrounds, scale=scales)
@settings(max_examples=40, deadline=None)
def test_the_certificate_knows_no_units(measure, seed, alpha, background, scale):
    M, weights, (A, B) = problem(seed, positive=measure is certify_nonnegative)
    plain = measure(check_observations(M, weights), Factors(A, B), alpha, False, background)
    root = np.sqrt(scale)
    scaled = measure(
        check_observations(M * scale, weights), Factors(A * root, B * root), alpha * scale, False, background
    )
    assert_allclose(scaled, plain, rtol=1e-9)
    turned = measure(check_observations(M.T, weights.T), Factors(B, A), alpha, False, background)
    assert_allclose(turned, plain, rtol=1e-9)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(A)), rng.permutation(len(B))
    mixed = measure(
        check_observations(M[np.ix_(rows, columns)], weights[np.ix_(rows, columns)]),
        Factors(A[rows], B[columns]),
        alpha,
        False,
        background,
    )
    assert_allclose(mixed, plain, rtol=1e-9)


@given(seed=seeds, alpha=alphas, background=backgrounds)
@settings(max_examples=40, deadline=None)
def test_the_objective_is_the_naive_one(seed, alpha, background):
    M, weights, (A, B) = problem(seed)
    weight = np.where(np.isnan(M), background, weights)
    rest = np.where(np.isnan(M), 0.0, M) - A @ B.T
    naive = (weight * rest**2).sum() + alpha * ((A**2).sum() + (B**2).sum())
    measure = certify(check_observations(M, weights), Factors(A, B), alpha, False, background)
    assert_allclose(measure.objective, naive, rtol=1e-9)


@given(seed=seeds, alpha=st.sampled_from([0.1, 3.0]), background=backgrounds)
@settings(max_examples=40, deadline=None)
def test_folded_rows_solve_the_normal_equations(seed, alpha, background):
    M, weights, (_, B) = problem(seed)
    found, _ = fold_in(check_observations(M, weights), B, None, alpha, False, background)
    weight = np.where(np.isnan(M), background, weights)
    for row, w, x in zip(np.nan_to_num(M), weight, found, strict=True):
        exact = np.linalg.solve(B.T @ (w[:, None] * B) + alpha * np.eye(2), B.T @ (w * row))
        assert_allclose(x, exact, atol=1e-9 * max(1.0, np.abs(exact).max()))


@given(seed=seeds, scale=scales, shift=st.sampled_from([0.0, 3.0]))
@settings(max_examples=15, deadline=None)
def test_answers_scale_and_turn(seed, scale, shift):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((25, 2)) @ rng.standard_normal((2, 20)) + shift * (rng.random((25, 1)) + 1.0)
    M = np.where(rng.random(truth.shape) < 0.8, truth, np.nan)

    def filled(M):
        solution = complete(M, 3 if shift else 2, random_state=0).solution
        return solution.row_factors @ solution.column_factors.T

    plain = filled(M)
    size = np.abs(plain).max()
    assert_allclose(filled(M * scale) / scale, plain, atol=1e-6 * size)
    assert_allclose(filled(M.T).T, plain, atol=1e-6 * size)


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_an_entry_of_weight_zero_is_not_there(seed):
    M, weights, _ = problem(seed)
    gone = M.copy()
    gone[-1, -1] = np.nan
    weights[-1, -1] = 0.0
    some = check_observations(np.where(np.isnan(M), 0.0, M) + np.where(np.isnan(M), np.nan, 0.0), weights)
    other = check_observations(gone, weights)
    assert some.n_entries == other.n_entries
    np.testing.assert_array_equal(some.rows.values, other.rows.values)
    stored = scipy.sparse.csr_array(np.nan_to_num(gone))
    assert stored.shape == some.shape
