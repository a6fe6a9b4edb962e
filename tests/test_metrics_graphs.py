"""Distances between graphs, against naive definitions and against population effects."""

import itertools

import numpy as np
import pytest

from sparsesolve.graphs import completed_partially_directed_graph
from sparsesolve.metrics import (
    cpdag_hamming_distance,
    false_discovery_rate,
    noise_scale_error,
    structural_hamming_distance,
    structural_intervention_distance,
    true_positive_rate,
)


def random_graph(rng, d, share):
    edges = np.triu(rng.random((d, d)) < share, 1)
    shuffled = rng.permutation(d)
    return edges[np.ix_(shuffled, shuffled)]


def reach(edges):
    """[i, j] for a directed path from i to j, i = j included."""
    return np.linalg.matrix_power(np.eye(len(edges), dtype=int) + edges, len(edges)) > 0


def is_open(path, edges, adjusted, below):
    """Whether a path is not blocked: colliders have an adjusted node below them, other nodes are not adjusted."""
    for before, node, after in zip(path, path[1:], path[2:], strict=False):
        if edges[before, node] and edges[after, node]:
            if not (below[node] & adjusted).any():
                return False
        elif adjusted[node]:
            return False
    return True


def naive_intervention_distance(truth, estimate):
    """By the definition: the adjustment criterion, over all paths."""
    d, below, wrong = len(truth), reach(truth), 0
    joined = truth | truth.T
    for i, j in itertools.permutations(range(d), 2):
        adjusted = estimate[:, i]
        if adjusted[j]:
            wrong += below[i, j]
            continue
        others = [node for node in range(d) if node not in (i, j)]
        valid = True
        for size in range(len(others) + 1):
            for between in itertools.permutations(others, size):
                path = (i, *between, j)
                steps = list(itertools.pairwise(path))
                if not all(joined[step] for step in steps):
                    continue
                if all(truth[step] for step in steps):
                    valid &= not any((below[node] & adjusted).any() for node in path[1:])
                else:
                    valid &= not is_open(path, truth, adjusted, below)
        wrong += not valid
    return wrong


def population_intervention_distance(rng, truth, estimate):
    """Pairs for which the adjusted regression does not give the total effect, in a model with random weights."""
    d = len(truth)
    weights = truth * rng.uniform(0.4, 1.6, (d, d)) * rng.choice([-1.0, 1.0], (d, d))
    total = np.linalg.inv(np.eye(d) - weights)
    covariance = total.T * rng.uniform(0.5, 2.0, d) @ total
    wrong = 0
    for i, j in itertools.permutations(range(d), 2):
        given = np.flatnonzero(estimate[:, i])
        if estimate[j, i]:
            found = 0.0
        else:
            used = [i, *given]
            found = np.linalg.solve(covariance[np.ix_(used, used)], covariance[used, j])[0]
        wrong += abs(found - total[i, j]) > 1e-9
    return wrong


@pytest.mark.parametrize(("d", "share", "count"), [(2, 0.7, 20), (3, 0.5, 60), (4, 0.5, 80), (5, 0.5, 25)])
def test_intervention_distance_equals_its_definition(d, share, count):
    rng = np.random.default_rng(d)
    for _ in range(count):
        truth, estimate = random_graph(rng, d, share), random_graph(rng, d, share)
        expected = naive_intervention_distance(truth, estimate)
        assert structural_intervention_distance(truth, estimate) == expected


@pytest.mark.parametrize(("d", "share", "count"), [(4, 0.6, 200), (7, 0.4, 60), (12, 0.25, 20), (20, 0.2, 5)])
def test_intervention_distance_counts_wrong_effects(d, share, count):
    rng = np.random.default_rng(100 + d)
    for _ in range(count):
        truth, estimate = random_graph(rng, d, share), random_graph(rng, d, share)
        if rng.random() < 0.5:
            # Close to the truth: some edges are missing.
            estimate = truth & (rng.random((d, d)) < 0.8)
        expected = population_intervention_distance(rng, truth, estimate)
        assert structural_intervention_distance(truth, estimate) == expected


def test_intervention_distance_of_special_graphs():
    rng = np.random.default_rng(0)
    for d in (1, 2, 5, 50):
        truth = random_graph(rng, d, 4 / d)
        assert structural_intervention_distance(truth, truth) == 0
        # A graph with more edges in the same order has no wrong effect.
        full = np.triu(np.ones((d, d)), 1)
        order = sorted(range(d), key=lambda node, truth=truth: int(reach(truth)[:, node].sum()))
        assert (
            structural_intervention_distance(truth, full[np.ix_(np.argsort(order), np.argsort(order))]) == 0
        )
    # The empty estimate knows no confounding: it is wrong from an effect to its cause, and between two effects.
    fork = np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0]])
    assert structural_intervention_distance(fork, np.zeros((3, 3))) == 4


def naive_hamming_distance(truth, estimate):
    d = len(truth)
    return sum(
        (bool(truth[i, j]), bool(truth[j, i])) != (bool(estimate[i, j]), bool(estimate[j, i]))
        for i, j in itertools.combinations(range(d), 2)
    )


def test_hamming_distances_and_rates():
    rng = np.random.default_rng(5)
    for _ in range(50):
        truth, estimate = random_graph(rng, 8, 0.3), random_graph(rng, 8, 0.3)
        weights = truth * rng.standard_normal((8, 8))
        expected = naive_hamming_distance(truth, estimate)
        assert structural_hamming_distance(weights, estimate) == expected
        missing = (truth & ~estimate & ~estimate.T).sum()
        extra = (estimate & ~truth & ~truth.T).sum()
        reverse = (estimate & truth.T).sum()
        assert expected == missing + extra + reverse
        assert false_discovery_rate(truth, estimate) == pytest.approx((extra + reverse) / estimate.sum())
        assert true_positive_rate(truth, estimate) == pytest.approx((truth & estimate).sum() / truth.sum())
        classes = [completed_partially_directed_graph(graph) for graph in (truth, estimate)]
        assert cpdag_hamming_distance(truth, estimate) == naive_hamming_distance(*classes)


def test_reversals_and_undirected_edges_count_one():
    forward, backward, neither = [[0, 1], [0, 0]], [[0, 0], [1, 0]], [[0, 1], [1, 0]]
    assert structural_hamming_distance(forward, backward) == 1
    assert structural_hamming_distance(forward, neither) == 1
    assert structural_hamming_distance(forward, np.zeros((2, 2))) == 1
    # A chain reversed is in the same class.
    chain = np.eye(6, k=1)
    assert structural_hamming_distance(chain, chain.T) == 5
    assert cpdag_hamming_distance(chain, chain.T) == 0


def test_rates_without_edges():
    empty, one = np.zeros((3, 3)), np.eye(3, k=2)
    assert false_discovery_rate(one, empty) == 0.0
    assert true_positive_rate(empty, one) == 1.0
    assert false_discovery_rate(empty, one) == 1.0
    assert true_positive_rate(one, empty) == 0.0


def test_noise_scale_error():
    assert noise_scale_error([1.0, 2.0, 2.0], [1.0, 2.0, 2.3]) == pytest.approx(0.1)
    assert noise_scale_error([2.0, 2.0], 2.2) == pytest.approx(0.1)
    assert noise_scale_error(2.0, [2.2, 2.2]) == pytest.approx(0.1)
    for truth, estimate, message in [
        ([1.0, 2.0], [1.0], "shape"),
        ([1.0], [-1.0], "estimate holds -1"),
        ([1.0, np.nan], [1.0, 1.0], "truth holds nan"),
        ([0.0, 0.0], [1.0, 1.0], "truth is 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            noise_scale_error(truth, estimate)


@pytest.mark.parametrize(
    "metric", [structural_hamming_distance, false_discovery_rate, true_positive_rate, cpdag_hamming_distance]
)
def test_bad_graphs_are_named(metric):
    with pytest.raises(ValueError, match="estimate has 2 nodes, but 3 are wanted"):
        metric(np.zeros((3, 3)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"truth has shape \(2, 3\)"):
        metric(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"estimate\[0, 1\] is NaN"):
        metric(np.zeros((2, 2)), [[0, np.nan], [0, 0]])


@pytest.mark.parametrize("metric", [cpdag_hamming_distance, structural_intervention_distance])
def test_cycles_are_shown(metric):
    cycle = np.roll(np.eye(3), 1, axis=1)
    with pytest.raises(ValueError, match="estimate has the cycle 0 -> 1 -> 2 -> 0"):
        metric(np.zeros((3, 3)), cycle)
