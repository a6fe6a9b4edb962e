"""Forests: partitions, colourings and exact solves against dense oracles."""

import time

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.csgraph

from sparsesolve.coordinate import GraphQuadratic, colour_blocks, lattice_combs, tree_blocks
from sparsesolve.datasets.graphs import make_lattice_labels, make_two_moons_graph
from sparsesolve.operators.forest import ForestFactor, greedy_forest, is_forest, partition_into_forests


def random_forest(rng, n):
    """A diagonally dominant matrix whose graph is a forest with random names."""
    parents = np.array([rng.integers(0, i) if i and rng.random() < 0.9 else -1 for i in range(n)])
    child = np.flatnonzero(parents >= 0)
    A = np.zeros((n, n))
    A[child, parents[child]] = rng.standard_normal(child.size)
    A += A.T
    A += np.diag(np.abs(A).sum(axis=1) + 0.1 + rng.random(n))
    order = rng.permutation(n)
    return A[np.ix_(order, order)]


def random_graph(rng, n, density):
    A = scipy.sparse.random_array((n, n), density=density, rng=rng)
    return (A + A.T).tocsr()


def has_cycle(dense, nodes):
    """By counting: a graph without cycles has as many edges as nodes less parts."""
    part = dense[np.ix_(nodes, nodes)] != 0
    np.fill_diagonal(part, False)
    n_parts = scipy.sparse.csgraph.connected_components(part)[0]
    return part.sum() // 2 > len(nodes) - n_parts


def test_solve_is_exact_on_random_forests(rng):
    for _ in range(200):
        n = int(rng.integers(1, 40))
        A = random_forest(rng, n)
        b = rng.standard_normal((n, 3))
        factor = ForestFactor(scipy.sparse.csr_array(A))
        oracle = np.linalg.solve(A, b)
        assert np.abs(factor.solve(b) - oracle).max() <= 1e-12 * np.abs(oracle).max()
        assert np.abs(factor.solve(b[:, 0]) - oracle[:, 0]).max() <= 1e-12 * np.abs(oracle).max()
        assert factor.rank == n


def test_solve_on_a_block_in_any_order(rng):
    graph = make_lattice_labels(12, random_state=0)
    problem = GraphQuadratic.from_labels(graph.weights, graph.labelled, graph.labels)
    for block in tree_blocks(problem.Q, problem.lipschitz()):
        nodes = rng.permutation(block)
        b = rng.standard_normal(nodes.size)
        oracle = np.linalg.solve(problem.Q.toarray()[np.ix_(nodes, nodes)], b)
        x = ForestFactor(problem.Q, nodes).solve(b)
        assert np.abs(x - oracle).max() <= 1e-12 * np.abs(oracle).max()


def test_long_path_is_fast():
    n = 1_000_000
    ones = np.full(n - 1, -1.0)
    path = scipy.sparse.diags_array([ones, np.full(n, 2.1), ones], offsets=[-1, 0, 1]).tocsr()
    b = np.random.default_rng(0).standard_normal(n)
    factor = ForestFactor(path)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        x = factor.solve(b)
        seconds.append(time.perf_counter() - began)
    assert np.abs(path @ x - b).max() <= 1e-13
    assert min(seconds) < 0.06 * 5  # 0.02 s on a quiet machine


def test_singular_tree_gives_a_solution():
    path = scipy.sparse.csr_array([[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])
    factor = ForestFactor(path)
    b = np.array([1.0, -3.0, 2.0])
    assert factor.rank == 2
    np.testing.assert_allclose(path @ factor.solve(b), b, atol=1e-14)


def test_what_is_no_forest_is_refused():
    triangle = scipy.sparse.csr_array(np.ones((3, 3)) + 2 * np.eye(3))
    with pytest.raises(ValueError, match="cycle"):
        ForestFactor(triangle)
    assert ForestFactor(triangle, [0, 2]).rank == 2
    with pytest.raises(ValueError, match="semidefinite"):
        ForestFactor(scipy.sparse.csr_array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(ValueError, match="semidefinite"):
        ForestFactor(scipy.sparse.csr_array([[0.0, 1.0], [1.0, 1.0]]))


@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.5])
def test_partition_covers_and_has_no_cycles(rng, density):
    for _ in range(20):
        n = int(rng.integers(1, 50))
        graph = random_graph(rng, n, density)
        dense = graph.toarray()
        blocks = partition_into_forests(graph, rng.permutation(n))
        assert sorted(np.concatenate(blocks)) == list(range(n))
        assert not any(has_cycle(dense, block) for block in blocks)
        degree = int(np.count_nonzero(dense - np.diag(np.diag(dense)), axis=1).max())
        assert len(blocks) <= degree // 2 + 1


def test_is_forest_agrees_with_counting(rng):
    seen = set()
    for _ in range(200):
        n = int(rng.integers(2, 12))
        graph = random_graph(rng, n, 0.12)
        nodes = rng.permutation(n)[: int(rng.integers(1, n + 1))]
        expected = not has_cycle(graph.toarray(), nodes)
        assert is_forest(graph, nodes) is expected
        seen.add(expected)
    assert seen == {True, False}


def test_greedy_forest_is_what_a_naive_loop_finds(rng):
    for _ in range(30):
        n = int(rng.integers(1, 30))
        graph = random_graph(rng, n, 0.2)
        scores = rng.random(n)
        taken = []
        for node in np.argsort(-scores, kind="stable"):
            if not has_cycle(graph.toarray(), [*taken, node]):
                taken.append(node)
        np.testing.assert_array_equal(greedy_forest(graph, scores), np.sort(taken))


def test_colours_have_no_edges_inside(rng):
    for _ in range(20):
        n = int(rng.integers(1, 40))
        graph = random_graph(rng, n, 0.1)
        dense = graph.toarray() - np.diag(graph.diagonal())
        for order in (None, rng.permutation(n)):
            blocks = colour_blocks(graph, order)
            assert sorted(np.concatenate(blocks)) == list(range(n))
            assert not any(dense[np.ix_(block, block)].any() for block in blocks)


def test_two_colours_on_a_lattice_with_holes():
    graph = make_lattice_labels()
    problem = GraphQuadratic.from_labels(graph.weights, graph.labelled, graph.labels)
    assert len(colour_blocks(problem.couplings())) == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (2, 2), (5, 4), (4, 5)])
def test_combs_are_trees_that_cover(shape):
    weights = make_lattice_labels(*shape, labelled=0.1).weights
    blocks = lattice_combs(*shape)
    assert sorted(np.concatenate(blocks)) == list(range(shape[0] * shape[1]))
    assert len(blocks) <= 2
    for block in blocks:
        assert is_forest(weights, block)
        part = weights[block][:, block]
        assert scipy.sparse.csgraph.connected_components(part)[0] == 1


def test_combs_of_a_part_hold_places():
    nodes = np.array([7, 0, 4, 8])
    blocks = lattice_combs(3, 3, nodes)
    assert [list(nodes[block]) for block in blocks] == [[0], [7, 4, 8]]


def test_graph_quadratic_keeps_its_gradient(rng):
    graph = make_two_moons_graph(60, random_state=1, labelled=0.2)
    problem = GraphQuadratic.from_labels(graph.weights, graph.labelled, graph.labels)
    Q, c = problem.Q.toarray(), problem.c
    state = problem.start(rng.standard_normal(problem.n_coordinates))
    for _ in range(10):
        block = rng.permutation(problem.n_coordinates)[:7]
        problem.step(state, block, rng.standard_normal(7))
    np.testing.assert_allclose(problem.gradient(state), Q @ state.x - c, atol=1e-12)
    assert problem.value(state) == pytest.approx(0.5 * state.x @ Q @ state.x - c @ state.x)
    np.testing.assert_array_equal(problem.couplings().toarray() > 0, (Q != 0) & ~np.eye(len(Q), dtype=bool))


def test_the_papers_lattice_to_all_digits():
    graph = make_lattice_labels()
    problem = GraphQuadratic.from_labels(graph.weights, graph.labelled, graph.labels)
    x = np.linalg.solve(problem.Q.toarray(), problem.c)
    assert problem.n_coordinates == 2400
    assert problem.value(problem.start(x)) == pytest.approx(-1045999575.2270696, rel=1e-12)


def test_bad_input():
    graph = scipy.sparse.csr_array(np.ones((3, 3)))
    for call, message in (
        (lambda: is_forest(np.ones((3, 3))), "sparse"),
        (lambda: is_forest(graph[:2]), "square"),
        (lambda: is_forest(graph, [0, 3]), r"\[0, 3\)"),
        (lambda: is_forest(graph, [0, 0]), "more than once"),
        (lambda: is_forest(graph, [0.5]), "integers"),
        (lambda: partition_into_forests(graph, [0, 1]), "each one once"),
        (lambda: greedy_forest(graph, [1.0]), "scores"),
        (lambda: ForestFactor(graph, [0]).solve(np.ones(2)), "right"),
        (lambda: lattice_combs(0, 3), "n_rows"),
        (lambda: GraphQuadratic(scipy.sparse.csr_array([[1.0, 2.0], [3.0, 4.0]]), np.ones(2)), "symmetric"),
        (lambda: GraphQuadratic(graph, np.ones(2)), "c has shape"),
        (lambda: GraphQuadratic(-graph, np.ones(3)), "negative"),
        (lambda: GraphQuadratic.from_labels(graph, [0], [1.0, 2.0]), "labels has shape"),
        (lambda: GraphQuadratic.from_labels(graph, [0, 1, 2], np.ones(3)), "all nodes"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
