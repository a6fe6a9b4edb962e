"""Orders and equivalence classes, against the enumeration of all small graphs."""

import itertools
import time

import numpy as np
import pytest

from sparsesolve.graphs import (
    completed_partially_directed_graph,
    consistent_extension,
    is_acyclic,
    skeleton,
    topological_order,
)
from sparsesolve.graphs.order import descendants, find_cycle


def all_graphs(d):
    """All directed acyclic graphs of d nodes: by the order of their nodes, each once."""
    pairs = list(itertools.combinations(range(d), 2))
    seen = set()
    for order in itertools.permutations(range(d)):
        for chosen in itertools.product([False, True], repeat=len(pairs)):
            edges = np.zeros((d, d), dtype=bool)
            for (i, j), there in zip(pairs, chosen, strict=True):
                edges[order[i], order[j]] = there
            if edges.tobytes() not in seen:
                seen.add(edges.tobytes())
                yield edges


def class_of(edges):
    """Skeleton and v-structures: what Markov equivalent graphs have in common (Verma and Pearl)."""
    joined = edges | edges.T
    colliders = frozenset(
        (i, k, j)
        for i, j in itertools.combinations(range(len(edges)), 2)
        for k in range(len(edges))
        if edges[i, k] and edges[j, k] and not joined[i, j]
    )
    return joined.tobytes(), colliders


def classes(d):
    groups = {}
    for edges in all_graphs(d):
        groups.setdefault(class_of(edges), []).append(edges)
    return list(groups.values())


def random_graph(rng, d, share):
    edges = np.triu(rng.random((d, d)) < share, 1)
    shuffled = rng.permutation(d)
    return edges[np.ix_(shuffled, shuffled)]


@pytest.mark.parametrize(("d", "n_graphs", "n_classes"), [(1, 1, 1), (2, 3, 2), (3, 25, 11), (4, 543, 185)])
def test_completed_graph_is_the_union_of_its_class(d, n_graphs, n_classes):
    groups = classes(d)
    assert len(groups) == n_classes
    assert sum(map(len, groups)) == n_graphs
    for members in groups:
        union = np.logical_or.reduce(members)
        for edges in members:
            np.testing.assert_array_equal(completed_partially_directed_graph(edges), union)
        extension = consistent_extension(union)
        assert any(np.array_equal(extension, edges) for edges in members)


@pytest.mark.parametrize("d", [3, 4])
def test_background_keeps_the_members_that_agree_with_it(d):
    rng = np.random.default_rng(0)
    for members in classes(d):
        for edges in members[:4]:
            known = edges & (rng.random((d, d)) < 0.4)
            agree = [other for other in members if not (known & ~other).any()]
            found = completed_partially_directed_graph(edges, background=known)
            np.testing.assert_array_equal(found, np.logical_or.reduce(agree))


@pytest.mark.parametrize(("d", "share"), [(8, 0.4), (12, 0.3), (30, 0.1), (30, 0.5)])
def test_large_classes(d, share):
    rng = np.random.default_rng(d)
    for _ in range(20):
        edges = random_graph(rng, d, share)
        completed = completed_partially_directed_graph(edges)
        np.testing.assert_array_equal(skeleton(completed), edges | edges.T)
        assert not (edges & ~completed).any()
        # Meek's rules agree: nothing is added where the v-structures are known.
        np.testing.assert_array_equal(
            completed_partially_directed_graph(edges, background=edges & ~completed.T), completed
        )
        extension = consistent_extension(completed)
        assert class_of(extension) == class_of(edges)
        np.testing.assert_array_equal(completed_partially_directed_graph(extension), completed)


def test_a_reversible_edge_can_be_reversed():
    rng = np.random.default_rng(3)
    for _ in range(20):
        edges = random_graph(rng, 7, 0.4)
        completed = completed_partially_directed_graph(edges)
        for i, j in np.argwhere(completed & completed.T & edges):
            known = completed_partially_directed_graph(consistent_extension_with(completed, j, i))
            np.testing.assert_array_equal(known, completed)


def consistent_extension_with(completed, i, j):
    """A member of the class that has the edge i -> j: by trying all directions of undirected edges."""
    graph = completed.copy()
    graph[j, i] = False
    return consistent_extension(graph)


def test_order_and_cycles():
    rng = np.random.default_rng(1)
    for _ in range(200):
        d = int(rng.integers(1, 7))
        edges = rng.random((d, d)) < 0.3
        np.fill_diagonal(edges, rng.random(d) < 0.05)
        # A graph is acyclic exactly if a power of its matrix vanishes.
        acyclic = not np.linalg.matrix_power(edges.astype(int), d).any()
        assert is_acyclic(edges) == acyclic
        if acyclic:
            order = topological_order(edges)
            place = np.argsort(order)
            assert all(place[i] < place[j] for i, j in np.argwhere(edges))
            powers = sum(np.linalg.matrix_power(edges.astype(int), k) for k in range(1, d + 1))
            np.testing.assert_array_equal(descendants(edges), powers > 0)
        else:
            cycle = find_cycle(edges)
            assert cycle[0] == cycle[-1]
            assert len(set(cycle[:-1])) == len(cycle) - 1 > 0
            assert all(edges[i, j] for i, j in itertools.pairwise(cycle))
            with pytest.raises(ValueError, match=f"{cycle[0]} -> {cycle[1]}"):
                topological_order(edges)


def test_order_is_the_first_in_the_dictionary():
    for edges in all_graphs(4):
        orders = [
            order
            for order in itertools.permutations(range(4))
            if all(order.index(i) < order.index(j) for i, j in np.argwhere(edges))
        ]
        assert topological_order(edges).tolist() == list(min(orders))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ([[0, 1], [1, 0]], r"cycle 0 -> 1 -> 0"),
        ([[0, 1, 0], [0, 0, 1]], r"shape \(2, 3\)"),
        ([[0, np.nan], [0, 0]], r"adjacency\[0, 1\] is NaN"),
        ([[1]], r"cycle 0 -> 0"),
    ],
)
def test_what_is_no_acyclic_graph(graph, message):
    with pytest.raises(ValueError, match=message):
        completed_partially_directed_graph(graph)


def test_graphs_without_an_extension():
    # An undirected square has none: each direction makes a v-structure or a cycle.
    square = np.zeros((4, 4), dtype=bool)
    for i in range(4):
        square[i, (i + 1) % 4] = square[(i + 1) % 4, i] = True
    with pytest.raises(ValueError, match="no acyclic extension"):
        consistent_extension(square)
    with pytest.raises(ValueError, match="no acyclic extension"):
        consistent_extension([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match="loop at node 1"):
        consistent_extension([[0, 1], [0, 1]])


def test_input_stays_and_layouts_do_not_matter():
    rng = np.random.default_rng(2)
    weights = np.triu(rng.standard_normal((9, 9)) * (rng.random((9, 9)) < 0.4), 1)
    before = weights.copy()
    expected = completed_partially_directed_graph(weights)
    weights.flags.writeable = False
    np.testing.assert_array_equal(completed_partially_directed_graph(weights), expected)
    np.testing.assert_array_equal(completed_partially_directed_graph(np.asfortranarray(weights)), expected)
    np.testing.assert_array_equal(weights, before)
    consistent_extension(expected)
    np.testing.assert_array_equal(completed_partially_directed_graph(before), expected)


def test_500_nodes_take_well_under_a_second():
    edges = random_graph(np.random.default_rng(0), 500, 8 / 499)
    consistent_extension(completed_partially_directed_graph(np.eye(3, k=1)))
    completed_partially_directed_graph(np.eye(3, k=1), background=np.eye(3, k=1))
    start = time.perf_counter()
    completed = completed_partially_directed_graph(edges)
    consistent_extension(completed)
    completed_partially_directed_graph(edges, background=edges & ~completed.T)
    assert time.perf_counter() - start < 2.0
