"""Parts of a plan that no entry of the support joins: a coarse problem moves the mass between them.

Where the parts' marginals differ by a little, that little has to cross, however expensive it is; and until the parts'
potentials have moved far enough against each other, the entries that will carry it are too small for any support. The
parts as the points, and the least reduced costs between them as the costs, make a small transport problem of the same
kind. Its potentials are the moves.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import finite_kernel, kernel
from ..operators.cost_rows import cost_row
from .state import Active, State, Support
from .support import newton_on_support

# Parts at most: beyond, the coarse problem would be no small one.
_MOST_PARTS = 512
# Imbalance of the parts that is left alone, as a share of the error that is asked for.
_BALANCED = 0.02
# Error of the coarse problem up to which its answer helps, as a share of the imbalance.
_SOLVED = 1.0
# Work on the coarse problem at most, in entries.
_COARSE_WORK = 1e8


@kernel
def _parts(starts, indices, n, m):
    """Number of the part of each row and column, and how many parts there are."""
    parent = np.arange(n + m)
    for i in range(n):
        for k in range(starts[i], starts[i + 1]):
            one, other = i, n + np.int64(indices[k])
            while parent[one] != one:
                parent[one] = parent[parent[one]]
                one = parent[one]
            while parent[other] != other:
                parent[other] = parent[parent[other]]
                other = parent[other]
            if one != other:
                parent[max(one, other)] = min(one, other)
    part = np.empty(n + m, np.int64)
    count = 0
    for node in range(n + m):
        # A root comes before all other nodes of its part.
        if parent[node] == node:
            part[node] = count
            count += 1
        else:
            part[node] = part[parent[node]]
    return part[:n], part[n:], count


@finite_kernel
def _lower(row, f, g, part, table):
    for j in range(row.shape[0]):
        reduced = row[j] - f - g[j]
        if reduced < table[part[j]]:
            table[part[j]] = reduced


@kernel
def _least_costs(cost, f, g, row_part, column_part, table, start, stop):
    """Least reduced cost between each two parts."""
    buffer = np.empty(g.shape[0])
    for i in range(start, stop):
        _lower(cost_row(cost, i, buffer), f[i], g, column_part, table[row_part[i]])


def couple_parts(state: State, support: Support | Active, reg: float, goal: float) -> bool:
    """Move the potentials of separate parts of a support so that the mass that has to can cross.

    Nothing is done where the parts are as good as balanced. Otherwise it costs a pass over all entries, after which
    the support has to be looked up again. Returns whether anything moved.
    """
    problem = state.problem
    if np.isfinite(problem.penalty):
        return False
    n, m = problem.cost.shape
    row_part, column_part, count = _parts(support.starts, support.indices, n, m)
    if not 1 < count <= _MOST_PARTS:
        return False
    supply = np.bincount(row_part, problem.a, count)
    demand = np.bincount(column_part, problem.b, count)
    imbalance = np.abs(supply - demand).sum()
    if imbalance <= _BALANCED * goal or not (supply.all() and demand.all()):
        return False
    table = np.full((count, count), np.inf)
    _least_costs(problem.cost.source, state.f, state.g, row_part, column_part, table, 0, n)
    state.dense_passes += 1
    # Within a part the entries make up its mass together.
    np.fill_diagonal(table, -reg * np.log(supply))
    starts = np.arange(count + 1) * count
    indices = np.tile(np.arange(count, dtype=np.uint32), count)
    costs, size = table.ravel(), count * count
    rise, fall = np.zeros(count), np.zeros(count)
    columns, rows, values = np.empty(count), np.empty(count), np.empty(size)
    nothing = np.zeros(count)
    _, error = newton_on_support(
        starts, indices, costs, values, starts, indices, costs, np.zeros(size, np.bool_), nothing, nothing, np.inf,
        supply, demand, 0.0, rise, fall, reg, _BALANCED * goal, np.inf, _COARSE_WORK, columns, rows, state.counts,
    )  # fmt: skip
    if error > _SOLVED * imbalance:
        return False
    state.f += rise[row_part]
    state.g += fall[column_part]
    return True
