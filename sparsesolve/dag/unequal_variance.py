"""Unequal noise variances: the order of least BIC, and the graph that goes with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .constraints import Constraints, compatible
from .full_regressions import refit_own
from .moves import random_order
from .order_search import ANNEAL, MEMORY, REFINE, OrderSearch, Progress
from .polish import polish
from .scores import LEAST_CHANGE, OwnRows, correlation, scoring


class UnequalVarianceFit(NamedTuple):
    """A graph with a noise variance for each node.

    Attributes
    ----------
    order : ndarray of int64, shape (d,)
    graph : ndarray of bool, shape (d, d)
    weights : ndarray of float64, shape (d, d)
    variances : ndarray of float64, shape (d,)
        Mean squared residuals.
    score : float
        ``n sum log(residual variance) + penalty * edges`` of the columns at unit variance; smaller is better.
    """

    order: np.ndarray
    graph: np.ndarray
    weights: np.ndarray
    variances: np.ndarray
    score: float


def unequal_variance_penalty(n: int) -> float:
    """Cost of an edge, ``2 log n``: twice that of the plain BIC, which lets in too many edges among many nodes."""
    return 2.0 * math.log(n)


def eager_growth(n: int, d: int) -> float:
    """Share of the penalty that a parent must gain to be tried, where small gains of some may pay together.

    With few rows a column such gains are mostly chance, and all of it has to be gained.
    """
    return 0.1 if n >= 2 * d else 1.0


def fit_unequal_variance(
    C: np.ndarray,
    order: np.ndarray,
    n: int,
    constraints: Constraints,
    penalty: float,
    graph: np.ndarray | None = None,
    own: OwnRows | None = None,
) -> UnequalVarianceFit:
    """Choose each node's parents given the order, by BIC; then least squares.

    Parameters
    ----------
    C : ndarray of shape (d, d)
        Covariance.
    order : ndarray of int64, shape (d,)
        In which required edges lead forward.
    n : int
    constraints : Constraints
    penalty : float
        Cost of an edge.
    graph : ndarray of bool, shape (d, d), optional
        Parents to begin with, besides those that tell most in the full regressions. O(d^3 + d^2 parents^3).
    own : OwnRows, optional
        Where nodes have rows of their own.
    """
    start = constraints.required if graph is None else graph
    growth = eager_growth(n, len(C))
    polished = polish(scoring(correlation(C), n, penalty, constraints, growth=growth, own=own), order, start)
    weights, variances = refit_own(C, polished.graph, own)
    return UnequalVarianceFit(order, polished.graph, weights, variances, float(polished.costs.sum()))


def search_unequal_variance(
    C: np.ndarray,
    n: int,
    constraints: Constraints,
    *,
    key: int,
    penalty: float | None = None,
    starts: int = 2,
    memory: int = MEMORY,
    own: OwnRows | None = None,
) -> Iterator[Progress | None]:
    """Search for the order of least BIC with unequal noise variances, from random orders alone.

    Each start is annealed with quick growth of parents; the best one is annealed again, mildly, with growth that also
    tries parents of small gain; then each node's parents are improved, the order held.

    Parameters
    ----------
    C : ndarray of shape (d, d)
        Covariance; only its correlations are used, so that the columns' scales do not matter.
    n : int
        Rows it comes from.
    constraints : Constraints
        Kept at every step.
    key : int
        Key of all draws (`sparsesolve.random.as_key`).
    penalty : float, optional
        Cost of an edge in units of twice the log-likelihood; ``2 log n`` by default, twice that of the plain BIC.
    starts : int
        Random starts.
    memory : int
        Bytes that a cache may use.
    own : OwnRows, optional
        Where nodes have rows of their own; C is then that of all rows.

    Yields
    ------
    Progress or None
        Progress after each pass; None between passes, where a driver may look at the clock.

    Notes
    -----
    The same bits for the same key; one thread. B. Andrews et al., NeurIPS 2023, for the score of an order; the
    annealing with draws from all places of a node is our own.
    """
    R, d = correlation(C), len(C)
    penalty = unequal_variance_penalty(n) if penalty is None else penalty
    best, start_scores, resets = math.inf, [], 0
    order = compatible(np.arange(d), constraints)
    search = OrderSearch(scoring(R, n, penalty, constraints, own=own), memory)
    for start in range(starts):
        number = start << 20
        start_scores.append(search.begin(compatible(random_order(key, number, d), constraints)))
        for news in search.run(ANNEAL, key, number + 1):
            start_scores[-1] = search.score
            if search.score < best - LEAST_CHANGE:
                best, order = search.score, search.best
            if news is None:
                yield None
            else:
                yield Progress(best, order, None, tuple(start_scores), "anneal", *news, search.resets)
    annealed = fit_unequal_variance(C, order, n, constraints, penalty, search.parents(order), own)
    resets = search.resets
    del search  # before there is another one of that size
    search = OrderSearch(scoring(R, n, penalty, constraints, growth=eager_growth(n, d), own=own), memory)
    search.begin(order)
    for news in search.run(REFINE, key, (starts << 20) + 1):
        if news is None:
            yield None
        else:
            count = resets + search.resets
            yield Progress(search.score, search.best, None, tuple(start_scores), "refine", *news, count)
    refined = fit_unequal_variance(C, search.best, n, constraints, penalty, search.parents(search.best), own)
    fit = annealed if annealed.score < refined.score - LEAST_CHANGE else refined
    resets += search.resets
    yield Progress(fit.score, fit.order, fit.graph, tuple(start_scores), "polish", 0.0, 0, resets)
