"""Search over orders by annealing: nodes move to places drawn by their scores, while the temperature falls."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .moves import move_nodes, random_order, trace
from .regression_kernels import eliminate
from .scores import Scoring
from .search_state import BEST, CURRENT, new_slots, new_state
from .trie_storage import RESETS, empty_tries
from .tries import parents_at, plant

MEMORY = 400_000_000
_PIECE = 32  # nodes between two looks at the clock
_MOST_PASSES = 100


class Schedule(NamedTuple):
    """How a search cools.

    Attributes
    ----------
    hot, cold : float
        First and last temperature, in units of the score (twice a log-likelihood).
    passes : int
        Passes from one to the other, in equal factors; 0 to improve only.
    reach : int
        Largest distance of a move.
    """

    hot: float
    cold: float
    passes: int
    reach: int = 1 << 30

    def temperatures(self) -> list[float]:
        """One temperature a pass."""
        return [float(value) for value in np.geomspace(self.hot, self.cold, self.passes)]


ANNEAL = Schedule(100.0, 1.0, 20)
REFINE = Schedule(10.0, 1.0, 6)
DESCENT = Schedule(1.0, 1.0, 0)


class Progress(NamedTuple):
    """Where a search stands after a pass over all nodes.

    Attributes
    ----------
    score : float
        Of the best order.
    order : ndarray of int64, shape (d,)
        The best order so far, over all starts.
    graph : ndarray of bool, shape (d, d), or None
        The graph, after the last pass.
    start_scores : tuple of float
        The best score from each start so far.
    stage : str
    temperature : float
    moved : int
        Nodes that moved in the pass.
    resets : int
        How often the cache was emptied for want of memory.
    """

    score: float
    order: np.ndarray
    graph: np.ndarray | None
    start_scores: tuple[float, ...]
    stage: str
    temperature: float
    moved: int
    resets: int


class OrderSearch:
    """A search under one score, with its cache, which all starts share.

    Parameters
    ----------
    scoring : Scoring
    memory : int
        Bytes that the cache may use.
    """

    def __init__(self, scoring: Scoring, memory: int = MEMORY):
        d = len(scoring.C)
        self.scoring = scoring
        self.tries = empty_tries(d, memory)
        self.state = new_state(d)
        self._slots = new_slots(d)
        plant(scoring, self.tries)

    @property
    def score(self) -> float:
        """Of the best order since `begin`."""
        return float(self.state.scores[BEST])

    @property
    def best(self) -> np.ndarray:
        """The best order since `begin`, int64, shape (d,)."""
        return self.state.best.copy()

    @property
    def resets(self) -> int:
        """How often the cache was emptied for want of memory."""
        return int(self.tries.counts[RESETS])

    def begin(self, order: np.ndarray) -> float:
        """Start from an order; return its score."""
        self.state.order[:] = order
        self.state.scores[:] = math.inf
        trace(self.scoring, self.tries, self.state)
        return self.score

    def run_pass(
        self, temperature: float, key: int, number: int, reach: int = 1 << 30
    ) -> Iterator[int | None]:
        """Let each node move once, in a random order; yields None on the way, and last how many moved.

        The draws are functions of the key and the pass's number.
        """
        d = len(self.state.order)
        visits = random_order(key, number, d)
        moved = 0
        for first in range(0, d, _PIECE):
            moved += move_nodes(
                self.scoring,
                self.tries,
                self.state,
                self._slots,
                visits,
                first,
                min(first + _PIECE, d),
                reach,
                float(temperature),
                np.uint64(key),
                number,
            )
            yield None
        self.state.scores[CURRENT] = self.state.costs.sum()
        yield moved

    def run(self, schedule: Schedule, key: int, number: int) -> Iterator[tuple[float, int] | None]:
        """Cool down, then improve until no move does.

        Yields None on the way, and after each pass its temperature and how many nodes moved. O(d) look-ups in the
        cache a pair of nodes and pass.
        """
        temperatures = schedule.temperatures()
        for index in range(len(temperatures) + _MOST_PASSES):
            temperature = temperatures[index] if index < len(temperatures) else 0.0
            if index == len(temperatures) and index > 0:
                self.begin(self.best)
            moved = 0
            for news in self.run_pass(temperature, key, number + index, schedule.reach):
                if news is None:
                    yield None
                else:
                    moved = news
            yield temperature, moved
            if temperature == 0.0 and moved == 0:
                return

    def parents(self, order: np.ndarray) -> np.ndarray:
        """The graph that grow-shrink reads off an order; bool, shape (d, d), [i, j] for i -> j."""
        scores = self.state.scores.copy(), self.state.best.copy()
        self.begin(order)
        d = len(order)
        graph = np.zeros((d, d), dtype=bool)
        members = np.empty(d, np.int64)
        for y in range(d):
            count = parents_at(self.scoring, self.tries, y, self.state.leaves[y], members)
            _, count = eliminate(self.scoring, y, members, count, self.scoring.required_count[y])
            graph[members[:count], y] = True
        self.state.scores[:], self.state.best[:] = scores
        return graph
