"""Equal noise variances: the node with the least variance given those placed comes next.

W. Chen, M. Drton, Y. S. Wang, "On causal discovery with an equal-variance assumption", Biometrika 106 (2019); and
A. Ghoshal, J. Honorio, "Learning linear structural equation models in polynomial time and sample complexity",
AISTATS 2018. Here as a Cholesky factorization that takes the least pivot first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..backends.jit import kernel
from .constraints import Constraints
from .full_regressions import refit
from .order_search import DESCENT, MEMORY, OrderSearch, Progress
from .polish import polish
from .scores import FLOOR, LEAST_CHANGE, scoring

_RIDGE = 0.01
_ROUNDS = 3
#: With this many rows a column the order of the pivots is as good as any that a search finds.
_PLENTY = 3
#: The pivots err between neighbours: moves in the search that follows reach this far.
_REACH = 30


class EqualVarianceFit(NamedTuple):
    """A graph of equal noise variances.

    Attributes
    ----------
    order : ndarray of int64, shape (d,)
    graph : ndarray of bool, shape (d, d)
    weights : ndarray of float64, shape (d, d)
    variance : float
        The common noise variance, on the degrees of freedom that are left.
    score : float
        ``n d log(mean residual variance) + penalty * edges``; smaller is better.
    """

    order: np.ndarray
    graph: np.ndarray
    weights: np.ndarray
    variance: float
    score: float


@kernel
def _least_pivots(C, waiting, one_way, order, pivots):
    """Cholesky factorization in place with the least pivot first; `waiting` counts required parents not placed."""
    d = C.shape[0]
    placed = np.zeros(d, np.bool_)
    behind = np.zeros(d, np.int64)
    must = np.zeros(d, np.int64)
    for i in range(d):
        for j in range(d):
            behind[j] += one_way[i, j]
            must[j] += waiting[i, j]
    row = np.empty(d)
    for p in range(d):
        node = -1
        for j in range(d):
            if placed[j] or must[j] > 0:
                continue
            if node >= 0:
                free, best_free = behind[j] == 0, behind[node] == 0
                if (best_free and not free) or (free == best_free and not C[j, j] < C[node, node]):
                    continue
            node = j
        order[p], pivots[p] = node, max(C[node, node], 0.0)
        placed[node] = True
        for j in range(d):
            row[j] = C[node, j]
            behind[j] -= one_way[node, j]
            must[j] -= waiting[node, j]
        if not pivots[p] > 0.0:
            continue
        for i in range(d):
            if not placed[i]:
                factor = row[i] / pivots[p]
                line = C[i]
                for j in range(d):
                    line[j] -= factor * row[j]


def minimum_pivot_order(
    C: np.ndarray, constraints: Constraints, ridge: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Order the nodes by least conditional variance.

    Parameters
    ----------
    C : ndarray of shape (d, d)
        Covariance.
    constraints : Constraints
        A node waits for its required parents, and, where it can, for nodes that only may stand before it.
    ridge : float
        Added to the diagonal, in units of its mean.

    Returns
    -------
    order : ndarray of int64, shape (d,)
    pivots : ndarray of float64, shape (d,)
        The conditional variances, in that order. O(d^3).
    """
    d = len(C)
    work = np.array(C, dtype=np.float64, order="C")
    work[np.diag_indices(d)] += ridge * np.diag(C).mean()
    order, pivots = np.empty(d, np.int64), np.empty(d)
    one_way = constraints.allowed & ~constraints.allowed.T
    _least_pivots(work, constraints.required, one_way, order, pivots)
    return order, pivots


def equal_variance_penalty(n: int, d: int) -> float:
    """Cost of an edge, ``log n + 2 log d``: BIC, and the choice of the edge among all (extended BIC)."""
    return math.log(n) + 2.0 * math.log(d)


def common_variance(C: np.ndarray, graph: np.ndarray, n: int) -> float:
    """The noise variance shared by all nodes, on the degrees of freedom that their parents leave."""
    residuals = refit(C, graph)[1]
    freedom = np.maximum(n - graph.sum(axis=0), 1)
    return float(n * residuals.sum() / freedom.sum())


def fit_equal_variance(
    C: np.ndarray, order: np.ndarray, n: int, constraints: Constraints, penalty: float
) -> EqualVarianceFit:
    """Choose the parents of each node given the order, and the noise variance, in turn; O(d^3 + d^2 parents^3)."""
    C, unit = _in_units(C)
    return _in_data_units(_fit(C, order, n, constraints, penalty), n, unit)


def _fit(C, order, n, constraints, penalty) -> EqualVarianceFit:
    variance = max(float(np.diag(C).min()), _least_variance(C))
    graph = constraints.required
    for _ in range(_ROUNDS):
        before = graph
        graph = polish(scoring(C, n, penalty, constraints, variance), order, graph).graph
        variance = max(common_variance(C, graph, n), _least_variance(C))
        if np.array_equal(graph, before):
            break
    weights, residuals = refit(C, graph)
    mean = max(float(residuals.mean()), _least_variance(C))
    score = n * len(C) * math.log(mean) + penalty * float(graph.sum())
    return EqualVarianceFit(order, graph, weights, variance, score)


def _least_variance(C: np.ndarray) -> float:
    """A floor for the noise variance, so that nothing divides by zero."""
    return max(FLOOR * float(np.diag(C).mean()), np.finfo(float).tiny)


def _in_units(C: np.ndarray) -> tuple[np.ndarray, float]:
    """The covariance in units of its mean variance, or of a power of two near it, so that squares stay in range."""
    mean = float(np.diag(C).mean())
    unit = 2.0 ** round(math.log2(mean)) if mean > 0 else 1.0
    return C / unit, unit


def _in_data_units(fit: EqualVarianceFit, n: int, unit: float) -> EqualVarianceFit:
    shift = n * len(fit.order) * math.log(unit)
    return fit._replace(variance=fit.variance * unit, score=fit.score + shift)


def search_equal_variance(
    C: np.ndarray,
    n: int,
    constraints: Constraints,
    *,
    key: int = 0,
    penalty: float | None = None,
    search: bool | None = None,
    memory: int = MEMORY,
    reach: int = _REACH,
) -> Iterator[tuple[EqualVarianceFit, Progress | None] | None]:
    """Fit a graph of equal noise variances: order by pivots, parents by BIC, then an order search.

    Parameters
    ----------
    C : ndarray of shape (d, d)
        Covariance of the data as they are: scaling a column changes the answer.
    n : int
        Rows it comes from; may be less than d.
    constraints : Constraints
    key : int
        Key of the order in which the search visits nodes.
    penalty : float, optional
        Cost of an edge; `equal_variance_penalty` by default.
    search : bool, optional
        Whether to search over orders after the pivots; by default where there are few rows a column.
    memory : int
        Bytes for the search's cache.
    reach : int
        Largest distance of a move in the search.

    Yields
    ------
    (EqualVarianceFit, Progress or None) or None
        The best fit so far, at first that of the pivots; None between passes.
    """
    C, unit = _in_units(C)
    d = len(C)
    penalty = equal_variance_penalty(n, d) if penalty is None else penalty
    order, pivots = minimum_pivot_order(C, constraints)
    if n <= d or not pivots.min() > FLOOR * np.diag(C).mean():
        order, _ = minimum_pivot_order(C, constraints, _RIDGE)
    best = _fit(C, order, n, constraints, penalty)
    yield _in_data_units(best, n, unit), None
    if not (n < _PLENTY * d if search is None else search):
        return
    for attempt in range(_ROUNDS):
        orders = OrderSearch(scoring(C, n, penalty, constraints, best.variance), memory)
        orders.begin(best.order)
        for news in orders.run(DESCENT._replace(reach=reach), key, attempt << 20):
            if news is None:
                yield None
            else:
                progress = Progress(orders.score, orders.best, None, (), "search", *news, orders.resets)
                yield _in_data_units(best, n, unit), progress
        found = _fit(C, orders.best, n, constraints, penalty)
        if not found.score < best.score - LEAST_CHANGE:
            return
        best = found
        yield _in_data_units(best, n, unit), None
