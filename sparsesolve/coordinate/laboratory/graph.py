"""Quadratic functions on graphs, and the partitions of a graph that make their blocks easy to solve."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from ...operators.forest import as_graph, check_nodes, partition_into_forests
from ...prox import Penalty
from ...validation import check_count, check_matrix, check_targets
from ..labels.checks import check_labelled, check_symmetric, check_weights
from . import kernels
from .quadratic import Quadratic


class GraphQuadratic(Quadratic):
    """``1/2 x'Qx - c'x`` plus a penalty, for a sparse symmetric Q: steps cost as much as the edges they touch.

    Parameters
    ----------
    Q : scipy sparse array of shape (n, n)
        Symmetric, positive semidefinite.
    c : array of shape (n,)
    penalty : Penalty, optional

    Attributes
    ----------
    Q : csr_array of shape (n, n)
    c : ndarray of shape (n,)
    unlabelled : ndarray of int64, shape (n,), or None
        For a problem made by `from_labels`: the nodes of the graph that the coordinates stand for.

    Raises
    ------
    ValueError
        For a Q that is not sparse, square, symmetric and finite with a diagonal of at least 0, or a c of another size.

    References
    ----------
    Nutini, Laradji and Schmidt, JMLR 23(131), 2022, problems D and E.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from sparsesolve.coordinate import GraphQuadratic
    >>> path = scipy.sparse.csr_array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    >>> problem = GraphQuadratic.from_labels(path, [0, 2], [1.0, 3.0])
    >>> problem.Q.toarray(), problem.c, problem.unlabelled
    (array([[2.]]), array([4.]), array([1]))
    """

    def __init__(self, Q, c, penalty: Penalty | None = None):
        matrix = as_graph("Q", Q)
        check_matrix("Q", matrix)
        check_symmetric("Q", matrix)
        diagonal = matrix.diagonal()
        if diagonal.min() < 0:
            i = int(diagonal.argmin())
            raise ValueError(f"Q[{i}, {i}]={diagonal[i]} is negative: Q must be positive semidefinite.")
        matrix = matrix.astype(np.float64, copy=False)
        c = np.array(c)
        if c.ndim != 1:
            raise ValueError(
                f"c has shape {c.shape}: it needs one number for each of {matrix.shape[0]} rows of Q."
            )
        c = check_targets("c", c, matrix.shape[0])
        super().__init__(matrix, c, penalty)
        self.Q, self.c = matrix, c
        self.unlabelled: np.ndarray | None = None

    @classmethod
    def from_labels(cls, weights, labelled, labels, penalty: Penalty | None = None) -> GraphQuadratic:
        """Label propagation: ``1/2 sum_{i<j} w_ij (v_i - v_j)^2`` as a function of the unlabelled nodes' values.

        The constant term is left out, as in the paper.

        Parameters
        ----------
        weights : scipy sparse array of shape (n_nodes, n_nodes)
            Symmetric, at least 0.
        labelled : array of int, shape (n_labelled,), or of bool, shape (n_nodes,)
        labels : array of shape (n_labelled,)
        penalty : Penalty, optional
            On the unlabelled nodes, ascending.
        """
        graph = as_graph("weights", weights)
        check_weights(graph)
        n = graph.shape[0]
        nodes = check_labelled(labelled, n)
        known = np.zeros(n, np.bool_)
        known[nodes] = True
        unknown = np.flatnonzero(~known)
        if unknown.size == 0:
            raise ValueError("labelled holds all nodes: nothing is left to find.")
        values = np.zeros(n)
        values[nodes] = _check_labels(labels, nodes.size)
        loops = graph.diagonal()
        laplacian = scipy.sparse.csr_array(scipy.sparse.diags_array(graph.sum(axis=1)) - graph)
        problem = cls(laplacian[unknown][:, unknown], (graph @ values - loops * values)[unknown], penalty)
        problem.unlabelled = unknown
        return problem

    def bound_product(self, block, d):
        """Q times a vector that is zero off the block."""
        product = np.zeros(self.n_coordinates)
        self._add(block, d, product)
        return product

    def step(self, state, block, d):
        """Move x, and the gradient with it."""
        state.x[block] += d
        self._add(block, d, state.gradient)

    def couplings(self):
        """The pattern of Q."""
        entries = self.Q.tocoo()
        rows, columns = entries.coords
        off = rows != columns
        pattern = (np.abs(entries.data[off]), (rows[off], columns[off]))
        return scipy.sparse.csr_array(pattern, shape=self.Q.shape)

    def _add(self, block, d, out):
        block, d = np.asarray(block, np.int64), np.asarray(d, np.float64)
        kernels.add_columns(self.Q.indptr, self.Q.indices, self.Q.data, block, d, out)


def colour_blocks(matrix, order=None) -> list[np.ndarray]:
    """Blocks without an edge inside: a greedy colouring.

    Each node, in the given order, gets the colour that fewest nodes have so far among those that none of its neighbours
    has. The order unless given is breadth first: it needs two colours, red and black, wherever two are enough.

    Parameters
    ----------
    matrix : scipy sparse array of shape (n, n)
        Symmetric; its off-diagonal entries other than zero are the edges.
    order : array of int, shape (n,), optional
        The nodes as they are visited.

    Returns
    -------
    list of ndarray of int64
        The nodes of each colour, ascending.

    Notes
    -----
    Complexity: the edges, plus nodes times colours. At most the largest degree + 1 colours.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from sparsesolve.coordinate import colour_blocks
    >>> path = scipy.sparse.diags_array([np.ones(4), np.ones(4)], offsets=[-1, 1], shape=(5, 5)).tocsr()
    >>> colour_blocks(path)
    [array([0, 2, 4]), array([1, 3])]
    """
    graph = as_graph("matrix", matrix)
    n = graph.shape[0]
    if order is None:
        order = kernels.breadth_first_order(graph.indptr, graph.indices)
    else:
        order = check_nodes("order", order, n)
        if order.size != n:
            raise ValueError(f"order has {order.size} nodes, but the graph has {n}: visit each one once.")
    colours = kernels.colour(graph.indptr, graph.indices, order)
    return [np.flatnonzero(colours == colour) for colour in range(int(colours.max(initial=-1)) + 1)]


def tree_blocks(matrix, scales=None) -> list[np.ndarray]:
    """Blocks that are forests, for message passing; nodes are visited by falling scale, or as they come.

    Parameters
    ----------
    matrix : scipy sparse array of shape (n, n)
    scales : array of shape (n,), optional
        Such as Lipschitz constants.

    Returns
    -------
    list of ndarray of int64
        See `sparsesolve.operators.forest.partition_into_forests`.
    """
    order = None if scales is None else np.argsort(-np.asarray(scales), kind="stable")
    return partition_into_forests(matrix, order)


def lattice_combs(n_rows: int, n_columns: int, nodes=None) -> list[np.ndarray]:
    """Split a lattice into two interleaved combs, which are trees.

    One is the first row, and the even columns without their last nodes; the other is the rest.

    Parameters
    ----------
    n_rows, n_columns : int
        Node ``r * n_columns + c`` lies at (r, c).
    nodes : array of int, optional
        The nodes of a problem on a part of the lattice, such as its unlabelled nodes: blocks then hold places in this
        array.

    Returns
    -------
    list of ndarray of int64
        Two blocks; one where the other is empty.

    Examples
    --------
    >>> from sparsesolve.coordinate import lattice_combs
    >>> lattice_combs(3, 3)
    [array([0, 1, 2, 3, 5]), array([4, 6, 7, 8])]
    """
    n_rows, n_columns = check_count("n_rows", n_rows), check_count("n_columns", n_columns)
    n = n_rows * n_columns
    nodes = np.arange(n) if nodes is None else check_nodes("nodes", nodes, n)
    rows, columns = np.divmod(nodes, n_columns)
    first = (rows == 0) | ((columns % 2 == 0) & (rows < n_rows - 1))
    return [block for block in (np.flatnonzero(first), np.flatnonzero(~first)) if block.size]


def _check_labels(labels, count):
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise ValueError(
            f"labels has shape {labels.shape}, but {count} nodes are labelled: give one label for each; classes are "
            "solved column by column."
        )
    return check_targets("labels", labels, count)
