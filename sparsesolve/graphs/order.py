"""Orders of directed graphs: is there one, and which."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..validation import check_matrix


def check_edges(name: str, adjacency, n_nodes: int | None = None) -> np.ndarray:
    """Return the edges of a graph as a C-contiguous array of booleans: where the adjacency is not 0.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    adjacency : array-like of shape (d, d)
        Entry [i, j] is not 0 where there is an edge i -> j.
    n_nodes : int, optional
        The d that is wanted.

    Raises
    ------
    ValueError
        If the matrix is not square, is empty, holds NaN or infinity, or has another d than wanted.
    """
    adjacency = check_matrix(name, adjacency)
    if not isinstance(adjacency, np.ndarray):
        adjacency = adjacency.toarray()
    rows, columns = adjacency.shape
    if rows != columns:
        raise ValueError(f"{name} has shape {adjacency.shape}: an adjacency matrix is square.")
    if n_nodes is not None and rows != n_nodes:
        raise ValueError(f"{name} has {rows} nodes, but {n_nodes} are wanted: give graphs of the same nodes.")
    return np.ascontiguousarray(adjacency != 0)


def check_acyclic(name: str, adjacency, n_nodes: int | None = None) -> np.ndarray:
    """Return the edges like `check_edges`; raise a ValueError that shows a cycle where there is one."""
    edges = check_edges(name, adjacency, n_nodes)
    cycle = find_cycle(edges)
    if cycle is not None:
        raise ValueError(f"{name} has the cycle {' -> '.join(map(str, cycle))}: it must be acyclic.")
    return edges


def is_acyclic(adjacency) -> bool:
    """Tell whether a directed graph has no cycle.

    Parameters
    ----------
    adjacency : array-like of shape (d, d)
        Entry [i, j] is not 0 where there is an edge i -> j. A loop, on the diagonal, is a cycle.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If the matrix is not square or not finite.

    Notes
    -----
    O(d^2), by taking away nodes without parents (Kahn).

    Examples
    --------
    >>> from sparsesolve.graphs import is_acyclic
    >>> is_acyclic([[0, 1], [0, 0]]), is_acyclic([[0, 1], [1, 0]])
    (True, False)
    """
    edges = check_edges("adjacency", adjacency)
    return bool(_sort(edges, np.empty(len(edges), dtype=np.int64)) == len(edges))


def topological_order(adjacency) -> np.ndarray:
    """Return an order in which every edge points forward: of all such orders, the first in the dictionary.

    Parameters
    ----------
    adjacency : array-like of shape (d, d)
        Entry [i, j] is not 0 where there is an edge i -> j.

    Returns
    -------
    ndarray of int64, shape (d,)
        The nodes, parents before children.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, or if there is a cycle: the message shows one.

    Notes
    -----
    O(d^2).

    Examples
    --------
    >>> from sparsesolve.graphs import topological_order
    >>> topological_order([[0, 0, 0], [1, 0, 1], [1, 0, 0]]).tolist()
    [1, 2, 0]
    """
    edges = check_acyclic("adjacency", adjacency)
    order = np.empty(len(edges), dtype=np.int64)
    _sort(edges, order)
    return order


def find_cycle(edges: np.ndarray) -> list[int] | None:
    """Return the nodes along a cycle, the first one again at the end; None for an acyclic graph.

    Parameters
    ----------
    edges : ndarray of bool, shape (d, d)
    """
    order = np.empty(len(edges), dtype=np.int64)
    sorted_nodes = order[: _sort(edges, order)]
    left = np.ones(len(edges), dtype=bool)
    left[sorted_nodes] = False
    if not left.any():
        return None
    # Every node that is left has a parent that is left: going back must come around.
    node, seen = int(np.flatnonzero(left)[0]), {}
    path: list[int] = []
    while node not in seen:
        seen[node] = len(path)
        path.append(node)
        node = int(np.flatnonzero(edges[:, node] & left)[0])
    around = path[seen[node] :][::-1]
    first = around.index(min(around))
    return [*around[first:], *around[:first], around[first]]


def descendants(edges: np.ndarray) -> np.ndarray:
    """Return the reachability of an acyclic graph: [i, j] is True where a directed path leads from i to j.

    Parameters
    ----------
    edges : ndarray of bool, shape (d, d)
        Without a cycle.

    Returns
    -------
    ndarray of bool, shape (d, d)
        The diagonal is False.

    Notes
    -----
    O(d * number of edges), in whole rows.
    """
    order = np.empty(len(edges), dtype=np.int64)
    _sort(edges, order)
    return _reach(edges, order)


@kernel
def _sort(edges, order):
    """Fill `order` from its start; returns how many nodes were placed, less than d where there is a cycle."""
    d = edges.shape[0]
    waiting = np.zeros(d, dtype=np.int64)
    for i in range(d):
        for j in range(d):
            waiting[j] += edges[i, j]
    placed = 0
    while placed < d:
        node = 0
        while node < d and waiting[node] != 0:
            node += 1
        if node == d:
            break
        waiting[node] = -1
        order[placed] = node
        placed += 1
        for j in range(d):
            waiting[j] -= edges[node, j]
    return placed


@kernel
def _reach(edges, order):
    d = edges.shape[0]
    reached = np.zeros((d, d), dtype=np.bool_)
    for place in range(d - 1, -1, -1):
        i = order[place]
        for child in range(d):
            if edges[i, child]:
                reached[i, child] = True
                for j in range(d):
                    reached[i, j] |= reached[child, j]
    return reached
