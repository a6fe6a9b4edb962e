"""The score of a graph is a sum over its nodes; smaller is better.

With unequal noise variances, node j of residual variance r_j and k_j parents costs ``n log r_j + penalty k_j``: the
Gaussian BIC, on correlations, so that the columns' scales do not matter. With one common noise variance s it costs
``n r_j / s + penalty k_j``, on covariances; s is held while one searches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..backends.jit import kernel
from .constraints import Constraints

#: Share of a column's variance that counts as nothing: what is left of a column beyond others is rounding below it.
FLOOR = 1e-11
#: Scores that differ by less are the same: the graphs of a class have one score, but for rounding.
LEAST_CHANGE = 1e-4
_MOST_PARENTS = 128


class Scoring(NamedTuple):
    """A score, and which edges may enter: what all kernels of the search read.

    Attributes
    ----------
    C : ndarray of float64, shape (d, d)
        Covariance, or correlation.
    candidates : ndarray of bool, shape (d, d)
        ``candidates[y, i]``: may i be a parent of y.
    required : ndarray of int64, shape (d, width)
        Parents that each node must have; row y counts up to ``required_count[y]``.
    required_count : ndarray of int64, shape (d,)
    n : ndarray of float64, shape (d,)
        Rows that each node's covariance comes from.
    penalty : float
        Cost of an edge.
    variance : float
        The common noise variance; 0 where variances are unequal.
    growth : float
        A parent is tried when it gains more than this share of the penalty.
    most : int
        Largest number of parents of a node, required ones apart.
    own : ndarray of float64, shape (n_groups, d, d)
        Covariances over other rows: node y is regressed by ``own[group[y]]``. C alone where no node has its own rows.
    group : ndarray of int64, shape (d,)
    """

    C: np.ndarray
    candidates: np.ndarray
    required: np.ndarray
    required_count: np.ndarray
    n: np.ndarray
    penalty: float
    variance: float
    growth: float
    most: int
    own: np.ndarray
    group: np.ndarray


class OwnRows(NamedTuple):
    """Nodes that are regressed on other rows than the rest: those where they were not set from outside.

    Attributes
    ----------
    covariances : ndarray of shape (n_groups, d, d)
    rows : ndarray of float64, shape (n_groups,)
    group : ndarray of int64, shape (d,)
        Which of them is a node's.
    """

    covariances: np.ndarray
    rows: np.ndarray
    group: np.ndarray


def correlation(C: np.ndarray) -> np.ndarray:
    """Return the correlations; a column without variance has a unit diagonal and no correlation.

    Powers of two in the columns' scales change no bit of them.
    """
    deviation = np.sqrt(np.diag(C))
    dead = ~(deviation > 0)
    scale = np.where(dead, 1.0, deviation)
    R = np.ascontiguousarray((C / scale) / scale[:, None])
    R[dead] = 0.0
    R[:, dead] = 0.0
    np.fill_diagonal(R, 1.0)
    return R


def scoring(
    C: np.ndarray,
    n: int,
    penalty: float,
    constraints: Constraints,
    variance: float = 0.0,
    growth: float = 1.0,
    own: OwnRows | None = None,
) -> Scoring:
    """Put a score together.

    Parameters
    ----------
    C : ndarray of shape (d, d)
        Correlations where variances are unequal (`correlation`), covariances where they are equal.
    n : int
    penalty : float
    constraints : Constraints
    variance, growth : float
        See `Scoring`.
    own : OwnRows, optional
        Their correlations are taken; for unequal variances.
    """
    required = constraints.required
    d, width = len(C), int(required.sum(axis=0).max(initial=0))
    parents = np.zeros((d, max(width, 1)), dtype=np.int64)
    for j in range(d):
        of_j = np.flatnonzero(required[:, j])
        parents[j, : of_j.size] = of_j
    C = np.ascontiguousarray(C, dtype=np.float64)
    stack, group, rows = C[None], np.zeros(d, np.int64), np.full(d, float(n))
    if own is not None:
        stack = np.stack([correlation(part) for part in own.covariances])
        group, rows = own.group.astype(np.int64), own.rows[own.group].astype(np.float64)
    candidates = np.ascontiguousarray((constraints.allowed & ~required).T)
    return Scoring(
        C,
        candidates,
        parents,
        required.sum(axis=0).astype(np.int64),
        rows,
        float(penalty),
        float(variance),
        float(growth),
        # Beyond half the rows a regression fits noise, and residuals near zero would win every comparison.
        max(0, min(_MOST_PARENTS, int(rows.min()) // 2 - 1, d - 1)),
        stack,
        group,
    )


@kernel
def cost(scoring, y, residual, count):
    """The cost of node y with that residual variance and number of parents; finite also where nothing is left."""
    if scoring.variance > 0.0:
        return scoring.n[y] * residual / scoring.variance + scoring.penalty * count
    least = FLOOR * scoring.own[scoring.group[y], y, y]
    return scoring.n[y] * np.log(max(residual, least)) + scoring.penalty * count


@kernel
def least_gain(scoring, y, residual):
    """What a parent must take from the residual variance to be tried."""
    share = scoring.growth * scoring.penalty
    if scoring.variance > 0.0:
        return share * scoring.variance / scoring.n[y]
    if residual <= FLOOR * scoring.own[scoring.group[y], y, y]:
        return np.inf
    return residual * (1.0 - np.exp(-share / scoring.n[y]))


def graph_score(scoring: Scoring, adjacency: np.ndarray) -> float:
    """The score of a graph whose weights are refitted by least squares; O(sum of parents^3)."""
    total = 0.0
    for y in range(len(adjacency)):
        parents = np.flatnonzero(adjacency[:, y])
        C = scoring.own[scoring.group[y]]
        residual = C[y, y]
        if parents.size:
            inner, cross = C[np.ix_(parents, parents)], C[parents, y]
            residual -= cross @ np.linalg.lstsq(inner, cross, rcond=FLOOR)[0]
        total += cost(scoring, y, max(residual, 0.0), parents.size)
    return total
