"""Kernels on forests: union-find for the partitions, elimination from leaves to roots for the solves.

Graphs come as the index arrays of a CSR array: symmetric, no entry twice. Entries on the diagonal are no edges.
"""

import numpy as np

from ..backends.jit import kernel

_NOWHERE = np.uint32(2**32 - 1)


@kernel
def _root_of(parent, node):
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@kernel
def assign_forests(starts, indices, order, n_forests):
    """Put each node, in the given order, into the first forest in which it touches no tree twice.

    Parameters
    ----------
    starts, indices : arrays
    order : ndarray of int64
        The nodes to place.
    n_forests : int
        Nodes that fit in none of so many forests stay out; no limit if 0.

    Returns
    -------
    forests : ndarray of int64, shape (n,)
        Number of each node's forest; -1 for those that stay out.
    """
    n = starts.shape[0] - 1
    forests = np.full(n, -1, np.int64)
    parent = np.arange(n)
    touched = np.full(n, -1, np.int64)  # by tree: the last node that met it
    closed = np.full(n + 1, -1, np.int64)  # by forest: the last node that would close a cycle there
    for t in range(order.shape[0]):
        i = order[t]
        for k in range(starts[i], starts[i + 1]):
            j = np.int64(indices[k])
            if j != i and forests[j] >= 0:
                root = _root_of(parent, j)
                if touched[root] == i:
                    closed[forests[j]] = i
                touched[root] = i
        forest = 0
        while closed[forest] == i:
            forest += 1
        if n_forests > 0 and forest >= n_forests:
            continue
        forests[i] = forest
        for k in range(starts[i], starts[i + 1]):
            j = np.int64(indices[k])
            if j != i and forests[j] == forest:
                parent[_root_of(parent, j)] = i
    return forests


@kernel
def factor_forest(starts, indices, values, nodes, order, parent, pivots, multipliers):
    """Factor the block of a symmetric matrix whose graph is a forest: L D L', without fill.

    Parameters
    ----------
    starts, indices, values : arrays
        The whole matrix; whole numbers are unsigned, which spares the question whether they count from the end.
    nodes : ndarray of uint64, shape (k,)
        The block.
    order, parent : ndarray of uint32, shape (k,)
        Output. Nodes, as places in the block, by breadth first from the roots; and the place of each one's parent in
        that order, its own place for a root.
    pivots, multipliers : ndarray of shape (k,)
        Output, in that order; a pivot is zero where the matrix is singular.

    Returns
    -------
    int
        0; 1 where the graph has a cycle; 2 where a pivot is negative.
    """
    eps = 2.220446049250313e-16
    count = nodes.shape[0]
    place = np.full(starts.shape[0] - 1, _NOWHERE)
    met = np.full(count, _NOWHERE)  # by place in the block: its place in the order
    diagonal = np.zeros(count)
    for q in range(count):
        place[nodes[q]] = q
    filled = np.uint64(0)
    for root in range(count):
        if met[root] != _NOWHERE:
            continue
        met[root], order[filled], parent[filled], multipliers[filled] = filled, root, filled, 0.0
        head = filled
        filled += np.uint64(1)
        while head < filled:
            q = order[head]
            i = nodes[q]
            for k in range(starts[i], starts[i + np.uint64(1)]):
                p = place[indices[k]]
                if p == _NOWHERE:
                    continue
                if p == q:
                    diagonal[head] = values[k]
                elif met[p] == _NOWHERE:
                    met[p], order[filled], parent[filled] = filled, p, head
                    multipliers[filled] = values[k]
                    filled += np.uint64(1)
                elif parent[head] != met[p]:
                    return 1
            head += np.uint64(1)
    for t in range(count):
        pivots[t] = diagonal[t]
    for t in range(count - 1, -1, -1):
        pivot = pivots[t]
        # What rounding leaves of a pivot that is zero; its row is then zero too, if the matrix is semidefinite.
        if pivot <= 8.0 * eps * abs(diagonal[t]):
            if pivot < -1e-8 * abs(diagonal[t]) or diagonal[t] < 0.0:
                return 2
            pivots[t] = 0.0
            if parent[t] != t and multipliers[t] != 0.0:
                return 2
            continue
        if parent[t] != t:
            coupling = multipliers[t]
            multipliers[t] = coupling / pivot
            pivots[parent[t]] -= coupling * multipliers[t]
    return 0


@kernel
def solve_forest(order, parent, pivots, multipliers, right, work, solution):
    """Solve for one right-hand side of shape (k,); unknowns with a zero pivot become zero."""
    count = order.shape[0]
    for t in range(count):
        work[t] = right[order[t]]
    for t in range(count - 1, -1, -1):
        if parent[t] != t:
            work[parent[t]] -= multipliers[t] * work[t]
    for t in range(count):
        value = work[t] / pivots[t] if pivots[t] > 0.0 else 0.0
        if parent[t] != t:
            value -= multipliers[t] * work[parent[t]]
        work[t] = value
        solution[order[t]] = value


@kernel
def solve_forest_columns(order, parent, pivots, multipliers, right, work, solution):
    """The same for right-hand sides of shape (k, m)."""
    count, width = right.shape
    for t in range(count):
        for c in range(width):
            work[t, c] = right[order[t], c]
    for t in range(count - 1, -1, -1):
        up = parent[t]
        if up != t:
            for c in range(width):
                work[up, c] -= multipliers[t] * work[t, c]
    for t in range(count):
        up = parent[t]
        inverse = 1.0 / pivots[t] if pivots[t] > 0.0 else 0.0
        factor = multipliers[t] if up != t else 0.0
        for c in range(width):
            work[t, c] = work[t, c] * inverse - factor * work[up, c] if up != t else work[t, c] * inverse
            solution[order[t], c] = work[t, c]
