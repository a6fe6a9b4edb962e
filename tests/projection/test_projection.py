"""Sparse random projections and FastRP, against dense products and a naive form of the published recipe."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from scipy.stats import chisquare
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.random_projection import SparseRandomProjection
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from sparsesolve.projection import FastRP, SparseProjection, random_signs
from sparsesolve.random import Stream


@parametrize_with_checks([SparseProjection(n_components=3)])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_entries_follow_the_law():
    for density in (0.3, 0.01):
        signs = random_signs(7, Stream.SPARSE_PROJECTION, (400, 500), density)
        n = 400 * 500
        counts = [(signs.data == value).sum() for value in (1, -1)]
        assert (
            chisquare(
                [*counts, n - sum(counts)], n * np.array([density / 2, density / 2, 1 - density])
            ).pvalue
            > 1e-3
        )
        # No row, column, or distance between neighbours in a row is preferred.
        for axis in (0, 1):
            made = np.asarray(np.abs(signs).sum(axis=axis))
            scores = (made - n / made.size * density) / np.sqrt(n / made.size * density * (1 - density))
            assert 0.8 < scores.std() < 1.2
        gaps = np.diff(signs.indices)[np.diff(signs.indices) > 0]
        assert abs((gaps == 1).mean() - density) < 5 * np.sqrt(density / gaps.size) + 0.02 * density
    whole = random_signs(7, Stream.SPARSE_PROJECTION, (5, 6), 1.0).toarray()
    assert (np.abs(whole) == 1).all()


def test_entries_depend_on_their_place_alone():
    whole = random_signs(3, Stream.SPARSE_PROJECTION, (60, 800), 0.05).toarray()
    part = random_signs(3, Stream.SPARSE_PROJECTION, (17, 300), 0.05).toarray()
    np.testing.assert_array_equal(whole[:17, :300], part)
    with threadpool_limits(1):
        np.testing.assert_array_equal(
            random_signs(3, Stream.SPARSE_PROJECTION, (60, 800), 0.05).toarray(), whole
        )
    assert (random_signs(4, Stream.SPARSE_PROJECTION, (60, 800), 0.05).toarray() != whole).any()
    assert (random_signs(3, Stream.NODE_PROJECTION, (60, 800), 0.05).toarray() != whole).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [1, 31, 32, 300])
def test_projection_is_the_product(rng, dtype, n_rows):
    X = rng.standard_normal((n_rows, 700)).astype(dtype)
    before = X.copy()
    model = SparseProjection(50, random_state=0).fit(X)
    made = model.transform(X)
    assert made.dtype == dtype
    expected = X @ model.components_.toarray().T
    np.testing.assert_allclose(made, expected, atol=50 * np.finfo(dtype).eps * np.abs(expected).max())
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(made, model.transform(np.asfortranarray(X)))
    np.testing.assert_array_equal(made[:1], model.transform(X[:1]))
    with threadpool_limits(1):
        np.testing.assert_array_equal(made, model.transform(X))


def test_sparse_input(rng):
    X = scipy.sparse.random_array((40, 500), density=0.05, rng=rng, format="csc")
    model = SparseProjection(30, random_state=0).fit(X)
    made = model.transform(X)
    assert scipy.sparse.issparse(made)
    np.testing.assert_allclose(made.toarray(), model.transform(X.toarray()), atol=1e-12)
    dense = SparseProjection(30, random_state=0, dense_output=True).fit_transform(X)
    np.testing.assert_allclose(dense, made.toarray(), atol=1e-12)


def test_same_law_and_names_as_scikit_learn(rng):
    X = rng.standard_normal((60, 4000))
    for arguments in ({"n_components": 300}, {"eps": 0.5}, {"n_components": 200, "density": 0.2}):
        mine = SparseProjection(**arguments, random_state=0).fit(X)
        theirs = SparseRandomProjection(**arguments, random_state=0).fit(X)
        assert mine.n_components_ == theirs.n_components_
        assert mine.density_ == pytest.approx(theirs.density_)
        assert mine.components_.shape == theirs.components_.shape
        np.testing.assert_allclose(np.unique(mine.components_.data), np.unique(theirs.components_.data))
        assert abs(mine.components_.nnz - theirs.components_.nnz) < 6 * np.sqrt(2 * theirs.components_.nnz)
        ratios = ((mine.transform(X) ** 2).sum(axis=1) / (X**2).sum(axis=1)) - 1
        assert abs(ratios.mean()) < 4 * np.sqrt(2 / mine.n_components_ / 60) + 0.02
        assert list(mine.get_feature_names_out()[:2]) == ["sparseprojection0", "sparseprojection1"]
    with pytest.raises(ValueError, match="larger than the original space"):
        SparseProjection(eps=0.05).fit(X)


def test_inverse_transform_projects_back(rng):
    X = rng.standard_normal((10, 200))
    for compute in (False, True):
        model = SparseProjection(40, compute_inverse_components=compute, random_state=0)
        made = model.fit_transform(X)
        np.testing.assert_allclose(model.transform(model.inverse_transform(made)), made, atol=1e-10)
    assert model.inverse_components_.shape == (200, 40)


def test_output_as_a_table(rng):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(rng.standard_normal((20, 100)), columns=[f"c{j}" for j in range(100)])
    model = SparseProjection(5, random_state=0).set_output(transform="pandas")
    assert list(model.fit_transform(X).columns) == [f"sparseprojection{k}" for k in range(5)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_components": 0}, "n_components"),
        ({"n_components": 5, "density": 0.0}, "density"),
        ({"n_components": 5, "density": 1.5}, "density"),
        ({"eps": 1.0}, "eps"),
    ],
)
def test_bad_parameters_of_the_projection(arguments, words):
    with pytest.raises(ValueError, match=words):
        SparseProjection(**arguments).fit(np.ones((5, 50)))


def naive_fastrp(A, projection, weights, exponent):
    """The authors' recipe, with numpy alone."""
    degrees = A.sum(axis=1)
    transition = A / degrees[:, None]
    now = transition @ (degrees[:, None] ** exponent * projection)
    total = 0.0
    for weight in weights:
        lengths = np.linalg.norm(now, axis=1, keepdims=True)
        total = total + weight * now / np.where(lengths > 0, lengths, 1)
        now = transition @ now
    return total / np.linalg.norm(total, axis=1, keepdims=True)


def communities(rng, n_groups=8, size=60, inside=0.15, outside=0.004):
    """A graph with groups; links are drawn once for each pair."""
    groups = np.repeat(np.arange(n_groups), size)
    chance = np.where(groups[:, None] == groups, inside, outside)
    upper = np.triu(rng.random(chance.shape) < chance, 1)
    return (upper | upper.T).astype(float)


def connected(A):
    A = A.copy()
    for i in np.flatnonzero(A.sum(axis=1) == 0):
        A[i, (i + 1) % len(A)] = A[(i + 1) % len(A), i] = 1.0
    return A


@pytest.mark.parametrize("exponent", [-0.628, 0.0, 0.5])
def test_fastrp_equals_the_naive_recipe(rng, exponent):
    A = connected(communities(rng)) * rng.uniform(0.5, 2.0)
    weights = (0.0, 1.0, 3.0)
    model = FastRP(40, weights=weights, degree_exponent=exponent, dtype="float64", random_state=5)
    made = model.fit_transform(scipy.sparse.csr_array(A))
    projection = random_signs(5, Stream.NODE_PROJECTION, (len(A), 40), model.density_).toarray()
    np.testing.assert_allclose(made, naive_fastrp(A, projection, weights, exponent), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1.0)
    single = FastRP(40, weights=weights, degree_exponent=exponent, random_state=5).fit(A)
    assert single.embedding_.dtype == np.float32
    np.testing.assert_allclose(single.embedding_, made, atol=2e-5)
    with threadpool_limits(1):
        np.testing.assert_array_equal(model.fit(A).embedding_, made)
    plain = FastRP(
        40, weights=(2.0,), degree_exponent=exponent, normalize=False, dtype="float64", random_state=5
    )
    degrees = A.sum(axis=1, keepdims=True)
    scale = 2.0 / np.sqrt(model.density_ * 40)
    np.testing.assert_allclose(
        plain.fit_transform(A), scale * (A / degrees) @ (degrees**exponent * projection), atol=1e-12
    )


def test_link_prediction_is_as_good_as_the_recipe(rng):
    A = communities(rng)
    pairs = np.argwhere(np.triu(A, 1))
    hidden = pairs[rng.permutation(len(pairs))[: len(pairs) // 5]]
    seen = A.copy()
    seen[hidden[:, 0], hidden[:, 1]] = seen[hidden[:, 1], hidden[:, 0]] = 0.0
    seen = connected(seen)
    absent = rng.integers(len(A), size=(4 * len(hidden), 2))
    absent = absent[(A[absent[:, 0], absent[:, 1]] == 0) & (absent[:, 0] != absent[:, 1])]
    tested = np.vstack([hidden, absent])
    labels = np.repeat([1, 0], [len(hidden), len(absent)])

    def auc(Z):
        return roc_auc_score(labels, np.einsum("ij,ij->i", Z[tested[:, 0]], Z[tested[:, 1]]))

    weights, exponent, n = (1.0, 1.0, 7.81, 45.28), -0.628, len(A)
    mine, theirs = [], []
    for seed in range(12):
        mine.append(auc(FastRP(64, random_state=seed).fit_transform(scipy.sparse.csr_array(seen))))
        signs = rng.choice([1.0, -1.0], (n, 64)) * (rng.random((n, 64)) < 1 / np.sqrt(n))
        theirs.append(auc(naive_fastrp(seen, signs, weights, exponent)))
    assert np.mean(theirs) > 0.75
    assert abs(np.mean(mine) - np.mean(theirs)) < 0.01


def test_nodes_without_links_get_zeros(rng):
    A = communities(rng)
    A[3] = A[:, 3] = 0.0
    made = FastRP(16, random_state=0).fit_transform(scipy.sparse.csr_array(A))
    assert np.isfinite(made).all()
    np.testing.assert_array_equal(made[3], 0.0)
    np.testing.assert_array_equal(FastRP(4, random_state=0).fit_transform(np.zeros((5, 5))), 0.0)


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_unit_of_the_links_does_not_matter(rng, factor, dtype):
    A = scipy.sparse.csr_array(connected(communities(rng)) * rng.uniform(0.5, 2.0))
    model = FastRP(16, dtype=dtype, random_state=0)
    expected = model.fit_transform(A)
    np.testing.assert_allclose(model.fit_transform(A * factor), expected, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("model", [SparseProjection(3), FastRP(3)], ids=["projection", "nodes"])
def test_the_first_entry_that_is_not_finite_is_named(model, value):
    X = np.ones((6, 6))
    X[2, 4] = value
    with pytest.raises(ValueError, match=r"X\[2, 4\] is (NaN|infinity)"):
        model.fit(X)
    if isinstance(model, SparseProjection):
        with pytest.raises(ValueError, match=r"X\[2, 4\] is (NaN|infinity)"):
            model.fit(np.ones((6, 6))).transform(X)


def test_copies_and_read_only_data(rng):
    X = rng.standard_normal((30, 40))
    graph = scipy.sparse.csr_array(connected(communities(rng)))
    X.flags.writeable = graph.data.flags.writeable = False
    model = SparseProjection(5, random_state=2).fit(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(X), model.transform(X))
    np.testing.assert_array_equal(clone(model).fit_transform(X), model.transform(X))
    nodes = FastRP(5, random_state=2).fit(graph)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(nodes)).embedding_, nodes.embedding_)
    np.testing.assert_array_equal(clone(nodes).fit_transform(graph), nodes.embedding_)


@pytest.mark.parametrize(
    ("arguments", "A", "words"),
    [
        ({}, np.ones((3, 4)), "square"),
        ({}, -np.ones((3, 3)), "negative"),
        ({"weights": ()}, np.ones((3, 3)), "weights"),
        ({"weights": 3.0}, np.ones((3, 3)), r"weights=3.0 must be a sequence"),
        ({"weights": (1.0, np.nan)}, np.ones((3, 3)), r"weights\[1\]"),
        ({"dtype": "int8"}, np.ones((3, 3)), "dtype"),
        ({"n_components": 0}, np.ones((3, 3)), "n_components"),
    ],
)
def test_bad_parameters_of_fastrp(arguments, A, words):
    with pytest.raises(ValueError, match=words):
        FastRP(**arguments).fit(A)


def test_a_graph_of_networkx_is_told_how_to_come_in():
    networkx = pytest.importorskip("networkx")
    graph = networkx.karate_club_graph()
    with pytest.raises(ValueError, match="to_scipy_sparse_array"):
        FastRP(4).fit(graph)
    assert FastRP(4, random_state=0).fit(networkx.to_scipy_sparse_array(graph)).embedding_.shape == (34, 4)
