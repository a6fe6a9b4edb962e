"""Moves of one node to another place of the order, with the change of the score from the tries."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..random import Stream, below, uniform, words
from .constraints import slots_of
from .scores import LEAST_CHANGE
from .search_state import BEST, CURRENT
from .trie_storage import OVERFLOW, RESETS
from .tries import descend, fill_jumps, plant, vertex_cost

_STREAM = int(Stream.NODE_ORDERS)


@kernel
def trace(scoring, tries, state):
    """Find the leaves and the costs of the state's order afresh; returns its score."""
    total = _walk(scoring, tries, state)
    if tries.counts[OVERFLOW]:
        # The room is used up: begin the tries anew. What has no room even then stays with fewer parents.
        plant(scoring, tries)
        tries.counts[RESETS] += 1
        total = _walk(scoring, tries, state)
        tries.counts[OVERFLOW] = 0
    state.scores[CURRENT] = total
    if total < state.scores[BEST] - LEAST_CHANGE:
        state.scores[BEST] = total
        state.best[:] = state.order
    return total


@kernel
def _walk(scoring, tries, state):
    d = state.order.size
    place = np.empty(d, np.int64)
    for p in range(d):
        place[state.order[p]] = p
    total = 0.0
    for p in range(d):
        y = state.order[p]
        state.leaves[y] = descend(scoring, tries, y, y, 0, place, p)
        state.costs[y] = vertex_cost(scoring, tries, y, state.leaves[y])
        fill_jumps(tries, state.leaves[y], state.jumps[y])
        total += state.costs[y]
    return total


@kernel
def price_slots(scoring, tries, state, v, now, first, last, slots):
    """Fill the slots first .. last of node v, which is at `now`. Costs only look-ups where nothing changes."""
    d = state.order.size
    rest, place = slots.rest, np.empty(d, np.int64)
    count, total = 0, 0.0
    for p in range(d):
        w = state.order[p]
        if p != now:
            rest[count] = w
            place[w] = count
            if count < first or count >= last:
                total += state.costs[w]
            count += 1
    place[v] = d
    leaf, own, jumps = np.int64(-1), 0.0, slots.jumps
    for p in range(first, last + 1):
        jump, rank = np.int64(v), 0
        if p > first:
            jump = np.int64(jumps[rest[p - 1]])
            rank = np.int64(tries.rank[jump, rest[p - 1]]) if jump >= 0 else 0
        if jump >= 0:
            leaf = descend(scoring, tries, v, jump, rank, place, p)
            own = vertex_cost(scoring, tries, v, leaf)
            fill_jumps(tries, leaf, jumps)
        slots.own_leaves[p] = leaf
        slots.own_costs[p] = own
    for p in range(first, last):
        y = rest[p]
        jump, other = np.int64(state.jumps[y, v]), state.leaves[y]
        same = changed = state.costs[y]
        if jump >= 0:
            # Node v joins those before y, or leaves them.
            place[v] = -1 if p < now else d
            rank = np.int64(tries.rank[jump, v]) + (0 if p < now else 1)
            other = descend(scoring, tries, y, jump, rank, place, p)
            changed = vertex_cost(scoring, tries, y, other)
        slots.other_leaves[p] = other
        slots.before[p] = changed if p < now else same
        slots.after[p] = same if p < now else changed
        total += slots.before[p]
    for p in range(first, last + 1):
        slots.totals[p] = total + slots.own_costs[p]
        if p < last:
            total += slots.after[p] - slots.before[p]


@kernel
def choose_slot(totals, now, first, last, temperature, number):
    """The best place where it beats the one now, or at a temperature a place drawn by ``exp(-total / temperature)``."""
    least = totals[now]
    for p in range(first, last + 1):
        least = min(least, totals[p])
    if temperature <= 0.0:
        if least >= totals[now] - LEAST_CHANGE:
            return now
        for p in range(first, last + 1):
            if totals[p] <= least + LEAST_CHANGE:
                return p
    mass = 0.0
    for p in range(first, last + 1):
        mass += np.exp((least - totals[p]) / temperature)
    target, mass = number * mass, 0.0
    for p in range(first, last + 1):
        mass += np.exp((least - totals[p]) / temperature)
        if mass >= target:
            return p
    return last


@kernel
def move(tries, state, v, now, new, slots):
    """Put node v at a new place."""
    change = slots.totals[new] - slots.totals[now]
    state.costs[v] = slots.own_costs[new]
    if state.leaves[v] != slots.own_leaves[new]:
        state.leaves[v] = slots.own_leaves[new]
        fill_jumps(tries, state.leaves[v], state.jumps[v])
    for p in range(min(now, new), max(now, new)):
        y = slots.rest[p]
        if state.leaves[y] != slots.other_leaves[p]:
            state.leaves[y] = slots.other_leaves[p]
            fill_jumps(tries, state.leaves[y], state.jumps[y])
        state.costs[y] = slots.before[p] if p >= new else slots.after[p]
    count = 0
    for p in range(state.order.size):
        if p == new:
            state.order[p] = v
        else:
            state.order[p] = slots.rest[count]
            count += 1
    state.scores[CURRENT] += change
    if state.scores[CURRENT] < state.scores[BEST] - LEAST_CHANGE:
        state.scores[BEST] = state.scores[CURRENT]
        state.best[:] = state.order


@kernel
def fill_permutation(key, number, order):
    """A random order of 0 .. d - 1, a function of the key and the number alone (Fisher and Yates)."""
    for i in range(order.size):
        order[i] = i
    for i in range(order.size - 1, 0, -1):
        word, _, _, _ = words(key, _STREAM, number, i)
        j = below(word, i + 1)
        order[i], order[j] = order[j], order[i]


@kernel
def move_nodes(scoring, tries, state, slots, visits, first, last, reach, temperature, key, number):
    """Let the nodes visits[first:last] choose places up to `reach` away, one by one; returns how many moved."""
    moved = 0
    for t in range(first, last):
        v = visits[t]
        now, lower, upper = slots_of(scoring.required, scoring.required_count, state.order, v)
        lower, upper = max(lower, now - reach), min(upper, now + reach)
        price_slots(scoring, tries, state, v, now, lower, upper, slots)
        if tries.counts[OVERFLOW]:
            trace(scoring, tries, state)
            price_slots(scoring, tries, state, v, now, lower, upper, slots)
            tries.counts[OVERFLOW] = 0
        _, _, high, low = words(key, _STREAM, number, t)
        new = choose_slot(slots.totals, now, lower, upper, temperature, uniform(high, low))
        if new != now:
            move(tries, state, v, now, new, slots)
            moved += 1
    return moved


def random_order(key: int, number: int, d: int) -> np.ndarray:
    """A random order of d nodes, int64; a function of the key and the number alone."""
    order = np.empty(d, np.int64)
    fill_permutation(np.uint64(key), number, order)
    return order
