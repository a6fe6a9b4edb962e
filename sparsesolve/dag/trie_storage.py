"""Where the tries of the order search are kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Places in `Tries.counts`.
VERTICES, SLOTS, OVERFLOW, RESETS, AT = 0, 1, 2, 3, 4


class Tries(NamedTuple):
    """The tries of all nodes, in shared storage; vertex y is the root of node y.

    Attributes
    ----------
    node, parent, depth : ndarray of int64, int64, int64, shape (vertices,)
        Last parent added; the vertex above, -1 for a root; parents so far, required ones apart.
    first, last : ndarray of int64, shape (vertices,)
        Range of a vertex's candidates in the slots.
    rank : ndarray of int16, shape (vertices, d)
        Place of each node among a vertex's candidates, -1 for the others.
    cost : ndarray of float64, shape (vertices,)
        Cost after shrinking, infinite where it is not known yet.
    candidate, below : ndarray of int16 and int32, shape (slots,)
        Candidates of a vertex, best first; the vertex below, -1 where it was not asked for yet.
    counts : ndarray of int64, shape (5,)
        Vertices and slots in use; whether room was missing; how often the storage was emptied; the vertex that the
        work space belongs to.
    residual, rows, variances, covariances : ndarray
        Work space: what is left of y and of all nodes given the parents at a vertex.
    gains, keys : ndarray
        More work space.
    """

    node: np.ndarray
    parent: np.ndarray
    depth: np.ndarray
    first: np.ndarray
    last: np.ndarray
    rank: np.ndarray
    cost: np.ndarray
    candidate: np.ndarray
    below: np.ndarray
    counts: np.ndarray
    residual: np.ndarray
    rows: np.ndarray
    variances: np.ndarray
    covariances: np.ndarray
    gains: np.ndarray
    keys: np.ndarray


def empty_tries(d: int, memory: int) -> Tries:
    """Make room for tries of d nodes in at most about `memory` bytes, which are touched as they fill."""
    per_vertex = 8 + d // 6
    vertices = max(8 * d, min(2_000_000, memory // (2 * d + 6 * per_vertex + 48)))
    longest = 64 + d
    return Tries(
        np.empty(vertices, np.int64),
        np.empty(vertices, np.int64),
        np.empty(vertices, np.int64),
        np.empty(vertices, np.int64),
        np.empty(vertices, np.int64),
        np.empty((vertices, d), np.int16),
        np.empty(vertices),
        np.empty(vertices * per_vertex + d * d, np.int16),
        np.empty(vertices * per_vertex + d * d, np.int32),
        np.zeros(5, np.int64),
        np.zeros(1),
        np.empty((min(longest, d + 1), d)),
        np.empty(d),
        np.empty(d),
        np.empty(d),
        np.empty(d, np.int64),
    )
