"""From weights to an acyclic graph: small weights go, and then the weakest edges of what is left."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..backends.jit import kernel
from ..graphs.order import check_edges, descendants
from ..validation import check_matrix, check_real


class ThresholdedGraph(NamedTuple):
    """An acyclic graph, and what was cut to get it.

    Attributes
    ----------
    adjacency : ndarray of shape (d, d)
        The weights that are left.
    n_small : int
        Weights that were not above the threshold; zeros and the diagonal do not count.
    cut : ndarray of int64, shape (n_cut, 2)
        Edges that were cut although they are above the threshold, from the weakest up.
    largest_cut : float
        Absolute weight of the strongest edge that was cut for that; 0.0 where none was.
    """

    adjacency: np.ndarray
    n_small: int
    cut: np.ndarray
    largest_cut: float


def threshold_weights(weights, threshold: float = 0.3, *, restore: bool = False) -> ThresholdedGraph:
    """Set weights up to a threshold to 0, then cut the weakest edges until no cycle is left.

    Parameters
    ----------
    weights : array-like of shape (d, d)
        Entry [i, j] is the weight of the edge i -> j. The diagonal is passed over.
    threshold : float, default=0.3
        At least 0; weights of just this size go too.
    restore : bool, default=False
        Whether edges that were cut, but close no cycle with those that are left, are put back, from the strongest down.

    Returns
    -------
    ThresholdedGraph
        Weights keep their dtype where it is a real one.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, or the threshold is negative.

    Notes
    -----
    Edges go one by one, by absolute weight, and of equal ones by row and column, until the rest is acyclic. Fewer edges
    never make a cycle, so the number of edges to cut is found by bisection: O(d^2 log d) in all. Some of these edges
    may lie on no cycle; `restore` puts them back, in O(d^3) for all together.

    Examples
    --------
    >>> from sparsesolve.dag.thresholding import threshold_weights
    >>> graph = threshold_weights([[0, 0.9, 0.1], [0.4, 0, -0.6], [0, 0, 0]])
    >>> graph.adjacency.tolist(), graph.n_small, graph.cut.tolist(), graph.largest_cut
    ([[0.0, 0.9, 0.0], [0.0, 0.0, -0.6], [0.0, 0.0, 0.0]], 1, [[1, 0]], 0.4)
    """
    check_edges("weights", weights)
    weights = np.asarray(check_matrix("weights", weights))
    threshold = check_real("threshold", threshold, minimum=0)
    sizes = np.abs(weights)
    np.fill_diagonal(sizes, 0)
    keep = sizes > threshold
    adjacency = np.where(keep, weights, np.zeros(1, dtype=weights.dtype))
    places = np.flatnonzero(keep)
    places = places[np.argsort(sizes.ravel()[places], kind="stable")]
    ranks = np.full(weights.shape, -1, dtype=np.int64)
    ranks.ravel()[places] = np.arange(places.size)
    n_cut = _smallest_cut(ranks, places.size)
    cut = np.stack(np.divmod(places[:n_cut], len(weights)), axis=1)
    if restore:
        cut = cut[_stays_cut(descendants(ranks >= n_cut), cut)]
    adjacency[cut[:, 0], cut[:, 1]] = 0
    largest = float(sizes[cut[-1, 0], cut[-1, 1]]) if len(cut) else 0.0
    return ThresholdedGraph(adjacency, int(np.count_nonzero((sizes > 0) & ~keep)), cut, largest)


@kernel
def _smallest_cut(ranks, count):
    """The least number of weakest edges without which the others are acyclic; ranks are -1 where no edge is."""
    waiting = np.empty(ranks.shape[0], dtype=np.int64)
    stack = np.empty(ranks.shape[0], dtype=np.int64)
    low, high = 0, count
    if _is_acyclic_from(ranks, 0, waiting, stack):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        if _is_acyclic_from(ranks, middle, waiting, stack):
            high = middle
        else:
            low = middle
    return high


@kernel
def _is_acyclic_from(ranks, first, waiting, stack):
    """Whether the edges of rank `first` and above have no cycle."""
    d = ranks.shape[0]
    waiting[:] = 0
    for i in range(d):
        for j in range(d):
            waiting[j] += ranks[i, j] >= first
    top = 0
    for j in range(d):
        if waiting[j] == 0:
            stack[top] = j
            top += 1
    placed = 0
    while top > 0:
        top -= 1
        node = stack[top]
        placed += 1
        for j in range(d):
            if ranks[node, j] >= first:
                waiting[j] -= 1
                if waiting[j] == 0:
                    stack[top] = j
                    top += 1
    return placed == d


@kernel
def _stays_cut(reached, cut):
    """Which of the edges close a cycle, when they are put back from the last to the first.

    `reached`, [i, j] where a path leads from i to j, is kept up to date: each row that changes learns of a new node.
    """
    d = reached.shape[0]
    stays = np.ones(cut.shape[0], dtype=np.bool_)
    for place in range(cut.shape[0] - 1, -1, -1):
        start, end = cut[place, 0], cut[place, 1]
        if reached[end, start]:
            continue
        stays[place] = False
        for i in range(d):
            if (i == start or reached[i, start]) and not reached[i, end]:
                reached[i, end] = True
                for j in range(d):
                    reached[i, j] |= reached[end, j]
    return stays
