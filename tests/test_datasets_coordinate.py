"""Sparse linear problems are what they say."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.datasets.coordinate import (
    make_degenerate_lasso,
    make_dense_lasso,
    make_group_lasso,
    make_multinomial,
    make_paper_data,
    make_text_regression,
)

GENERATORS = {
    "dense": lambda seed: make_dense_lasso(30, 80, n_nonzero=5, random_state=seed),
    "degenerate": lambda seed: make_degenerate_lasso(30, 80, n_nonzero=5, random_state=seed),
    "text": lambda seed: make_text_regression(100, 500, n_nonzero=20, random_state=seed),
    "group": lambda seed: make_group_lasso(30, 12, equal=False, random_state=seed),
    "multinomial": lambda seed: make_multinomial(60, 10, 4, random_state=seed),
    "paper A": lambda seed: make_paper_data("A", n_samples=50, random_state=seed),
    "paper B": lambda seed: make_paper_data("B", n_samples=50, random_state=seed),
    "paper C": lambda seed: make_paper_data("C", n_samples=50, random_state=seed),
}


def entries(values):
    return values.toarray() if scipy.sparse.issparse(values) else values


@pytest.mark.parametrize("name", GENERATORS)
def test_seeded_and_finite(name):
    before = np.random.get_state()[1].copy()  # noqa: NPY002  (the state that is to be left alone)
    first, second, other = (tuple(map(entries, GENERATORS[name](seed))) for seed in (3, 3, 4))
    for one, two in zip(first, second, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, two)
    X, y = first[:2]
    assert X.shape[0] == y.size
    assert not np.array_equal(X, other[0])
    assert not np.array_equal(y, other[1])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    same = tuple(map(entries, GENERATORS[name](np.random.default_rng(3))))
    if not name.startswith("paper"):  # which draws from the legacy generator for an int
        np.testing.assert_array_equal(same[0], first[0])


@pytest.mark.parametrize("correlation", [-0.3, 0.0, 0.5, 0.95])
def test_dense_columns_are_correlated_as_said(correlation):
    X, y, coef = make_dense_lasso(20_000, 8, correlation=correlation, n_nonzero=3, snr=2.0, random_state=0)
    assert X.flags.f_contiguous
    expected = correlation ** np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    # Standard errors are below 1 / sqrt(20000) = 0.007.
    np.testing.assert_allclose(X.T @ X / len(y), expected, atol=0.045)
    assert np.count_nonzero(coef) == 3
    sizes = np.abs(coef[coef != 0])
    assert 1.0 <= sizes.min() <= sizes.max() <= 2.0
    signal = X @ coef
    assert np.linalg.norm(signal) / np.linalg.norm(y - signal) == pytest.approx(2.0, rel=1e-12)


def test_degenerate_columns_are_copies_negatives_and_zeros_of_wild_scales():
    X, y, coef = make_degenerate_lasso(40, 500, n_nonzero=20, snr=3.0, random_state=0)
    norms = np.linalg.norm(X, axis=0)
    assert np.count_nonzero(norms == 0.0) == 50
    used = norms > 0.0
    cosines = (X[:, used] / norms[used]).T @ (X[:, used] / norms[used])
    np.fill_diagonal(cosines, 0.0)
    # A fifth are copies and a fifth negatives: each has at least one partner.
    assert np.count_nonzero((cosines > 1.0 - 1e-12).any(axis=1)) >= 100
    assert np.count_nonzero((cosines < -1.0 + 1e-12).any(axis=1)) >= 100
    columns = {column.tobytes() for column in X[:, used].T}
    exact = np.count_nonzero(used) - len(columns)
    assert 20 <= exact <= 90
    spread = norms[used].max() / norms[used].min()
    assert 1e3 < spread < 1e5
    signal = X @ coef
    assert np.linalg.norm(signal) / np.linalg.norm(y - signal) == pytest.approx(3.0, rel=1e-10)


def test_text_looks_like_text():
    X, y, labels, coef = make_text_regression(3000, 8000, mean_length=60.0, random_state=0)
    assert X.format == "csc"
    assert X.has_sorted_indices
    assert X.indices.dtype == np.int32
    np.testing.assert_allclose(np.sqrt((X * X).sum(axis=1)), 1.0, rtol=1e-12)
    texts = np.sort(np.diff(X.indptr))[::-1]
    assert texts[-1] >= 3
    assert 4000 < X.shape[1] < 8000
    # Frequencies fall like a power of the rank: few words are in many texts, most in few.
    assert texts[0] > 0.3 * len(y)
    assert np.median(texts) < 0.01 * len(y)
    lengths = np.diff(X.tocsr().indptr)
    assert 30 < lengths.mean() < 60  # repeated and rare words count once, or not
    assert lengths.max() > 4 * np.median(lengths)
    assert set(labels.tolist()) == {-1.0, 1.0}
    assert abs(labels.mean()) < 0.1
    signal = X @ coef
    assert np.std(y - signal) == pytest.approx(0.5 * signal.std(), rel=0.05)
    agree = labels == np.where(signal > np.median(signal), 1.0, -1.0)
    assert np.mean(agree) == pytest.approx(0.95, abs=0.02)
    assert np.count_nonzero(coef) == 500


@pytest.mark.parametrize("equal", [False, True])
def test_groups_lie_side_by_side(equal):
    X, y, groups, weights, coef = make_group_lasso(
        50, 40, group_size=5, equal=equal, n_nonzero=6, random_state=1
    )
    sizes = np.bincount(groups)
    assert X.shape == (50, groups.size)
    assert np.array_equal(groups, np.repeat(np.arange(40), sizes))
    if equal:
        assert set(sizes.tolist()) == {5}
        assert np.array_equal(weights, np.ones(40))
    else:
        assert sizes.min() >= 1
        assert sizes.max() <= 9
        assert len(set(sizes.tolist())) > 3
        np.testing.assert_allclose(weights**2, sizes)
    assert np.unique(groups[coef != 0]).size == 6
    signal = X @ coef
    assert np.linalg.norm(signal) / np.linalg.norm(y - signal) == pytest.approx(3.0, rel=1e-10)


def test_classes_follow_their_scores():
    X, y, coef = make_multinomial(20_000, 10, 3, margin=2.0, n_nonzero=4, random_state=0)
    assert y.dtype == np.int64
    scores = X @ coef.T
    assert scores.std() == pytest.approx(2.0, rel=1e-12)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    for k in range(3):
        # Where a class has a probability of 0.4 to 0.6, it occurs as often as that.
        near = np.abs(odds[:, k] - 0.5) < 0.1
        assert np.mean(y[near] == k) == pytest.approx(odds[near, k].mean(), abs=0.05)
    assert sorted(set(make_multinomial(5, 3, 5, random_state=0).y.tolist())) == [0, 1, 2, 3, 4]


def test_paper_data_b_is_the_paper_s():
    X, y = make_paper_data("B", n_samples=40, n_features=60)
    legacy = np.random.RandomState(1)
    expected = legacy.randn(40, 60) + 1.0
    expected = expected @ np.diag(10.0 * legacy.randn(60))
    expected = expected * (legacy.rand(40, 60) < 10.0 * np.log(40) / 40)
    coef = legacy.randn(60) * (legacy.rand(60) < 0.1)
    labels = np.sign(expected @ coef) * np.sign(legacy.rand(40) - 0.1)
    np.testing.assert_allclose(X.toarray(), expected, rtol=1e-14)
    np.testing.assert_array_equal(y, labels)


def test_paper_data_statistics():
    X, y = make_paper_data("A", n_samples=200)
    assert X.shape == (200, 2000)
    assert X.nnz / np.prod(X.shape) == pytest.approx(10.0 * np.log(200) / 200, rel=0.02)
    assert y.dtype == np.float64
    X, y = make_paper_data("C", n_samples=400)
    assert X.shape == (400, 400)
    assert y.dtype == np.int64
    assert 0 <= y.min() <= y.max() < 50
    assert np.unique(y).size > 40
    one = make_paper_data("A", n_samples=40, random_state=np.random.RandomState(1)).X
    two = make_paper_data("A", n_samples=40, random_state=1).X
    np.testing.assert_array_equal(one.toarray(), two.toarray())


BAD = {
    "n_samples=0": lambda: make_dense_lasso(0, 5),
    "correlation=1.0": lambda: make_dense_lasso(5, 5, correlation=1.0),
    "snr=0": lambda: make_dense_lasso(5, 5, snr=0),
    "n_features=9": lambda: make_degenerate_lasso(5, 9),
    "flipped=1.5": lambda: make_text_regression(5, 50, flipped=1.5),
    "min_samples=6": lambda: make_text_regression(5, 50, min_samples=6),
    "n_classes=7": lambda: make_multinomial(6, 3, 7),
    "name='D'": lambda: make_paper_data("D"),
    "n_samples=35": lambda: make_paper_data("A", n_samples=35),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
