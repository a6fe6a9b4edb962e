"""Row scores against their definitions, and sampling by them against its promise."""

import numpy as np
import pytest
import scipy.sparse
from scipy import stats

from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.reference.sensitivities import lp_sensitivities
from sparsesolve.sketch import (
    LpSampling,
    Multisketch,
    augmented_scores,
    leverage_scores,
    lewis_fixed_point,
    lewis_weights,
    lp_distortion,
    lp_sensitivity_bounds,
    root_leverage_scores,
    row_scores,
)
from sparsesolve.sketch.row_sampling import inclusion_rates

NORMS = [1.0, 1.5, 2.0, 3.0, 6.0]


def naive_leverage(A):
    left, values, _ = np.linalg.svd(A, full_matrices=False)
    return (left[:, values > 1e-10 * values[0]] ** 2).sum(axis=1)


def uneven(n_rows=300, n_columns=5, seed=0):
    """Rows of many sizes, a zero row, columns of very different scales."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n_rows, n_columns)) * np.exp(rng.standard_normal(n_rows))[:, None]
    A[3] *= 100.0
    A[7] = 0.0
    return A * np.logspace(-6, 6, n_columns)


def coherent(n_rows, n_columns, seed=0):
    """A few columns that live on few rows, among rows with heavy tails."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n_rows, n_columns)) * rng.standard_t(3.0, n_rows)[:, None]
    A[:, : n_columns // 4] *= 30.0 / n_rows
    for column in range(n_columns // 4):
        A[rng.choice(n_rows, 10, replace=False), column] += 30.0
    return A


@pytest.mark.parametrize("p", NORMS)
def test_lewis_weights_are_the_fixed_point(p):
    A = uneven()
    found = lewis_fixed_point(A, p)
    weights = found.weights
    assert found.residual <= 1e-8
    positive = weights > 0
    assert not positive[7]
    assert positive.sum() == len(A) - 1
    leverage = naive_leverage(
        weights[positive, None] ** (0.5 - 1.0 / p) * (A / np.logspace(-6, 6, 5))[positive]
    )
    np.testing.assert_allclose(weights[positive], leverage, rtol=3e-8)
    assert weights.sum() == pytest.approx(A.shape[1], abs=1e-6)


def test_lewis_weights_take_few_passes():
    A = coherent(3000, 8)
    passes = {p: lewis_fixed_point(A, p).n_iter for p in (1.0, 1.5, 3.0, 6.0, 20.0)}
    assert max(passes[p] for p in (1.0, 1.5, 3.0)) <= 20
    assert passes[20.0] <= 60


def test_lewis_weights_for_two_are_leverage_scores():
    A = uneven()
    np.testing.assert_allclose(lewis_weights(A, 2.0), leverage_scores(A), rtol=1e-10)
    np.testing.assert_allclose(leverage_scores(A), naive_leverage(A / np.logspace(-6, 6, 5)), rtol=1e-9)


def test_lewis_weights_warn_when_the_passes_do_not_do():
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        assert lewis_fixed_point(uneven(), 6.0, max_iter=2).residual > 1e-8


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
@pytest.mark.parametrize(
    "score", [lewis_weights, lp_sensitivity_bounds, root_leverage_scores, augmented_scores]
)
def test_scores_do_not_depend_on_the_basis(score, p):
    A = uneven()
    mixing = np.random.default_rng(1).standard_normal((5, 5))
    scale = np.logspace(-6, 6, 5)
    np.testing.assert_allclose(score((A / scale) @ mixing, p), score(A, p), rtol=1e-6)
    np.testing.assert_allclose(score(A * 1e200, p), score(A, p), rtol=1e-7)
    assert score(A, p)[7] == 0.0


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_duplicated_rows_share_their_weight(p):
    A = uneven()[:60]
    single, double = lewis_weights(A, p), lewis_weights(np.vstack([A, A]), p)
    np.testing.assert_allclose(double[:60], double[60:], rtol=1e-7)
    np.testing.assert_allclose(double[:60] + double[60:], single, rtol=1e-6)


def test_rank_deficient_and_zero_matrices():
    A = np.repeat(uneven(), 2, axis=1)
    A[:, 4] = 0.0
    assert lewis_weights(A, 1.0).sum() == pytest.approx(5.0, abs=1e-6)
    for p in (1.0, 3.0):
        assert not lewis_weights(np.zeros((9, 2)), p).any()
        assert not augmented_scores(np.zeros((900, 2)), p).any()


def test_forms_of_the_same_matrix():
    A = uneven()
    expected = lewis_weights(A, 1.0)
    for other in (np.asfortranarray(A), A[::-1][::-1], scipy.sparse.csc_array(A)):
        np.testing.assert_allclose(lewis_weights(other, 1.0), expected, rtol=1e-8)
    whole = np.round(A / np.logspace(-6, 6, 5) * 100)
    np.testing.assert_allclose(
        lewis_weights(whole.astype(np.int64), 1.0), lewis_weights(whole, 1.0), rtol=1e-12
    )


def test_threads_do_not_change_a_bit(monkeypatch):
    A, weights = coherent(20_000, 6), []
    for count in ("1", "2"):
        monkeypatch.setenv("SPARSESOLVE_NUM_THREADS", count)
        weights.append(lewis_weights(A, 1.0))
    np.testing.assert_array_equal(*weights)


def test_many_rows_go_in_blocks():
    A = coherent(30_000, 6)
    np.testing.assert_allclose(leverage_scores(A), naive_leverage(A), rtol=1e-9)
    sketched = leverage_scores(A, method="sketch", random_state=0)
    heavy = leverage_scores(A) > 1e-3
    assert np.all(np.abs(np.log(sketched[heavy] / naive_leverage(A)[heavy])) < 1.5)


@pytest.mark.parametrize("p", NORMS)
def test_sensitivity_bounds_hold(p):
    A = uneven(24, 3)
    exact, bounds = lp_sensitivities(A, p), lp_sensitivity_bounds(A, p)
    assert np.all(bounds >= exact * (1.0 - 1e-6))
    assert bounds.max() <= 1.0
    assert bounds.sum() <= 3.0 ** max(1.0, p / 2.0) * (1 + 1e-6)
    if p == 2.0:
        np.testing.assert_allclose(bounds, exact, rtol=1e-5, atol=1e-12)


def test_rates_have_the_size_as_sum():
    scores = np.array([0.0, 1e-9, 1.0, 5.0, 1e9, 2.0])
    rates = inclusion_rates(scores, 3)
    assert rates[0] == 0.0
    assert rates[4] == rates.max() == 1.0
    assert rates.sum() == pytest.approx(3.0)
    np.testing.assert_array_equal(inclusion_rates(scores, 5), [0, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(inclusion_rates(scores, 50), [0, 1, 1, 1, 1, 1])


@pytest.mark.parametrize(
    "scores", ["augmented", "leverage", "root-leverage", "lewis", "sensitivity", "uniform"]
)
def test_sampled_sums_are_unbiased(scores, full):
    p, A = 1.5, coherent(400, 4)
    x = np.array([1.0, -2.0, 0.5, 3.0])
    known = row_scores(A, p, scores)
    draws = 4000 if full else 400
    norms = []
    for seed in range(draws):
        drawn = LpSampling(60, p, random_state=seed).sample_by(known)
        norms.append((np.abs(drawn.apply(A @ x)) ** p).sum())
    error = np.mean(norms) - (np.abs(A @ x) ** p).sum()
    assert abs(error) < 4.0 * np.std(norms) / np.sqrt(draws)


def test_a_sample_says_what_it_drew():
    A = coherent(500, 4)
    drawn = LpSampling(80, 1.0, random_state=3).sample(A)
    again = LpSampling(80, 1.0, random_state=3).sample(scipy.sparse.csr_array(A))
    np.testing.assert_array_equal(drawn.rows, again.rows)
    assert np.all(np.diff(drawn.rows) > 0)
    assert 60 <= drawn.rows.size <= 80
    rates = inclusion_rates(augmented_scores(A, 1.0), 80)[drawn.rows]
    np.testing.assert_allclose(drawn.probabilities, rates)
    counts = drawn.weights * rates
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    np.testing.assert_allclose(drawn.apply(A), drawn.weights[:, None] * A[drawn.rows])
    everything = LpSampling(500, 1.0, "uniform", 0).sample(A)
    np.testing.assert_array_equal(everything.apply(A), A)


def test_many_rows_drawn_twice_do_not_lose_their_count():
    drawn = LpSampling(3, 1.0, random_state=0).sample_by(np.array([1.0, 1.0, 0.0, 1.0, 1.0]))
    assert (drawn.weights * drawn.probabilities).sum() == pytest.approx(3.0)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_the_norm_is_met_where_uniform_sampling_fails(p, full):
    """The promise: distortion of at most 0.1 from a small share of the rows, in 95 % of the draws."""
    n_rows, n_columns, size, draws = (1_000_000, 20, 20_000, 100) if full else (20_000, 4, 3000, 12)
    A = coherent(n_rows, n_columns)
    known = row_scores(A, p)
    search = {"n_starts": 2, "n_steps": 6} if full else {"n_starts": 2, "n_steps": 8}
    kept = 0
    for seed in range(draws):
        drawn = LpSampling(size, p, random_state=seed).sample_by(known)
        assert drawn.rows.size <= size
        kept += lp_distortion(A, drawn, **search) <= 0.1
    # Fewer than this many would come in less than 1 of 1000 cases, if each draw kept it with probability 0.95.
    assert kept >= stats.binom.ppf(1e-3, draws, 0.95)
    for seed in range(3):
        uniform = LpSampling(size, p, "uniform", seed).sample(A)
        assert lp_distortion(A, uniform, **search) > 0.1


def test_distortion_is_exact_for_two():
    A = coherent(3000, 4)
    drawn = LpSampling(200, 2.0, random_state=0).sample(A)
    basis = np.linalg.qr(A)[0]
    values = np.linalg.svd(drawn.apply(basis), compute_uv=False)
    assert lp_distortion(A, drawn) == pytest.approx(np.abs(values - 1.0).max(), rel=1e-6)
    # The ascent finds it too, but for what it leaves of the way.
    near = lp_distortion(A, drawn, 2.0 + 1e-9, n_steps=40)
    assert near == pytest.approx(np.abs(values - 1.0).max(), rel=0.02)


def test_a_missed_direction_is_a_distortion_of_one():
    A = np.vstack([np.eye(3), np.tile([1.0, 0.0, 0.0], (500, 1))])
    assert lp_distortion(A, LpSampling(20, 1.0, "uniform", 1).sample(A)) == 1.0


def test_multisketch_is_the_product_of_its_parts():
    A = uneven()
    sketch = Multisketch(24, random_state=5).sample(A)
    np.testing.assert_allclose(
        sketch.apply(A), sketch.last.to_array() @ sketch.first.to_array() @ A, rtol=1e-9
    )
    np.testing.assert_allclose(sketch.to_array() @ A, sketch.apply(A), rtol=1e-9)
    parts = sketch.apply_block(A[:100], 0) + sketch.apply_block(A[100:], 100)
    np.testing.assert_allclose(parts, sketch.apply(A), rtol=1e-9)
    np.testing.assert_allclose(sketch.apply(scipy.sparse.csr_array(A)), sketch.apply(A), rtol=1e-9)
    basis = np.linalg.qr(coherent(20_000, 4))[0]
    values = np.linalg.svd(Multisketch(400, random_state=0).sample(basis).apply(basis), compute_uv=False)
    assert np.abs(values - 1.0).max() < 0.25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda A: lewis_weights(A, 0.5), "p=0.5 must be at least 1"),
        (lambda A: lewis_weights(A, np.inf), "p=inf must be a finite number"),
        (lambda A: lewis_weights(A, 1.0, tol=0.0), "tol=0.0"),
        (lambda A: lewis_weights(np.full((4, 2), np.nan), 1.0), "NaN or infinity"),
        (lambda A: leverage_scores(A, method="fast"), "method='fast' is not known"),
        (lambda A: row_scores(A, 1.0, "best"), "scores='best' is not known"),
        (lambda A: LpSampling(0, 1.0), "size=0"),
        (lambda A: LpSampling(9, 1.0, "best"), "scores='best' is not known"),
        (lambda A: LpSampling(9).sample_by([-1.0, 2.0]), "scores of shape"),
        (lambda A: LpSampling(9).sample(A).apply(A[:5]), "is of 300 rows"),
        (lambda A: Multisketch(9, middle=3), "middle=3 must be at least size=9"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(uneven())
