"""What the order search changes as it goes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Places in `State.scores`.
CURRENT, BEST = 0, 1


class State(NamedTuple):
    """Where a search stands; changed in place.

    Attributes
    ----------
    order, best : ndarray of int64, shape (d,)
        The order now, and the best one met.
    leaves, costs : ndarray of int64 and float64, shape (d,)
        Leaf of each node in its trie, and the node's cost.
    jumps : ndarray of int32, shape (d, d)
        Row y: where node y's walk changes when another one crosses it (`fill_jumps`).
    scores : ndarray of float64, shape (2,)
        Of both orders.
    """

    order: np.ndarray
    best: np.ndarray
    leaves: np.ndarray
    costs: np.ndarray
    jumps: np.ndarray
    scores: np.ndarray


class Slots(NamedTuple):
    """What all places would mean for one node and for the others; the others count without it, 0 .. d - 2.

    Attributes
    ----------
    rest : ndarray of int64, shape (d,)
        The others in their order.
    own_leaves, own_costs : ndarray, shape (d,)
        Of the node at each place.
    other_leaves : ndarray of int64, shape (d,)
        Of each other one when it has passed.
    before, after : ndarray of float64, shape (d,)
        Cost of each other one with the node before it, and after it.
    totals : ndarray of float64, shape (d,)
        Score of the order with the node at each place.
    jumps : ndarray of int32, shape (d,)
        Work space.
    """

    rest: np.ndarray
    own_leaves: np.ndarray
    own_costs: np.ndarray
    other_leaves: np.ndarray
    before: np.ndarray
    after: np.ndarray
    totals: np.ndarray
    jumps: np.ndarray


def new_state(d: int) -> State:
    """A state without contents."""
    return State(
        np.arange(d),
        np.arange(d),
        np.zeros(d, np.int64),
        np.zeros(d),
        np.full((d, d), -1, np.int32),
        np.full(2, np.inf),
    )


def new_slots(d: int) -> Slots:
    """Slots without contents."""
    return Slots(
        np.zeros(d, np.int64),
        np.zeros(d, np.int64),
        np.zeros(d),
        np.zeros(d, np.int64),
        np.zeros(d),
        np.zeros(d),
        np.zeros(d),
        np.zeros(d, np.int32),
    )
