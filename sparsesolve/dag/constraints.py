"""Edges that a graph must have, and edges that it may have; and orders of the nodes that agree with them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..backends.jit import kernel
from ..graphs import is_acyclic


class Constraints(NamedTuple):
    """What is known about the graph beforehand. [i, j] is the edge i -> j.

    Attributes
    ----------
    allowed : ndarray of bool, shape (d, d)
        Edges that may be there; the diagonal is False, required edges are True.
    required : ndarray of bool, shape (d, d)
        Edges that must be there; without cycles.
    """

    allowed: np.ndarray
    required: np.ndarray


def constraints_of(d: int, required=None, forbidden=None, tiers=None) -> Constraints:
    """Check the constraints, and bring them to one form.

    Parameters
    ----------
    d : int
        Number of nodes.
    required, forbidden : array of bool, shape (d, d), optional
        Edges that must, or must not, be there.
    tiers : array of int, shape (d,), optional
        No edge leads from a higher tier to a lower one.

    Raises
    ------
    ValueError
        Where a shape is wrong, a required edge is forbidden, or required edges form a cycle.

    Examples
    --------
    >>> constraints_of(2, tiers=[0, 1]).allowed
    array([[False,  True],
           [False, False]])
    """
    allowed = ~np.eye(d, dtype=bool)
    if forbidden is not None:
        allowed &= ~_edges("forbidden", forbidden, d)
    if tiers is not None:
        tier = np.asarray(tiers)
        if tier.shape != (d,):
            raise ValueError(f"tiers has shape {tier.shape}; give one tier for each of the {d} columns.")
        allowed &= tier[:, None] <= tier[None, :]
    must = np.zeros((d, d), dtype=bool) if required is None else _edges("required", required, d)
    broken = np.argwhere(must & ~allowed)
    if broken.size:
        i, j = (int(place) for place in broken[0])
        raise ValueError(f"required has the edge {i} -> {j}, which is forbidden; drop one of the two.")
    if not is_acyclic(must):
        raise ValueError("required has a cycle of edges; a graph without cycles cannot have them all.")
    return Constraints(allowed, must)


def _edges(name: str, edges, d: int) -> np.ndarray:
    mask = np.asarray(edges)
    if mask.shape != (d, d):
        raise ValueError(
            f"{name} has shape {mask.shape}; give a boolean array of shape ({d}, {d}), [i, j] for i -> j."
        )
    return mask.astype(bool)


def ranked_order(edges: np.ndarray, ranks: np.ndarray) -> np.ndarray | None:
    """Return an order in which every edge leads forward, the least ranks first where there is a choice.

    Parameters
    ----------
    edges : ndarray of bool, shape (d, d)
    ranks : ndarray of int64, shape (d,)

    Returns
    -------
    order : ndarray of int64, shape (d,), or None
        None where the edges form a cycle. O(d^2).
    """
    d = len(edges)
    order = np.empty(d, dtype=np.int64)
    waiting = edges.sum(axis=0)
    placed = np.zeros(d, dtype=bool)
    for place in range(d):
        ready = np.flatnonzero(~placed & (waiting == 0))
        if ready.size == 0:
            return None
        node = ready[np.argmin(ranks[ready])]
        order[place] = node
        placed[node] = True
        waiting = waiting - edges[node]
    return order


def compatible(order: np.ndarray, constraints: Constraints) -> np.ndarray:
    """Return the order changed as little as needed: required edges lead forward, one-way pairs where they can."""
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    one_way = constraints.allowed & ~constraints.allowed.T
    found = ranked_order(one_way | constraints.required, ranks)
    if found is None:
        found = ranked_order(constraints.required, ranks)
    assert found is not None  # `constraints_of` has seen that required edges have no cycle
    return found


@kernel
def slots_of(required, required_count, order, v):
    """Place of node v, and first and last place it may take among the others, required edges leading forward."""
    now, first, last, place = 0, 0, order.size - 1, 0
    for p in range(order.size):
        w = order[p]
        if w == v:
            now = p
            continue
        for q in range(required_count[v]):
            if required[v, q] == w:
                first = place + 1
        for q in range(required_count[w]):
            if required[w, q] == v and place < last:
                last = place
        place += 1
    return now, first, last
