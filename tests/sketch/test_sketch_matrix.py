"""What the matrix S is: its entries, its structure, its mean, and that nothing but the seed changes it."""

import itertools
import pickle

import numpy as np
import pytest
from scipy.linalg import hadamard

from sparsesolve.sketch import SRHT, CountSketch, LeverageSampling, PaddedSRHT, SparseSign, from_name


def test_shape_and_repr(name):
    A = np.random.default_rng(0).standard_normal((300, 3))
    sample = from_name(name, 20, random_state=5).sample(A)
    assert sample.shape == (20, 300)
    assert sample.to_array().shape == (20, 300)
    assert "shape=(20, 300), key=5" in repr(sample)


@pytest.mark.parametrize("size", [1, 3, 64, 100, 128, 600])
@pytest.mark.parametrize("distribution", [SRHT, PaddedSRHT])
def test_hadamard_sketches_are_dense(distribution, size):
    S = distribution(size, 1).sample(1000).to_array()
    np.testing.assert_array_equal(np.abs(S), 1.0 / np.sqrt(size))


@pytest.mark.parametrize(("size", "order"), [(100, 128), (64, 64), (5, 64), (1024, 1024), (2000, 2048)])
def test_srht_is_signed_rows_of_hadamard_blocks(size, order):
    S = SRHT(size, 7).sample(3 * order + 11)
    signs = np.sign(S.to_array())
    H = hadamard(order)[S._rows]
    assert len(set(S._rows.tolist())) == size
    for first in range(0, S.shape[1], order):
        part = signs[:, first : first + order]
        # D' H D times H, entry by entry, has rank one: the outer product of the two signs.
        outer = part * H[:, : part.shape[1]]
        np.testing.assert_array_equal(outer, np.outer(outer[:, 0], outer[0] * outer[0, 0]))
        if part.shape[1] == order and size == order:
            np.testing.assert_array_equal(part.T @ part, size * np.eye(order))


def test_srht_blocks_have_signs_of_their_own():
    signs = np.sign(SRHT(128, 7).sample(1280).to_array())
    products = np.array([signs[:, 128 * k : 128 * k + 128] @ signs[:, :128].T for k in range(1, 10)]) / 128
    assert np.abs(products).max() < 0.7
    rows = signs[:, ::128]  # one column of each block: H's first column times D', so nothing but signs
    assert np.abs(rows.T @ rows / 128 - np.eye(10)).max() < 0.5


def test_padded_srht_is_a_sampled_hadamard_matrix():
    S = PaddedSRHT(50, 3).sample(700)
    outer = np.sign(S.to_array()) * hadamard(1024)[S._rows, :700]
    np.testing.assert_array_equal(outer, np.broadcast_to(outer[0], outer.shape))
    assert 0.4 < np.mean(outer[0] > 0) < 0.6


@pytest.mark.parametrize(("size", "nonzeros"), [(64, 8), (50, 8), (7, 3), (4, 4), (9, 1)])
def test_sparse_sign_has_one_entry_in_each_band(size, nonzeros):
    S = SparseSign(size, 2, nonzeros=nonzeros).sample(400).to_array()
    edges = size * np.arange(nonzeros + 1) // nonzeros
    assert set(np.abs(S[S != 0])) == {1 / np.sqrt(nonzeros)}
    for start, stop in itertools.pairwise(edges):
        np.testing.assert_array_equal(np.count_nonzero(S[start:stop], axis=0), 1)
    assert np.all(np.count_nonzero(S, axis=1) > 0)


def test_countsketch_has_one_entry_a_column():
    S = CountSketch(16, 2).sample(400).to_array()
    np.testing.assert_array_equal(np.count_nonzero(S, axis=0), 1)
    assert set(S[S != 0]) == {-1.0, 1.0}


def test_mean_of_the_gram_matrix_is_the_identity(name, draws):
    # Row samples want more rows: each row of the data must be drawn some dozen times for its mean to be
    # normal.
    n, size, count = 150, 128 if name == "leverage" else 16, draws(300, 3000)
    A = np.random.default_rng(3).standard_normal((n, 4)) * np.linspace(0.2, 3, n)[:, None]
    total, squares = np.zeros((n, n)), np.zeros((n, n))
    for seed in range(count):
        S = from_name(name, size, seed).sample(A).to_array()
        gram = S.T @ S - np.eye(n)
        total += gram
        squares += gram**2
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0) / count)
    certain = spread < 1e-12
    assert np.abs(mean[certain]).max(initial=0) < 1e-12
    assert (np.abs(mean) / np.where(certain, 1, spread)).max() < 6.5


def test_the_seed_decides(name):
    A = np.random.default_rng(0).standard_normal((200, 3))
    first, again, other = (from_name(name, 16, seed).sample(A).to_array() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    fresh = from_name(name, 16)
    assert fresh.sample(A).key != fresh.sample(A).key


def test_more_rows_do_not_change_the_columns(name):
    if name in ("leverage", "padded-srht"):
        pytest.skip("depends on all rows by its nature")
    short, long = (from_name(name, 20, 4).sample(n).to_array() for n in (150, 700))
    np.testing.assert_array_equal(short, long[:, :150])


def test_a_pickled_sample_is_the_same(name):
    A = np.random.default_rng(0).standard_normal((300, 3))
    distribution = from_name(name, 24, 9)
    sample = distribution.sample(A)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sample)).apply(A), sample.apply(A))
    assert pickle.loads(pickle.dumps(distribution)) == distribution


def test_leverage_prefers_rows_that_matter():
    A = np.zeros((5000, 4))
    A[:, :3] = np.random.default_rng(0).standard_normal((5000, 3))
    A[1234, 3] = 1e-6  # the only row of its direction: leverage 1
    for seed in range(10):
        assert 1234 in LeverageSampling(64, seed).sample(A).rows


def test_leverage_of_degenerate_matrices():
    wide = np.random.default_rng(0).standard_normal((50, 2)) @ np.ones((2, 5)) * [1e-200, 1, 1e150, 0, 1]
    for A in (wide, np.zeros((50, 3)), np.ones((1, 1))):
        sample = LeverageSampling(8, 0).sample(A)
        assert np.all(np.isfinite(sample.weights))
        assert np.all((sample.rows >= 0) & (sample.rows < A.shape[0]))
