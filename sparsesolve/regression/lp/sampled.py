"""A sample of rows, solved, and certified on all rows: within a percent, from a few passes over the data."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np

from ...driver import TICK
from .certificate import Fit, fit_of
from .interior import solve_box
from .newton import newton, smoothed_bound
from .problem import Problem
from .sampling import box_bound, draw, probabilities, spreads

_ROWS, _ROWS_A_COLUMN = 8192, 200
_SAMPLE_GAP = 1e-4


def sample_size(width: int) -> int:
    """Rows of the first sample."""
    return max(_ROWS, _ROWS_A_COLUMN * width)


def sampled(problem: Problem, x: np.ndarray, key: int) -> Iterator[Fit | None]:
    """Fits to samples, each of twice as many rows as the last, as long as there are more rows than that."""
    size, turn = sample_size(problem.width), 0
    if size >= problem.n_rows:
        return
    chances = probabilities(problem, spreads(problem), problem.residual(x))
    yield TICK
    while size < problem.n_rows:
        rows, factors = draw(chances, size, key, turn)
        x = yield from _solve(problem.part(rows, factors), x)
        residual = problem.residual(x)
        linear = problem.loss.p == 1
        bound = box_bound(problem, residual, len(rows)) if linear else smoothed_bound(problem, residual)
        yield fit_of(problem, x, residual, bound, "sampled", len(rows))
        size, turn = 2 * size, turn + 1


def sample_start(problem: Problem, x: np.ndarray, key: int) -> Generator[None, None, np.ndarray]:
    """The solution of one sample, to begin with. Yields TICK."""
    chances = probabilities(problem, spreads(problem), problem.residual(x))
    rows, factors = draw(chances, sample_size(problem.width), key, 0)
    yield TICK
    return (yield from _solve(problem.part(rows, factors), x))


def _solve(part: Problem, x) -> Generator[None, None, np.ndarray]:
    """Solve a sample, nearly."""
    if part.loss.p == 1:
        return (yield from solve_box(part, np.zeros(part.width), x, _SAMPLE_GAP)).x
    least = np.inf
    for fit in newton(part, x):
        yield TICK
        if fit.objective < least:
            least, x = fit.objective, fit.x
        if fit.gap <= _SAMPLE_GAP:
            break
    return x
