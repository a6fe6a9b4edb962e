"""The least largest residual of many rows, exactly, from a few: rows that exceed the maximum come in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .certificate import Fit, fit_of, lower_bound
from .interior import solve_chebyshev
from .problem import Problem

_FIRST_ROWS, _ROWS_A_COLUMN = 500, 10
_ROUNDS = 60
_EXCESS = 1e-12


def exchange(problem: Problem, x: np.ndarray) -> Iterator[Fit | None]:
    """Fits to working sets of rows: each adds the rows with the largest residuals, until none exceeds the maximum.

    The optimum of a working set is a lower bound for all rows, and it grows: the method ends.

    Parameters
    ----------
    problem : Problem
        With p = inf.
    x : ndarray of shape (d,)
        A start, as of least squares.

    Yields
    ------
    Fit or TICK
    """
    more = min(problem.n_rows, max(_FIRST_ROWS, _ROWS_A_COLUMN * problem.width))
    residual = problem.residual(x)
    working = np.zeros(0, dtype=np.int64)
    best = None
    for _ in range(_ROUNDS):
        sizes = np.abs(residual)
        largest = np.argpartition(-sizes, more - 1)[:more]
        level = 0.0 if best is None else best.value
        working = np.union1d(working, largest[sizes[largest] > level])
        x, _, inner = yield from solve_chebyshev(problem.part(working), x)
        residual = problem.residual(x)
        u = np.zeros(problem.n_rows)
        u[working] = inner
        bound = lower_bound(problem, u, residual)
        best = bound if best is None or bound.value > best.value else best
        yield fit_of(problem, x, residual, best, "exchange", more)
        if np.abs(residual).max() <= (1 + _EXCESS) * np.abs(residual[working]).max():
            return
