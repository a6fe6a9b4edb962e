"""Parents of a node among those before it, grown greedily and shrunk again, from a cached trie.

Growing adds the candidate of largest gain among the nodes before y, as long as the gain is worth its price; which
one that is depends on the parents so far alone. So each node y has a trie: a vertex is the sequence of parents added
to get there, and keeps the candidates that come next, best first. To grow is to walk down, at each vertex to the first
candidate that stands before y; the vertex where none does, the leaf, has the parents. When another node moves across
y, a few look-ups tell whether the leaf changes, and from where to walk again. Shrinking is backward elimination
from the leaf's parents, once a leaf.

B. Andrews, J. Ramsey, R. Sanchez-Romero, J. Camchong, E. Kummerfeld, "Fast scalable and accurate discovery of DAGs
using the best order score search and grow-shrink trees", NeurIPS 2023.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel, reduction_kernel
from .regression_kernels import begin, condition_further, eliminate
from .scores import least_gain
from .trie_storage import AT, OVERFLOW, SLOTS, VERTICES

_UNKNOWN = np.inf
_TINY = 1e-300


@kernel
def plant(scoring, tries):
    """Empty the storage, and make the roots."""
    tries.counts[VERTICES] = scoring.C.shape[0]
    tries.counts[SLOTS] = 0
    tries.counts[OVERFLOW] = 0
    tries.counts[AT] = -1
    for y in range(scoring.C.shape[0]):
        tries.node[y] = -1
        tries.parent[y] = -1
        tries.depth[y] = 0
        _expand(scoring, tries, y, y)


@kernel
def parents_at(scoring, tries, y, vertex, members):
    """Write the required parents and those on the path to the vertex, in the order of their addition."""
    fixed = scoring.required_count[y]
    count = fixed + tries.depth[vertex]
    for q in range(fixed):
        members[q] = scoring.required[y, q]
    place = count
    while tries.parent[vertex] >= 0:
        place -= 1
        members[place] = tries.node[vertex]
        vertex = tries.parent[vertex]
    return count


@kernel
def _expand(scoring, tries, y, vertex):
    """Find the candidates of a new vertex; O(parents d) below the vertex expanded last, else O(parents^2 d)."""
    d = scoring.C.shape[0]
    rank, keys, start = tries.rank[vertex], tries.keys, tries.counts[SLOTS]
    residual = _condition_at(scoring, tries, y, vertex)
    tries.cost[vertex] = _UNKNOWN
    found = 0
    if residual > 0.0 and tries.depth[vertex] < scoring.most:
        _fill_gains(tries.variances, tries.covariances, tries.gains)
        least = least_gain(scoring, y, residual)
        allowed, gains = scoring.candidates[y], tries.gains
        for i in range(d):
            if gains[i] > least and allowed[i]:
                # Sorted by the share as a whole number, then by the node: what is equal but for rounding is equal.
                share = np.int64(gains[i] / residual * 1099511627776.0)
                keys[found] = (min(share, 1099511627776) << 15) | (32767 - i)
                found += 1
    for i in range(d):
        rank[i] = -1
    _sort_descending(keys, found)
    for r in range(found):
        i = 32767 - (keys[r] & 32767)
        tries.candidate[start + r] = i
        tries.below[start + r] = -1
        rank[i] = r
    tries.first[vertex] = start
    tries.last[vertex] = start + found
    tries.counts[SLOTS] = start + found


@kernel
def _condition_at(scoring, tries, y, vertex):
    """Condition on the parents at a vertex, in the work space; returns the residual variance of y."""
    C, counts = scoring.own[scoring.group[y]], tries.counts
    count = scoring.required_count[y] + tries.depth[vertex]
    if tries.parent[vertex] >= 0 and tries.parent[vertex] == counts[AT]:
        residual = tries.residual[0] - condition_further(
            C, tries.node[vertex], count - 1, tries.rows, tries.variances, tries.covariances
        )
    else:
        members = np.empty(count, np.int64)
        parents_at(scoring, tries, y, vertex, members)
        residual = begin(C, y, tries.variances, tries.covariances)
        for q in range(count):
            residual -= condition_further(C, members[q], q, tries.rows, tries.variances, tries.covariances)
    tries.variances[y] = 0.0
    tries.covariances[y] = 0.0
    tries.residual[0] = residual
    counts[AT] = vertex
    return max(residual, 0.0)


@reduction_kernel
def _fill_gains(variances, covariances, gains):
    """What each node would take from the residual variance; 0 where it has no variance, and so no covariance, left."""
    for i in range(gains.size):
        gains[i] = covariances[i] * covariances[i] / (variances[i] + _TINY)


@kernel
def _sort_descending(keys, count):
    """Shell's method: lists are short, and nothing is allocated."""
    gap = 1
    while gap < count // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, count):
            key, j = keys[i], i
            while j >= gap and keys[j - gap] < key:
                keys[j] = keys[j - gap]
                j -= gap
            keys[j] = key
        gap //= 3


@kernel
def vertex_cost(scoring, tries, y, vertex):
    """The cost of node y with the parents of a leaf, after shrinking."""
    if tries.cost[vertex] == _UNKNOWN:
        members = np.empty(scoring.required_count[y] + tries.depth[vertex], np.int64)
        count = parents_at(scoring, tries, y, vertex, members)
        tries.cost[vertex], _ = eliminate(scoring, y, members, count, scoring.required_count[y])
    return tries.cost[vertex]


@kernel
def descend(scoring, tries, y, vertex, rank, place, end):
    """Walk down from a candidate of a vertex on; w stands before y where ``place[w] < end``. Returns the leaf."""
    while True:
        slot, last = tries.first[vertex] + rank, tries.last[vertex]
        while slot < last and place[tries.candidate[slot]] >= end:
            slot += 1
        if slot >= last:
            return vertex
        below = tries.below[slot]
        if below < 0:
            d, counts = scoring.C.shape[0], tries.counts
            if counts[VERTICES] >= tries.node.size or counts[SLOTS] + d > tries.candidate.size:
                counts[OVERFLOW] = 1
                return vertex
            below = counts[VERTICES]
            counts[VERTICES] += 1
            tries.below[slot] = below
            tries.node[below] = tries.candidate[slot]
            tries.parent[below] = vertex
            tries.depth[below] = tries.depth[vertex] + 1
            _expand(scoring, tries, y, below)
        vertex, rank = np.int64(below), 0


@kernel
def fill_jumps(tries, leaf, jumps):
    """For each other node, where the walk goes another way when that node crosses y, and -1 where it does not.

    A node on the path takes the walk back to the vertex above it when it leaves; any other one, when it joins, to the
    highest vertex where it comes before the candidate that was taken. O(parents d).
    """
    for w in range(jumps.size):
        jumps[w] = -1
    taken, vertex = np.uint16(32767), leaf
    while vertex >= 0:
        ranks = tries.rank[vertex]
        for w in range(jumps.size):
            # Those who are no candidates, of rank -1, are the largest when read without a sign.
            jumps[w] = vertex if np.uint16(ranks[w]) < taken else jumps[w]
        above = tries.parent[vertex]
        if above >= 0:
            taken = np.uint16(tries.rank[above, tries.node[vertex]])
        vertex = above
    vertex = leaf
    while tries.parent[vertex] >= 0:
        jumps[tries.node[vertex]] = tries.parent[vertex]
        vertex = tries.parent[vertex]
