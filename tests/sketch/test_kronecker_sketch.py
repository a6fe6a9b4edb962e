"""Sketches of Kronecker and Khatri-Rao products, against explicit products and the dense S."""

from functools import reduce

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

from sparsesolve.sketch import KroneckerSRHT, TensorSketch

KINDS = [KroneckerSRHT, TensorSketch]
SHAPES = [[(13, 3), (7, 2), (5, 2)], [(100, 4), (33, 3)], [(9, 3)], [(1, 1), (6, 2)]]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def factors_of(rng, shapes):
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_products_equal_the_dense_ones(rng, kind, shapes):
    A = factors_of(rng, shapes)
    whole = reduce(np.kron, A)
    sample = kind(min(40, len(whole)), random_state=3).sample([len(factor) for factor in A])
    S = sample.to_array()
    assert S.shape == sample.shape
    np.testing.assert_allclose(sample.apply_factors(A), S @ whole, atol=1e-12)
    np.testing.assert_allclose(sample.apply(whole), S @ whole, atol=1e-12)
    tensor = whole[:, 0].reshape(sample.rows)
    np.testing.assert_allclose(
        sample.apply(tensor), S @ (whole if len(A) == 1 else whole[:, :1])[:, 0], atol=1e-12
    )
    Y = rng.standard_normal((len(S), 2))
    np.testing.assert_allclose(sample.adjoint(Y), S.T @ Y, atol=1e-12)
    np.testing.assert_allclose(sample.adjoint(Y[:, 0]), S.T @ Y[:, 0], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_khatri_rao_products_equal_the_dense_ones(rng, kind):
    A = factors_of(rng, [(11, 4), (6, 4), (5, 4)])
    columns = [reduce(np.kron, [factor[:, j] for factor in A]) for j in range(4)]
    sample = kind(32, random_state=1).sample(A)
    np.testing.assert_allclose(
        sample.apply_khatri_rao(A), sample.to_array() @ np.column_stack(columns), atol=1e-12
    )


def test_srht_entries_are_dense_and_rows_orthogonal():
    sample = KroneckerSRHT(48, random_state=0).sample((9, 14))
    np.testing.assert_allclose(np.abs(sample.to_array()), 1 / np.sqrt(48), rtol=1e-12)
    whole = KroneckerSRHT(16 * 8, random_state=0).sample((16, 5)).to_array()
    np.testing.assert_allclose(whole.T @ whole, np.eye(80), atol=1e-12)


def test_tensor_sketch_has_one_sign_in_each_column():
    S = TensorSketch(24, random_state=0).sample((9, 14)).to_array()
    np.testing.assert_array_equal(np.abs(S).sum(axis=0), 1.0)
    assert set(np.unique(S)) == {-1.0, 0.0, 1.0}
    assert (np.abs(S).sum(axis=1) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_mean_of_the_squared_sketch_is_the_identity(kind, full):
    count, rows = 4000 if full else 600, (6, 5)
    total = np.zeros((30, 30))
    for seed in range(count):
        S = kind(16, random_state=seed).sample(rows).to_array()
        total += S.T @ S
    # Entries have mean 0 or 1 and, off the diagonal, variance 1 / m.
    scores = (total / count - np.eye(30)) * np.sqrt(16 * count)
    assert np.abs(scores).max() < 5.0
    assert 0.5 < scores[np.triu_indices(30, 1)].std() < 1.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_sketch_is_a_function_of_its_key(rng, kind):
    A = factors_of(rng, [(300, 70), (200, 3)])
    one, again, other = (kind(512, random_state=seed).sample(A).apply_factors(A) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.1
    with threadpool_limits(1):
        np.testing.assert_array_equal(kind(512, random_state=5).sample(A).apply_factors(A), one)
    # Neither the number of columns nor the other factors' rows touch the signs of a factor.
    alone = kind(512, random_state=5).sample(A).apply_factors([A[0][:, :5], A[1]])
    np.testing.assert_allclose(alone, one[:, : 5 * 3], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_factors_and_other_types(rng, kind):
    A = [np.round(factor * 2) for factor in factors_of(rng, [(40, 3), (30, 2)])]
    sample = kind(64, random_state=0).sample((40, 30))
    expected = sample.apply_factors(A)
    for convert in (
        scipy.sparse.csr_array,
        scipy.sparse.csc_matrix,
        np.asfortranarray,
        lambda M: M.astype(np.int32),
    ):
        np.testing.assert_allclose(
            sample.apply_factors([convert(factor) for factor in A]), expected, atol=1e-12
        )


def test_errors_name_what_is_wrong(rng):
    A = factors_of(rng, [(10, 2), (8, 3)])
    sample = KroneckerSRHT(16, random_state=0).sample(A)
    for call, words in (
        (lambda: KroneckerSRHT(0), "size"),
        (lambda: KroneckerSRHT(10_000).sample((10, 8)), "at most 128"),
        (lambda: KroneckerSRHT(4).sample(10), "list or tuple"),
        (lambda: KroneckerSRHT(4).sample(()), "at least one factor"),
        (lambda: KroneckerSRHT(4).sample((3, 0)), r"rows\[1\]"),
        (lambda: sample.apply_factors(A[:1]), "1 factors"),
        (lambda: sample.apply_factors(A[::-1]), r"factors\[0\] has 8 rows"),
        (lambda: sample.apply_khatri_rao(A), "equally many"),
        (lambda: sample.apply(np.ones(79)), "80 rows"),
        (lambda: sample.adjoint(np.ones(3)), "has 16"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_polynomial_features_keep_their_inner_products(rng):
    """The mean over sketches is the polynomial kernel: Pham and Pagh's use of it."""
    X = rng.standard_normal((6, 10)) / 3
    kernel = (X @ X.T) ** 3
    made = []
    for seed in range(60):
        features = TensorSketch(256, random_state=seed).sample((10, 10, 10)).apply_khatri_rao([X.T] * 3).T
        made.append(features @ features.T)
    made = np.array(made)
    scores = (made.mean(axis=0) - kernel) / (made.std(axis=0) / np.sqrt(len(made)))
    assert np.abs(scores).max() < 4.5


def test_embeds_a_coherent_product(rng):
    """Singular values of S Q stay within those that Marchenko and Pastur's law gives, and a little."""
    A = factors_of(rng, [(128, 5), (64, 4)])
    A[0][:5] += 100 * np.eye(5)
    A[1][:4] += 100 * np.eye(4)
    Q = [np.linalg.qr(factor)[0] for factor in A]
    edge = np.sqrt(20 / 320)
    for seed in range(10):
        values = np.linalg.svd(
            KroneckerSRHT(320, random_state=seed).sample(Q).apply_factors(Q), compute_uv=False
        )
        assert values[0] < 1 + 1.5 * edge
        assert values[-1] > 1 - 1.5 * edge
