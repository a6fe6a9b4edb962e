"""Least absolute residuals and quantiles of many rows, exactly, from a few.

The sign of a residual that is far from zero is the same at the solution as at a point near it. Rows of known sign
enter through their sum alone, so that a problem of the other rows remains (Portnoy and Koenker 1997). Here samples are
nested: a sample gives a point, the point leaves a few percent of the rows undecided, a sample of these gives a point
that is closer by as much again, until all undecided rows fit into a small problem. Its solution is exact if no row that
was taken as known has changed its sign; else these rows come back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...driver import TICK
from .certificate import Fit, fit_of, lower_bound
from .interior import solve_box
from .problem import Problem
from .sampling import draw, probabilities, spreads

#: Rows of the problems that are solved: so many, or so many a column.
SMALL_ROWS, ROWS_A_COLUMN = 4096, 40
# Undecided rows, as a multiple of what the sample's error bars say.
_SAFETY = 3.0
_SAMPLE_TOL = 1e-4
_ROUNDS = 12


def small_size(width: int) -> int:
    """Rows of a small problem."""
    return max(SMALL_ROWS, ROWS_A_COLUMN * width)


def reduced(problem: Problem, x: np.ndarray, key: int) -> Iterator[Fit | None]:
    """Fits by nested samples; the last one is exact.

    Parameters
    ----------
    problem : Problem
        With p = 1.
    x : ndarray of shape (d,)
        A start.
    key : int
        Seed of the samples.

    Yields
    ------
    Fit or TICK
    """
    low, high = problem.loss.bounds()
    size = small_size(problem.width)
    spread = np.maximum(spreads(problem), 1e-300)
    chances = probabilities(problem, spread)
    yield TICK
    undecided = np.arange(problem.n_rows)
    part, h = problem, np.zeros(problem.width)
    side = np.zeros(problem.n_rows)
    first_size = turn = 0
    while len(undecided) > 2 * size:
        shares = chances[undecided] / chances[undecided].sum()
        rows, factors = draw(shares, size, key, turn)
        turn += 1
        first_size = first_size or len(rows)
        x, _, _ = yield from solve_box(part.part(rows, factors), h, x, _SAMPLE_TOL)
        residual = part.residual(x)
        yield TICK
        distance = np.abs(residual) / spread[undecided]
        left = int(min(0.5, _SAFETY * np.sqrt(problem.width / len(rows))) * len(undecided))
        left = max(left, size)
        limit = np.partition(distance, left - 1)[left - 1]
        keep = distance <= limit
        gone = undecided[~keep]
        side[gone] = np.where(residual[~keep] > 0, high[gone], low[gone])
        h = h - part.A.adjoint(np.where(keep, 0.0, side[undecided]))
        part, undecided = part.part(np.flatnonzero(keep)), undecided[keep]
    for _ in range(_ROUNDS):
        x, _, inner = yield from solve_box(part, h, x, 0.0)
        residual = problem.residual(x)
        u = side.copy()
        u[undecided] = inner
        known = np.ones(problem.n_rows, dtype=bool)
        known[undecided] = False
        wrong = known & (np.where(residual > 0, high, low) != side) & (residual != 0)
        fit = fit_of(problem, x, residual, lower_bound(problem, u, residual), "reduced", first_size)
        yield fit._replace(goes_on=bool(np.any(wrong)))
        if not np.any(wrong):
            return
        # More rows come back: those of the wrong sign, and as many again of the nearest ones.
        left = min(problem.n_rows, 2 * (len(undecided) + int(wrong.sum())))
        distance = np.abs(residual) / spread
        limit = np.partition(distance, left - 1)[left - 1]
        undecided = np.flatnonzero(wrong | (distance <= limit))
        side = np.where(residual > 0, high, low)
        side[undecided] = 0.0
        h = -problem.A.adjoint(side)
        part = problem.part(undecided)
