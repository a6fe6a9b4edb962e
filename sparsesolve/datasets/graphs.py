"""Graphs with a few labelled nodes: the ones of the literature on label propagation, at any size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from ..random import as_key
from ..validation import check_count, check_real


class LabelledGraph(NamedTuple):
    """A weighted graph, and what is known at some of its nodes.

    Attributes
    ----------
    weights : csr_array of shape (n_nodes, n_nodes)
        Symmetric, at least 0, with an empty diagonal.
    labelled : ndarray of int64, shape (n_labelled,)
        Nodes with a label, ascending.
    labels : ndarray of shape (n_labelled,)
        Their labels.
    points : ndarray of shape (n_nodes, d)
        Where the nodes lie.
    classes : ndarray of int64, shape (n_nodes,), or None
        The class of every node, where the graph has classes.
    """

    weights: scipy.sparse.csr_array
    labelled: np.ndarray
    labels: np.ndarray
    points: np.ndarray
    classes: np.ndarray | None


def make_lattice_labels(n_rows=50, n_columns=None, *, labelled=0.04, weight=1e5, scale=10.0, random_state=1):
    """Make a lattice whose nodes are joined to the four next ones, with normal labels at some nodes.

    With the defaults this is the data set of the paper to the last digit: 50 x 50 nodes, 100 of them labelled.

    Parameters
    ----------
    n_rows, n_columns : int
        The same, unless the second is given.
    labelled : float, default=0.04
        Share of the nodes that have labels; at least one has.
    weight : float, default=1e5
        Of every edge.
    scale : float, default=10.0
        Standard deviation of the labels.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=1
        An int seeds numpy's legacy generator, as the paper does.

    Returns
    -------
    LabelledGraph
        Node ``r * n_columns + c`` lies at (r, c).

    References
    ----------
    Nutini, Laradji and Schmidt, "Let's make block coordinate descent converge faster", JMLR 23(131), 2022, data D.

    Examples
    --------
    >>> from sparsesolve.datasets.graphs import make_lattice_labels
    >>> graph = make_lattice_labels()
    >>> graph.weights.shape, graph.labelled.size
    ((2500, 2500), 100)
    """
    n_rows = check_count("n_rows", n_rows)
    n_columns = n_rows if n_columns is None else check_count("n_columns", n_columns)
    weight = check_real("weight", weight, above=0)
    n = n_rows * n_columns
    count = _count_labelled(labelled, n)
    if isinstance(random_state, np.random.RandomState):
        random = random_state
    elif isinstance(random_state, (int, np.integer)) and 0 <= random_state < 1 << 32:
        random = np.random.RandomState(int(random_state))
    else:
        random = np.random.Generator(np.random.Philox(key=as_key(random_state)))
    nodes = random.choice(n, count, replace=False)
    labels = random.standard_normal(count) * scale
    place = np.arange(n).reshape(n_rows, n_columns)
    one = np.concatenate([place[:, :-1].ravel(), place[:-1].ravel()])
    other = np.concatenate([place[:, 1:].ravel(), place[1:].ravel()])
    points = np.stack(np.divmod(np.arange(n), n_columns), axis=1).astype(np.float64)
    ascending = np.argsort(nodes)
    return LabelledGraph(
        _symmetric(one, other, n, weight), nodes[ascending].astype(np.int64), labels[ascending], points, None
    )


def make_two_moons_graph(n_nodes=2000, *, n_neighbors=5, labelled=0.05, noise=0.2, random_state=None):
    """Make two half moons that interlock, joined to their nearest neighbours, with the classes of some nodes known.

    Parameters
    ----------
    n_nodes : int, default=2000
    n_neighbors : int, default=5
        An edge of weight 1 joins two nodes where one is among so many nearest neighbours of the other.
    labelled : float, default=0.05
        Share of the nodes that have labels; at least one has.
    noise : float, default=0.2
        Standard deviation of the normal noise on both coordinates; the moons have radius 1.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    Returns
    -------
    LabelledGraph
        Labels are -1 and 1, classes 0 and 1.

    Examples
    --------
    >>> from sparsesolve.datasets.graphs import make_two_moons_graph
    >>> graph = make_two_moons_graph(200, random_state=0)
    >>> graph.weights.shape, graph.labelled.size
    ((200, 200), 10)
    """
    from scipy.spatial import cKDTree

    n = check_count("n_nodes", n_nodes, minimum=2)
    n_neighbors = min(check_count("n_neighbors", n_neighbors), n - 1)
    noise = check_real("noise", noise, minimum=0)
    count = _count_labelled(labelled, n)
    random = np.random.Generator(np.random.Philox(key=as_key(random_state)))
    classes = np.repeat([0, 1], [(n + 1) // 2, n // 2])
    angles = random.uniform(0.0, np.pi, n)
    side = 1.0 - 2.0 * classes
    points = np.stack([np.cos(angles) * side + classes, np.sin(angles) * side + 0.5 * classes], axis=1)
    points += noise * random.standard_normal((n, 2))
    shuffled = random.permutation(n)
    classes, points = classes[shuffled], points[shuffled]
    # The node itself is among the points at distance zero, but not always the first of them.
    _, near = cKDTree(points).query(points, k=n_neighbors + 1)
    keep = near != np.arange(n)[:, None]
    keep[keep.all(axis=1), -1] = False
    weights = _symmetric(np.repeat(np.arange(n), n_neighbors), near[keep], n, 1.0)
    nodes = np.sort(random.choice(n, count, replace=False))
    return LabelledGraph(weights, nodes, 2.0 * classes[nodes] - 1.0, points, classes)


def _count_labelled(share, n):
    return max(1, round(check_real("labelled", share, above=0, below=1) * n))


def _symmetric(one, other, n, weight):
    """A graph from pairs of nodes, in any order, a pair once or more."""
    both = np.concatenate([one, other]), np.concatenate([other, one])
    graph = scipy.sparse.csr_array((np.ones(2 * one.size), both), shape=(n, n))
    graph.sum_duplicates()
    graph.data[:] = weight
    return graph
