"""Forests in sparse symmetric matrices: partitions into them, and exact solves on them in linear time.

A block of a matrix is a forest if the graph of its off-diagonal entries has no cycle. Elimination from the leaves to
the roots then makes no fill: it is message passing on the trees, and the same as L D L'.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse

from .forest_kernels import assign_forests, factor_forest, solve_forest, solve_forest_columns


def as_graph(name: str, matrix) -> scipy.sparse.csr_array:
    """Return a square sparse matrix in CSR form, no entry twice and none zero; a copy only where that is needed.

    Raises
    ------
    ValueError
        Unless it is sparse and square.
    """
    if not scipy.sparse.issparse(matrix):
        raise ValueError(
            f"{name} is a {type(matrix).__name__}: give a scipy sparse array, such as scipy.sparse.csr_array({name})."
        )
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name} has shape {matrix.shape}: a graph's matrix is square.")
    graph = scipy.sparse.csr_array(matrix)
    clean = graph.has_canonical_format and np.count_nonzero(graph.data) == graph.nnz
    if not clean:
        graph = graph.copy()
        graph.sum_duplicates()
        graph.eliminate_zeros()
    return graph


def partition_into_forests(matrix, order=None) -> list[np.ndarray]:
    """Blocks of nodes that are forests, made greedily.

    Each node, in the given order, goes into the first forest where it touches every tree at most once.

    Parameters
    ----------
    matrix : scipy sparse array of shape (n, n)
        Symmetric; its off-diagonal entries other than zero are the edges.
    order : array of int, shape (n,), optional
        The nodes as they are visited: as they come, unless given.

    Returns
    -------
    list of ndarray of int64
        The nodes of each forest, ascending.

    Raises
    ------
    ValueError
        For a matrix that is not sparse and square, or an order that is no permutation.

    Notes
    -----
    Complexity: one pass over the edges, nearly linear (union-find). A graph of largest degree d needs at most
    d // 2 + 1 forests.

    References
    ----------
    Nutini, Laradji and Schmidt, JMLR 23(131), 2022, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from sparsesolve.operators.forest import partition_into_forests
    >>> triangle = scipy.sparse.csr_array(np.ones((3, 3)))
    >>> partition_into_forests(triangle)
    [array([0, 1]), array([2])]
    """
    graph = as_graph("matrix", matrix)
    n = graph.shape[0]
    nodes = np.arange(n) if order is None else check_nodes("order", order, n)
    if nodes.size != n:
        raise ValueError(f"order has {nodes.size} nodes, but the graph has {n}: visit each one once.")
    forests = assign_forests(graph.indptr, graph.indices, nodes, 0)
    by_forest = np.argsort(forests, kind="stable")
    ends = np.cumsum(np.bincount(forests, minlength=1)) if n else np.empty(0, np.int64)
    return np.split(by_forest, ends[:-1])


def greedy_forest(matrix, scores) -> np.ndarray:
    """A large forest of nodes with large scores.

    Nodes are taken by falling score; one that would close a cycle is left out.

    Parameters
    ----------
    matrix : scipy sparse array of shape (n, n)
        As for `partition_into_forests`.
    scores : array of shape (n,)

    Returns
    -------
    ndarray of int64
        The nodes, ascending. No further node could be added.

    Notes
    -----
    Complexity: n log n for the order, then one pass over the edges.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from sparsesolve.operators.forest import greedy_forest
    >>> greedy_forest(scipy.sparse.csr_array(np.ones((3, 3))), [1.0, 3.0, 2.0])
    array([1, 2])
    """
    graph = as_graph("matrix", matrix)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != graph.shape[:1]:
        raise ValueError(
            f"scores has shape {scores.shape}: give one number for each of {graph.shape[0]} nodes."
        )
    order = np.argsort(-scores, kind="stable")
    return np.flatnonzero(assign_forests(graph.indptr, graph.indices, order, 1) == 0)


def is_forest(matrix, nodes=None) -> bool:
    """Whether the edges between some nodes, all unless given, close no cycle.

    Complexity: one pass over the edges.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from sparsesolve.operators.forest import is_forest
    >>> triangle = scipy.sparse.csr_array(np.ones((3, 3)))
    >>> is_forest(triangle), is_forest(triangle, [0, 2])
    (False, True)
    """
    graph = as_graph("matrix", matrix)
    n = graph.shape[0]
    nodes = np.arange(n) if nodes is None else check_nodes("nodes", nodes, n)
    placed = assign_forests(graph.indptr, graph.indices, nodes, 1)
    return int(np.count_nonzero(placed == 0)) == nodes.size


class ForestFactor:
    """A block of a symmetric positive semidefinite matrix, factored once, that solves in linear time.

    Parameters
    ----------
    matrix : scipy sparse array of shape (n, n)
    nodes : array of int, shape (k,), optional
        The block, in any order: all of the matrix unless given. Its graph must be a forest.

    Attributes
    ----------
    nodes : ndarray of int64, shape (k,)
    rank : int
        Below k where the block is singular.

    Raises
    ------
    ValueError
        For a block with a cycle, or one that is not positive semidefinite.

    Notes
    -----
    Complexity: k + the edges, to factor and for each right-hand side.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from sparsesolve.operators.forest import ForestFactor
    >>> path = scipy.sparse.csr_array([[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 2.0]])
    >>> ForestFactor(path).solve(np.array([1.0, 0.0, 1.0]))
    array([1., 1., 1.])
    """

    def __init__(self, matrix, nodes=None):
        graph = as_graph("matrix", matrix)
        n = graph.shape[0]
        self.nodes = np.arange(n) if nodes is None else check_nodes("nodes", nodes, n)
        count = self.nodes.size
        self._order, self._parent = np.empty(count, np.uint32), np.empty(count, np.uint32)
        self._pivots, self._multipliers = np.empty(count), np.empty(count)
        values = np.asarray(graph.data, dtype=np.float64)
        outcome = factor_forest(
            unsigned(graph.indptr), unsigned(graph.indices), values, unsigned(self.nodes), self._order, self._parent,
            self._pivots, self._multipliers,
        )  # fmt: skip
        if outcome == 1:
            raise ValueError(
                "nodes have a cycle between them: take the blocks of partition_into_forests(matrix) instead."
            )
        if outcome == 2:
            raise ValueError("matrix is not positive semidefinite on these nodes: a pivot is negative.")

    @property
    def rank(self) -> int:
        """Number of pivots above zero."""
        return int(np.count_nonzero(self._pivots))

    def solve(self, right) -> np.ndarray:
        """Solve for right-hand sides of shape (k,) or (k, m), entries in the order of `nodes`.

        Where the block is singular, the unknown that is left without an equation is set to zero.
        """
        right = np.ascontiguousarray(right, dtype=np.float64)
        if right.ndim not in (1, 2) or right.shape[0] != self.nodes.size:
            raise ValueError(f"right has shape {right.shape}: it needs {self.nodes.size} entries, or rows.")
        solve = solve_forest if right.ndim == 1 else solve_forest_columns
        solution = np.empty_like(right)
        work = np.empty_like(right)
        solve(self._order, self._parent, self._pivots, self._multipliers, right, work, solution)
        return solution


def unsigned(numbers: np.ndarray) -> np.ndarray:
    """The same memory, read as numbers that cannot be negative."""
    return numbers.view(f"u{numbers.dtype.itemsize}")


def check_nodes(name, nodes, n) -> np.ndarray:
    """Return distinct nodes as int64."""
    nodes = np.asarray(nodes)
    if nodes.ndim != 1 or (nodes.size and nodes.dtype.kind not in "iu"):
        raise ValueError(f"{name} must be a one-dimensional array of integers, not {nodes!r}.")
    nodes = np.ascontiguousarray(nodes, dtype=np.int64)
    if nodes.size:
        low, high = int(nodes.min()), int(nodes.max())
        if low < 0 or high >= n:
            raise ValueError(f"{name} has {low if low < 0 else high}, but nodes lie in [0, {n}).")
        if np.bincount(nodes, minlength=n).max() > 1:
            raise ValueError(f"{name} holds a node more than once: give each one once.")
    return nodes
