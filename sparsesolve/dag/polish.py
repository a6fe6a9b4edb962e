"""The last improvements of a graph whose order is given: each node's parents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..backends.jit import kernel
from .full_regressions import full_gains
from .regression_kernels import condition, eliminate
from .scores import LEAST_CHANGE, Scoring, cost, least_gain

#: Backward elimination starts from this many nodes of largest gain in the full regression, and from all others whose
#: gain is more than this share of an edge's cost.
_WIDTH, _SHARE = 128, 0.25
_MOST_EXCHANGED = 48


class Polished(NamedTuple):
    """A graph and its score.

    Attributes
    ----------
    graph : ndarray of bool, shape (d, d)
        [i, j] for i -> j.
    costs : ndarray of float64, shape (d,)
        Of each node; their sum is the score.
    """

    graph: np.ndarray
    costs: np.ndarray


def polish(scoring: Scoring, order: np.ndarray, graph: np.ndarray) -> Polished:
    """Improve each node's parents among those before it, the order held.

    Two starts are tried for each node, and the better end kept: the parents it has, and those of the nodes before it
    that tell most in the full regression. From each, backward elimination, additions and exchanges until none helps.

    Parameters
    ----------
    scoring : Scoring
    order : ndarray of int64, shape (d,)
        In which required edges lead forward.
    graph : ndarray of bool, shape (d, d)
        To begin with; its edges lead forward and are allowed.

    Returns
    -------
    Polished
        Never worse than the graph. O(d^3 + d^2 parents^3).
    """
    d = len(order)
    found = np.zeros((d, d), dtype=np.bool_)
    costs = np.empty(d)
    gains, residuals = full_gains(np.ascontiguousarray(scoring.C[np.ix_(order, order)]))
    _polish(scoring, order.astype(np.int64), graph.astype(np.bool_), gains, residuals, found, costs)
    return Polished(found, costs)


class _Room(NamedTuple):
    """Work space of one node after the other."""

    rows: np.ndarray
    variances: np.ndarray
    covariances: np.ndarray
    trial: np.ndarray
    kept: np.ndarray


@kernel
def _polish(scoring, order, graph, gains, residuals, found, costs):
    d = order.size
    trial, kept = np.empty(d + 1, np.int64), np.empty(d + 1, np.int64)
    room = _Room(np.empty((d + 1, d)), np.empty(d), np.empty(d), trial, kept)
    members, others = np.empty(d + 1, np.int64), np.empty(d + 1, np.int64)
    admitted, before = np.zeros(d, np.bool_), np.zeros(d, np.bool_)
    for p in range(d):
        y = order[p]
        fixed = scoring.required_count[y]
        members[:fixed] = scoring.required[y, :fixed]
        others[:fixed] = members[:fixed]
        for i in range(d):
            admitted[i] = before[i] and scoring.candidates[y, i]
        wide = _most_telling(scoring, order, p, gains[p], residuals[p], admitted, others)
        best, wide = _improve(scoring, y, others, wide, fixed, admitted, room)
        count = fixed
        for i in range(d):
            if admitted[i] and graph[i, y]:
                members[count] = i
                count += 1
        value, count = _improve(scoring, y, members, count, fixed, admitted, room)
        if value < best - LEAST_CHANGE:
            best, wide = value, count
            others[:count] = members[:count]
        for q in range(wide):
            found[others[q], y] = True
        costs[y] = best
        before[y] = True


@kernel
def _most_telling(scoring, order, p, gains, residual, admitted, members):
    """Write, behind the required ones, the nodes that explain most in the full regression of node p; their number."""
    least = _SHARE * scoring.penalty * (scoring.variance if scoring.variance > 0.0 else residual)
    count = scoring.required_count[order[p]]
    limit = count + _most(scoring)
    telling = 0
    for q in np.argsort(-gains[:p]):
        node = order[q]
        if count < limit and admitted[node] and gains[q] > 0.0:
            if telling >= _WIDTH and scoring.n[order[p]] * gains[q] < least:
                break
            members[count] = node
            count += 1
            telling += 1
    return count


@kernel
def _most(scoring):
    """Largest number of parents: beyond half the rows a regression fits noise."""
    return max(0, int(scoring.n.min()) // 2 - 1)


@kernel
def _improve(scoring, y, members, count, fixed, admitted, room):
    """Eliminate, add and exchange parents until none of it helps; the first `fixed` members stay.

    At first parents are added as in the search, where small gains may pay together. Returns cost and count.
    """
    now, count = eliminate(scoring, y, members, count, fixed)
    _required_first(scoring, y, members, count)
    _copy(members, count, room.kept)
    grown = count
    while grown - fixed < _most(scoring):
        residual, node, gain = _best_addition(scoring, y, members, grown, admitted, room)
        if node < 0 or not gain > least_gain(scoring, y, residual):
            break
        members[grown] = node
        grown += 1
    value, grown = eliminate(scoring, y, members, grown, fixed)
    if value < now:
        now, count = value, grown
    else:
        _copy(room.kept, count, members)
    while True:
        _required_first(scoring, y, members, count)
        start = now
        if count - fixed <= _MOST_EXCHANGED:
            now = _exchange(scoring, y, members, count, fixed, admitted, room, now)
        while count - fixed < _most(scoring):
            residual, node, gain = _best_addition(scoring, y, members, count, admitted, room)
            value = cost(scoring, y, residual - gain, count + 1)
            if node < 0 or not value < now - LEAST_CHANGE:
                break
            members[count] = node
            now, count = value, count + 1
        now, count = eliminate(scoring, y, members, count, fixed)
        if not now < start - LEAST_CHANGE:
            return now, count


@kernel
def _copy(source, count, target):
    for i in range(count):
        target[i] = source[i]


@kernel
def _required_first(scoring, y, members, count):
    """Bring the required parents, which are all there, to the front again."""
    for q in range(scoring.required_count[y]):
        for r in range(q, count):
            if members[r] == scoring.required[y, q]:
                members[r], members[q] = members[q], members[r]


@kernel
def _best_addition(scoring, y, members, count, admitted, room):
    """Residual variance given the members, the best node to add, and what it takes from the residual variance."""
    variances, covariances = room.variances, room.covariances
    residual = condition(scoring.own[scoring.group[y]], y, members, count, room.rows, variances, covariances)
    node, most = -1, 0.0
    for i in range(variances.size):
        if admitted[i] and variances[i] > 0.0:
            gain = covariances[i] * covariances[i] / variances[i]
            if gain > most:
                node, most = i, gain
    return residual, node, min(most, residual)


@kernel
def _exchange(scoring, y, members, count, fixed, admitted, room, now):
    """Make the best exchange of one parent for another, where it helps; returns the cost."""
    trial, best, out, new = room.trial, now - LEAST_CHANGE, -1, -1
    for q in range(fixed, count):
        for r in range(count):
            trial[r] = members[r]
        trial[q] = members[count - 1]
        residual, node, gain = _best_addition(scoring, y, trial, count - 1, admitted, room)
        value = cost(scoring, y, residual - gain, count)
        if node >= 0 and node != members[q] and value < best:
            best, out, new = value, q, node
    if out < 0:
        return now
    members[out] = new
    return best
