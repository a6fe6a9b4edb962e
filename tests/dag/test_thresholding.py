"""Cutting weights until a graph is acyclic, against removal one by one."""

import numpy as np
import pytest

from sparsesolve.dag.thresholding import threshold_weights
from sparsesolve.graphs import is_acyclic


def one_by_one(weights, threshold):
    """Remove the weakest edge, of equal ones the first, until the rest is acyclic."""
    adjacency = np.where(np.abs(weights) > threshold, weights, 0.0)
    np.fill_diagonal(adjacency, 0.0)
    cut = []
    while not is_acyclic(adjacency):
        sizes = np.where(adjacency != 0, np.abs(adjacency), np.inf)
        i, j = np.unravel_index(np.argmin(sizes), sizes.shape)
        adjacency[i, j] = 0.0
        cut.append([i, j])
    return adjacency, cut


@pytest.mark.parametrize(
    ("d", "share", "rounded"), [(2, 0.9, False), (5, 0.6, True), (12, 0.3, True), (25, 0.4, False)]
)
def test_equals_removal_one_by_one(d, share, rounded):
    rng = np.random.default_rng(d)
    for _ in range(15):
        weights = rng.standard_normal((d, d)) * (rng.random((d, d)) < share)
        # Rounded weights have ties.
        weights = np.round(weights, 1) if rounded else weights
        before = weights.copy()
        graph = threshold_weights(weights, 0.3)
        expected, cut = one_by_one(weights, 0.3)
        np.testing.assert_array_equal(graph.adjacency, expected)
        assert graph.cut.tolist() == cut
        assert graph.largest_cut == (abs(weights[tuple(cut[-1])]) if cut else 0.0)
        off = ~np.eye(d, dtype=bool)
        assert graph.n_small == np.count_nonzero((weights != 0) & (np.abs(weights) <= 0.3) & off)
        assert np.count_nonzero(weights[off]) == graph.n_small + len(cut) + np.count_nonzero(graph.adjacency)
        np.testing.assert_array_equal(weights, before)


def test_restored_graphs_take_the_strongest_edges_that_close_no_cycle():
    rng = np.random.default_rng(8)
    for _ in range(20):
        weights = rng.standard_normal((9, 9)) * (rng.random((9, 9)) < 0.4)
        np.fill_diagonal(weights, 0.0)
        expected = np.zeros((9, 9))
        for place in np.argsort(-np.abs(weights), axis=None):
            i, j = divmod(int(place), 9)
            if abs(weights[i, j]) > 0.1:
                expected[i, j] = weights[i, j]
                expected[i, j] *= is_acyclic(expected)
        graph = threshold_weights(weights, 0.1, restore=True)
        np.testing.assert_array_equal(graph.adjacency, expected)
        kept = np.count_nonzero(threshold_weights(weights, 0.1).adjacency)
        assert np.count_nonzero(expected) >= kept


def test_weights_on_the_threshold_go_and_the_diagonal_is_passed_over():
    graph = threshold_weights([[5.0, 0.3], [0.0, -2.0]], 0.3)
    assert not graph.adjacency.any()
    assert (graph.n_small, graph.cut.shape, graph.largest_cut) == (1, (0, 2), 0.0)
    assert threshold_weights([[0.0, 0.3], [0.0, 0.0]], 0).adjacency[0, 1] == 0.3


def test_types_and_layouts():
    weights = np.array([[0, 1, 0], [2, 0, 0.5], [0, 0, 0]], dtype=np.float32, order="F")
    weights.flags.writeable = False
    graph = threshold_weights(weights)
    assert graph.adjacency.dtype == np.float32
    assert graph.adjacency.tolist() == [[0, 0, 0], [2, 0, 0], [0, 0, 0]]
    restored = threshold_weights(weights, restore=True)
    assert restored.adjacency.tolist() == [[0, 0, 0], [2, 0, 0.5], [0, 0, 0]]
    assert restored.cut.tolist() == [[0, 1]]
    assert restored.largest_cut == 1.0
    assert threshold_weights([[0]]).adjacency.tolist() == [[0]]


@pytest.mark.parametrize(
    ("weights", "threshold", "message"),
    [
        (np.zeros((2, 3)), 0.3, r"weights has shape \(2, 3\)"),
        ([[0, np.inf], [0, 0]], 0.3, r"weights\[0, 1\] is infinity"),
        (np.zeros((2, 2)), -1.0, "threshold=-1.0"),
        (np.zeros((2, 2)), np.nan, "threshold=nan"),
    ],
)
def test_bad_input_is_named(weights, threshold, message):
    with pytest.raises(ValueError, match=message):
        threshold_weights(weights, threshold)
