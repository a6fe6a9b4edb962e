"""Sampling by volume against the distribution that it promises."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from sparsesolve.sketch import ProjectionDPP, RescaledVolumeSampling, VolumeSampling


def small(n_rows=6, n_columns=2, seed=0):
    return np.random.default_rng(seed).standard_normal((n_rows, n_columns))


def chi_square(observed: Counter, expected: dict, draws: int) -> float:
    """The probability of counts as far from what is expected as these."""
    assert set(observed) <= {key for key, value in expected.items() if value > 0}
    counts = np.array([observed[key] for key in expected])
    means = draws * np.array(list(expected.values()))
    return stats.chi2.sf(((counts - means) ** 2 / means).sum(), len(means) - 1)


def volumes(A, size):
    """Probability of each set of rows: the definition."""
    sets = {
        rows: np.linalg.det(A[list(rows)].T @ A[list(rows)]) for rows in combinations(range(len(A)), size)
    }
    total = sum(sets.values())
    return {rows: value / total for rows, value in sets.items()}


def sets_drawn(distribution, A, draws):
    prepared = distribution.of(A)
    return Counter(tuple(prepared.draw(i).rows.tolist()) for i in range(draws))


@pytest.mark.parametrize("method", ["chain", "reverse"])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_volume_sampling_has_its_distribution(method, size, full):
    A, draws = small(), 20_000 if full else 2000
    observed = sets_drawn(VolumeSampling(size, 1, method), A, draws)
    assert chi_square(observed, volumes(A, size), draws) > 1e-3


def test_projection_process_has_its_distribution(full):
    A, draws = small(7, 3), 20_000 if full else 2000
    assert chi_square(sets_drawn(ProjectionDPP(2), A, draws), volumes(A, 3), draws) > 1e-3


def test_marginals_of_the_projection_process_are_leverage_scores(full):
    A, draws = small(40, 4) * np.linspace(0.1, 3, 40)[:, None], 20_000 if full else 2000
    prepared = ProjectionDPP(3).of(A)
    counts = np.zeros(40)
    for i in range(draws):
        drawn = prepared.draw(i)
        assert drawn.rows.size == 4
        np.testing.assert_allclose(drawn.probabilities, prepared.leverage[drawn.rows])
        counts[drawn.rows] += 1
    leverage = (np.linalg.qr(A)[0] ** 2).sum(axis=1)
    z = (counts - draws * leverage) / np.sqrt(draws * leverage * (1 - leverage))
    assert np.abs(z).max() < 4.5


def rescaled_volumes(A, size):
    """Probability of each sequence of rows for rescaled volume sampling by leverage, by its definition."""
    leverage = (np.linalg.qr(A)[0] ** 2).sum(axis=1) / A.shape[1]
    scaled = A / np.sqrt(leverage)[:, None]
    weights: Counter = Counter()
    for rows in np.ndindex(*(len(A),) * size):
        chosen = scaled[list(rows)]
        weights[tuple(sorted(rows))] += np.linalg.det(chosen.T @ chosen) * leverage[list(rows)].prod()
    total = sum(weights.values())
    return {rows: value / total for rows, value in weights.items() if value > 1e-12 * total}


def test_rescaled_volume_sampling_has_its_distribution(full):
    A, draws = small(4, 2, 3), 20_000 if full else 2000
    prepared = RescaledVolumeSampling(4, 5).of(A)
    observed: Counter = Counter()
    for i in range(draws):
        drawn = prepared.draw(i)
        counts = np.rint(drawn.weights * drawn.probabilities).astype(int)
        observed[tuple(np.repeat(drawn.rows, counts).tolist())] += 1
    assert chi_square(observed, rescaled_volumes(A, 4), draws) > 1e-3


def hard(n_rows, n_columns, seed=0):
    """Heavy-tailed rows, and a residual that the sampling could confound with the solution."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n_rows, n_columns)) * rng.standard_t(4.0, n_rows)[:, None]
    b = A @ rng.standard_normal(n_columns) + A[:, 0] ** 3 + rng.standard_normal(n_rows)
    return A, b


def solutions(prepared, A, b, draws):
    out = np.empty((draws, A.shape[1]))
    for i in range(draws):
        drawn = prepared.draw(i)
        root = np.sqrt(drawn.weights)
        out[i] = np.linalg.lstsq(A[drawn.rows] * root[:, None], b[drawn.rows] * root)[0]
    return out


@pytest.mark.parametrize(
    "make", [lambda size: VolumeSampling(size, 5), lambda size: RescaledVolumeSampling(size, 5)]
)
def test_the_mean_of_the_estimates_is_the_solution(make, full):
    n_rows, n_columns, draws = (2000, 10, 20_000) if full else (200, 4, 2000)
    A, b = hard(n_rows, n_columns)
    estimates = solutions(make(3 * n_columns).of(A), A, b, draws)
    exact = np.linalg.lstsq(A, b)[0]
    z = (estimates.mean(axis=0) - exact) / (estimates.std(axis=0, ddof=1) / np.sqrt(draws))
    assert np.abs(z).max() < stats.norm.isf(5e-4 / n_columns)


def test_uniform_rows_are_biased_where_volume_is_not():
    """The test above can fail: rows drawn uniformly do not pass it."""
    A, b = hard(200, 4)
    rng = np.random.default_rng(0)
    draws = 2000
    estimates = np.empty((draws, 4))
    for i in range(draws):
        rows = rng.choice(200, 12, replace=False)
        estimates[i] = np.linalg.lstsq(A[rows], b[rows])[0]
    z = (estimates.mean(axis=0) - np.linalg.lstsq(A, b)[0]) / (estimates.std(axis=0) / np.sqrt(draws))
    assert np.abs(z).max() > 8.0


@pytest.mark.parametrize("rounds", [1, "most"])
def test_mean_of_the_weighted_gram_matrix(rounds, full):
    A, _ = hard(100, 3)
    draws = 20_000 if full else 1500
    prepared = RescaledVolumeSampling(10, 6, rounds).of(A)
    grams = []
    for i in range(draws):
        drawn = prepared.draw(i)
        grams.append((prepared.basis[drawn.rows].T * drawn.weights) @ prepared.basis[drawn.rows])
    z = (np.mean(grams, axis=0) - np.eye(3)) / (np.std(grams, axis=0) / np.sqrt(draws))
    assert np.abs(z).max() < 4.5


def test_draws_are_functions_of_the_seed_and_the_number():
    A, _ = hard(5000, 4)
    first, second = VolumeSampling(20, 9).of(A), VolumeSampling(20, 9).of(A * np.array([1e5, 1, -1e-5, 3]))
    np.testing.assert_array_equal(first.draw(5).rows, second.draw(5).rows)
    assert not np.array_equal(first.draw(5).rows, first.draw(6).rows)
    for method in ("chain", "reverse"):
        drawn = VolumeSampling(20, 9, method).sample(A)
        assert drawn.rows.size == 20
        assert np.all(np.diff(drawn.rows) > 0)


def test_zero_rows_and_deficient_rank():
    A, _ = hard(60, 3)
    A = np.repeat(A, 2, axis=1)
    A[30:] = 0.0
    for i in range(50):
        assert ProjectionDPP(0).of(A).draw(i).rows.max() < 30
        assert np.linalg.matrix_rank(A[VolumeSampling(5, 0, "reverse").of(A).draw(i).rows]) == 3
    np.testing.assert_array_equal(VolumeSampling(60, 0).sample(A).rows, np.arange(60))


@pytest.mark.slow
def test_the_cost_of_removing_rows_is_linear():
    """O(n d^2): the slope of the time over the rows, in logarithms."""
    import time

    sizes, seconds = [20_000, 80_000, 320_000], []
    for n_rows in sizes:
        prepared = VolumeSampling(60, 0, "reverse").of(small(n_rows, 20))
        laps = []
        for i in range(3):
            start = time.perf_counter()
            prepared.draw(i)
            laps.append(time.perf_counter() - start)
        seconds.append(np.median(laps))
    assert 0.8 < np.polyfit(np.log(sizes), np.log(seconds), 1)[0] < 1.3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda A: VolumeSampling(2).sample(A), "size=2 must be at least 3, the rank"),
        (lambda A: VolumeSampling(51).sample(A), "size=51 must be at most 50"),
        (lambda A: VolumeSampling(5, method="fast"), "method='fast' is not known"),
        (lambda A: RescaledVolumeSampling(2).sample(A), "size=2 must be at least 3"),
        (lambda A: RescaledVolumeSampling(7, rounds=3).sample(A), "rounds=3 of 3 rows"),
        (lambda A: RescaledVolumeSampling(7, rounds="all"), "rounds='all' is not known"),
        (lambda A: ProjectionDPP().sample(A * 0), "A is zero"),
        (lambda A: ProjectionDPP().sample(A * np.nan), "NaN or infinity"),
        (lambda A: VolumeSampling(5).of(A).draw(-1), "index=-1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(small(50, 3))
