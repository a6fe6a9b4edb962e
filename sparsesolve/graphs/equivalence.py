"""Markov equivalence of directed acyclic graphs: which edges the data can direct, and which they cannot."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from .order import check_acyclic, check_edges, topological_order


def skeleton(adjacency) -> np.ndarray:
    """Return the graph without directions.

    Parameters
    ----------
    adjacency : array-like of shape (d, d)
        Entry [i, j] is not 0 where there is an edge i -> j; both entries of an undirected edge are.

    Returns
    -------
    ndarray of bool, shape (d, d)
        Symmetric.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite.

    Examples
    --------
    >>> from sparsesolve.graphs import skeleton
    >>> skeleton([[0, 2.5], [0, 0]]).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    edges = check_edges("adjacency", adjacency)
    return edges | edges.T


def completed_partially_directed_graph(adjacency, *, background=None) -> np.ndarray:
    """Return the graph that stands for all DAGs with the same conditional independences (the CPDAG).

    An edge is compelled where all these graphs give it the same direction, and reversible otherwise.

    Parameters
    ----------
    adjacency : array-like of shape (d, d)
        Of an acyclic graph: entry [i, j] is not 0 where there is an edge i -> j.
    background : array-like of bool, shape (d, d), optional
        Edges of the graph whose direction is known from elsewhere, as by required edges or tiers; entries that are
        no edges of the graph are passed over. What follows from them is compelled too.

    Returns
    -------
    ndarray of bool, shape (d, d)
        A compelled edge i -> j has True at [i, j] alone, a reversible one at [i, j] and at [j, i].

    Raises
    ------
    ValueError
        If a matrix is not square or not finite, if their shapes differ, or if the graph has a cycle.

    See Also
    --------
    consistent_extension : A directed graph of the class.

    Notes
    -----
    Without `background` edges are labelled in order, in O(number of edges * largest number of parents) [1]_ after an
    O(d^2) sort. With it, the four rules of Meek [2]_ are applied until none does.

    References
    ----------
    .. [1] Chickering, "A transformational characterization of equivalent Bayesian network structures", UAI 1995.
    .. [2] Meek, "Causal inference and causal explanation with background knowledge", UAI 1995.

    Examples
    --------
    >>> from sparsesolve.graphs import completed_partially_directed_graph
    >>> completed_partially_directed_graph([[0, 1, 0], [0, 0, 1], [0, 0, 0]]).astype(int).tolist()
    [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    >>> completed_partially_directed_graph([[0, 1, 0], [0, 0, 0], [0, 1, 0]]).astype(int).tolist()
    [[0, 1, 0], [0, 0, 0], [0, 1, 0]]
    """
    edges = check_acyclic("adjacency", adjacency)
    order = topological_order(edges)
    graph = np.empty_like(edges)
    graph[np.ix_(order, order)] = _complete(np.ascontiguousarray(edges[np.ix_(order, order)]))
    if background is not None:
        known = check_edges("background", background, len(edges)) & edges
        graph &= ~known.T
        _apply_rules(graph)
    return graph


def consistent_extension(graph) -> np.ndarray:
    """Direct the undirected edges of a graph without a new v-structure and without a cycle.

    Parameters
    ----------
    graph : array-like of shape (d, d)
        Directed edges i -> j are not 0 at [i, j] alone, undirected ones at [i, j] and [j, i].

    Returns
    -------
    ndarray of bool, shape (d, d)
        An acyclic graph; of a CPDAG, a member of its class.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, or if there is no such graph.

    Notes
    -----
    The algorithm of Dor and Tarsi, "A simple algorithm to construct a consistent extension of a partially oriented
    graph" (1992): a node that can be last is looked for and taken away, d times. At most O(d^2 k^2) steps for k
    neighbours of a node.

    Examples
    --------
    >>> from sparsesolve.graphs import consistent_extension
    >>> consistent_extension([[0, 1, 0], [1, 0, 1], [0, 1, 0]]).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    """
    edges = check_edges("graph", graph)
    if edges.diagonal().any():
        node = int(edges.diagonal().argmax())
        raise ValueError(f"graph has a loop at node {node}: set its diagonal to 0.")
    result = edges.copy()
    if not _extend(edges, result):
        raise ValueError(
            "graph has no acyclic extension with the same v-structures: it is not the graph of an equivalence class."
        )
    return result


@kernel
def _complete(edges):
    """Label the edges of a graph whose nodes stand in topological order; returns the completed graph."""
    d = edges.shape[0]
    compelled = np.zeros((d, d), dtype=np.bool_)
    for y in range(d):
        # Chickering's order of the edges begins with that from the latest parent, and it decides on all the others.
        x = y - 1
        while x >= 0 and not edges[x, y]:
            x -= 1
        if x < 0:
            continue
        every = False
        for w in range(x):
            if compelled[w, x]:
                # w -> x - y would be a new v-structure if y -> x were possible.
                compelled[w, y] = edges[w, y]
                every |= not edges[w, y]
        for z in range(x):
            every |= edges[z, y] and not edges[z, x]
        if every:
            for z in range(x + 1):
                compelled[z, y] = edges[z, y]
    graph = edges.copy()
    for x in range(d):
        for y in range(x + 1, d):
            if edges[x, y] and not compelled[x, y]:
                graph[y, x] = True
    return graph


@kernel
def _extend(edges, result):
    """Direct the edges in `result`; `edges` are its copy, used up. Returns whether it could be done."""
    d = edges.shape[0]
    there = np.ones(d, dtype=np.bool_)
    near = np.empty(d, dtype=np.int64)
    for _ in range(d):
        found = False
        for x in range(d):
            if not there[x]:
                continue
            count, sink = 0, True
            for y in range(d):
                if edges[x, y] and not edges[y, x]:
                    sink = False
                    break
                if edges[y, x]:
                    near[count] = y
                    count += 1
            if not sink:
                continue
            # Each undirected neighbour must be joined to all the others.
            for a in range(count):
                y = near[a]
                if edges[x, y]:
                    for b in range(count):
                        z = near[b]
                        if z != y and not edges[y, z] and not edges[z, y]:
                            sink = False
                            break
                if not sink:
                    break
            if not sink:
                continue
            for a in range(count):
                y = near[a]
                result[x, y] = False
                edges[x, y] = edges[y, x] = False
            there[x] = False
            found = True
            break
        if not found:
            return False
    return True


@kernel
def _apply_rules(graph):
    """Direct undirected edges by Meek's rules until none applies."""
    d = graph.shape[0]
    changed = True
    while changed:
        changed = False
        for a in range(d):
            for b in range(d):
                if graph[a, b] and graph[b, a] and _is_forced(graph, a, b):
                    graph[b, a] = False
                    changed = True


@kernel
def _is_forced(graph, a, b):
    """Whether the undirected edge a - b must be a -> b."""
    d = graph.shape[0]
    for c in range(d):
        if c in (a, b):
            continue
        into_a = graph[c, a] and not graph[a, c]
        if into_a and not graph[c, b] and not graph[b, c]:
            return True
        into_b = graph[c, b] and not graph[b, c]
        if into_b and graph[a, c] and not graph[c, a]:
            return True
        if into_b and (graph[a, c] or graph[c, a]):
            undirected = graph[a, c] and graph[c, a]
            for e in range(d):
                if e in (b, c) or not (graph[a, e] and graph[e, a]):
                    continue
                # a - c -> b and a - e -> b, where c and e are not joined.
                if undirected and graph[e, b] and not graph[b, e] and not graph[c, e] and not graph[e, c]:
                    return True
                # a - e -> c -> b, where e and b are not joined, but a and c are.
                if graph[e, c] and not graph[c, e] and not graph[e, b] and not graph[b, e]:
                    return True
    return False
