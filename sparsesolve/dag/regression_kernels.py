"""Regressions of one node on few others, from covariances alone."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel, reduction_kernel
from .scores import FLOOR, cost


@kernel
def condition(C, y, members, count, rows, variances, covariances):
    """Condition all nodes on some of them.

    Parameters
    ----------
    C : ndarray of shape (d, d)
    y : int
    members, count : ndarray of int64, int
        The nodes to condition on: the first `count` members.
    rows : ndarray of shape (>= count, d)
        Overwritten by rows of the Cholesky factor.
    variances, covariances : ndarray of shape (d,)
        Overwritten by each node's variance, and its covariance with y, given the members; both are 0 where the
        variance is rounding.

    Returns
    -------
    float
        Variance of y given the members, not below 0. O(count^2 d).
    """
    residual = begin(C, y, variances, covariances)
    for q in range(count):
        residual -= condition_further(C, members[q], q, rows, variances, covariances)
    return max(residual, 0.0)


@reduction_kernel
def begin(C, y, variances, covariances):
    """Variances, and covariances with y, given nothing; returns the variance of y."""
    for i in range(C.shape[0]):
        variances[i] = C[i, i]
        covariances[i] = C[y, i]
    return C[y, y]


@reduction_kernel
def condition_further(C, member, q, rows, variances, covariances):
    """Condition on one node more, the q-th. Returns what it takes from the variance of y; O(q d)."""
    d = C.shape[0]
    row, line = rows[q], C[member]
    if variances[member] == 0.0:
        for i in range(d):
            row[i] = 0.0
        return 0.0
    scale = 1.0 / np.sqrt(variances[member])
    own = covariances[member] * scale
    for i in range(d):
        row[i] = line[i]
    for r in range(q):
        earlier = rows[r]
        factor = earlier[member]
        for i in range(d):
            row[i] -= factor * earlier[i]
    for i in range(d):
        value = row[i] * scale
        row[i] = value
        variance = variances[i] - value * value
        live = variance > FLOOR * C[i, i]
        variances[i] = variance if live else 0.0
        covariances[i] = covariances[i] - value * own if live else 0.0
    variances[member] = 0.0
    covariances[member] = 0.0
    return own * own


@reduction_kernel
def include(C, cross, members, count, node, inverse, weights, work):
    """Add a node to a regression: `inverse` of the members' covariance and `weights` on them are brought up to date.

    Parameters
    ----------
    C : ndarray of shape (d, d)
    cross : ndarray of shape (d,)
        Right hand side of the normal equations.
    members : ndarray of int64
        The first `count` are in; the node is written behind them.
    node : int
    inverse, weights, work : ndarray of shape (width, width), (width,), (width,)

    Returns
    -------
    float
        What it takes from the residual variance; -1 where the node is one of the members but for rounding, and
        nothing is changed. O(count^2).
    """
    variance, covariance = C[node, node], cross[node]
    for j in range(count):
        work[j] = 0.0
    for i in range(count):
        shared, row = C[node, members[i]], inverse[i]
        for j in range(count):
            work[j] += shared * row[j]
    for i in range(count):
        variance -= work[i] * C[node, members[i]]
        covariance -= weights[i] * C[node, members[i]]
    if not variance > FLOOR * C[node, node]:
        return -1.0
    weight = covariance / variance
    for i in range(count):
        share, row = work[i] / variance, inverse[i]
        for j in range(count):
            row[j] += share * work[j]
        inverse[i, count] = -share
        inverse[count, i] = -share
        weights[i] -= work[i] * weight
    inverse[count, count] = 1.0 / variance
    weights[count] = weight
    members[count] = node
    return weight * covariance


@reduction_kernel
def exclude(members, count, place, inverse, weights):
    """Take out the member at that place; the last one moves there. Returns what is lost; O(count^2)."""
    pivot, weight = inverse[place, place], weights[place]
    out, last = inverse[place], count - 1
    for i in range(count):
        if i != place:
            share, row = out[i] / pivot, inverse[i]
            weights[i] -= share * weight
            for j in range(count):
                row[j] -= share * out[j]
    members[place] = members[last]
    weights[place] = weights[last]
    for i in range(count):
        inverse[i, place] = inverse[i, last]
    for i in range(count):
        inverse[place, i] = inverse[last, i]
    return weight * weight / pivot


@kernel
def eliminate(scoring, y, members, count, fixed):
    """Backward elimination: drop the least useful parent as long as that lowers the cost.

    Parameters
    ----------
    scoring : Scoring
    y : int
    members : ndarray of int64
        Parents to begin with, overwritten by those that stay; the first `fixed` of them are never dropped.
    count, fixed : int

    Returns
    -------
    cost : float
    count : int
        O(count^3).
    """
    C = scoring.own[scoring.group[y]]
    inside, places = np.empty(count, np.int64), np.empty(count, np.bool_)
    inverse, weights, work = np.empty((count, count)), np.empty(count), np.empty(count)
    redundant = np.empty(fixed, np.int64)
    size, aside, residual = 0, 0, C[y, y]
    for q in range(count):
        gain = include(C, C[y], inside, size, members[q], inverse, weights, work)
        if gain >= 0.0:
            places[size] = q < fixed
            residual -= gain
            size += 1
        elif q < fixed:
            redundant[aside] = members[q]
            aside += 1
    residual = max(residual, 0.0)
    best = cost(scoring, y, residual, size + aside)
    while True:
        least, place = np.inf, -1
        for i in range(size):
            loss = weights[i] * weights[i] / inverse[i, i]
            if not places[i] and loss < least:
                least, place = loss, i
        if place < 0:
            break
        without = cost(scoring, y, residual + least, size + aside - 1)
        if not without < best:
            break
        best = without
        residual += least
        exclude(inside, size, place, inverse, weights)
        size -= 1
        places[place] = places[size]
    for i in range(size):
        members[i] = inside[i]
    for i in range(aside):
        members[size + i] = redundant[i]
    return best, size + aside
