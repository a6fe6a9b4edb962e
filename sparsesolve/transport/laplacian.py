"""A preconditioner for Newton systems on a sparse plan: approximate Cholesky of the graph Laplacian behind them.

The Newton matrix [[diag(r), P], [P', diag(c)]] is, with the sign of one half changed, the Laplacian of the bipartite
graph with the plan's entries as edge weights; penalised marginals and the shift are edges to one more node, the ground.
Nodes are eliminated one by one; the clique that an elimination makes among the neighbours is sampled, one edge for
each neighbour, so that the factor stays as sparse as the plan (Kyng and Sachdeva 2016; Gao, Kyng and Spielman 2023).
Only positive numbers are added: nothing cancels, however small the weights.
"""

import numpy as np

from ..backends.jit import kernel

#: Edges below this share of the smaller node sum are left out where stronger ones join the same parts.
_WEAK = 1e-5


@kernel
def _root_of(parent, node):
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@kernel
def _strong_edges(starts, indices, values, rows, columns):
    """Which edges to keep: the strong ones, and of the weaker ones, by decades, those that join separate parts."""
    n, m = rows.shape[0], columns.shape[0]
    parent = np.arange(n + m)
    strong = np.zeros(starts[n], np.bool_)
    parts = n + m
    above, below = _WEAK, 1e300
    for level in range(12):
        # Edges of one level are all kept where they join what was apart before this level.
        for i in range(n):
            for k in range(starts[i], starts[i + 1]):
                j = np.int64(indices[k])
                share = values[k] / min(rows[i], columns[j])
                if above < share <= below:
                    strong[k] = level == 0 or _root_of(parent, i) != _root_of(parent, n + j)
        for i in range(n):
            for k in range(starts[i], starts[i + 1]):
                j = np.int64(indices[k])
                share = values[k] / min(rows[i], columns[j])
                if strong[k] and above < share <= below:
                    one, other = _root_of(parent, i), _root_of(parent, n + j)
                    if one != other:
                        parent[one] = other
                        parts -= 1
        if parts == 1:
            break
        below = above
        above = above * 1e-2 if level < 10 else 0.0
    return strong


@kernel
def _sort_by_weight(neighbours, weights, count):
    gap = 1
    while gap < count // 3:
        gap = 3 * gap + 1
    while gap >= 1:
        for q in range(gap, count):
            weight, neighbour, h = weights[q], neighbours[q], q
            while h >= gap and weights[h - gap] > weight:
                weights[h] = weights[h - gap]
                neighbours[h] = neighbours[h - gap]
                h -= gap
            weights[h] = weight
            neighbours[h] = neighbour
        gap //= 3


@kernel
def _put_edge(edge, one, other, weight, position, heads, others, following, edge_weights):
    """An edge is listed at the end that is eliminated first."""
    if position[one] > position[other]:
        one, other = other, one
    others[edge] = other
    edge_weights[edge] = weight
    following[edge] = heads[one]
    heads[one] = edge


@kernel
def approximate_factor(starts, indices, values, rows, columns, row_ground, column_ground, seed):
    """Factor the Laplacian of a plan, grounded where the ground weights are positive.

    Parameters
    ----------
    starts, indices, values : arrays
        The plan in CSR form, of n rows and m columns.
    rows, columns : arrays of shape (n,) and (m,)
        Its sums.
    row_ground, column_ground : arrays of shape (n,) and (m,)
        Weights of the edges to the ground, at least 0.
    seed : uint64
        Of the sampling; not 0.

    Returns
    -------
    order, factor_starts, factor_rows, factor_values, pivots : arrays
        For `solve_factored`. Nodes are the rows, the columns, and the ground, which is eliminated last.
    """
    n, m = rows.shape[0], columns.shape[0]
    nodes = n + m + 1
    ground = n + m
    strong = _strong_edges(starts, indices, values, rows, columns)
    total = np.zeros(nodes)
    squares = np.zeros(nodes)
    n_edges = 0
    for i in range(n):
        for k in range(starts[i], starts[i + 1]):
            if strong[k]:
                j = n + np.int64(indices[k])
                total[i] += values[k]
                total[j] += values[k]
                squares[i] += values[k] ** 2
                squares[j] += values[k] ** 2
                n_edges += 1
    for i in range(ground):
        weight = row_ground[i] if i < n else column_ground[i - n]
        n_edges += 1 if weight > 0.0 else 0
    # The effective number of neighbours: few first, the ground last.
    effective = np.empty(nodes)
    for i in range(ground):
        effective[i] = total[i] * total[i] / squares[i] if squares[i] > 0.0 else 0.0
    effective[ground] = 1e300
    order = np.argsort(effective)
    position = np.empty(nodes, np.int64)
    for t in range(nodes):
        position[order[t]] = t

    heads = np.full(nodes, -1, np.int64)
    others = np.empty(n_edges, np.int64)
    following = np.empty(n_edges, np.int64)
    edge_weights = np.empty(n_edges)
    edge = 0
    for i in range(n):
        for k in range(starts[i], starts[i + 1]):
            if strong[k]:
                j = n + np.int64(indices[k])
                _put_edge(edge, i, j, values[k], position, heads, others, following, edge_weights)
                edge += 1
    for i in range(ground):
        weight = row_ground[i] if i < n else column_ground[i - n]
        if weight > 0.0:
            _put_edge(edge, i, ground, weight, position, heads, others, following, edge_weights)
            edge += 1

    factor_starts = np.zeros(nodes + 1, np.int64)
    factor_rows = np.empty(2 * n_edges + nodes, np.int64)
    factor_values = np.empty(2 * n_edges + nodes)
    pivots = np.zeros(nodes)
    place = np.full(nodes, -1, np.int64)
    neighbours = np.empty(nodes, np.int64)
    weights = np.empty(nodes)
    rest = np.empty(nodes + 1)
    slots = np.empty(n_edges, np.int64)
    state = np.uint64(seed)
    filled = 0
    for t in range(nodes):
        count, used = 0, 0
        edge = heads[order[t]]
        while edge >= 0:
            other = others[edge]
            slots[used] = edge
            used += 1
            if place[other] < 0:
                place[other] = count
                neighbours[count] = other
                weights[count] = 0.0
                count += 1
            weights[place[other]] += edge_weights[edge]
            edge = following[edge]
        for q in range(count):
            place[neighbours[q]] = -1
        _sort_by_weight(neighbours, weights, count)
        rest[count] = 0.0
        for q in range(count - 1, -1, -1):
            rest[q] = rest[q + 1] + weights[q]
        pivots[t] = rest[0]
        for q in range(count - 1):
            # A partner among the heavier neighbours, with probability proportional to its weight.
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            left = np.float64(state >> np.uint64(11)) * (1.0 / 9007199254740992.0) * rest[q + 1]
            low, high = q + 1, count - 1
            while low < high:
                middle = (low + high + 1) >> 1
                if rest[middle] > left:
                    low = middle
                else:
                    high = middle - 1
            weight = weights[q] * (rest[q + 1] / rest[0])
            if weight > 0.0:
                _put_edge(
                    slots[q], neighbours[q], neighbours[low], weight, position, heads, others, following,
                    edge_weights,
                )  # fmt: skip
        if filled + count > factor_rows.shape[0]:
            more = 2 * factor_rows.shape[0] + count
            longer_rows, longer_values = np.empty(more, np.int64), np.empty(more)
            longer_rows[:filled] = factor_rows[:filled]
            longer_values[:filled] = factor_values[:filled]
            factor_rows, factor_values = longer_rows, longer_values
        for q in range(count):
            factor_rows[filled] = neighbours[q]
            factor_values[filled] = weights[q] / rest[0]
            filled += 1
        factor_starts[t + 1] = filled
    return order, factor_starts, factor_rows, factor_values, pivots


@kernel
def solve_factored(order, factor_starts, factor_rows, factor_values, pivots, y):
    """Y becomes the approximate solution of the Laplacian system with right side y; the ground has potential 0."""
    nodes = order.shape[0]
    for t in range(nodes):
        value = y[order[t]]
        if value != 0.0:
            for k in range(factor_starts[t], factor_starts[t + 1]):
                y[factor_rows[k]] += factor_values[k] * value
    for t in range(nodes):
        y[order[t]] = y[order[t]] / pivots[t] if pivots[t] > 0.0 else 0.0
    for t in range(nodes - 1, -1, -1):
        value = y[order[t]]
        for k in range(factor_starts[t], factor_starts[t + 1]):
            value += factor_values[k] * y[factor_rows[k]]
        y[order[t]] = value
