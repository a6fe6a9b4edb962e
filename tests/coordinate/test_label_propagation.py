"""Label propagation against dense oracles, its invariances, its bounds, and its estimator."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from sklearn.semi_supervised import LabelPropagation
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsesolve.coordinate import label_propagation
from sparsesolve.coordinate.graph_estimator import GraphLabelPropagation
from sparsesolve.datasets.graphs import make_lattice_labels, make_two_moons_graph
from sparsesolve.result import Status


def random_problem(rng, n=40, *, uniform=False, columns=None, n_labelled=6, density=0.12):
    """A connected weighted graph with loops, and labels."""
    A = rng.random((n, n)) * (rng.random((n, n)) < density)
    A[np.arange(n - 1), np.arange(1, n)] = rng.random(n - 1) + 0.1
    A = A + A.T
    if uniform:
        A = (A > 0) * 3.0
        np.fill_diagonal(A, 0.0)
    nodes = rng.choice(n, n_labelled, replace=False)
    labels = rng.standard_normal(n_labelled if columns is None else (n_labelled, columns))
    return scipy.sparse.csr_array(A), nodes, labels


def dense_system(weights, nodes, labels):
    """Naive: the matrix, the right-hand side and the unknowns."""
    W = weights.toarray().astype(np.float64)
    L = np.diag(W.sum(axis=1)) - W
    unknown = np.setdiff1d(np.arange(len(W)), nodes)
    return L[np.ix_(unknown, unknown)], -L[np.ix_(unknown, nodes)] @ labels, unknown


def harmonic(weights, nodes, labels):
    Q, c, unknown = dense_system(weights, nodes, labels)
    values = np.empty((weights.shape[0], *labels.shape[1:]))
    values[nodes], values[unknown] = labels, np.linalg.solve(Q, c)
    return values


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("columns", [None, 1, 3, 20])
def test_values_are_harmonic(rng, uniform, columns):
    for _ in range(5):
        weights, nodes, labels = random_problem(rng, uniform=uniform, columns=columns)
        result = label_propagation(weights, nodes, labels, tol=1e-13)
        oracle = harmonic(weights, nodes, labels)
        assert result.converged
        assert result.solution.values.shape == oracle.shape
        np.testing.assert_allclose(result.solution.values, oracle, atol=1e-10)
        np.testing.assert_array_equal(result.solution.values[nodes], labels)


@pytest.mark.parametrize(
    "graph", [make_lattice_labels(30, random_state=3), make_two_moons_graph(800, random_state=3)]
)
def test_certificate_is_the_residual(graph):
    result = label_propagation(graph.weights, graph.labelled, graph.labels, tol=1e-8)
    keep = np.setdiff1d(np.arange(graph.weights.shape[0]), result.solution.undetermined)
    weights = graph.weights[keep][:, keep]
    Q, c, unknown = dense_system(weights, np.searchsorted(keep, graph.labelled), graph.labels)
    residual = np.linalg.norm(c - Q @ result.solution.values[keep][unknown]) / np.linalg.norm(c)
    assert residual == pytest.approx(result.certificate["relative_residual"], rel=1e-5)
    assert residual <= 1e-8


def test_energy_is_the_papers(rng):
    graph = make_lattice_labels()
    result = label_propagation(graph.weights, graph.labelled, graph.labels)
    v, W = result.solution.values, graph.weights.tocoo()
    i, j = W.coords
    energy = 0.25 * (W.data * (v[i] - v[j]) ** 2).sum()
    constant = 0.5 * (graph.weights[graph.labelled].sum(axis=1) * graph.labels**2).sum()
    among = graph.weights[graph.labelled][:, graph.labelled]
    constant -= 0.5 * graph.labels @ (among @ graph.labels)
    assert result.solution.energy == pytest.approx(energy, rel=1e-12)
    assert energy - constant == pytest.approx(-1045999575.2270696, rel=1e-9)


def test_permutation_scale_and_shift(rng):
    weights, nodes, labels = random_problem(rng)
    values = label_propagation(weights, nodes, labels, tol=1e-12).solution.values
    order = rng.permutation(weights.shape[0])
    place = np.argsort(order)
    moved = label_propagation(weights[order][:, order], place[nodes], labels, tol=1e-12).solution.values
    np.testing.assert_allclose(moved, values[order], atol=1e-10)
    for factor in (1e-150, 1e150):
        scaled = label_propagation(weights * factor, nodes, labels, tol=1e-12).solution.values
        np.testing.assert_allclose(scaled, values, atol=1e-10)
    for factor in (1e-150, 1e150):
        scaled = label_propagation(weights, nodes, labels * factor, tol=1e-12).solution.values
        np.testing.assert_allclose(scaled / factor, values, atol=1e-10)
    shifted = label_propagation(weights, nodes, labels + 1e6, tol=1e-12).solution.values
    np.testing.assert_allclose(shifted - 1e6, values, atol=1e-8)


def test_parts_without_labels_get_the_mean():
    weights = scipy.sparse.block_diag([np.ones((3, 3)), np.ones((2, 2)), np.zeros((1, 1))], format="csr")
    with pytest.warns(UserWarning, match="3 nodes, such as node 3"):
        result = label_propagation(weights, [0, 1], [1.0, 4.0])
    assert result.converged
    np.testing.assert_array_equal(result.solution.undetermined, [3, 4, 5])
    np.testing.assert_allclose(result.solution.values, 2.5 * np.ones(6) + [-1.5, 1.5, 0, 0, 0, 0], atol=1e-9)


@pytest.mark.parametrize("labels", [0.0, 3.0, 1 / 3])
def test_equal_labels_everywhere(rng, labels):
    weights, nodes, _ = random_problem(rng)
    result = label_propagation(weights, nodes, np.full(nodes.size, labels))
    assert result.converged
    np.testing.assert_allclose(result.solution.values, labels, atol=1e-14)


def test_all_nodes_labelled(rng):
    weights, _, _ = random_problem(rng, n=10)
    labels = rng.standard_normal((10, 2))
    result = label_propagation(weights, np.ones(10, bool), labels)
    assert result.converged
    np.testing.assert_array_equal(result.solution.values, labels)


def test_forms_of_the_graph(rng):
    weights, nodes, labels = random_problem(rng)
    values = label_propagation(weights, nodes, labels).solution.values
    coo = weights.tocoo()
    i, j = coo.coords
    shuffled = rng.permutation(coo.nnz)
    half = scipy.sparse.coo_array(
        (np.tile(coo.data[shuffled] / 2, 2), (np.tile(i[shuffled], 2), np.tile(j[shuffled], 2))),
        weights.shape,
    )
    zeros = weights.copy()
    zeros.indices, zeros.indptr = zeros.indices.astype(np.int64), zeros.indptr.astype(np.int64)
    for form in (weights.tocsc(), half, zeros, scipy.sparse.csr_matrix(weights)):
        before = form.copy()
        again = label_propagation(form, nodes, labels).solution.values
        np.testing.assert_allclose(again, values, atol=1e-12)
        assert (form != before).nnz == 0
    integers = scipy.sparse.csr_array((weights.toarray() > 0).astype(np.int32))
    np.testing.assert_allclose(
        label_propagation(integers, nodes, labels).solution.values,
        harmonic(integers, nodes, labels),
        atol=1e-8,
    )


def test_weights_of_many_sizes(rng):
    weights, nodes, labels = random_problem(rng, density=0.3)
    sizes = scipy.sparse.csr_array(weights)
    sizes.data = 10.0 ** (6 * np.sin(1e3 * sizes.data))  # symmetric, as equal weights stay equal
    result = label_propagation(sizes, nodes, labels, tol=1e-10)
    assert result.converged
    Q, c, unknown = dense_system(sizes, nodes, labels)
    assert np.linalg.norm(c - Q @ result.solution.values[unknown]) <= 1e-10 * np.linalg.norm(c)


@pytest.mark.parametrize("bounds", [(-0.2, 0.3), (-np.inf, 0.1), (0.0, None), (5.0, 6.0), (-9.0, 9.0)])
@pytest.mark.parametrize("uniform", [True, False])
def test_bounds_against_scipy(rng, bounds, uniform):
    weights, nodes, labels = random_problem(rng, n=60, uniform=uniform)
    lower, upper = bounds
    result = label_propagation(weights, nodes, labels, lower=lower, upper=upper, tol=1e-11)
    assert result.converged
    Q, c, unknown = dense_system(weights, nodes, labels)
    factor = np.linalg.cholesky(Q).T
    box = (lower, np.inf if upper is None else upper)
    oracle = scipy.optimize.lsq_linear(factor, np.linalg.solve(factor.T, c), box, method="bvls", tol=1e-14)
    np.testing.assert_allclose(result.solution.values[unknown], oracle.x, atol=1e-8)
    x = result.solution.values[unknown]
    assert (x >= box[0]).all() and (x <= box[1]).all()  # noqa: PT018


def test_bounds_for_each_node_and_column(rng):
    weights, nodes, labels = random_problem(rng, n=50, columns=3)
    lower, upper = rng.uniform(-1, 0, 50), rng.uniform(0, 1, 50)
    lower[7] = upper[7] = 0.25
    result = label_propagation(weights, nodes, labels, lower=lower, upper=upper, tol=1e-11)
    Q, c, unknown = dense_system(weights, nodes, labels)
    x = result.solution.values[unknown]
    gradient = Q @ x - c
    low, high = lower[unknown, None], upper[unknown, None]
    free = np.where(x > low, np.maximum(gradient, 0), 0) + np.where(x < high, np.minimum(gradient, 0), 0)
    residual = np.linalg.norm(free, axis=0) / np.linalg.norm(c, axis=0)
    assert result.converged
    assert residual.max() == pytest.approx(result.certificate["kkt_residual"], abs=1e-15)
    assert residual.max() <= 1e-11


def test_bounds_on_a_lattice():
    graph = make_lattice_labels(60, random_state=5, weight=2.0)
    free = label_propagation(graph.weights, graph.labelled, graph.labels)
    bounded = label_propagation(graph.weights, graph.labelled, graph.labels, lower=-2.0, upper=3.0)
    unknown = np.setdiff1d(np.arange(3600), graph.labelled)
    assert bounded.converged
    assert bounded.solution.energy > free.solution.energy
    assert bounded.solution.values[unknown].min() == -2.0
    assert bounded.solution.values[unknown].max() == 3.0
    assert bounded.n_iter < 40


def test_ends_of_a_run():
    graph = make_lattice_labels(40, random_state=2)
    arguments = graph.weights, graph.labelled, graph.labels
    with pytest.warns(UserWarning, match="MAX_ITER"):
        result = label_propagation(*arguments, max_iter=3)
    assert result.status is Status.MAX_ITER
    assert result.n_iter == 3
    unknown = np.setdiff1d(np.arange(1600), graph.labelled)
    Q, c, _ = dense_system(graph.weights, graph.labelled, graph.labels)
    residual = np.linalg.norm(c - Q @ result.solution.values[unknown]) / np.linalg.norm(c)
    assert residual == pytest.approx(result.certificate["relative_residual"], rel=1e-6)
    assert residual == pytest.approx(result.trace["certificate"][-1], rel=1e-6)
    with pytest.warns(UserWarning, match="STALLED"):
        assert label_propagation(*arguments, tol=0.0).certificate["relative_residual"] < 1e-14
    with pytest.warns(UserWarning, match="STOPPED"):
        assert label_propagation(*arguments, callback=lambda _: True).status is Status.STOPPED
    with pytest.warns(UserWarning, match="TIME_LIMIT"):
        assert label_propagation(*arguments, max_time=0.0).status is Status.TIME_LIMIT


def test_same_bits_each_time():
    graph = make_two_moons_graph(500, random_state=4, labelled=0.1)
    one, other = (label_propagation(graph.weights, graph.labelled, graph.labels) for _ in range(2))
    np.testing.assert_array_equal(one.solution.values, other.solution.values)


def test_bad_input():
    path = scipy.sparse.diags_array([np.ones(3), np.ones(3)], offsets=[-1, 1], shape=(4, 4)).tocsr()
    lopsided, one_way, not_finite = path.toarray(), path.toarray(), path.toarray()
    lopsided[0, 1], one_way[0, 3], not_finite[1, 2] = 2.0, 1.0, np.nan
    lopsided, one_way, not_finite = map(scipy.sparse.csr_array, (lopsided, one_way, not_finite))
    for arguments, options, message in (
        ((path.toarray(), [0], [1.0]), {}, "sparse"),
        ((path[:3], [0], [1.0]), {}, "square"),
        ((-path, [0], [1.0]), {}, r"weights\[0, 1\]=-1.0 is negative"),
        ((lopsided, [0], [1.0]), {}, "must be symmetric"),
        ((one_way, [0], [1.0]), {}, "must be symmetric"),
        ((one_way.T.tocsr(), [0], [1.0]), {}, "must be symmetric"),
        ((not_finite, [0], [1.0]), {}, "NaN"),
        ((path, [], []), {}, "labelled is empty"),
        ((path, [4], [1.0]), {}, r"\[0, 4\)"),
        ((path, [0, 0], [1.0, 2.0]), {}, "more than once"),
        ((path, [True, False], [1.0]), {}, "mask"),
        ((path, [0], [1.0, 2.0]), {}, "labels has shape"),
        ((path, [0], [np.nan]), {}, "NaN"),
        ((path, [0], [1.0]), {"lower": 2.0, "upper": 1.0}, "lower is 2.0 and upper is 1.0"),
        ((path, [0], [1.0]), {"lower": [1.0, 2.0]}, "lower"),
        ((path, [0], [1.0]), {"upper": np.nan}, "upper"),
        ((path, [0], [1.0]), {"tol": -1.0}, "tol"),
        ((path, [0], [1.0]), {"max_iter": 0}, "max_iter"),
    ):
        with pytest.raises(ValueError, match=message):
            label_propagation(*arguments, **options)


@parametrize_with_checks([GraphLabelPropagation(), GraphLabelPropagation(weights="gaussian", n_neighbors=3)])
def test_scikit_learn_check(estimator, check):
    check(estimator)


def moons(n=400, share=0.1):
    graph = make_two_moons_graph(n, random_state=0, noise=0.1, labelled=share)
    y = np.full(n, -1)
    y[graph.labelled] = graph.classes[graph.labelled]
    return graph, y


def test_estimator_agrees_with_scikit_learn():
    graph, y = moons()
    weights = graph.weights.toarray()
    model = GraphLabelPropagation(metric="precomputed", tol=1e-12).fit(graph.weights, y)
    peer = LabelPropagation(kernel=lambda X, Y: weights, max_iter=100_000, tol=1e-9).fit(graph.points, y)
    np.testing.assert_allclose(model.label_distributions_, peer.label_distributions_, atol=1e-4)
    np.testing.assert_array_equal(model.transduction_[graph.labelled], y[graph.labelled])
    assert (model.transduction_ == graph.classes).mean() > 0.97


def test_columns_of_many_classes(rng):
    weights, nodes, _ = random_problem(rng, n=60, n_labelled=20)
    names = np.array(["a", "b", "c", "d"], dtype=object)
    y = np.full(60, None, dtype=object)
    y[nodes] = names[np.arange(20) % 4]
    model = GraphLabelPropagation(metric="precomputed").fit(weights, y)
    np.testing.assert_array_equal(model.classes_, names)
    one_hot = np.eye(4)[np.arange(20) % 4]
    np.testing.assert_allclose(model.label_distributions_, harmonic(weights, nodes, one_hot), atol=1e-8)
    np.testing.assert_allclose(model.predict_proba(weights), (weights @ model.label_distributions_)
                               / weights.sum(axis=1)[:, None], atol=1e-12)  # fmt: skip
    with pytest.raises(ValueError, match="no positive weight"):
        model.predict(np.zeros((1, 60)))


def test_two_classes_are_those_of_the_columns(rng):
    weights, nodes, _ = random_problem(rng, n=60)
    y = np.full(60, -1)
    y[nodes] = np.arange(6) % 2 + 3
    model = GraphLabelPropagation(metric="precomputed", tol=1e-12).fit(weights, y)
    oracle = harmonic(weights, nodes, np.eye(2)[np.arange(6) % 2])
    np.testing.assert_allclose(model.label_distributions_, oracle, atol=1e-10)
    np.testing.assert_array_equal(model.classes_, [3, 4])


def test_what_marks_unlabelled_nodes(rng):
    X = rng.standard_normal((20, 2))
    y = np.where(np.arange(20) % 3 == 0, -1.0, 1.0)
    assert list(GraphLabelPropagation().fit(X, y).classes_) == [-1, 1]
    y[:5] = np.nan
    assert list(GraphLabelPropagation(task="classification").fit(X, y).classes_) == [-1, 1]
    assert hasattr(GraphLabelPropagation().fit(X, y), "values_")
    for bad, message in ((np.full(20, np.nan), "NaN marks"), (np.full(20, np.inf), "infinity")):
        with pytest.raises(ValueError, match=message):
            GraphLabelPropagation().fit(X, bad)
    with pytest.raises(ValueError, match="-1 marks"):
        GraphLabelPropagation().fit(X, np.full(20, -1))


def test_regression(rng):
    X = rng.random((300, 2))
    truth = np.sin(4 * X[:, 0]) + X[:, 1]
    y = np.where(rng.random(300) < 0.4, truth, np.nan)
    model = GraphLabelPropagation(lower=0.5).fit(X, y)
    known = ~np.isnan(y)
    np.testing.assert_array_equal(model.values_[known], y[known])
    assert model.values_[~known].min() == 0.5
    assert not hasattr(model, "predict_proba")
    np.testing.assert_allclose(model.predict(X), model.values_)
    assert model.score(X, np.maximum(truth, 0.5)) > 0.8
    assert "kkt_residual" in model.result_.certificate
    with pytest.raises(ValueError, match="bound numbers"):
        GraphLabelPropagation(lower=0.5).fit(X, known.astype(int))


def test_new_points_get_what_a_new_node_would_have(rng):
    graph, y = moons()
    model = GraphLabelPropagation(n_neighbors=4).fit(graph.points, y)
    new = rng.standard_normal((5, 2))
    near = np.argsort(np.linalg.norm(graph.points[None] - new[:, None], axis=2), axis=1)[:, :4]
    expected = model.label_distributions_[near].mean(axis=1)
    np.testing.assert_allclose(model.predict_proba(new), expected, atol=1e-12)
    np.testing.assert_array_equal(model.predict(graph.points), model.transduction_)


def test_part_without_labels_warns_in_fit(rng):
    X = np.concatenate([rng.random((10, 2)), rng.random((10, 2)) + 100])
    y = np.full(20, -1)
    y[:3] = [5, 6, 6]
    with pytest.warns(UserWarning, match="10 nodes"):
        model = GraphLabelPropagation(n_neighbors=3).fit(X, y)
    np.testing.assert_array_equal(model.undetermined_, np.arange(10, 20))
    np.testing.assert_allclose(model.label_distributions_[10:], [[1 / 3, 2 / 3]] * 10)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_generators(n):
    lattice = make_lattice_labels(n, 5, labelled=0.5, random_state=None)
    assert (lattice.weights != lattice.weights.T).nnz == 0
    assert lattice.weights.nnz == 2 * (n * 4 + (n - 1) * 5)
    moons = make_two_moons_graph(n + 5, n_neighbors=3, random_state=n)
    assert (moons.weights != moons.weights.T).nnz == 0
    assert moons.weights.diagonal().max() == 0
    assert np.diff(moons.weights.indptr).min() >= 3
    again = make_two_moons_graph(n + 5, n_neighbors=3, random_state=n)
    np.testing.assert_array_equal(again.points, moons.points)
