"""The interior point methods on a whole problem, or on a part of it with the signs of the other rows known."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np

from ...driver import TICK
from .box import box_steps
from .certificate import Fit, fit_of, lower_bound
from .chebyshev import chebyshev_steps, chebyshev_vertex
from .problem import Problem
from .vertex import find_vertex

# A vertex is looked for when the relative gap is this small, and again each time that it has shrunk by a factor.
_LOOK_FROM, _LOOK_AGAIN = 1e-3, 0.03
_PIVOTS = 10
# Nothing is gained below this.
_END = 1e-14


class Solved(NamedTuple):
    """What a problem of part of the rows ends with."""

    x: np.ndarray
    residual: np.ndarray
    u: np.ndarray


class _Schedule:
    """When to look for a vertex."""

    def __init__(self):
        self.next = _LOOK_FROM

    def due(self, gap: float) -> bool:
        if gap > self.next:
            return False
        self.next = min(self.next, gap) * _LOOK_AGAIN
        return True


def solve_box(problem: Problem, h: np.ndarray, x: np.ndarray, tol: float) -> Generator[None, None, Solved]:
    """Minimise loss(b - A x) + h'x to a relative gap; for tol = 0 to a vertex or as far as rounding allows.

    Parameters
    ----------
    problem : Problem
        With p = 1.
    h, x : ndarray of shape (d,)
    tol : float

    Yields
    ------
    TICK

    Returns
    -------
    Solved
    """
    low, high = problem.loss.bounds()
    schedule, state = _Schedule(), None
    for state in box_steps(problem.A, problem.b, low, high, h, x):
        yield TICK
        scale = max(problem.loss.value(state.residual), 1e-300)
        gap = state.gap / scale
        if tol > 0 and gap <= tol and state.infeasibility <= tol:
            break
        if tol == 0 and schedule.due(max(gap, state.infeasibility)):
            vertex = find_vertex(problem.A, problem.b, low, high, h, state, _pivots(problem))
            if vertex is not None and vertex.optimal:
                return Solved(vertex.x, vertex.residual, vertex.u)
        if gap <= _END:
            break
    return Solved(state.x, state.residual, state.u)


def interior_box(problem: Problem, x: np.ndarray) -> Iterator[Fit]:
    """Fits by the interior point method on all rows; p = 1 and quantiles."""
    low, high = problem.loss.bounds()
    schedule, best = _Schedule(), None
    for state in box_steps(problem.A, problem.b, low, high, np.zeros(problem.width), x):
        bound = lower_bound(problem, state.u, state.residual)
        best = bound if best is None or bound.value > best.value else best
        fit = fit_of(problem, state.x, state.residual, best, "interior-point")
        if schedule.due(fit.gap):
            vertex = find_vertex(
                problem.A, problem.b, low, high, np.zeros(problem.width), state, _pivots(problem)
            )
            if vertex is not None and vertex.optimal:
                bound = lower_bound(problem, vertex.u, vertex.residual)
                yield fit_of(problem, vertex.x, vertex.residual, bound, "vertex")
        yield fit
        if fit.gap <= _END:
            return


def solve_chebyshev(problem: Problem, x: np.ndarray) -> Generator[None, None, Solved]:
    """Minimise the largest absolute residual, to a vertex or as far as rounding allows. Yields TICK."""
    schedule, state = _Schedule(), None
    for state in chebyshev_steps(problem.A, problem.b, x):
        yield TICK
        gap = state.gap / max(float(np.abs(state.residual).max()), 1e-300)
        if schedule.due(gap):
            vertex = chebyshev_vertex(problem.A, problem.b, state)
            if vertex is not None and _proved(vertex):
                return Solved(*vertex)
        if gap <= _END:
            break
    return Solved(state.x, state.residual, state.u)


def interior_chebyshev(problem: Problem, x: np.ndarray) -> Iterator[Fit]:
    """Fits by the interior point method on all rows; p = inf."""
    schedule, best = _Schedule(), None
    for state in chebyshev_steps(problem.A, problem.b, x):
        bound = lower_bound(problem, state.u, state.residual)
        best = bound if best is None or bound.value > best.value else best
        fit = fit_of(problem, state.x, state.residual, best, "interior-point")
        if schedule.due(fit.gap):
            vertex = chebyshev_vertex(problem.A, problem.b, state)
            if vertex is not None and _proved(vertex):
                x, residual, u = vertex
                yield fit_of(problem, x, residual, lower_bound(problem, u, residual), "vertex")
        yield fit
        if fit.gap <= _END:
            return


def _proved(vertex) -> bool:
    """Whether a vertex of the largest residual is optimal, but for rounding."""
    _, residual, u = vertex
    return float(np.abs(residual).max()) <= (1 + 1e-11) * float(u @ residual) / float(np.abs(u).sum())


def _pivots(problem: Problem) -> int:
    return _PIVOTS + problem.width // 2
